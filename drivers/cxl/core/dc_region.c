// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions of Dynamic Capacity: when extents are held in one, and who serves them
 *
 * A region holds extents from the time its dax_regionX is registered until that
 * goes: it opens a window for the extent core, which takes over what the device
 * lists there, and closes it, which gives everything back. In between a DAX driver
 * may come, find what is there, and go: then, too, everything goes back, after the
 * driver's DAX devices.
 */
#include <linux/device.h>
#include <linux/idr.h>
#include <linux/ioport.h>
#include <linux/memregion.h>
#include <linux/slab.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"
#include "dcd.h"

/* What the one endpoint decoder of @cxlr maps, and whose it is */
static struct cxl_dcd *region_target(struct cxl_region *cxlr,
				     struct range *dpa)
{
	struct cxl_endpoint_decoder *cxled;
	struct cxl_memdev_state *mds;

	guard(rwsem_read)(&cxl_rwsem.region);
	guard(rwsem_read)(&cxl_rwsem.dpa);
	if (cxlr->params.state != CXL_CONFIG_COMMIT)
		return NULL;
	cxled = cxlr->params.targets[0];
	if (!cxled || !cxled->dpa_res)
		return NULL;
	*dpa = DEFINE_RANGE(cxled->dpa_res->start, cxled->dpa_res->end);
	mds = to_cxl_memdev_state(cxled_to_memdev(cxled)->cxlds);
	return mds ? mds->dcd : NULL;
}

/**
 * cxl_dax_region_alloc_extents() - let a DAX driver bind before there are extents
 * @cxlr_dax: to be registered
 *
 * Nothing is done for a region that is not of Dynamic Capacity.
 *
 * Context: device lock of the region
 * Return: 0 or a negative errno
 */
int cxl_dax_region_alloc_extents(struct cxl_dax_region *cxlr_dax)
{
	struct cxl_dc_region *dcr;
	struct cxl_dcd *dcd;
	struct range dpa;

	if (!cxl_partmode_is_dynamic(cxlr_dax->cxlr->mode))
		return 0;
	/* regions that firmware has committed get here without being asked */
	if (!cpu_cache_has_invalidate_memregion() &&
	    !IS_ENABLED(CONFIG_CXL_REGION_INVALIDATION_TEST)) {
		dev_err(&cxlr_dax->cxlr->dev,
			"CPU caches can't be invalidated: no Dynamic Capacity\n");
		return -ENXIO;
	}

	/* memory of an earlier region that can't be taken offline: not to be lost */
	if (region_intersects(cxlr_dax->hpa_range.start,
			      range_len(&cxlr_dax->hpa_range),
			      IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT) {
		dev_err(&cxlr_dax->cxlr->dev,
			"still in use as System RAM: reboot to use it again\n");
		return -EBUSY;
	}

	dcd = region_target(cxlr_dax->cxlr, &dpa);
	if (!dcd)
		return -ENXIO;

	dcr = kzalloc_obj(*dcr);
	if (!dcr)
		return -ENOMEM;
	dcr->window.dpa = dpa;
	INIT_LIST_HEAD(&dcr->window.node);
	INIT_LIST_HEAD(&dcr->window.stale);
	dcr->dcd = dcd;
	dcr->cxlr_dax = cxlr_dax;
	ida_init(&dcr->ids);
	cxlr_dax->dcr = dcr;
	return 0;
}

/**
 * cxl_dax_region_add_extents() - start to hold extents in a region
 * @cxlr_dax: registered; a DAX driver may be bound
 *
 * Takes over what the device lists in the region.
 *
 * Context: device lock of the region
 * Return: 0 or a negative errno
 */
int cxl_dax_region_add_extents(struct cxl_dax_region *cxlr_dax)
{
	struct cxl_dc_region *dcr = cxlr_dax->dcr;
	int rc;

	if (!dcr)
		return 0;
	guard(mutex)(&dcr->dcd->extents.lock);
	rc = cxl_extents_window_add(&dcr->dcd->extents, &dcr->window);
	if (rc)
		dev_err(&cxlr_dax->dev,
			"Failed to take over the extents of the device: %d\n", rc);
	cxl_dcd_watch(dcr->dcd);
	return rc;
}

/**
 * cxl_dax_region_remove_extents() - give back all that is held in a region
 * @cxlr_dax: no DAX driver is bound, and none can be from now on
 *
 * Context: device lock of the region
 */
void cxl_dax_region_remove_extents(struct cxl_dax_region *cxlr_dax)
{
	struct cxl_dc_region *dcr = cxlr_dax->dcr;

	scoped_guard(mutex, &dcr->dcd->extents.lock) {
		cxl_extents_window_remove(&dcr->dcd->extents, &dcr->window);
		cxl_dcd_watch(dcr->dcd);
	}
	cxlr_dax->dcr = NULL;
	ida_destroy(&dcr->ids);
	kfree(dcr);
}

/* The extents that are there before the DAX driver is */
static int dax_take_over(struct cxl_dc_region *dcr)
{
	struct cxl_allocation *alloc;

	list_for_each_entry(alloc, &dcr->dcd->extents.allocations, node) {
		int rc;

		if (alloc->window != &dcr->window)
			continue;
		rc = cxl_region_extents_offer(alloc);
		if (rc)
			return rc;
	}
	return 0;
}

/* Nobody has claimed anything yet */
static void dax_hand_back(struct cxl_dc_region *dcr)
{
	struct cxl_allocation *alloc;

	list_for_each_entry(alloc, &dcr->dcd->extents.allocations, node)
		if (alloc->window == &dcr->window)
			cxl_region_extents_recall(alloc);
	dcr->dax_ops = NULL;
	dcr->dax_region = NULL;
}

/**
 * cxl_dax_region_attach() - a DAX driver starts to serve the extents of a region
 * @cxlr_dax: of Dynamic Capacity
 * @ops: what it does with extents
 * @dax_region: what @ops work on
 *
 * Context: device lock of @cxlr_dax, before DAX devices are made
 * Return: 0 or a negative errno
 */
int cxl_dax_region_attach(struct cxl_dax_region *cxlr_dax,
			  const struct cxl_dax_ops *ops, void *dax_region)
{
	struct cxl_dc_region *dcr = cxlr_dax->dcr;
	int rc;

	if (!dcr)
		return -ENXIO;
	guard(mutex)(&dcr->dcd->extents.lock);
	dcr->dax_ops = ops;
	dcr->dax_region = dax_region;
	rc = dax_take_over(dcr);
	if (rc)
		dax_hand_back(dcr);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(cxl_dax_region_attach, "CXL");

/**
 * cxl_dax_region_detach() - a DAX driver goes: give back what it served
 * @cxlr_dax: all its DAX devices are gone
 *
 * Context: device lock of @cxlr_dax
 */
void cxl_dax_region_detach(struct cxl_dax_region *cxlr_dax)
{
	struct cxl_dc_region *dcr = cxlr_dax->dcr;

	guard(mutex)(&dcr->dcd->extents.lock);
	cxl_extents_release_window(&dcr->dcd->extents, &dcr->window);
	dcr->dax_ops = NULL;
	dcr->dax_region = NULL;
	cxl_dcd_watch(dcr->dcd);
}
EXPORT_SYMBOL_NS_GPL(cxl_dax_region_detach, "CXL");
