// SPDX-License-Identifier: GPL-2.0-only
/*
 * random: chains of records, and other things picked by chance
 *
 * Most of them a host has to accept in whole or in part; every third has something
 * wrong with it.
 */
#include <string.h>
#include "random.h"

/* "START+LENGTH/tTAG/sSEQUENCE" of each */
void say_chain(const struct chain *chain)
{
	for (int i = 0; i < chain->nr; i++) {
		const struct extent *extent = &chain->extent[i];

		say(" %#llx+%#llx", extent->start, extent->len);
		if (extent->tag != NO_TAG)
			say("/t%d", extent->tag);
		if (extent->seq)
			say("/s%u", extent->seq);
	}
}

struct region *pick_region(struct device *dev)
{
	return &dev->region[chance(dev->nr_regions)];
}

/* Any held extent of a device, or NULL */
const struct extent *pick_held(struct device *dev)
{
	static struct extent list[MAX_LIST];
	int nr = list_held(dev, list);

	return nr ? &list[chance(nr)] : NULL;
}

/* An allocation of @region by chance, or NULL */
struct allocation *pick_allocation(struct region *region)
{
	struct allocation *alloc;
	unsigned int nr = 0;

	for (alloc = region->allocs; alloc; alloc = alloc->next)
		nr++;
	if (!nr)
		return NULL;
	nr = chance(nr);
	for (alloc = region->allocs; nr; nr--)
		alloc = alloc->next;
	return alloc;
}

static bool is_free(struct device *dev, const struct chain *chain,
		    const struct extent *extent)
{
	for (int i = 0; i < chain->nr; i++)
		if (overlap(&chain->extent[i], extent))
			return false;
	for (int i = 0; i < dev->nr_orphans; i++)
		if (overlap(&dev->orphan[i], extent))
			return false;
	return !held_at(dev, extent);
}

/* A range of whole blocks of a region, that is free if there is one to be found */
static struct extent pick_range(struct region *region,
				const struct chain *chain)
{
	__u64 blocks = region->len / BLOCK;
	struct extent extent = {};

	for (int i = 0; i < 20; i++) {
		__u64 first = chance(blocks), nr = 1 + chance(i < 10 ? 6 : 2);

		if (first + nr > blocks)
			nr = blocks - first;
		extent.start = region->start + first * BLOCK;
		extent.len = nr * BLOCK;
		if (is_free(region->dev, chain, &extent))
			break;
	}
	return extent;
}

/* Mostly one that nobody has */
static int pick_tag(void)
{
	int tag = 1 + chance(NR_TAGS);

	for (int i = 0; i < 8 && tag_alive(tag) && !percent(5); i++)
		tag = 1 + chance(NR_TAGS);
	return tag;
}

static void shuffle(struct chain *chain)
{
	for (int i = chain->nr - 1; i > 0; i--) {
		int j = chance(i + 1);
		struct extent swap = chain->extent[i];

		chain->extent[i] = chain->extent[j];
		chain->extent[j] = swap;
	}
}

/* The next sequence number of a tag in a sharable partition */
static unsigned int next_seq(const struct chain *chain, int tag)
{
	unsigned int seq = 0;

	for (int i = 0; i < chain->nr; i++)
		seq += chain->extent[i].tag == tag;
	return seq;
}

static int chain_length(void)
{
	return percent(6) ? 9 + chance(16) : 1 + chance(8);
}

static void make_good(struct device *dev, struct chain *chain)
{
	int tags[3] = { pick_tag(), pick_tag(), pick_tag() };
	struct region *of_tag[3], *region;
	int nr = chain_length();
	int nr_tags = 1 + chance(3);

	for (int i = 0; i < 3; i++)
		of_tag[i] = pick_region(dev);
	/* the same tag twice must mean the same region */
	for (int i = 1; i < 3; i++)
		for (int j = 0; j < i; j++)
			if (tags[i] == tags[j])
				of_tag[i] = of_tag[j];

	chain->nr = 0;
	while (chain->nr < nr) {
		int which = chance(nr_tags), tag = tags[which];
		struct extent extent;

		region = of_tag[which];
		if (!region->part->sharable && percent(50)) {
			region = pick_region(dev);
			tag = NO_TAG;
		}
		extent = pick_range(region, chain);
		extent.tag = tag;
		if (region->part->sharable)
			extent.seq = next_seq(chain, tag);
		chain->extent[chain->nr++] = extent;
	}
	shuffle(chain);
}

