// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of a DAX device, and who still has a reference to one
 *
 * Somebody who has pinned a page (RDMA, VFIO, a pipe) accesses it without a mapping.
 * Neither the struct page nor the memory may go before that has ended, and
 * memunmap_pages() doesn't wait for it: the references that it counts are not those
 * to the pages of a device.
 *
 * All this is for devices that are not alive: nobody can get a page that is not in
 * use any more, so that none has to be looked at again.
 */
#include <linux/dax.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/range.h>
#include "bus.h"
#include "dax-private.h"

/* Longer than anybody needs a page who has not pinned it */
#define WAIT_MS_MAX	1024

/* The log says now and then who is waited for */
#define WAITS_PER_LINE	60

/* Someone besides the device itself has a reference */
static bool is_referenced(const struct folio *folio,
			  const struct dev_pagemap *pgmap)
{
	return folio_ref_count(folio) > (pgmap->type == MEMORY_DEVICE_GENERIC);
}

/* The first page in use from @pfn on, or @end */
static unsigned long next_in_use(unsigned long pfn, unsigned long end,
				 const struct dev_pagemap *pgmap)
{
	while (pfn < end) {
		const struct folio *folio = pfn_folio(pfn);

		if (is_referenced(folio, pgmap))
			return pfn;
		pfn = folio_pfn(folio) + folio_nr_pages(folio);
		cond_resched();
	}
	return end;
}

/**
 * dax_visit_pages_in_use() - poison what is pinned, for example
 * @range: host addresses of a device that is not alive
 * @visit: called for each page in use, the first one of each folio
 * @arg: for @visit
 */
void dax_visit_pages_in_use(const struct range *range,
			    void (*visit)(unsigned long pfn, void *arg),
			    void *arg)
{
	unsigned long pfn = PHYS_PFN(range->start);
	unsigned long end = PHYS_PFN(range->end) + 1;
	struct dev_pagemap *pgmap = get_dev_pagemap(pfn);

	if (!pgmap)
		return;
	while ((pfn = next_in_use(pfn, end, pgmap)) < end) {
		visit(pfn, arg);
		pfn += folio_nr_pages(pfn_folio(pfn));
	}
	put_dev_pagemap(pgmap);
}

/* One range, from the page on that was in use the last time */
static int look_at_range(struct dev_dax *dev_dax,
			 const struct dev_dax_range *dax_range)
{
	unsigned long first = PHYS_PFN(dax_range->range.start);
	unsigned long end = PHYS_PFN(dax_range->range.end) + 1;
	unsigned long unused = READ_ONCE(dev_dax->unused);
	struct dev_pagemap *pgmap = get_dev_pagemap(first);
	unsigned long pfn = first;

	/* system RAM, or a driver that comes or goes */
	if (!pgmap)
		return -ENXIO;
	/* who kills it once more begins anew */
	if (unused > dax_range->pgoff)
		pfn += unused - dax_range->pgoff;
	pfn = next_in_use(pfn, end, pgmap);
	WRITE_ONCE(dev_dax->unused, dax_range->pgoff + pfn - first);
	put_dev_pagemap(pgmap);
	return pfn < end;
}

/**
 * dev_dax_pages_in_use() - does anybody have a page of a device?
 * @dev_dax: killed
 *
 * Sleeps. Each time, it begins with the page that was in use the last time.
 *
 * Return: 0 if nobody does, 1 if somebody does, or -ENXIO if these are not, not yet or
 * not any more pages of a device
 */
int dev_dax_pages_in_use(struct dev_dax *dev_dax)
{
	for (int i = 0; i < dev_dax->nr_range; i++) {
		const struct dev_dax_range *dax_range = &dev_dax->ranges[i];
		unsigned long nr = PHYS_PFN(range_len(&dax_range->range));
		int rc;

		if (READ_ONCE(dev_dax->unused) >= dax_range->pgoff + nr)
			continue;
		rc = look_at_range(dev_dax, dax_range);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * dev_dax_wait_for_pages() - wait until nobody has a page any more
 * @dev_dax: killed, its pages still there
 *
 * For as long as that takes, since there is no way to take a page from its holder.
 */
void dev_dax_wait_for_pages(struct dev_dax *dev_dax)
{
	unsigned int ms = 1, waits = 0;

	while (dev_dax_pages_in_use(dev_dax) > 0) {
		msleep(ms);
		if (ms < WAIT_MS_MAX)
			ms *= 2;
		else if (waits++ % WAITS_PER_LINE == 0)
			dev_info(&dev_dax->dev,
				 "waits for somebody who has pinned page %#lx of it\n",
				 READ_ONCE(dev_dax->unused));
	}
}
EXPORT_SYMBOL_FOR_MODULES(dev_dax_wait_for_pages, "device_dax,fsdev_dax");
