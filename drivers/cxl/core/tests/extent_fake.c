// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the extent core: set-up, what tests do and what they look at
 */
#include <kunit/static_stub.h>
#include <linux/cleanup.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <trace/events/kmem.h>
#include "extent_fake.h"

/* Objects of the extent core: counted when made, and noticed when freed ------ */

static bool alloc_fails(struct fake *fake)
{
	return ++fake->allocs == fake->fail_alloc;
}

static void track(struct fake *fake, void *object)
{
	for (int i = 0; object && i < FAKE_LIVE; i++) {
		if (fake->live[i])
			continue;
		fake->live[i] = object;
		fake->nr_live++;
		return;
	}
}

static void on_kfree(void *data, unsigned long call_site, const void *object)
{
	struct fake *fake = data;

	if (!object || kunit_get_current_test() != fake->test)
		return;
	for (int i = 0; i < FAKE_LIVE; i++) {
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

static void fake_untrack(void *data)
{
	struct fake *fake = data;

	if (!fake->tracked)
		return;
	fake->tracked = false;
	unregister_trace_kfree(on_kfree, fake);
	tracepoint_synchronize_unregister();
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

/**
 * fake_new_unmapped() - a device with two partitions and no region
 * @test: the test; its ->priv is set
 *
 * Return: what is to be ended by fake_end()
 */
struct fake *fake_new_unmapped(struct kunit *test)
{
	struct fake *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->test = test;
	INIT_LIST_HEAD(&fake->offers);
	INIT_LIST_HEAD(&fake->accepted);
	INIT_LIST_HEAD(&fake->objects);
	INIT_LIST_HEAD(&fake->calls);
	test->priv = fake;

	cxl_extents_init(&fake->extents, &fake_extent_ops);
	fake->extents.partition[0] = partition(0);
	fake->extents.partition[1] = partition(FAKE_PART1);
	fake->extents.nr_partitions = 2;
	fake->extents.align = FAKE_BLOCK;
	cxl_extents_set_limits(&fake->extents, 0);

	fake->tracked = !register_trace_kfree(on_kfree, fake);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_untrack, fake));
	kunit_activate_static_stub(test, cxl_extent_new, extent_new);
	kunit_activate_static_stub(test, cxl_allocation_new, allocation_new);
	return fake;
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
 * fake_end() - all goes, and nothing may be left
 * @fake: what fake_new() returned
 */
void fake_end(struct fake *fake)
{
	struct kunit *test = fake->test;

	fake->nr_busy = 0;
	fake_mend(fake);
	scoped_guard(mutex, &fake->extents.lock)
		cxl_extents_abandon_chain(&fake->extents);
	for (int w = 0; w < FAKE_WINDOWS; w++)
		if (fake->window[w].mapped)
			fake_unmap(fake, w);
	cxl_extents_destroy(&fake->extents);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&fake->extents.held.rb_root));
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->objects));
	if (fake->tracked)
		KUNIT_EXPECT_EQ_MSG(test, fake->nr_live, 0, "objects leaked");
	kunit_deactivate_static_stub(test, cxl_extent_new);
	kunit_deactivate_static_stub(test, cxl_allocation_new);
	kunit_release_action(test, fake_untrack, fake);
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
		open = cxl_extents_chain_open(&fake->extents);
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

/* What they look at ---------------------------------------------------------- */

static const struct fake_call *nth_call(struct fake *fake, enum fake_op op,
					unsigned int nth)
{
	const struct fake_call *call;

	list_for_each_entry(call, &fake->calls, node)
		if (call->op == op && !--nth)
			return call;
	return NULL;
}

static bool is_blocks(const struct fake_blocks *want, u64 start, u64 last)
{
	return start == FAKE_DPA(want->first) &&
	       last == FAKE_DPA(want->first + want->nr) - 1;
}

