// SPDX-License-Identifier: GPL-2.0-only
/*
 * random: the device's account, the host's, and the model's
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "random.h"

#define PATIENCE	10	/* seconds */
#define PAGE		4096
#define EXTENT		"%#llx+%#llx tag %d seq %u"

static int by_start(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->extent.start != y->extent.start)
		return x->extent.start < y->extent.start ? -1 : 1;
	return x->state - y->state;
}

static int model_list(struct device *dev, struct line *lines, bool orphans)
{
	int nr = 0;

	for (int i = 0; i < dev->nr_regions; i++) {
		struct allocation *alloc = dev->region[i].allocs;

		for (; alloc; alloc = alloc->next)
			for (int j = 0; j < alloc->chain.nr; j++)
				lines[nr++] = (struct line) {
					alloc->chain.extent[j],
					alloc->asked ? PENDING : alloc->claimed ?
					CLAIMED : AVAILABLE,
				};
	}
	for (int i = 0; i < dev->nr_orphans && orphans; i++)
		lines[nr++] = (struct line) { dev->orphan[i], ON_DEVICE };
	qsort(lines, nr, sizeof(*lines), by_start);
	return nr;
}

static bool compare_device(struct device *dev)
{
	static struct extent account[MAX_LIST];
	static struct line model[MAX_LIST];
	int nr = read_account(dev, account), expected;

	expected = model_list(dev, model, true);
	for (int i = 0; i < nr && i < expected; i++) {
		const struct extent *a = &account[i], *b = &model[i].extent;

		if (a->start != b->start || a->len != b->len ||
		    a->tag != b->tag || a->seq != b->seq)
			return differ("%s lists " EXTENT ", expected " EXTENT,
				      dev->name, a->start, a->len, a->tag, a->seq,
				      b->start, b->len, b->tag, b->seq);
	}
	if (nr != expected)
		return differ("%s lists %d extents, expected %d", dev->name, nr,
			      expected);
	return true;
}

static bool compare_host(struct device *dev)
{
	static struct line host[MAX_LIST], model[MAX_LIST];
	int nr = host_list(dev, host), expected;

	qsort(host, nr, sizeof(*host), by_start);
	expected = model_list(dev, model, false);
	for (int i = 0; i < nr && i < expected; i++) {
		const struct extent *a = &host[i].extent, *b = &model[i].extent;

		if (a->start != b->start || a->len != b->len || a->tag != b->tag ||
		    host[i].state != model[i].state)
			return differ("sysfs has " EXTENT " %s, expected " EXTENT " %s",
				      a->start, a->len, a->tag, a->seq,
				      state_names[host[i].state], b->start,
				      b->len, b->tag, b->seq,
				      state_names[model[i].state]);
	}
	if (nr != expected)
		return differ("sysfs has %d extents of %s, expected %d", nr,
			      dev->name, expected);
	return true;
}

/* The ranges of a DAX device are those of its allocation, in their order */
static bool compare_mappings(const struct region *region, const struct dax *dax)
{
	const struct chain *chain = &dax->claim->chain;
	struct extent found[MAX_CHAIN];
	int nr = host_mappings(region, dax->id, found, MAX_CHAIN);

	if (nr != chain->nr)
		return differ("dax%d.%d has %d mappings, expected %d", region->id,
			      dax->id, nr, chain->nr);
	for (int i = 0; i < nr; i++) {
		__u64 at = 0;
		int j = 0;

		while (j < nr && chain->extent[j].start != found[i].start)
			at += chain->extent[j++].len;
		if (j == nr || found[i].len != chain->extent[j].len ||
		    (__u64)found[i].seq * PAGE != at)
			return differ("dax%d.%d: %#llx+%#llx at page %u, expected at byte %#llx",
				      region->id, dax->id, found[i].start,
				      found[i].len, found[i].seq, at);
	}
	return true;
}

static bool compare_dax(const struct region *region, struct dax *dax,
			bool thoroughly)
{
	int tag = NO_TAG, found_tag;
	__u64 size = 0, found;

	if (dax->claim) {
		for (int i = 0; i < dax->claim->chain.nr; i++)
			size += dax->claim->chain.extent[i].len;
		tag = dax->claim->chain.extent[0].tag;
	}
	if (!host_dax(region, dax->id, &found, &found_tag))
		return differ("no dax%d.%d", region->id, dax->id);
	if (found != size || found_tag != tag)
		return differ("dax%d.%d has size %#llx tag %d, expected %#llx tag %d",
			      region->id, dax->id, found, found_tag, size, tag);
	if (!dax->claim || (dax->mapped && !thoroughly))
		return true;
	dax->mapped = true;
	return compare_mappings(region, dax);
}

