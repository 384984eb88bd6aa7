// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the extent core: what must be true between operations
 */
#include "core.h"

/* Objects of the extent core, as found by walking its lists */
struct census {
	unsigned int extents;
	unsigned int allocs;
	unsigned int objects;
};

static bool is_window(struct core *core, const struct cxl_extent_window *window)
{
	for (int w = 0; w < CORE_WINDOWS; w++)
		if (core->window[w].mapped && &core->window[w].window == window)
			return true;
	return false;
}

/* DAX has what it is to have: all that is held, usable unless withdrawn */
static void check_object(struct core *core, struct cxl_allocation *alloc)
{
	const struct core_object *object = alloc->realized;
	bool withdrawn = alloc->state >= CXL_ALLOCATION_WITHDRAWN;

	/* could not be published, and not be given back either */
	if (!object) {
		FUZZ_CHECK(withdrawn, "held, and unknown to DAX");
		return;
	}
	FUZZ_CHECK(withdrawn == (object->state != CORE_PUBLISHED),
		   "DAX and the extent core don't agree on what can be used");
	FUZZ_CHECK(withdrawn || object->nr == alloc->nr_extents,
		   "DAX has not all of an allocation that can be used");
	for (unsigned int i = 0; !withdrawn && i < object->nr; i++)
		FUZZ_CHECK(core->hostile || core->vanished ||
			   core_accepted(core, &object->dpa[i]),
			   "%#llx can be used, and is not lent",
			   object->dpa[i].start);
}

static void check_extent(struct cxl_allocation *alloc, struct cxl_extent *extent)
{
	struct range dpa = core_extent_range(extent);

	FUZZ_CHECK(extent->alloc == alloc && !RB_EMPTY_NODE(&extent->rb),
		   "%#llx is held by halves", dpa.start);
	FUZZ_CHECK(uuid_equal(&extent->tag, &alloc->tag),
		   "%#llx has another tag than its allocation", dpa.start);
	FUZZ_CHECK(extent->len && range_contains(&alloc->window->dpa, &dpa),
		   "%#llx is held outside of its region", dpa.start);
}

static void check_list(struct core *core, struct list_head *list,
		       unsigned int states, struct census *census)
{
	struct cxl_allocation *alloc;
	struct cxl_extent *extent;

	list_for_each_entry(alloc, list, node) {
		FUZZ_CHECK(BIT(alloc->state) & states, "state %d in a list of %#x",
			   alloc->state, states);
		FUZZ_CHECK(is_window(core, alloc->window), "a window is gone");
		FUZZ_CHECK(alloc->nr_extents &&
			   alloc->nr_extents == list_count_nodes(&alloc->extents),
			   "an allocation has lost count");
		list_for_each_entry(extent, &alloc->extents, node)
			check_extent(alloc, extent);
		check_object(core, alloc);
		census->extents += alloc->nr_extents;
		census->allocs++;
		census->objects += !!alloc->realized;
	}
}

/* What can be in which list, and that nothing is anywhere else */
static void check_lists(struct core *core)
{
	struct cxl_extents *extents = &core->extents;
	struct cxl_chain *chain = &extents->chain;
	unsigned int strays = list_count_nodes(&extents->strays);
	struct census census = {};

	check_list(core, &extents->allocations, BIT(CXL_ALLOCATION_HELD), &census);
	check_list(core, &extents->asking, BIT(CXL_ALLOCATION_HELD) |
					   BIT(CXL_ALLOCATION_WITHDRAWN), &census);
	check_list(core, &extents->waiting, BIT(CXL_ALLOCATION_ASKED) |
					    BIT(CXL_ALLOCATION_WITHDRAWN), &census);
	check_list(core, &extents->dying, BIT(CXL_ALLOCATION_DEAD), &census);
	FUZZ_CHECK(census.objects == list_count_nodes(&core->objects),
		   "DAX has what is not held");
	FUZZ_CHECK(chain->nr == list_count_nodes(&chain->extents) &&
		   chain->nr <= extents->max_chain, "the chain is too long");
	/* with what is left of those that the device has taken */
	FUZZ_CHECK(extents->nr_strays <= strays &&
		   extents->nr_strays <= extents->max_chain, "too many strays");
	FUZZ_CHECK(RB_EMPTY_ROOT(&extents->checked.rb_root),
		   "something was checked and never held");
	FUZZ_CHECK(fuzz_kernel.live == census.extents + census.allocs +
				       chain->nr + strays,
		   "%u objects are allocated, %u extents and %u allocations known",
		   fuzz_kernel.live, census.extents + chain->nr + strays,
		   census.allocs);
}

static struct cxl_extent *to_extent(struct rb_node *node)
{
	return node ? rb_entry(node, struct cxl_extent, rb) : NULL;
}

