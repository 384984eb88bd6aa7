// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read all of Dynamic Capacity from sysfs
 *
 * Memory comes and goes while this reads: what is gone is left out. Anything else
 * that can't be read, or that is no number where there must be one, is an error.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

static bool is_gone(int rc)
{
	return rc == -ENOENT || rc == -ENODEV || rc == -ENXIO;
}

/* A number that need not be there, or that only root may read */
static int read_optional(__u64 *value, const char *dir, const char *name)
{
	int rc = sysfs_read_u64(value, "%s/%s", dir, name);

	if (!is_gone(rc) && rc != -EACCES && rc != -EPERM)
		return rc;
	*value = UNKNOWN;
	return 0;
}

/* A tag; it is empty where there is none */
static int read_uuid(char *uuid, const char *dir)
{
	int rc = sysfs_read(uuid, UUID_LEN, "%s/uuid", dir);

	if (rc == -ENOENT || (!rc && is_uuid(uuid) && is_null_uuid(uuid))) {
		*uuid = 0;
		return 0;
	}
	return rc ? rc : is_uuid(uuid) ? 0 : -EINVAL;
}

static int scan_partition(struct partition *part, const char *memdev,
			  unsigned int number)
{
	char dir[PATH_LEN];
	int rc;

	snprintf(part->name, sizeof(part->name), "dynamic_ram_%u", number);
	snprintf(dir, sizeof(dir), "%s/%s/%s", CXL_DEVICES, memdev, part->name);
	rc = sysfs_read_u64(&part->size, "%s/size", dir);
	if (rc)
		return rc;
	rc = read_optional(&part->block_size, dir, "block_size");
	if (!rc)
		rc = sysfs_read_u64(&part->sharable, "%s/sharable", dir);
	if (!rc)
		rc = sysfs_read_u64(&part->read_only, "%s/read_only", dir);
	if (!rc)
		rc = read_optional(&part->qos_class, dir, "qos_class");
	return rc;
}

static int scan_memdev(struct memdev *memdev, const char *name)
{
	char dir[PATH_LEN], path[PATH_LEN], *slash;
	unsigned int i;
	int rc;

	copy_name(memdev->name, name);
	snprintf(dir, sizeof(dir), "%s/%s", CXL_DEVICES, name);
	rc = sysfs_read_u64(&memdev->serial, "%s/serial", dir);
	if (!rc)
		rc = sysfs_path(path, sizeof(path), "%s", dir);
	if (rc)
		return rc;
	/* .../0000:0d:00.0/mem0 */
	slash = strrchr(path, '/');
	*slash = 0;
	slash = strrchr(path, '/');
	if (slash)
		copy_name(memdev->host, slash + 1);
	for (i = 1; i <= MAX_PARTITIONS; i++) {
		rc = scan_partition(&memdev->part[memdev->nr_parts], name, i);
		if (!rc)
			memdev->nr_parts++;
		else if (!is_gone(rc))
			return rc;
	}
	return 0;
}

static int scan_extent(struct extent *extent, const struct region *region,
		       const char *name)
{
	char dir[PATH_LEN];
	int rc;

	copy_name(extent->name, name);
	snprintf(dir, sizeof(dir), "%s/%s/%s", CXL_DEVICES,
		 region->dax_region, name);
	rc = sysfs_read_u64(&extent->offset, "%s/offset", dir);
	if (!rc)
		rc = sysfs_read_u64(&extent->length, "%s/length", dir);
	if (!rc)
		rc = read_uuid(extent->uuid, dir);
	if (!rc)
		rc = sysfs_read(extent->state, sizeof(extent->state), "%s/state",
				dir);
	return rc;
}

/* The driver that is bound, empty if none */
static int read_driver(char *driver, const char *dir)
{
	int rc = sysfs_link(driver, NAME_LEN, "%s/driver", dir);

	if (rc == -ENOENT)
		*driver = 0;
	return rc == -ENOENT ? 0 : rc;
}

/* One DAX device */
int scan_dax(struct dax_device *dev, const char *name)
{
	char dir[PATH_LEN];
	int rc;

	copy_name(dev->name, name);
	snprintf(dir, sizeof(dir), "%s/%s", DAX_DEVICES, name);
	rc = sysfs_read_u64(&dev->size, "%s/size", dir);
	if (!rc)
		rc = sysfs_read_u64(&dev->align, "%s/align", dir);
	if (!rc)
		rc = read_uuid(dev->uuid, dir);
	if (!rc)
		rc = sysfs_read(dev->extent, sizeof(dev->extent), "%s/extent",
				dir);
	if (!rc)
		rc = read_driver(dev->driver, dir);
	if (rc)
		return rc;
	/* -1 where there is none */
	if (sysfs_read_u64(&dev->target_node, "%s/target_node", dir))
		dev->target_node = UNKNOWN;
	if (sysfs_read(dev->state, sizeof(dev->state), "%s/state", dir))
		dev->state[0] = 0;
	return 0;
}