static bool compare_available(const struct region *region)
{
	char path[96];
	__u64 found;

	snprintf(path, sizeof(path),
		 CXL "/dax_region%d/dax_region/available_size", region->id);
	found = read_number(path);
	return found == available(region) ? true :
	       differ("%s: %#llx, expected %#llx", path, found, available(region));
}

static bool compare_region(struct region *region, bool thoroughly)
{
	int expected = 0, nr;

	if (!host_look(region))
		return false;
	for (int i = 0; i < MAX_DAX; i++) {
		if (region->dax[i].id < 0)
			continue;
		expected++;
		if (!compare_dax(region, &region->dax[i], thoroughly))
			return false;
	}
	nr = host_count_dax(region);
	if (nr != expected)
		return differ("%s has %d DAX devices, expected %d", region->name,
			      nr, expected);
	return !expected || compare_available(region);
}

/* The device waits for nothing, and has seen no fault of the host */
static bool is_content(const struct device *dev)
{
	char text[1024], *total;

	if (read_mock(dev, "pending", text, sizeof(text)))
		return differ("%s waits for an answer: %s", dev->name, text);
	read_mock(dev, "faults", text, sizeof(text));
	total = strstr(text, "total ");
	if (!total || strtoull(total + 6, NULL, 0))
		return differ("%s has found faults:\n%s", dev->name, text);
	return true;
}

static bool agree(struct device *dev, enum care care)
{
	if (!compare_device(dev))
		return false;
	if (care == BRIEFLY)
		return true;
	for (int i = 0; i < dev->nr_regions; i++)
		if (!compare_region(&dev->region[i], care == THOROUGHLY))
			return false;
	return compare_host(dev) && is_content(dev);
}

static void print_extent(const char *who, const struct line *line)
{
	const struct extent *extent = &line->extent;

	printf("  %-6s " EXTENT " %s\n", who, extent->start, extent->len,
	       extent->tag, extent->seq, line->state == ON_DEVICE ? "" :
	       state_names[line->state]);
}

/* For the reader of a failure; must not fail itself */
void print_sides(struct device *dev)
{
	static struct line lines[MAX_LIST];
	static struct extent account[MAX_LIST];
	int nr = model_list(dev, lines, true);

	if (!dev->nr_regions || !*dev->region[dev->nr_regions - 1].name)
		return;
	printf("%s:\n", dev->name);
	for (int i = 0; i < nr; i++)
		print_extent("model", &lines[i]);
	nr = read_account(dev, account);
	for (int i = 0; i < nr; i++) {
		lines[0] = (struct line) { account[i], ON_DEVICE };
		print_extent("device", &lines[0]);
	}
	for (int i = 0; i < dev->nr_regions; i++)
		host_look(&dev->region[i]);
	nr = host_list(dev, lines);
	qsort(lines, nr, sizeof(*lines), by_start);
	for (int i = 0; i < nr; i++)
		print_extent("host", &lines[i]);
}

/* @patient: what was given back goes by itself, soon */
void compare(struct device *dev, enum care care, bool patient)
{
	time_t end = time(NULL) + PATIENCE;

	for (int i = 0; i < dev->nr_regions && care == THOROUGHLY; i++)
		host_forget(&dev->region[i]);
	while (!agree(dev, care)) {
		if (patient && time(NULL) < end) {
			usleep(2000);
			continue;
		}
		fail("%s", difference);
	}
}

/* Which of the untagged extents does a DAX device have? By its range */
struct allocation *claimed_by(struct region *region, struct dax *dax)
{
	struct allocation *alloc;
	struct extent found;

	if (host_mappings(region, dax->id, &found, 1) != 1)
		return NULL;
	for (alloc = region->allocs; alloc; alloc = alloc->next)
		if (!alloc->claimed && alloc->chain.extent[0].tag == NO_TAG &&
		    alloc->chain.extent[0].start == found.start &&
		    alloc->chain.extent[0].len == found.len)
			return alloc;
	return NULL;
}
