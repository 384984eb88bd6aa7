/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Region extents: what region_extent.c and region_extent_dev.c share
 */
#ifndef __CXL_REGION_EXTENT_H__
#define __CXL_REGION_EXTENT_H__

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/range.h>
#include <linux/uuid.h>

struct cxl_dcd;
struct cxl_dc_region;

/**
 * enum region_extent_state - what user space sees of an extent
 * @REGION_EXTENT_AVAILABLE: held, can be claimed
 * @REGION_EXTENT_CLAIMED: a DAX device has it
 * @REGION_EXTENT_PENDING: asked back, not released yet; can't be claimed
 * @REGION_EXTENT_TAKEN: the device has taken it: on its way out
 */
enum region_extent_state {
	REGION_EXTENT_AVAILABLE,
	REGION_EXTENT_CLAIMED,
	REGION_EXTENT_PENDING,
	REGION_EXTENT_TAKEN,
};

struct region_allocation;

/**
 * struct region_extent - an extent as a device
 * @dev: extentX.Y
 * @dcr: the region; it outlives the device's attributes, not the device
 * @ra: the allocation, likewise
 * @range: host addresses
 * @tag: null if it has none
 * @id: Y
 */
struct region_extent {
	struct device dev;
	struct cxl_dc_region *dcr;
	struct region_allocation *ra;
	struct range range;
	uuid_t tag;
	int id;
};

/**
 * struct region_allocation - what ->prepare() keeps for an allocation
 * @dcd: the memory device
 * @dcr: the region
 * @state: an enum region_extent_state
 * @dax: what DAX has for it, or NULL while no driver is bound
 * @nr: number of @extent
 * @nr_added: how many of these user space sees
 * @extent: its extents, in layout order
 */
struct region_allocation {
	struct cxl_dcd *dcd;
	struct cxl_dc_region *dcr;
	atomic_t state;
	void *dax;
	unsigned int nr;
	unsigned int nr_added;
	struct region_extent *extent[] __counted_by(nr);
};

/* region_extent_dev.c */
struct region_extent *region_extent_alloc(struct region_allocation *ra,
					  const uuid_t *tag,
					  const struct range *range);
int region_allocation_add(struct region_allocation *ra);
void region_allocation_del(struct region_allocation *ra);
void region_allocation_free(struct region_allocation *ra);
void region_allocation_notify(const struct region_allocation *ra,
			      const char *event, const char *user);

#endif /* __CXL_REGION_EXTENT_H__ */
