// SPDX-License-Identifier: GPL-2.0-only
/* dcd create-region, dcd destroy-region */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

#define REGION_DRIVER	CXL_DRIVERS "/cxl_region"
#define REGION_ALIGN	(256ULL << 20)	/* of the size of a region with one way */

/* Take a region down as far as it has come; the capacity may be somebody else's */
static void undo_region(const char *region, const struct path *path,
			bool reserved)
{
	sysfs_write(region, "%s/unbind", REGION_DRIVER);
	sysfs_write("0", "%s/%s/commit", CXL_DEVICES, region);
	sysfs_write("\n", "%s/%s/target0", CXL_DEVICES, region);
	if (reserved)
		sysfs_write("0", "%s/%s/dpa_size", CXL_DEVICES, path->endpoint);
	sysfs_write(region, "%s/%s/delete_region", CXL_DEVICES, path->root);
}

/* Somebody else may take the free name first */
static int new_region(char *region, const struct path *path, const char *type)
{
	int rc, tries = 100;

	do {
		rc = sysfs_read(region, NAME_LEN, "%s/%s/create_%s_region",
				CXL_DEVICES, path->root, type);
		if (!rc && !is_name(region, "region", 1))
			rc = -EINVAL;
		if (!rc)
			rc = sysfs_write(region, "%s/%s/create_%s_region",
					 CXL_DEVICES, path->root, type);
	} while (rc == -EBUSY && tries--);
	return rc;
}

/* The granularity has no meaning with one way, but it must be set */
static int size_region(const char *region, const struct path *path, __u64 size)
{
	char granularity[NAME_LEN], text[NAME_LEN];
	int rc = sysfs_read(granularity, sizeof(granularity),
			    "%s/%s/interleave_granularity", CXL_DEVICES,
			    path->root);

	snprintf(text, sizeof(text), "%#llx", size);
	if (!rc)
		rc = sysfs_write(granularity, "%s/%s/interleave_granularity",
				 CXL_DEVICES, region);
	if (!rc)
		rc = sysfs_write("1", "%s/%s/interleave_ways", CXL_DEVICES,
				 region);
	return rc ? rc : sysfs_write(text, "%s/%s/size", CXL_DEVICES, region);
}

static int no_capacity(const struct path *path, const char *type, int rc)
{
	error("%s has no room for that in %s: %s", path->endpoint, type,
	      strerror(-rc));
	advise("regions are made in ascending order of partitions:");
	return advise("destroy those behind it first, or take a smaller --size");
}

static int reserve(const struct path *path, const char *type, __u64 size)
{
	char text[NAME_LEN];
	int rc = sysfs_write(type, "%s/%s/mode", CXL_DEVICES, path->endpoint);

	if (rc)
		return error("%s does not take mode %s: %s", path->endpoint,
			     type, strerror(-rc));
	snprintf(text, sizeof(text), "%#llx", size);
	rc = sysfs_write(text, "%s/%s/dpa_size", CXL_DEVICES, path->endpoint);
	if (rc == -EBUSY || rc == -ENOSPC || rc == -ENXIO)
		return no_capacity(path, type, rc);
	return rc ? error("%s: dpa_size %s: %s", path->endpoint, text,
			  strerror(-rc)) : 0;
}

static int start(const char *region, const struct path *path)
{
	int rc = sysfs_write(path->endpoint, "%s/%s/target0", CXL_DEVICES,
			     region);

	if (!rc)
		rc = sysfs_write("1", "%s/%s/commit", CXL_DEVICES, region);
	if (rc)
		return error("%s can't be programmed: %s; the kernel log says more",
			     region, strerror(-rc));
	rc = sysfs_write(region, "%s/bind", REGION_DRIVER);
	if (rc && !sysfs_exists("%s/%s/driver", CXL_DEVICES, region))
		return error("the driver does not take %s: %s; the kernel log says more",
			     region, strerror(-rc));
	return 0;
}

/* Below the first root decoder that has room; 0 or -1 */
static int make_region(char *region, const struct path *paths, int nr,
		       const char *type, __u64 size)
{
	char text[SIZE_TEXT_LEN];
	int rc = 0, i;

	for (i = 0; i < nr; i++) {
		bool reserved;

		rc = new_region(region, &paths[i], type);
		if (rc)
			return error("%s makes no region: %s", paths[i].root,
				     strerror(-rc));
		rc = size_region(region, &paths[i], size);
		reserved = !rc && !reserve(&paths[i], type, size);
		if (reserved && !start(region, &paths[i]))
			return 0;
		undo_region(region, &paths[i], reserved);
		if (!rc)
			return -1;
	}
	if (rc != -ERANGE)
		return error("%s gets no size of %s: %s; the kernel log says more",
			     region, size_text(text, size), strerror(-rc));
	error("%s has no room for %s: %s", paths[nr - 1].root,
	      size_text(text, size), strerror(-rc));
	return advise("destroy another region, or take a smaller --size");
}

