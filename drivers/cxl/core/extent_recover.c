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
#include <linux/sched.h>
#include <linux/slab.h>
#include "extent_core.h"

/* Does any of a range, as the device lists it, lie in @window? */
static bool concerns(u64 start, u64 len, const struct cxl_extent_window *window)
{
	return len && start <= window->dpa.end &&
	       (start >= window->dpa.start || window->dpa.start - start < len);
}

/*
 * Make extents of those that @list has in @window. What has a tag is gathered
 * wherever it lies: an allocation is taken over whole, or not at all.
 */
static int gather(const struct cxl_extent_list *list,
		  const struct cxl_extent_window *window,
		  struct list_head *found)
{
	for (u32 i = 0; i < list->nr; i++) {
		struct cxl_extent_record record;
		struct cxl_extent *extent;

		cxl_extent_record_from_list(&record, &list->extent[i]);
		if (uuid_is_null(&record.tag) &&
		    !concerns(record.start, record.len, window))
			continue;
		extent = cxl_extent_new(&record);
		if (!extent)
			return -ENOMEM;
		list_add_tail(&extent->node, found);
	}
	return 0;
}

static bool any_concerns(const struct list_head *members,
			 const struct cxl_extent_window *window)
{
	struct cxl_extent *extent;

	list_for_each_entry(extent, members, node)
		if (concerns(extent->start, extent->len, window))
			return true;
	return false;
}

static void free_members(struct list_head *members)
{
	struct cxl_extent *extent, *next;

	list_for_each_entry_safe(extent, next, members, node) {
		list_del(&extent->node);
		kfree(extent);
	}
}

/* They are not taken over: the device gets them back, if a command can name them */
static void make_strays(struct cxl_extents *extents, struct list_head *members,
			struct list_head *strays)
{
	struct cxl_extent *extent, *next;

	list_for_each_entry_safe(extent, next, members, node) {
		if (cxl_extent_check_range(extents, extent->start, extent->len) ==
		    CXL_EXTENT_BAD_LENGTH)
			continue;
		list_del_init(&extent->node);
		list_add_tail(&extent->answer, strays);
	}
	free_members(members);
}

static void take_over(struct cxl_extents *extents, struct list_head *members,
		      struct list_head *unpublished, struct list_head *strays)
{
	struct cxl_allocation *alloc;
	struct cxl_extent *extent;

	list_for_each_entry(extent, members, node)
		cxl_extent_examine(extents, extent);
	alloc = cxl_extents_allocate(extents, members);
	if (!alloc) {
		make_strays(extents, members, strays);
		return;
	}
	cxl_allocation_show(extents, alloc, unpublished);
	if (alloc->state == CXL_ALLOCATION_HELD)
		extents->stats.recovered += alloc->nr_extents;
}

static void take_over_all(struct cxl_extents *extents, struct list_head *found,
			  const struct cxl_extent_window *window)
{
	LIST_HEAD(unpublished);
	LIST_HEAD(strays);

	cxl_extents_sort(found);
	while (!list_empty(found)) {
		LIST_HEAD(members);

		cxl_extents_cut(found, &members);
		if (any_concerns(&members, window))
			take_over(extents, &members, &unpublished, &strays);
		else
			free_members(&members);
		cond_resched();
	}
	cxl_extents_give_back(extents, &unpublished, &strays);
}

/**
 * cxl_extents_window_add() - a region maps some DPA: take over what is held there
 * @extents: the extents of a memory device, locked
 * @window: not overlapping another; caches are invalidated by who made it
 *
 * What the device lists in the window and fails the checks is released, with all
 * extents of its tag, wherever they lie. CXL 3.1 8.2.9.9.9.2.
 *
 * Return: 0, or a negative errno when the device's list can't be read or there is
 * no memory to look at it: then the window is not added, and nothing is touched
 */
int cxl_extents_window_add(struct cxl_extents *extents,
			   struct cxl_extent_window *window)
{
	struct cxl_extent_list list = {};
	LIST_HEAD(found);
	int rc;

	lockdep_assert_held(&extents->lock);
	rc = extents->ops->list(extents, &list);
	if (rc)
		return rc;
	rc = gather(&list, window, &found);
	kvfree(list.extent);
	if (rc) {
		free_members(&found);
		return rc;
	}

	extents->nr_compares = 0;
	INIT_LIST_HEAD(&window->stale);
	list_add_tail(&window->node, &extents->windows);
	take_over_all(extents, &found, window);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_window_add);

static bool has_vanished(const struct cxl_extents *extents,
			 const struct cxl_extent *extent)
{
	return !cxl_extent_is_listed(extents, extent) ||
	       extent->listed < extent->len;
}

/* Return: is there anything of @alloc that the device does not list? */
static bool report_vanished(struct cxl_extents *extents,
			    const struct cxl_allocation *alloc)
{
	const struct cxl_extent *extent;
	bool vanished = false;

	list_for_each_entry(extent, &alloc->extents, node) {
		cond_resched();
		if (!has_vanished(extents, extent))
			continue;
		vanished = true;
		extents->stats.vanished++;
		extents->ops->report(extents, extent->start, extent->len,
				     &extent->tag,
				     "held, but not in the device's list");
	}
	return vanished;
}

/* Held here, not listed by the device: it must not be used any more */
static void kill_vanished(struct cxl_extents *extents, struct list_head *from)
{
	struct cxl_allocation *alloc, *next;
	struct cxl_extent *extent;

	list_for_each_entry_safe(alloc, next, from, node) {
		if (!report_vanished(extents, alloc))
			continue;
		list_for_each_entry(extent, &alloc->extents, node)
			extent->taken = !cxl_extent_is_listed(extents, extent);
		cxl_allocation_kill(extents, alloc);
	}
}

/* Without a tag, a part may have been lost of what the device lists as one */
static bool is_stray(struct cxl_extents *extents,
		     const struct cxl_extent_record *record)
{
	struct range range, free;

	if (cxl_extent_check_range(extents, record->start, record->len))
		return false;
	range = DEFINE_RANGE(record->start, record->start + record->len - 1);
	if (uuid_is_null(&record->tag))
		return cxl_extents_free_part(extents, &range, &free);
	return !cxl_extents_occupied(extents, range.start, range.end);
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
		if (!is_stray(extents, &record))
			continue;
		list_for_each_entry(window, &extents->windows, node) {
			if (!concerns(record.start, record.len, window))
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
 * this host holds and the device does not list is lost, as if the device had taken it
 * by force, with all of its allocation, and the rest of that is released. If the list
 * can't be read, cxl_extents_expire() tries again.
 */
void cxl_extents_compare(struct cxl_extents *extents)
{
	struct cxl_extent_list list = {};
	LIST_HEAD(nothing);
	LIST_HEAD(strays);

	lockdep_assert_held(&extents->lock);
	extents->compare_due = false;
	if (extents->ops->list(extents, &list)) {
		extents->compare_due = true;
		return;
	}
	cxl_extents_mark_listed(extents, &list);
	kill_vanished(extents, &extents->waiting);
	kill_vanished(extents, &extents->asking);
	kill_vanished(extents, &extents->allocations);
	cxl_extents_invalidate(extents, &extents->stale);
	/* what is left of those is in the list, too */
	list_splice_init(&extents->strays, &strays);
	extents->nr_strays = 0;
	find_strays(extents, &list, &strays);
	kvfree(list.extent);
	cxl_extents_give_back(extents, &nothing, &strays);
}
