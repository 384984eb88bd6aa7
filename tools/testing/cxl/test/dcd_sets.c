// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test's mock DCD: what is offered, and what the host holds
 *
 * Offers are kept in groups, as More ties their records together, and in order of
 * delivery: a strict device is answered in this order. What the host holds is an
 * interval tree; overlapping extents get there only by a test that asks for them.
 */
#include <linux/interval_tree_generic.h>
#include <linux/slab.h>
#include "dcd.h"

static u64 extent_start(const struct mock_dcd_extent *extent)
{
	return extent->start;
}

static u64 extent_last(const struct mock_dcd_extent *extent)
{
	return extent->start + extent->len - 1;
}

INTERVAL_TREE_DEFINE(struct mock_dcd_extent, rb, u64, subtree_last,
		     extent_start, extent_last, static, held)

/**
 * mock_dcd_extent_new() - copy an extent
 * @from: start, length, tag and sequence number are copied
 *
 * Return: the copy, in no list, or NULL
 */
struct mock_dcd_extent *mock_dcd_extent_new(const struct mock_dcd_extent *from)
{
	struct mock_dcd_extent *extent = kzalloc_obj(*extent);

	if (!extent)
		return NULL;
	INIT_LIST_HEAD(&extent->node);
	RB_CLEAR_NODE(&extent->rb);
	extent->start = from->start;
	extent->len = from->len;
	extent->tag = from->tag;
	extent->seq = from->seq;
	return extent;
}

/**
 * mock_dcd_first_held() - the first extent that the host holds of a range
 * @dcd: the device, locked
 * @start: DPA
 * @len: bytes, not 0
 *
 * Return: an extent that overlaps the range, or NULL
 */
struct mock_dcd_extent *mock_dcd_first_held(struct mock_dcd *dcd, u64 start,
					    u64 len)
{
	return held_iter_first(&dcd->held, start, start + len - 1);
}

/**
 * mock_dcd_next_held() - the next extent that the host holds of a range
 * @extent: the one before
 * @start: DPA
 * @len: bytes, not 0
 *
 * Return: an extent that overlaps the range, or NULL
 */
struct mock_dcd_extent *mock_dcd_next_held(struct mock_dcd_extent *extent,
					   u64 start, u64 len)
{
	return held_iter_next(extent, start, start + len - 1);
}

/**
 * mock_dcd_held_at() - walk all that the host holds, whatever it looks like
 * @dcd: the device, locked
 * @before: the extent before, NULL for the first
 *
 * Return: the next extent in order of DPA, or NULL
 */
struct mock_dcd_extent *mock_dcd_held_at(struct mock_dcd *dcd,
					 struct mock_dcd_extent *before)
{
	struct rb_node *node = before ? rb_next(&before->rb) :
					rb_first_cached(&dcd->held);

	return node ? rb_entry(node, struct mock_dcd_extent, rb) : NULL;
}

/**
 * mock_dcd_is_held() - does the host hold all of a range?
 * @dcd: the device, locked
 * @start: DPA
 * @len: bytes, not 0
 *
 * Return: true when no byte of it is missing
 */
bool mock_dcd_is_held(struct mock_dcd *dcd, u64 start, u64 len)
{
	u64 next = start, end = start + len;
	struct mock_dcd_extent *extent;

	for (extent = mock_dcd_first_held(dcd, start, len); extent;
	     extent = mock_dcd_next_held(extent, start, len)) {
		if (extent->start > next)
			return false;
		next = max(next, extent->start + extent->len);
	}
	return next >= end;
}

/**
 * mock_dcd_hold() - the host has an extent now
 * @dcd: the device, locked
 * @extent: in no list, owned by @dcd from now on
 */
void mock_dcd_hold(struct mock_dcd *dcd, struct mock_dcd_extent *extent)
{
	held_insert(extent, &dcd->held);
	dcd->nr_held++;
	dcd->generation++;
}

static void unhold(struct mock_dcd *dcd, struct mock_dcd_extent *extent)
{
	held_remove(extent, &dcd->held);
	RB_CLEAR_NODE(&extent->rb);
	dcd->nr_held--;
	dcd->generation++;
}

/* Cut [start, end) out of @extent; @tail is for what is left behind it */
static struct mock_dcd_extent *cut(struct mock_dcd *dcd,
				   struct mock_dcd_extent *extent, u64 start,
				   u64 end, struct mock_dcd_extent *tail)
{
	u64 extent_end = extent->start + extent->len;

	unhold(dcd, extent);
	if (end < extent_end) {
		tail->tag = extent->tag;
		tail->seq = extent->seq;
		tail->start = end;
		tail->len = extent_end - end;
		mock_dcd_hold(dcd, tail);
		tail = NULL;
	}
	if (start > extent->start) {
		extent->len = start - extent->start;
		mock_dcd_hold(dcd, extent);
	} else {
		kfree(extent);
	}
	return tail;
}

/**
 * mock_dcd_take() - the host does not have a range any more
 * @dcd: the device, locked
 * @start: DPA
 * @len: bytes; what the host does not hold of it is no error
 *
 * Return: 0 or -ENOMEM, after which part of it may be gone
 */
int mock_dcd_take(struct mock_dcd *dcd, u64 start, u64 len)
{
	struct mock_dcd_extent none = {};
	struct mock_dcd_extent *extent;

	if (!len)
		return 0;
	while ((extent = mock_dcd_first_held(dcd, start, len))) {
		struct mock_dcd_extent *tail = mock_dcd_extent_new(&none);

		if (!tail)
			return -ENOMEM;
		kfree(cut(dcd, extent, start, start + len, tail));
	}
	return 0;
}

