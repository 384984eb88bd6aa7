// SPDX-License-Identifier: GPL-2.0-only
/* What there is, as JSON objects; sizes are in bytes */
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

static void json_partition(struct json *json, const struct partition *part)
{
	json_open(json, NULL, '{');
	json_text(json, "partition", part->name);
	json_size(json, "size", part->size);
	json_size(json, "block_size", part->block_size);
	if (part->qos_class != UNKNOWN)
		json_number(json, "qos_class", part->qos_class);
	json_bool(json, "sharable", part->sharable);
	json_bool(json, "read_only", part->read_only);
	json_close(json, '}');
}

void json_memdev(struct json *json, const struct memdev *memdev)
{
	unsigned int i;

	json_open(json, NULL, '{');
	json_text(json, "memdev", memdev->name);
	json_address(json, "serial", memdev->serial);
	json_text(json, "host", memdev->host);
	json_open(json, "partitions", '[');
	for (i = 0; i < memdev->nr_parts; i++)
		json_partition(json, &memdev->part[i]);
	json_close(json, ']');
	json_close(json, '}');
}

static void json_extent(struct json *json, const struct extent *extent)
{
	json_open(json, NULL, '{');
	json_text(json, "extent", extent->name);
	json_address(json, "offset", extent->offset);
	json_size(json, "length", extent->length);
	if (extent->uuid[0])
		json_text(json, "uuid", extent->uuid);
	json_text(json, "state", extent->state);
	json_close(json, '}');
}

static void json_allocation(struct json *json, const struct allocation *alloc)
{
	const struct region *region = alloc->region;
	size_t i;

	json_open(json, NULL, '{');
	if (alloc->first->uuid[0])
		json_text(json, "uuid", alloc->first->uuid);
	json_size(json, "size", alloc->size);
	json_text(json, "state", alloc->first->state);
	if (alloc->dev)
		json_text(json, "chardev", alloc->dev->name);
	json_open(json, "extents", '[');
	for (i = 0; i < region->nr_extents; i++)
		if (has_extent(alloc, &region->extents[i]))
			json_text(json, NULL, region->extents[i].name);
	json_close(json, ']');
	json_close(json, '}');
}

/* As daxctl(1) has it */
static void json_mode(struct json *json, const struct dax_device *dev)
{
	bool ram = !strcmp(dev->driver, "kmem");

	if (!dev->driver[0]) {
		json_text(json, "state", "disabled");
	} else if (!ram) {
		json_text(json, "mode", !strcmp(dev->driver, "device_dax") ?
			  "devdax" : dev->driver);
	} else {
		json_text(json, "mode", "system-ram");
		json_text(json, "memory", dev->state);
		json_bool(json, "movable", !strcmp(dev->state, "online_movable"));
	}
}

void json_dax(struct json *json, const struct dax_device *dev)
{
	json_open(json, NULL, '{');
	json_text(json, "chardev", dev->name);
	json_size(json, "size", dev->size);
	if (dev->target_node != UNKNOWN)
		json_number(json, "target_node", dev->target_node);
	json_size(json, "align", dev->align);
	json_mode(json, dev);
	if (dev->uuid[0])
		json_text(json, "uuid", dev->uuid);
	if (dev->extent[0])
		json_text(json, "extent", dev->extent);
	json_close(json, '}');
}

void json_region(struct json *json, const struct region *region)
{
	struct allocation *allocs;
	int nr = find_allocations(region, &allocs), k;
	size_t i;

	json_open(json, NULL, '{');
	json_text(json, "region", region->name);
	json_address(json, "resource", region->resource);
	json_size(json, "size", region->size);
	json_text(json, "mode", region->mode);
	if (region->memdev[0])
		json_text(json, "memdev", region->memdev);
	if (region->decoder[0])
		json_text(json, "decoder", region->decoder);
	if (!region->bound)
		json_text(json, "state", "disabled");
	json_size(json, "available_size", region->available);
	json_open(json, "extents", '[');
	for (i = 0; i < region->nr_extents; i++)
		json_extent(json, &region->extents[i]);
	json_close(json, ']');
	json_open(json, "allocations", '[');
	for (k = 0; k < nr; k++)
		json_allocation(json, &allocs[k]);
	json_close(json, ']');
	json_open(json, "devices", '[');
	for (i = 0; i < region->nr_devs; i++)
		json_dax(json, &region->devs[i]);
	json_close(json, ']');
	json_close(json, '}');
	free(allocs);
}
