// SPDX-License-Identifier: GPL-2.0-only
/*
 * random: operations
 *
 * Each does something to one device, or to the host's drivers, tells the model, and
 * checks the answer, if there is one. Return: does something go on by itself?
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "random.h"

/* What the fabric manager is told of one extent */
static int entry_text(char *text, size_t size, const struct extent *extent)
{
	return snprintf(text, size, "%#llx:%#llx:%s:%u", extent->start,
			extent->len, extent->tag == NO_TAG ? "0" :
			tag_text(extent->tag), extent->seq);
}

/* All records at once, then the driver is told */
static void send_chain(struct device *dev, const char *file,
		       const struct chain *chain, const char *sign)
{
	static char text[MAX_CHAIN * 128];
	char path[128];
	int len = 0;

	for (int i = 0; i < chain->nr; i++) {
		len += sprintf(text + len, "%s", sign);
		len += entry_text(text + len, sizeof(text) - len,
				  &chain->extent[i]);
		text[len++] = '\n';
	}
	text[len] = 0;
	mock_path(dev, file, path, sizeof(path));
	must_write(path, text);
}

/* The driver is told of each record alone */
static void inject(struct device *dev, const struct chain *chain)
{
	char path[128], text[128];

	for (int i = 0; i < chain->nr; i++) {
		const struct extent *extent = &chain->extent[i];

		snprintf(path, sizeof(path),
			 "/sys/bus/platform/devices/%s/dc_inject_%sextent",
			 dev->name, extent->seq ? "shared_" : "");
		snprintf(text, sizeof(text), "%#llx:%#llx:%s:%d:%u",
			 extent->start, extent->len, extent->tag == NO_TAG ? "" :
			 tag_text(extent->tag), i < chain->nr - 1, extent->seq);
		must_write(path, text);
	}
}

static bool offer(struct device *dev)
{
	struct chain chain;

	make_offer(dev, &chain);
	if (percent(20)) {
		say("inject");
		say_chain(&chain);
		inject(dev, &chain);
	} else {
		say("offer");
		say_chain(&chain);
		send_chain(dev, "chain", &chain, "");
	}
	model_offer(dev, &chain);
	return false;
}

/* The device has forgotten an extent, and offers it once more with others */
static bool offer_forgotten(struct device *dev)
{
	const struct extent *held = pick_held(dev);
	struct chain chain, first = { .nr = 1 };

	if (!held)
		return offer(dev);
	first.extent[0] = *held;
	make_offer(dev, &chain);
	for (int i = 0; i < chain.nr && first.nr < MAX_CHAIN; i++)
		if (!overlap(&chain.extent[i], &first.extent[0]))
			first.extent[first.nr++] = chain.extent[i];
	say("offer forgotten");
	say_chain(&first);
	chain = first;
	chain.nr = 1;
	send_chain(dev, "account", &chain, "-");
	send_chain(dev, "chain", &first, "");
	model_offer(dev, &first);
	return false;
}

static bool release(struct device *dev)
{
	char path[128], text[128];
	struct chain chain;

	make_request(dev, &chain);
	if (!chain.nr)
		return offer(dev);
	say("release");
	say_chain(&chain);
	if (chain.nr == 1 && percent(50)) {
		snprintf(path, sizeof(path),
			 "/sys/bus/platform/devices/%s/dc_del_extent", dev->name);
		snprintf(text, sizeof(text), "%#llx:%#llx:%s",
			 chain.extent[0].start, chain.extent[0].len,
			 tag_text(chain.extent[0].tag));
		must_write(path, text);
	} else {
		send_chain(dev, "release", &chain, "");
	}
	model_release(dev, &chain);
	return false;
}

/* A region that is served, or NULL */
static struct region *pick_served(struct device *dev)
{
	struct region *region = pick_region(dev);

	return world.dax_bound && region->present ? region : NULL;
}

static struct dax *pick_dax(struct region *region)
{
	struct dax *dax;

	do {
		dax = &region->dax[chance(MAX_DAX)];
	} while (dax->id < 0);
	return dax;
}

static void expect(int found, int expected)
{
	if (found != expected)
		fail("the answer is %d (%s), expected %d (%s)", found,
		     strerror(-found), expected, strerror(-expected));
}

static int write_dax(const struct region *region, const struct dax *dax,
		     const char *file, const char *text)
{
	char path[96];

	say("%s %s='%s'", region->name, file, text);
	snprintf(path, sizeof(path), DAX "/dax%d.%d/%s", region->id, dax->id,
		 file);
	return write_file(path, text);
}

