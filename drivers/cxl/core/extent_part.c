// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: a part of an untagged extent goes
 *
 * An allocation that has a tag is never split. One that is a single extent without a
 * tag can go in part, when nobody uses it: what is asked for, widened outwards to
 * what can be lent at all, goes, and what lies in front of it and behind it stays
 * held, as one or two allocations of their own. These rests are made when nobody can
 * come to use it any more, and before any of it goes back.
 */
#include <linux/align.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include "extent_core.h"

/**
 * cxl_extent_ask() - a part of an extent is to go
 * @extents: the extents of a memory device, locked
 * @extent: without a tag
 * @start: first DPA; from there to @last it overlaps @extent
 * @last: last DPA
 *
 * Adds to what is asked for of its allocation: all that lies between two parts that
 * were asked for goes, too.
 */
void cxl_extent_ask(struct cxl_extents *extents, struct cxl_extent *extent,
		    u64 start, u64 last)
{
	u64 granule = cxl_extents_granule(extents, extent->start);
	struct range *asked = &extent->alloc->asked;

	lockdep_assert_held(&extents->lock);
	start = max(start, extent->start);
	last = min(last, cxl_extent_last(extent));
	asked->start = min(asked->start, ALIGN_DOWN(start, granule));
	asked->end = max(asked->end, ALIGN(last + 1, granule) - 1);
}

static int prepare_rest(struct cxl_extents *extents,
			struct cxl_allocation *alloc, u64 start, u64 end,
			struct list_head *rests)
{
	struct cxl_extent_record record = {
		.start = start,
		.len = end - start,
		.tag = alloc->tag,
	};
	struct cxl_extent *extent;
	LIST_HEAD(members);

	if (start == end)
		return 0;
	extent = cxl_extent_new(&record);
	if (!extent)
		return -ENOMEM;
	list_add(&extent->node, &members);
	if (cxl_allocation_prepare(extents, &members, alloc->window)) {
		kfree(extent);
		return -ENOMEM;
	}
	list_add_tail(&extent->alloc->node, rests);
	return 0;
}

static struct cxl_extent *only_extent(struct cxl_allocation *alloc)
{
	return list_first_entry(&alloc->extents, struct cxl_extent, node);
}

/* Not all of them could be prepared */
static void discard(struct cxl_extents *extents, struct list_head *rests)
{
	struct cxl_allocation *rest, *next;

	list_for_each_entry_safe(rest, next, rests, node) {
		struct cxl_extent *extent = only_extent(rest);

		cxl_allocation_discard(extents, rest);
		kfree(extent);
	}
}

/**
 * cxl_rests_prepare() - prepare what remains when what is asked for goes
 * @extents: the extents of a memory device, locked
 * @alloc: nobody can use it any more; what is asked for of it is known
 * @rests: empty; filled with one or two allocations, or none when all of it goes
 *
 * Without memory for the rests all of it goes.
 */
void cxl_rests_prepare(struct cxl_extents *extents,
		       struct cxl_allocation *alloc, struct list_head *rests)
{
	struct cxl_extent *extent = only_extent(alloc);
	u64 end = extent->start + extent->len;

	lockdep_assert_held(&extents->lock);
	if (!uuid_is_null(&alloc->tag))
		return;
	if (prepare_rest(extents, alloc, extent->start, alloc->asked.start,
			 rests) ||
	    prepare_rest(extents, alloc, alloc->asked.end + 1, end, rests))
		discard(extents, rests);
}

static void narrow_to_asked(struct cxl_extents *extents,
			    struct cxl_allocation *alloc)
{
	struct cxl_extent *extent = only_extent(alloc);

	cxl_extent_tree_remove(extent, &extents->held);
	extent->start = alloc->asked.start;
	extent->len = range_len(&alloc->asked);
	cxl_extent_tree_insert(extent, &extents->held);
	extents->ops->narrow(extents, alloc);
}

/**
 * cxl_rests_show() - hold and show what remains
 * @extents: the extents of a memory device, locked
 * @alloc: nobody can use it any more; becomes what was asked for of it
 * @rests: of @alloc, may be empty; empty afterwards
 * @going: rests that can't be made visible go there, to be given back
 */
void cxl_rests_show(struct cxl_extents *extents, struct cxl_allocation *alloc,
		    struct list_head *rests, struct list_head *going)
{
	struct cxl_allocation *rest, *next;

	lockdep_assert_held(&extents->lock);
	if (list_empty(rests))
		return;
	narrow_to_asked(extents, alloc);
	list_for_each_entry_safe(rest, next, rests, node)
		cxl_allocation_show(extents, rest, going);
}
