// SPDX-License-Identifier: GPL-2.0-only
/*
 * Release Capacity records, and what goes back without one
 */
#include <linux/jiffies.h>
#include "extent_fake.h"

/* Nothing is held there -------------------------------------------------------- */

static void nothing_held_nothing_listed(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_ask(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);
}

static void nothing_held_but_listed(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(FAKE_PART1, 8, false);
	struct fake *fake = test->priv;

	fake_device_remember(fake, &record);
	fake_ask(fake, FAKE_PART1 + 2, 2, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { FAKE_PART1 + 2, 2 });
	fake_check(fake);
}

/* Each byte that any of the records asks for, once */
static void nothing_held_and_records_overlap(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(FAKE_PART1, 8, false);
	struct fake *fake = test->priv;

	fake_device_remember(fake, &record);
	fake_ask(fake, FAKE_PART1 + 2, 1, true);
	fake_ask(fake, FAKE_PART1 + 1, 4, true);
	fake_ask(fake, FAKE_PART1 + 2, 2, true);
	fake_ask(fake, FAKE_PART1 + 4, 2, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { FAKE_PART1 + 1, 4 },
			  { FAKE_PART1 + 5, 1 });
	fake_check(fake);
}

static void nothing_held_no_list(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(FAKE_PART1, 8, false);
	struct fake *fake = test->priv;

	fake_device_remember(fake, &record);
	fake_fail(fake, FAKE_LIST, 1, -EIO, 0);
	fake_ask(fake, FAKE_PART1, 8, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_ask(fake, FAKE_PART1, 8, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { FAKE_PART1, 8 });
	fake_settle(fake);
	fake_check(fake);
}

struct bad_case {
	const char *name;
	u64 start;
	u64 len;
	enum cxl_extent_reason reason;
};

static const struct bad_case bad_cases[] = {
	{ "length zero", FAKE_DPA(4), 0, CXL_EXTENT_BAD_LENGTH },
	{ "longest length", FAKE_DPA(4), U64_MAX, CXL_EXTENT_BAD_LENGTH },
	{ "end wraps", -FAKE_BLOCK, 2 * FAKE_BLOCK, CXL_EXTENT_BAD_LENGTH },
	{ "no partition", 0, FAKE_BLOCK, CXL_EXTENT_NO_PARTITION },
	{ "over two partitions", FAKE_DPA(4), FAKE_PART1 * FAKE_BLOCK,
	  CXL_EXTENT_NO_PARTITION },
};

KUNIT_ARRAY_PARAM_DESC(bad, bad_cases, name);

/* A bad record harms neither its chain nor what is held */
static void bad_range(struct kunit *test)
{
	const struct bad_case *param = test->param_value;
	struct cxl_extent_record record = {
		.start = param->start,
		.len = param->len,
		.more = true,
	};
	struct fake *fake = test->priv;

	fake_lend(fake, 4, 4);
	fake_lend(fake, 20, 1);
	fake_ask_record(fake, &record);
	fake_ask(fake, 20, 1, false);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.refused[param->reason], 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 20, 1 });
	FAKE_EXPECT_HELD(fake, { 4, 4 });
	fake_check(fake);
}

/* Free --------------------------------------------------------------------------- */

static void one(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lend(fake, 20, 1);
	fake_ask(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 5, 3 });
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 1);
	FAKE_EXPECT_HELD(fake, { 20, 1 });
	KUNIT_EXPECT_EQ(test, fake->extents.stats.released, 1);
	fake_check(fake);
	fake_offer(fake, 5, 3, false);
	FAKE_EXPECT_HELD(fake, { 5, 3 }, { 20, 1 });
	fake_check(fake);
}

struct chain_size {
	const char *name;
	unsigned int nr;
};

static const struct chain_size chain_sizes[] = {
	{ .name = "2 extents", .nr = 2 },
	{ .name = "8 extents", .nr = 8 },
	{ .name = "400 extents", .nr = 400 },
};

KUNIT_ARRAY_PARAM_DESC(size, chain_sizes, name);

static void one_command_a_chain(struct kunit *test)
{
	const struct chain_size *param = test->param_value;
	struct fake *fake = test->priv;

	for (unsigned int i = 0; i < param->nr; i++)
		fake_offer(fake, i, 1, i + 1 < param->nr);
	fake_forget_calls(fake);
	for (unsigned int i = param->nr; i > 0; i--)
		fake_ask(fake, i - 1, 1, i > 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 1);
	FAKE_EXPECT_HELD_NONE(fake);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.released, param->nr);
	fake_check(fake);
}

