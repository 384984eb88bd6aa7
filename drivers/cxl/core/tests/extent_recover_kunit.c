// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device remembers: taken over by a new region, compared after a fault
 */
#include "extent_fake.h"

static void remember(struct fake *fake, unsigned int first, unsigned int nr)
{
	struct cxl_extent_record record = fake_record(first, nr, false);

	fake_device_remember(fake, &record);
}

/* A new region ------------------------------------------------------------------ */

static void nothing_to_take_over(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, FAKE_MAPPED));
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_check(fake);
}

static void takes_over_what_lies_in_it(struct kunit *test)
{
	struct fake *fake = test->priv;

	remember(fake, 16, 4);
	remember(fake, FAKE_PART1, 1);
	remember(fake, 0, 1);
	remember(fake, 31, 1);
	remember(fake, 32, 1);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 16, 4 }, { 31, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 3);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.recovered, 3);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->accepted), 5);
	fake_check(fake);

	/* another region neither re-reads nor complains about the first one's */
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 1, 32, 32));
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 16, 4 }, { 31, 1 }, { 32, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 4);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 0);
	fake_check(fake);
}

static void recovered_is_as_good_as_accepted(struct kunit *test)
{
	struct fake *fake = test->priv;

	remember(fake, 0, 8);
	remember(fake, 8, 8);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	fake_use(fake, 8, 1);
	fake_ask(fake, 2, 2, false);
	FAKE_EXPECT_HELD(fake, { 0, 2 }, { 4, 4 }, { 8, 8 });
	fake_check(fake);
	fake_ask(fake, 0, 32, false);
	FAKE_EXPECT_HELD(fake, { 8, 8 });
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* Lists of 500 ---------------------------------------------------------------------- */

static void many(struct kunit *test)
{
	struct fake *fake = test->priv;

	for (int i = 0; i < 500; i++)
		remember(fake, 499 - i, 1);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, FAKE_MAPPED));
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 1);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.recovered, 500);
	fake_check(fake);
	fake_unmap(fake, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->accepted));
}

/* Fails its checks ------------------------------------------------------------------ */

/* Listed between two good ones, blocks 0 and 20 of a region of blocks 0 to 31 */
struct bad_case {
	const char *name;
	u64 start;
	u64 len;
	enum cxl_extent_reason reason;
	uuid_t tag;
	u16 seq;
	bool stays;
};

static const struct bad_case bad_cases[] = {
	{ "clipped by the end of the region", FAKE_DPA(31), 2 * FAKE_BLOCK,
	  CXL_EXTENT_NO_REGION },
	{ "misaligned start", FAKE_DPA(8) + SZ_1M, FAKE_BLOCK,
	  CXL_EXTENT_MISALIGNED },
	{ "misaligned length", FAKE_DPA(8), FAKE_BLOCK + SZ_1M,
	  CXL_EXTENT_MISALIGNED },
	{ "sequence number", FAKE_DPA(8), FAKE_BLOCK, CXL_EXTENT_SEQUENCE,
	  .seq = 3 },
	{ "over the partition's end", FAKE_DPA(31), FAKE_BLOCKS * FAKE_BLOCK,
	  CXL_EXTENT_NO_PARTITION },
	/* no Release could name these */
	{ "end wraps", FAKE_DPA(8), U64_MAX, CXL_EXTENT_BAD_LENGTH,
	  .stays = true },
	{ "length zero", FAKE_DPA(8), 0, CXL_EXTENT_OK, .stays = true },
};

KUNIT_ARRAY_PARAM_DESC(bad, bad_cases, name);

static void bad_is_released(struct kunit *test)
{
	const struct bad_case *param = test->param_value;
	const struct cxl_extent_record record = {
		.start = param->start,
		.len = param->len,
		.tag = param->tag,
		.seq = param->seq,
	};
	struct fake *fake = test->priv;

	remember(fake, 0, 1);
	fake_device_remember(fake, &record);
	remember(fake, 20, 1);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 20, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, param->reason ? 1 : 0);
	if (param->reason)
		KUNIT_EXPECT_EQ(test, 1,
				fake->extents.stats.refused[param->reason]);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->accepted),
			param->stays ? 3 : 2);
	if (param->stays)
		fake_device_forget(fake, param->start);
	fake_check(fake);
}

