// SPDX-License-Identifier: GPL-2.0-only
/*
 * random: the reference model
 *
 * What has to be held, claimed and asked for after each operation. Nothing of it is
 * read from the driver: compare() is the only place where the two meet.
 */
#include <stdlib.h>
#include <string.h>
#include "random.h"

/* What becomes of an extent of a chain */
enum verdict {
	REFUSED,
	PASSED,		/* its own checks */
	AGAIN,		/* it is held, just as it is offered */
	DECIDED,	/* with the others of its allocation */
};

bool overlap(const struct extent *a, const struct extent *b)
{
	return a->len && b->len && a->start <= b->start + b->len - 1 &&
	       b->start <= a->start + a->len - 1;
}

static bool lies_in(const struct extent *extent, __u64 start, __u64 len)
{
	return extent->len && extent->start >= start &&
	       extent->len <= len && extent->start - start <= len - extent->len;
}

static const struct partition *find_partition(const struct device *dev,
					      const struct extent *extent)
{
	for (int i = 0; i < dev->nr_parts; i++)
		if (lies_in(extent, dev->part[i].base, dev->part[i].len))
			return &dev->part[i];
	return NULL;
}

static struct region *find_region(struct device *dev,
				  const struct extent *extent)
{
	for (int i = 0; i < dev->nr_regions; i++) {
		struct region *region = &dev->region[i];

		if (region->present && lies_in(extent, region->start, region->len))
			return region;
	}
	return NULL;
}

static __u64 granule(const struct partition *part)
{
	return part->block > BLOCK ? part->block : BLOCK;
}

/* The held extent of lowest DPA that overlaps a range, and its allocation */
static const struct extent *first_held(struct device *dev,
				       const struct extent *range,
				       struct allocation **of)
{
	const struct extent *first = NULL;

	for (int i = 0; i < dev->nr_regions; i++) {
		struct allocation *alloc = dev->region[i].allocs;

		for (; alloc; alloc = alloc->next)
			for (int j = 0; j < alloc->chain.nr; j++) {
				struct extent *extent = &alloc->chain.extent[j];

				if (!overlap(extent, range) ||
				    (first && first->start < extent->start))
					continue;
				first = extent;
				*of = alloc;
			}
	}
	return first;
}

const struct extent *held_at(struct device *dev, const struct extent *range)
{
	struct allocation *alloc;

	return first_held(dev, range, &alloc);
}

/* All that is held of a device; return the number */
int list_held(struct device *dev, struct extent *list)
{
	int nr = 0;

	for (int i = 0; i < dev->nr_regions; i++) {
		struct allocation *alloc = dev->region[i].allocs;

		for (; alloc; alloc = alloc->next) {
			if (nr + alloc->chain.nr > MAX_LIST)
				fail("the model holds too much");
			memcpy(&list[nr], alloc->chain.extent,
			       alloc->chain.nr * sizeof(*list));
			nr += alloc->chain.nr;
		}
	}
	return nr;
}

struct allocation *find_tag(struct region *region, int tag)
{
	struct allocation *alloc;

	for (alloc = region->allocs; alloc; alloc = alloc->next)
		if (tag != NO_TAG && alloc->chain.extent[0].tag == tag)
			return alloc;
	return NULL;
}

/* Anywhere on this host */
bool tag_alive(int tag)
{
	for (int i = 0; i < world.nr_devices; i++)
		for (int j = 0; j < world.device[i].nr_regions; j++)
			if (find_tag(&world.device[i].region[j], tag))
				return true;
	return false;
}

__u64 available(const struct region *region)
{
	const struct allocation *alloc;
	__u64 sum = 0;

	for (alloc = region->allocs; alloc; alloc = alloc->next)
		for (int i = 0; i < alloc->chain.nr && !alloc->claimed; i++)
			sum += alloc->chain.extent[i].len;
	return sum;
}

static void hold(struct region *region, const struct chain *chain)
{
	struct allocation *alloc = calloc(1, sizeof(*alloc));

	if (!alloc)
		fail("out of memory");
	alloc->region = region;
	alloc->chain = *chain;
	alloc->next = region->allocs;
	region->allocs = alloc;
}

static void drop(struct allocation *alloc)
{
	struct allocation **link = &alloc->region->allocs;

	while (*link != alloc)
		link = &(*link)->next;
	*link = alloc->next;
	free(alloc);
}

static bool overlaps_earlier(const struct chain *chain,
			     const enum verdict *verdict, int nr)
{
	for (int i = 0; i < nr; i++)
		if (verdict[i] != REFUSED &&
		    overlap(&chain->extent[i], &chain->extent[nr]))
			return true;
	return false;
}

