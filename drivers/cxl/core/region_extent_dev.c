// SPDX-License-Identifier: GPL-2.0-only
/*
 * Region extents: the devices extentX.Y, their attributes, and events for user space
 *
 * Attributes take no lock: they see the state of an allocation, one word that is
 * changed atomically.
 */
#include <linux/device.h>
#include <linux/idr.h>
#include <linux/kobject.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"
#include "dcd.h"
#include "region_extent.h"

static const char * const state_names[] = {
	[REGION_EXTENT_AVAILABLE] = "available",
	[REGION_EXTENT_CLAIMED] = "claimed",
	[REGION_EXTENT_PENDING] = "release-pending",
	[REGION_EXTENT_TAKEN] = "release-pending",
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

/**
 * region_extent_alloc() - make the device of an extent
 * @ra: the allocation that it belongs to
 * @tag: null if it has none
 * @range: host addresses
 *
 * Return: the extent, not visible yet, or NULL
 */
struct region_extent *region_extent_alloc(struct region_allocation *ra,
					  const uuid_t *tag,
					  const struct range *range)
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
	re->tag = *tag;
	re->range = *range;

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

/**
 * region_allocation_add() - make the extents of an allocation visible
 * @ra: the allocation
 *
 * Return: 0, or a negative errno after which some of them are visible
 */
int region_allocation_add(struct region_allocation *ra)
{
	for (; ra->nr_added < ra->nr; ra->nr_added++) {
		int rc = device_add(&ra->extent[ra->nr_added]->dev);

		if (rc)
			return rc;
	}
	return 0;
}

/**
 * region_allocation_del() - make the extents of an allocation invisible
 * @ra: the allocation
 */
void region_allocation_del(struct region_allocation *ra)
{
	while (ra->nr_added)
		device_del(&ra->extent[--ra->nr_added]->dev);
}

/**
 * region_allocation_free() - make the extents invisible, and free them and @ra
 * @ra: the allocation, not all of its extents need be there; or NULL
 */
void region_allocation_free(struct region_allocation *ra)
{
	if (!ra)
		return;
	region_allocation_del(ra);
	for (unsigned int i = 0; i < ra->nr; i++) {
		struct region_extent *re = ra->extent[i];

		if (!re)
			continue;
		ida_free(&ra->dcr->ids, re->id);
		put_device(&re->dev);
	}
	kvfree(ra);
}

/* Tell user space, with the DAX region as the source */
static void notify(const struct region_extent *re, const char *event,
		   const char *user)
{
	struct cxl_dax_region *cxlr_dax = re->dcr->cxlr_dax;
	char what[64], tag[64], offset[64], length[64], waits[64];
	char *envp[] = { what, tag, offset, length, user ? waits : NULL, NULL };

	snprintf(what, sizeof(what), "CXL_DC_EVENT=%s", event);
	snprintf(tag, sizeof(tag), "UUID=%pUb", &re->tag);
	snprintf(offset, sizeof(offset), "OFFSET=%#llx",
		 re->range.start - cxlr_dax->hpa_range.start);
	snprintf(length, sizeof(length), "LENGTH=%#llx",
		 range_len(&re->range));
	if (user)
		snprintf(waits, sizeof(waits), "WAITS_FOR=%s", user);
	kobject_uevent_env(&cxlr_dax->dev.kobj, KOBJ_CHANGE, envp);
}

/**
 * region_allocation_notify() - tell user space of each extent
 * @ra: the allocation
 * @event: what happens to it
 * @user: what that waits for, or NULL
 */
void region_allocation_notify(const struct region_allocation *ra,
			      const char *event, const char *user)
{
	for (unsigned int i = 0; i < ra->nr; i++)
		notify(ra->extent[i], event, user);
}
