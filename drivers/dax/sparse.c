// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sparse dax regions: memory that comes and goes
 *
 * A sparse dax region starts without memory. Its owner lends it allocations, each
 * of one or more ranges that belong together, and asks for them back. A DAX device
 * claims a whole allocation, by its tag or by the name of one of its extents, and
 * has then the ranges of it in their order. User space never sees a part of one.
 *
 * The owner tells in two steps: what it has prepared is seen by nobody and can be
 * discarded; once published it can be claimed. An allocation that is withdrawn
 * while a device has it is marked as asked for: nobody can claim it again, and the
 * owner hears when it falls idle.
 *
 * Memory that is taken by force takes its device along: see dax_sparse_kill() and
 * dead.c.
 *
 * DAX has no pointer into what its owner has, but the opaque owner of an
 * allocation, which lives as long as the allocation does.
 *
 * Locking: dax_region_rwsem, held for write, protects the list of allocations and
 * who has claimed them; dax_dev_rwsem the ranges of a device, as everywhere, and
 * what a registered device has claimed.
 */
#include <linux/align.h>
#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/device.h>
#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uuid.h>
#include "bus.h"
#include "dax-private.h"

/* Devices that lost their memory keep their place until they have given it up */
static bool in_use(struct dax_region *dax_region,
		   const struct dax_sparse_extent *extents, unsigned int nr)
{
	struct resource *res;

	guard(rwsem_read)(&dax_region_rwsem);
	for (res = dax_region->res.child; res; res = res->sibling) {
		for (unsigned int i = 0; i < nr; i++)
			if (res->start <= extents[i].range.end &&
			    extents[i].range.start <= res->end)
				return true;
		cond_resched();
	}
	return false;
}

/**
 * dax_sparse_prepare() - reserve what an allocation needs
 * @dax_region: sparse
 * @tag: null if it has none
 * @extents: its ranges, in layout order, copied
 * @nr: number of @extents
 * @ops: what @owner hears
 * @owner: lives until dax_sparse_withdraw() or dax_sparse_discard()
 *
 * Return: the allocation, not visible to anybody, or an ERR_PTR(): -E2BIG when it has
 * more ranges than a device can have, -EBUSY when a device has some of them (what
 * it had there is lost), -ENOMEM
 */
struct dax_allocation *
dax_sparse_prepare(struct dax_region *dax_region, const uuid_t *tag,
		   const struct dax_sparse_extent *extents, unsigned int nr,
		   const struct dax_sparse_ops *ops, void *owner)
{
	struct dax_allocation *alloc;

	if (nr > DAX_SPARSE_RANGES_MAX)
		return ERR_PTR(-E2BIG);
	if (in_use(dax_region, extents, nr))
		return ERR_PTR(-EBUSY);
	alloc = kvzalloc_flex(*alloc, extents, nr);
	if (!alloc)
		return ERR_PTR(-ENOMEM);
	alloc->nr_extents = nr;
	alloc->dax_region = dax_region;
	alloc->tag = *tag;
	alloc->ops = ops;
	alloc->owner = owner;
	memcpy(alloc->extents, extents, array_size(nr, sizeof(*extents)));
	return alloc;
}
EXPORT_SYMBOL_FOR_MODULES(dax_sparse_prepare, "dax_cxl");

/**
 * dax_sparse_publish() - let an allocation be claimed
 * @alloc: prepared
 */
void dax_sparse_publish(struct dax_allocation *alloc)
{
	guard(rwsem_write)(&dax_region_rwsem);
	list_add_tail(&alloc->node, &alloc->dax_region->allocations);
}
EXPORT_SYMBOL_FOR_MODULES(dax_sparse_publish, "dax_cxl");

/**
 * dax_sparse_withdraw() - take an allocation back
 * @alloc: published; freed on success
 * @user: filled in with the name of the device that has it, at most
 *	  DAX_SPARSE_NAME_LEN bytes
 *
 * A claim is use, whether a driver is bound or not.
 *
 * Return: 0, or -EBUSY when a device has it: then nobody else can claim it any
 * more, and ->idle() is called when the device gives it up
 */
int dax_sparse_withdraw(struct dax_allocation *alloc, char *user)
{
	guard(rwsem_write)(&dax_region_rwsem);
	if (alloc->dev_dax) {
		alloc->asked = true;
		strscpy(user, dev_name(&alloc->dev_dax->dev),
			DAX_SPARSE_NAME_LEN);
		return -EBUSY;
	}
	list_del(&alloc->node);
	kvfree(alloc);
	return 0;
}
EXPORT_SYMBOL_FOR_MODULES(dax_sparse_withdraw, "dax_cxl");