/* Each extent for itself; fills in @verdict[@nr] */
static void check_extent(struct device *dev, const struct chain *chain,
			 enum verdict *verdict, int nr)
{
	const struct extent *extent = &chain->extent[nr], *held;
	const struct partition *part = find_partition(dev, extent);

	verdict[nr] = REFUSED;
	if (!part || overlaps_earlier(chain, verdict, nr))
		return;
	held = held_at(dev, extent);
	if (held) {
		if (held->start == extent->start && held->len == extent->len &&
		    held->tag == extent->tag && held->seq == extent->seq)
			verdict[nr] = AGAIN;
		return;
	}
	if ((extent->start | extent->len) % granule(part))
		return;
	if (part->sharable ? extent->tag == NO_TAG : extent->seq != 0)
		return;
	if (find_region(dev, extent))
		verdict[nr] = PASSED;
}

/* The extents of an allocation, in the order of their sequence numbers */
static void sort_by_seq(struct chain *members)
{
	for (int i = 1; i < members->nr; i++)
		for (int j = i; j && members->extent[j].seq <
				     members->extent[j - 1].seq; j--) {
			struct extent swap = members->extent[j];

			members->extent[j] = members->extent[j - 1];
			members->extent[j - 1] = swap;
		}
}

/* All extents of an allocation together; return: its region, NULL if refused */
static struct region *check_group(struct device *dev, struct chain *members)
{
	struct region *region = find_region(dev, &members->extent[0]);

	for (int i = 1; i < members->nr; i++)
		if (find_region(dev, &members->extent[i]) != region)
			return NULL;
	sort_by_seq(members);
	for (int i = 0; i < members->nr && region->part->sharable; i++)
		if (members->extent[i].seq != (unsigned int)i)
			return NULL;
	return tag_alive(members->extent[0].tag) ? NULL : region;
}

/* The allocation that extent @first of a chain opens */
static void decide(struct device *dev, const struct chain *chain,
		   enum verdict *verdict, int first)
{
	int tag = chain->extent[first].tag;
	struct chain members = {};
	struct region *region;
	bool refused = false;

	for (int i = 0; i < chain->nr; i++) {
		if (i != first && (tag == NO_TAG || chain->extent[i].tag != tag))
			continue;
		if (verdict[i] == AGAIN)
			continue;
		refused |= verdict[i] == REFUSED;
		if (verdict[i] == PASSED)
			verdict[i] = DECIDED;
		members.extent[members.nr++] = chain->extent[i];
	}
	if (refused)
		return;
	region = check_group(dev, &members);
	if (region)
		hold(region, &members);
}

void model_offer(struct device *dev, const struct chain *chain)
{
	enum verdict verdict[MAX_CHAIN];

	for (int i = 0; i < chain->nr; i++)
		check_extent(dev, chain, verdict, i);
	for (int i = 0; i < chain->nr; i++)
		if (verdict[i] == PASSED)
			decide(dev, chain, verdict, i);
}

/* What was asked of @alloc goes; what was not, stays */
static void give_back(struct allocation *alloc)
{
	struct chain whole = alloc->chain, rest = { .nr = 1 };
	struct region *region = alloc->region;
	__u64 start = alloc->asked_start, end = alloc->asked_end;
	struct extent *extent = &whole.extent[0];

	drop(alloc);
	if (extent->tag != NO_TAG)
		return;
	if (start > extent->start) {
		rest.extent[0] = (struct extent) {
			.start = extent->start, .len = start - extent->start,
		};
		hold(region, &rest);
	}
	if (end < extent->start + extent->len) {
		rest.extent[0] = (struct extent) {
			.start = end, .len = extent->start + extent->len - end,
		};
		hold(region, &rest);
	}
}

/* @record asks for @extent, which it touches */
static void ask(struct allocation *alloc, const struct extent *extent,
		const struct extent *record)
{
	__u64 unit = granule(alloc->region->part);
	__u64 start = record->start, end = record->start + record->len;

	if (start < extent->start)
		start = extent->start;
	if (end > extent->start + extent->len)
		end = extent->start + extent->len;
	start -= start % unit;
	end = (end + unit - 1) / unit * unit;
	if (!alloc->asked_end || start < alloc->asked_start)
		alloc->asked_start = start;
	if (end > alloc->asked_end)
		alloc->asked_end = end;
}

/* Return: is anything held of it? */
static bool take_record(struct device *dev, const struct extent *record)
{
	bool any = false;

	for (int i = 0; i < dev->nr_regions; i++) {
		struct allocation *alloc = dev->region[i].allocs;

		for (; alloc; alloc = alloc->next)
			for (int j = 0; j < alloc->chain.nr; j++) {
				struct extent *extent = &alloc->chain.extent[j];

				if (!overlap(extent, record))
					continue;
				any = true;
				if (extent->tag == record->tag)
					ask(alloc, extent, record);
			}
	}
	return any;
}

