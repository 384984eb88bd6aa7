// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic Capacity in sysfs: the partitions of a memory device, and what a root
 * decoder can make of them. See Documentation/ABI/testing/sysfs-bus-cxl.
 */
#include <linux/acpi.h>
#include <linux/device.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"
#include "dcd.h"

/**
 * struct dc_attribute - an attribute of one of the partitions
 * @attr: the attribute
 * @mode: which partition
 */
struct dc_attribute {
	struct device_attribute attr;
	enum cxl_partition_mode mode;
};

static enum cxl_partition_mode attr_mode(const struct device_attribute *attr)
{
	return container_of(attr, struct dc_attribute, attr)->mode;
}

static const struct cxl_dc_partition *
attr_partition(struct device *dev, const struct device_attribute *attr)
{
	return cxl_dcd_partition(to_cxl_memdev(dev)->cxlds, attr_mode(attr));
}

static struct cxl_dpa_partition *find_partition(struct cxl_dev_state *cxlds,
						enum cxl_partition_mode mode)
{
	for (unsigned int i = 0; i < cxlds->nr_partitions; i++)
		if (cxlds->part[i].mode == mode)
			return &cxlds->part[i];
	return NULL;
}

static ssize_t size_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	guard(rwsem_read)(&cxl_rwsem.dpa);
	return sysfs_emit(buf, "%#llx\n",
			  range_len(&attr_partition(dev, attr)->dpa));
}

static ssize_t block_size_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	guard(rwsem_read)(&cxl_rwsem.dpa);
	return sysfs_emit(buf, "%#llx\n",
			  attr_partition(dev, attr)->block_size);
}

static ssize_t show_flag(struct device *dev, struct device_attribute *attr,
			 char *buf, u8 flag)
{
	u8 flags = READ_ONCE(attr_partition(dev, attr)->dsmas_flags);

	return sysfs_emit(buf, "%d\n", !!(flags & flag));
}

static ssize_t sharable_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return show_flag(dev, attr, buf, ACPI_CDAT_DSMAS_SHAREABLE);
}

static ssize_t read_only_show(struct device *dev,
			      struct device_attribute *attr, char *buf)
{
	return show_flag(dev, attr, buf, ACPI_CDAT_DSMAS_READ_ONLY);
}

static ssize_t qos_class_show(struct device *dev,
			      struct device_attribute *attr, char *buf)
{
	struct cxl_dev_state *cxlds = to_cxl_memdev(dev)->cxlds;

	return sysfs_emit(buf, "%d\n",
			  find_partition(cxlds, attr_mode(attr))->perf.qos_class);
}

static umode_t partition_visible(struct kobject *kobj, struct attribute *a,
				 int n)
{
	struct cxl_dev_state *cxlds = to_cxl_memdev(kobj_to_dev(kobj))->cxlds;
	struct device_attribute *attr =
		container_of(a, struct device_attribute, attr);
	struct cxl_dpa_partition *part = find_partition(cxlds, attr_mode(attr));

	if (!part)
		return SYSFS_GROUP_INVISIBLE;
	if (attr->show == qos_class_show &&
	    part->perf.qos_class == CXL_QOS_CLASS_INVALID)
		return 0;
	return a->mode;
}

static ssize_t cap_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	/* not visible where such a region can't be made */
	return sysfs_emit(buf, "1\n");
}

static ssize_t create_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return cxl_create_region_show(to_cxl_root_decoder(dev), buf);
}

static ssize_t create_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t len)
{
	return cxl_create_region_store(dev, buf, len, attr_mode(attr));
}

static umode_t root_visible(struct kobject *kobj, struct attribute *a, int n)
{
	struct device *dev = kobj_to_dev(kobj);

	return cxl_can_create_ram(to_cxl_root_decoder(dev)) ? a->mode : 0;
}

#define DC_ATTRIBUTE(_var, _n, _name, _mode, _show, _store)		\
	static struct dc_attribute _var = {				\
		.attr = __ATTR(_name, _mode, _show, _store),		\
		.mode = CXL_PARTMODE_DYNAMIC_RAM_##_n,			\
	}

#define DC_PARTITION(_n)						\
	DC_ATTRIBUTE(size_##_n, _n, size, 0444, size_show, NULL);	\
	DC_ATTRIBUTE(block_size_##_n, _n, block_size, 0444,		\
		     block_size_show, NULL);				\
	DC_ATTRIBUTE(sharable_##_n, _n, sharable, 0444, sharable_show,	\
		     NULL);						\
	DC_ATTRIBUTE(read_only_##_n, _n, read_only, 0444,		\
		     read_only_show, NULL);				\
	DC_ATTRIBUTE(qos_class_##_n, _n, qos_class, 0444,		\
		     qos_class_show, NULL);				\
	DC_ATTRIBUTE(cap_##_n, _n, cap_dynamic_ram_##_n, 0444,		\
		     cap_show, NULL);					\
	DC_ATTRIBUTE(create_##_n, _n, create_dynamic_ram_##_n##_region,	\
		     0644, create_show, create_store);			\
	static struct attribute *partition_attrs_##_n[] = {		\
		&size_##_n.attr.attr,					\
		&block_size_##_n.attr.attr,				\
		&sharable_##_n.attr.attr,				\
		&read_only_##_n.attr.attr,				\
		&qos_class_##_n.attr.attr,				\
		NULL,							\
	};								\
	const struct attribute_group cxl_dcd_partition_group_##_n = {	\
		.name = "dynamic_ram_" #_n,				\
		.attrs = partition_attrs_##_n,				\
		.is_visible = partition_visible,			\
	}

DC_PARTITION(1);
DC_PARTITION(2);
DC_PARTITION(3);
DC_PARTITION(4);
DC_PARTITION(5);
DC_PARTITION(6);
DC_PARTITION(7);
DC_PARTITION(8);

#define ROOT_ATTRS(_n) &cap_##_n.attr.attr, &create_##_n.attr.attr

static struct attribute *root_attrs[] = {
	ROOT_ATTRS(1),
	ROOT_ATTRS(2),
	ROOT_ATTRS(3),
	ROOT_ATTRS(4),
	ROOT_ATTRS(5),
	ROOT_ATTRS(6),
	ROOT_ATTRS(7),
	ROOT_ATTRS(8),
	NULL,
};

const struct attribute_group cxl_dcd_root_decoder_group = {
	.attrs = root_attrs,
	.is_visible = root_visible,
};

static const struct attribute_group * const partition_groups[] = {
	&cxl_dcd_partition_group_1,
	&cxl_dcd_partition_group_2,
	&cxl_dcd_partition_group_3,
	&cxl_dcd_partition_group_4,
	&cxl_dcd_partition_group_5,
	&cxl_dcd_partition_group_6,
	&cxl_dcd_partition_group_7,
	&cxl_dcd_partition_group_8,
};

/**
 * cxl_dcd_update_perf() - CDAT has been read: show or hide what depends on it
 * @cxlmd: the memory device
 */
void cxl_dcd_update_perf(struct cxl_memdev *cxlmd)
{
	struct cxl_dev_state *cxlds = cxlmd->cxlds;

	for (unsigned int i = 0; i < cxlds->nr_partitions; i++)
		if (cxl_partmode_is_dynamic(cxlds->part[i].mode))
			sysfs_update_group(&cxlmd->dev.kobj,
					   partition_groups[cxlds->part[i].mode -
					   CXL_PARTMODE_DYNAMIC_RAM_1]);
}
