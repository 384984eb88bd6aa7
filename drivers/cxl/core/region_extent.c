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
#include <linux/kobject.h>
#include <linux/slab.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"
#include "dcd.h"

/**
 * enum region_extent_state - what user space sees of an extent
 * @REGION_EXTENT_AVAILABLE: held, can be claimed
 * @REGION_EXTENT_CLAIMED: a DAX device has it
 * @REGION_EXTENT_PENDING: asked back, not released yet; can't be claimed
 */
enum region_extent_state {
	REGION_EXTENT_AVAILABLE,
	REGION_EXTENT_CLAIMED,
	REGION_EXTENT_PENDING,
};

static const char * const state_names[] = {
	[REGION_EXTENT_AVAILABLE] = "available",
	[REGION_EXTENT_CLAIMED] = "claimed",
	[REGION_EXTENT_PENDING] = "release-pending",
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

static struct region_extent *to_region_extent(struct device *dev)
{
	return container_of(dev, struct region_extent, dev);
}

static ssize_t offset_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct region_extent *re = to_region_extent(dev);

	return sysfs_emit(buf, "%#llx\n", READ_ONCE(re->range.start) -
			  re->dcr->cxlr_dax->hpa_range.start);
}
static DEVICE_ATTR_RO(offset);

static ssize_t length_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct region_extent *re = to_region_extent(dev);

	return sysfs_emit(buf, "%#llx\n", READ_ONCE(re->range.end) -
			  READ_ONCE(re->range.start) + 1);
}
static DEVICE_ATTR_RO(length);

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%pUb\n", &to_region_extent(dev)->tag);
}
static DEVICE_ATTR_RO(uuid);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct region_extent *re = to_region_extent(dev);

	return sysfs_emit(buf, "%s\n",
			  state_names[atomic_read(&re->ra->state)]);
}
static DEVICE_ATTR_RO(state);

static struct attribute *region_extent_attrs[] = {
	&dev_attr_offset.attr,
	&dev_attr_length.attr,
	&dev_attr_uuid.attr,
	&dev_attr_state.attr,
	NULL,
};

static umode_t region_extent_visible(struct kobject *kobj, struct attribute *a,
				     int n)
{
	struct region_extent *re = to_region_extent(kobj_to_dev(kobj));

	if (a == &dev_attr_uuid.attr && uuid_is_null(&re->tag))
		return 0;
	return a->mode;
}

static const struct attribute_group region_extent_group = {
	.attrs = region_extent_attrs,
	.is_visible = region_extent_visible,
};

static const struct attribute_group *region_extent_groups[] = {
	&region_extent_group,
	NULL,
};

static void region_extent_release(struct device *dev)
{
	kfree(to_region_extent(dev));
}

static const struct device_type region_extent_type = {
	.name = "cxl_region_extent",
	.release = region_extent_release,
	.groups = region_extent_groups,
};

/* Tell user space, with the DAX region as the source */
static void notify(const struct region_extent *re, const char *event)
{
	struct cxl_dax_region *cxlr_dax = re->dcr->cxlr_dax;
	char tag[sizeof("UUID=") + UUID_STRING_LEN];
	char what[sizeof("CXL_DC_EVENT=") + 32];
	char offset[64], length[64];
	char *envp[] = { what, tag, offset, length, NULL };

	snprintf(what, sizeof(what), "CXL_DC_EVENT=%s", event);
	snprintf(tag, sizeof(tag), "UUID=%pUb", &re->tag);
	snprintf(offset, sizeof(offset), "OFFSET=%#llx",
		 re->range.start - cxlr_dax->hpa_range.start);
	snprintf(length, sizeof(length), "LENGTH=%#llx",
		 range_len(&re->range));
	kobject_uevent_env(&cxlr_dax->dev.kobj, KOBJ_CHANGE, envp);
}

static void notify_all(const struct region_allocation *ra, const char *event)
{
	for (unsigned int i = 0; i < ra->nr; i++)
		notify(ra->extent[i], event);
}

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

