// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains of Add Capacity records: what the device says to the response, offers of
 * what is held already, and lost records
 */
#include "extent_fake.h"

/* Held already, and offered again -------------------------------------------- */

static void again_forgotten(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_device_forget(fake, FAKE_DPA(5));
	fake_offer(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 5, 3 });
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 0);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.again, 1);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.accepted, 1);
	fake_check(fake);
}

static void again_forgotten_mixed(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_device_forget(fake, FAKE_DPA(5));
	fake_offer(fake, 9, 1, true);
	fake_offer(fake, 5, 3, true);
	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 9, 1 }, { 5, 3 }, { 0, 1 });
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 5, 3 }, { 9, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 2);
	fake_check(fake);
}

static void again_twice_in_a_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_device_forget(fake, FAKE_DPA(5));
	fake_offer(fake, 5, 3, true);
	fake_offer(fake, 5, 3, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 5, 3 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 1);
	fake_check(fake);
}

/* The device knows it to be held, and does not want to hear of it again */
static void again_known(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_offer(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 5, 3 });
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake_check(fake);
}

static void again_known_mixed(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lend(fake, 20, 1);
	fake_device_forget(fake, FAKE_DPA(20));
	fake_offer(fake, 9, 1, true);
	fake_offer(fake, 5, 3, true);
	fake_offer(fake, 20, 1, true);
	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 9, 1 }, { 5, 3 }, { 20, 1 },
			  { 0, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 2, { 9, 1 }, { 20, 1 }, { 0, 1 });
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 5, 3 }, { 9, 1 }, { 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);
}

/* The list can't be read: the chain is lost, what is held stays */
static void again_known_no_list(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_fail(fake, FAKE_LIST, 1, -EIO, 0);
	fake_offer(fake, 9, 1, true);
	fake_offer(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake->unanswered = 1;
	fake_check(fake);
}

/* The device does not process the response ------------------------------------ */

struct refused_case {
	const char *name;
	int rc;
	unsigned int done;
};

static const struct refused_case refused_cases[] = {
	{ "invalid input", CXL_MBOX_CMD_RC_INPUT, 0 },
	{ "invalid physical address", CXL_MBOX_CMD_RC_PADDR, 0 },
	{ "invalid extent list", CXL_MBOX_CMD_RC_EXTLIST, 0 },
	{ "resources exhausted", CXL_MBOX_CMD_RC_RESOURCEEXHAUSTED, 0 },
	{ "invalid payload length", CXL_MBOX_CMD_RC_PAYLOADLEN, 0 },
	{ "a code of the future", 0x1234, 0 },
	{ "no answer", -ETIMEDOUT, 0 },
	{ "first part processed", CXL_MBOX_CMD_RC_RESOURCEEXHAUSTED, 1 },
	{ "all but the last processed", CXL_MBOX_CMD_RC_INPUT, 2 },
	{ "processed, no answer", -ETIMEDOUT, 3 },
};

KUNIT_ARRAY_PARAM_DESC(refused, refused_cases, name);

static void response_refused(struct kunit *test)
{
	const struct refused_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_fail(fake, FAKE_RESPOND, 1, param->rc, param->done);
	fake_offer(fake, 9, 1, true);
	fake_offer(fake, 2, 2, true);
	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_DISCARD, 3);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, param->done ? 1 : 0);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	KUNIT_EXPECT_EQ(test, 3,
			fake->extents.stats.refused[CXL_EXTENT_NOT_ACCEPTED]);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.accepted, 1);
	fake_check(fake);

	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 5, 3 });
	fake_check(fake);
}

static void empty_response_refused(struct kunit *test)
{
	const struct refused_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_fail(fake, FAKE_RESPOND, 1, param->rc, 0);
	fake_offer(fake, FAKE_PART1, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake_check(fake);
}

/* Publishing fails -------------------------------------------------------------- */

static void offer_three(struct fake *fake)
{
	fake_offer(fake, 9, 1, true);
	fake_offer(fake, 2, 2, true);
	fake_offer(fake, 0, 1, false);
}

static void one_not_published(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_PUBLISH, 2, -ENOMEM, 0);
	offer_three(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 2, 2 });
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 9, 1 });
	KUNIT_EXPECT_EQ(test, 1,
			fake->extents.stats.refused[CXL_EXTENT_NOT_PUBLISHED]);
	fake_check(fake);
}

static void not_published_not_released(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_PUBLISH, 2, -ENOMEM, 0);
	fake_fail(fake, FAKE_RELEASE, 1, CXL_MBOX_CMD_RC_BUSY, 0);
	offer_three(fake);
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 2, 2 }, { 9, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 3);
	fake_check(fake);
	fake_retry(fake);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 2, { 2, 2 });
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 9, 1 });
	fake_check(fake);
}

/* The event log overflows ------------------------------------------------------- */

