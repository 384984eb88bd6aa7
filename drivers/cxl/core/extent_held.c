// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: extents by DPA
 *
 * One kind of interval tree serves three purposes: struct cxl_extents::held has
 * what the device knows to be held by this host, struct cxl_extents::checked those
 * extents that passed their checks on the way there, struct cxl_extents::dead those
 * that the device took and a user may still touch. Extents in one tree never
 * overlap. Everything here runs under struct cxl_extents::lock.
 */
#include <linux/interval_tree_generic.h>
#include "extent_core.h"

#define EXTENT_START(extent)	((extent)->start)
#define EXTENT_LAST(extent)	cxl_extent_last(extent)

INTERVAL_TREE_DEFINE(struct cxl_extent, rb, u64, subtree_last, EXTENT_START,
		     EXTENT_LAST, static, extent_it)

/**
 * cxl_extent_tree_insert() - enter an extent
 * @extent: its length is not zero, and it overlaps nothing in @root
 * @root: tree of the chain, or of what is held
 */
void cxl_extent_tree_insert(struct cxl_extent *extent,
			    struct rb_root_cached *root)
{
	extent_it_insert(extent, root);
}

/**
 * cxl_extent_tree_remove() - take an extent out
 * @extent: may be in no tree at all
 * @root: the tree that it is in, if any
 */
void cxl_extent_tree_remove(struct cxl_extent *extent,
			    struct rb_root_cached *root)
{
	if (RB_EMPTY_NODE(&extent->rb))
		return;
	extent_it_remove(extent, root);
	RB_CLEAR_NODE(&extent->rb);
}

/**
 * cxl_extent_tree_first() - lowest extent that overlaps a range
 * @root: tree to look in
 * @start: first DPA
 * @last: last DPA
 *
 * Return: the extent, or NULL
 */
struct cxl_extent *cxl_extent_tree_first(struct rb_root_cached *root,
					 u64 start, u64 last)
{
	return extent_it_iter_first(root, start, last);
}

/**
 * cxl_extent_tree_next() - next extent that overlaps a range
 * @extent: what cxl_extent_tree_first() or this function returned
 * @start: first DPA
 * @last: last DPA
 *
 * Return: the extent, or NULL
 */
struct cxl_extent *cxl_extent_tree_next(struct cxl_extent *extent,
					u64 start, u64 last)
{
	return extent_it_iter_next(extent, start, last);
}

/**
 * cxl_extents_find() - the held extent of just this range
 * @extents: the extents of a memory device
 * @start: first DPA
 * @len: bytes, not zero
 *
 * Return: the extent, or NULL when nothing, or something else, is held there
 */
struct cxl_extent *cxl_extents_find(struct cxl_extents *extents, u64 start,
				    u64 len)
{
	struct cxl_extent *extent;

	lockdep_assert_held(&extents->lock);
	extent = cxl_extent_tree_first(&extents->held, start, start + len - 1);
	if (extent && extent->start == start && extent->len == len)
		return extent;
	return NULL;
}

/* The first of what is held or dead from @start to @last */
static struct cxl_extent *first_occupant(struct cxl_extents *extents, u64 start,
					 u64 last)
{
	struct cxl_extent *held, *dead;

	held = cxl_extent_tree_first(&extents->held, start, last);
	dead = cxl_extent_tree_first(&extents->dead, start, last);
	if (!held || (dead && dead->start < held->start))
		return dead;
	return held;
}

/**
 * cxl_extents_occupied() - is there anything that nobody else may have?
 * @extents: the extents of a memory device
 * @start: first DPA
 * @last: last DPA
 *
 * Return: true when some of it is held, or may still be touched by a user who lost it
 */
bool cxl_extents_occupied(struct cxl_extents *extents, u64 start, u64 last)
{
	lockdep_assert_held(&extents->lock);
	return first_occupant(extents, start, last);
}

/**
 * cxl_extents_free_part() - the first part of a range that is not occupied
 * @extents: the extents of a memory device, locked
 * @range: DPA, not empty
 * @part: filled in with a part of it
 *
 * Return: true, or false when all of it is held or dead
 */
bool cxl_extents_free_part(struct cxl_extents *extents,
			   const struct range *range, struct range *part)
{
	struct cxl_extent *extent;

	lockdep_assert_held(&extents->lock);
	*part = *range;
	while ((extent = first_occupant(extents, part->start, part->end))) {
		if (extent->start > part->start) {
			part->end = extent->start - 1;
			break;
		}
		if (cxl_extent_last(extent) >= part->end)
			return false;
		part->start = cxl_extent_last(extent) + 1;
	}
	return true;
}
