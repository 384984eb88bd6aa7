// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the extent core: a DAX as strict as can be
 *
 * It has one object for an allocation, whole: all its extents can be used from
 * ->publish() on, and none after ->withdraw() or ->kill().
 */
#include "extent_fake.h"

/* An operation that is called so often is called without end */
#define FAKE_ENOUGH	20000

static struct fake_window *to_window(struct cxl_allocation *alloc)
{
	return container_of(alloc->window, struct fake_window, window);
}

static bool object_overlaps(const struct fake_object *object,
			    const struct range *range)
{
	for (unsigned int i = 0; i < object->nr; i++)
		if (fake_overlap(&object->dpa[i], range))
			return true;
	return false;
}

static bool any_object(struct fake *fake, const struct range *range,
		       enum fake_object_state state)
{
	struct fake_object *object;

	list_for_each_entry(object, &fake->objects, node)
		if (object->state == state && object_overlaps(object, range))
			return true;
	return false;
}

static void free_object(struct cxl_allocation *alloc)
{
	struct fake_object *object = alloc->realized;

	list_del(&object->node);
	alloc->realized = NULL;
}

/* An allocation is extents of one tag in one region, each of them once */
static void check_members(struct fake *fake, struct cxl_allocation *alloc)
{
	struct cxl_extent *extent;
	struct range dpa;

	KUNIT_EXPECT_EQ(fake->test, alloc->nr_extents,
			list_count_nodes(&alloc->extents));
	if (uuid_is_null(&alloc->tag))
		KUNIT_EXPECT_EQ(fake->test, alloc->nr_extents, 1);
	list_for_each_entry(extent, &alloc->extents, node) {
		dpa = fake_extent_range(extent);
		KUNIT_EXPECT_TRUE(fake->test,
				  range_contains(&alloc->window->dpa, &dpa));
		KUNIT_EXPECT_TRUE(fake->test,
				  uuid_equal(&extent->tag, &alloc->tag));
		KUNIT_EXPECT_FALSE(fake->test, any_object(fake, &dpa,
							  FAKE_OBJECT_PREPARED));
	}
}

static struct fake_object *new_object(struct fake *fake,
				      struct cxl_allocation *alloc)
{
	unsigned int nr = list_count_nodes(&alloc->extents), i = 0;
	struct fake_object *object;
	struct cxl_extent *extent;

	object = kunit_kzalloc(fake->test, struct_size(object, dpa, nr),
			       GFP_KERNEL | __GFP_NOFAIL);
	object->nr = nr;
	object->tag = alloc->tag;
	list_for_each_entry(extent, &alloc->extents, node)
		object->dpa[i++] = fake_extent_range(extent);
	list_add_tail(&object->node, &fake->objects);
	return object;
}

static bool is_busy(struct fake *fake, const struct fake_object *object)
{
	if (fake->count[FAKE_WITHDRAW] > FAKE_ENOUGH) {
		KUNIT_FAIL(fake->test, "withdraws without end");
		fake->nr_busy = 0;
	}
	for (unsigned int i = 0; i < fake->nr_busy; i++)
		if (object_overlaps(object, &fake->busy[i]))
			return true;
	return false;
}

int fake_prepare(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct fake *fake = to_fake(extents);
	const struct fake_fault *fault = fake_count(fake, FAKE_PREPARE);

	check_members(fake, alloc);
	KUNIT_EXPECT_EQ(fake->test, alloc->state, CXL_ALLOCATION_PREPARED);
	if (fault)
		return fault->rc;
	alloc->realized = new_object(fake, alloc);
	/* somebody has some of it by an allocation that was there before */
	if (is_busy(fake, alloc->realized)) {
		free_object(alloc);
		return -EBUSY;
	}
	return 0;
}

void fake_discard(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct fake *fake = to_fake(extents);
	struct fake_object *object = alloc->realized;

	fake_count(fake, FAKE_DISCARD);
	KUNIT_EXPECT_EQ(fake->test, object->state, FAKE_OBJECT_PREPARED);
	free_object(alloc);
}

/* The device knows all of it to be accepted, and nothing of it can be used yet */
static void check_accepted(struct fake *fake, const struct fake_object *object)
{
	for (unsigned int i = 0; i < object->nr; i++) {
		const struct range *dpa = &object->dpa[i];

		KUNIT_EXPECT_TRUE_MSG(fake->test, fake_is_accepted(fake, dpa),
				      "%#llx appears before it is accepted",
				      dpa->start);
		KUNIT_EXPECT_FALSE(fake->test, any_object(fake, dpa,
							  FAKE_OBJECT_PUBLISHED));
	}
}

int fake_publish(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct fake *fake = to_fake(extents);
	const struct fake_fault *fault = fake_count(fake, FAKE_PUBLISH);
	struct fake_object *object = alloc->realized;

	KUNIT_EXPECT_EQ(fake->test, object->state, FAKE_OBJECT_PREPARED);
	KUNIT_EXPECT_EQ(fake->test, object->nr, alloc->nr_extents);
	KUNIT_EXPECT_EQ(fake->test, alloc->state, CXL_ALLOCATION_HELD);
	check_accepted(fake, object);
	KUNIT_EXPECT_FALSE(fake->test, to_window(alloc)->stale_in);
	if (fault) {
		free_object(alloc);
		return fault->rc;
	}
	object->state = FAKE_OBJECT_PUBLISHED;
	return 0;
}

