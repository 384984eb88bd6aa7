// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: giving extents back
 *
 * A Release Capacity record asks for a DPA range. What is held there decides what
 * happens: nothing held is answered from the device's own list, an allocation that
 * nobody uses goes back at once, and one that is in use goes back by itself when
 * its last user is gone. The host may give back more than was asked for as long as
 * nobody uses it, never less than a whole tagged allocation.
 *
 * All that one chain of records asks for goes back by one Release command. Between
 * ->withdraw() and the device's answer an allocation is WITHDRAWN: nobody can use
 * it, and if the command fails it is still there to be released again.
 */
#include <kunit/visibility.h>
#include <linux/align.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "extent.h"

/* @start to @last touch @extent: widen them outwards to what can be given back */
static void ask_for_part(struct cxl_extents *extents, struct cxl_extent *extent,
			 u64 start, u64 last)
{
	u64 granule = cxl_extents_granule(extents, extent->start);
	struct range *asked = &extent->alloc->asked;

	start = max(start, extent->start);
	last = min(last, cxl_extent_last(extent));
	asked->start = min(asked->start, ALIGN_DOWN(start, granule));
	asked->end = max(asked->end, ALIGN(last + 1, granule) - 1);
}

static void ask_back(struct cxl_extents *extents, struct cxl_extent *extent,
		     u64 start, u64 last)
{
	struct cxl_allocation *alloc = extent->alloc;

	if (uuid_is_null(&alloc->tag))
		ask_for_part(extents, extent, start, last);
	else if (alloc->asked.end < alloc->asked.start)
		cxl_allocation_ask(alloc);	/* all of it, once is enough */
	/* in use and asked for already: it goes when its last user is gone */
	if (alloc->state != CXL_ALLOCATION_ASKED)
		list_move_tail(&alloc->node, &extents->asking);
}

/* Nothing is held there: does the device think so too? Asked at the chain's end */
static void note_stray(struct cxl_extents *extents,
		       const struct cxl_extent_record *record)
{
	struct cxl_extent *stray;

	if (extents->nr_strays >= extents->max_chain) {
		cxl_extents_report(extents, record->start, record->len,
				   &record->tag, CXL_EXTENT_CHAIN_TOO_LONG);
		return;
	}
	stray = cxl_extent_new(record);
	if (!stray) {
		cxl_extents_report(extents, record->start, record->len,
				   &record->tag, CXL_EXTENT_NO_RESOURCES);
		return;
	}
	list_add_tail(&stray->answer, &extents->strays);
	extents->nr_strays++;
}

static void take_request(struct cxl_extents *extents,
			 const struct cxl_extent_record *record)
{
	u64 start = record->start, last = start + record->len - 1;
	struct cxl_extent *extent;

	extent = cxl_extent_tree_first(&extents->held, start, last);
	if (!extent)
		note_stray(extents, record);
	for (; extent; extent = cxl_extent_tree_next(extent, start, last)) {
		cond_resched();
		if (uuid_equal(&extent->tag, &record->tag))
			ask_back(extents, extent, start, last);
		else
			cxl_extents_report(extents, extent->start, extent->len,
					   &record->tag,
					   CXL_EXTENT_TAG_MISMATCH);
	}
}

/**
 * cxl_extents_release_record() - take a Release Capacity record
 * @extents: the extents of a memory device, locked
 * @record: what the device says, nothing of it is trusted
 *
 * The record without More ends the chain: what it asks for and is not in use is
 * released before this function returns. CXL 3.1 9.13.3.3.
 */
void cxl_extents_release_record(struct cxl_extents *extents,
				const struct cxl_extent_record *record)
{
	enum cxl_extent_reason reason;

	lockdep_assert_held(&extents->lock);
	extents->stats.release_records++;
	extents->release_last = jiffies;
	reason = cxl_extent_check_range(extents, record->start, record->len);
	if (reason)
		cxl_extents_report(extents, record->start, record->len,
				   &record->tag, reason);
	else
		take_request(extents, record);
	if (!record->more)
		cxl_extents_release_asked(extents);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_release_record);

/* Prepare what remains of an untagged extent when a part of it goes back */
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

static void discard_rests(struct cxl_extents *extents, struct list_head *rests)
{
	struct cxl_allocation *rest, *next;

	list_for_each_entry_safe(rest, next, rests, node) {
		struct cxl_extent *extent = list_first_entry(&rest->extents,
							     typeof(*extent),
							     node);

		cxl_allocation_discard(extents, rest);
		kfree(extent);
	}
}

/* Only a single untagged extent is ever split */
static void prepare_rests(struct cxl_extents *extents,
			  struct cxl_allocation *alloc, struct list_head *rests)
{
	struct cxl_extent *extent = list_first_entry(&alloc->extents,
						     typeof(*extent), node);
	u64 end = extent->start + extent->len;

