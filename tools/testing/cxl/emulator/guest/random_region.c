// SPDX-License-Identifier: GPL-2.0-only
/*
 * random: regions and their drivers
 *
 * Regions are made and destroyed by the writes of `cxl create-region` and `cxl
 * destroy-region`, in ascending order of device addresses, and in descending order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "random.h"

#define REGION_DRIVER	"/sys/bus/cxl/drivers/cxl_region"
#define MAX_NAMES	512
#define PATIENCE	20	/* seconds */

/* The last write of an attribute that was refused */
static char refusal[256];

static bool exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static void find_endpoint(struct device *dev)
{
	struct name found[MAX_NAMES];
	char path[128], link[256];
	int nr = names(CXL, "endpoint", found, MAX_NAMES);

	for (int i = 0; i < nr; i++) {
		ssize_t len;

		snprintf(path, sizeof(path), CXL "/%.31s/uport",
			 found[i].text);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = 0;
		if (!strcmp(strrchr(link, '/') + 1, dev->memdev.text)) {
			dev->endpoint = found[i];
			return;
		}
	}
	fail("%s has no endpoint", dev->memdev.text);
}

static void find_partitions(struct device *dev)
{
	char path[128], text[1024], *line, *rest = NULL;

	mock_path(dev, "partition", path, sizeof(path));
	if (read_file(path, text, sizeof(text)) < 0)
		fail("cannot read %s", path);
	for (line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct partition *part = &dev->part[dev->nr_parts++];
		unsigned int flags;

		if (dev->nr_parts > MAX_PARTITIONS ||
		    sscanf(line, "%*u %lli %lli %lli %*i %i",
			   (long long *)&part->base, (long long *)&part->len,
			   (long long *)&part->block, (int *)&flags) != 4)
			fail("%s: cannot read '%s'", path, line);
		part->sharable = flags & (1 << 3);
	}
}

void find_device(struct device *dev, const char *name)
{
	char path[128], text[64];

	dev->name = name;
	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s", name);
	if (names(path, "mem", &dev->memdev, 1) != 1)
		fail("%s is not bound", name);
	find_endpoint(dev);
	find_partitions(dev);

	/* no region has it yet: it begins with nothing held */
	mock_path(dev, "account", path, sizeof(path));
	for (int i = 0; i < dev->nr_parts; i++) {
		snprintf(text, sizeof(text), "-%#llx:%#llx", dev->part[i].base,
			 dev->part[i].len);
		must_write(path, text);
	}
}

void add_region(struct device *dev, int partition)
{
	struct region *region = &dev->region[dev->nr_regions++];

	if (dev->nr_regions > MAX_REGIONS || partition < 1 ||
	    partition > dev->nr_parts)
		fail("%s: cannot make a region over partition %d", dev->name,
		     partition);
	region->dev = dev;
	region->part = &dev->part[partition - 1];
	region->start = region->part->base;
	region->len = REGION_SIZE;
	for (int i = 0; i < MAX_DAX; i++)
		region->dax[i].id = -1;
}

static int mode_number(const struct region *region)
{
	return region->part - region->dev->part + 1;
}

static void attribute(char *path, size_t size, const char *object,
		      const char *name)
{
	snprintf(path, size, CXL "/%.40s/%.40s", object, name);
}

static int set(const char *object, const char *name, const char *value)
{
	char path[128];
	int rc;

	attribute(path, sizeof(path), object, name);
	rc = write_file(path, value);
	if (rc)
		snprintf(refusal, sizeof(refusal), "%s to %s: %s", value, path,
			 strerror(-rc));
	return rc;
}

static int set_number(const char *object, const char *name, __u64 value)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", value);
	return set(object, name, text);
}

static int second_number(const char *decoder)
{
	return atoi(strchr(decoder, '.') + 1);
}

/* The first endpoint decoder that has no capacity yet */
static void find_decoder(struct region *region)
{
	struct name found[MAX_NAMES];
	char path[128];
	int nr, best = -1;

	snprintf(path, sizeof(path), CXL "/%s", region->dev->endpoint.text);
	nr = names(path, "decoder", found, MAX_NAMES);
	for (int i = 0; i < nr; i++) {
		attribute(path, sizeof(path), found[i].text, "dpa_size");
		if (!read_number(path) &&
		    (best < 0 || second_number(found[i].text) <
				 second_number(found[best].text)))
			best = i;
	}
	if (best < 0)
		fail("%s has no free decoder", region->dev->endpoint.text);
	region->decoder = found[best];
}

