// SPDX-License-Identifier: GPL-2.0-only
/*
 * Releases that can't be completed at once: memory in use, commands that fail
 */
#include "extent_fake.h"

static void asked_while_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lend(fake, 20, 1);
	fake_use(fake, 6, 1);
	for (int i = 0; i < 3; i++) {	/* again changes nothing */
		fake_ask(fake, 5, 3, false);
		FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
		FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
		KUNIT_EXPECT_EQ(test, fake->extents.stats.asked, 1);
		FAKE_EXPECT_HELD(fake, { 5, 3 }, { 20, 1 });
		fake_check(fake);
	}
	fake_retry(fake);		/* still in use */
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);

	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 5, 3 });
	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_HELD(fake, { 20, 1 });
	fake_check(fake);
}

static void one_of_three_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_lend(fake, 8, 1);
	fake_lend(fake, 20, 1);
	fake_use(fake, 8, 1);
	fake_ask(fake, 0, 32, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 5, 3 }, { 20, 1 });
	FAKE_EXPECT_HELD(fake, { 8, 1 });
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 2, { 8, 1 });
	fake_check(fake);
}

/* Only what is idle goes, and all of that in one command */
static void users_go_one_by_one(struct kunit *test)
{
	struct fake *fake = test->priv;

	for (int i = 0; i < 4; i++) {
		fake_lend(fake, 2 * i, 1);
		fake_use(fake, 2 * i, 1);
	}
	fake_ask(fake, 0, 8, false);
	fake->nr_busy = 2;
	fake_retry(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 4, 1 }, { 6, 1 });
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 2, { 0, 1 }, { 2, 1 });
	fake_check(fake);
}

static void idle_without_being_asked(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_use(fake, 5, 3);
	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	FAKE_EXPECT_HELD(fake, { 5, 3 });
	fake_check(fake);
}

static void asked_in_an_open_chain_and_idle(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_use(fake, 5, 1);
	fake_ask(fake, 5, 3, true);
	fake_idle(fake);
	fake_ask(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* Parts asked for while in use: all that lies between them may go */
static void two_parts_while_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_use(fake, 10, 1);
	fake_ask(fake, 12, 1, false);
	fake_ask(fake, 16, 1, false);
	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 12, 5 });
	FAKE_EXPECT_HELD(fake, { 10, 2 }, { 17, 3 });
	fake_check(fake);
}

static void offered_again_while_asked(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_use(fake, 5, 1);
	fake_ask(fake, 5, 3, false);
	fake_offer(fake, 5, 3, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 0);
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* It was asked for in part, and now goes as a whole */
static void region_goes_part_was_asked(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_use(fake, 10, 1);
	fake_ask(fake, 14, 1, false);
	fake->nr_busy = 0;
	fake_unmap(fake, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 10 });
	fake_check(fake);
}

/* The command fails ------------------------------------------------------------- */

/* No answer, and no list to tell what became of it: it is asked for later */
static void not_answered_and_no_list(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 5, 3);
	fake_fail(fake, FAKE_RELEASE, 1, -ETIMEDOUT, 100);
	fake_fail(fake, FAKE_LIST, 1, -EIO, 0);
	fake_ask(fake, 5, 3, false);
	fake_settle(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	fake_check(fake);
}

/* What was processed before the refusal is not sent again */
static void strays_refused_in_part(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_REMEMBER(fake, { 0, 5, 1 }, { 0, 7, 1 }, { 0, 9, 1 });
	fake_fail(fake, FAKE_RELEASE, 1, CXL_MBOX_CMD_RC_INPUT, 1);
	fake_ask(fake, 5, 1, true);
	fake_ask(fake, 7, 1, true);
	fake_ask(fake, 9, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 3);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->accepted));
	fake_check(fake);
}

static void lend_three(struct fake *fake)
{
	fake_lend(fake, 5, 3);
	fake_lend(fake, 20, 1);
	fake_lend(fake, 30, 1);
}