static void spoil_range(struct device *dev, struct extent *extent)
{
	const struct region *region = pick_region(dev);
	const struct partition *part = region->part;

	switch (chance(10)) {
	case 0:
		extent->start += MIB;
		break;
	case 1:
		extent->len += 4096;
		break;
	case 2:
		extent->len = 0;
		break;
	case 3:
		extent->start += 512;
		extent->len = 512;
		break;
	case 4:		/* behind the region, or over its end */
		extent->start = region->start + region->len -
				(percent(50) ? BLOCK : 0);
		break;
	case 5:		/* over the end of the partition */
		extent->start = part->base + part->len - BLOCK;
		extent->len = 2 * BLOCK;
		break;
	case 6:		/* in no partition */
		extent->start = percent(50) ? 0 : 0x4000000000ULL;
		break;
	case 7:		/* 64 bits are not enough */
		extent->start = -(__u64)BLOCK;
		extent->len = percent(50) ? BLOCK : 2 * BLOCK;
		break;
	case 8:
		extent->len = -1ULL;
		break;
	case 9:		/* another region, or at least another place */
		extent->start = region->start;
		extent->len = BLOCK;
		break;
	}
}

/* Over, in or next to something that is held */
static void spoil_by_held(struct device *dev, struct extent *extent)
{
	const struct extent *held = pick_held(dev);
	struct extent was = *extent;

	if (!held)
		return;
	*extent = *held;
	switch (chance(5)) {
	case 0:		/* it is offered again */
		break;
	case 1:
		extent->tag = was.tag;
		extent->seq = was.seq;
		break;
	case 2:
		extent->seq++;
		break;
	case 3:
		extent->len = BLOCK;
		break;
	case 4:
		extent->start += held->len - BLOCK;
		extent->len = 2 * BLOCK;
		break;
	}
}

/* Over another one of the chain; nothing else may be done to either of them */
static void spoil_by_other(struct chain *chain, int nr)
{
	int other = chance(chain->nr);

	if (chain->nr == MAX_CHAIN || other == nr)
		return;
	chain->extent[nr] = chain->extent[other];
	if (percent(50))
		chain->extent[nr].len = BLOCK;
	if (chain->extent[nr].len != chain->extent[other].len && percent(50))
		chain->extent[nr].tag = pick_tag();
}

static void spoil_tag(struct device *dev, struct extent *extent)
{
	switch (chance(4)) {
	case 0:
		extent->tag = NO_TAG;
		break;
	case 1:
		extent->seq += 1 + chance(3);
		break;
	case 2:		/* the tag of another allocation, wherever it lies */
		extent->tag = 1 + chance(NR_TAGS);
		break;
	case 3:		/* the tag goes on in another region */
		extent->start = dev->region[chance(dev->nr_regions)].start +
				chance(16) * BLOCK;
		extent->len = BLOCK;
		break;
	}
}

/*
 * A response names DPA only, so it must not depend on which of two equal ranges of a
 * chain is meant. Equal ranges are made equal in all else, too.
 */
static void unify(struct chain *chain)
{
	for (int i = 0; i < chain->nr; i++)
		for (int j = 0; j < i; j++)
			if (chain->extent[i].start == chain->extent[j].start &&
			    chain->extent[i].len == chain->extent[j].len)
				chain->extent[i] = chain->extent[j];
}