/* Scan all in a directory that have such a name, into @into; what is gone is left out */
static int scan_each(const char *dir, const char *prefix, unsigned int numbers,
		     int (*scan)(void *into, const char *name), void *into)
{
	struct name *names;
	int nr = sysfs_names(&names, dir, prefix, numbers);
	int i, rc = nr < 0 ? nr : 0;

	for (i = 0; i < nr && (!rc || is_gone(rc)); i++)
		rc = scan(into, names[i].text);
	free(names);
	return is_gone(rc) ? 0 : rc;
}

static int add_extent(void *into, const char *name)
{
	struct region *region = into;
	int rc;

	region->extents = grow(region->extents, region->nr_extents,
			       sizeof(*region->extents));
	rc = scan_extent(&region->extents[region->nr_extents], region, name);
	if (!rc)
		region->nr_extents++;
	return rc;
}

static int add_dax(void *into, const char *name)
{
	struct region *region = into;
	int rc;

	region->devs = grow(region->devs, region->nr_devs,
			    sizeof(*region->devs));
	rc = scan_dax(&region->devs[region->nr_devs], name);
	if (!rc)
		region->nr_devs++;
	return rc;
}

/* Its one endpoint decoder, and whose that is; neither needs to be there */
static int scan_target(struct region *region, const char *dir)
{
	int rc = sysfs_read(region->decoder, sizeof(region->decoder),
			    "%s/target0", dir);

	if (!rc && is_name(region->decoder, "decoder", 2))
		rc = decoder_memdev(region->decoder, region->memdev);
	else
		region->decoder[0] = 0;
	return is_gone(rc) ? 0 : rc;
}

static int scan_region(struct region *region, const char *name)
{
	char dir[PATH_LEN], dax[PATH_LEN];
	int rc;

	copy_name(region->name, name);
	snprintf(dir, sizeof(dir), "%s/%s", CXL_DEVICES, name);
	rc = sysfs_read(region->mode, sizeof(region->mode), "%s/mode", dir);
	if (!rc)
		rc = is_name(region->mode, "dynamic_ram_", 1) ? 0 : -ENOENT;
	if (!rc)
		rc = sysfs_read_u64(&region->size, "%s/size", dir);
	if (!rc)
		rc = read_optional(&region->resource, dir, "resource");
	if (!rc)
		rc = scan_target(region, dir);
	if (rc)
		return rc;
	region->bound = sysfs_exists("%s/driver", dir);
	snprintf(region->dax_region, sizeof(region->dax_region), "dax_%s", name);
	snprintf(dax, sizeof(dax), "%s/%s", CXL_DEVICES, region->dax_region);
	rc = read_optional(&region->available, dax, "dax_region/available_size");
	if (!rc)
		rc = scan_each(dax, "extent", 2, add_extent, region);
	if (!rc)
		rc = scan_each(dax, "dax", 2, add_dax, region);
	return rc;
}

static void free_region(struct region *region)
{
	free(region->extents);
	free(region->devs);
	memset(region, 0, sizeof(*region));
}

/* A memory device without Dynamic Capacity is none of ours */
static int add_memdev(void *into, const char *name)
{
	struct machine *machine = into;
	struct memdev *memdev;
	int rc;

	machine->memdevs = grow(machine->memdevs, machine->nr_memdevs,
				sizeof(*machine->memdevs));
	memdev = &machine->memdevs[machine->nr_memdevs];
	rc = scan_memdev(memdev, name);
	if (!rc && memdev->nr_parts)
		machine->nr_memdevs++;
	return rc;
}

static int add_region(void *into, const char *name)
{
	struct machine *machine = into;
	struct region *region;
	int rc;

	machine->regions = grow(machine->regions, machine->nr_regions,
				sizeof(*machine->regions));
	region = &machine->regions[machine->nr_regions];
	rc = scan_region(region, name);
	if (rc)
		free_region(region);
	else
		machine->nr_regions++;
	return rc;
}

/* Says what is wrong itself; free_machine() whatever it returns, 0 or -1 */
int scan_machine(struct machine *machine)
{
	int rc;

	memset(machine, 0, sizeof(*machine));
	if (!sysfs_exists(CXL_DEVICES))
		return error("the kernel has no CXL bus: 'modprobe -a cxl_acpi cxl_pci'");
	rc = scan_each(CXL_DEVICES, "mem", 1, add_memdev, machine);
	if (!rc)
		rc = scan_each(CXL_DEVICES, "region", 1, add_region, machine);
	return rc ? error("%s: %s", sysfs_last(), strerror(-rc)) : 0;
}

void free_machine(struct machine *machine)
{
	while (machine->nr_regions)
		free_region(&machine->regions[--machine->nr_regions]);
	free(machine->regions);
	free(machine->memdevs);
	memset(machine, 0, sizeof(*machine));
}