void fake_expect_named(struct fake *fake, int line, enum fake_op op,
		       unsigned int nth, const struct fake_blocks *want,
		       unsigned int nr)
{
	const struct fake_call *call = nth_call(fake, op, nth);

	if (!call) {
		KUNIT_FAIL(fake->test, "line %d: no such command", line);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(fake->test, call->nr, nr, "line %d", line);
	for (unsigned int i = 0; i < min(call->nr, nr); i++)
		if (!is_blocks(&want[i], call->range[i].start,
			       call->range[i].end))
			KUNIT_FAIL(fake->test, "line %d: entry %u is %#llx-%#llx",
				   line, i, call->range[i].start,
				   call->range[i].end);
}

void fake_expect_count(struct fake *fake, int line, enum fake_op op,
		       unsigned int nr)
{
	KUNIT_EXPECT_EQ_MSG(fake->test, fake->count[op], nr, "line %d", line);
}

static struct cxl_extent *to_extent(struct rb_node *node)
{
	return node ? rb_entry(node, struct cxl_extent, rb) : NULL;
}

static struct cxl_extent *first_held(struct fake *fake)
{
	return to_extent(rb_first_cached(&fake->extents.held));
}

static struct cxl_extent *next_held(struct cxl_extent *extent)
{
	return to_extent(rb_next(&extent->rb));
}

void fake_expect_held(struct fake *fake, int line,
		      const struct fake_blocks *want, unsigned int nr)
{
	struct cxl_extent *extent;
	unsigned int i = 0;

	guard(mutex)(&fake->extents.lock);
	for (extent = first_held(fake); extent; extent = next_held(extent)) {
		if (i >= nr || !is_blocks(&want[i], extent->start,
					  cxl_extent_last(extent)))
			KUNIT_FAIL(fake->test, "line %d: entry %u is %#llx-%#llx",
				   line, i, extent->start,
				   cxl_extent_last(extent));
		i++;
	}
	KUNIT_EXPECT_EQ_MSG(fake->test, i, nr, "line %d", line);
}

/* Does the device know this to be accepted? Its own pieces may be larger */
static bool is_accepted(struct fake *fake, const struct cxl_extent *extent)
{
	struct fake_extent *known;

	list_for_each_entry(known, &fake->accepted, node)
		if (known->record.start <= extent->start &&
		    cxl_extent_last(extent) - known->record.start <
			    known->record.len &&
		    uuid_equal(&known->record.tag, &extent->tag))
			return true;
	return false;
}

static u64 accepted_in_windows(struct fake *fake)
{
	struct fake_extent *known;
	u64 bytes = 0;

	list_for_each_entry(known, &fake->accepted, node) {
		struct range dpa = fake_range(&known->record);
		bool in = false;

		for (int w = 0; w < FAKE_WINDOWS; w++)
			in |= fake->window[w].mapped &&
			      fake_overlap(&dpa, &fake->window[w].window.dpa);
		if (in)
			bytes += known->record.len;
	}
	return bytes;
}

/* DAX has what it is to have: all that is held, usable unless withdrawn */
static void check_object(struct fake *fake, const struct cxl_extent *extent)
{
	const struct cxl_allocation *alloc = extent->alloc;
	const struct fake_object *object = alloc->realized;

	if (alloc->state == CXL_ALLOCATION_WITHDRAWN && !object)
		return;
	KUNIT_EXPECT_NOT_NULL(fake->test, object);
	if (!object)
		return;
	KUNIT_EXPECT_EQ(fake->test, object->dpa.start, extent->start);
	KUNIT_EXPECT_EQ(fake->test, object->dpa.end, cxl_extent_last(extent));
	KUNIT_EXPECT_EQ(fake->test, object->state,
			alloc->state == CXL_ALLOCATION_WITHDRAWN ?
				FAKE_OBJECT_WITHDRAWN : FAKE_OBJECT_PUBLISHED);
}

/**
 * fake_check() - the invariant, with no chain open
 * @fake: what fake_new() returned
 *
 * What the device thinks this host holds in its regions, what this host holds, and
 * what DAX has are the same; every offer is answered; nothing is leaked.
 */
void fake_check(struct fake *fake)
{
	struct cxl_extents *extents = &fake->extents;
	unsigned int nr_held = 0, nr_objects = 0;
	u64 bytes = 0;
	struct cxl_extent *extent;

	guard(mutex)(&extents->lock);
	for (extent = first_held(fake); extent; extent = next_held(extent)) {
		KUNIT_EXPECT_TRUE_MSG(fake->test, is_accepted(fake, extent),
				      "%#llx is held, the device does not know",
				      extent->start);
		check_object(fake, extent);
		nr_objects += !!extent->alloc->realized;
		bytes += extent->len;
		nr_held++;
	}
	KUNIT_EXPECT_EQ(fake->test, bytes, accepted_in_windows(fake));
	KUNIT_EXPECT_EQ(fake->test, nr_objects,
			list_count_nodes(&fake->objects));
	KUNIT_EXPECT_FALSE(fake->test, cxl_extents_chain_open(extents));
	KUNIT_EXPECT_TRUE(fake->test, list_empty(&extents->chain.extents));
	KUNIT_EXPECT_TRUE(fake->test,
			  RB_EMPTY_ROOT(&extents->chain.tree.rb_root));
	KUNIT_EXPECT_EQ(fake->test, list_count_nodes(&fake->offers),
			fake->unanswered);
	/* an extent is an object, and so is its allocation */
	if (fake->tracked)
		KUNIT_EXPECT_EQ(fake->test, fake->nr_live, 2 * nr_held);
}
