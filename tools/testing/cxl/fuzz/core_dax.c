// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the extent core: a DAX as strict as can be
 *
 * It has one object for an allocation, whole: all its extents can be used from
 * ->publish() on, and none after ->withdraw().
 */
#include <stdlib.h>
#include "core.h"

static bool object_overlaps(const struct core_object *object,
			    const struct range *range)
{
	for (unsigned int i = 0; i < object->nr; i++)
		if (core_overlap(&object->dpa[i], range))
			return true;
	return false;
}

static bool any_object(struct core *core, const struct range *range,
		       enum core_object_state state)
{
	struct core_object *object;

	list_for_each_entry(object, &core->objects, node)
		if (object->state == state && object_overlaps(object, range))
			return true;
	return false;
}

static void free_object(struct cxl_allocation *alloc)
{
	struct core_object *object = alloc->realized;

	list_del(&object->node);
	free(object);
	alloc->realized = NULL;
}

/* An allocation is extents of one tag in one region, each of them once */
static void check_members(struct core *core, struct cxl_allocation *alloc)
{
	struct cxl_extent *extent;

	FUZZ_CHECK(alloc->state == CXL_ALLOCATION_PREPARED, "prepared twice");
	FUZZ_CHECK(alloc->nr_extents == list_count_nodes(&alloc->extents),
		   "an allocation has lost count");
	FUZZ_CHECK(alloc->nr_extents == 1 || !uuid_is_null(&alloc->tag),
		   "untagged extents share an allocation");
	list_for_each_entry(extent, &alloc->extents, node) {
		struct range dpa = core_extent_range(extent);

		FUZZ_CHECK(range_contains(&alloc->window->dpa, &dpa),
			   "%#llx is prepared, not in its region", dpa.start);
		FUZZ_CHECK(uuid_equal(&extent->tag, &alloc->tag),
			   "%#llx has another tag than its allocation", dpa.start);
		FUZZ_CHECK(!any_object(core, &dpa, CORE_PREPARED),
			   "%#llx is prepared twice", dpa.start);
	}
}

int core_prepare(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct core *core = to_core(extents);
	const struct core_fault *fault = core_fault(core, CORE_PREPARE);
	struct core_object *object;
	struct cxl_extent *extent;

	check_members(core, alloc);
	if (fault)
		return fault->rc;
	object = calloc(1, struct_size(object, dpa, alloc->nr_extents));
	list_for_each_entry(extent, &alloc->extents, node)
		object->dpa[object->nr++] = core_extent_range(extent);
	list_add_tail(&object->node, &core->objects);
	alloc->realized = object;
	return 0;
}

void core_discard(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct core_object *object = alloc->realized;

	FUZZ_CHECK(object && object->state == CORE_PREPARED,
		   "what is visible is discarded");
	free_object(alloc);
}

int core_publish(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct core *core = to_core(extents);
	const struct core_fault *fault = core_fault(core, CORE_PUBLISH);
	struct core_object *object = alloc->realized;

	FUZZ_CHECK(object && object->state == CORE_PREPARED &&
		   object->nr == alloc->nr_extents &&
		   alloc->state == CXL_ALLOCATION_HELD, "published unprepared");
	FUZZ_CHECK(!container_of(alloc->window, struct core_window,
				 window)->stale_in,
		   "published, with an earlier loan's lines in caches");
	for (unsigned int i = 0; i < object->nr; i++) {
		FUZZ_CHECK(core->hostile || core->vanished ||
			   core_accepted(core, &object->dpa[i]),
			   "%#llx appears before it is accepted",
			   object->dpa[i].start);
		FUZZ_CHECK(!any_object(core, &object->dpa[i], CORE_PUBLISHED),
			   "%#llx appears twice", object->dpa[i].start);
	}
	if (fault) {
		free_object(alloc);
		return fault->rc;
	}
	object->state = CORE_PUBLISHED;
	return 0;
}