/* The one moment at which it matters whether a user is still there */
static void leave(struct fake *fake)
{
	if (fake->leaving)
		fake->nr_busy = 0;
}

int fake_withdraw(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct fake *fake = to_fake(extents);
	struct fake_object *object = alloc->realized;

	fake_count(fake, FAKE_WITHDRAW);
	leave(fake);
	KUNIT_EXPECT_EQ(fake->test, object->state, FAKE_OBJECT_PUBLISHED);
	if (is_busy(fake, object))
		return -EBUSY;
	object->state = FAKE_OBJECT_WITHDRAWN;
	return 0;
}

/* The users of an object have lost it */
static void end_use(struct fake *fake, const struct fake_object *object)
{
	for (unsigned int i = 0; i < fake->nr_busy; i++)
		if (object_overlaps(object, &fake->busy[i]))
			fake->busy[i--] = fake->busy[--fake->nr_busy];
}

int fake_kill(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct fake *fake = to_fake(extents);
	struct fake_object *object = alloc->realized;

	fake_count(fake, FAKE_KILL);
	leave(fake);
	if (!object)
		return 0;
	KUNIT_EXPECT_NE(fake->test, object->state, FAKE_OBJECT_PREPARED);
	if (is_busy(fake, object) && fake->pinned) {
		object->state = FAKE_OBJECT_DEAD;
		return -EBUSY;
	}
	if (!is_busy(fake, object) && object->state != FAKE_OBJECT_DEAD) {
		object->state = FAKE_OBJECT_WITHDRAWN;
		return 0;
	}
	end_use(fake, object);
	object->state = FAKE_OBJECT_WITHDRAWN;
	return 1;
}

void fake_narrow(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct fake *fake = to_fake(extents);
	struct fake_object *object = alloc->realized;

	fake_count(fake, FAKE_NARROW);
	KUNIT_EXPECT_EQ(fake->test, object->state, FAKE_OBJECT_WITHDRAWN);
	KUNIT_EXPECT_TRUE(fake->test, uuid_is_null(&object->tag));
	object->dpa[0] = fake_extent_range(list_first_entry(&alloc->extents,
							    struct cxl_extent,
							    node));
}

/* What is in use may only be removed when its region goes */
void fake_remove(struct cxl_extents *extents, struct cxl_allocation *alloc,
		 bool left)
{
	struct fake *fake = to_fake(extents);
	struct fake_object *object = alloc->realized;

	fake_count(fake, left ? FAKE_LEAVE : FAKE_REMOVE);
	if (!object)
		return;
	if (!is_busy(fake, object))
		KUNIT_EXPECT_EQ(fake->test, object->state,
				FAKE_OBJECT_WITHDRAWN);
	free_object(alloc);
}

void fake_invalidate(struct cxl_extents *extents,
		     struct cxl_extent_window *window)
{
	struct fake_window *w = container_of(window, struct fake_window, window);
	struct fake *fake = to_fake(extents);
	struct fake_object *object;

	fake_count(fake, FAKE_INVALIDATE);
	w->stale_in = false;
	list_for_each_entry(object, &fake->objects, node)
		if (object->state == FAKE_OBJECT_WITHDRAWN &&
		    object_overlaps(object, &window->dpa))
			object->flushed = true;
}

/* Nothing may be given back that can still be used, or that caches still have */
void fake_dax_check_released(struct fake *fake, const struct range *range)
{
	struct fake_object *object;

	list_for_each_entry(object, &fake->objects, node) {
		if (!object_overlaps(object, range))
			continue;
		if (object->state == FAKE_OBJECT_PUBLISHED)
			KUNIT_FAIL(fake->test, "%#llx is released and can be used",
				   range->start);
		if (object->state == FAKE_OBJECT_DEAD)
			KUNIT_FAIL(fake->test, "%#llx is released and can be touched",
				   range->start);
		if (object->state == FAKE_OBJECT_WITHDRAWN && !object->flushed)
			KUNIT_FAIL(fake->test, "%#llx is released and in caches",
				   range->start);
	}
}

/* What is accepted anew is prepared, and can't be used before the device knows */
void fake_dax_check_accepted(struct fake *fake, const struct range *range)
{
	if (any_object(fake, range, FAKE_OBJECT_PUBLISHED))
		KUNIT_FAIL(fake->test, "%#llx is not accepted and can be used",
			   range->start);
	if (!any_object(fake, range, FAKE_OBJECT_PREPARED))
		KUNIT_FAIL(fake->test, "%#llx is accepted and not prepared",
			   range->start);
}

/* The object of a tag, or NULL */
const struct fake_object *fake_dax_find(struct fake *fake, const uuid_t *tag)
{
	struct fake_object *object;

	list_for_each_entry(object, &fake->objects, node)
		if (uuid_equal(&object->tag, tag))
			return object;
	return NULL;
}
