// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: the device's list against what is held
 *
 * The device remembers what this host holds across a reboot, a crash or a driver
 * that went away. A new window takes over what the device lists in it, with the
 * same checks as for an offer but without a new acceptance. The lock is held
 * throughout, so offers that arrive meanwhile wait for their turn, and the open
 * chain is not touched.
 *
 * The same list settles what happened when a command failed or records were lost.
 */
#include <kunit/visibility.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "extent.h"

/*
 * An extent that the device lists in a window and that is not held here. The ones
 * to be taken over are prepared, the others only named in a Release command.
 */
static enum cxl_extent_reason take_over(struct cxl_extents *extents,
					struct cxl_extent *extent)
{
	struct cxl_extent_window *window;
	struct cxl_allocation *alloc;
	enum cxl_extent_reason reason;

	reason = cxl_extent_check(extents, extent, &window);
	if (reason)
		return reason;
	alloc = cxl_allocation_prepare(extents, extent, window);
	if (!alloc)
		return CXL_EXTENT_NO_RESOURCES;

	cxl_allocation_hold(extents, alloc);
	if (!extents->ops->publish(extents, alloc)) {
		extents->stats.recovered++;
		return CXL_EXTENT_OK;
	}
	cxl_extent_tree_remove(extent, &extents->held);
	list_del_init(&extent->node);
	extent->alloc = NULL;
	list_del(&alloc->node);
	kfree(alloc);
	return CXL_EXTENT_NOT_PUBLISHED;
}

/* Does @record, as the device lists it, lie in @window at all? */
static bool concerns(const struct cxl_extent_record *record,
		     const struct cxl_extent_window *window)
{
	return record->len && record->start <= window->dpa.end &&
	       (record->start >= window->dpa.start ||
		window->dpa.start - record->start < record->len);
}

static void recover_one(struct cxl_extents *extents,
			const struct cxl_extent_record *record,
			struct list_head *strays)
{
	struct cxl_extent *extent = cxl_extent_new(record);
	enum cxl_extent_reason reason = CXL_EXTENT_NO_RESOURCES;

	if (extent)
		reason = take_over(extents, extent);
	if (!reason)
		return;
	cxl_extents_report(extents, record->start, record->len, &record->tag,
			   reason);
	if (extent)
		list_add_tail(&extent->answer, strays);
	else
		extents->compare_due = true;
}

/**
 * cxl_extents_window_add() - a region maps some DPA: take over what is held there
 * @extents: the extents of a memory device, locked
 * @window: not overlapping another; caches are invalidated by who made it
 *
 * What the device lists in the window and fails the checks is released. CXL 3.1
 * 8.2.9.9.9.2.
 *
 * Return: 0, or a negative errno when the device's list can't be read
 */
int cxl_extents_window_add(struct cxl_extents *extents,
			   struct cxl_extent_window *window)
{
	struct cxl_extent_list list = {};
	LIST_HEAD(strays);
	LIST_HEAD(none);
	int rc;

	lockdep_assert_held(&extents->lock);
	rc = extents->ops->list(extents, &list);
	if (rc)
		return rc;

	extents->nr_compares = 0;
	INIT_LIST_HEAD(&window->stale);
	list_add_tail(&window->node, &extents->windows);
	for (u32 i = 0; i < list.nr; i++) {
		struct cxl_extent_record record;

		cxl_extent_record_from_list(&record, &list.extent[i]);
		if (concerns(&record, window))
			recover_one(extents, &record, &strays);
	}
	kvfree(list.extent);
	cxl_extents_give_back(extents, &none, &strays);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_window_add);

/**
 * cxl_extents_window_remove() - a region goes
 * @extents: the extents of a memory device, locked
 * @window: what is held in it is released
 *
 * What is in use all the same (system RAM that can't be taken offline), and what
 * the device refuses to take back, is left to the device's list: a new region
 * finds it there.
 */
void cxl_extents_window_remove(struct cxl_extents *extents,
			       struct cxl_extent_window *window)
{
	struct cxl_allocation *alloc, *next;

	lockdep_assert_held(&extents->lock);
	cxl_extents_release_window(extents, window);
	list_for_each_entry_safe(alloc, next, &extents->waiting, node) {
		if (alloc->window != window)
			continue;
		extents->ops->report(extents, alloc->asked.start,
				     range_len(&alloc->asked), &alloc->tag,
				     "still held by the device when its region goes");
		extents->ops->remove(extents, alloc);
		cxl_allocation_forget(extents, alloc);
	}
	list_del_init(&window->stale);
	list_del(&window->node);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_window_remove);

