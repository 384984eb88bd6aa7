// SPDX-License-Identifier: GPL-2.0-only
/*
 * Release Capacity records and tags: an allocation goes back whole, by one command,
 * however it is asked for
 */
#include "extent_fake.h"

/*
 * Tag 1: blocks 10 and 11, block 20, and blocks 30 to 33; tag 2: blocks 40 and 41,
 * an extent each; and blocks 50 and 51 without a tag
 */
static int release_kunit_init(struct kunit *test)
{
	struct fake *fake = fake_new(test);

	FAKE_LEND(fake, { 1, 10, 2 }, { 2, 40, 1 }, { 1, 20, 1 }, { 0, 50, 2 },
		  { 1, 30, 4 }, { 2, 41, 1 });
	return 0;
}

static void expect_all_held(struct fake *fake)
{
	FAKE_EXPECT_HELD(fake, { 10, 2 }, { 20, 1 }, { 30, 4 }, { 40, 1 },
			 { 41, 1 }, { 50, 2 });
}

static void expect_tag1_gone(struct fake *fake)
{
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 2 }, { 20, 1 },
			  { 30, 4 });
	FAKE_EXPECT_HELD(fake, { 40, 1 }, { 41, 1 }, { 50, 2 });
	KUNIT_EXPECT_EQ(fake->test, fake->extents.stats.released, 3);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 0);
	fake_check(fake);
}

/* Never split ------------------------------------------------------------------- */

struct touch_case {
	const char *name;
	u64 start;
	u64 len;
};

static const struct touch_case touch_cases[] = {
	{ "first extent", FAKE_DPA(10), 2 * FAKE_BLOCK },
	{ "middle extent", FAKE_DPA(20), FAKE_BLOCK },
	{ "last extent", FAKE_DPA(30), 4 * FAKE_BLOCK },
	{ "front of an extent", FAKE_DPA(30), FAKE_BLOCK },
	{ "middle of an extent", FAKE_DPA(31), 2 * FAKE_BLOCK },
	{ "back of an extent", FAKE_DPA(33), FAKE_BLOCK },
	{ "first byte", FAKE_DPA(10), 1 },
	{ "last byte", FAKE_DPA(34) - 1, 1 },
	{ "extent and more", FAKE_DPA(19), 3 * FAKE_BLOCK },
	{ "parts of two extents", FAKE_DPA(11), 10 * FAKE_BLOCK },
	{ "all of them", FAKE_DPA(0), 40 * FAKE_BLOCK },
};

KUNIT_ARRAY_PARAM_DESC(touch, touch_cases, name);

static struct cxl_extent_record touch_record(const struct touch_case *param)
{
	return (struct cxl_extent_record) {
		.start = param->start,
		.len = param->len,
		.tag = fake_tag(1),
	};
}

static void what_touches_it_asks_for_all(struct kunit *test)
{
	const struct touch_case *param = test->param_value;
	struct cxl_extent_record record = touch_record(param);
	struct fake *fake = test->priv;

	fake_ask_record(fake, &record);
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_NARROW, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	expect_tag1_gone(fake);
}

static void in_use(struct kunit *test)
{
	const struct touch_case *param = test->param_value;
	struct cxl_extent_record record = touch_record(param);
	struct fake *fake = test->priv;

	fake_use(fake, 20, 1);
	for (int i = 0; i < 3; i++) {
		fake_ask_record(fake, &record);
		fake_retry(fake);
		FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
		expect_all_held(fake);
		KUNIT_EXPECT_EQ(test, fake->extents.stats.asked, 1);
		fake_check(fake);
	}
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	fake_idle(fake);
	expect_tag1_gone(fake);
	fake_idle(fake);
	expect_tag1_gone(fake);
}

/* Named by several records -------------------------------------------------------- */

