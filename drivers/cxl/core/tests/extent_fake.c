// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the extent core: set-up and what tests do
 */
#include <kunit/static_stub.h>
#include <linux/cleanup.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <trace/events/kmem.h>
#include "extent_fake.h"

/* Objects of the extent core: counted when made, and noticed when freed ------ */

/* The test that notices what is freed: one at a time, for this takes long */
static struct kunit *watched;

static bool alloc_fails(struct fake *fake)
{
	return ++fake->allocs == fake->fail_alloc;
}

static void track(struct fake *fake, void *object)
{
	for (unsigned int i = 0; object && i < FAKE_LIVE; i++) {
		if (fake->live[i])
			continue;
		fake->live[i] = object;
		fake->nr_live++;
		fake->nr_slots = max(fake->nr_slots, i + 1);
		return;
	}
}

static void on_kfree(void *data, unsigned long call_site, const void *object)
{
	struct kunit *test = data;
	struct fake *fake;

	/* what an interrupt frees that comes in between is none of ours */
	if (!object || !in_task() || kunit_get_current_test() != test)
		return;
	fake = test->priv;
	if (!fake || !fake->tracked)
		return;
	for (unsigned int i = 0; i < fake->nr_slots; i++) {
		if (fake->live[i] != object)
			continue;
		fake->live[i] = NULL;
		fake->nr_live--;
		return;
	}
}

static struct cxl_extent *extent_new(const struct cxl_extent_record *record)
{
	struct fake *fake = kunit_get_current_test()->priv;
	struct cxl_extent *extent;

	if (alloc_fails(fake))
		return NULL;
	kunit_deactivate_static_stub(fake->test, cxl_extent_new);
	extent = cxl_extent_new(record);
	kunit_activate_static_stub(fake->test, cxl_extent_new, extent_new);
	track(fake, extent);
	return extent;
}

static struct cxl_allocation *allocation_new(void)
{
	struct fake *fake = kunit_get_current_test()->priv;
	struct cxl_allocation *alloc;

	if (alloc_fails(fake))
		return NULL;
	kunit_deactivate_static_stub(fake->test, cxl_allocation_new);
	alloc = cxl_allocation_new();
	kunit_activate_static_stub(fake->test, cxl_allocation_new,
				   allocation_new);
	track(fake, alloc);
	return alloc;
}

static void unwatch(void *test)
{
	unregister_trace_kfree(on_kfree, test);
	tracepoint_synchronize_unregister();
	watched = NULL;
}

/* Notice what is freed, until the test ends. Return: is it possible? */
static bool watch(struct kunit *test)
{
	if (watched == test)
		return true;
	if (register_trace_kfree(on_kfree, test))
		return false;
	watched = test;
	return !kunit_add_action_or_reset(test, unwatch, test);
}

/* Set-up --------------------------------------------------------------------- */

static struct cxl_extent_partition partition(unsigned int first)
{
	return (struct cxl_extent_partition) {
		.dpa = DEFINE_RANGE(FAKE_DPA(first),
				    FAKE_DPA(first + FAKE_BLOCKS) - 1),
		.block_size = FAKE_BLOCK,
	};
}

static struct fake *new_device(struct kunit *test)
{
	struct fake *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->test = test;
	INIT_LIST_HEAD(&fake->offers);
	INIT_LIST_HEAD(&fake->accepted);
	INIT_LIST_HEAD(&fake->objects);
	INIT_LIST_HEAD(&fake->calls);

	cxl_extents_init(&fake->extents, &fake_extent_ops);
	fake->extents.partition[0] = partition(0);
	fake->extents.partition[1] = partition(FAKE_PART1);
	fake->extents.nr_partitions = 2;
	fake->extents.align = FAKE_BLOCK;
	cxl_extents_set_limits(&fake->extents, 0);
	return fake;
}

/**
 * fake_new_unmapped() - a device with two partitions and no region
 * @test: the test; its ->priv is set
 *
 * Return: what is to be ended by fake_end()
 */
struct fake *fake_new_unmapped(struct kunit *test)
{
	struct fake *fake = new_device(test);

	test->priv = fake;
	fake->tracked = watch(test);
	kunit_activate_static_stub(test, cxl_extent_new, extent_new);
	kunit_activate_static_stub(test, cxl_allocation_new, allocation_new);
	fake->stubbed = true;
	return fake;
}

/**
 * fake_stop_tracking() - objects are made and freed by other threads, too
 * @fake: what fake_new() returned; it has nothing yet
 */
void fake_stop_tracking(struct fake *fake)
{
	if (fake->stubbed) {
		kunit_deactivate_static_stub(fake->test, cxl_extent_new);
		kunit_deactivate_static_stub(fake->test, cxl_allocation_new);
	}
	fake->stubbed = false;
	fake->tracked = false;
}

