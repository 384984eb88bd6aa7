// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of a DAX device, and who still has a reference to one
 *
 * Somebody who has pinned a page (RDMA, VFIO, a pipe) accesses it without a mapping.
 * Neither the struct page nor the memory may go before that has ended, and
 * memunmap_pages() doesn't wait for it: the references that it counts are not those
 * to the pages of a device.
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

/* Someone besides the device itself has a reference */
static bool is_referenced(const struct folio *folio,
			  const struct dev_pagemap *pgmap)
{
	return folio_ref_count(folio) > (pgmap->type == MEMORY_DEVICE_GENERIC);
}

/**
 * dax_pages_in_use() - look for pages with references
 * @range: host addresses of a device, or of a part of it
 * @found: called for each page in use; NULL: the first of them will do
 * @arg: for @found
 *
 * Sleeps. References that come and go meanwhile may be seen or not: nobody should be
 * able to map the memory.
 *
 * Return: true if any page is in use, or if these are not pages of a device
 */
bool dax_pages_in_use(const struct range *range,
		      void (*found)(unsigned long pfn, void *arg), void *arg)
{
	unsigned long pfn = PHYS_PFN(range->start);
	unsigned long end = PHYS_PFN(range->end) + 1;
	struct dev_pagemap *pgmap = get_dev_pagemap(pfn);
	bool in_use = false;

	/* system RAM, or a driver that comes or goes */
	if (!pgmap)
		return true;
	while (pfn < end && (found || !in_use)) {
		struct folio *folio = pfn_folio(pfn);

		if (is_referenced(folio, pgmap)) {
			in_use = true;
			if (found)
				found(pfn, arg);
		}
		pfn += folio_nr_pages(folio);
		cond_resched();
	}
	put_dev_pagemap(pgmap);
	return in_use;
}

/**
 * dev_dax_wait_for_pages() - wait until nobody has a page any more
 * @dev_dax: killed, its pages still there
 *
 * For as long as that takes, since there is no way to take a page from its holder.
 */
void dev_dax_wait_for_pages(struct dev_dax *dev_dax)
{
	unsigned int ms = 1;
	int i = 0;

	while (i < dev_dax->nr_range) {
		if (!dax_pages_in_use(&dev_dax->ranges[i].range, NULL, NULL)) {
			i++;
			continue;
		}
		msleep(ms);
		if (ms == WAIT_MS_MAX)
			continue;
		ms *= 2;
		if (ms == WAIT_MS_MAX)
			dev_info(&dev_dax->dev,
				 "waits for pages that somebody has pinned\n");
	}
}
EXPORT_SYMBOL_GPL(dev_dax_wait_for_pages);
