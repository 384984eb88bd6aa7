// SPDX-License-Identifier: GPL-2.0-only
/*
 * System RAM that is lost
 *
 * Memory goes offline by migrating what lives in it. When the memory is not ours any
 * more, that would copy foreign data into pages that are alive. So every page that
 * user space has is handed to memory_failure() first: its owners get SIGBUS when they
 * touch it. Then block by block goes offline and is removed, but only if a look at
 * each of its pages, after new users were locked out and before anything migrates,
 * finds none in use. That a page is poisoned does not mean that nobody has it: it is
 * noted which ones memory_failure() has taken. As long as any of the memory is there,
 * nobody else can take it offline without that look either: pages that are poisoned
 * would pass for free. Nor can anybody bring it online again.
 *
 * Pages that are pinned can't be taken from their holder, nor those that the kernel
 * has for itself from the kernel. What can't be removed stays, its free pages are
 * poisoned so that nobody gets them any more, and the log names it. memory_failure()
 * logs each page by itself.
 *
 * The struct pages must not lie in the memory itself: memmap_on_memory is refused in
 * sparse regions.
 */
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/page-flags.h>
#include <linux/range.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "bus.h"
#include "dax-private.h"

/* A block whose pages find new users all the time stays */
#define DEAD_OFFLINE_TRIES	3

/**
 * struct dead_ram - system RAM that is to be removed
 * @range: all of it
 * @poisoned: pages handed to memory_failure()
 * @kept: of those, the ones that it could not take from their owners
 */
struct dead_ram {
	const struct range *range;
	unsigned long poisoned;
	unsigned long kept;
};

#if IS_ENABLED(CONFIG_MEMORY_HOTREMOVE)
/**
 * struct lost_ram - a range that is lost, as long as any of it is there
 * @node: node in @lost_rams
 * @range: aligned to blocks of memory
 * @taken: a bit for each page that memory_failure() has a reference to
 */
struct lost_ram {
	struct list_head node;
	struct range range;
	unsigned long taken[];
};

static LIST_HEAD(lost_rams);
static DEFINE_MUTEX(lost_lock);		/* protects lost_rams */

/* The range that the byte at @start is of */
static struct lost_ram *find_lost(u64 start)
{
	struct lost_ram *lost;

	lockdep_assert_held(&lost_lock);
	list_for_each_entry(lost, &lost_rams, node)
		if (start >= lost->range.start && start <= lost->range.end)
			return lost;
	return NULL;
}

/* memory_failure() has kept a reference to a page */
static void __maybe_unused note_taken(unsigned long pfn)
{
	struct lost_ram *lost;

	guard(mutex)(&lost_lock);
	lost = find_lost(PFN_PHYS(pfn));
	if (lost)
		__set_bit(pfn - PHYS_PFN(lost->range.start), lost->taken);
}
#else
static void __maybe_unused note_taken(unsigned long pfn)
{
}
#endif

/*
 * Hand a page to memory_failure(), with a reference that goes with it if @used: so
 * nobody else gets the page in between. A kernel without hwpoison leaves what is in
 * use where it is.
 */
static void poison(struct dead_ram *ram, struct page *page, bool used)
{
#ifdef CONFIG_MEMORY_FAILURE
	unsigned long pfn = page_to_pfn(page);
	bool lru = PageLRU(page);
	int rc = memory_failure(pfn, used ? MF_COUNT_INCREASED : 0);

	ram->poisoned++;
	page = pfn_to_online_page(pfn);
	/* it may be content with a page that is pinned. One reference is its own. */
	if (rc || (page && page_ref_count(page) > 1))
		ram->kept++;
	/* it keeps the reference when it can't take the page from all who have it */
	if (!rc || (page && used && rc == -EBUSY && !PageCompound(page) &&
		    (lru || !page_folio(page)->mapping)))
		note_taken(pfn);
#else
	if (used)
		put_page(page);
#endif
}

/* Is it mapped or cached for user space, or may be? Then it can be taken from it */
static bool is_of_user(struct page *page)
{
	struct folio *folio = page_folio(page);

	/* it may become another folio's at any time: folio_test_lru() can't have that */
	if (folio_test_hugetlb(folio) || PageLRU(page))
		return true;
	/* others have something else in the place of ->mapping */
	return !page_has_type(&folio->page) && folio->mapping;
}