/* One that no Release can name must not keep the others from being released */
static void bad_with_unnameable(struct kunit *test)
{
	const struct cxl_extent_record wraps = {
		.start = FAKE_DPA(8),
		.len = U64_MAX,
	};
	struct fake *fake = test->priv;

	remember(fake, 31, 2);
	fake_device_remember(fake, &wraps);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD_NONE(fake);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->accepted), 1);
	fake_device_forget(fake, wraps.start);
	fake_check(fake);
}

static void listed_twice(struct kunit *test)
{
	struct fake *fake = test->priv;

	remember(fake, 8, 4);
	remember(fake, 8, 4);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD(fake, { 8, 4 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	fake_device_forget(fake, FAKE_DPA(8));
	fake_check(fake);
}

static void not_published(struct kunit *test)
{
	struct fake *fake = test->priv;

	remember(fake, 0, 1);
	remember(fake, 2, 1);
	remember(fake, 4, 1);
	fake_fail(fake, FAKE_PUBLISH, 2, -ENOMEM, 0);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 2, 1 });
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 4, 1 });
	fake_check(fake);
}

static void no_list(struct kunit *test)
{
	struct fake *fake = test->priv;

	remember(fake, 0, 1);
	fake_fail(fake, FAKE_LIST, 1, -EPROTO, 0);
	KUNIT_EXPECT_EQ(test, -EPROTO, fake_map(fake, 0, 0, 32));
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->extents.windows));
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_HELD(fake, { 0, 1 });
	fake_check(fake);
}

/* A chain that is open meanwhile is not touched */
static void during_an_open_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	remember(fake, 0, 1);
	remember(fake, 31, 2);
	fake_offer(fake, 4, 1, true);
	fake_offer(fake, 2, 1, true);
	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_HELD(fake, { 0, 1 });
	fake_offer(fake, 6, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 4, 1 }, { 2, 1 }, { 6, 1 });
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 2, 1 }, { 4, 1 }, { 6, 1 });
	fake_check(fake);
}

/* Region goes and comes, with all that was in it */
static void region_again(struct kunit *test)
{
	struct fake *fake = test->priv;

	for (int i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
		fake_lend(fake, 1, 2);
		fake_lend(fake, 5, 2);
		fake_unmap(fake, 0);
		FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
		KUNIT_EXPECT_TRUE(test, list_empty(&fake->accepted));
		fake_check(fake);
	}
}

/* Compared, after an overflow -------------------------------------------------------- */

static void listed_not_held(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	fake_lend(fake, 0, 1);
	remember(fake, 4, 1);
	remember(fake, 8, 1);
	remember(fake, 40, 1);		/* in no region */
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 4, 1 }, { 8, 1 });
	FAKE_EXPECT_HELD(fake, { 0, 1 });
	fake_check(fake);
}

static void held_not_listed(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	fake_lend(fake, 0, 1);
	fake_lend(fake, 4, 4);
	fake_device_forget(fake, FAKE_DPA(4));
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_KILL, 1);
	FAKE_EXPECT_HELD(fake, { 0, 1 });
	KUNIT_EXPECT_EQ(test, fake->extents.stats.vanished, 1);
	fake_check(fake);
	fake_offer(fake, 5, 3, false);
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 5, 3 });
	fake_check(fake);
}