static void overflow_breaks_the_open_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_offer(fake, 0, 1, true);
	fake_offer(fake, 1, 1, true);
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	KUNIT_EXPECT_EQ(test, 1,
			fake->extents.stats.refused[CXL_EXTENT_CHAIN_LOST]);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.overflows, 1);
	fake_check(fake);

	fake_offer(fake, 1, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 2, { 1, 1 });
	FAKE_EXPECT_HELD(fake, { 1, 1 }, { 5, 3 });
	fake_check(fake);
}

static void overflow_breaks_a_refused_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	cxl_extents_set_limits(&fake->extents, 1);
	fake_offer(fake, 0, 1, true);
	fake_offer(fake, 1, 1, true);
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	fake_offer(fake, 2, 1, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 2, { 2, 1 });
	fake_check(fake);
}

static void overflow_without_a_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake_check(fake);
}

/* An offer that was never seen waits first: it is refused, once */
static void unseen_offer_is_refused(struct kunit *test)
{
	struct cxl_extent_record unseen = fake_record(30, 1, false);
	struct fake *fake = test->priv;

	fake_device_offer(fake, &unseen);
	fake_lose(fake);
	fake_forget_calls(fake);
	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 0, 1 });
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 2);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 0);
	FAKE_EXPECT_HELD_NONE(fake);
	fake->unanswered = 1;	/* the one that was seen, and is known refused */
	fake_check(fake);
}

struct doubt_case {
	const char *name;
	int rc;
	unsigned int responses;
};

static const struct doubt_case doubt_cases[] = {
	{ "invalid physical address", CXL_MBOX_CMD_RC_PADDR, 2 },
	{ "invalid input", CXL_MBOX_CMD_RC_INPUT, 2 },
	{ "invalid extent list", CXL_MBOX_CMD_RC_EXTLIST, 1 },
	{ "resources exhausted", CXL_MBOX_CMD_RC_RESOURCEEXHAUSTED, 1 },
	{ "no answer", -ETIMEDOUT, 1 },
};

KUNIT_ARRAY_PARAM_DESC(doubt, doubt_cases, name);

static void refused_after_overflow(struct kunit *test)
{
	const struct doubt_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_lose(fake);
	fake_fail(fake, FAKE_RESPOND, 1, param->rc, FAKE_KEEP);
	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, param->responses);
	if (param->responses > 1)
		FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_HELD_NONE(fake);
	fake->unanswered = 2 - param->responses;
	fake_check(fake);
}

/* Nothing is refused a second time once the device accepted a response */
static void refused_after_overflow_and_success(struct kunit *test)
{
	const struct doubt_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_lose(fake);
	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	fake_fail(fake, FAKE_RESPOND, 1, param->rc, FAKE_KEEP);
	fake_offer(fake, 1, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_HELD(fake, { 0, 1 });
	fake->unanswered = 1;
	fake_check(fake);
}

static void empty_response_refused_after_overflow(struct kunit *test)
{
	const struct doubt_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_lose(fake);
	fake_fail(fake, FAKE_RESPOND, 1, param->rc, FAKE_KEEP);
	fake_offer(fake, FAKE_PART1, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	fake->unanswered = 1;
	fake_check(fake);
}

static void abandoned(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_offer(fake, 0, 1, true);
	scoped_guard(mutex, &fake->extents.lock)
		cxl_extents_abandon_chain(&fake->extents);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	fake_check(fake);
	scoped_guard(mutex, &fake->extents.lock)
		cxl_extents_abandon_chain(&fake->extents);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
}

static struct kunit_case answer_cases[] = {
	KUNIT_CASE(again_forgotten),
	KUNIT_CASE(again_forgotten_mixed),
	KUNIT_CASE(again_twice_in_a_chain),
	KUNIT_CASE(again_known),
	KUNIT_CASE(again_known_mixed),
	KUNIT_CASE(again_known_no_list),
	KUNIT_CASE_PARAM(response_refused, refused_gen_params),
	KUNIT_CASE_PARAM(empty_response_refused, refused_gen_params),
	KUNIT_CASE(one_not_published),
	KUNIT_CASE(not_published_not_released),
	KUNIT_CASE(overflow_breaks_the_open_chain),
	KUNIT_CASE(overflow_breaks_a_refused_chain),
	KUNIT_CASE(overflow_without_a_chain),
	KUNIT_CASE(unseen_offer_is_refused),
	KUNIT_CASE_PARAM(refused_after_overflow, doubt_gen_params),
	KUNIT_CASE_PARAM(refused_after_overflow_and_success, doubt_gen_params),
	KUNIT_CASE_PARAM(empty_response_refused_after_overflow,
			 doubt_gen_params),
	KUNIT_CASE(abandoned),
	{}
};

static struct kunit_suite answer_suite = {
	.name = "cxl_extent_answer",
	.init = fake_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = answer_cases,
};

kunit_test_suite(answer_suite);