static const struct memdev *choose_memdev(const struct machine *machine,
					  const char *name)
{
	if (name)
		return find_memdev(machine, name);
	if (machine->nr_memdevs == 1)
		return machine->memdevs;
	if (machine->nr_memdevs)
		error("there are %zu Dynamic Capacity Devices: name one with --memdev",
		      machine->nr_memdevs);
	else
		error("no Dynamic Capacity Device; the kernel log may say why");
	return NULL;
}

/* What of a partition no region has */
static __u64 free_size(const struct machine *machine,
		       const struct memdev *memdev,
		       const struct partition *part)
{
	__u64 size = part->size;
	size_t i;

	for (i = 0; i < machine->nr_regions; i++) {
		const struct region *region = &machine->regions[i];

		if (is_over(region, memdev, part))
			size -= region->size < size ? region->size : size;
	}
	return size;
}

static const struct partition *choose_partition(const struct machine *machine,
						const struct memdev *memdev,
						const char *type)
{
	unsigned int i;

	for (i = 0; i < memdev->nr_parts; i++) {
		const struct partition *part = &memdev->part[i];

		if (type ? !strcmp(part->name, type) : !part->read_only &&
		    free_size(machine, memdev, part) >= REGION_ALIGN)
			break;
	}
	if (i == memdev->nr_parts) {
		if (type)
			error("%s has no partition %s: see 'dcd list'",
			      memdev->name, type);
		else
			error("%s has no partition without a region: see 'dcd list'",
			      memdev->name);
		return NULL;
	}
	if (memdev->part[i].read_only) {
		error("%s of %s is read-only, which the kernel does not support",
		      type, memdev->name);
		advise("name another with --type");
		return NULL;
	}
	return &memdev->part[i];
}

static bool has_seed(const void *region)
{
	return sysfs_exists("%s/dax%u.0", DAX_DEVICES, last_number(region));
}

/* Wait for its DAX driver, and show what has been made */
static int show_region(const struct params *params, const char *name)
{
	struct json json = { .human = params->human };
	const struct region *region;
	struct machine machine;
	char text[SIZE_TEXT_LEN];
	int status = 1;

	if (!load_driver(CXL_DRIVERS, "cxl_dax_region", "dax_cxl") ||
	    !wait_until(has_seed, name))
		note("%s has no DAX driver to claim memory: 'modprobe dax_cxl'",
		     name);
	if (!scan_machine(&machine)) {
		region = find_region(&machine, name);
		if (region && params->json)
			json_region(&json, region);
		else if (region)
			printf("%s: %s of %s, %s\n", name, region->mode,
			       region->memdev, size_text(text, region->size));
		status = !region;
	}
	free_machine(&machine);
	return status;
}

static int create_region(const struct params *params,
			 const struct machine *machine, char *name)
{
	const struct memdev *memdev = choose_memdev(machine, params->memdev);
	const struct partition *part;
	struct path *paths;
	__u64 size;
	int nr, rc;

	part = memdev ? choose_partition(machine, memdev, params->type) : NULL;
	if (!part)
		return -1;
	size = free_size(machine, memdev, part) / REGION_ALIGN * REGION_ALIGN;
	if (!size)
		return error("%s of %s has no 256 MiB without a region: see 'dcd list'",
			     part->name, memdev->name);
	if (params->size % REGION_ALIGN)
		return error("--size must be a multiple of 256M");
	if (params->size)
		size = params->size;
	nr = find_paths(memdev, part->name, params->decoder, &paths);
	rc = nr ? make_region(name, paths, nr, part->name, size) : -1;
	free(paths);
	return rc;
}

int cmd_create_region(const struct params *params, const char *arg)
{
	char name[NAME_LEN];
	struct machine machine;
	int rc;

	(void)arg;
	rc = scan_machine(&machine);
	if (!rc)
		rc = create_region(params, &machine, name);
	free_machine(&machine);
	note("created %d region%s", !rc, rc ? "s" : "");
	return rc ? 1 : show_region(params, name);
}