/**
 * dax_sparse_discard() - undo dax_sparse_prepare()
 * @alloc: not published
 */
void dax_sparse_discard(struct dax_allocation *alloc)
{
	kvfree(alloc);
}
EXPORT_SYMBOL_FOR_MODULES(dax_sparse_discard, "dax_cxl");

/**
 * dax_sparse_open() - let devices be made, and claim
 * @dax_region: closed, as every sparse region is when it is allocated
 *
 * To be called when the driver's devres has what takes the region from its owner
 * again: devices that are made from now on are gone before that happens.
 */
void dax_sparse_open(struct dax_region *dax_region)
{
	guard(rwsem_write)(&dax_region_rwsem);
	guard(rwsem_write)(&dax_dev_rwsem);
	dax_region->closed = false;
}
EXPORT_SYMBOL_FOR_MODULES(dax_sparse_open, "dax_cxl");

/**
 * dax_sparse_close() - no more claims, no more devices, no more access
 * @dax_region: its driver is being unbound, or its probe has failed; its devices
 *		are still there
 *
 * To be called before the driver's devres is released: what a device did from then
 * on would be added to devres that nobody releases. The devices go one by one then,
 * and one may wait long for pages that are pinned: nobody is to use the others
 * meanwhile.
 */
void dax_sparse_close(struct dax_region *dax_region)
{
	guard(rwsem_write)(&dax_region_rwsem);
	guard(rwsem_write)(&dax_dev_rwsem);
	dax_region->closed = true;
	kill_dax_region(dax_region);
}
EXPORT_SYMBOL_FOR_MODULES(dax_sparse_close, "dax_cxl");

static bool can_claim(const struct dax_allocation *alloc)
{
	return !alloc->dev_dax && !alloc->asked;
}

static u64 alloc_size(const struct dax_allocation *alloc)
{
	u64 size = 0;

	for (unsigned int i = 0; i < alloc->nr_extents; i++)
		size += range_len(&alloc->extents[i].range);
	return size;
}

/* Bytes of a sparse region that can be claimed */
unsigned long long dax_sparse_avail_size(struct dax_region *dax_region)
{
	struct dax_allocation *alloc;
	unsigned long long size = 0;

	lockdep_assert_held(&dax_region_rwsem);
	list_for_each_entry(alloc, &dax_region->allocations, node)
		if (can_claim(alloc))
			size += alloc_size(alloc);
	return size;
}

/* The device that has claimed @alloc has it no more */
void dax_sparse_detach(struct dax_allocation *alloc)
{
	lockdep_assert_held_write(&dax_region_rwsem);
	/* who asks a registered device for its claim holds that one only */
	lockdep_assert(lockdep_is_held_type(&dax_dev_rwsem, 0) ||
		       !device_is_registered(&alloc->dev_dax->dev));
	alloc->dev_dax->alloc = NULL;
	alloc->dev_dax = NULL;
}

/* The ranges of @dev_dax are released: it has nothing any more */
void dax_sparse_unclaim(struct dev_dax *dev_dax)
{
	struct dax_allocation *alloc = dev_dax->alloc;

	lockdep_assert_held_write(&dax_region_rwsem);
	if (!alloc)
		return;
	dax_sparse_detach(alloc);
	alloc->ops->idle(alloc->owner);
}

static bool fits_align(const struct dev_dax *dev_dax,
		       const struct dax_allocation *alloc)
{
	for (unsigned int i = 0; i < alloc->nr_extents; i++) {
		const struct range *range = &alloc->extents[i].range;

		if (!IS_ALIGNED(range->start | range_len(range),
				dev_dax->align))
			return false;
	}
	return true;
}

static int claim(struct dev_dax *dev_dax, struct dax_allocation *alloc)
{
	lockdep_assert_held_write(&dax_region_rwsem);
	lockdep_assert_held_write(&dax_dev_rwsem);

	if (!fits_align(dev_dax, alloc))
		return -EINVAL;
	for (unsigned int i = 0; i < alloc->nr_extents; i++) {
		const struct range *range = &alloc->extents[i].range;
		int rc = alloc_dev_dax_range(dev_dax, range->start,
					     range_len(range));

		if (rc) {
			release_dev_dax_ranges(dev_dax);
			return rc;
		}
		cond_resched();
	}
	dev_dax->alloc = alloc;
	alloc->dev_dax = dev_dax;
	alloc->ops->claimed(alloc->owner);
	return 0;
}

