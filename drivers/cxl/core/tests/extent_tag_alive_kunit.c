// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tag names one allocation on all of this host: how long it is alive, and when it
 * is free again
 */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/workqueue.h>
#include "extent_fake.h"

/* What becomes of the first allocation of tag 1, blocks 10 and 12 ------------- */

static void lend(struct fake *fake)
{
	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 12, 1 });
}

static void is_held(struct fake *fake)
{
	lend(fake);
}

static void is_pending(struct fake *fake)
{
	lend(fake);
	fake_use(fake, 12, 1);
	FAKE_ASK(fake, { 1, 10, 1 });
}

static void is_asked(struct fake *fake)
{
	struct cxl_extent_record record;

	lend(fake);
	record = fake_item_record(&(struct fake_item) { 1, 10, 1 }, true);
	fake_ask_record(fake, &record);
}

static void release_refused(struct fake *fake)
{
	lend(fake);
	fake_fail_always(fake, FAKE_RELEASE, CXL_MBOX_CMD_RC_BUSY);
	FAKE_ASK(fake, { 1, 10, 1 });
	fake_mend(fake);
}

static void release_refused_for_one(struct fake *fake)
{
	lend(fake);
	fake_fail_first(fake, FAKE_RELEASE, 2, CXL_MBOX_CMD_RC_BUSY, 0);
	FAKE_ASK(fake, { 1, 10, 1 });
	FAKE_EXPECT_HELD(fake, { 10, 1 });
}

static void not_published_not_released(struct fake *fake)
{
	fake_fail(fake, FAKE_PUBLISH, 1, -ENOMEM, 0);
	fake_fail_always(fake, FAKE_RELEASE, CXL_MBOX_CMD_RC_BUSY);
	FAKE_OFFER(fake, { 1, 10, 1 }, { 1, 12, 1 });
	fake_mend(fake);
	FAKE_EXPECT_HELD(fake, { 10, 1 }, { 12, 1 });
}

static void vanished_in_use(struct fake *fake)
{
	lend(fake);
	fake_use(fake, 12, 1);
	fake->pinned = true;
	fake_device_forget(fake, FAKE_DPA(10));
	fake_lose(fake);
}

static void is_recovered(struct fake *fake)
{
	fake_unmap(fake, 0);
	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 1, 12, 1 });
	KUNIT_EXPECT_EQ(fake->test, 0, fake_map(fake, 0, 0, FAKE_MAPPED));
}

static void is_free(struct fake *fake)
{
}

static void is_released(struct fake *fake)
{
	lend(fake);
	FAKE_ASK(fake, { 1, 10, 1 });
}

static void released_when_idle(struct fake *fake)
{
	is_pending(fake);
	fake_idle(fake);
}

static void released_at_last(struct fake *fake)
{
	release_refused_for_one(fake);
	fake_retry(fake);
}

static void not_accepted(struct fake *fake)
{
	fake_fail(fake, FAKE_RESPOND, 1, CXL_MBOX_CMD_RC_INPUT, 0);
	FAKE_OFFER(fake, { 1, 10, 1 }, { 1, 12, 1 });
}

static void not_answered(struct fake *fake)
{
	fake_fail(fake, FAKE_RESPOND, 1, -ETIMEDOUT, 2);
	FAKE_OFFER(fake, { 1, 10, 1 }, { 1, 12, 1 });
}

static void not_published(struct fake *fake)
{
	fake_fail(fake, FAKE_PUBLISH, 1, -ENOMEM, 0);
	FAKE_OFFER(fake, { 1, 10, 1 }, { 1, 12, 1 });
}

static void not_prepared(struct fake *fake)
{
	fake_fail(fake, FAKE_PREPARE, 1, -ENOSPC, 0);
	FAKE_OFFER(fake, { 1, 10, 1 }, { 1, 12, 1 });
}

static void not_complete(struct fake *fake)
{
	FAKE_OFFER(fake, { 1, 10, 1 }, { 1, FAKE_MAPPED, 1 });
}

static void chain_abandoned(struct fake *fake)
{
	fake_offer_tagged(fake, 1, 10, 1, 0, true);
	guard(mutex)(&fake->extents.lock);
	cxl_extents_abandon_chain(&fake->extents);
}

static void chain_expired(struct fake *fake)
{
	fake_offer_tagged(fake, 1, 10, 1, 0, true);
	fake_expire(fake, jiffies + CXL_CHAIN_TIMEOUT_SECONDS * HZ + 1);
	fake->offering = false;
}

static void region_gone(struct fake *fake)
{
	lend(fake);
	fake_unmap(fake, 0);
	KUNIT_EXPECT_EQ(fake->test, 0, fake_map(fake, 0, 0, FAKE_MAPPED));
}

/* The device still lists it, and this host can't use it in any region */
static void region_gone_in_use(struct fake *fake)
{
	lend(fake);
	fake_use(fake, 12, 1);
	fake_unmap(fake, 0);
	fake->nr_busy = 0;
	KUNIT_EXPECT_EQ(fake->test, 0, fake_map(fake, 0, 64, FAKE_MAPPED - 64));
}