static void one_record_for_several(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 4, 2);
	fake_lend(fake, 6, 1);
	fake_lend(fake, 9, 3);
	fake_ask(fake, 0, 64, false);	/* some of it is not held */
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 4, 2 }, { 6, 1 }, { 9, 3 });
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static void the_same_twice_in_a_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_ask(fake, 5, 3, true);
	fake_ask(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 5, 3 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	fake_check(fake);
}

static void two_regions(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 1, FAKE_PART1, FAKE_BLOCKS));
	fake_lend(fake, FAKE_PART1, 1);
	fake_lend(fake, 0, 1);
	fake_lend(fake, FAKE_PART1 + 1, 1);
	fake_ask(fake, FAKE_PART1, 2, true);
	fake_ask(fake, 0, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 2);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static void another_tag(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(5, 3, false);
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	record.tag = UUID_INIT(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
	fake_ask_record(fake, &record);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 0);
	KUNIT_EXPECT_EQ(test, 1,
			fake->extents.stats.refused[CXL_EXTENT_TAG_MISMATCH]);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake_check(fake);
}

/* A part ------------------------------------------------------------------------- */

/* Of blocks 10 to 19; bytes are relative to block 10 */
struct part_case {
	const char *name;
	u64 start;
	u64 len;
	struct fake_blocks goes;
	struct fake_blocks stays[2];
	unsigned int nr_stays;
};

static const struct part_case part_cases[] = {
	{ "front", 0, 2 * FAKE_BLOCK, { 10, 2 }, { { 12, 8 } }, 1 },
	{ "back", 8 * FAKE_BLOCK, 2 * FAKE_BLOCK, { 18, 2 }, { { 10, 8 } }, 1 },
	{ "middle", 4 * FAKE_BLOCK, FAKE_BLOCK, { 14, 1 },
	  { { 10, 4 }, { 15, 5 } }, 2 },
	{ "all but the ends", FAKE_BLOCK, 8 * FAKE_BLOCK, { 11, 8 },
	  { { 10, 1 }, { 19, 1 } }, 2 },
	{ "widened at both ends", 4 * FAKE_BLOCK + 64, FAKE_BLOCK, { 14, 2 },
	  { { 10, 4 }, { 16, 4 } }, 2 },
	{ "a few bytes", 4 * FAKE_BLOCK + 128, 64, { 14, 1 },
	  { { 10, 4 }, { 15, 5 } }, 2 },
	{ "the first byte", 0, 1, { 10, 1 }, { { 11, 9 } }, 1 },
	{ "the last byte", 10 * FAKE_BLOCK - 1, 1, { 19, 1 }, { { 10, 9 } }, 1 },
	{ "widened to all", 1, 10 * FAKE_BLOCK - 2, { 10, 10 }, {}, 0 },
	{ "more than all", -FAKE_BLOCK, 12 * FAKE_BLOCK, { 10, 10 }, {}, 0 },
	{ "front and before", -FAKE_BLOCK, 2 * FAKE_BLOCK, { 10, 1 },
	  { { 11, 9 } }, 1 },
	{ "back and behind", 9 * FAKE_BLOCK, 2 * FAKE_BLOCK, { 19, 1 },
	  { { 10, 9 } }, 1 },
};

KUNIT_ARRAY_PARAM_DESC(part, part_cases, name);

static struct cxl_extent_record part_record(const struct part_case *param)
{
	return (struct cxl_extent_record) {
		.start = FAKE_DPA(10) + param->start,
		.len = param->len,
	};
}

static void part(struct kunit *test)
{
	const struct part_case *param = test->param_value;
	struct cxl_extent_record record = part_record(param);
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_ask_record(fake, &record);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	fake_expect_named(fake, __LINE__, FAKE_RELEASE, 1, &param->goes, 1);
	fake_expect_held(fake, __LINE__, param->stays, param->nr_stays);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, param->nr_stays);
	fake_check(fake);

	/* what stays is as good as any other */
	fake_ask(fake, 10, 10, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, param->nr_stays ? 2 : 1);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static void part_in_use(struct kunit *test)
{
	const struct part_case *param = test->param_value;
	struct cxl_extent_record record = part_record(param);
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_use(fake, 12, 1);
	fake_ask_record(fake, &record);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_HELD(fake, { 10, 10 });
	fake_check(fake);

	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	fake_expect_named(fake, __LINE__, FAKE_RELEASE, 1, &param->goes, 1);
	fake_expect_held(fake, __LINE__, param->stays, param->nr_stays);
	fake_check(fake);
}

