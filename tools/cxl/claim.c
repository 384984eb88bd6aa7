// SPDX-License-Identifier: GPL-2.0-only
/* dcd claim, dcd free */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

/* What is to be claimed, as the attribute takes it */
struct claim {
	const char *attribute;	/* "uuid" or "extent" */
	const char *value;
	char region[NAME_LEN];
	char dev[NAME_LEN];	/* that has it then */
	bool created;		/* that device */
};

static bool matches(const struct claim *claim, const struct allocation *alloc)
{
	const struct region *region = alloc->region;
	size_t i;

	if (!strcmp(claim->attribute, "uuid")) {
		if (!strcmp(claim->value, "0"))
			return !alloc->first->uuid[0] &&
			       !strcmp(alloc->first->state, "available");
		return !strcasecmp(claim->value, alloc->first->uuid);
	}
	for (i = 0; i < region->nr_extents; i++)
		if (has_extent(alloc, &region->extents[i]) &&
		    !strcmp(claim->value, region->extents[i].name))
			return true;
	return false;
}

static int check_state(const struct allocation *alloc)
{
	const char *name = allocation_name(alloc);

	if (!strcmp(alloc->first->state, "available"))
		return 0;
	if (alloc->dev)
		return error("%s is claimed already, by %s: 'dcd free %s' first",
			     name, alloc->dev->name, alloc->dev->name);
	return error("%s is %s: it goes back to the device", name,
		     alloc->first->state);
}

/* Whether there is something that matches in a region; -1 if it can't be claimed */
static int look_in(const struct claim *claim, const struct region *region)
{
	struct allocation *allocs;
	int nr = find_allocations(region, &allocs), found = 0, i;

	for (i = 0; i < nr && !found; i++)
		if (matches(claim, &allocs[i]))
			found = check_state(&allocs[i]) ? -1 : 1;
	free(allocs);
	if (found <= 0 || region->available != UNKNOWN)
		return found;
	return error("%s has no DAX driver: 'modprobe dax_cxl'", region->name);
}

static int find_region_for(struct claim *claim, const struct machine *machine,
			   const char *region)
{
	size_t i;

	for (i = 0; i < machine->nr_regions; i++) {
		int found;

		if (region && strcmp(region, machine->regions[i].name))
			continue;
		found = look_in(claim, &machine->regions[i]);
		if (found < 0)
			return -1;
		if (found && claim->region[0])
			return error("%s and %s have such memory: name one with --region",
				     claim->region, machine->regions[i].name);
		if (found)
			copy_name(claim->region, machine->regions[i].name);
	}
	if (claim->region[0])
		return 0;
	if (!strcmp(claim->value, "0"))
		error("no untagged memory is available%s%s",
		      region ? " in " : "", region ? region : "");
	else
		error("no memory named %s is held%s%s", claim->value,
		      region ? " in " : "", region ? region : "");
	return advise("'dcd list' shows what is held, 'dcd watch' what arrives");
}

static int parse_claim(struct claim *claim, const char *what)
{
	claim->attribute = is_name(what, "extent", 2) ? "extent" : "uuid";
	claim->value = what;
	if (is_uuid(what) && is_null_uuid(what))
		claim->value = "0";
	if (is_uuid(what) || is_name(what, "extent", 2) || !strcmp(what, "0"))
		return 0;
	error("'%s' is no UUID", what);
	return advise("nor is it 0, for any untagged extent, or like extent0.0");
}

/* The first device of a region that has nothing */
static bool find_free(struct claim *claim, const char *dir)
{
	struct name *names;
	int nr = sysfs_names(&names, dir, "dax", 2), i;
	bool found = false;

	for (i = 0; i < nr && !found; i++) {
		struct dax_device dev = { };

		found = !scan_dax(&dev, names[i].text) && !dev.size &&
			!dev.driver[0];
		if (found)
			copy_name(claim->dev, names[i].text);
	}
	free(names);
	return found;
}

static int pick_device(struct claim *claim, const char *wanted)
{
	char dir[PATH_LEN];
	int rc;

	if (wanted) {
		copy_name(claim->dev, wanted);
		return 0;
	}
	snprintf(dir, sizeof(dir), "%s/dax_%s", CXL_DEVICES, claim->region);
	if (find_free(claim, dir))
		return 0;
	rc = sysfs_write("1", "%s/dax_region/create", dir);
	if (rc)
		return rc;
	claim->created = true;
	return find_free(claim, dir) ? 0 : -EBUSY;
}

static void delete_device(const char *region, const char *dev)
{
	/* the kernel keeps the first device of a region */
	if (last_number(dev))
		sysfs_write(dev, "%s/dax_%s/dax_region/delete", CXL_DEVICES,
			    region);
}

/*
 * Somebody else has just claimed by that device, or has deleted it when he gave up a
 * claim; nor can that be told from the memory being gone
 */
