// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tags in the device's list: an allocation is taken over whole or given back whole,
 * and one of which something is not listed any more goes whole
 */
#include "extent_fake.h"

/* A new region: whole ------------------------------------------------------------ */

static void in_the_order_of_the_list(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 2, 8, 1 }, { 1, 20, 1 }, { 0, 5, 1 }, { 2, 4, 1 },
		      { 1, 10, 2 });
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD(fake, { 4, 1 }, { 5, 1 }, { 8, 1 }, { 10, 2 },
			 { 20, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 20, 1 }, { 10, 2 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 8, 1 }, { 4, 1 });
	KUNIT_EXPECT_EQ(test, fake->extents.stats.recovered, 5);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 3);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	fake_check(fake);
}

static void by_sequence(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[0].sharable = true;
	FAKE_REMEMBER(fake, { 1, 10, 1, 2 }, { 2, 8, 1, 1 }, { 1, 20, 1, 0 },
		      { 2, 4, 1, 0 }, { 1, 12, 1, 1 });
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_LAYOUT(fake, 1, { 20, 1 }, { 12, 1 }, { 10, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 4, 1 }, { 8, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);
}

static void second_region_leaves_the_first_alone(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 2, 40, 1 }, { 1, 20, 1 },
		      { 2, 36, 1 }, { 3, 70, 1 });
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD(fake, { 10, 1 }, { 20, 1 });
	fake_check(fake);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 1, 32, 32));
	FAKE_EXPECT_HELD(fake, { 10, 1 }, { 20, 1 }, { 36, 1 }, { 40, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 10, 1 }, { 20, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 40, 1 }, { 36, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->accepted), 5);
	fake_check(fake);
}

/* A new region: not at all ---------------------------------------------------------- */

/* Tag 1 has this beside blocks 8 and 12, in a region of blocks 0 to 31 */
struct bad_case {
	const char *name;
	struct fake_item item;
	enum cxl_extent_reason reason;
	unsigned int nr;
	bool sharable;
};

static const struct bad_case bad_cases[] = {
	{ "in no region", { 1, 40, 1 }, CXL_EXTENT_NO_REGION, 1 },
	{ "in another region", { 1, 64, 1 }, CXL_EXTENT_SPREAD, 3 },
	{ "in another partition", { 1, FAKE_PART1, 1 }, CXL_EXTENT_SPREAD, 3 },
	{ "clipped", { 1, 31, 2 }, CXL_EXTENT_NO_REGION, 1 },
	{ "in no partition", { 1, FAKE_BLOCKS, 1 }, CXL_EXTENT_NO_PARTITION,
	  1 },
	{ "sequence number", { 1, 9, 1, 1 }, CXL_EXTENT_SEQUENCE, 1 },
	{ "a hole in its sequence", { 1, 9, 1, 3 }, CXL_EXTENT_SEQUENCE_GAP, 3,
	  .sharable = true },
	{ "a number twice", { 1, 9, 1, 1 }, CXL_EXTENT_SEQUENCE_GAP, 3,
	  .sharable = true },
};

KUNIT_ARRAY_PARAM_DESC(bad, bad_cases, name);

static void remember_bad(struct fake *fake, const struct bad_case *param)
{
	fake->extents.partition[0].sharable = param->sharable;
	FAKE_REMEMBER(fake, { 2, 20, 1 }, { 1, 8, 1 });
	fake_remember_items(fake, &param->item, 1);
	if (param->sharable)
		FAKE_REMEMBER(fake, { 2, 24, 1, 1 }, { 1, 12, 1, 1 });
	else
		FAKE_REMEMBER(fake, { 0, 28, 1 }, { 2, 24, 1 }, { 1, 12, 1 });
}

static void not_whole_not_at_all(struct kunit *test)
{
	const struct bad_case *param = test->param_value;
	struct fake *fake = test->priv;

	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 1, 64, 32));
	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 2, FAKE_PART1, 32));
	remember_bad(fake, param);
	fake_forget_calls(fake);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_LAYOUT(fake, 2, { 20, 1 }, { 24, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, param->sharable ? 1 : 2);
	FAKE_EXPECT_REASON(fake, param->reason, param->nr);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_PARTNER, 3 - param->nr);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->accepted),
			param->sharable ? 2 : 3);
	fake_check(fake);

	/* the tag is free */
	FAKE_LEND(fake, { 1, 0, 1 });
}