static bool has_tag(const struct dax_allocation *alloc, const void *tag)
{
	return uuid_equal(&alloc->tag, tag);
}

static bool has_extent(const struct dax_allocation *alloc, const void *name)
{
	for (unsigned int i = 0; i < alloc->nr_extents; i++)
		if (sysfs_streq(alloc->extents[i].name, name))
			return true;
	return false;
}

/* Claim the first allocation that @matches and fits, under the locks that it takes */
static int claim_matching(struct dev_dax *dev_dax,
			  bool (*matches)(const struct dax_allocation *alloc,
					  const void *what),
			  const void *what)
{
	struct dax_region *dax_region = dev_dax->region;
	struct dax_allocation *alloc;
	int rc;

	/* who removes the device may hold it, and waits for its attributes */
	ACQUIRE(rwsem_write_try, region)(&dax_region_rwsem);
	if (ACQUIRE_ERR(rwsem_write_try, &region))
		return dax_restart_attribute();

	ACQUIRE(rwsem_write_kill, devs)(&dax_dev_rwsem);
	rc = ACQUIRE_ERR(rwsem_write_kill, &devs);
	if (rc)
		return rc;
	/* device and region may be on their way out */
	if (!dax_region->dev->driver || dax_region->closed || dev_dax->id < 0)
		return -ENXIO;
	if (dev_dax->alloc || dev_dax->nr_range || dev_dax->dev.driver)
		return -EBUSY;

	rc = -ENOENT;
	list_for_each_entry(alloc, &dax_region->allocations, node) {
		if (!can_claim(alloc) || !matches(alloc, what))
			continue;
		rc = claim(dev_dax, alloc);
		/* its alignment is not that of the device: that of another may be */
		if (rc != -EINVAL)
			break;
	}
	return rc;
}

/* Print something of what @dev has claimed, NULL if nothing */
static ssize_t show_claim(struct device *dev, char *buf,
			  ssize_t (*print)(const struct dax_allocation *alloc,
					   char *buf))
{
	int rc;

	/* the lock of the region is held while a device's attributes go */
	ACQUIRE(rwsem_read_intr, devs)(&dax_dev_rwsem);
	rc = ACQUIRE_ERR(rwsem_read_intr, &devs);
	return rc ? rc : print(to_dev_dax(dev)->alloc, buf);
}

static ssize_t print_tag(const struct dax_allocation *alloc, char *buf)
{
	return sysfs_emit(buf, "%pUb\n", alloc ? &alloc->tag : &uuid_null);
}

static ssize_t print_extent(const struct dax_allocation *alloc, char *buf)
{
	return sysfs_emit(buf, "%s\n", alloc ? alloc->extents[0].name : "");
}

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return show_claim(dev, buf, print_tag);
}

static ssize_t uuid_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t len)
{
	struct dev_dax *dev_dax = to_dev_dax(dev);
	char text[UUID_STRING_LEN + 1];
	uuid_t tag;
	int rc;

	if (!dax_is_sparse(dev_dax->region))
		return -EOPNOTSUPP;
	if (sysfs_streq(buf, "0")) {
		uuid_copy(&tag, &uuid_null);
	} else {
		/* uuid_parse() is content with what follows a UUID */
		strscpy(text, buf);
		if (!sysfs_streq(buf, text) || uuid_parse(text, &tag))
			return -EINVAL;
	}

	rc = claim_matching(dev_dax, has_tag, &tag);
	return rc ? rc : len;
}
static DEVICE_ATTR_RW(uuid);

static ssize_t extent_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return show_claim(dev, buf, print_extent);
}

static ssize_t extent_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t len)
{
	int rc = claim_matching(to_dev_dax(dev), has_extent, buf);

	return rc ? rc : len;
}
static DEVICE_ATTR_RW(extent);

static struct attribute *dax_sparse_attributes[] = {
	&dev_attr_uuid.attr,
	&dev_attr_extent.attr,
	NULL,
};

static umode_t dax_sparse_visible(struct kobject *kobj, struct attribute *a,
				  int n)
{
	struct dev_dax *dev_dax = to_dev_dax(kobj_to_dev(kobj));

	if (dax_is_sparse(dev_dax->region))
		return a->mode;
	return a == &dev_attr_uuid.attr ? 0444 : 0;
}

const struct attribute_group dax_sparse_attribute_group = {
	.attrs = dax_sparse_attributes,
	.is_visible = dax_sparse_visible,
};