struct once_case {
	const char *name;
	int rc;
	unsigned int done;
	unsigned int commands;
};

static const struct once_case once_cases[] = {
	{ "refused", CXL_MBOX_CMD_RC_BUSY, 0, 3 },
	{ "first part processed", CXL_MBOX_CMD_RC_INTERNAL, 1, 2 },
	{ "processed, no answer", -ETIMEDOUT, 2, 1 },
};

KUNIT_ARRAY_PARAM_DESC(once, once_cases, name);

/* What the device still lists is sent one by one */
static void failed_once(struct kunit *test)
{
	const struct once_case *param = test->param_value;
	struct fake *fake = test->priv;

	lend_three(fake);
	fake_fail(fake, FAKE_RELEASE, 1, param->rc, param->done);
	fake_ask(fake, 5, 3, true);
	fake_ask(fake, 20, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, param->commands);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	FAKE_EXPECT_HELD(fake, { 30, 1 });
	KUNIT_EXPECT_EQ(test, fake->extents.stats.release_failed, 1);
	fake_check(fake);
}

static void no_answer_then_retried(struct kunit *test)
{
	struct fake *fake = test->priv;

	lend_three(fake);
	fake_fail(fake, FAKE_RELEASE, 1, -ETIMEDOUT, 0);
	fake_ask(fake, 0, 64, false);
	fake_retry(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* A mailbox that does not answer is not asked once more for every extent */
static void never_an_answer(struct kunit *test)
{
	struct fake *fake = test->priv;

	for (int i = 0; i < 16; i++)
		fake_lend(fake, 2 * i, 1);
	fake_fail_always(fake, FAKE_RELEASE, -ETIMEDOUT);
	fake_ask(fake, 0, 64, false);
	KUNIT_EXPECT_LE(test, fake->count[FAKE_RELEASE], 2);
	fake_check(fake);
	fake_mend(fake);
	fake_retry(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static void one_is_unknown_to_the_device(struct kunit *test)
{
	struct fake *fake = test->priv;

	lend_three(fake);
	fake_device_forget(fake, FAKE_DPA(20));
	fake_ask(fake, 0, 64, false);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static void then_retry(struct fake *fake)
{
	fake_retry(fake);
}

static void then_next_release(struct fake *fake)
{
	fake_ask(fake, 40, 1, false);
}

static void then_release_of_nothing(struct fake *fake)
{
	fake_ask(fake, 50, 1, false);
}

static void then_asked_again(struct fake *fake)
{
	fake_ask(fake, 5, 3, true);
	fake_ask(fake, 20, 1, false);
}

static void then_region_goes(struct fake *fake)
{
	fake_unmap(fake, 0);
	KUNIT_EXPECT_TRUE(fake->test, list_empty(&fake->accepted));
}

struct then_case {
	const char *name;
	void (*then)(struct fake *fake);
};

static const struct then_case then_cases[] = {
	{ "retry", then_retry },
	{ "next release", then_next_release },
	{ "release of nothing", then_release_of_nothing },
	{ "asked again", then_asked_again },
	{ "region goes", then_region_goes },
};

KUNIT_ARRAY_PARAM_DESC(then, then_cases, name);

/* What the device refuses waits, and nobody can use it */
static void refused_for_a_while(struct kunit *test)
{
	const struct then_case *param = test->param_value;
	struct fake *fake = test->priv;

	lend_three(fake);
	fake_lend(fake, 40, 1);
	fake_fail_always(fake, FAKE_RELEASE, CXL_MBOX_CMD_RC_BUSY);
	fake_ask(fake, 5, 3, true);
	fake_ask(fake, 20, 1, false);
	FAKE_EXPECT_HELD(fake, { 5, 3 }, { 20, 1 }, { 30, 1 }, { 40, 1 });
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->extents.waiting), 2);
	fake_check(fake);

	fake_mend(fake);
	fake_forget_calls(fake);
	param->then(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->extents.waiting));
	fake_check(fake);
}

static void failed_in_part(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_lend(fake, 10, 10);
	fake_fail(fake, FAKE_RELEASE, 1, CXL_MBOX_CMD_RC_BUSY, 0);
	fake_ask(fake, 14, 1, false);
	FAKE_EXPECT_HELD(fake, { 10, 4 }, { 14, 1 }, { 15, 5 });
	fake_retry(fake);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 2, { 14, 1 });
	FAKE_EXPECT_HELD(fake, { 10, 4 }, { 15, 5 });
	fake_check(fake);
}

/* A record of which the device lists only a part must not harm its chain */
static void stray_listed_in_part(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(FAKE_PART1, 2, false);
	struct fake *fake = test->priv;

	fake_device_remember(fake, &record);
	fake_lend(fake, 5, 3);
	fake_ask(fake, FAKE_PART1, 4, true);
	fake_ask(fake, 5, 3, false);
	FAKE_EXPECT_HELD_NONE(fake);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->accepted));
	fake_check(fake);
}