/**
 * fake_new() - a device with two partitions, most of the first one in a region
 * @test: the test; its ->priv is set
 *
 * Return: what is to be ended by fake_end()
 */
struct fake *fake_new(struct kunit *test)
{
	struct fake *fake = fake_new_unmapped(test);

	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 0, 0, FAKE_MAPPED));
	fake_forget_calls(fake);
	return fake;
}

/**
 * fake_new_peer() - another device on the same host, most of it in a region
 * @fake: what fake_new() returned; it has no peer yet
 *
 * Return: what fake_end() of @fake ends
 */
struct fake *fake_new_peer(struct fake *fake)
{
	fake->peer = new_device(fake->test);
	KUNIT_ASSERT_EQ(fake->test, 0,
			fake_map(fake->peer, 0, 0, FAKE_MAPPED));
	fake_forget_calls(fake->peer);
	return fake->peer;
}

static void end_device(struct fake *fake)
{
	fake->nr_busy = 0;
	fake_mend(fake);
	scoped_guard(mutex, &fake->extents.lock)
		cxl_extents_abandon_chain(&fake->extents);
	for (int w = 0; w < FAKE_WINDOWS; w++)
		if (fake->window[w].mapped)
			fake_unmap(fake, w);
	cxl_extents_destroy(&fake->extents);
	KUNIT_EXPECT_TRUE(fake->test,
			  RB_EMPTY_ROOT(&fake->extents.held.rb_root));
	KUNIT_EXPECT_TRUE(fake->test, list_empty(&fake->objects));
}

/**
 * fake_end() - all goes, and nothing may be left
 * @fake: what fake_new() returned
 */
void fake_end(struct fake *fake)
{
	struct kunit *test = fake->test;

	if (fake->peer)
		end_device(fake->peer);
	end_device(fake);
	if (fake->tracked)
		KUNIT_EXPECT_EQ_MSG(test, fake->nr_live, 0, "objects leaked");
	fake_stop_tracking(fake);
	test->priv = NULL;
}

int fake_kunit_init(struct kunit *test)
{
	fake_new(test);
	return 0;
}

int fake_kunit_init_unmapped(struct kunit *test)
{
	fake_new_unmapped(test);
	return 0;
}

void fake_kunit_exit(struct kunit *test)
{
	if (test->priv)
		fake_end(test->priv);
}

/* What tests do -------------------------------------------------------------- */

struct cxl_extent_record fake_record(unsigned int first, unsigned int nr,
				     bool more)
{
	return (struct cxl_extent_record) {
		.start = FAKE_DPA(first),
		.len = nr * FAKE_BLOCK,
		.more = more,
	};
}

/* The device offers, and the host hears of it */
void fake_offer_record(struct fake *fake,
		       const struct cxl_extent_record *record)
{
	guard(mutex)(&fake->extents.lock);
	fake_device_offer(fake, record);
	cxl_extents_add_record(&fake->extents, record);
}

void fake_offer(struct fake *fake, unsigned int first, unsigned int nr,
		bool more)
{
	struct cxl_extent_record record = fake_record(first, nr, more);

	fake_offer_record(fake, &record);
}

/* Tag number 0 is none; the bytes of higher numbers are higher */
uuid_t fake_tag(unsigned int nr)
{
	if (!nr)
		return uuid_null;
	return UUID_INIT(0x01020304, 0x0506, 0x0708, 9, 10, 11, 12, 13, 14, 15,
			 nr);
}

struct cxl_extent_record fake_item_record(const struct fake_item *item,
					  bool more)
{
	struct cxl_extent_record record = fake_record(item->first, item->nr,
						      more);

	record.tag = fake_tag(item->tag);
	record.seq = item->seq;
	return record;
}

void fake_offer_tagged(struct fake *fake, unsigned int tag, unsigned int first,
		       unsigned int nr, u16 seq, bool more)
{
	const struct fake_item item = { tag, first, nr, seq };
	struct cxl_extent_record record = fake_item_record(&item, more);

	fake_offer_record(fake, &record);
}

/* One chain */
void fake_offer_items(struct fake *fake, const struct fake_item *items,
		      unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		fake_offer_tagged(fake, items[i].tag, items[i].first,
				  items[i].nr, items[i].seq, i + 1 < nr);
}

/* Have all of a chain held, and forget how it came about */
void fake_lend_items(struct fake *fake, const struct fake_item *items,
		     unsigned int nr)
{
	u64 accepted = fake->extents.stats.accepted;

	fake_offer_items(fake, items, nr);
	KUNIT_EXPECT_EQ(fake->test, fake->extents.stats.accepted, accepted + nr);
	fake_check(fake->test->priv);
	fake_forget_calls(fake);
}