static struct cxl_extent *first_held(struct core *core)
{
	return to_extent(rb_first_cached(&core->extents.held));
}

static struct cxl_extent *next_held(struct cxl_extent *extent)
{
	return to_extent(rb_next(&extent->rb));
}

static u64 accepted_in_windows(struct core *core)
{
	struct core_extent *extent;
	u64 bytes = 0;

	list_for_each_entry(extent, &core->accepted, node) {
		struct range dpa = core_range(&extent->record);
		bool in = false;

		for (int w = 0; w < CORE_WINDOWS; w++)
			in |= core->window[w].mapped &&
			      core_overlap(&core->window[w].window.dpa, &dpa);
		bytes += in ? extent->record.len : 0;
	}
	return bytes;
}

/* What the device thinks this host holds, and what this host holds */
static void check_same(struct core *core)
{
	u64 bytes = 0, accepted = accepted_in_windows(core);
	struct cxl_extent *extent;

	for (extent = first_held(core); extent; extent = next_held(extent)) {
		struct range dpa = core_extent_range(extent);
		struct core_extent *known = core_accepted(core, &dpa);

		FUZZ_CHECK(known, "%#llx is held, the device does not know",
			   extent->start);
		FUZZ_CHECK(core->mixed || uuid_equal(&known->record.tag,
						     &extent->tag),
			   "%#llx has another tag than the device lists",
			   extent->start);
		bytes += extent->len;
	}
	FUZZ_CHECK(bytes == accepted, "%#llx bytes are held, %#llx lent", bytes,
		   accepted);
}

static void check_tree(struct core *core)
{
	struct cxl_extent *extent, *next;

	for (extent = first_held(core); extent; extent = next) {
		next = next_held(extent);
		FUZZ_CHECK(!next || cxl_extent_last(extent) < next->start,
			   "%#llx is held twice", extent->start);
	}
}

/* A chain that this host has closed is answered: if not, something was lost */
static void check_answered(struct core *core)
{
	bool open = core->extents.chain.state != CXL_CHAIN_NONE;

	if (core->hostile)
		return;
	if (list_empty(&core->offers) && !open) {
		core->astray = false;
		return;
	}
	if (core->astray)
		return;
	FUZZ_CHECK(open || !core_is_sound(core), "an offer is not answered");
	FUZZ_CHECK(list_is_singular(&core->offers) || !core_is_sound(core),
		   "two offers wait for an answer");
	core->astray = !open || !list_is_singular(&core->offers);
}

/* What is dead is not held, and what the device left of it is not given back yet */
static bool any_dead(struct core *core)
{
	return !list_empty(&core->extents.dying);
}

/** core_check() - after each operation */
void core_check(struct core *core)
{
	if (list_empty(&core->accepted))
		core->mixed = false;
	check_tree(core);
	check_lists(core);
	check_answered(core);
	if (core_is_sound(core) && !any_dead(core))
		check_same(core);
}

/** core_any_held() - is any of @record held? */
bool core_any_held(struct core *core, const struct cxl_extent_record *record)
{
	return record->len && cxl_extent_tree_first(&core->extents.held,
						    record->start, record->start +
						    record->len - 1);
}

static bool in_one_partition(struct core *core,
			     const struct cxl_extent_record *record)
{
	return !cxl_extent_check_range(&core->extents, record->start, record->len);
}

/* Is it held, and its user not gone yet, or not heard of? */
static bool is_pending(struct core *core, const struct range *dpa)
{
	struct cxl_extent *extent = cxl_extent_tree_first(&core->extents.held,
							  dpa->start, dpa->end);

	for (; extent; extent = cxl_extent_tree_next(extent, dpa->start, dpa->end))
		if (extent->alloc->state == CXL_ALLOCATION_ASKED)
			return true;
	return false;
}

/**
 * core_check_asked() - what was asked back has gone, or is in use
 * @core: the device
 * @record: the last record of the chain that asked for it
 * @held: was any of it held?
 *
 * What is held in part only decides for all of it: the rest needs no answer.
 */
void core_check_asked(struct core *core, const struct cxl_extent_record *record,
		      bool held)
{
	struct core_extent *extent;
	struct range asked;

	if (!core_is_sound(core) || core->mixed || any_dead(core) ||
	    !in_one_partition(core, record))
		return;
	asked = core_range(record);
	list_for_each_entry(extent, &core->accepted, node) {
		struct range dpa = core_range(&extent->record);

		if (!core_overlap(&dpa, &asked) ||
		    !uuid_equal(&extent->record.tag, &record->tag) ||
		    (held && !core_any_held(core, &extent->record)))
			continue;
		FUZZ_CHECK(is_pending(core, &dpa), "%#llx is asked back and kept",
			   dpa.start);
	}
}