static void model_claim(struct dax *dax, struct allocation *alloc)
{
	dax->claim = alloc;
	dax->mapped = false;
	alloc->claimed = true;
}

/* @alloc is meant, or nothing that is there */
static void expect_claim(struct dax *dax, struct allocation *alloc, int rc)
{
	if (dax->claim) {
		expect(rc, -EBUSY);
	} else if (!alloc || alloc->claimed) {
		expect(rc, -ENOENT);
	} else {
		expect(rc, 0);
		model_claim(dax, alloc);
	}
}

static bool claim_tag(struct region *region, struct dax *dax)
{
	struct allocation *alloc = pick_allocation(region);
	int tag = 1 + chance(NR_TAGS);

	for (int i = 0; i < 8 && alloc && percent(90); i++) {
		if (alloc->chain.extent[0].tag != NO_TAG && !alloc->claimed) {
			tag = alloc->chain.extent[0].tag;
			break;
		}
		alloc = pick_allocation(region);
	}
	expect_claim(dax, find_tag(region, tag),
		     write_dax(region, dax, "uuid", tag_text(tag)));
	return false;
}

/* Any untagged extent will do: the driver has the choice */
static bool claim_untagged(struct region *region, struct dax *dax)
{
	struct allocation *alloc;
	bool any = false;
	int rc;

	for (alloc = region->allocs; alloc; alloc = alloc->next)
		any |= alloc->chain.extent[0].tag == NO_TAG && !alloc->claimed;
	rc = write_dax(region, dax, "uuid", percent(50) ? "0\n" :
		       tag_text(NO_TAG));
	if (dax->claim || !any) {
		expect(rc, dax->claim ? -EBUSY : -ENOENT);
		return false;
	}
	expect(rc, 0);
	alloc = claimed_by(region, dax);
	if (!alloc)
		fail("what was claimed is not one untagged extent");
	model_claim(dax, alloc);
	return false;
}

static bool claim_extent(struct region *region, struct dax *dax)
{
	struct allocation *alloc = pick_allocation(region);
	const char *name = "extent0.9999";
	int rc;

	for (int i = 0; i < 4 && alloc && alloc->claimed; i++)
		alloc = pick_allocation(region);
	if (alloc)
		name = host_name(&alloc->chain.extent[chance(alloc->chain.nr)],
				 region);
	rc = write_dax(region, dax, "extent", name);
	expect_claim(dax, alloc, rc);
	return false;
}

static bool claim_nonsense(struct region *region, struct dax *dax)
{
	char text[64];

	switch (chance(4)) {
	case 0:
		expect(write_dax(region, dax, "uuid", "nonsense"), -EINVAL);
		break;
	case 1:
		snprintf(text, sizeof(text), "%s0", tag_text(1));
		expect(write_dax(region, dax, "uuid", text), -EINVAL);
		break;
	case 2:
		expect(write_dax(region, dax, "size", "0x200000"), -EOPNOTSUPP);
		break;
	case 3:
		expect_claim(dax, NULL,
			     write_dax(region, dax, "extent", "extent"));
		break;
	}
	return false;
}

static bool claim(struct device *dev)
{
	struct region *region = pick_served(dev);
	struct dax *dax;

	if (!region)
		return offer(dev);
	dax = pick_dax(region);
	for (int i = 0; i < 4 && dax->claim; i++)
		dax = pick_dax(region);
	switch (chance(8)) {
	case 0:
	case 1:
	case 2:
		return claim_tag(region, dax);
	case 3:
	case 4:
		return claim_untagged(region, dax);
	case 5:
	case 6:
		return claim_extent(region, dax);
	default:
		return claim_nonsense(region, dax);
	}
}

static bool give_up(struct device *dev)
{
	struct region *region = pick_served(dev);
	struct dax *dax;

	if (!region)
		return offer(dev);
	dax = pick_dax(region);
	for (int i = 0; i < 8 && !dax->claim; i++)
		dax = pick_dax(region);
	expect(write_dax(region, dax, "size", "0"), 0);
	model_give_up(dax);
	return true;
}

static int write_region(const struct region *region, const char *file,
			const char *text)
{
	char path[96];

	say("%s %s='%s'", region->name, file, text);
	snprintf(path, sizeof(path), CXL "/dax_region%d/dax_region/%s",
		 region->id, file);
	return write_file(path, text);
}

