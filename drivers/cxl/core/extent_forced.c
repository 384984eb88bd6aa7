// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: what the device takes by force
 *
 * A Forced Release record says that the device has the memory already: every use is
 * stopped at once, and nothing is answered. So it is with what this host holds and
 * the device does not list any more, see cxl_extents_compare().
 *
 * Of one extent without a tag that nobody uses, only what was taken is lost. Any
 * other allocation is dead as a whole, and what the device left of it goes back:
 * its extents become strays, for which the device's list has the last word. While a
 * user may still touch the memory (pages pinned for long, system RAM that can't be
 * taken offline) the allocation is DEAD: nothing of it goes back, and nothing may be
 * held in its place.
 */
#include <kunit/visibility.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "extent_core.h"

/* Nobody can touch it: it is gone, but for what the device left of it */
static void bury(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	extents->ops->remove(extents, alloc, false);
	cxl_allocation_dissolve(extents, alloc, &extents->strays);
}

static void mark_dead(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct cxl_extent *extent;

	list_for_each_entry(extent, &alloc->extents, node) {
		cxl_extent_tree_remove(extent, &extents->held);
		cxl_extent_tree_insert(extent, &extents->dead);
	}
	cxl_allocation_set_state(alloc, CXL_ALLOCATION_DEAD);
	list_move_tail(&alloc->node, &extents->dying);
}

/* Stop every use. Return: as ->kill() */
static int kill(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	bool again = alloc->state == CXL_ALLOCATION_DEAD;
	int rc = extents->ops->kill(extents, alloc);

	if (!again)
		extents->stats.killed += alloc->nr_extents;
	/*
	 * What CPUs have written is not to reach whoever has the memory next: once
	 * when it is taken, and once more when nobody can write any more.
	 */
	if (!again || rc >= 0)
		list_move(&alloc->window->stale, &extents->stale);
	return rc;
}

static void end_allocation(struct cxl_extents *extents,
			   struct cxl_allocation *alloc, int rc)
{
	if (rc >= 0)
		bury(extents, alloc);
	else if (alloc->state != CXL_ALLOCATION_DEAD)
		mark_dead(extents, alloc);
}

/**
 * cxl_allocation_kill() - the device has taken an allocation, all or some of it
 * @extents: the extents of a memory device, locked
 * @alloc: held or dead; freed, unless a user may still touch it
 *
 * What is left of it is among the strays when this returns, or when
 * cxl_extents_bury() finds that nobody can touch it any more.
 */
void cxl_allocation_kill(struct cxl_extents *extents,
			 struct cxl_allocation *alloc)
{
	lockdep_assert_held(&extents->lock);
	end_allocation(extents, alloc, kill(extents, alloc));
}

static bool can_split(const struct cxl_allocation *alloc)
{
	return uuid_is_null(&alloc->tag) &&
	       alloc->state == CXL_ALLOCATION_HELD;
}

/* @start to @last, which touch @extent, are gone */
static void take(struct cxl_extents *extents, struct cxl_extent *extent,
		 u64 start, u64 last)
{
	struct cxl_allocation *alloc = extent->alloc;
	bool split = can_split(alloc);
	LIST_HEAD(rests);
	LIST_HEAD(going);
	int rc;

	if (split)
		cxl_extent_ask(extents, extent, start, last);
	rc = kill(extents, alloc);
	if (!rc && split) {
		cxl_rests_prepare(extents, alloc, &rests);
		cxl_rests_show(extents, alloc, &rests, &going);
	}
	extent->taken = start <= extent->start &&
			cxl_extent_last(extent) <= last;
	end_allocation(extents, alloc, rc);
	cxl_extents_give_back(extents, &going, NULL);
}

static void take_range(struct cxl_extents *extents,
		       const struct cxl_extent_record *record)
{
	u64 start = record->start, last = start + record->len - 1;
	struct cxl_extent *extent;

	while ((extent = cxl_extent_tree_first(&extents->held, start, last))) {
		u64 extent_last = cxl_extent_last(extent);

		if (uuid_equal(&extent->tag, &record->tag)) {
			take(extents, extent, record->start, last);
		} else {
			cxl_extents_report(extents, extent->start, extent->len,
					   &record->tag,
					   CXL_EXTENT_TAG_MISMATCH);
			extents->compare_due = true;
		}
		if (extent_last >= last)
			break;
		start = extent_last + 1;
		cond_resched();
	}
}

/**
 * cxl_extents_forced_record() - take a Forced Release record
 * @extents: the extents of a memory device, locked
 * @record: what the device says, nothing of it is trusted
 *
 * Every use of the range has ended when this function returns, but for what can't be
 * taken from its users. When the tag is not that of what is held there, the device's
 * list decides. CXL 3.1 9.13.3.3.
 */
void cxl_extents_forced_record(struct cxl_extents *extents,
			       const struct cxl_extent_record *record)
{
	lockdep_assert_held(&extents->lock);
	extents->stats.forced_records++;
	if (cxl_extents_check_request(extents, record))
		take_range(extents, record);
	if (record->more)
		return;
	cxl_extents_release_asked(extents);
	if (extents->compare_due)
		cxl_extents_compare(extents);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_forced_record);

/**
 * cxl_extents_bury() - see whether the dead can still be touched
 * @extents: the extents of a memory device, locked
 * @window: look at those in this one only, or NULL for all
 *
 * What the device left of those that can't is released.
 */
void cxl_extents_bury(struct cxl_extents *extents,
		      const struct cxl_extent_window *window)
{
	struct cxl_allocation *alloc, *next;
	LIST_HEAD(nothing);
	LIST_HEAD(open);
	LIST_HEAD(left);

	lockdep_assert_held(&extents->lock);
	/* those of a chain that is open wait for its end */
	list_splice_init(&extents->strays, &open);
	list_for_each_entry_safe(alloc, next, &extents->dying, node)
		if (!window || alloc->window == window)
			cxl_allocation_kill(extents, alloc);
	list_splice_init(&extents->strays, &left);
	list_splice(&open, &extents->strays);
	cxl_extents_invalidate(extents, &extents->stale);
	cxl_extents_give_back(extents, &nothing, &left);
}

/**
 * cxl_extents_forget_dead() - a region goes, and somebody may still touch its memory
 * @extents: the extents of a memory device, locked
 * @window: the region; cxl_extents_bury() has not helped
 *
 * What the device left of it stays with the device.
 */
void cxl_extents_forget_dead(struct cxl_extents *extents,
			     const struct cxl_extent_window *window)
{
	struct cxl_allocation *alloc, *next;

	lockdep_assert_held(&extents->lock);
	list_for_each_entry_safe(alloc, next, &extents->dying, node) {
		struct cxl_extent *extent;

		if (alloc->window != window)
			continue;
		extent = list_first_entry(&alloc->extents, typeof(*extent),
					  node);
		extents->ops->report(extents, extent->start, extent->len,
				     &alloc->tag,
				     "taken, and still in use when its region goes");
		extents->ops->remove(extents, alloc, false);
		cxl_allocation_forget(extents, alloc);
	}
}
