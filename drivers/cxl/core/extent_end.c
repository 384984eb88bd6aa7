// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: the end of a use, and the end of a region
 *
 * A user who goes lets go of what was asked back, or taken by force, meanwhile. With a
 * region goes all that is held in it.
 */
#include <kunit/visibility.h>
#include <linux/range.h>
#include "extent_core.h"

/**
 * cxl_extents_retry() - a user of memory that was asked back has gone
 * @extents: the extents of a memory device, locked
 *
 * Releases all that waits and is not in use any more, and what is left of what was
 * taken by force while it was in use.
 */
void cxl_extents_retry(struct cxl_extents *extents)
{
	LIST_HEAD(again);

	lockdep_assert_held(&extents->lock);
	extents->nr_compares = 0;
	list_splice_init(&extents->waiting, &again);
	cxl_extents_take_back(extents, &again, NULL);
	cxl_extents_bury(extents, NULL);
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
	extents->nr_compares = 0;
	collect(&extents->allocations, window, &mine);
	collect(&extents->asking, window, &mine);
	collect(&extents->waiting, window, &mine);
	cxl_extents_take_back(extents, &mine, NULL);
	cxl_extents_bury(extents, window);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_release_window);

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
		extents->ops->remove(extents, alloc, true);
		cxl_allocation_forget(extents, alloc);
	}
	cxl_extents_forget_dead(extents, window);
	list_del_init(&window->stale);
	list_del(&window->node);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_window_remove);