/* Nobody has it; inner pages of free memory look like that, too */
static bool is_free(struct page *page)
{
	return !page_ref_count(page) && !PageCompound(page) &&
	       (PageBuddy(page) || !page_has_type(page));
}

/* Whoever has the page keeps it until it is taken, or nobody has it any more */
static void poison_used(struct dead_ram *ram, struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_try_get(folio)) {
		/* a huge page that nobody has */
		if (folio_test_hugetlb(folio))
			poison(ram, page, false);
		return;
	}
	if (page_folio(page) == folio && is_of_user(page))
		poison(ram, page, true);
	else
		folio_put(folio);
}

/* Poison what user space has of @range, or, with @all, what is free as well */
static void poison_range(struct dead_ram *ram, const struct range *range,
			 bool all)
{
	unsigned long end = PHYS_PFN(range->end) + 1;

	for (unsigned long pfn = PHYS_PFN(range->start); pfn < end; pfn++) {
		struct page *page;

		cond_resched();
		if (signal_pending(current))
			return;
		page = pfn_to_online_page(pfn);
		if (!page || is_page_hwpoison(page))
			continue;
		if (!is_free(page)) {
			if (is_of_user(page))
				poison_used(ram, page);
		} else if (all) {
			poison(ram, page, false);
		}
	}
}

#if IS_ENABLED(CONFIG_MEMORY_HOTREMOVE)
/*
 * Nobody but memory_failure() has it, neither a user nor the page cache. Anonymous
 * memory keeps its ->mapping: that can't be a page which the kernel has for itself.
 */
static bool is_taken(const struct lost_ram *lost, struct page *page)
{
	unsigned long nr = page_to_pfn(page) - PHYS_PFN(lost->range.start);
	struct folio *folio = page_folio(page);

	if (!PageHWPoison(page) || page_ref_count(page) != 1 ||
	    folio_test_large(folio) || page_has_type(page))
		return false;
	if (folio_test_lru(folio) || folio_mapped(folio))
		return false;
	return folio_test_anon(folio) ||
	       (!folio->mapping && test_bit(nr, lost->taken));
}

/* No page is in a list of a processor, nor goes there */
static bool in_use(const struct lost_ram *lost, struct page *page)
{
	struct folio *folio = page_folio(page);

	if (page_ref_count(page))
		return !is_taken(lost, page);
	if (folio_test_hugetlb(folio))
		return folio_ref_count(folio);
	if (is_free_buddy_page(page))
		return false;
	/* no references are counted of slab, or not yet when it is being allocated */
	return page_has_type(&folio->page) || !PageHWPoison(page);
}

static bool any_in_use(const struct lost_ram *lost, unsigned long pfn,
		       unsigned long nr)
{
	for (unsigned long end = pfn + nr; pfn < end; pfn++)
		if (in_use(lost, pfn_to_page(pfn)))
			return true;
	return false;
}

/**
 * dax_dead_forget() - a range is not there any more, or is not lost
 * @range: as for dax_dead_remove(); need not be known
 */
void dax_dead_forget(const struct range *range)
{
	struct lost_ram *lost;

	guard(mutex)(&lost_lock);
	lost = find_lost(range->start);
	if (lost) {
		list_del(&lost->node);
		kvfree(lost);
		module_put(THIS_MODULE);
	}
}
EXPORT_SYMBOL_FOR_MODULES(dax_dead_forget, "kmem");

/* Nobody is to take @range offline under who uses it. Return: can that be seen to? */
static bool remember_lost(const struct range *range)
{
	struct lost_ram *lost;

	guard(mutex)(&lost_lock);
	if (find_lost(range->start))
		return true;
	lost = kvzalloc_flex(*lost, taken,
			     BITS_TO_LONGS(PHYS_PFN(range_len(range))));
	if (!lost)
		return false;
	lost->range = *range;
	/* who sees to it stays */
	__module_get(THIS_MODULE);
	list_add(&lost->node, &lost_rams);
	return true;
}

/*
 * What is lost does not go online. It goes offline when nobody has a page of it: none
 * finds a new user any more by then, and none was migrated yet.
 */
