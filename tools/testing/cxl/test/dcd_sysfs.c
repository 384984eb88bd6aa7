// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test's mock DCD: dc_inject_extent, dc_inject_shared_extent, dc_del_extent and
 * dc_force_del_extent of a device, which make the test its fabric manager
 *
 * Everything that can be read is delivered, whether it makes sense or not: to refuse
 * it is the driver's business. A write returns when the driver is done.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "dcd.h"

/**
 * mock_dcd_parse_extent() - read "<start>:<length>[:<tag>]"
 * @text: set behind what was read, NULL when nothing is left
 * @extent: set
 *
 * Return: 0 or -EINVAL
 */
int mock_dcd_parse_extent(char **text, struct mock_dcd_extent *extent)
{
	char *start = strsep(text, ":");
	char *len = strsep(text, ":");
	char *tag = strsep(text, ":");

	*extent = (struct mock_dcd_extent) {};
	if (!start || !len || kstrtou64(start, 0, &extent->start) ||
	    kstrtou64(len, 0, &extent->len))
		return -EINVAL;
	if (!tag || !*tag || !strcmp(tag, "0"))
		return 0;
	return uuid_parse(tag, &extent->tag);
}

/* The sequence number of the next shared extent: it counts those of its tag */
static u16 next_sequence(struct mock_dcd *dcd, const uuid_t *tag)
{
	struct mock_dcd_group *group = mock_dcd_open_offer(dcd);
	struct mock_dcd_extent *extent;
	u16 seq = 0;

	if (group)
		list_for_each_entry(extent, &group->extents, node)
			seq += uuid_equal(&extent->tag, tag);
	return seq;
}

/* "<start>:<length>:<tag>:<more>[:<seq>]" */
static int inject(struct mock_dcd *dcd, char *text, bool shared)
{
	struct mock_dcd_extent extent;
	char *more_text, *seq;
	bool more;

	if (mock_dcd_parse_extent(&text, &extent))
		return -EINVAL;
	more_text = strsep(&text, ":");
	seq = strsep(&text, ":");
	if (!more_text || kstrtobool(more_text, &more) ||
	    (seq && kstrtou16(seq, 0, &extent.seq)))
		return -EINVAL;

	guard(mutex)(&dcd->lock);
	if (shared && !seq)
		extent.seq = next_sequence(dcd, &extent.tag);
	if (mock_dcd_offer(dcd, &extent, more))
		return -ENOMEM;
	return mock_dcd_log_extent(dcd, CXL_DC_ADD_CAPACITY, more, &extent);
}

static ssize_t inject_store(struct device *dev, const char *buf, size_t count,
			    bool shared)
{
	struct mock_dcd *dcd = mock_dcd_find(dev);
	int rc;

	char *text __free(kfree) = kstrndup(buf, count, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	rc = inject(dcd, strim(text), shared);
	if (rc)
		return rc;
	mock_dcd_deliver(dcd);
	return count;
}

static ssize_t dc_inject_extent_store(struct device *dev,
				      struct device_attribute *attr,
				      const char *buf, size_t count)
{
	return inject_store(dev, buf, count, false);
}
static DEVICE_ATTR_WO(dc_inject_extent);

static ssize_t dc_inject_shared_extent_store(struct device *dev,
					     struct device_attribute *attr,
					     const char *buf, size_t count)
{
	return inject_store(dev, buf, count, true);
}
static DEVICE_ATTR_WO(dc_inject_shared_extent);

/* "<start>:<length>:<tag>" */
static int del(struct mock_dcd *dcd, char *text, bool force)
{
	struct mock_dcd_extent extent;

	if (mock_dcd_parse_extent(&text, &extent))
		return -EINVAL;
	guard(mutex)(&dcd->lock);
	if (!force)
		return mock_dcd_log_extent(dcd, CXL_DC_RELEASE_CAPACITY, false,
					   &extent);
	if (mock_dcd_take(dcd, extent.start, extent.len))
		return -ENOMEM;
	return mock_dcd_log_extent(dcd, CXL_DC_FORCED_RELEASE, false, &extent);
}

static ssize_t del_store(struct device *dev, const char *buf, size_t count,
			 bool force)
{
	struct mock_dcd *dcd = mock_dcd_find(dev);
	int rc;

	char *text __free(kfree) = kstrndup(buf, count, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	rc = del(dcd, strim(text), force);
	if (rc)
		return rc;
	mock_dcd_deliver(dcd);
	return count;
}

static ssize_t dc_del_extent_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	return del_store(dev, buf, count, false);
}
static DEVICE_ATTR_WO(dc_del_extent);

static ssize_t dc_force_del_extent_store(struct device *dev,
					 struct device_attribute *attr,
					 const char *buf, size_t count)
{
	return del_store(dev, buf, count, true);
}
static DEVICE_ATTR_WO(dc_force_del_extent);

static struct attribute *mock_dcd_attrs[] = {
	&dev_attr_dc_inject_extent.attr,
	&dev_attr_dc_inject_shared_extent.attr,
	&dev_attr_dc_del_extent.attr,
	&dev_attr_dc_force_del_extent.attr,
	NULL
};

static umode_t mock_dcd_visible(struct kobject *kobj, struct attribute *attr,
				int n)
{
	return mock_dcd_find(kobj_to_dev(kobj)) ? attr->mode : 0;
}

const struct attribute_group mock_dcd_group = {
	.attrs = mock_dcd_attrs,
	.is_visible = mock_dcd_visible,
};