int core_withdraw(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct core *core = to_core(extents);
	struct core_object *object = alloc->realized;

	FUZZ_CHECK(object && object->state == CORE_PUBLISHED,
		   "what is not visible is withdrawn");
	if (core_fault(core, CORE_WITHDRAW) || object->claimed) {
		object->asked = true;
		return -EBUSY;
	}
	object->state = CORE_WITHDRAWN;
	return 0;
}

/* The device has taken it: only who has pinned it may touch it still */
int core_kill(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct core_object *object = alloc->realized;
	bool used;

	if (!object)
		return 0;
	FUZZ_CHECK(object->state != CORE_PREPARED, "killed before it was visible");
	used = object->claimed || object->state == CORE_DEAD;
	object->asked = true;
	if (object->claimed && object->pinned) {
		object->state = CORE_DEAD;
		return -EBUSY;
	}
	object->claimed = false;
	object->state = CORE_WITHDRAWN;
	return used;
}

void core_narrow(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct core_object *object = alloc->realized;

	FUZZ_CHECK(object->state == CORE_WITHDRAWN && uuid_is_null(&alloc->tag),
		   "a part goes of what is in use or has a tag");
	object->dpa[0] = core_extent_range(list_first_entry(&alloc->extents,
							    struct cxl_extent,
							    node));
}

/* What is in use may only be removed when its region goes */
void core_remove(struct cxl_extents *extents, struct cxl_allocation *alloc,
		 bool left)
{
	struct core_object *object = alloc->realized;

	if (!object)
		return;
	FUZZ_CHECK(object->state != CORE_PUBLISHED || (object->asked && left),
		   "removed without being withdrawn");
	free_object(alloc);
}

void core_invalidate(struct cxl_extents *extents,
		     struct cxl_extent_window *window)
{
	struct core *core = to_core(extents);
	struct core_object *object;

	container_of(window, struct core_window, window)->stale_in = false;
	list_for_each_entry(object, &core->objects, node)
		if (object->state == CORE_WITHDRAWN &&
		    object_overlaps(object, &window->dpa))
			object->flushed = true;
}

/* Nothing may be given back that can still be used, or that caches still have */
void core_dax_check_released(struct core *core, const struct range *range)
{
	struct core_object *object;

	list_for_each_entry(object, &core->objects, node) {
		if (!object_overlaps(object, range))
			continue;
		FUZZ_CHECK(object->state != CORE_PUBLISHED,
			   "%#llx is released and can be used", range->start);
		FUZZ_CHECK(object->state != CORE_WITHDRAWN || object->flushed,
			   "%#llx is released and in caches", range->start);
	}
}

/* What is accepted anew is prepared, and can't be used before the device knows */
void core_dax_check_accepted(struct core *core, const struct range *range)
{
	FUZZ_CHECK(!any_object(core, range, CORE_PUBLISHED),
		   "%#llx is not accepted and can be used", range->start);
	FUZZ_CHECK(any_object(core, range, CORE_PREPARED),
		   "%#llx is accepted and not prepared", range->start);
}

/* Does anybody have, or may still touch, some of @range? */
bool core_dax_any_used(struct core *core, const struct range *range)
{
	struct core_object *object;

	list_for_each_entry(object, &core->objects, node)
		if ((object->claimed || object->state == CORE_DEAD) &&
		    object_overlaps(object, range))
			return true;
	return false;
}

/* One that is, or can be, claimed; NULL if there is none */
struct core_object *core_dax_pick(struct core *core, bool claimed,
				  unsigned int nth)
{
	struct core_object *object, *last = NULL;

	list_for_each_entry(object, &core->objects, node) {
		if (object->claimed != claimed ||
		    (!claimed && (object->asked ||
				  object->state != CORE_PUBLISHED)))
			continue;
		last = object;
		if (!nth--)
			break;
	}
	return last;
}