static int going(struct notifier_block *nb, unsigned long action, void *arg)
{
	const struct memory_notify *notify = arg;
	bool online = action == MEM_GOING_ONLINE;
	struct lost_ram *lost;

	if (!online && action != MEM_GOING_OFFLINE)
		return NOTIFY_DONE;
	guard(mutex)(&lost_lock);
	lost = find_lost(PFN_PHYS(notify->start_pfn));
	if (!lost)
		return NOTIFY_DONE;
	return online || any_in_use(lost, notify->start_pfn, notify->nr_pages) ?
		       notifier_from_errno(-EBUSY) : NOTIFY_OK;
}

static struct notifier_block lost_nb = { .notifier_call = going };

/* Return: 0 or an errno */
int __init dax_dead_init(void)
{
	return register_memory_notifier(&lost_nb);
}

void dax_dead_exit(void)
{
	unregister_memory_notifier(&lost_nb);
}

static int remove_block(struct dead_ram *ram, const struct range *block)
{
	int rc = -EINTR;

	for (int i = 0; rc && i < DEAD_OFFLINE_TRIES; i++) {
		if (signal_pending(current))
			return -EINTR;
		poison_range(ram, block, false);
		rc = offline_and_remove_memory(block->start, range_len(block));
	}
	if (rc)
		poison_range(ram, block, true);
	return rc;
}

static u64 remove_blocks(struct dead_ram *ram, struct device *dev)
{
	const u64 size = memory_block_size_bytes();
	u64 left = 0;

	/* all of it, before the first block takes its time */
	poison_range(ram, ram->range, false);
	for (u64 start = ram->range->start; start < ram->range->end;
	     start += size) {
		struct range block = DEFINE_RANGE(start, start + size - 1);

		if (!pfn_valid(PHYS_PFN(start)) || !remove_block(ram, &block))
			continue;
		left += size;
		dev_err_ratelimited(dev, "lost memory %#llx-%#llx stays: in use\n",
				    block.start, block.end);
	}
	return left;
}

/**
 * dax_dead_remove() - take system RAM away that is lost
 * @dev: whose it was, for the log
 * @range: in blocks of memory; some may be gone already
 *
 * Context: a signal ends it
 * Return: how much of it could not be removed, bytes
 */
u64 dax_dead_remove(struct device *dev, const struct range *range)
{
	struct dead_ram ram = { .range = range };
	u64 left = range_len(range);

	if (remember_lost(range))
		left = remove_blocks(&ram, dev);
	if (!left)
		dax_dead_forget(range);
	dev_warn_ratelimited(dev, "lost %#llx-%#llx: %lu pages poisoned, %lu of them still in use, %llu bytes stay\n",
			     range->start, range->end, ram.poisoned, ram.kept,
			     left);
	return left;
}
EXPORT_SYMBOL_FOR_MODULES(dax_dead_remove, "kmem");
#else
int __init dax_dead_init(void)
{
	return 0;
}

void dax_dead_exit(void)
{
}

void dax_dead_forget(const struct range *range)
{
}
EXPORT_SYMBOL_FOR_MODULES(dax_dead_forget, "kmem");

static bool remember_lost(const struct range *range)
{
	return true;
}

u64 dax_dead_remove(struct device *dev, const struct range *range)
{
	struct dead_ram ram = { .range = range };

	/* it can't be taken away from the kernel */
	poison_range(&ram, range, true);
	dev_err_ratelimited(dev, "lost memory %#llx-%#llx stays, poisoned\n",
			    range->start, range->end);
	return range_len(range);
}
EXPORT_SYMBOL_FOR_MODULES(dax_dead_remove, "kmem");
#endif

/**
 * dax_dead_poison() - take system RAM that is lost from its users
 * @range: as for dax_dead_remove(), which is to follow; some of it may be removed
 *	   already, or be removed meanwhile
 */
void dax_dead_poison(const struct range *range)
{
	struct dead_ram ram = { .range = range };

	/* first: what is poisoned would go offline, whoever has it pinned */
	remember_lost(range);
	poison_range(&ram, range, false);
}
EXPORT_SYMBOL_FOR_MODULES(dax_dead_poison, "kmem");