static void both_directions_and_asked(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	for (int i = 0; i < 4; i++)
		fake_lend(fake, 2 * i, 1);
	fake_ask(fake, 4, 1, true);
	fake_device_forget(fake, FAKE_DPA(0));
	remember(fake, 1, 1);
	fake_lose(fake);
	FAKE_EXPECT_HELD(fake, { 2, 1 }, { 6, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 4, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 2, { 1, 1 });
	fake_check(fake);
}

/* Not listed any more, and in use: as if the device had taken it by force */
static void vanished_in_use(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	fake_lend(fake, 4, 4);
	fake_use(fake, 4, 1);
	fake_device_forget(fake, FAKE_DPA(4));
	fake_lose(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_KILL, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.vanished, 1);
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	fake_check(fake);
}

/* Asked back, in use, and then not listed any more: once each, and it ends */
static void vanished_while_waiting(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	for (int i = 0; i < 3; i++) {
		fake_lend(fake, 4 * i, 1);
		fake_use(fake, 4 * i, 1);
	}
	fake_ask(fake, 0, 32, false);
	fake_forget_calls(fake);
	for (int i = 0; i < 3; i++)
		fake_device_forget(fake, FAKE_DPA(4 * i));
	fake_lose(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_KILL, 3);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
	fake_idle(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_WITHDRAW, 0);
	fake_check(fake);
}

/* Something idle must not wait for ever behind something that vanished */
static void vanished_and_idle(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	fake_lend(fake, 4, 1);
	fake_lend(fake, 8, 1);
	fake_use(fake, 4, 1);
	fake->pinned = true;
	fake_device_forget(fake, FAKE_DPA(4));
	fake_lose(fake);
	fake->nr_busy = 0;
	fake_use(fake, 8, 1);
	fake_ask(fake, 8, 1, false);
	fake_idle(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

static void list_fails(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	fake_lend(fake, 0, 1);
	fake_lend(fake, 2, 1);
	fake_device_forget(fake, FAKE_DPA(2));
	remember(fake, 4, 1);
	fake_fail(fake, FAKE_LIST, 1, -EBUSY, 0);
	fake_lose(fake);
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 2, 1 });
	fake_settle(fake);
	FAKE_EXPECT_HELD(fake, { 0, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 4, 1 });
	fake_check(fake);
}

/* A device that failed for long is compared again when it fails later */
static void tries_start_anew(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	fake_fail_always(fake, FAKE_LIST, -EBUSY);
	fake_lose(fake);
	for (int i = 0; i < 100; i++)
		fake_settle(fake);
	KUNIT_EXPECT_LT(test, fake->count[FAKE_LIST], 100);
	fake_mend(fake);
	fake_lose(fake);
	fake_check(fake);

	remember(fake, 4, 1);
	fake_fail(fake, FAKE_LIST, 1, -EBUSY, 0);
	fake_lose(fake);
	fake_settle(fake);
	fake_check(fake);
}

/* So it is when it takes a response: its mailbox works again */
static void response_starts_tries_anew(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	remember(fake, 4, 1);
	fake_fail_always(fake, FAKE_LIST, -EBUSY);
	fake_lose(fake);
	for (int i = 0; i < 100; i++)
		fake_settle(fake);
	fake_mend(fake);
	fake_offer(fake, 8, 1, false);
	fake_settle(fake);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 4, 1 });
	FAKE_EXPECT_HELD(fake, { 8, 1 });
	fake_check(fake);
}

/* What is found and can't be released at once is not left for ever */
static void stray_not_released_at_once(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	remember(fake, 4, 1);
	remember(fake, 8, 1);
	fake_fail(fake, FAKE_RELEASE, 1, CXL_MBOX_CMD_RC_BUSY, 0);
	fake_lose(fake);
	fake_settle(fake);
	fake_check(fake);
}

static void list_fails_for_strays(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	remember(fake, 4, 1);
	fake_fail(fake, FAKE_LIST, 2, -EBUSY, 0);
	fake_lose(fake);
	fake_settle(fake);
	fake_check(fake);
}

/* Only a part of what is held is listed any more */
static void partly_listed(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, 0, fake_map(fake, 0, 0, 32));
	fake_lend(fake, 4, 4);
	fake_device_forget(fake, FAKE_DPA(4));
	remember(fake, 4, 2);
	fake_lose(fake);
	FAKE_EXPECT_HELD_NONE(fake);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->accepted));
	fake_check(fake);
}

static struct kunit_case recover_cases[] = {
	KUNIT_CASE(nothing_to_take_over),
	KUNIT_CASE(takes_over_what_lies_in_it),
	KUNIT_CASE(recovered_is_as_good_as_accepted),
	KUNIT_CASE(many),
	KUNIT_CASE_PARAM(bad_is_released, bad_gen_params),
	KUNIT_CASE(bad_with_unnameable),
	KUNIT_CASE(listed_twice),
	KUNIT_CASE(not_published),
	KUNIT_CASE(no_list),
	KUNIT_CASE(during_an_open_chain),
	KUNIT_CASE(region_again),
	KUNIT_CASE(listed_not_held),
	KUNIT_CASE(held_not_listed),
	KUNIT_CASE(both_directions_and_asked),
	KUNIT_CASE(vanished_in_use),
	KUNIT_CASE(vanished_while_waiting),
	KUNIT_CASE(vanished_and_idle),
	KUNIT_CASE(list_fails),
	KUNIT_CASE(tries_start_anew),
	KUNIT_CASE(response_starts_tries_anew),
	KUNIT_CASE(stray_not_released_at_once),
	KUNIT_CASE(list_fails_for_strays),
	KUNIT_CASE(partly_listed),
	{}
};

static struct kunit_suite recover_suite = {
	.name = "cxl_extent_recover",
	.init = fake_kunit_init_unmapped,
	.exit = fake_kunit_exit,
	.test_cases = recover_cases,
};

kunit_test_suite(recover_suite);
