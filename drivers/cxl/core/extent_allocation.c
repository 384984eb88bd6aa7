// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: allocations
 *
 * An allocation is what comes and goes as one: all extents of one tag, or one
 * untagged extent. It is prepared whole, held whole, and given back whole.
 *
 * A tag names an allocation on all of this host, whatever device it comes from. It
 * is alive from the time the allocation is prepared, so of two devices that offer
 * the same tag at the same time one is refused. See extent.h for the life of an
 * allocation.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/minmax.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include "extent_core.h"

/* Allocations that have a tag, of all memory devices; the lock is innermost */
static DEFINE_SPINLOCK(live_tags_lock);
static struct rb_root live_tags = RB_ROOT;

static const struct cxl_allocation *to_allocation(const struct rb_node *node)
{
	return rb_entry(node, struct cxl_allocation, live);
}

static int compare_tags(struct rb_node *a, const struct rb_node *b)
{
	return memcmp(&to_allocation(a)->tag, &to_allocation(b)->tag,
		      sizeof(uuid_t));
}

/* Return: is there no other allocation of this tag? */
static bool tag_reserve(struct cxl_allocation *alloc)
{
	if (uuid_is_null(&alloc->tag))
		return true;
	guard(spinlock)(&live_tags_lock);
	return !rb_find_add(&alloc->live, &live_tags, compare_tags);
}

static void tag_free(struct cxl_allocation *alloc)
{
	if (uuid_is_null(&alloc->tag))
		return;
	guard(spinlock)(&live_tags_lock);
	rb_erase(&alloc->live, &live_tags);
}

/**
 * cxl_allocation_new() - make an empty allocation
 *
 * Return: the allocation, to be freed by kfree(), or NULL
 */
struct cxl_allocation *cxl_allocation_new(void)
{
	struct cxl_allocation *alloc;

	KUNIT_STATIC_STUB_REDIRECT(cxl_allocation_new);

	alloc = kzalloc_obj(*alloc);
	if (!alloc)
		return NULL;
	INIT_LIST_HEAD(&alloc->node);
	INIT_LIST_HEAD(&alloc->extents);
	alloc->asked = DEFINE_RANGE(U64_MAX, 0);
	return alloc;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_allocation_new);

static int realize(struct cxl_extents *extents, struct cxl_allocation *alloc,
		   struct list_head *members)
{
	int rc;

	list_splice_init(members, &alloc->extents);
	alloc->nr_extents = list_count_nodes(&alloc->extents);
	rc = extents->ops->prepare(extents, alloc);
	if (rc)
		list_splice_init(&alloc->extents, members);
	return rc;
}

/**
 * cxl_allocation_prepare() - make an allocation
 * @extents: the extents of a memory device
 * @members: its extents, linked by ->node in layout order: one or, of one tag,
 *	     several, that have passed their checks; moved to the allocation on
 *	     success
 * @window: where they are mapped
 *
 * All that can fail for want of memory or resources happens here.
 *
 * Return: CXL_EXTENT_OK when all of @members have their ->alloc,
 * CXL_EXTENT_TAG_ALIVE, CXL_EXTENT_STILL_USED or CXL_EXTENT_NO_RESOURCES
 */
enum cxl_extent_reason cxl_allocation_prepare(struct cxl_extents *extents,
					      struct list_head *members,
					      struct cxl_extent_window *window)
{
	struct cxl_allocation *alloc __free(kfree) = cxl_allocation_new();
	struct cxl_extent *extent = list_first_entry(members, typeof(*extent),
						     node);
	int rc;

	lockdep_assert_held(&extents->lock);
	if (!alloc)
		return CXL_EXTENT_NO_RESOURCES;
	alloc->tag = extent->tag;
	alloc->window = window;
	if (!tag_reserve(alloc))
		return CXL_EXTENT_TAG_ALIVE;
	rc = realize(extents, alloc, members);
	if (rc) {
		tag_free(alloc);
		return rc == -EBUSY ? CXL_EXTENT_STILL_USED :
				      CXL_EXTENT_NO_RESOURCES;
	}
	list_for_each_entry(extent, &alloc->extents, node)
		extent->alloc = alloc;
	retain_and_null_ptr(alloc);
	return CXL_EXTENT_OK;
}

static void allocation_free(struct cxl_allocation *alloc)
{
	tag_free(alloc);
	list_del(&alloc->node);
	kfree(alloc);
}

/**
 * cxl_allocation_discard() - undo cxl_allocation_prepare()
 * @extents: the extents of a memory device
 * @alloc: prepared, not held; its extents stay with who made them
 */
void cxl_allocation_discard(struct cxl_extents *extents,
			    struct cxl_allocation *alloc)
{
	struct cxl_extent *extent, *next;

	lockdep_assert_held(&extents->lock);
	extents->ops->discard(extents, alloc);
	list_for_each_entry_safe(extent, next, &alloc->extents, node) {
		list_del_init(&extent->node);
		extent->alloc = NULL;
	}
	allocation_free(alloc);
}