/* The same of nothing, twice: the device must not see it named twice */
static void stray_asked_twice(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(FAKE_PART1, 2, false);
	struct fake *fake = test->priv;

	fake_device_remember(fake, &record);
	fake_lend(fake, 5, 3);
	fake_ask(fake, FAKE_PART1, 2, true);
	fake_ask(fake, FAKE_PART1, 2, true);
	fake_ask(fake, 5, 3, false);
	FAKE_EXPECT_HELD_NONE(fake);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->accepted));
	fake_check(fake);
}

/* One record, two extents listed: both go */
static void stray_over_two_listed(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(FAKE_PART1, 2, false);
	struct fake *fake = test->priv;

	fake_device_remember(fake, &record);
	record.start = FAKE_DPA(FAKE_PART1 + 2);
	fake_device_remember(fake, &record);
	fake_ask(fake, FAKE_PART1, 4, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->accepted));
}

/* A chain without end of nothing does not fill memory */
static void too_many_strays(struct kunit *test)
{
	struct fake *fake = test->priv;

	cxl_extents_set_limits(&fake->extents, 3);
	fake_lend(fake, 0, 1);
	for (int i = 0; i < 100; i++)
		fake_ask(fake, FAKE_PART1 + i, 1, true);
	KUNIT_EXPECT_EQ(test, fake->allocs, 3);
	KUNIT_EXPECT_EQ(test, 97,
			fake->extents.stats.refused[CXL_EXTENT_CHAIN_TOO_LONG]);
	fake_ask(fake, 0, 1, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 0, 1 });
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static struct kunit_case pending_cases[] = {
	KUNIT_CASE(not_answered_and_no_list),
	KUNIT_CASE(strays_refused_in_part),
	KUNIT_CASE(asked_while_in_use),
	KUNIT_CASE(one_of_three_in_use),
	KUNIT_CASE(users_go_one_by_one),
	KUNIT_CASE(idle_without_being_asked),
	KUNIT_CASE(asked_in_an_open_chain_and_idle),
	KUNIT_CASE(two_parts_while_in_use),
	KUNIT_CASE(offered_again_while_asked),
	KUNIT_CASE(region_goes_part_was_asked),
	KUNIT_CASE_PARAM(failed_once, once_gen_params),
	KUNIT_CASE(no_answer_then_retried),
	KUNIT_CASE(never_an_answer),
	KUNIT_CASE(one_is_unknown_to_the_device),
	KUNIT_CASE_PARAM(refused_for_a_while, then_gen_params),
	KUNIT_CASE(failed_in_part),
	KUNIT_CASE(stray_listed_in_part),
	KUNIT_CASE(stray_asked_twice),
	KUNIT_CASE(stray_over_two_listed),
	KUNIT_CASE(too_many_strays),
	{}
};

static struct kunit_suite pending_suite = {
	.name = "cxl_extent_pending",
	.init = fake_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = pending_cases,
};

kunit_test_suite(pending_suite);
