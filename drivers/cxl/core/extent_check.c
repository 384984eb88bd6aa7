// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: what may be accepted, and what the device says of it later
 *
 * The device is not trusted: every number of an offer is checked before it is
 * used. CXL 3.1 9.13.3.3 has the rules for extents and for those of one tag; that
 * they are multiples of the DAX alignment and lie in a region is what this host
 * needs.
 */
#include <linux/align.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include "extent_core.h"

static bool range_has(const struct range *range, u64 start, u64 last)
{
	return range->start <= start && last <= range->end;
}

static const struct cxl_extent_partition *
find_partition(struct cxl_extents *extents, u64 start, u64 last)
{
	for (unsigned int i = 0; i < extents->nr_partitions; i++)
		if (range_has(&extents->partition[i].dpa, start, last))
			return &extents->partition[i];
	return NULL;
}

/**
 * cxl_extent_window() - where a region maps an extent
 * @extents: the extents of a memory device
 * @extent: not empty
 *
 * Return: the window that has all of it, or NULL
 */
struct cxl_extent_window *
cxl_extent_window(struct cxl_extents *extents, const struct cxl_extent *extent)
{
	struct cxl_extent_window *window;

	list_for_each_entry(window, &extents->windows, node)
		if (range_has(&window->dpa, extent->start,
			      cxl_extent_last(extent)))
			return window;
	return NULL;
}

static enum cxl_extent_reason
check_tag(const struct cxl_extent *extent,
	  const struct cxl_extent_partition *part)
{
	if (part->sharable && uuid_is_null(&extent->tag))
		return CXL_EXTENT_UNTAGGED;
	if (!part->sharable && extent->seq)
		return CXL_EXTENT_SEQUENCE;
	return CXL_EXTENT_OK;
}

/**
 * cxl_extent_check_range() - check that a range can name capacity at all
 * @extents: the extents of a memory device
 * @start: first DPA, as the device said it
 * @len: bytes, as the device said it
 *
 * Return: CXL_EXTENT_OK when it is not empty, does not overflow, and lies in one
 * partition
 */
enum cxl_extent_reason cxl_extent_check_range(struct cxl_extents *extents,
					      u64 start, u64 len)
{
	u64 last;

	if (!len || check_add_overflow(start, len - 1, &last))
		return CXL_EXTENT_BAD_LENGTH;
	if (!find_partition(extents, start, last))
		return CXL_EXTENT_NO_PARTITION;
	return CXL_EXTENT_OK;
}

/**
 * cxl_extents_granule() - what can be given back at a DPA
 * @extents: the extents of a memory device
 * @dpa: inside a partition
 *
 * Return: extents start and end at multiples of it, bytes
 */
u64 cxl_extents_granule(struct cxl_extents *extents, u64 dpa)
{
	const struct cxl_extent_partition *part = find_partition(extents, dpa,
								 dpa);

	return part ? max(part->block_size, extents->align) : extents->align;
}

/**
 * cxl_extent_check() - check one extent for itself
 * @extents: the extents of a memory device
 * @extent: as the device offered it
 *
 * Return: CXL_EXTENT_OK or what speaks against it
 */
enum cxl_extent_reason cxl_extent_check(struct cxl_extents *extents,
					const struct cxl_extent *extent)
{
	const struct cxl_extent_partition *part;
	enum cxl_extent_reason reason;
	u64 last;

	lockdep_assert_held(&extents->lock);
	reason = cxl_extent_check_range(extents, extent->start, extent->len);
	if (reason)
		return reason;

	last = cxl_extent_last(extent);
	part = find_partition(extents, extent->start, last);
	/* both are powers of two: the larger one is what counts */
	if (!IS_ALIGNED(extent->start | extent->len,
			cxl_extents_granule(extents, extent->start)))
		return CXL_EXTENT_MISALIGNED;

	reason = check_tag(extent, part);
	if (reason)
		return reason;

	if (!cxl_extent_window(extents, extent))
		return CXL_EXTENT_NO_REGION;
	if (cxl_extent_tree_first(&extents->held, extent->start, last))
		return CXL_EXTENT_OVERLAP_HELD;
	if (cxl_extent_tree_first(&extents->dead, extent->start, last))
		return CXL_EXTENT_STILL_USED;
	if (cxl_extent_tree_first(&extents->checked, extent->start, last))
		return CXL_EXTENT_OVERLAP_CHAIN;
	return CXL_EXTENT_OK;
}

/**
 * cxl_extent_check_group() - check the extents of one allocation together
 * @extents: the extents of a memory device
 * @members: linked by ->node in layout order, each checked for itself
 *
 * All or nothing: a hole in an allocation could never be filled. A window lies in
 * one partition, so one window means one partition, too.
 *
 * Return: CXL_EXTENT_OK or what speaks against all of them
 */
enum cxl_extent_reason cxl_extent_check_group(struct cxl_extents *extents,
					      struct list_head *members)
{
	const struct cxl_extent_partition *part;
	const struct cxl_extent *first, *extent;
	const struct cxl_extent_window *window;
	unsigned int seq = 0;

	lockdep_assert_held(&extents->lock);
	list_for_each_entry(extent, members, node)
		if (extent->verdict == CXL_EXTENT_REFUSED)
			return CXL_EXTENT_PARTNER;

	first = list_first_entry(members, typeof(*first), node);
	part = find_partition(extents, first->start, cxl_extent_last(first));
	window = cxl_extent_window(extents, first);
	list_for_each_entry(extent, members, node) {
		if (cxl_extent_window(extents, extent) != window)
			return CXL_EXTENT_SPREAD;
		if (part->sharable && extent->seq != seq++)
			return CXL_EXTENT_SEQUENCE_GAP;
	}
	return CXL_EXTENT_OK;
}

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

/**
 * cxl_extents_mark_listed() - look for what is held in the device's list
 * @extents: the extents of a memory device, locked
 * @list: the list; nothing in it is trusted
 *
 * See cxl_extent_is_listed() for what comes of it.
 */
void cxl_extents_mark_listed(struct cxl_extents *extents,
			     const struct cxl_extent_list *list)
{
	extents->comparison++;
	for (u32 i = 0; i < list->nr; i++) {
		struct cxl_extent_record record;
		struct cxl_extent *extent;
		u64 last;

		cxl_extent_record_from_list(&record, &list->extent[i]);
		if (cxl_extent_check_range(extents, record.start, record.len) ==
		    CXL_EXTENT_BAD_LENGTH)
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

/**
 * cxl_extent_is_listed() - does the device list any of an extent?
 * @extents: the extents of a memory device, locked
 * @extent: held since cxl_extents_mark_listed() or longer
 *
 * Return: true when an entry of that list overlaps it
 */
bool cxl_extent_is_listed(const struct cxl_extents *extents,
			  const struct cxl_extent *extent)
{
	return extent->seen == extents->comparison;
}
