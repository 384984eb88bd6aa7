// SPDX-License-Identifier: GPL-2.0-only
/* dcd destroy-region */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

/* A half that is destroyed is of no use: what would fail is looked for first */
static int check_order(const struct region *region)
{
	char decoder[NAME_LEN], behind[NAME_LEN];
	int rc;

	if (!region->decoder[0])
		return 0;
	rc = decoder_behind(region->decoder, decoder);
	if (rc < 0)
		return error("%s: %s", region->decoder, strerror(-rc));
	if (!rc)
		return 0;
	if (sysfs_read(behind, sizeof(behind), "%s/%s/region", CXL_DEVICES,
		       decoder) || !is_name(behind, "region", 1)) {
		error("%s has capacity behind %s on %s, and no region", decoder,
		      region->name, region->memdev);
		return advise("it must go first: 'echo 0 > %s/%s/dpa_size'",
			      CXL_DEVICES, decoder);
	}
	error("%s lies behind %s on %s", behind, region->name, region->memdev);
	return advise("the last one must go first: 'dcd destroy-region %s'",
		      behind);
}

static int check_claims(const struct region *region)
{
	size_t i;

	for (i = 0; i < region->nr_devs; i++) {
		const struct dax_device *dev = &region->devs[i];

		if (dev->size)
			return error("%s has memory of %s: 'dcd %s %s' first, or use --force",
				     dev->name, region->name,
				     strcmp(dev->driver, "kmem") ? "free" :
				     "offline", dev->name);
	}
	return 0;
}

/* With --force: system RAM must go, or it would stay behind */
static int end_uses(const struct region *region)
{
	size_t i;

	for (i = 0; i < region->nr_devs; i++) {
		const struct dax_device *dev = &region->devs[i];

		if ((!strcmp(dev->driver, "kmem") && unplug(dev)) ||
		    unbind_dax(dev))
			return -1;
	}
	return 0;
}

static int step_failed(const struct region *region, const char *step, int rc)
{
	return error("%s: %s: %s; 'dcd list' shows what is left, the kernel log why",
		     region->name, step, strerror(-rc));
}

/* What is held in it goes back to the device when its driver is unbound */
static int take_down(const struct region *region)
{
	char path[PATH_LEN], *root;
	int rc = 0;

	if (region->bound)
		rc = sysfs_write(region->name, "%s/cxl_region/unbind",
				 CXL_DRIVERS);
	if (rc && rc != -ENODEV)
		return step_failed(region, "unbind", rc);
	rc = sysfs_write("0", "%s/%s/commit", CXL_DEVICES, region->name);
	if (rc)
		return step_failed(region, "commit", rc);
	if (region->decoder[0]) {
		rc = sysfs_write("\n", "%s/%s/target0", CXL_DEVICES,
				 region->name);
		if (!rc)
			rc = sysfs_write("0", "%s/%s/dpa_size", CXL_DEVICES,
					 region->decoder);
	}
	if (rc)
		return step_failed(region, region->decoder, rc);
	/* .../root0/decoder0.0/region0 */
	rc = sysfs_path(path, sizeof(path), "%s/%s", CXL_DEVICES, region->name);
	if (rc)
		return step_failed(region, "path", rc);
	root = strrchr(path, '/');
	*root = 0;
	rc = sysfs_write(region->name, "%s/delete_region", path);
	return rc ? step_failed(region, "delete_region", rc) : 0;
}

static int destroy(const struct params *params, const struct region *region)
{
	if (check_order(region) ||
	    (params->force ? end_uses(region) : check_claims(region)))
		return -1;
	return take_down(region);
}

/* The last on its memory device first */
static int by_decoder(const void *a, const void *b)
{
	const struct region *x = a, *y = b;
	int last = strverscmp(y->decoder, x->decoder);

	return last ? last : strverscmp(y->name, x->name);
}

static int destroy_all(const struct params *params, struct machine *machine)
{
	int nr = 0;
	size_t i;

	if (!machine->nr_regions)
		return 0;
	qsort(machine->regions, machine->nr_regions, sizeof(struct region),
	      by_decoder);
	for (i = 0; i < machine->nr_regions; i++) {
		if (params->memdev &&
		    strcmp(params->memdev, machine->regions[i].memdev))
			continue;
		if (destroy(params, &machine->regions[i]))
			return -1 - nr;
		nr++;
	}
	return nr;
}

int cmd_destroy_region(const struct params *params, const char *arg)
{
	const struct region *region;
	struct machine machine;
	int nr = -1;

	if (!scan_machine(&machine) &&
	    (!params->memdev || find_memdev(&machine, params->memdev))) {
		if (!strcmp(arg, "all")) {
			nr = destroy_all(params, &machine);
		} else {
			region = find_region(&machine, arg);
			if (region && !destroy(params, region))
				nr = 1;
		}
	}
	free_machine(&machine);
	note("destroyed %d region%s", nr < 0 ? -1 - nr : nr,
	     nr == 1 || nr == -2 ? "" : "s");
	return nr < 0;
}