/* Return: the place of DAX device @id, or NULL */
static struct dax *find_dax(struct region *region, int id)
{
	for (int i = 0; i < MAX_DAX; i++)
		if (region->dax[i].id == id)
			return &region->dax[i];
	return NULL;
}

static bool create_dax(struct device *dev)
{
	struct region *region = pick_served(dev);
	struct dax *dax;
	int id = 0, rc;

	if (!region)
		return release(dev);
	dax = find_dax(region, -1);
	if (!dax)
		return give_up(dev);
	while (find_dax(region, id))
		id++;
	rc = write_region(region, "create", "1");
	expect(rc, available(region) ? 0 : -ENOSPC);
	if (!rc)
		dax->id = id;
	return false;
}

static bool delete_dax(struct device *dev)
{
	struct region *region = pick_served(dev);
	int id = chance(MAX_DAX), rc;
	struct dax *dax;
	char name[32];

	if (!region)
		return release(dev);
	dax = find_dax(region, id);
	snprintf(name, sizeof(name), "dax%d.%d", region->id, id);
	rc = write_region(region, "delete", name);
	if (!dax) {
		expect(rc, -ENXIO);
	} else if (!id || dax->claim) {
		expect(rc, -EBUSY);
	} else {
		expect(rc, 0);
		dax->id = -1;
	}
	return false;
}

static struct region *absent_region(struct device *dev)
{
	for (int i = 0; i < dev->nr_regions; i++)
		if (!dev->region[i].present)
			return &dev->region[i];
	return NULL;
}

static bool take_driver(struct device *dev)
{
	struct region *region = pick_region(dev);

	if (!region->present)
		return offer(dev);
	say("unbind %s", region->name);
	unbind_region(region);
	model_region_goes(region);
	return false;
}

/* What is there when a region comes: left behind by a host that has crashed */
static bool leave_behind(struct device *dev)
{
	struct chain chain;

	make_orphans(dev, &chain);
	say("left behind");
	say_chain(&chain);
	send_chain(dev, "account", &chain, "+");
	for (int i = 0; i < chain.nr; i++)
		dev->orphan[dev->nr_orphans++] = chain.extent[i];
	return false;
}

static bool give_driver(struct device *dev)
{
	struct region *region = absent_region(dev);

	say("bind %s", region->name);
	bind_region(region);
	model_region_comes(region);
	return true;
}

static bool recreate(struct device *dev)
{
	say("destroy all regions");
	destroy_regions(dev);
	for (int i = 0; i < dev->nr_regions; i++)
		model_region_goes(&dev->region[i]);
	compare(dev, THOROUGHLY, false);
	say(", create them");
	create_regions(dev);
	for (int i = 0; i < dev->nr_regions; i++)
		model_region_comes(&dev->region[i]);
	return true;
}

static bool dax_goes(void)
{
	say("unload dax_cxl");
	unload_dax();
	model_dax_goes();
	return false;
}

static bool dax_comes(void)
{
	say("load dax_cxl");
	load_dax();
	model_dax_comes();
	return false;
}

/* Seldom: the drivers of regions and of DAX come and go; true if it was done */
static bool exceptional(struct device *dev, bool *goes_on)
{
	unsigned int dice = chance(1000);

	*goes_on = false;
	if (absent_region(dev) && dice < 200)
		*goes_on = give_driver(dev);
	else if (absent_region(dev) && dice < 500)
		*goes_on = leave_behind(dev);
	else if (!world.dax_bound && dice >= 850)
		*goes_on = dax_comes();
	else if (dice >= 995)
		*goes_on = take_driver(dev);
	else if (dice >= 993)
		*goes_on = recreate(dev);
	else if (dice >= 990 && world.dax_bound)
		*goes_on = dax_goes();
	else
		return false;
	return true;
}

/* One operation; return: is there something that goes on by itself? */
bool operate(struct device *dev)
{
	static struct extent held[MAX_LIST];
	int nr = list_held(dev, held);
	unsigned int add = nr < 8 ? 40 : nr > 24 ? 8 : 24;
	unsigned int dice = chance(100);
	bool goes_on;

	say("%s: ", dev->name);
	if (exceptional(dev, &goes_on))
		return goes_on;
	if (dice < add)
		return offer(dev);
	if (dice < add + 3)
		return offer_forgotten(dev);
	if (dice < 55)
		return release(dev);
	if (dice < 78)
		return claim(dev);
	if (dice < 91)
		return give_up(dev);
	if (dice < 96)
		return create_dax(dev);
	return delete_dax(dev);
}
