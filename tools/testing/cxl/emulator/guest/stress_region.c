// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: regions are made and destroyed
 *
 * By the writes of `cxl create-region` and `cxl destroy-region`, in ascending order
 * of device addresses, and in descending order. One worker does so for a device.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stress.h"

#define REGION_DRIVER	"/sys/bus/cxl/drivers/cxl_region"
#define MAX_NAMES	512

/* The endpoint of a device has another name each time it comes */
bool find_endpoint(struct unit *unit)
{
	struct name found[MAX_NAMES];
	char path[128], link[256];
	int nr = names(CXL, "endpoint", found, MAX_NAMES);

	for (int i = 0; i < nr; i++) {
		ssize_t len;

		snprintf(path, sizeof(path), CXL "/%.31s/uport", found[i].text);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = 0;
		snprintf(path, sizeof(path), CXL "/%.31s/driver", found[i].text);
		if (!strcmp(strrchr(link, '/') + 1, unit->memdev.text) && exists(path)) {
			unit->endpoint = found[i];
			return true;
		}
	}
	return false;
}

static int set(const char *object, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), CXL "/%.40s/%.40s", object, name);
	return write_file(path, value);
}

static int set_number(const char *object, const char *name, __u64 value)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", value);
	return set(object, name, text);
}

static int second_number(const struct name *decoder)
{
	return atoi(strchr(decoder->text, '.') + 1);
}

/* The first endpoint decoder that has no capacity yet */
static void find_decoder(struct slot *slot)
{
	struct name found[MAX_NAMES];
	char path[128];
	int nr, best = -1;

	snprintf(path, sizeof(path), CXL "/%s", slot->unit->endpoint.text);
	nr = names(path, "decoder", found, MAX_NAMES);
	for (int i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), CXL "/%.31s/dpa_size", found[i].text);
		if (!read_number(path) &&
		    (best < 0 || second_number(&found[i]) < second_number(&found[best])))
			best = i;
	}
	if (best < 0)
		fail("%s has no free decoder", slot->unit->endpoint.text);
	slot->decoder = found[best];
}

/* The part of destroy_region() that may be due after half a create_region() */
static int take_down(struct slot *slot, const char *root)
{
	set(slot->region, "commit", "0");
	set(slot->region, "target0", "\n");
	set(slot->decoder.text, "dpa_size", "0");
	return set(root, "delete_region", slot->region);
}

static int make_below(struct slot *slot, const char *root)
{
	char path[128], file[64], mode[32], ways[32];
	int rc;

	snprintf(mode, sizeof(mode), "dynamic_ram_%d", slot->mode);
	snprintf(file, sizeof(file), "create_%s_region", mode);
	snprintf(path, sizeof(path), CXL "/%.31s/%s", root, file);
	if (read_file(path, slot->region, sizeof(slot->region)) <= 0)
		return -1;
	snprintf(path, sizeof(path), CXL "/%.31s/interleave_granularity", root);
	snprintf(ways, sizeof(ways), "%llu", read_number(path));
	find_decoder(slot);
	rc = set(root, file, slot->region);
	if (rc)
		return rc;
	rc = set(slot->region, "interleave_granularity", ways) ?:
	     set(slot->region, "interleave_ways", "1") ?:
	     set_number(slot->region, "size", slot->len) ?:
	     set(slot->decoder.text, "mode", mode) ?:
	     set_number(slot->decoder.text, "dpa_size", slot->len) ?:
	     set(slot->region, "target0", slot->decoder.text) ?:
	     set(slot->region, "commit", "1");
	if (rc)
		take_down(slot, root);
	return rc;
}

/* Try every root decoder once, then keep to the one that has worked */
static int make(struct slot *slot)
{
	struct unit *unit = slot->unit;
	struct name found[MAX_NAMES];
	int nr, rc = -1;

	if (*unit->root.text)
		return make_below(slot, unit->root.text);
	nr = names(CXL, "decoder", found, MAX_NAMES);
	for (int i = 0; i < nr && rc; i++) {
		rc = make_below(slot, found[i].text);
		if (!rc)
			unit->root = found[i];
	}
	return rc;
}

/* Return: 0 or a negative errno */
int create_region(struct slot *slot)
{
	char path[128];
	int rc = make(slot);

	if (count(REGION_CREATE, rc))
		return rc;
	slot->made = true;
	slot->id = atoi(slot->region + strlen("region"));
	snprintf(path, sizeof(path), CXL "/%s/dpa_resource", slot->decoder.text);
	slot->start = read_number(path);
	note("created %s over %#llx", slot->region, slot->start);
	return bind_region(slot);
}

/* No region is bound as long as the device's list can't be read */
int bind_region(struct slot *slot)
{
	int rc = act(REGION_BIND, slot->region, REGION_DRIVER "/bind");

	for (int i = 0; i < PATIENCE && rc && slot->unit->was_bad; i++) {
		doze(1000);
		rc = act(REGION_BIND, slot->region, REGION_DRIVER "/bind");
	}
	slot->present = !rc;
	return rc;
}

int unbind_region(struct slot *slot)
{
	slot->present = false;
	return act(REGION_UNBIND, slot->region, REGION_DRIVER "/unbind");
}

/* Whatever state it is in, it must come down */
void destroy_region(struct slot *slot)
{
	int rc;

	if (slot->present)
		unbind_region(slot);
	rc = take_down(slot, slot->unit->root.text);
	note("destroyed %s: %d", slot->region, rc);
	if (count(REGION_DESTROY, rc))
		fail("%s cannot be destroyed: %d", slot->region, rc);
	slot->made = false;
}

static void find_mock(struct unit *unit)
{
	char path[128], text[1024], flags[16];

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%.31s", unit->name);
	if (names(path, "mem", &unit->memdev, 1) != 1)
		fail("%s is not bound", unit->name);
	mock_path(unit, "partition", path, sizeof(path));
	if (read_file(path, text, sizeof(text)) <= 0 ||
	    sscanf(text, "%*u %*s %*s %*s %*s %15s", flags) != 1)
		fail("cannot read %s", path);
	unit->sharable = strtoul(flags, NULL, 0) & (1 << 3);
	/* it begins with nothing held */
	if (mock(unit, "account", "-0x80000000:0x40000000"))
		fail("the account of %s cannot be changed", unit->name);
}

/* Before the workers are there */
void find_unit(struct unit *unit)
{
	if (*unit->name)
		find_mock(unit);
	if (!find_endpoint(unit))
		fail("%s has no endpoint", unit->memdev.text);
	for (int i = 0; i < unit->nr_slots; i++)
		if (create_region(&unit->slot[i]))
			fail("no region over dynamic_ram_%d of %s",
			     unit->slot[i].mode, unit->memdev.text);
}