static void vanished(struct fake *fake)
{
	lend(fake);
	FAKE_FORGET(fake, { 1, 10, 1 }, { 1, 12, 1 });
	fake_lose(fake);
}

static void vanished_in_part(struct fake *fake)
{
	lend(fake);
	fake_device_forget(fake, FAKE_DPA(12));
	fake_lose(fake);
}

static void recovered_in_part(struct fake *fake)
{
	fake_unmap(fake, 0);
	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 1, FAKE_MAPPED, 1 });
	KUNIT_EXPECT_EQ(fake->test, 0, fake_map(fake, 0, 0, FAKE_MAPPED));
}

struct alive_case {
	const char *name;
	void (*what)(struct fake *fake);
	bool alive;
};

static const struct alive_case alive_cases[] = {
	{ "held", is_held, true },
	{ "in use and asked back", is_pending, true },
	{ "asked back in an open chain", is_asked, true },
	{ "release refused", release_refused, true },
	{ "release refused for one extent", release_refused_for_one, true },
	{ "neither published nor released", not_published_not_released, true },
	{ "pinned and in part not listed", vanished_in_use, true },
	{ "recovered", is_recovered, true },
	{ "never seen", is_free },
	{ "released", is_released },
	{ "released when idle", released_when_idle },
	{ "released at last", released_at_last },
	{ "response refused", not_accepted },
	{ "response processed, no answer", not_answered },
	{ "not published", not_published },
	{ "not prepared", not_prepared },
	{ "not complete", not_complete },
	{ "chain abandoned", chain_abandoned },
	{ "chain timed out", chain_expired },
	{ "region gone", region_gone },
	{ "region gone while in use", region_gone_in_use },
	{ "not listed any more", vanished },
	{ "in part not listed any more", vanished_in_part },
	{ "recovered in part", recovered_in_part },
};

KUNIT_ARRAY_PARAM_DESC(alive, alive_cases, name);

/* Offer tag 1 with @fake, twice: what is refused as alive is so completely */
static void offer_beside(struct fake *fake, bool alive)
{
	u64 before = fake->extents.stats.accepted;

	fake_forget_calls(fake);
	FAKE_OFFER(fake, { 1, 100, 1 }, { 2, 110, 1 }, { 1, 102, 1 },
		   { 0, 120, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	KUNIT_EXPECT_EQ(fake->test, fake->extents.stats.accepted,
			before + (alive ? 2 : 4));
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_ALIVE, alive ? 2 : 0);
	if (alive) {
		FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 110, 1 },
				  { 120, 1 });
	} else {
		FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 100, 1 }, { 110, 1 },
				  { 102, 1 }, { 120, 1 });
		FAKE_EXPECT_LAYOUT(fake, 1, { 100, 1 }, { 102, 1 });
	}
}

static void on_the_same_device(struct kunit *test)
{
	const struct alive_case *param = test->param_value;
	struct fake *fake = test->priv;

	param->what(fake);
	offer_beside(fake, param->alive);
	fake_mend(fake);
	fake_idle(fake);
	scoped_guard(mutex, &fake->extents.lock)
		cxl_extents_abandon_chain(&fake->extents);
	fake_check(fake);
	fake_end(fake);
	fake_expect_tags_free(test);
}

static void on_another_device(struct kunit *test)
{
	const struct alive_case *param = test->param_value;
	struct fake *fake = test->priv;
	struct fake *peer = fake_new_peer(fake);

	param->what(fake);
	offer_beside(peer, param->alive);
	fake_idle(fake);
	scoped_guard(mutex, &fake->extents.lock)
		cxl_extents_abandon_chain(&fake->extents);
	fake_check(fake);
	fake_end(fake);
	fake_expect_tags_free(test);
}

/* Turn about: one has it, then the other */
static void tag_moves_between_devices(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct fake *peer = fake_new_peer(fake);
	struct fake *has = fake, *wants = peer;

	for (int i = 0; i < 6; i++) {
		FAKE_LEND(has, { 1, 10, 1 }, { 1, 12, 1 });
		FAKE_OFFER(wants, { 1, 10, 1 }, { 1, 12, 1 });
		FAKE_EXPECT_HELD(has, { 10, 1 }, { 12, 1 });
		FAKE_EXPECT_HELD_NONE(wants);
		fake_check(fake);
		FAKE_ASK(has, { 1, 12, 1 });
		FAKE_EXPECT_HELD_NONE(has);
		fake_check(fake);
		swap(has, wants);
	}
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_ALIVE, 6);
	FAKE_EXPECT_REASON(peer, CXL_EXTENT_TAG_ALIVE, 6);
}

/* Untagged extents of two devices have nothing in common */
static void no_tag_is_no_tag(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct fake *peer = fake_new_peer(fake);

	FAKE_LEND(fake, { 0, 10, 1 }, { 0, 12, 1 });
	FAKE_LEND(peer, { 0, 10, 1 }, { 0, 12, 1 });
	FAKE_EXPECT_HELD(fake, { 10, 1 }, { 12, 1 });
	FAKE_EXPECT_HELD(peer, { 10, 1 }, { 12, 1 });
}

