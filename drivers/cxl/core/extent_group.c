// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: which extents make an allocation
 *
 * Extents come in the order of their delivery, those of several tags mixed. One
 * stable sort brings those of a tag together: by sequence number, where there are
 * such (sharable partitions), and else as they were delivered. That is the order in
 * which they are laid out. The answer to the device does not care: it walks the
 * chain, which keeps its order.
 */
#include <linux/list_sort.h>
#include <linux/string.h>
#include "extent_core.h"

static void refuse(struct cxl_extents *extents, struct cxl_extent *extent,
		   enum cxl_extent_reason reason)
{
	extent->verdict = CXL_EXTENT_REFUSED;
	cxl_extent_tree_remove(extent, &extents->checked);
	cxl_extents_report(extents, extent->start, extent->len, &extent->tag,
			   reason);
}

/**
 * cxl_extent_examine() - check one extent for itself
 * @extents: the extents of a memory device
 * @extent: as the device offers or lists it
 *
 * If nothing speaks against it, it takes its place among those that are checked,
 * so that no other may overlap it; else it is refused.
 */
void cxl_extent_examine(struct cxl_extents *extents, struct cxl_extent *extent)
{
	enum cxl_extent_reason reason = cxl_extent_check(extents, extent);

	if (reason)
		refuse(extents, extent, reason);
	else
		cxl_extent_tree_insert(extent, &extents->checked);
}

static int compare(void *priv, const struct list_head *a,
		   const struct list_head *b)
{
	const struct cxl_extent *x = list_entry(a, struct cxl_extent, node);
	const struct cxl_extent *y = list_entry(b, struct cxl_extent, node);
	int order = memcmp(&x->tag, &y->tag, sizeof(uuid_t));

	/* not sharable: it is 0 for all, or they are refused */
	return order ? order : (int)x->seq - (int)y->seq;
}

/**
 * cxl_extents_sort() - bring the extents of each tag together, in layout order
 * @offers: linked by ->node, in delivery order
 */
void cxl_extents_sort(struct list_head *offers)
{
	list_sort(NULL, offers, compare);
}

static bool belong_together(const struct cxl_extent *a,
			    const struct cxl_extent *b)
{
	return !uuid_is_null(&a->tag) && uuid_equal(&a->tag, &b->tag);
}

/**
 * cxl_extents_cut() - take the extents of one allocation
 * @offers: sorted, not empty
 * @members: empty; filled with all extents of a tag, or with one untagged extent
 */
void cxl_extents_cut(struct list_head *offers, struct list_head *members)
{
	struct cxl_extent *first, *extent;

	first = list_first_entry(offers, typeof(*first), node);
	extent = first;
	do {
		list_move_tail(&extent->node, members);
		extent = list_first_entry_or_null(offers, typeof(*extent),
						  node);
	} while (extent && belong_together(first, extent));
}

/**
 * cxl_extents_allocate() - make an allocation, or refuse all of it
 * @extents: the extents of a memory device
 * @members: from cxl_extents_cut(), examined; empty on success
 *
 * The verdict on each of @members is CXL_EXTENT_ACCEPTED or CXL_EXTENT_REFUSED
 * afterwards.
 *
 * Return: the allocation, prepared, or NULL
 */
struct cxl_allocation *cxl_extents_allocate(struct cxl_extents *extents,
					    struct list_head *members)
{
	struct cxl_extent *first, *extent;
	enum cxl_extent_reason reason;
	struct cxl_allocation *alloc;

	first = list_first_entry(members, typeof(*first), node);
	reason = cxl_extent_check_group(extents, members);
	if (!reason)
		reason = cxl_allocation_prepare(extents, members,
						cxl_extent_window(extents,
								  first));
	if (reason) {
		list_for_each_entry(extent, members, node)
			if (extent->verdict != CXL_EXTENT_REFUSED)
				refuse(extents, extent, reason);
		return NULL;
	}
	alloc = first->alloc;
	list_for_each_entry(extent, &alloc->extents, node)
		extent->verdict = CXL_EXTENT_ACCEPTED;
	return alloc;
}