/* The device gets back what no region has taken over */
static void cut_orphans(struct device *dev, const struct extent *range)
{
	struct extent kept[MAX_CHAIN];
	__u64 start = range->start, end = range->start + range->len;
	int nr = 0;

	for (int i = 0; i < dev->nr_orphans; i++) {
		struct extent *orphan = &dev->orphan[i];
		__u64 orphan_end = orphan->start + orphan->len;

		if (nr + 2 > MAX_CHAIN)
			fail("too many orphans");
		if (!overlap(orphan, range)) {
			kept[nr++] = *orphan;
			continue;
		}
		if (orphan->start < start) {
			kept[nr] = *orphan;
			kept[nr++].len = start - orphan->start;
		}
		if (orphan_end > end) {
			kept[nr] = *orphan;
			kept[nr].start = end;
			kept[nr++].len = orphan_end - end;
		}
	}
	memcpy(dev->orphan, kept, nr * sizeof(*kept));
	dev->nr_orphans = nr;
}

static void take_back(struct device *dev)
{
	for (int i = 0; i < dev->nr_regions; i++) {
		struct allocation *alloc, *next;

		for (alloc = dev->region[i].allocs; alloc; alloc = next) {
			next = alloc->next;
			if (!alloc->asked_end)
				continue;
			if (alloc->claimed)
				alloc->asked = true;
			else
				give_back(alloc);
		}
	}
}

void model_release(struct device *dev, const struct chain *chain)
{
	bool nothing_held[MAX_CHAIN] = {};

	for (int i = 0; i < chain->nr; i++)
		if (find_partition(dev, &chain->extent[i]))
			nothing_held[i] = !take_record(dev, &chain->extent[i]);
	take_back(dev);
	for (int i = 0; i < chain->nr; i++)
		if (nothing_held[i])
			cut_orphans(dev, &chain->extent[i]);
}

void model_give_up(struct dax *dax)
{
	struct allocation *alloc = dax->claim;

	if (!alloc)
		return;
	dax->claim = NULL;
	alloc->claimed = false;
	if (alloc->asked)
		give_back(alloc);
}

static void forget_dax(struct region *region)
{
	for (int i = 0; i < MAX_DAX; i++)
		region->dax[i] = (struct dax) { .id = -1 };
}

static void give_all_back(struct region *region)
{
	forget_dax(region);
	while (region->allocs)
		drop(region->allocs);
}

void model_region_goes(struct region *region)
{
	give_all_back(region);
	region->present = false;
}

static int by_tag_and_seq(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag - y->tag;
	if (x->seq != y->seq)
		return (int)x->seq - (int)y->seq;
	return x->start < y->start ? -1 : 1;
}

/* Does @region take over these, or does the device get them back? */
static void take_over(struct region *region, struct chain *members)
{
	struct extent window = { .start = region->start, .len = region->len };
	enum verdict verdict[MAX_CHAIN];
	bool concerned = false, refused = false;
	struct region *target;

	for (int i = 0; i < members->nr; i++) {
		concerned |= overlap(&members->extent[i], &window);
		check_extent(region->dev, members, verdict, i);
		/* what is held already is not taken over once more */
		refused |= verdict[i] != PASSED;
	}
	if (!concerned)
		return;
	target = refused ? NULL : check_group(region->dev, members);
	for (int i = 0; i < members->nr; i++)
		cut_orphans(region->dev, &members->extent[i]);
	if (target)
		hold(target, members);
}

void model_region_comes(struct region *region)
{
	static struct extent list[MAX_LIST];
	struct device *dev = region->dev;
	int nr, next;

	region->present = true;
	forget_dax(region);
	if (world.dax_bound)
		region->dax[0].id = 0;

	nr = list_held(dev, list);
	memcpy(&list[nr], dev->orphan, dev->nr_orphans * sizeof(*list));
	nr += dev->nr_orphans;
	qsort(list, nr, sizeof(*list), by_tag_and_seq);
	for (int i = 0; i < nr; i = next) {
		struct chain members = {};

		next = i;
		do {
			members.extent[members.nr++] = list[next++];
		} while (next < nr && list[i].tag != NO_TAG &&
			 list[next].tag == list[i].tag);
		take_over(region, &members);
	}
}

void model_dax_goes(void)
{
	world.dax_bound = false;
	for (int i = 0; i < world.nr_devices; i++)
		for (int j = 0; j < world.device[i].nr_regions; j++)
			give_all_back(&world.device[i].region[j]);
}

void model_dax_comes(void)
{
	world.dax_bound = true;
	for (int i = 0; i < world.nr_devices; i++)
		for (int j = 0; j < world.device[i].nr_regions; j++)
			if (world.device[i].region[j].present)
				world.device[i].region[j].dax[0].id = 0;
}