static struct mock_dcd_group *group_new(struct mock_dcd *dcd)
{
	struct mock_dcd_group *group = kzalloc_obj(*group);

	if (!group)
		return NULL;
	INIT_LIST_HEAD(&group->extents);
	group->named = RB_ROOT_CACHED;
	group->id = ++dcd->nr_groups;
	group->open = true;
	list_add_tail(&group->node, &dcd->offers);
	return group;
}

/**
 * mock_dcd_oldest_offer() - the offer that is to be answered next
 * @dcd: the device, locked
 *
 * Return: the group, or NULL when there is none
 */
struct mock_dcd_group *mock_dcd_oldest_offer(struct mock_dcd *dcd)
{
	return list_first_entry_or_null(&dcd->offers, struct mock_dcd_group,
					node);
}

/**
 * mock_dcd_open_offer() - the group that the next offered extent belongs to
 * @dcd: the device, locked
 *
 * Return: the group, or NULL when the next extent opens one
 */
struct mock_dcd_group *mock_dcd_open_offer(struct mock_dcd *dcd)
{
	struct mock_dcd_group *last;

	if (list_empty(&dcd->offers))
		return NULL;
	last = list_last_entry(&dcd->offers, struct mock_dcd_group, node);
	return last->open ? last : NULL;
}

/**
 * mock_dcd_offer() - note that an extent is offered
 * @dcd: the device, locked
 * @extent: it is copied
 * @more: its record has More set
 *
 * Return: 0 or -ENOMEM
 */
int mock_dcd_offer(struct mock_dcd *dcd, const struct mock_dcd_extent *extent,
		   bool more)
{
	struct mock_dcd_extent *copy __free(kfree) = mock_dcd_extent_new(extent);
	struct mock_dcd_group *group = mock_dcd_open_offer(dcd);

	if (copy && !group)
		group = group_new(dcd);
	if (!copy || !group)
		return -ENOMEM;
	list_add_tail(&no_free_ptr(copy)->node, &group->extents);
	group->open = more;
	return 0;
}

/**
 * mock_dcd_find_offered() - find an extent in an offer
 * @group: the offer
 * @after: search behind this one, NULL for all
 * @start: DPA
 * @len: bytes
 *
 * Return: the extent of exactly this range, or NULL
 */
struct mock_dcd_extent *mock_dcd_find_offered(struct mock_dcd_group *group,
					      struct mock_dcd_extent *after,
					      u64 start, u64 len)
{
	struct mock_dcd_extent *extent;

	extent = after ? list_next_entry(after, node) :
			 list_first_entry(&group->extents, typeof(*extent),
					  node);
	list_for_each_entry_from(extent, &group->extents, node)
		if (extent->start == start && extent->len == len)
			return extent;
	return NULL;
}

/**
 * mock_dcd_name() - the response under way accepts an extent
 * @group: the offer that is answered
 * @extent: of @group
 *
 * Return: false when it overlaps one that was named before
 */
bool mock_dcd_name(struct mock_dcd_group *group,
		   struct mock_dcd_extent *extent)
{
	if (held_iter_first(&group->named, extent->start, extent_last(extent)))
		return false;
	held_insert(extent, &group->named);
	group->cursor = extent;
	group->nr_named++;
	return true;
}

static void unname(struct mock_dcd_group *group, struct mock_dcd_extent *extent)
{
	held_remove(extent, &group->named);
	RB_CLEAR_NODE(&extent->rb);
	group->nr_named--;
}

/**
 * mock_dcd_unname() - the response under way came to nothing
 * @group: stays to be answered
 */
void mock_dcd_unname(struct mock_dcd_group *group)
{
	struct mock_dcd_extent *extent;

	list_for_each_entry(extent, &group->extents, node)
		if (!RB_EMPTY_NODE(&extent->rb))
			unname(group, extent);
	group->cursor = NULL;
}

/**
 * mock_dcd_accept() - the host has what its response named
 * @dcd: the device, locked
 * @group: the offer that is answered now; it is freed
 */
void mock_dcd_accept(struct mock_dcd *dcd, struct mock_dcd_group *group)
{
	struct mock_dcd_extent *extent, *next;

	list_for_each_entry_safe(extent, next, &group->extents, node) {
		if (RB_EMPTY_NODE(&extent->rb))
			continue;
		unname(group, extent);
		list_del_init(&extent->node);
		mock_dcd_hold(dcd, extent);
	}
	mock_dcd_drop_offer(group);
}

/**
 * mock_dcd_drop_offer() - an offer is not open to the host any more
 * @group: is freed, with what is left of its extents
 */
void mock_dcd_drop_offer(struct mock_dcd_group *group)
{
	struct mock_dcd_extent *extent, *next;

	list_for_each_entry_safe(extent, next, &group->extents, node)
		kfree(extent);
	list_del(&group->node);
	kfree(group);
}

/**
 * mock_dcd_forget() - forget all offers, and what the host holds
 * @dcd: the device, locked
 */
void mock_dcd_forget(struct mock_dcd *dcd)
{
	struct mock_dcd_group *group, *next;
	struct mock_dcd_extent *extent;

	list_for_each_entry_safe(group, next, &dcd->offers, node)
		mock_dcd_drop_offer(group);
	while ((extent = mock_dcd_held_at(dcd, NULL))) {
		unhold(dcd, extent);
		kfree(extent);
	}
}