/* The other device goes, and its tags with it */
static void device_goes(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct fake *peer = fake_new_peer(fake);

	FAKE_LEND(peer, { 1, 10, 1 }, { 1, 12, 1 });
	FAKE_OFFER(fake, { 1, 10, 1 });
	FAKE_EXPECT_HELD_NONE(fake);
	fake_unmap(peer, 0);
	FAKE_OFFER(fake, { 1, 10, 1 });
	FAKE_EXPECT_HELD(fake, { 10, 1 });
	fake_check(fake);
}

/* At the same time -------------------------------------------------------------- */

#define ROUNDS	200

/**
 * struct racer - what one of two threads does
 * @work: runs @what
 * @what: to be done with @fake as soon as the other is ready, too
 * @fake: the device
 * @ready: number of threads that are
 */
struct racer {
	struct work_struct work;
	void (*what)(struct fake *fake);
	struct fake *fake;
	atomic_t *ready;
};

static void race(struct work_struct *work)
{
	struct racer *racer = container_of(work, struct racer, work);

	atomic_inc(racer->ready);
	while (atomic_read(racer->ready) < 2)
		cond_resched();
	racer->what(racer->fake);
}

static void run_both(struct fake *fake, void (*what)(struct fake *fake),
		     struct fake *peer, void (*peer_what)(struct fake *fake))
{
	atomic_t ready = ATOMIC_INIT(0);
	struct racer a = { .what = what, .fake = fake, .ready = &ready };
	struct racer b = { .what = peer_what, .fake = peer, .ready = &ready };

	INIT_WORK_ONSTACK(&a.work, race);
	INIT_WORK_ONSTACK(&b.work, race);
	queue_work(system_dfl_wq, &a.work);
	queue_work(system_dfl_wq, &b.work);
	flush_work(&a.work);
	flush_work(&b.work);
	destroy_work_on_stack(&a.work);
	destroy_work_on_stack(&b.work);
}

static void offer_it(struct fake *fake)
{
	FAKE_OFFER(fake, { 1, 10, 1 }, { 1, 12, 1 });
}

static void ask_for_it(struct fake *fake)
{
	FAKE_ASK(fake, { 1, 10, 1 });
}

static unsigned int nr_held(struct fake *fake)
{
	unsigned int nr = 0;

	guard(mutex)(&fake->extents.lock);
	for (struct rb_node *node = rb_first_cached(&fake->extents.held); node;
	     node = rb_next(node))
		nr++;
	return nr;
}

static void of_two_offers_one_is_accepted(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct fake *peer = fake_new_peer(fake);
	unsigned int won = 0;

	fake_stop_tracking(fake);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (i % 2)
			run_both(fake, offer_it, peer, offer_it);
		else
			run_both(peer, offer_it, fake, offer_it);
		KUNIT_ASSERT_EQ(test, nr_held(fake) + nr_held(peer), 2);
		KUNIT_ASSERT_NE(test, nr_held(fake), 1);
		won += !!nr_held(fake);
		fake_check(fake);
		fake_give_back(fake, 0);
		fake_give_back(peer, 0);
		fake_forget_calls(fake);
		fake_forget_calls(peer);
	}
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_ALIVE, 2 * (ROUNDS - won));
	FAKE_EXPECT_REASON(peer, CXL_EXTENT_TAG_ALIVE, 2 * won);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.accepted, 2 * won);
	kunit_info(test, "%u of %u\n", won, ROUNDS);
	fake_end(fake);
	fake_expect_tags_free(test);
}

/* The offer is accepted or refused, and accepted when it comes again */
static void offer_meets_release(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct fake *peer = fake_new_peer(fake);
	struct fake *has = fake, *wants = peer;

	fake_stop_tracking(fake);
	offer_it(has);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		run_both(has, ask_for_it, wants, offer_it);
		KUNIT_ASSERT_EQ(test, nr_held(has), 0);
		KUNIT_ASSERT_NE(test, nr_held(wants), 1);
		fake_check(fake);
		if (!nr_held(wants))
			offer_it(wants);
		KUNIT_ASSERT_EQ(test, nr_held(wants), 2);
		fake_forget_calls(fake);
		fake_forget_calls(peer);
		swap(has, wants);
	}
	fake_end(fake);
	fake_expect_tags_free(test);
}

static struct kunit_case alive_kunit_cases[] = {
	KUNIT_CASE_PARAM(on_the_same_device, alive_gen_params),
	KUNIT_CASE_PARAM(on_another_device, alive_gen_params),
	KUNIT_CASE(tag_moves_between_devices),
	KUNIT_CASE(no_tag_is_no_tag),
	KUNIT_CASE(device_goes),
	KUNIT_CASE(of_two_offers_one_is_accepted),
	KUNIT_CASE(offer_meets_release),
	{}
};

static struct kunit_suite alive_suite = {
	.name = "cxl_extent_tag_alive",
	.init = fake_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = alive_kunit_cases,
};

kunit_test_suite(alive_suite);
