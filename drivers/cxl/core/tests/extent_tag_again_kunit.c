// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extents of tags that are held already, and are offered again: named in the
 * response, and nothing changes
 */
#include "extent_fake.h"

/* Tag 1: blocks 10 and 20, and 22 to 25 */
static int again_kunit_init(struct kunit *test)
{
	struct fake *fake = fake_new(test);

	FAKE_LEND(fake, { 1, 20, 1 }, { 1, 10, 1 }, { 1, 22, 4 });
	return 0;
}

static void expect_unchanged(struct fake *fake)
{
	FAKE_EXPECT_HELD(fake, { 10, 1 }, { 20, 1 }, { 22, 4 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 20, 1 }, { 10, 1 }, { 22, 4 });
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);
}

static void all_of_a_tag(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_FORGET(fake, { 1, 10, 1 }, { 1, 20, 1 }, { 1, 22, 4 });
	FAKE_OFFER(fake, { 1, 22, 4 }, { 1, 10, 1 }, { 1, 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 22, 4 }, { 10, 1 },
			  { 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.again, 3);
	expect_unchanged(fake);
}

static void one_of_a_tag(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_FORGET(fake, { 1, 20, 1 });
	FAKE_OFFER(fake, { 1, 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	expect_unchanged(fake);
}

static void shared(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[0].sharable = true;
	FAKE_LEND(fake, { 2, 30, 1, 1 }, { 2, 32, 1, 0 });
	FAKE_FORGET(fake, { 2, 30, 1, 1 }, { 2, 32, 1, 0 });
	FAKE_OFFER(fake, { 2, 30, 1, 1 }, { 2, 32, 1, 0 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 30, 1 }, { 32, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	FAKE_EXPECT_LAYOUT(fake, 2, { 32, 1 }, { 30, 1 });
	fake_check(fake);
}

static void mixed_with_others(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_FORGET(fake, { 1, 10, 1 }, { 1, 20, 1 });
	FAKE_OFFER(fake, { 2, 40, 1 }, { 1, 20, 1 }, { 0, 5, 1 }, { 1, 10, 1 },
		   { 2, 30, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 40, 1 }, { 20, 1 }, { 5, 1 },
			  { 10, 1 }, { 30, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 20, 1 }, { 10, 1 }, { 22, 4 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 40, 1 }, { 30, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	fake_check(fake);
}

/* Its tag is alive: it can't grow, wherever the new one comes */
static void with_a_new_one_of_its_tag(struct kunit *test)
{
	struct fake *fake = test->priv;

	for (int i = 0; i < 2; i++) {
		fake_forget_calls(fake);
		FAKE_FORGET(fake, { 1, 20, 1 });
		if (i)
			FAKE_OFFER(fake, { 1, 30, 1 }, { 1, 20, 1 });
		else
			FAKE_OFFER(fake, { 1, 20, 1 }, { 1, 30, 1 });
		FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
		FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 20, 1 });
		FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 1);
		FAKE_EXPECT_REASON(fake, CXL_EXTENT_TAG_ALIVE, i + 1);
		expect_unchanged(fake);
	}
}

static void twice_in_a_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_FORGET(fake, { 1, 20, 1 });
	FAKE_OFFER(fake, { 1, 20, 1 }, { 1, 20, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 1);
	expect_unchanged(fake);
}

/* Not as it is held ------------------------------------------------------------ */

struct other_case {
	const char *name;
	struct fake_item item;
	enum cxl_extent_reason reason;
	bool sharable;
};

static const struct other_case other_cases[] = {
	{ "other tag", { 2, 20, 1 }, CXL_EXTENT_OVERLAP_HELD },
	{ "no tag", { 0, 20, 1 }, CXL_EXTENT_OVERLAP_HELD },
	{ "part", { 1, 23, 2 }, CXL_EXTENT_OVERLAP_HELD },
	{ "front", { 1, 22, 2 }, CXL_EXTENT_OVERLAP_HELD },
	{ "more", { 1, 20, 2 }, CXL_EXTENT_OVERLAP_HELD },
	{ "sequence number", { 1, 20, 1, 1 }, CXL_EXTENT_SEQUENCE },
	{ "other sequence number", { 1, 20, 1, 1 }, CXL_EXTENT_OVERLAP_HELD,
	  .sharable = true },
};

KUNIT_ARRAY_PARAM_DESC(other, other_cases, name);

static void not_the_same(struct kunit *test)
{
	const struct other_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake->extents.partition[0].sharable = param->sharable;
	fake_offer_items(fake, &param->item, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_REASON(fake, param->reason, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 1);
	expect_unchanged(fake);
}

static void another_tag_with_a_partner(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_OFFER(fake, { 2, 30, 1 }, { 2, 20, 1 });
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_OVERLAP_HELD, 1);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_PARTNER, 1);
	expect_unchanged(fake);
}

/* The device knows them, and does not want to hear of them again ------------------ */

static void known(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_OFFER(fake, { 1, 20, 1 }, { 1, 10, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 20, 1 }, { 10, 1 });
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	expect_unchanged(fake);
}

static void known_mixed(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_FORGET(fake, { 1, 20, 1 });
	FAKE_OFFER(fake, { 2, 40, 1 }, { 1, 10, 1 }, { 2, 30, 1 }, { 1, 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 40, 1 }, { 10, 1 },
			  { 30, 1 }, { 20, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 2, { 40, 1 }, { 30, 1 },
			  { 20, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 40, 1 }, { 30, 1 });
	FAKE_EXPECT_HELD(fake, { 10, 1 }, { 20, 1 }, { 22, 4 }, { 30, 1 },
			 { 40, 1 });
	fake_check(fake);
}

/* The second response is refused: what was held stays, what was new is not */
static void known_and_refused(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_RESPOND, 2, CXL_MBOX_CMD_RC_INPUT, 1);
	FAKE_OFFER(fake, { 2, 40, 1 }, { 1, 10, 1 }, { 2, 30, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 40, 1 });
	FAKE_EXPECT_HELD(fake, { 10, 1 }, { 20, 1 }, { 22, 4 });
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	fake_check(fake);
	FAKE_LEND(fake, { 2, 40, 1 }, { 2, 30, 1 });
}

static void known_no_list(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_LIST, 1, -EIO, 0);
	FAKE_OFFER(fake, { 2, 40, 1 }, { 1, 10, 1 }, { 2, 30, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_DISCARD, 1);
	fake->unanswered = 1;
	expect_unchanged(fake);
}

static void while_asked_back(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_use(fake, 10, 1);
	FAKE_ASK(fake, { 1, 20, 1 });
	FAKE_FORGET(fake, { 1, 20, 1 });
	FAKE_OFFER(fake, { 1, 20, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 0);
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static struct kunit_case again_cases[] = {
	KUNIT_CASE(all_of_a_tag),
	KUNIT_CASE(one_of_a_tag),
	KUNIT_CASE(shared),
	KUNIT_CASE(mixed_with_others),
	KUNIT_CASE(with_a_new_one_of_its_tag),
	KUNIT_CASE(twice_in_a_chain),
	KUNIT_CASE_PARAM(not_the_same, other_gen_params),
	KUNIT_CASE(another_tag_with_a_partner),
	KUNIT_CASE(known),
	KUNIT_CASE(known_mixed),
	KUNIT_CASE(known_and_refused),
	KUNIT_CASE(known_no_list),
	KUNIT_CASE(while_asked_back),
	{}
};

static struct kunit_suite again_suite = {
	.name = "cxl_extent_tag_again",
	.init = again_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = again_cases,
};

kunit_test_suite(again_suite);