/* The device lists some of it twice: that is named once */
static void overlaps_itself(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 1, 12, 2 }, { 1, 12, 1 });
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD_NONE(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 1 }, { 12, 2 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_OVERLAP_CHAIN, 1);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_PARTNER, 2);
	FAKE_FORGET(fake, { 1, 12, 1 });
	fake_check(fake);
}

/* One that no Release can name stays with the device, its partners do not */
static void with_unnameable(struct kunit *test)
{
	const struct cxl_extent_record wraps = {
		.start = FAKE_DPA(8),
		.len = U64_MAX,
		.tag = fake_tag(1),
	};
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 1, 10, 1 });
	fake_device_remember(fake, &wraps);
	FAKE_REMEMBER(fake, { 1, 12, 1 });
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD_NONE(fake);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 1 }, { 12, 1 });
	fake_device_forget(fake, wraps.start);
	fake_check(fake);
}

/* One region has taken it over whole; then the device lists another extent of it */
static void grows_into_a_second_region(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 1, 20, 1 });
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_REMEMBER(fake, { 1, 40, 1 });
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 1, 32, 32));
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 40, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 10, 1 }, { 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	fake_check(fake);
}

static void alive_on_another_device(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct fake *peer = fake_new_peer(fake);

	FAKE_LEND(peer, { 1, 10, 1 });
	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 2, 12, 1 }, { 1, 20, 1 },
		      { 2, 14, 1 });
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 1 }, { 20, 1 });
	FAKE_EXPECT_HELD(fake, { 12, 1 }, { 14, 1 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_ALIVE, 2);
	FAKE_EXPECT_HELD(peer, { 10, 1 });
	FAKE_EXPECT_LAYOUT(peer, 1, { 10, 1 });
	fake_check(fake);
}

static void not_prepared(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 2, 12, 1 }, { 1, 20, 1 });
	fake_fail(fake, FAKE_PREPARE, 1, -ENOSPC, 0);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 1 }, { 20, 1 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_NO_RESOURCES, 2);
	FAKE_EXPECT_HELD(fake, { 12, 1 });
	fake_check(fake);
	FAKE_LEND(fake, { 1, 10, 1 });
}

static void not_published(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 2, 12, 1 }, { 1, 20, 1 });
	fake_fail(fake, FAKE_PUBLISH, 1, -ENOMEM, 0);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 1 }, { 20, 1 });
	FAKE_EXPECT_HELD(fake, { 12, 1 });
	KUNIT_EXPECT_EQ(test, fake->extents.stats.recovered, 1);
	fake_check(fake);
	FAKE_LEND(fake, { 1, 10, 1 });
}

/* Half of a tag is not taken for all of it */
static void no_memory_to_look(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 1, 10, 1 }, { 2, 12, 1 }, { 1, 20, 1 });
	for (unsigned int nth = 1; nth <= 3; nth++) {
		fake_forget_calls(fake);
		fake->fail_alloc = nth;
		KUNIT_EXPECT_EQ(test, -ENOMEM, fake_map(fake, 0, 0, 32));
		KUNIT_EXPECT_TRUE(test, list_empty(&fake->extents.windows));
		FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
		FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
		fake_check(fake);
	}
	fake_mend(fake);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_LAYOUT(fake, 1, { 10, 1 }, { 20, 1 });
	fake_check(fake);
}

/* Compared, after an overflow: tag 1 is blocks 10, 20, and 22 to 25, tag 2 12 and 14 */

static void map_and_lend(struct fake *fake)
{
	KUNIT_ASSERT_EQ(fake->test, 0, fake_map(fake, 0, 0, 32));
	FAKE_LEND(fake, { 1, 10, 1 }, { 2, 14, 1 }, { 1, 20, 1 }, { 1, 22, 4 },
		  { 2, 12, 1 });
}

struct vanished_case {
	const char *name;
	struct fake_item items[3];
	unsigned int nr;
	struct fake_blocks rest[3];
	unsigned int nr_rest;
};

static const struct vanished_case vanished_cases[] = {
	{ "first", { { 1, 10, 1 } }, 1, { { 20, 1 }, { 22, 4 } }, 2 },
	{ "middle", { { 1, 20, 1 } }, 1, { { 10, 1 }, { 22, 4 } }, 2 },
	{ "last", { { 1, 22, 4 } }, 1, { { 10, 1 }, { 20, 1 } }, 2 },
	{ "all but one", { { 1, 10, 1 }, { 1, 22, 4 } }, 2, { { 20, 1 } }, 1 },
	{ "all", { { 1, 10, 1 }, { 1, 20, 1 }, { 1, 22, 4 } }, 3, {}, 0 },
};

