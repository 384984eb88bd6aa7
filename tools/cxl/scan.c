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

static int scan_extents(struct region *region, const char *dir)
{
	struct name *names;
	int nr = sysfs_names(&names, dir, "extent", 2);
	int i, rc = 0;

	for (i = 0; i < nr && !rc; i++) {
		region->extents = grow(region->extents, region->nr_extents,
				       sizeof(*region->extents));
		rc = scan_extent(&region->extents[region->nr_extents],
				 region, names[i].text);
		if (!rc)
			region->nr_extents++;
		else if (is_gone(rc))
			rc = 0;
	}
	free(names);
	return rc;
}

static int scan_devs(struct region *region, const char *dir)
{
	struct name *names;
	int nr = sysfs_names(&names, dir, "dax", 2);
	int i, rc = 0;

	for (i = 0; i < nr && !rc; i++) {
		region->devs = grow(region->devs, region->nr_devs,
				    sizeof(*region->devs));
		rc = scan_dax(&region->devs[region->nr_devs], names[i].text);
		if (!rc)
			region->nr_devs++;
		else if (is_gone(rc))
			rc = 0;
	}
	free(names);
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
		rc = scan_extents(region, dax);
	return rc ? rc : scan_devs(region, dax);
}

static void free_region(struct region *region)
{
	free(region->extents);
	free(region->devs);
	memset(region, 0, sizeof(*region));
}

static int scan_memdevs(struct machine *machine)
{
	struct name *names;
	int nr = sysfs_names(&names, CXL_DEVICES, "mem", 1);
	int i, rc = nr < 0 ? nr : 0;

	for (i = 0; i < nr && !rc; i++) {
		machine->memdevs = grow(machine->memdevs, machine->nr_memdevs,
					sizeof(*machine->memdevs));
		rc = scan_memdev(&machine->memdevs[machine->nr_memdevs],
				 names[i].text);
		if (rc && !is_gone(rc))
			error("%s: %s", sysfs_last(), strerror(-rc));
		else if (!rc && machine->memdevs[machine->nr_memdevs].nr_parts)
			machine->nr_memdevs++;
		if (is_gone(rc))
			rc = 0;
	}
	free(names);
	return rc;
}

static int scan_regions(struct machine *machine)
{
	struct name *names;
	int nr = sysfs_names(&names, CXL_DEVICES, "region", 1);
	int i, rc = nr < 0 ? nr : 0;

	for (i = 0; i < nr && !rc; i++) {
		struct region *region;

		machine->regions = grow(machine->regions, machine->nr_regions,
					sizeof(*machine->regions));
		region = &machine->regions[machine->nr_regions];
		rc = scan_region(region, names[i].text);
		if (!rc) {
			machine->nr_regions++;
			continue;
		}
		free_region(region);
		if (is_gone(rc))
			rc = 0;
		else
			error("%s: %s", sysfs_last(), strerror(-rc));
	}
	free(names);
	return rc;
}

/* Says what is wrong itself; free_machine() whatever it returns, 0 or -1 */
int scan_machine(struct machine *machine)
{
	memset(machine, 0, sizeof(*machine));
	if (!sysfs_exists(CXL_DEVICES))
		return error("the kernel has no CXL bus: 'modprobe -a cxl_acpi cxl_pci'");
	return scan_memdevs(machine) || scan_regions(machine) ? -1 : 0;
}

void free_machine(struct machine *machine)
{
	while (machine->nr_regions)
		free_region(&machine->regions[--machine->nr_regions]);
	free(machine->regions);
	free(machine->memdevs);
	memset(machine, 0, sizeof(*machine));
}