static struct region_extent *region_extent_alloc(struct region_allocation *ra,
						 const struct cxl_extent *extent)
{
	struct cxl_dc_region *dcr = ra->dcr;
	struct region_extent *re = kzalloc_obj(*re);
	struct device *dev;

	if (!re)
		return NULL;
	re->id = ida_alloc(&dcr->ids, GFP_KERNEL);
	if (re->id < 0) {
		kfree(re);
		return NULL;
	}
	re->dcr = dcr;
	re->ra = ra;
	re->tag = extent->tag;
	re->range = extent_range(dcr, extent);

	dev = &re->dev;
	device_initialize(dev);
	device_set_pm_not_required(dev);
	dev->parent = &dcr->cxlr_dax->dev;
	dev->type = &region_extent_type;
	if (dev_set_name(dev, "extent%d.%d", dcr->cxlr_dax->cxlr->id, re->id)) {
		ida_free(&dcr->ids, re->id);
		put_device(dev);
		return NULL;
	}
	return re;
}

/* Make the extents invisible, and free them and @ra */
static void region_allocation_free(struct region_allocation *ra)
{
	if (!ra)
		return;
	for (unsigned int i = 0; i < ra->nr; i++) {
		struct region_extent *re = ra->extent[i];

		if (!re)
			continue;
		if (i < ra->nr_added)
			device_del(&re->dev);
		ida_free(&ra->dcr->ids, re->id);
		put_device(&re->dev);
	}
	kvfree(ra);
}

DEFINE_FREE(region_allocation, struct region_allocation *, region_allocation_free(_T))

static int dax_prepare(struct region_allocation *ra)
{
	struct cxl_dc_region *dcr = ra->dcr;
	struct dax_sparse_extent *extents __free(kvfree) = NULL;

	if (!dcr->dax_ops)
		return 0;

	extents = kvmalloc_objs(*extents, ra->nr);
	if (!extents)
		return -ENOMEM;
	for (unsigned int i = 0; i < ra->nr; i++) {
		extents[i].range = ra->extent[i]->range;
		strscpy(extents[i].name, dev_name(&ra->extent[i]->dev));
	}
	ra->dax = dcr->dax_ops->prepare(dcr->dax_region, &ra->extent[0]->tag,
					extents, ra->nr, &dax_owner_ops, ra);
	return ra->dax ? 0 : -ENOMEM;
}

/**
 * cxl_region_extents_prepare() - see struct cxl_extent_ops::prepare
 * @extents: the extents of a memory device, locked
 * @alloc: its window is that of a &struct cxl_dc_region
 *
 * Return: 0, -ENOMEM, or -E2BIG when it has more extents than DAX takes
 */
int cxl_region_extents_prepare(struct cxl_extents *extents,
			       struct cxl_allocation *alloc)
{
	struct cxl_extent *extent;
	unsigned int i = 0;
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
	list_for_each_entry(extent, &alloc->extents, node) {
		ra->extent[i] = region_extent_alloc(ra, extent);
		if (!ra->extent[i++])
			return -ENOMEM;
	}
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

static int add_devices(struct region_allocation *ra)
{
	for (; ra->nr_added < ra->nr; ra->nr_added++) {
		int rc = device_add(&ra->extent[ra->nr_added]->dev);

		if (rc)
			return rc;
	}
	return 0;
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
	int rc = add_devices(ra);

	if (rc) {
		cxl_region_extents_discard(extents, alloc);
		return rc;
	}
	if (ra->dax)
		ra->dcr->dax_ops->publish(ra->dax);
	notify_all(ra, "add");
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

static bool dax_withdraw(struct region_allocation *ra)
{
	if (ra->dax && ra->dcr->dax_ops->withdraw(ra->dax))
		return false;
	ra->dax = NULL;
	return true;
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
	bool in_use = !dax_withdraw(ra) || is_system_ram(ra);
	int was = atomic_xchg(&ra->state, REGION_EXTENT_PENDING);

	if (!in_use)
		return 0;
	if (was != REGION_EXTENT_PENDING)
		notify_all(ra, "release-request");
	return -EBUSY;
}

/**
 * cxl_region_extents_narrow() - see struct cxl_extent_ops::narrow
 * @extents: the extents of a memory device, locked
 * @alloc: withdrawn, one extent
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
 * @alloc: withdrawn, or never published
 */
void cxl_region_extents_remove(struct cxl_extents *extents,
			       struct cxl_allocation *alloc)
{
	struct region_allocation *ra = alloc->realized;

	if (!ra)
		return;
	notify_all(ra, "released");
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
	dax_withdraw(alloc->realized);
}