	if (!uuid_is_null(&alloc->tag))
		return;
	/* without memory for the rest all of it goes: nobody uses it */
	if (prepare_rest(extents, alloc, extent->start, alloc->asked.start,
			 rests) ||
	    prepare_rest(extents, alloc, alloc->asked.end + 1, end, rests))
		discard_rests(extents, rests);
}

static void narrow_to_asked(struct cxl_extents *extents,
			    struct cxl_allocation *alloc)
{
	struct cxl_extent *extent = list_first_entry(&alloc->extents,
						     typeof(*extent), node);

	cxl_extent_tree_remove(extent, &extents->held);
	extent->start = alloc->asked.start;
	extent->len = range_len(&alloc->asked);
	cxl_extent_tree_insert(extent, &extents->held);
	extents->ops->narrow(extents, alloc);
}

/* What is left of a split extent appears; if it can't, it goes back as well */
static void publish_rests(struct cxl_extents *extents, struct list_head *rests,
			  struct list_head *going)
{
	struct cxl_allocation *rest, *next;

	list_for_each_entry_safe(rest, next, rests, node)
		cxl_allocation_show(extents, rest, going);
}

/* Move @alloc to @going, or let it wait for its user */
static void take_back(struct cxl_extents *extents, struct cxl_allocation *alloc,
		      struct list_head *going)
{
	LIST_HEAD(rests);

	if (alloc->state == CXL_ALLOCATION_WITHDRAWN) {
		list_move_tail(&alloc->node, going);
		return;
	}
	prepare_rests(extents, alloc, &rests);
	if (extents->ops->withdraw(extents, alloc)) {
		discard_rests(extents, &rests);
		if (alloc->state != CXL_ALLOCATION_ASKED)
			extents->stats.asked++;
		cxl_allocation_set_state(alloc, CXL_ALLOCATION_ASKED);
		list_move_tail(&alloc->node, &extents->waiting);
		return;
	}
	cxl_allocation_set_state(alloc, CXL_ALLOCATION_WITHDRAWN);
	list_move_tail(&alloc->node, going);
	if (list_empty(&rests))
		return;
	narrow_to_asked(extents, alloc);
	publish_rests(extents, &rests, going);
}

static void take_back_all(struct cxl_extents *extents, struct list_head *allocs,
			  struct list_head *strays)
{
	struct cxl_allocation *alloc;
	LIST_HEAD(going);

	while ((alloc = list_first_entry_or_null(allocs, typeof(*alloc), node)))
		take_back(extents, alloc, &going);
	cxl_extents_give_back(extents, &going, strays);
}

/* What could not be released before is tried again with the next release */
static void join_failed(struct cxl_extents *extents)
{
	struct cxl_allocation *alloc, *next;

	list_for_each_entry_safe(alloc, next, &extents->waiting, node)
		if (alloc->state == CXL_ALLOCATION_WITHDRAWN)
			list_move_tail(&alloc->node, &extents->asking);
}

/**
 * cxl_extents_release_asked() - end of a chain of Release records
 * @extents: the extents of a memory device, locked
 */
void cxl_extents_release_asked(struct cxl_extents *extents)
{
	LIST_HEAD(strays);

	lockdep_assert_held(&extents->lock);
	if (list_empty(&extents->asking) && list_empty(&extents->strays))
		return;
	join_failed(extents);
	list_splice_init(&extents->strays, &strays);
	extents->nr_strays = 0;
	take_back_all(extents, &extents->asking, &strays);
}

/**
 * cxl_extents_retry() - a user of memory that was asked back has gone
 * @extents: the extents of a memory device, locked
 *
 * Releases all that waits and is not in use any more.
 */
void cxl_extents_retry(struct cxl_extents *extents)
{
	LIST_HEAD(again);

	lockdep_assert_held(&extents->lock);
	list_splice_init(&extents->waiting, &again);
	take_back_all(extents, &again, NULL);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_retry);

static void collect(struct list_head *from, struct cxl_extent_window *window,
		    struct list_head *to)
{
	struct cxl_allocation *alloc, *next;

	list_for_each_entry_safe(alloc, next, from, node) {
		if (alloc->window != window)
			continue;
		cxl_allocation_ask(alloc);
		list_move_tail(&alloc->node, to);
	}
}

/**
 * cxl_extents_release_window() - give back all that is held in a window
 * @extents: the extents of a memory device, locked
 * @window: its users have gone, or go
 *
 * What is in use all the same, or fails to be released, waits.
 */
void cxl_extents_release_window(struct cxl_extents *extents,
				struct cxl_extent_window *window)
{
	LIST_HEAD(mine);

	lockdep_assert_held(&extents->lock);
	collect(&extents->allocations, window, &mine);
	collect(&extents->asking, window, &mine);
	collect(&extents->waiting, window, &mine);
	take_back_all(extents, &mine, NULL);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_release_window);
