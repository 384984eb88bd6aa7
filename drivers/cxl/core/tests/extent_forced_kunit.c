// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device takes by force
 */
#include <linux/jiffies.h>
#include "extent_fake.h"

static void expect_silence(struct fake *fake)
{
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
}

/* Without a tag, not in use ------------------------------------------------------- */

static void all_of_an_extent(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lend(fake, 20, 1);
	fake_force(fake, 5, 3, false);
	expect_silence(fake);
	FAKE_EXPECT_HELD(fake, { 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 1);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.killed, 1);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.forced_records, 1);
	fake_check(fake);

	/* it may be lent again */
	fake_lend(fake, 5, 3);
	FAKE_EXPECT_HELD(fake, { 5, 3 }, { 20, 1 });
}

static void several_at_once(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lend(fake, 10, 2);
	fake_lend(fake, 20, 4);
	fake_force(fake, 6, 15, false);
	expect_silence(fake);
	FAKE_EXPECT_HELD(fake, { 5, 1 }, { 21, 3 });
	fake_check(fake);
}

static void middle_of_an_extent(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_force(fake, 14, 2, false);
	expect_silence(fake);
	FAKE_EXPECT_HELD(fake, { 10, 4 }, { 16, 4 });
	fake_check(fake);
	fake_force(fake, 10, 1, false);
	FAKE_EXPECT_HELD(fake, { 11, 3 }, { 16, 4 });
	fake_check(fake);
}

/* What is around it and too small to be held goes back */
static void part_of_a_block(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct cxl_extent_record record = fake_record(14, 1, false);
	struct range dpa;

	fake_lend(fake, 10, 10);
	record.start += SZ_64K;
	record.len = SZ_64K;
	dpa = fake_range(&record);
	fake_device_take(fake, &dpa);
	fake_force_record(fake, &record);
	FAKE_EXPECT_HELD(fake, { 10, 4 }, { 15, 5 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	fake_check(fake);
}

static void part_whose_user_leaves(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_use(fake, 12, 1);
	fake->leaving = true;
	fake_force(fake, 14, 2, false);
	expect_silence(fake);
	FAKE_EXPECT_HELD(fake, { 10, 4 }, { 16, 4 });
	fake_check(fake);
}

static void rest_without_memory(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake->fail_alloc = 1;
	fake_force(fake, 14, 2, false);
	fake_mend(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 4 }, { 16, 4 });
	fake_check(fake);
}

static void rest_not_published(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_fail(fake, FAKE_PUBLISH, 1, -ENOMEM, 0);
	fake_force(fake, 14, 2, false);
	FAKE_EXPECT_HELD(fake, { 16, 4 });
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 4 });
	fake_check(fake);
}

/* With a tag ------------------------------------------------------------------------ */

static void one_extent_of_a_tag(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 14, 2 }, { 2, 20, 1 }, { 1, 12, 1 });
	FAKE_FORCE(fake, { 1, 14, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 1 }, { 12, 1 });
	FAKE_EXPECT_HELD(fake, { 20, 1 });
	fake_check(fake);
	FAKE_LEND(fake, { 1, 14, 1 });	/* the tag is free */
}

static void all_of_a_tag(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 14, 2 }, { 1, 12, 1 });
	FAKE_FORCE(fake, { 1, 12, 1 }, { 1, 10, 1 }, { 1, 14, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 1);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static void another_tag_and_still_listed(struct kunit *test)
{
	struct fake *fake = test->priv;
	const struct fake_item item = { 2, 10, 1 };
	struct cxl_extent_record record = fake_item_record(&item, false);

	FAKE_LEND(fake, { 1, 10, 1 });
	fake_force_record(fake, &record);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_MISMATCH, 1);
	FAKE_EXPECT_HELD(fake, { 10, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 10, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_KILL, 0);
	fake_check(fake);
}

static void another_tag_and_gone(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 12, 1 });
	fake_use(fake, 10, 1);
	FAKE_FORCE(fake, { 2, 10, 1 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_MISMATCH, 1);
	FAKE_EXPECT_HELD_NONE(fake);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 12, 1 });
	fake_check(fake);
}

/* Tries of a comparison that were in vain before are none of this record's */
static void another_tag_after_many_tries(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 12, 1 });
	fake_fail_always(fake, FAKE_LIST, -EBUSY);
	fake_lose(fake);
	for (int i = 0; i < 100; i++)
		fake_settle(fake);
	fake_mend(fake);

	fake_fail(fake, FAKE_LIST, 1, -EBUSY, 0);
	FAKE_FORCE(fake, { 2, 10, 1 });
	fake_settle(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* In use ----------------------------------------------------------------------------- */

static void in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_use(fake, 6, 1);
	fake_force(fake, 5, 3, false);
	expect_silence(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
	fake_idle(fake);
	expect_silence(fake);
}

/* A user has it, so all of it is dead, and what is left goes back */
static void part_of_what_is_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_use(fake, 10, 1);
	fake_force(fake, 14, 2, false);
	FAKE_EXPECT_HELD_NONE(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 4 }, { 16, 4 });
	fake_check(fake);
}

static void pinned(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_LEND(fake, { 1, 10, 4 }, { 1, 20, 4 });
	fake_use(fake, 20, 1);
	fake->pinned = true;
	FAKE_FORCE(fake, { 1, 10, 2 });
	expect_silence(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);

	/* nothing else may come in its place, nothing of it may go */
	FAKE_OFFER(fake, { 0, 10, 2 });
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_STILL_USED, 1);
	FAKE_ASK(fake, { 1, 20, 4 });
	fake_retry(fake);
	fake_expire(fake, jiffies);
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);

	fake_unpin(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 12, 2 }, { 20, 4 });
	fake_check(fake);
	FAKE_LEND(fake, { 1, 20, 4 });
}

