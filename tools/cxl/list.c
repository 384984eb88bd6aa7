// SPDX-License-Identifier: GPL-2.0-only
/* dcd list */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

static bool wanted(const char *filter, const char *name)
{
	return !filter || !strcmp(filter, name);
}

static bool wants_memdev(const struct params *params,
			 const struct memdev *memdev)
{
	return !params->region && !params->dev &&
	       wanted(params->memdev, memdev->name);
}

static bool wants_dax(const struct params *params,
		      const struct dax_device *dev)
{
	return wanted(params->dev, dev->name);
}

static bool wants_region(const struct params *params,
			 const struct region *region)
{
	return !params->dev && wanted(params->memdev, region->memdev) &&
	       wanted(params->region, region->name);
}

static const char *properties(const struct partition *part)
{
	if (part->sharable)
		return part->read_only ? "sharable, read-only" : "sharable";
	return part->read_only ? "read-only" : "";
}

/* The regions over a partition, with commas between them */
static char *region_names(const struct machine *machine,
			  const struct memdev *memdev,
			  const struct partition *part)
{
	char *names = NULL;
	size_t size, i;
	FILE *out = open_memstream(&names, &size);

	for (i = 0; out && i < machine->nr_regions; i++)
		if (is_over(&machine->regions[i], memdev, part))
			fprintf(out, "%s%s", ftell(out) ? "," : "",
				machine->regions[i].name);
	if (!out || fclose(out)) {
		error("out of memory");
		exit(1);
	}
	return names;
}

static void show_partitions(const struct params *params,
			    const struct machine *machine)
{
	struct table table = { .columns = 6 };
	char size[SIZE_TEXT_LEN], block[SIZE_TEXT_LEN];
	unsigned int k;
	size_t i;

	table_row(&table, "MEMDEV", "PARTITION", "SIZE", "BLOCK", "REGION",
		  "PROPERTIES");
	for (i = 0; i < machine->nr_memdevs; i++) {
		const struct memdev *memdev = &machine->memdevs[i];

		if (!wants_memdev(params, memdev))
			continue;
		for (k = 0; k < memdev->nr_parts; k++) {
			const struct partition *part = &memdev->part[k];
			char *names = region_names(machine, memdev, part);

			table_row(&table, memdev->name, part->name,
				  size_text(size, part->size),
				  size_text(block, part->block_size),
				  names, properties(part));
			free(names);
		}
	}
	table_print(&table);
}

static __u64 held(const struct region *region)
{
	__u64 size = 0;
	size_t i;

	for (i = 0; i < region->nr_extents; i++)
		size += region->extents[i].length;
	return size;
}

static void show_regions(const struct params *params,
			 const struct machine *machine)
{
	struct table table = { .columns = 6 };
	char size[3][SIZE_TEXT_LEN];
	size_t i;

	table_row(&table, "REGION", "MEMDEV", "MODE", "SIZE", "HELD",
		  "AVAILABLE");
	for (i = 0; i < machine->nr_regions; i++) {
		const struct region *region = &machine->regions[i];

		if (wants_region(params, region))
			table_row(&table, region->name, region->memdev,
				  region->mode, size_text(size[0], region->size),
				  size_text(size[1], held(region)),
				  size_text(size[2], region->available));
	}
	table_print(&table);
}

static void add_extents(struct table *table, const struct allocation *alloc)
{
	const struct region *region = alloc->region;
	char size[2][SIZE_TEXT_LEN];
	size_t i;

	for (i = 0; i < region->nr_extents; i++) {
		const struct extent *extent = &region->extents[i];

		if (has_extent(alloc, extent))
			table_row(table, region->name, extent->name,
				  size_text(size[0], extent->offset),
				  size_text(size[1], extent->length),
				  extent->state,
				  alloc->dev ? alloc->dev->name : "",
				  extent->uuid);
	}
}

/* Extents that belong together stand together */
static void show_extents(const struct params *params,
			 const struct machine *machine)
{
	struct table table = { .columns = 7 };
	struct allocation *allocs;
	size_t i;
	int nr, k;

	table_row(&table, "REGION", "EXTENT", "OFFSET", "LENGTH", "STATE",
		  "CLAIMED BY", "UUID");
	for (i = 0; i < machine->nr_regions; i++) {
		if (!wants_region(params, &machine->regions[i]))
			continue;
		nr = find_allocations(&machine->regions[i], &allocs);
		for (k = 0; k < nr; k++)
			add_extents(&table, &allocs[k]);
		free(allocs);
	}
	table_print(&table);
}

static const char *mode_of(const struct dax_device *dev)
{
	if (!strcmp(dev->driver, "device_dax"))
		return "devdax";
	return strcmp(dev->driver, "kmem") ? dev->driver : "system-ram";
}

static const char *use_of(const struct dax_device *dev)
{
	if (dev->state[0])
		return dev->state;
	return dev->size ? "claimed" : "free";
}

static void show_devs(const struct params *params,
		      const struct machine *machine)
{
	struct table table = { .columns = 6 };
	char size[SIZE_TEXT_LEN];
	size_t i, k;

	table_row(&table, "DEVICE", "REGION", "SIZE", "MODE", "STATE",
		  "ALLOCATION");
	for (i = 0; i < machine->nr_regions; i++) {
		const struct region *region = &machine->regions[i];

		for (k = 0; k < region->nr_devs; k++) {
			const struct dax_device *dev = &region->devs[k];

			if (!wants_dax(params, dev) ||
			    (!params->dev && !wants_region(params, region)))
				continue;
			table_row(&table, dev->name, region->name,
				  size_text(size, dev->size), mode_of(dev),
				  use_of(dev),
				  dev->uuid[0] ? dev->uuid : dev->extent);
		}
	}
	table_print(&table);
}

/* A device with its regions in it, or what the filters name */
static void show_json(const struct params *params,
		      const struct machine *machine)
{
	struct json json = { .human = params->human };
	const struct region *region;
	size_t i;

	json_open(&json, NULL, '{');
	if (params->dev) {
		json_open(&json, "devices", '[');
		json_dax(&json, find_dax(params, machine, params->dev, &region));
		json_close(&json, ']');
		json_close(&json, '}');
		return;
	}
	json_open(&json, "memdevs", '[');
	for (i = 0; i < machine->nr_memdevs; i++)
		if (wants_memdev(params, &machine->memdevs[i]))
			json_memdev(&json, &machine->memdevs[i]);
	json_close(&json, ']');
	json_open(&json, "regions", '[');
	for (i = 0; i < machine->nr_regions; i++)
		if (wants_region(params, &machine->regions[i]))
			json_region(&json, &machine->regions[i]);
	json_close(&json, ']');
	json_close(&json, '}');
}

static bool filters_fit(const struct params *params,
			const struct machine *machine)
{
	const struct region *region;

	return (!params->memdev || find_memdev(machine, params->memdev)) &&
	       (!params->region || find_region(machine, params->region)) &&
	       (!params->dev ||
		find_dax(params, machine, params->dev, &region));
}

int cmd_list(const struct params *params, const char *arg)
{
	struct machine machine;
	int status = 1;

	(void)arg;
	if (!scan_machine(&machine) && filters_fit(params, &machine)) {
		if (!machine.nr_memdevs)
			note("no Dynamic Capacity Device; the kernel log may say why");
		if (params->json) {
			show_json(params, &machine);
		} else {
			show_partitions(params, &machine);
			show_regions(params, &machine);
			show_extents(params, &machine);
			show_devs(params, &machine);
		}
		status = 0;
	}
	free_machine(&machine);
	return status;
}