void make_offer(struct device *dev, struct chain *chain)
{
	make_good(dev, chain);
	if (!percent(35))
		return;
	for (int i = 1 + chance(2); i; i--) {
		int nr = chance(chain->nr);

		switch (chance(4)) {
		case 0:
			spoil_range(dev, &chain->extent[nr]);
			break;
		case 1:
			spoil_by_held(dev, &chain->extent[nr]);
			break;
		case 2:
			spoil_by_other(chain, nr);
			break;
		case 3:
			spoil_tag(dev, &chain->extent[nr]);
			break;
		}
	}
	unify(chain);
}

/* Part of @held, or what goes over its ends */
static struct extent part_of(const struct extent *held)
{
	__u64 blocks = held->len / BLOCK, first = chance(blocks);
	struct extent part = *held;

	part.start += first * BLOCK;
	part.len = (1 + chance(blocks - first)) * BLOCK;
	if (percent(30)) {
		part.start += 4096 * chance(256);
		part.len = 4096 * (1 + chance(512));
	}
	return part;
}

static struct extent make_record(struct device *dev)
{
	const struct extent *held = pick_held(dev);
	struct region *region = pick_region(dev);
	struct chain none = {};
	struct extent record;

	if (!held || percent(6)) {
		record = pick_range(region, &none);
		record.tag = percent(50) ? pick_tag() : NO_TAG;
		if (percent(30))
			spoil_range(dev, &record);
		return record;
	}
	record = *held;
	switch (chance(8)) {
	case 0:
	case 1:
	case 2:
		break;
	case 3:
	case 4:
		record = part_of(held);
		break;
	case 5:		/* several, and what is between them */
		record.start -= chance(16) * BLOCK;
		record.len += chance(32) * BLOCK;
		break;
	case 6:
		record.tag = percent(50) ? 1 + chance(NR_TAGS) : NO_TAG;
		break;
	case 7:		/* just over its ends */
		record.start -= chance(2) * 512;
		record.len += 1024;
		break;
	}
	return record;
}

/* Would a tagged extent that only the device knows of be cut? No host can tell */
static bool cuts_orphan(const struct device *dev, const struct extent *record)
{
	for (int i = 0; i < dev->nr_orphans; i++) {
		const struct extent *orphan = &dev->orphan[i];

		if (orphan->tag != NO_TAG && overlap(orphan, record))
			return true;
	}
	return false;
}

void make_request(struct device *dev, struct chain *chain)
{
	int nr = percent(10) ? 5 + chance(10) : 1 + chance(3);

	chain->nr = 0;
	while (nr--) {
		struct extent record = make_record(dev);

		record.seq = 0;
		if (!cuts_orphan(dev, &record))
			chain->extent[chain->nr++] = record;
	}
}

/* Can the device list it, and does no region of this host look after it? */
static bool can_be_left(const struct device *dev, const struct extent *extent)
{
	bool can = false;

	for (int i = 0; i < dev->nr_parts; i++) {
		const struct partition *part = &dev->part[i];

		if (extent->start >= part->base && extent->start + extent->len <=
						   part->base + part->len)
			can = (extent->start | extent->len) % part->block == 0;
	}
	for (int i = 0; i < dev->nr_regions; i++) {
		const struct region *region = &dev->region[i];
		struct extent window = {
			.start = region->start, .len = region->len,
		};

		if (region->present && overlap(extent, &window))
			can = false;
	}
	return can;
}

/*
 * What a host held before it went: good for the greater part, and none of it
 * overlaps anything.
 */
void make_orphans(struct device *dev, struct chain *chain)
{
	struct chain offer;

	chain->nr = 0;
	make_good(dev, &offer);
	if (percent(40)) {
		int nr = chance(offer.nr);

		if (percent(30))
			spoil_tag(dev, &offer.extent[nr]);
		else if (percent(50))
			offer.extent[nr].start += MIB;
		else
			offer.extent[nr].start += REGION_SIZE;
	}
	for (int i = 0; i < offer.nr; i++) {
		struct extent *extent = &offer.extent[i];

		if (dev->nr_orphans + chain->nr == 16)
			break;
		if (is_free(dev, chain, extent) && can_be_left(dev, extent))
			chain->extent[chain->nr++] = *extent;
	}
}