static void several_records_of_a_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_ASK(fake, { 1, 30, 4 }, { 1, 10, 2 }, { 1, 20, 1 }, { 1, 10, 2 },
		 { 1, 31, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	expect_tag1_gone(fake);
}

static void records_of_later_chains(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_ASK(fake, { 1, 20, 1 });
	FAKE_ASK(fake, { 1, 10, 2 });
	FAKE_ASK(fake, { 1, 20, 1 }, { 1, 30, 4 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	expect_tag1_gone(fake);
}

static void two_tags_and_untagged(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_ASK(fake, { 2, 41, 1 }, { 0, 50, 1 }, { 1, 30, 4 }, { 2, 40, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 50, 1 }, { 10, 2 },
			  { 20, 1 }, { 30, 4 }, { 40, 1 }, { 41, 1 });
	FAKE_EXPECT_HELD(fake, { 51, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 1);
	fake_check(fake);
}

static void one_of_two_tags_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_use(fake, 33, 1);
	FAKE_ASK(fake, { 1, 10, 1 }, { 2, 41, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 40, 1 }, { 41, 1 });
	FAKE_EXPECT_HELD(fake, { 10, 2 }, { 20, 1 }, { 30, 4 }, { 50, 2 });
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 2, { 10, 2 }, { 20, 1 },
			  { 30, 4 });
	FAKE_EXPECT_HELD(fake, { 50, 2 });
	fake_check(fake);
}

/* Another tag ----------------------------------------------------------------------- */

struct mismatch_case {
	const char *name;
	struct fake_item item;
	unsigned int nr;
};

static const struct mismatch_case mismatch_cases[] = {
	{ "another tag", { 2, 10, 2 }, 1 },
	{ "a tag that is not held", { 3, 20, 1 }, 1 },
	{ "no tag", { 0, 30, 4 }, 1 },
	{ "tag on untagged", { 1, 50, 2 }, 1 },
	{ "several extents", { 3, 10, 11 }, 2 },
};

KUNIT_ARRAY_PARAM_DESC(mismatch, mismatch_cases, name);

static void tag_differs(struct kunit *test)
{
	const struct mismatch_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_ask_items(fake, &param->item, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 0);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_MISMATCH, param->nr);
	expect_all_held(fake);
	fake_check(fake);
}

static void tag_differs_then_matches(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_ASK(fake, { 2, 10, 2 }, { 1, 10, 2 }, { 0, 10, 2 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_MISMATCH, 2);
	expect_tag1_gone(fake);
}

static void record_over_two_tags(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_ASK(fake, { 1, 33, 9 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_MISMATCH, 2);
	expect_tag1_gone(fake);
}

/* The region goes ------------------------------------------------------------------- */

static void region_goes(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_ASK(fake, { 3, 60, 1 });
	fake_unmap(fake, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 2 }, { 20, 1 },
			  { 30, 4 }, { 40, 1 }, { 41, 1 }, { 50, 2 });
	FAKE_EXPECT_HELD_NONE(fake);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->accepted));
	fake_check(fake);
}

static void region_goes_while_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_use(fake, 20, 1);
	fake_unmap(fake, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 40, 1 }, { 41, 1 },
			  { 50, 2 });
	FAKE_EXPECT_HELD_NONE(fake);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->accepted), 3);
	fake_check(fake);

	/* the device still lists all of it: a new region finds it there */
	fake->nr_busy = 0;
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 64));
	FAKE_EXPECT_LAYOUT(fake, 1, { 10, 2 }, { 20, 1 }, { 30, 4 });
	fake_check(fake);
}

/* The command fails ------------------------------------------------------------------- */

struct failed_case {
	const char *name;
	int rc;
	unsigned int done;
	unsigned int commands;
	struct fake_blocks left[3];
	unsigned int nr_left;
};

static const struct failed_case failed_cases[] = {
	{ "refused", CXL_MBOX_CMD_RC_BUSY, 0, 4 },
	{ "refused after one", CXL_MBOX_CMD_RC_INTERNAL, 1, 3 },
	{ "refused after two", CXL_MBOX_CMD_RC_INTERNAL, 2, 2 },
	{ "no answer", -ETIMEDOUT, 0, 1,
	  { { 10, 2 }, { 20, 1 }, { 30, 4 } }, 3 },
	{ "one processed, no answer", -ETIMEDOUT, 1, 1,
	  { { 20, 1 }, { 30, 4 } }, 2 },
	{ "two processed, no answer", -ETIMEDOUT, 2, 1, { { 30, 4 } }, 1 },
	{ "processed, no answer", -ETIMEDOUT, 3, 1 },
};

KUNIT_ARRAY_PARAM_DESC(failed, failed_cases, name);

/* What the device does not list any more is gone; the rest waits, and goes later */
static void release_fails(struct kunit *test)
{
	const struct failed_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_RELEASE, 1, param->rc, param->done);
	FAKE_ASK(fake, { 1, 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, param->commands);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_REMOVE, param->nr_left ? 0 : 1);
	fake_check(fake);

	fake_forget_calls(fake);
	FAKE_ASK(fake, { 0, 50, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_HELD(fake, { 40, 1 }, { 41, 1 });
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->extents.waiting));
	fake_check(fake);
}

static void what_is_left_is_sent_again(struct kunit *test)
{
	const struct failed_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_RELEASE, 1, param->rc, param->done);
	FAKE_ASK(fake, { 1, 20, 1 });
	fake_forget_calls(fake);
	fake_retry(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, param->nr_left ? 1 : 0);
	if (param->nr_left)
		fake_expect_named(fake, __LINE__, FAKE_RELEASE, 1, param->left,
				  param->nr_left);
	FAKE_EXPECT_HELD(fake, { 40, 1 }, { 41, 1 }, { 50, 2 });
	fake_check(fake);
}