/* The last user leaves when a part is asked for: that is no reason for all to go */
static void part_whose_user_leaves(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_use(fake, 12, 1);
	fake->leaving = true;
	fake_ask(fake, 14, 2, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 14, 2 });
	FAKE_EXPECT_HELD(fake, { 10, 4 }, { 16, 4 });
	fake_check(fake);
}

static void part_of_big_blocks(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[0].block_size = 4 * FAKE_BLOCK;
	fake_lend(fake, 16, 16);
	fake_ask(fake, 21, 1, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 20, 4 });
	FAKE_EXPECT_HELD(fake, { 16, 4 }, { 24, 8 });
	fake_check(fake);
}

static void parts_of_two(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 4);
	fake_lend(fake, 14, 4);
	fake_ask(fake, 12, 4, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 12, 2 }, { 14, 2 });
	FAKE_EXPECT_HELD(fake, { 10, 2 }, { 16, 2 });
	fake_check(fake);
}

/* Nothing for the rest: it is not in use, so it goes as well */
static void no_resources_for_the_rest(struct kunit *test)
{
	struct fake *fake = test->priv;

	for (int nth = 1; nth <= 2; nth++) {
		fake_lend(fake, 10, 10);
		fake_fail(fake, FAKE_PREPARE, nth, -ENOMEM, 0);
		fake_ask(fake, 14, 1, false);
		FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 10 });
		FAKE_EXPECT_HELD_NONE(fake);
		fake_check(fake);
	}
}

static void rest_not_published(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_fail(fake, FAKE_PUBLISH, 1, -ENOMEM, 0);
	fake_ask(fake, 14, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 14, 1 }, { 10, 4 });
	FAKE_EXPECT_HELD(fake, { 15, 5 });
	fake_check(fake);
}

/* Chains -------------------------------------------------------------------------- */

static void open_chain_expires(struct kunit *test)
{
	const unsigned long time = CXL_CHAIN_TIMEOUT_SECONDS * HZ;
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lend(fake, 9, 1);
	fake_ask(fake, 5, 3, true);
	fake_ask(fake, 9, 1, true);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_expire(fake, fake->extents.release_last + time - 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_expire(fake, fake->extents.release_last + time);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 5, 3 }, { 9, 1 });
	fake_check(fake);
}

static void open_chain_of_strays_expires(struct kunit *test)
{
	struct fake *fake = test->priv;
	bool open;

	fake_ask(fake, 5, 3, true);
	scoped_guard(mutex, &fake->extents.lock)
		open = cxl_extents_need_expire(&fake->extents);
	KUNIT_EXPECT_TRUE(test, open);
	fake_expire(fake, fake->extents.release_last +
			  CXL_CHAIN_TIMEOUT_SECONDS * HZ);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);
}

static void open_chain_meets_overflow(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_ask(fake, 5, 3, true);
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* Add and Release records do not disturb each other's chains */
static void chains_of_both_kinds(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_offer(fake, 0, 1, true);
	fake_ask(fake, 5, 3, true);
	fake_offer(fake, 1, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 0, 1 }, { 1, 1 });
	fake_ask(fake, 0, 1, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 5, 3 }, { 0, 1 });
	FAKE_EXPECT_HELD(fake, { 1, 1 });
	fake_check(fake);
}

static struct kunit_case release_cases[] = {
	KUNIT_CASE(nothing_held_nothing_listed),
	KUNIT_CASE(nothing_held_but_listed),
	KUNIT_CASE(nothing_held_and_records_overlap),
	KUNIT_CASE(nothing_held_no_list),
	KUNIT_CASE_PARAM(bad_range, bad_gen_params),
	KUNIT_CASE(one),
	KUNIT_CASE_PARAM(one_command_a_chain, size_gen_params),
	KUNIT_CASE(one_record_for_several),
	KUNIT_CASE(the_same_twice_in_a_chain),
	KUNIT_CASE(two_regions),
	KUNIT_CASE(another_tag),
	KUNIT_CASE_PARAM(part, part_gen_params),
	KUNIT_CASE_PARAM(part_in_use, part_gen_params),
	KUNIT_CASE(part_whose_user_leaves),
	KUNIT_CASE(part_of_big_blocks),
	KUNIT_CASE(parts_of_two),
	KUNIT_CASE(no_resources_for_the_rest),
	KUNIT_CASE(rest_not_published),
	KUNIT_CASE(open_chain_expires),
	KUNIT_CASE(open_chain_of_strays_expires),
	KUNIT_CASE(open_chain_meets_overflow),
	KUNIT_CASE(chains_of_both_kinds),
	{}
};

static struct kunit_suite release_suite = {
	.name = "cxl_extent_release",
	.init = fake_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = release_cases,
};

kunit_test_suite(release_suite);