/* Undo as much as was done of try_create(); a region that was @whole comes down */
static void take_down(struct region *region, const char *root, bool whole)
{
	bool refused = false;

	refused |= !!set(region->name, "commit", "0");
	refused |= !!set(region->name, "target0", "\n");
	refused |= !!set(region->decoder.text, "dpa_size", "0");
	if (set(root, "delete_region", region->name) || (whole && refused))
		fail("%s can't be taken down: %s", region->name, refusal);
}

static bool try_create(struct region *region, const char *root)
{
	char path[128], file[64], mode[32], ways[32], why[sizeof(refusal)];

	snprintf(mode, sizeof(mode), "dynamic_ram_%d", mode_number(region));
	snprintf(file, sizeof(file), "create_%s_region", mode);
	attribute(path, sizeof(path), root, file);
	if (read_file(path, region->name, sizeof(region->name)) <= 0)
		return false;
	attribute(path, sizeof(path), root, "interleave_granularity");
	snprintf(ways, sizeof(ways), "%llu", read_number(path));
	find_decoder(region);
	if (set(root, file, region->name))
		return false;
	if (set(region->name, "interleave_granularity", ways) ||
	    set(region->name, "interleave_ways", "1") ||
	    set_number(region->name, "size", region->len) ||
	    set(region->decoder.text, "mode", mode) ||
	    set_number(region->decoder.text, "dpa_size", region->len) ||
	    set(region->name, "target0", region->decoder.text) ||
	    set(region->name, "commit", "1")) {
		memcpy(why, refusal, sizeof(why));
		take_down(region, root, false);
		memcpy(refusal, why, sizeof(why));
		return false;
	}
	return true;
}

static void wait_for(const struct region *region)
{
	time_t end = time(NULL) + PATIENCE;
	char path[64];

	snprintf(path, sizeof(path), DAX "/dax%d.0/size", region->id);
	while (!exists(path)) {
		if (time(NULL) > end)
			fail("%s does not appear", path);
		usleep(2000);
	}
}

void bind_region(struct region *region)
{
	must_write(REGION_DRIVER "/bind", region->name);
	if (world.dax_bound)
		wait_for(region);
}

void unbind_region(struct region *region)
{
	must_write(REGION_DRIVER "/unbind", region->name);
}

static bool create_below_any(struct region *region)
{
	struct device *dev = region->dev;
	struct name found[MAX_NAMES];
	int nr;

	if (*dev->root.text)
		return try_create(region, dev->root.text);
	nr = names(CXL, "decoder", found, MAX_NAMES);
	for (int i = 0; i < nr; i++)
		if (try_create(region, found[i].text)) {
			dev->root = found[i];
			return true;
		}
	return false;
}

static void create_region(struct region *region)
{
	char path[128];

	if (!create_below_any(region))
		fail("no region can be made over partition %d of %s: %s",
		     mode_number(region), region->dev->name, refusal);
	region->id = atoi(region->name + strlen("region"));
	attribute(path, sizeof(path), region->decoder.text, "dpa_resource");
	if (read_number(path) != region->start)
		fail("%s is not at %#llx", region->decoder.text, region->start);
	attribute(path, sizeof(path), region->name, "resource");
	region->hpa = read_number(path);
	bind_region(region);
}

void create_regions(struct device *dev)
{
	for (int i = 0; i < dev->nr_regions; i++)
		create_region(&dev->region[i]);
}

void destroy_regions(struct device *dev)
{
	for (int i = dev->nr_regions - 1; i >= 0; i--) {
		if (dev->region[i].present)
			unbind_region(&dev->region[i]);
		take_down(&dev->region[i], dev->root.text, true);
	}
}

static void run(const char *command)
{
	int status = system(command);

	if (status)
		fail("`%s` ended with %d", command, WEXITSTATUS(status));
}

void unload_dax(void)
{
	run("rmmod dax_cxl");
}

void load_dax(void)
{
	run("modprobe dax_cxl");
	for (int i = 0; i < world.nr_devices; i++)
		for (int j = 0; j < world.device[i].nr_regions; j++)
			if (world.device[i].region[j].present)
				wait_for(&world.device[i].region[j]);
}
