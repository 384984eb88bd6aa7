// SPDX-License-Identifier: GPL-2.0-only
/*
 * There is no region, or it goes, with what is held in it
 */
#include "extent_fake.h"

static void no_region_at_all(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_unmap(fake, 0);
	fake_forget_calls(fake);
	for (int i = 0; i < 8; i++)
		fake_offer(fake, i, 1, i < 7);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_REFUSED(fake, CXL_EXTENT_NO_REGION, 8);
	fake_check(fake);
}

static void all_goes_back(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 1, FAKE_PART1, FAKE_BLOCKS));
	fake_lend(fake, FAKE_PART1, 1);
	for (int i = 0; i < 5; i++)
		fake_lend(fake, 2 * i, 1);
	fake_ask(fake, 2, 1, true);
	fake_unmap(fake, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_REMOVE, 5);
	FAKE_EXPECT_COUNT(fake, FAKE_LEAVE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 1);
	FAKE_EXPECT_HELD(fake, { FAKE_PART1, 1 });
	fake_check(fake);
}

static void while_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 2, 1);
	fake_lend(fake, 5, 3);
	fake_use(fake, 5, 1);
	fake_unmap(fake, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 2, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_REMOVE, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_LEAVE, 1);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);

	/* the device still lists it: a new region finds it there */
	fake->nr_busy = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 64));
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake_check(fake);
}

static void release_fails(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_fail(fake, FAKE_RELEASE, 1, -ETIMEDOUT, 0);
	fake_unmap(fake, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_REMOVE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_LEAVE, 1);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 64));
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake_check(fake);
}

static struct kunit_case region_cases[] = {
	KUNIT_CASE(no_region_at_all),
	KUNIT_CASE(all_goes_back),
	KUNIT_CASE(while_in_use),
	KUNIT_CASE(release_fails),
	{}
};

static struct kunit_suite region_suite = {
	.name = "cxl_extent_region",
	.init = fake_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = region_cases,
};

kunit_test_suite(region_suite);
