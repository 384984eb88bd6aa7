// SPDX-License-Identifier: GPL-2.0-only
/*
 * Region extents: what is held of a device's Dynamic Capacity, as host addresses
 *
 * Each extent that is held in a region appears as extentX.Y below dax_regionX, and
 * DAX is told of it if its driver is bound; a driver that binds later takes over
 * what there is. This knows nothing of event records or responses: the extent core
 * says what to prepare, to publish and to take back.
 *
 * All runs under struct cxl_extents::lock but two things: attributes of extents,
 * and what DAX calls back. These take no lock at all: they see the state of an
 * allocation, one word that is changed atomically.
 */
#include <linux/dax.h>
#include <linux/device.h>
#include <linux/ioport.h>
#include <linux/slab.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"
#include "dcd.h"
#include "region_extent.h"

/* DAX: a device has claimed it, under the locks of the DAX bus */
static void dax_claimed(void *owner)
{
	struct region_allocation *ra = owner;

	atomic_cmpxchg(&ra->state, REGION_EXTENT_AVAILABLE,
		       REGION_EXTENT_CLAIMED);
}

/* DAX: the device has given it back, under the locks of the DAX bus */
static void dax_idle(void *owner)
{
	struct region_allocation *ra = owner;

	atomic_cmpxchg(&ra->state, REGION_EXTENT_CLAIMED,
		       REGION_EXTENT_AVAILABLE);
	cxl_dcd_retry(ra->dcd);
}

static const struct dax_sparse_ops dax_owner_ops = {
	.claimed = dax_claimed,
	.idle = dax_idle,
};

static struct cxl_dc_region *to_dc_region(struct cxl_extent_window *window)
{
	return container_of(window, struct cxl_dc_region, window);
}

static struct range extent_range(const struct cxl_dc_region *dcr,
				 const struct cxl_extent *extent)
{
	/* one way: the region's host addresses follow the DPA */
	u64 start = dcr->cxlr_dax->hpa_range.start +
		    (extent->start - dcr->window.dpa.start);

	return DEFINE_RANGE(start, start + extent->len - 1);
}

DEFINE_FREE(region_allocation, struct region_allocation *, region_allocation_free(_T))

static int dax_prepare(struct region_allocation *ra)
{
	struct cxl_dc_region *dcr = ra->dcr;
	struct dax_sparse_extent *extents __free(kvfree) = NULL;
	void *dax;

	if (!dcr->dax_ops)
		return 0;

	extents = kvmalloc_objs(*extents, ra->nr);
	if (!extents)
		return -ENOMEM;
	for (unsigned int i = 0; i < ra->nr; i++) {
		extents[i].range = ra->extent[i]->range;
		strscpy(extents[i].name, dev_name(&ra->extent[i]->dev));
	}
	dax = dcr->dax_ops->prepare(dcr->dax_region, &ra->extent[0]->tag,
				    extents, ra->nr, &dax_owner_ops, ra);
	if (IS_ERR(dax))
		return PTR_ERR(dax);
	ra->dax = dax;
	return 0;
}

static int make_extents(struct region_allocation *ra,
			const struct cxl_allocation *alloc)
{
	const struct cxl_extent *extent;
	unsigned int i = 0;

	list_for_each_entry(extent, &alloc->extents, node) {
		struct range range = extent_range(ra->dcr, extent);

		ra->extent[i] = region_extent_alloc(ra, &extent->tag, &range);
		if (!ra->extent[i++])
			return -ENOMEM;
	}
	return 0;
}

/* Has kmem left memory behind that it could not take offline? */
static bool is_system_ram(const struct region_allocation *ra)
{
	for (unsigned int i = 0; i < ra->nr; i++) {
		const struct range *range = &ra->extent[i]->range;

		if (region_intersects(range->start, range_len(range),
				      IORESOURCE_SYSTEM_RAM,
				      IORES_DESC_NONE) != REGION_DISJOINT)
			return true;
	}
	return false;
}

/**
 * cxl_region_extents_prepare() - see struct cxl_extent_ops::prepare
 * @extents: the extents of a memory device, locked
 * @alloc: its window is that of a &struct cxl_dc_region
 *
 * Return: 0; -ENOMEM; -E2BIG when it has more extents than DAX takes; or -EBUSY when
 * somebody still has what was there before
 */
int cxl_region_extents_prepare(struct cxl_extents *extents,
			       struct cxl_allocation *alloc)
{
	int rc;

	/* whether or not a DAX driver is there to say so */
	if (alloc->nr_extents > DAX_SPARSE_RANGES_MAX)
		return -E2BIG;

	struct region_allocation *ra __free(region_allocation) =
		kvzalloc_flex(*ra, extent, alloc->nr_extents);
	if (!ra)
		return -ENOMEM;
	ra->nr = alloc->nr_extents;
	ra->dcd = to_dcd(extents);
	ra->dcr = to_dc_region(alloc->window);
	rc = make_extents(ra, alloc);
	if (rc)
		return rc;
	if (is_system_ram(ra))
		return -EBUSY;
	rc = dax_prepare(ra);
	if (rc)
		return rc;
	alloc->realized = no_free_ptr(ra);
	return 0;
}

/**
 * cxl_region_extents_discard() - see struct cxl_extent_ops::discard
 * @extents: the extents of a memory device, locked
 * @alloc: prepared, not published
 */
void cxl_region_extents_discard(struct cxl_extents *extents,
				struct cxl_allocation *alloc)
{
	struct region_allocation *ra = alloc->realized;

	if (ra->dax)
		ra->dcr->dax_ops->discard(ra->dax);
	alloc->realized = NULL;
	region_allocation_free(ra);
}