static void pinned_and_taken_again(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_LEND(fake, { 1, 10, 4 }, { 1, 20, 4 });
	fake_use(fake, 20, 1);
	fake->pinned = true;
	FAKE_FORCE(fake, { 1, 10, 4 });
	FAKE_FORCE(fake, { 1, 20, 4 });
	FAKE_FORCE(fake, { 1, 20, 4 });
	expect_silence(fake);
	fake_check(fake);
	fake_unpin(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);
}

static void pinned_when_the_region_goes(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct range left = DEFINE_RANGE(FAKE_DPA(12), FAKE_DPA(14) - 1);

	fake_lend(fake, 10, 4);
	fake_use(fake, 10, 1);
	fake->pinned = true;
	fake_force(fake, 10, 2, false);
	fake_unmap(fake, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	KUNIT_EXPECT_TRUE(test, fake_is_accepted(fake, &left));
	fake_check(fake);
}

/* When --------------------------------------------------------------------------------- */

static void asked_back_and_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_use(fake, 6, 1);
	fake_ask(fake, 5, 3, false);
	fake_force(fake, 5, 3, false);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->extents.waiting));
}

static void asked_back_in_an_open_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lend(fake, 20, 1);
	fake_ask(fake, 5, 1, true);
	fake_force(fake, 6, 2, false);
	fake_ask(fake, 20, 1, false);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static void not_released_yet(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_fail(fake, FAKE_RELEASE, 1, CXL_MBOX_CMD_RC_BUSY, 0);
	fake_ask(fake, 5, 3, false);
	fake_force(fake, 5, 3, false);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
	fake_retry(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
}

/* The rest of it is lost to this host, and lies in what the device lists as one */
static void part_of_what_is_not_released_yet(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 0, 8);
	fake_fail(fake, FAKE_RELEASE, 1, CXL_MBOX_CMD_RC_BUSY, 0);
	fake_ask(fake, 2, 4, false);
	fake_fail(fake, FAKE_RELEASE, 1, CXL_MBOX_CMD_RC_BUSY, 0);
	fake_force(fake, 4, 4, false);
	FAKE_EXPECT_HELD(fake, { 0, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 3);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 3, { 2, 2 });
	fake_check(fake);
}

static void in_an_open_chain_of_offers(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_offer(fake, 30, 1, true);
	fake_offer(fake, 20, 1, true);
	fake_force(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	fake_offer(fake, 5, 1, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 30, 1 }, { 20, 1 }, { 5, 1 });
	FAKE_EXPECT_HELD(fake, { 5, 1 }, { 20, 1 }, { 30, 1 });
	fake_check(fake);
}

static void nothing_held(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_force(fake, 100, 3, false);
	expect_silence(fake);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	FAKE_EXPECT_COUNT(fake, FAKE_KILL, 0);
	fake_check(fake);
}

static void nonsense(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct cxl_extent_record record = fake_record(5, 3, false);

	fake_lend(fake, 5, 3);
	record.len = 0;
	fake_force_record(fake, &record);
	record.len = U64_MAX;
	fake_force_record(fake, &record);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_BAD_LENGTH, 2);
	record.len = FAKE_BLOCKS * FAKE_BLOCK;
	fake_force_record(fake, &record);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_NO_PARTITION, 1);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake_check(fake);
}

/* The rest waits for the end of the chain, but not for ever */
static void chain_without_end(struct kunit *test)
{
	struct fake *fake = test->priv;
	unsigned long timeout = CXL_CHAIN_TIMEOUT_SECONDS * HZ;

	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 12, 1 });
	fake_device_take(fake, &DEFINE_RANGE(FAKE_DPA(10), FAKE_DPA(11) - 1));
	fake_force_record(fake, &(struct cxl_extent_record) {
		.start = FAKE_DPA(10),
		.len = FAKE_BLOCK,
		.tag = fake_tag(1),
		.more = true,
	});
	FAKE_EXPECT_HELD_NONE(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_expire(fake, jiffies + timeout);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 12, 1 });
	fake_check(fake);
}

static struct kunit_case forced_cases[] = {
	KUNIT_CASE(all_of_an_extent),
	KUNIT_CASE(several_at_once),
	KUNIT_CASE(middle_of_an_extent),
	KUNIT_CASE(part_of_a_block),
	KUNIT_CASE(part_whose_user_leaves),
	KUNIT_CASE(rest_without_memory),
	KUNIT_CASE(rest_not_published),
	KUNIT_CASE(one_extent_of_a_tag),
	KUNIT_CASE(all_of_a_tag),
	KUNIT_CASE(another_tag_and_still_listed),
	KUNIT_CASE(another_tag_and_gone),
	KUNIT_CASE(another_tag_after_many_tries),
	KUNIT_CASE(in_use),
	KUNIT_CASE(part_of_what_is_in_use),
	KUNIT_CASE(pinned),
	KUNIT_CASE(pinned_and_taken_again),
	KUNIT_CASE(pinned_when_the_region_goes),
	KUNIT_CASE(asked_back_and_in_use),
	KUNIT_CASE(asked_back_in_an_open_chain),
	KUNIT_CASE(not_released_yet),
	KUNIT_CASE(part_of_what_is_not_released_yet),
	KUNIT_CASE(in_an_open_chain_of_offers),
	KUNIT_CASE(nothing_held),
	KUNIT_CASE(nonsense),
	KUNIT_CASE(chain_without_end),
	{}
};

static struct kunit_suite forced_suite = {
	.name = "cxl_extent_forced",
	.init = fake_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = forced_cases,
};

kunit_test_suite(forced_suite);