KUNIT_ARRAY_PARAM_DESC(vanished, vanished_cases, name);

static void expect_rest_released(struct fake *fake,
				 const struct vanished_case *param)
{
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, param->nr_rest ? 1 : 0);
	if (param->nr_rest)
		fake_expect_named(fake, __LINE__, FAKE_RELEASE, 1, param->rest,
				  param->nr_rest);
	FAKE_EXPECT_HELD(fake, { 12, 1 }, { 14, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 14, 1 }, { 12, 1 });
	KUNIT_EXPECT_EQ(fake->test, list_count_nodes(&fake->accepted), 2);
	fake_check(fake);
}

static void vanished(struct kunit *test)
{
	const struct vanished_case *param = test->param_value;
	struct fake *fake = test->priv;

	map_and_lend(fake);
	fake_forget_items(fake, param->items, param->nr);
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_KILL, 1);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.vanished, param->nr);
	expect_rest_released(fake, param);
	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 20, 1 });
}

static void vanished_while_asked_back(struct kunit *test)
{
	const struct vanished_case *param = test->param_value;
	struct fake *fake = test->priv;

	map_and_lend(fake);
	fake_forget_items(fake, param->items, param->nr);
	fake_ask_record(fake, &(struct cxl_extent_record) {
		.start = FAKE_DPA(20),
		.len = FAKE_BLOCK,
		.tag = fake_tag(1),
		.more = true,
	});
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	fake_lose(fake);
	FAKE_EXPECT_HELD(fake, { 12, 1 }, { 14, 1 });
	fake_check(fake);
}

/* It is taken from its user, and what is left goes back */
static void vanished_in_use(struct kunit *test)
{
	const struct vanished_case *param = test->param_value;
	struct fake *fake = test->priv;

	map_and_lend(fake);
	fake_use(fake, 20, 1);
	fake_forget_items(fake, param->items, param->nr);
	fake_lose(fake);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.vanished, param->nr);
	expect_rest_released(fake, param);
	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 20, 1 });
}

/* It can't be taken from its user; what is left goes when that lets go */
static void vanished_and_pinned(struct kunit *test)
{
	const struct vanished_case *param = test->param_value;
	struct fake *fake = test->priv;

	map_and_lend(fake);
	fake_use(fake, 20, 1);
	fake->pinned = true;
	fake_forget_items(fake, param->items, param->nr);
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_HELD(fake, { 12, 1 }, { 14, 1 });
	fake_check(fake);
	fake_unpin(fake);
	expect_rest_released(fake, param);
}

/* Of one extent only a part is listed any more: that goes back as well */
static void partly_listed(struct kunit *test)
{
	struct fake *fake = test->priv;

	map_and_lend(fake);
	FAKE_FORGET(fake, { 1, 22, 4 });
	FAKE_REMEMBER(fake, { 1, 22, 2 });
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 1 }, { 20, 1 },
			  { 22, 2 });
	FAKE_EXPECT_HELD(fake, { 12, 1 }, { 14, 1 });
	fake_check(fake);
}

static struct kunit_case recover_cases[] = {
	KUNIT_CASE(in_the_order_of_the_list),
	KUNIT_CASE(by_sequence),
	KUNIT_CASE(second_region_leaves_the_first_alone),
	KUNIT_CASE_PARAM(not_whole_not_at_all, bad_gen_params),
	KUNIT_CASE(overlaps_itself),
	KUNIT_CASE(with_unnameable),
	KUNIT_CASE(grows_into_a_second_region),
	KUNIT_CASE(alive_on_another_device),
	KUNIT_CASE(not_prepared),
	KUNIT_CASE(not_published),
	KUNIT_CASE(no_memory_to_look),
	KUNIT_CASE_PARAM(vanished, vanished_gen_params),
	KUNIT_CASE_PARAM(vanished_while_asked_back, vanished_gen_params),
	KUNIT_CASE_PARAM(vanished_in_use, vanished_gen_params),
	KUNIT_CASE_PARAM(vanished_and_pinned, vanished_gen_params),
	KUNIT_CASE(partly_listed),
	{}
};

static struct kunit_suite recover_suite = {
	.name = "cxl_extent_tag_recover",
	.init = fake_kunit_init_unmapped,
	.exit = fake_kunit_exit,
	.test_cases = recover_cases,
};

kunit_test_suite(recover_suite);