/**
 * cxl_region_extents_publish() - see struct cxl_extent_ops::publish
 * @extents: the extents of a memory device, locked
 * @alloc: prepared, held
 *
 * Return: 0, or a negative errno after which @alloc is not realized any more
 */
int cxl_region_extents_publish(struct cxl_extents *extents,
			       struct cxl_allocation *alloc)
{
	struct region_allocation *ra = alloc->realized;
	int rc = region_allocation_add(ra);

	if (rc) {
		cxl_region_extents_discard(extents, alloc);
		return rc;
	}
	if (ra->dax)
		ra->dcr->dax_ops->publish(ra->dax);
	region_allocation_notify(ra, "add", NULL);
	return 0;
}

/* Return: 0, or -EBUSY and who has it: at most DAX_SPARSE_NAME_LEN bytes in @user */
static int withdraw(struct region_allocation *ra, char *user)
{
	if (ra->dax && ra->dcr->dax_ops->withdraw(ra->dax, user))
		return -EBUSY;
	ra->dax = NULL;
	if (!is_system_ram(ra))
		return 0;
	strscpy(user, "system-ram", DAX_SPARSE_NAME_LEN);
	return -EBUSY;
}

/**
 * cxl_region_extents_withdraw() - see struct cxl_extent_ops::withdraw
 * @extents: the extents of a memory device, locked
 * @alloc: published
 *
 * Return: 0, or -EBUSY when a DAX device or the kernel itself has it
 */
int cxl_region_extents_withdraw(struct cxl_extents *extents,
				struct cxl_allocation *alloc)
{
	struct region_allocation *ra = alloc->realized;
	char user[DAX_SPARSE_NAME_LEN];
	int rc = withdraw(ra, user);
	int was = atomic_xchg(&ra->state, REGION_EXTENT_PENDING);

	if (rc && was != REGION_EXTENT_PENDING)
		region_allocation_notify(ra, "release-request", user);
	return rc;
}

static int kill(struct region_allocation *ra)
{
	int rc = 0;

	if (ra->dax)
		rc = ra->dcr->dax_ops->kill(ra->dax);
	if (rc < 0)
		return rc;
	ra->dax = NULL;
	return is_system_ram(ra) ? -EBUSY : rc;
}

/* Tell user space that it has gone, unless it is @left, and that nothing is there */
static void make_invisible(struct region_allocation *ra, bool left)
{
	bool taken = atomic_read(&ra->state) == REGION_EXTENT_TAKEN;

	if (!ra->nr_added)
		return;
	if (!left)
		region_allocation_notify(ra, taken ? "forced-release" :
						     "released", NULL);
	region_allocation_del(ra);
}

/**
 * cxl_region_extents_kill() - see struct cxl_extent_ops::kill
 * @extents: the extents of a memory device, locked
 * @alloc: published or withdrawn; may have been killed before
 *
 * Return: 0 when nobody had it; 1 when somebody had it and can't touch it any more;
 * -EBUSY when somebody may still touch it
 */
int cxl_region_extents_kill(struct cxl_extents *extents,
			    struct cxl_allocation *alloc)
{
	struct region_allocation *ra = alloc->realized;
	int rc;

	/* it could not be published, nor given back */
	if (!ra)
		return 0;
	rc = kill(ra);
	atomic_set(&ra->state, REGION_EXTENT_TAKEN);
	if (rc < 0)
		make_invisible(ra, false);
	return rc;
}

/**
 * cxl_region_extents_narrow() - see struct cxl_extent_ops::narrow
 * @extents: the extents of a memory device, locked
 * @alloc: withdrawn or killed, one extent
 */
void cxl_region_extents_narrow(struct cxl_extents *extents,
			       struct cxl_allocation *alloc)
{
	struct region_allocation *ra = alloc->realized;
	struct cxl_extent *extent = list_first_entry(&alloc->extents,
						     typeof(*extent), node);
	struct range range = extent_range(ra->dcr, extent);

	WRITE_ONCE(ra->extent[0]->range.start, range.start);
	WRITE_ONCE(ra->extent[0]->range.end, range.end);
}

/**
 * cxl_region_extents_remove() - see struct cxl_extent_ops::remove
 * @extents: the extents of a memory device, locked
 * @alloc: withdrawn, killed, or never published
 * @left: it has not gone: the device still lists it as ours
 */
void cxl_region_extents_remove(struct cxl_extents *extents,
			       struct cxl_allocation *alloc, bool left)
{
	struct region_allocation *ra = alloc->realized;

	if (!ra)
		return;
	make_invisible(ra, left);
	alloc->realized = NULL;
	region_allocation_free(ra);
}

/**
 * cxl_region_extents_invalidate() - see struct cxl_extent_ops::invalidate
 * @extents: the extents of a memory device, locked
 * @window: that of a &struct cxl_dc_region
 */
void cxl_region_extents_invalidate(struct cxl_extents *extents,
				   struct cxl_extent_window *window)
{
	cxl_region_invalidate_memregion(to_dc_region(window)->cxlr_dax->cxlr);
}

/**
 * cxl_region_extents_offer() - a DAX driver is there now: let it have @alloc
 * @alloc: published while there was none
 *
 * Return: 0 or -ENOMEM
 */
int cxl_region_extents_offer(struct cxl_allocation *alloc)
{
	struct region_allocation *ra = alloc->realized;
	int rc = dax_prepare(ra);

	if (rc)
		return rc;
	ra->dcr->dax_ops->publish(ra->dax);
	return 0;
}

/**
 * cxl_region_extents_recall() - undo cxl_region_extents_offer()
 * @alloc: nobody can have claimed it; may not have been offered
 */
void cxl_region_extents_recall(struct cxl_allocation *alloc)
{
	char user[DAX_SPARSE_NAME_LEN];

	withdraw(alloc->realized, user);
}
