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
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "extent_core.h"

static void ask_back(struct cxl_extents *extents, struct cxl_extent *extent,
		     u64 start, u64 last)
{
	struct cxl_allocation *alloc = extent->alloc;

	if (uuid_is_null(&alloc->tag))
		cxl_extent_ask(extents, extent, start, last);
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
		extents->compare_due = true;
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

/*
 * What all records that ask for memory have in common. Return: whether this one is
 * about a range that the device has; the others are reported.
 */
bool cxl_extents_check_request(struct cxl_extents *extents,
			       const struct cxl_extent_record *record)
{
	enum cxl_extent_reason reason;

	extents->release_last = jiffies;
	extents->nr_compares = 0;
	reason = cxl_extent_check_range(extents, record->start, record->len);
	if (reason)
		cxl_extents_report(extents, record->start, record->len,
				   &record->tag, reason);
	return !reason;
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
	lockdep_assert_held(&extents->lock);
	extents->stats.release_records++;
	if (cxl_extents_check_request(extents, record))
		take_request(extents, record);
	if (!record->more)
		cxl_extents_release_asked(extents);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_release_record);

/* Move @alloc to @going, or let it wait for its user */
static void take_back(struct cxl_extents *extents, struct cxl_allocation *alloc,
		      struct list_head *going)
{
	LIST_HEAD(rests);

	if (alloc->state == CXL_ALLOCATION_WITHDRAWN) {
		list_move_tail(&alloc->node, going);
		return;
	}
	if (extents->ops->withdraw(extents, alloc)) {
		if (alloc->state != CXL_ALLOCATION_ASKED)
			extents->stats.asked++;
		cxl_allocation_set_state(alloc, CXL_ALLOCATION_ASKED);
		list_move_tail(&alloc->node, &extents->waiting);
		return;
	}
	cxl_allocation_set_state(alloc, CXL_ALLOCATION_WITHDRAWN);
	list_move_tail(&alloc->node, going);
	cxl_rests_prepare(extents, alloc, &rests);
	cxl_rests_show(extents, alloc, &rests, going);
}

/**
 * cxl_extents_take_back() - withdraw what is not in use, and give it back
 * @extents: the extents of a memory device, locked
 * @allocs: asked back; empty afterwards: what is in use waits
 * @strays: as in cxl_extents_give_back()
 */
void cxl_extents_take_back(struct cxl_extents *extents, struct list_head *allocs,
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
 * cxl_extents_release_asked() - end of a chain of Release or Forced Release records
 * @extents: the extents of a memory device, locked
 *
 * Gives back what was asked for, and what the device left of what it took.
 */
void cxl_extents_release_asked(struct cxl_extents *extents)
{
	LIST_HEAD(strays);

	lockdep_assert_held(&extents->lock);
	cxl_extents_invalidate(extents, &extents->stale);
	if (list_empty(&extents->asking) && list_empty(&extents->strays))
		return;
	join_failed(extents);
	list_splice_init(&extents->strays, &strays);
	extents->nr_strays = 0;
	cxl_extents_take_back(extents, &extents->asking, &strays);
}