static bool try_another(int rc)
{
	return rc == -EBUSY || rc == -ENOENT || rc == -ENODEV;
}

static int do_claim(struct claim *claim, const char *wanted)
{
	int rc, tries = wanted ? 1 : 100;

	do {
		rc = pick_device(claim, wanted);
		if (!rc)
			rc = sysfs_write(claim->value, "%s/%s/%s", DAX_DEVICES,
					 claim->dev, claim->attribute);
	} while (try_another(rc) && --tries);
	if (!rc)
		return 0;
	if (claim->created)
		delete_device(claim->region, claim->dev);
	switch (rc) {
	case -EACCES:
	case -EPERM:
		return error("claiming memory needs root");
	case -EBUSY:
		error("%s has memory or a driver already", claim->dev);
		return advise("'dcd free %s' first, or leave out --dev",
			      claim->dev);
	case -ENOENT:
	case -ENODEV:
	case -ENOSPC:
		return error("%s is not available in %s any more: see 'dcd list'",
			     claim->value, claim->region);
	case -EINVAL:
		error("the ranges of %s do not fit the alignment of %s",
		      claim->value, claim->dev);
		return advise("write a smaller one to %s/%s/align",
			      DAX_DEVICES, claim->dev);
	}
	return error("%s can't claim %s: %s", claim->dev, claim->value,
		     strerror(-rc));
}

static int show_dax(const struct params *params, const char *name)
{
	struct json json = { .human = params->human };
	struct dax_device dev = { };
	char text[SIZE_TEXT_LEN];
	int rc = scan_dax(&dev, name);

	if (rc)
		return error("%s: %s", name, strerror(-rc));
	if (params->json)
		json_dax(&json, &dev);
	else
		printf("%s: %s of %s%s%s\n", name, size_text(text, dev.size),
		       dev.uuid[0] ? dev.uuid : dev.extent,
		       params->no_bind ? "" : ", /dev/",
		       params->no_bind ? "" : name);
	return 0;
}

static int bind_devdax(const char *dev)
{
	int rc = bind_dax(dev, "device_dax");

	if (!rc)
		return 0;
	if (has_driver(dev, "kmem")) {
		error("kmem was loaded meanwhile: %s is system RAM", dev);
		return advise("'dcd offline %s' makes it /dev/%s", dev, dev);
	}
	error("%s has its memory, but device_dax does not take it: %s", dev,
	      strerror(-rc));
	return advise("the kernel log says more; 'dcd free %s' undoes the claim",
		      dev);
}

int cmd_claim(const struct params *params, const char *arg)
{
	const struct region *region;
	struct machine machine;
	struct claim claim = { };
	int rc;

	if (parse_claim(&claim, arg))
		return 1;
	rc = scan_machine(&machine);
	if (!rc && params->region && !find_region(&machine, params->region))
		rc = -1;
	if (!rc && params->dev &&
	    !find_dax(params, &machine, params->dev, &region))
		rc = -1;
	if (!rc)
		rc = find_region_for(&claim, &machine, params->dev ?
				     region->name : params->region);
	free_machine(&machine);
	/* first: while a module is loaded, kmem would take what has no driver */
	if (!rc && !params->no_bind)
		rc = need_driver("device_dax");
	if (!rc)
		rc = do_claim(&claim, params->dev);
	note("claimed %d device%s", !rc, rc ? "s" : "");
	if (!rc && !params->no_bind)
		rc = bind_devdax(claim.dev);
	return rc || show_dax(params, claim.dev);
}

static int do_free(const struct params *params, const struct region *region,
		   const struct dax_device *dev)
{
	bool ram = !strcmp(dev->driver, "kmem");
	int rc;

	if (!dev->size && !dev->driver[0])
		return error("%s has no memory: see 'dcd list'", dev->name);
	if (ram && !params->force)
		return error("%s is system RAM: 'dcd offline %s' first, or use --force",
			     dev->name, dev->name);
	if (ram ? unplug(dev) : !params->force && check_unused(dev))
		return -1;
	if (unbind_dax(dev))
		return -1;
	rc = sysfs_write("0", "%s/%s/size", DAX_DEVICES, dev->name);
	if (rc == -EBUSY) {
		error("%s can't give up its memory: kmem has left it online",
		      dev->name);
		return advise("it stays so until the machine starts again");
	}
	if (rc)
		return error("%s can't give up its memory: %s", dev->name,
			     strerror(-rc));
	delete_device(region->name, dev->name);
	if (asked_for(region, dev))
		note("%s goes back to the device, which has asked for it",
		     dev->uuid[0] ? dev->uuid : dev->extent);
	return 0;
}

int cmd_free(const struct params *params, const char *arg)
{
	return for_dax(params, arg, do_free, "freed");
}