/* The device knows all of this to be held, in this order */
void fake_remember_items(struct fake *fake, const struct fake_item *items,
			 unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct cxl_extent_record record = fake_item_record(&items[i],
								   false);

		fake_device_remember(fake, &record);
	}
}

void fake_forget_items(struct fake *fake, const struct fake_item *items,
		       unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		fake_device_forget(fake, FAKE_DPA(items[i].first));
}

/* One chain of Release records */
void fake_ask_items(struct fake *fake, const struct fake_item *items,
		    unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct cxl_extent_record record = fake_item_record(&items[i],
								   i + 1 < nr);

		fake_ask_record(fake, &record);
	}
}

/* Have something held, in a chain of its own, and forget how it came about */
void fake_lend(struct fake *fake, unsigned int first, unsigned int nr)
{
	fake_offer(fake, first, nr, false);
	fake_check(fake);
	fake_forget_calls(fake);
}

/* The event log overflows; what the device sends next is a new chain */
void fake_lose(struct fake *fake)
{
	guard(mutex)(&fake->extents.lock);
	fake->offering = false;
	cxl_extents_records_lost(&fake->extents);
}

void fake_ask_record(struct fake *fake, const struct cxl_extent_record *record)
{
	guard(mutex)(&fake->extents.lock);
	cxl_extents_release_record(&fake->extents, record);
}

void fake_ask(struct fake *fake, unsigned int first, unsigned int nr, bool more)
{
	struct cxl_extent_record record = fake_record(first, nr, more);

	fake_ask_record(fake, &record);
}

void fake_expire(struct fake *fake, unsigned long now)
{
	guard(mutex)(&fake->extents.lock);
	cxl_extents_expire(&fake->extents, now);
}

void fake_retry(struct fake *fake)
{
	guard(mutex)(&fake->extents.lock);
	cxl_extents_retry(&fake->extents);
}

/* As the worker does: as long as anything waits for its time, that comes */
void fake_settle(struct fake *fake)
{
	bool open = true;

	for (int i = 0; open && i < 3; i++) {
		guard(mutex)(&fake->extents.lock);
		open = cxl_extents_need_expire(&fake->extents);
		if (open)
			cxl_extents_expire(&fake->extents, jiffies);
	}
}

int fake_map(struct fake *fake, unsigned int window, unsigned int first,
	     unsigned int nr)
{
	struct fake_window *w = &fake->window[window];
	int rc;

	guard(mutex)(&fake->extents.lock);
	w->window.dpa = DEFINE_RANGE(FAKE_DPA(first), FAKE_DPA(first + nr) - 1);
	rc = cxl_extents_window_add(&fake->extents, &w->window);
	w->mapped = !rc;
	return rc;
}

void fake_unmap(struct fake *fake, unsigned int window)
{
	guard(mutex)(&fake->extents.lock);
	cxl_extents_window_remove(&fake->extents, &fake->window[window].window);
	fake->window[window].mapped = false;
}

/* All that is held in a region goes back, the region stays */
void fake_give_back(struct fake *fake, unsigned int window)
{
	guard(mutex)(&fake->extents.lock);
	cxl_extents_release_window(&fake->extents, &fake->window[window].window);
}

void fake_use(struct fake *fake, unsigned int first, unsigned int nr)
{
	KUNIT_ASSERT_LT(fake->test, fake->nr_busy, FAKE_BUSY);
	fake->busy[fake->nr_busy++] = DEFINE_RANGE(FAKE_DPA(first),
						   FAKE_DPA(first + nr) - 1);
}

/* The last user goes */
void fake_idle(struct fake *fake)
{
	fake->nr_busy = 0;
	fake_retry(fake);
}

void fake_fail(struct fake *fake, enum fake_op op, unsigned int nth, int rc,
	       unsigned int done)
{
	fake->fault[op] = (struct fake_fault) {
		.nth = nth,
		.times = 1,
		.rc = rc,
		.done = done,
	};
}

void fake_fail_always(struct fake *fake, enum fake_op op, int rc)
{
	fake_fail(fake, op, 1, rc, 0);
	fake->fault[op].times = UINT_MAX;
}

/* The next calls fail: the first one with @rc, the others with @later */
void fake_fail_first(struct fake *fake, enum fake_op op, unsigned int times,
		     int rc, int later)
{
	fake_fail(fake, op, 1, rc, 0);
	fake->fault[op].times = times;
	fake->fault[op].later = later;
}

/* Nothing fails from now on */
void fake_mend(struct fake *fake)
{
	memset(fake->fault, 0, sizeof(fake->fault));
	fake->fail_alloc = 0;
}

void fake_forget_calls(struct fake *fake)
{
	memset(fake->count, 0, sizeof(fake->count));
	INIT_LIST_HEAD(&fake->calls);
	fake->allocs = 0;
}
