// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: Release commands
 *
 * What goes back, goes back by one command, split by payload size only. When it
 * fails the device's list says what is gone all the same; nothing is forgotten
 * before the device has it back.
 */
#include <kunit/visibility.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "extent_core.h"

static void collect_answers(struct list_head *allocs, struct list_head *answers,
			    struct list_head *stale)
{
	struct cxl_allocation *alloc;
	struct cxl_extent *extent;

	list_for_each_entry(alloc, allocs, node) {
		list_move(&alloc->window->stale, stale);
		list_for_each_entry(extent, &alloc->extents, node)
			list_add_tail(&extent->answer, answers);
	}
}

/* The command failed: what the device does not list any more is gone anyway */
static void drop_gone_extents(struct cxl_extents *extents,
			      struct cxl_allocation *alloc)
{
	struct cxl_extent *extent, *next;

	list_for_each_entry_safe(extent, next, &alloc->extents, node) {
		if (cxl_extent_is_listed(extents, extent))
			continue;
		cxl_extent_drop(extents, extent);
	}
}

static void release_done(struct cxl_extents *extents,
			 struct cxl_allocation *alloc)
{
	extents->stats.released += alloc->nr_extents;
	extents->ops->remove(extents, alloc, false);
	cxl_allocation_forget(extents, alloc);
}

static int send_release(struct cxl_extents *extents, struct list_head *answers)
{
	int rc = extents->ops->release(extents, answers);

	if (rc)
		extents->stats.release_failed++;
	return rc;
}

static int send_alone(struct cxl_extents *extents, struct cxl_extent *extent)
{
	LIST_HEAD(answers);
	int rc;

	list_move(&extent->answer, &answers);
	rc = send_release(extents, &answers);
	list_del_init(&extent->answer);
	return rc;
}

/*
 * Send each extent alone; what the device does not take even so remains. Return:
 * does the device answer?
 */
static bool release_alone(struct cxl_extents *extents,
			  struct cxl_allocation *alloc)
{
	struct cxl_extent *extent, *next;

	list_for_each_entry_safe(extent, next, &alloc->extents, node) {
		int rc = send_alone(extents, extent);

		if (rc < 0)
			return false;
		if (rc)
			continue;
		cxl_extent_drop(extents, extent);
		extents->stats.released++;
	}
	return true;
}

/*
 * A command failed. When the device refused it, one range that it does not like
 * must not stop the others: send each alone. When it did not answer at all, don't
 * wait for it that often.
 */
static void release_failed(struct cxl_extents *extents,
			   struct list_head *allocs, bool alone)
{
	struct cxl_allocation *alloc, *next;
	struct cxl_extent_list list = {};
	int rc = extents->ops->list(extents, &list);

	if (!rc)
		cxl_extents_mark_listed(extents, &list);
	else
		extents->compare_due = true;
	kvfree(list.extent);
	list_for_each_entry_safe(alloc, next, allocs, node) {
		cond_resched();
		if (!rc)
			drop_gone_extents(extents, alloc);
		if (alone)
			alone = release_alone(extents, alloc);
		if (list_empty(&alloc->extents))
			release_done(extents, alloc);
		else
			list_move_tail(&alloc->node, &extents->waiting);
	}
}

/*
 * Strays that can't be released are found again by a comparison, or, where there is no
 * window, by the region that is made there. Return: as release_alone(), or @alone
 */
static bool stray_release_failed(struct cxl_extents *extents,
				 struct list_head *answers, bool alone)
{
	struct cxl_extent *extent, *next;
	LIST_HEAD(strays);

	list_for_each_entry_safe(extent, next, answers, answer)
		if (!extent->alloc)
			list_move_tail(&extent->answer, &strays);
	/* a part of the command may have been processed */
	if (alone && !list_empty(&strays))
		cxl_extents_drop_unlisted(extents, &strays);
	list_for_each_entry_safe(extent, next, &strays, answer) {
		int rc;

		rc = alone ? send_alone(extents, extent) : -ECANCELED;
		if (rc)
			extents->compare_due = true;
		if (rc < 0)
			alone = false;
		list_del(&extent->answer);
		kfree(extent);
	}
	return alone;
}

static void free_strays(struct list_head *answers)
{
	struct cxl_extent *extent, *next;

	list_for_each_entry_safe(extent, next, answers, answer) {
		list_del_init(&extent->answer);
		if (!extent->alloc)
			kfree(extent);
	}
}

/**
 * cxl_extents_give_back() - send one Release command
 * @extents: the extents of a memory device, locked
 * @allocs: allocations, withdrawn, linked by ->node; empty afterwards
 * @strays: ranges of which nothing is held, or NULL; empty afterwards
 *
 * When the device refuses the command, what it still lists is sent one by one;
 * what it refuses even so waits to be tried again.
 */
void cxl_extents_give_back(struct cxl_extents *extents, struct list_head *allocs,
			   struct list_head *strays)
{
	struct cxl_allocation *alloc, *next;
	LIST_HEAD(answers);
	LIST_HEAD(stale);
	bool alone;
	int rc;

	lockdep_assert_held(&extents->lock);
	collect_answers(allocs, &answers, &stale);
	if (strays && !list_empty(strays)) {
		cxl_extents_drop_unlisted(extents, strays);
		list_splice_tail_init(strays, &answers);
	}
	if (list_empty(&answers))
		return;

	cxl_extents_invalidate(extents, &stale);
	rc = send_release(extents, &answers);
	alone = rc > 0 && !list_is_singular(&answers);
	if (rc)
		alone = stray_release_failed(extents, &answers, alone);
	free_strays(&answers);
	if (rc) {
		release_failed(extents, allocs, alone);
		return;
	}
	list_for_each_entry_safe(alloc, next, allocs, node)
		release_done(extents, alloc);
}