static bool state_may_follow(enum cxl_allocation_state from,
			     enum cxl_allocation_state to)
{
	switch (to) {
	case CXL_ALLOCATION_PREPARED:
		return false;
	case CXL_ALLOCATION_HELD:
		return from == CXL_ALLOCATION_PREPARED;
	case CXL_ALLOCATION_ASKED:
		return from == CXL_ALLOCATION_HELD;
	case CXL_ALLOCATION_WITHDRAWN:
		return from == CXL_ALLOCATION_HELD ||
		       from == CXL_ALLOCATION_ASKED;
	case CXL_ALLOCATION_DEAD:
		return from != CXL_ALLOCATION_PREPARED;
	}
	return false;
}

/**
 * cxl_allocation_set_state() - the one place where an allocation's state changes
 * @alloc: the allocation
 * @state: its next state; the same again changes nothing
 */
void cxl_allocation_set_state(struct cxl_allocation *alloc,
			      enum cxl_allocation_state state)
{
	if (alloc->state == state)
		return;
	WARN_ON_ONCE(!state_may_follow(alloc->state, state));
	alloc->state = state;
}

static void hold(struct cxl_extents *extents, struct cxl_allocation *alloc)
{
	struct cxl_extent *extent;

	list_for_each_entry(extent, &alloc->extents, node) {
		cxl_extent_tree_remove(extent, &extents->checked);
		cxl_extent_tree_insert(extent, &extents->held);
	}
	cxl_allocation_set_state(alloc, CXL_ALLOCATION_HELD);
	list_move_tail(&alloc->node, &extents->allocations);
}

/**
 * cxl_allocation_show() - hold an allocation, and make it visible
 * @extents: the extents of a memory device
 * @alloc: prepared; the device says that this host holds it
 * @unpublished: if it can't be made visible, @alloc goes there, to be given back
 */
void cxl_allocation_show(struct cxl_extents *extents,
			 struct cxl_allocation *alloc,
			 struct list_head *unpublished)
{
	struct cxl_extent *extent;

	lockdep_assert_held(&extents->lock);
	hold(extents, alloc);
	if (!extents->ops->publish(extents, alloc))
		return;
	list_for_each_entry(extent, &alloc->extents, node)
		cxl_extents_report(extents, extent->start, extent->len,
				   &extent->tag, CXL_EXTENT_NOT_PUBLISHED);
	cxl_allocation_set_state(alloc, CXL_ALLOCATION_WITHDRAWN);
	list_move_tail(&alloc->node, unpublished);
}

/**
 * cxl_allocation_ask() - all of an allocation is asked back
 * @alloc: has extents
 */
void cxl_allocation_ask(struct cxl_allocation *alloc)
{
	struct cxl_extent *extent;

	list_for_each_entry(extent, &alloc->extents, node) {
		alloc->asked.start = min(alloc->asked.start, extent->start);
		alloc->asked.end = max(alloc->asked.end,
				       cxl_extent_last(extent));
	}
}

/**
 * cxl_extent_drop() - the device says that this host does not hold an extent
 * @extents: the extents of a memory device
 * @extent: of an allocation that is withdrawn; freed
 */
void cxl_extent_drop(struct cxl_extents *extents, struct cxl_extent *extent)
{
	lockdep_assert_held(&extents->lock);
	cxl_extent_tree_remove(extent, &extents->held);
	list_del(&extent->node);
	extent->alloc->nr_extents--;
	kfree(extent);
}

static struct rb_root_cached *tree_of(struct cxl_extents *extents,
				      const struct cxl_allocation *alloc)
{
	return alloc->state == CXL_ALLOCATION_DEAD ? &extents->dead :
						     &extents->held;
}

/**
 * cxl_allocation_dissolve() - the end of an allocation, not of all of its extents
 * @extents: the extents of a memory device
 * @alloc: not visible to anybody; freed
 * @strays: its extents go there, linked by ->answer, but for those that the device
 *	    has taken; these are freed
 */
void cxl_allocation_dissolve(struct cxl_extents *extents,
			     struct cxl_allocation *alloc,
			     struct list_head *strays)
{
	struct cxl_extent *extent, *next;

	lockdep_assert_held(&extents->lock);
	list_for_each_entry_safe(extent, next, &alloc->extents, node) {
		cxl_extent_tree_remove(extent, tree_of(extents, alloc));
		list_del_init(&extent->node);
		extent->alloc = NULL;
		if (extent->taken)
			kfree(extent);
		else
			list_add_tail(&extent->answer, strays);
	}
	allocation_free(alloc);
}

/**
 * cxl_allocation_forget() - this host has nothing to do with it any more
 * @extents: the extents of a memory device
 * @alloc: not visible to anybody; freed
 */
void cxl_allocation_forget(struct cxl_extents *extents,
			   struct cxl_allocation *alloc)
{
	LIST_HEAD(extents_of_it);

	cxl_allocation_dissolve(extents, alloc, &extents_of_it);
	cxl_extents_free_answers(&extents_of_it);
}
