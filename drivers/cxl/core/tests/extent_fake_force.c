// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the extent core: the device takes memory without asking
 */
#include "extent_fake.h"

/**
 * fake_device_take() - the device has memory back that this host holds
 * @fake: the device
 * @range: any range; what it knows to be accepted of that is so no more
 */
void fake_device_take(struct fake *fake, const struct range *range)
{
	struct fake_extent *extent, *next;

	list_for_each_entry_safe(extent, next, &fake->accepted, node) {
		struct range dpa = fake_range(&extent->record);

		if (!fake_overlap(&dpa, range))
			continue;
		dpa.start = max(dpa.start, range->start);
		dpa.end = min(dpa.end, range->end);
		fake_device_unaccept(fake, &dpa);
	}
}

/* The host hears of it */
void fake_force_record(struct fake *fake, const struct cxl_extent_record *record)
{
	guard(mutex)(&fake->extents.lock);
	cxl_extents_forced_record(&fake->extents, record);
}

void fake_force(struct fake *fake, unsigned int first, unsigned int nr,
		bool more)
{
	struct cxl_extent_record record = fake_record(first, nr, more);
	struct range dpa = fake_range(&record);

	fake_device_take(fake, &dpa);
	fake_force_record(fake, &record);
}

/* One chain: all is taken before the host hears of anything */
void fake_force_items(struct fake *fake, const struct fake_item *items,
		      unsigned int nr)
{
	struct cxl_extent_record record;

	for (unsigned int i = 0; i < nr; i++) {
		struct range dpa;

		record = fake_item_record(&items[i], false);
		dpa = fake_range(&record);
		fake_device_take(fake, &dpa);
	}
	for (unsigned int i = 0; i < nr; i++) {
		record = fake_item_record(&items[i], i + 1 < nr);
		fake_force_record(fake, &record);
	}
}

/* Pages that were pinned for long are let go: nobody tells */
void fake_unpin(struct fake *fake)
{
	fake->pinned = false;
	fake_expire(fake, jiffies);
}
