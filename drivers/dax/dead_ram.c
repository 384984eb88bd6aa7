// SPDX-License-Identifier: GPL-2.0-only
/*
 * System RAM that is lost
 *
 * Memory goes offline by migrating what lives in it. When the memory is not ours any
 * more, that would copy foreign data into pages that are alive. So every page that is
 * in use is handed to memory_failure() first: its owners get SIGBUS when they touch
 * it. Then block by block goes offline and is removed, but only if a look at each of
 * its pages, after new users were locked out and before anything migrates, finds none
 * in use: memory_failure() can't take pages that are pinned, or the kernel's own.
 * What can't be removed so stays: all of its pages are poisoned, free ones, too, and
 * the log names it.
 *
 * The struct pages must not lie in the memory itself: memmap_on_memory is refused in
 * sparse regions.
 */
#include <linux/device.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/range.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include "bus.h"

/* A block whose pages find new users all the time is poisoned altogether */
#define DEAD_OFFLINE_TRIES	3

#if IS_ENABLED(CONFIG_MEMORY_HOTREMOVE)
/**
 * struct dead_count - what became of the pages of a range
 * @poisoned: handed to memory_failure()
 * @kept: of those, the ones that it could not take from their owners
 */
struct dead_count {
	unsigned long poisoned;
	unsigned long kept;
};

/* A kernel without hwpoison leaves what is in use where it is */
static void poison(unsigned long pfn, struct dead_count *count)
{
#ifdef CONFIG_MEMORY_FAILURE
	count->poisoned++;
	if (memory_failure(pfn, 0))
		count->kept++;
#endif
}

/* Poison what is in use of a block, or, with @all, what is free as well */
static void poison_block(const struct range *block, bool all,
			 struct dead_count *count)
{
	unsigned long end = PHYS_PFN(block->end) + 1;

	for (unsigned long pfn = PHYS_PFN(block->start); pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		cond_resched();
		if (!page || PageHWPoison(page))
			continue;
		if (all || folio_ref_count(page_folio(page)))
			poison(pfn, count);
	}
}

/**
 * struct dead_guard - keeps pages that are in use from being migrated
 * @nb: hears of memory that is about to go offline
 * @block: what it looks at
 */
struct dead_guard {
	struct notifier_block nb;
	const struct range *block;
};

/* memory_failure() itself keeps a reference to what it has taken from its owners */
static bool block_in_use(const struct range *block)
{
	unsigned long end = PHYS_PFN(block->end) + 1;

	for (unsigned long pfn = PHYS_PFN(block->start); pfn < end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		if (page_ref_count(page) > !!PageHWPoison(page))
			return true;
	}
	return false;
}

/* No page of the block finds a new user any more, and none was migrated yet */
static int going_offline(struct notifier_block *nb, unsigned long action,
			 void *arg)
{
	struct dead_guard *guard = container_of(nb, struct dead_guard, nb);
	const struct memory_notify *notify = arg;

	if (action != MEM_GOING_OFFLINE ||
	    notify->start_pfn != PHYS_PFN(guard->block->start))
		return NOTIFY_DONE;
	return block_in_use(guard->block) ? notifier_from_errno(-EBUSY) :
					    NOTIFY_OK;
}

static int remove_block(const struct range *block, struct dead_count *count)
{
	struct dead_guard guard = {
		.nb.notifier_call = going_offline,
		.block = block,
	};
	int rc = -EBUSY;

	if (register_memory_notifier(&guard.nb))
		return -ENOMEM;
	for (int i = 0; rc && i < DEAD_OFFLINE_TRIES; i++) {
		if (signal_pending(current))
			break;
		poison_block(block, i + 1 == DEAD_OFFLINE_TRIES, count);
		rc = offline_and_remove_memory(block->start, range_len(block));
	}
	unregister_memory_notifier(&guard.nb);
	if (rc)
		poison_block(block, true, count);
	return rc;
}

/**
 * dax_dead_poison() - take system RAM that is lost from its users
 * @range: in blocks of memory; some may be gone already
 */
void dax_dead_poison(const struct range *range)
{
	struct dead_count count = {};

	poison_block(range, false, &count);
}

/**
 * dax_dead_remove() - take system RAM away that is lost
 * @dev: whose it was, for the log
 * @range: in blocks of memory; some may be gone already
 *
 * Return: how much of it could not be removed, bytes
 */
u64 dax_dead_remove(struct device *dev, const struct range *range)
{
	const u64 size = memory_block_size_bytes();
	struct dead_count count = {};
	u64 left = 0;

	/* all of it, before the first block takes its time */
	poison_block(range, false, &count);
	for (u64 start = range->start; start < range->end; start += size) {
		struct range block = DEFINE_RANGE(start, start + size - 1);

		if (!pfn_valid(PHYS_PFN(start)) || !remove_block(&block, &count))
			continue;
		left += size;
		dev_err_ratelimited(dev, "lost memory %#llx-%#llx stays: in use\n",
				    block.start, block.end);
	}
	dev_warn(dev, "lost %#llx-%#llx: %lu pages poisoned, %lu still in use, %llu bytes stay\n",
		 range->start, range->end, count.poisoned, count.kept, left);
	return left;
}
#else
void dax_dead_poison(const struct range *range)
{
}

u64 dax_dead_remove(struct device *dev, const struct range *range)
{
	return range_len(range);
}
#endif
EXPORT_SYMBOL_GPL(dax_dead_poison);
EXPORT_SYMBOL_GPL(dax_dead_remove);