static void one_extent_is_refused(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail_first(fake, FAKE_RELEASE, 2, CXL_MBOX_CMD_RC_BUSY, 0);
	FAKE_ASK(fake, { 1, 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 4);
	FAKE_EXPECT_HELD(fake, { 10, 2 }, { 40, 1 }, { 41, 1 }, { 50, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_REMOVE, 0);
	fake_check(fake);
	fake_forget_calls(fake);
	FAKE_ASK(fake, { 0, 50, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 50, 2 }, { 10, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_REMOVE, 2);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.released, 4);
	fake_check(fake);
}

/* The list can't be read either: what is gone is found with the next try */
static void no_answer_no_list(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_RELEASE, 1, -ETIMEDOUT, 2);
	fake_fail(fake, FAKE_LIST, 1, -EIO, 0);
	FAKE_ASK(fake, { 1, 20, 1 });
	expect_all_held(fake);
	fake_settle(fake);
	FAKE_EXPECT_HELD(fake, { 40, 1 }, { 41, 1 }, { 50, 2 });
	fake_check(fake);
}

/* A mailbox that does not answer is not asked once more for every extent */
static void never_an_answer(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail_always(fake, FAKE_RELEASE, -ETIMEDOUT);
	FAKE_ASK(fake, { 1, 20, 1 }, { 2, 40, 1 }, { 0, 50, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	fake_check(fake);
	fake_mend(fake);
	fake_retry(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 2);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* Nor for every allocation, when it stops answering after a refusal */
static void refused_then_no_answer(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail_first(fake, FAKE_RELEASE, UINT_MAX, CXL_MBOX_CMD_RC_BUSY,
			-ETIMEDOUT);
	FAKE_ASK(fake, { 1, 20, 1 }, { 2, 40, 1 }, { 0, 50, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 2);
	fake_check(fake);
	fake_mend(fake);
	fake_retry(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* Blocks 900 and up: listed by the device, in no region -------------------- */

static void remember_strays(struct fake *fake)
{
	FAKE_REMEMBER(fake, { 1, 900, 2 }, { 0, 910, 4 }, { 1, 920, 1 },
		      { 2, 930, 1 });
}

static void stray_of_a_tag_goes_whole(struct kunit *test)
{
	const struct range in_tag = DEFINE_RANGE(FAKE_DPA(920),
						 FAKE_DPA(921) - 1);
	struct fake *fake = test->priv;

	remember_strays(fake);
	FAKE_ASK(fake, { 1, 901, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 900, 2 }, { 920, 1 });
	KUNIT_EXPECT_FALSE(test, fake_is_accepted(fake, &in_tag));
	fake_check(fake);
}

static void stray_without_a_tag_goes_in_part(struct kunit *test)
{
	struct fake *fake = test->priv;

	remember_strays(fake);
	FAKE_ASK(fake, { 0, 911, 2 });
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 911, 2 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	fake_check(fake);
}

static void stray_of_another_tag_stays(struct kunit *test)
{
	struct fake *fake = test->priv;
	size_t known;

	remember_strays(fake);
	known = list_count_nodes(&fake->accepted);
	FAKE_ASK(fake, { 2, 900, 2 }, { 1, 910, 4 }, { 0, 920, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_MISMATCH, 3);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->accepted), known);
	fake_check(fake);
}

static void listed_without_length(struct kunit *test)
{
	const struct cxl_extent_record none = { .start = 0, .len = 0 };
	struct fake *fake = test->priv;

	fake_device_remember(fake, &none);
	FAKE_ASK(fake, { 0, 900, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_device_forget(fake, 0);
	fake_check(fake);
}

static struct kunit_case release_cases[] = {
	KUNIT_CASE_PARAM(what_touches_it_asks_for_all, touch_gen_params),
	KUNIT_CASE_PARAM(in_use, touch_gen_params),
	KUNIT_CASE(several_records_of_a_chain),
	KUNIT_CASE(records_of_later_chains),
	KUNIT_CASE(two_tags_and_untagged),
	KUNIT_CASE(one_of_two_tags_in_use),
	KUNIT_CASE_PARAM(tag_differs, mismatch_gen_params),
	KUNIT_CASE(tag_differs_then_matches),
	KUNIT_CASE(record_over_two_tags),
	KUNIT_CASE(region_goes),
	KUNIT_CASE(region_goes_while_in_use),
	KUNIT_CASE_PARAM(release_fails, failed_gen_params),
	KUNIT_CASE_PARAM(what_is_left_is_sent_again, failed_gen_params),
	KUNIT_CASE(one_extent_is_refused),
	KUNIT_CASE(no_answer_no_list),
	KUNIT_CASE(never_an_answer),
	KUNIT_CASE(refused_then_no_answer),
	KUNIT_CASE(stray_of_a_tag_goes_whole),
	KUNIT_CASE(stray_without_a_tag_goes_in_part),
	KUNIT_CASE(stray_of_another_tag_stays),
	KUNIT_CASE(listed_without_length),
	{}
};

static struct kunit_suite release_suite = {
	.name = "cxl_extent_tag_release",
	.init = release_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = release_cases,
};

kunit_test_suite(release_suite);