/* The device lists @start to @last: count what that has of @extent */
static void count_listed(struct cxl_extents *extents, struct cxl_extent *extent,
			 u64 start, u64 last)
{
	if (extent->seen != extents->comparison)
		extent->listed = 0;
	extent->seen = extents->comparison;
	extent->listed += min(last, cxl_extent_last(extent)) -
			  max(start, extent->start) + 1;
}

/* Mark the held extents that the device lists */
static void mark_listed(struct cxl_extents *extents,
			const struct cxl_extent_list *list)
{
	extents->comparison++;
	for (u32 i = 0; i < list->nr; i++) {
		struct cxl_extent_record record;
		struct cxl_extent *extent;
		u64 last;

		cxl_extent_record_from_list(&record, &list->extent[i]);
		if (cxl_extent_check_range(extents, record.start, record.len))
			continue;
		last = record.start + record.len - 1;
		extent = cxl_extent_tree_first(&extents->held, record.start,
					       last);
		for (; extent; extent = cxl_extent_tree_next(extent,
							     record.start,
							     last))
			count_listed(extents, extent, record.start, last);
		cond_resched();
	}
}

/* Held here, not listed by the device: it must not be used any more */
static void drop_vanished(struct cxl_extents *extents, struct list_head *from)
{
	struct cxl_allocation *alloc, *next;

	list_for_each_entry_safe(alloc, next, from, node) {
		struct cxl_extent *extent = list_first_entry(&alloc->extents,
							     typeof(*extent),
							     node);

		cond_resched();
		if (extent->seen == extents->comparison &&
		    extent->listed >= extent->len)
			continue;
		extents->stats.vanished++;
		extents->ops->report(extents, extent->start, extent->len,
				     &extent->tag,
				     "held, but not in the device's list");
		alloc->asked = DEFINE_RANGE(extent->start,
					    cxl_extent_last(extent));
		if (alloc->state != CXL_ALLOCATION_WITHDRAWN &&
		    extents->ops->withdraw(extents, alloc)) {
			cxl_allocation_set_state(alloc, CXL_ALLOCATION_ASKED);
			if (from != &extents->waiting)
				list_move_tail(&alloc->node, &extents->waiting);
			continue;
		}
		extents->ops->remove(extents, alloc);
		cxl_allocation_forget(extents, alloc);
	}
}

/* Listed in a window, not held here: give it back */
static void find_strays(struct cxl_extents *extents,
			const struct cxl_extent_list *list,
			struct list_head *strays)
{
	for (u32 i = 0; i < list->nr; i++) {
		struct cxl_extent_window *window;
		struct cxl_extent_record record;
		struct cxl_extent *stray;

		cxl_extent_record_from_list(&record, &list->extent[i]);
		if (cxl_extent_check_range(extents, record.start, record.len) ||
		    cxl_extent_tree_first(&extents->held, record.start,
					  record.start + record.len - 1))
			continue;
		list_for_each_entry(window, &extents->windows, node) {
			if (!concerns(&record, window))
				continue;
			stray = cxl_extent_new(&record);
			if (stray)
				list_add_tail(&stray->answer, strays);
			else
				extents->compare_due = true;
			break;
		}
	}
}

/**
 * cxl_extents_compare() - make what is held and the device's list the same
 * @extents: the extents of a memory device, locked
 *
 * What the device lists in a window and this host does not hold is released; what
 * this host holds and the device does not list is taken out of use. If the list
 * can't be read, cxl_extents_expire() tries again.
 */
void cxl_extents_compare(struct cxl_extents *extents)
{
	struct cxl_extent_list list = {};
	LIST_HEAD(strays);
	LIST_HEAD(none);

	lockdep_assert_held(&extents->lock);
	extents->compare_due = false;
	if (extents->ops->list(extents, &list)) {
		extents->compare_due = true;
		return;
	}
	mark_listed(extents, &list);
	drop_vanished(extents, &extents->waiting);
	drop_vanished(extents, &extents->asking);
	drop_vanished(extents, &extents->allocations);
	find_strays(extents, &list, &strays);
	kvfree(list.extent);
	cxl_extents_give_back(extents, &none, &strays);
}
