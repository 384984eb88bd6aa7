// SPDX-License-Identifier: GPL-2.0-only
/* Find what a name means in what scan_machine() has read */
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

const struct memdev *find_memdev(const struct machine *machine,
				 const char *name)
{
	size_t i;

	for (i = 0; i < machine->nr_memdevs; i++)
		if (!strcmp(machine->memdevs[i].name, name))
			return &machine->memdevs[i];
	error("%s is no Dynamic Capacity Device: see 'dcd list'", name);
	return NULL;
}

const struct region *find_region(const struct machine *machine,
				 const char *name)
{
	size_t i;

	for (i = 0; i < machine->nr_regions; i++)
		if (!strcmp(machine->regions[i].name, name))
			return &machine->regions[i];
	error("%s is no region of Dynamic Capacity: see 'dcd list'", name);
	return NULL;
}

static bool is_at(const char *name, const char *place, const char *wanted)
{
	if (!wanted || !strcmp(place, wanted))
		return true;
	error("%s is on %s, not on %s", name, place, wanted);
	return false;
}

/* A DAX device by its name; it must be where @params say, if they do */
const struct dax_device *find_dax(const struct params *params,
				  const struct machine *machine,
				  const char *name,
				  const struct region **region)
{
	size_t i, j;

	for (i = 0; i < machine->nr_regions; i++) {
		*region = &machine->regions[i];
		for (j = 0; j < (*region)->nr_devs; j++)
			if (!strcmp((*region)->devs[j].name, name))
				return is_at(name, (*region)->name, params->region) &&
				       is_at(name, (*region)->memdev, params->memdev) ?
				       &(*region)->devs[j] : NULL;
	}
	error("%s is no DAX device of Dynamic Capacity: see 'dcd list'", name);
	return NULL;
}

/*
 * Do something to a DAX device that is known by name, and say to how many it was done.
 * Returns an exit status.
 */
int for_dax(const struct params *params, const char *name, dax_action *action,
	    const char *done)
{
	const struct dax_device *dev;
	const struct region *region;
	struct machine machine;
	int rc;

	rc = scan_machine(&machine);
	dev = rc ? NULL : find_dax(params, &machine, name, &region);
	rc = dev ? action(params, region, dev) : -1;
	free_machine(&machine);
	note("%s %d device%s", done, !rc, rc ? "s" : "");
	return !!rc;
}

/* Whether a region has all or some of a partition */
bool is_over(const struct region *region, const struct memdev *memdev,
	     const struct partition *part)
{
	return !strcmp(region->memdev, memdev->name) &&
	       !strcmp(region->mode, part->name);
}

/* Whether an extent belongs to an allocation of the same region */
bool has_extent(const struct allocation *alloc, const struct extent *extent)
{
	if (alloc->first->uuid[0])
		return !strcasecmp(alloc->first->uuid, extent->uuid);
	return alloc->first == extent;
}

static const struct dax_device *claimer(const struct region *region,
					const struct extent *extent)
{
	size_t i;

	for (i = 0; i < region->nr_devs; i++) {
		const struct dax_device *dev = &region->devs[i];

		if (extent->uuid[0] ? !strcasecmp(dev->uuid, extent->uuid) :
				      !strcmp(dev->extent, extent->name))
			return dev;
	}
	return NULL;
}

/*
 * The allocations of a region, in order of their first extents. Returns how many;
 * the caller frees @found.
 */
int find_allocations(const struct region *region, struct allocation **found)
{
	size_t i;
	int nr = 0, k;

	*found = NULL;
	for (i = 0; i < region->nr_extents; i++) {
		const struct extent *extent = &region->extents[i];

		/* the latest first: an offer brings a tag in one go */
		for (k = nr - 1; k >= 0 && !has_extent(&(*found)[k], extent);)
			k--;
		if (k < 0) {
			*found = grow(*found, nr, sizeof(**found));
			k = nr++;
			(*found)[k].region = region;
			(*found)[k].first = extent;
			(*found)[k].dev = claimer(region, extent);
		}
		(*found)[k].size += extent->length;
		(*found)[k].nr_extents++;
	}
	return nr;
}

/* What 'dcd claim' takes: a tag, or the name of an extent that has none */
const char *allocation_name(const struct allocation *alloc)
{
	return alloc->first->uuid[0] ? alloc->first->uuid : alloc->first->name;
}
