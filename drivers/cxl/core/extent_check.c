// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: what may be accepted
 *
 * The device is not trusted: every number of an offer is checked before it is
 * used. CXL 3.1 9.13.3.3 has the rules for extents; that they are multiples of
 * the DAX alignment and lie in a region is what this host needs.
 */
#include <linux/align.h>
#include <linux/overflow.h>
#include "extent.h"

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

static struct cxl_extent_window *find_window(struct cxl_extents *extents,
					     u64 start, u64 last)
{
	struct cxl_extent_window *window;

	list_for_each_entry(window, &extents->windows, node)
		if (range_has(&window->dpa, start, last))
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
	if (!uuid_is_null(&extent->tag))
		return CXL_EXTENT_TAGGED;
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
 * @window: set to where a region maps it, when it passes
 *
 * Return: CXL_EXTENT_OK or what speaks against it
 */
enum cxl_extent_reason cxl_extent_check(struct cxl_extents *extents,
					const struct cxl_extent *extent,
					struct cxl_extent_window **window)
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

	*window = find_window(extents, extent->start, last);
	if (!*window)
		return CXL_EXTENT_NO_REGION;
	if (cxl_extent_tree_first(&extents->held, extent->start, last))
		return CXL_EXTENT_OVERLAP_HELD;
	if (cxl_extent_tree_first(&extents->chain.tree, extent->start, last))
		return CXL_EXTENT_OVERLAP_CHAIN;
	return CXL_EXTENT_OK;
}

/**
 * cxl_extent_is_listed() - does the device think this host holds any of a range?
 * @list: the device's extent list; nothing in it is trusted
 * @start: first DPA
 * @last: last DPA
 *
 * Return: true when an entry of @list overlaps the range
 */
bool cxl_extent_is_listed(const struct cxl_extent_list *list, u64 start,
			  u64 last)
{
	for (u32 i = 0; i < list->nr; i++) {
		u64 entry = le64_to_cpu(list->extent[i].start_dpa);
		u64 len = le64_to_cpu(list->extent[i].length);

		if (len && entry <= last && (entry >= start ||
					     start - entry < len))
			return true;
	}
	return false;
}
