// SPDX-License-Identifier: GPL-2.0-only
/*
 * The n-th allocation, command or DAX operation fails, for every n until a run
 * meets no failure. Whatever fails: nothing leaks, every chain is answered exactly
 * once (the fake device sees to that), and what the device thinks this host holds
 * is what it holds.
 */
#include <linux/slab.h>
#include "extent_fake.h"

#define MOST_FAILURES	100
#define MOST_PARTS	8

/* What can fail --------------------------------------------------------------------- */

enum failing {
	FAIL_ALLOC,
	FAIL_RESPOND,
	FAIL_RESPOND_PROCESSED,
	FAIL_RESPOND_PART,
	FAIL_RELEASE,
	FAIL_RELEASE_PROCESSED,
	FAIL_RELEASE_PART,
	FAIL_LIST,
	FAIL_PREPARE,
	FAIL_PUBLISH,
};

static void fail_nth(struct fake *fake, enum failing what, unsigned int nth)
{
	switch (what) {
	case FAIL_ALLOC:
		fake->fail_alloc = nth;
		break;
	case FAIL_RESPOND:
		fake_fail(fake, FAKE_RESPOND, nth, CXL_MBOX_CMD_RC_INPUT, 0);
		break;
	case FAIL_RESPOND_PROCESSED:
		fake_fail(fake, FAKE_RESPOND, nth, -ETIMEDOUT, 100);
		break;
	case FAIL_RESPOND_PART:
		fake_fail(fake, FAKE_RESPOND, 1, CXL_MBOX_CMD_RC_INPUT, nth);
		break;
	case FAIL_RELEASE:
		fake_fail(fake, FAKE_RELEASE, nth, CXL_MBOX_CMD_RC_BUSY, 0);
		break;
	case FAIL_RELEASE_PROCESSED:
		fake_fail(fake, FAKE_RELEASE, nth, -ETIMEDOUT, 100);
		break;
	case FAIL_RELEASE_PART:
		fake_fail(fake, FAKE_RELEASE, 1, -ETIMEDOUT, nth);
		break;
	case FAIL_LIST:
		fake_fail(fake, FAKE_LIST, nth, -EIO, 0);
		break;
	case FAIL_PREPARE:
		fake_fail(fake, FAKE_PREPARE, nth, -ENOSPC, 0);
		break;
	case FAIL_PUBLISH:
		fake_fail(fake, FAKE_PUBLISH, nth, -ENOMEM, 0);
		break;
	}
}

/* Did as many calls come that the n-th was among them? */
static bool has_failed(struct fake *fake, enum failing what, unsigned int nth)
{
	/* the n-th extent of one call */
	if (what == FAIL_RESPOND_PART || what == FAIL_RELEASE_PART)
		return nth < MOST_PARTS;
	if (fake->fail_alloc)
		return fake->allocs >= nth;
	for (int op = 0; op < FAKE_NR_OPS; op++)
		if (fake->fault[op].rc)
			return !fake->fault[op].nth;
	return false;
}

/* While what happens ------------------------------------------------------------------ */

static void no_setup(struct fake *fake)
{
}

static void add_five(struct fake *fake)
{
	fake_offer(fake, 9, 1, true);
	fake_offer(fake, 2, 2, true);
	fake_offer(fake, 7, 1, true);
	fake_offer(fake, 0, 1, true);
	fake_offer(fake, 20, 10, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
}

static void lend_some(struct fake *fake)
{
	fake_lend(fake, 0, 10);
	fake_lend(fake, 10, 1);
	fake_lend(fake, 20, 10);
}

static void release_with_splits(struct fake *fake)
{
	fake_ask(fake, 4, 2, true);
	fake_ask(fake, 10, 1, true);
	fake_ask(fake, 28, 2, false);
}

static void setup_in_use(struct fake *fake)
{
	lend_some(fake);
	fake_use(fake, 0, 1);
	fake_ask(fake, 0, 2, true);
	fake_ask(fake, 4, 2, false);
	fake_forget_calls(fake);
}

static void setup_memory(struct fake *fake)
{
	struct cxl_extent_record record = fake_record(FAKE_PART1, 1, false);

	for (int i = 0; i < 5; i++) {
		record.start = FAKE_DPA(FAKE_PART1 + 4 * i);
		fake_device_remember(fake, &record);
	}
	record = fake_record(FAKE_PART1 + 31, 2, false);	/* is clipped */
	fake_device_remember(fake, &record);
}

static void recover(struct fake *fake)
{
	fake_map(fake, 1, FAKE_PART1, 32);
}

static void add_and_release(struct fake *fake)
{
	fake_offer(fake, 0, 4, true);
	fake_offer(fake, 8, 4, false);
	fake_ask(fake, 1, 1, false);
	fake_offer(fake, 1, 1, true);
	fake_offer(fake, 16, 1, false);
	fake_ask(fake, 0, 32, false);
}

/* With tags: two of them, mixed with what has none */
static void add_tags(struct fake *fake)
{
	unsigned int before = fake->count[FAKE_RESPOND];

	FAKE_OFFER(fake, { 2, 30, 1 }, { 1, 10, 1 }, { 0, 20, 2 }, { 2, 28, 1 },
		   { 1, 12, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, before + 1);
}

static void lend_tags(struct fake *fake)
{
	add_tags(fake);
	fake_check(fake);
	fake_forget_calls(fake);
}

static void release_tags(struct fake *fake)
{
	FAKE_ASK(fake, { 1, 12, 1 }, { 0, 20, 1 }, { 2, 30, 1 }, { 1, 10, 1 });
}

static void setup_tags_in_use(struct fake *fake)
{
	lend_tags(fake);
	fake_use(fake, 10, 1);
	fake_use(fake, 21, 1);
	fake_use(fake, 28, 1);
	release_tags(fake);
	fake_forget_calls(fake);
}

static void setup_tags_memory(struct fake *fake)
{
	FAKE_REMEMBER(fake, { 2, FAKE_PART1 + 8, 1 }, { 1, FAKE_PART1, 1 },
		      { 3, FAKE_PART1 + 20, 1 }, { 0, FAKE_PART1 + 4, 1 },
		      { 1, FAKE_PART1 + 2, 1 }, { 3, FAKE_PART1 + 40, 1 },
		      { 2, FAKE_PART1 + 6, 1 });
}

/* All or nothing, here too: without memory to look at the list it is left alone */
static void recover_tags(struct fake *fake)
{
	if (!fake_map(fake, 1, FAKE_PART1, 32))
		return;
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	KUNIT_EXPECT_EQ(fake->test, list_count_nodes(&fake->accepted), 7);
	KUNIT_EXPECT_TRUE(fake->test,
			  list_is_singular(&fake->extents.windows));
}

static void setup_tags_vanished(struct fake *fake)
{
	lend_tags(fake);
	FAKE_FORGET(fake, { 1, 10, 1 });
	FAKE_REMEMBER(fake, { 3, 40, 1 }, { 0, 44, 1 });
}

static void add_and_release_tags(struct fake *fake)
{
	add_tags(fake);
	FAKE_ASK(fake, { 1, 10, 1 });
	FAKE_OFFER(fake, { 1, 14, 1 }, { 3, 16, 1 }, { 1, 10, 1 });
	release_tags(fake);
	FAKE_ASK(fake, { 3, 16, 1 });
	add_tags(fake);
}

/* Some of a tag, of what is claimed, and of what nobody has */
static void setup_forced(struct fake *fake)
{
	lend_tags(fake);
	fake_lend(fake, 40, 8);
	fake_lend(fake, 60, 8);
	fake_use(fake, 62, 1);
	fake_forget_calls(fake);
}

static void take_some(struct fake *fake)
{
	FAKE_FORCE(fake, { 1, 12, 1 }, { 0, 43, 2 }, { 0, 64, 1 }, { 2, 28, 1 },
		   { 0, 20, 2 });
}

static void setup_pinned(struct fake *fake)
{
	setup_forced(fake);
	fake_use(fake, 10, 1);
	fake->pinned = true;
	take_some(fake);
	fake_forget_calls(fake);
}

struct fail_case {
	const char *name;
	enum failing what;
	void (*setup)(struct fake *fake);
	void (*run)(struct fake *fake);
};

static const struct fail_case fail_cases[] = {
	{ "add: allocation", FAIL_ALLOC, no_setup, add_five },
	{ "add: respond", FAIL_RESPOND, no_setup, add_five },
	{ "add: respond, processed", FAIL_RESPOND_PROCESSED, no_setup,
	  add_five },
	{ "add: prepare", FAIL_PREPARE, no_setup, add_five },
	{ "add: publish", FAIL_PUBLISH, no_setup, add_five },
	{ "release: allocation", FAIL_ALLOC, lend_some, release_with_splits },
	{ "release: release", FAIL_RELEASE, lend_some, release_with_splits },
	{ "release: release, processed", FAIL_RELEASE_PROCESSED, lend_some,
	  release_with_splits },
	{ "release: prepare", FAIL_PREPARE, lend_some, release_with_splits },
	{ "release: publish", FAIL_PUBLISH, lend_some, release_with_splits },
	{ "idle: allocation", FAIL_ALLOC, setup_in_use, fake_idle },
	{ "idle: release", FAIL_RELEASE, setup_in_use, fake_idle },
	{ "idle: release, processed", FAIL_RELEASE_PROCESSED, setup_in_use,
	  fake_idle },
	{ "idle: prepare", FAIL_PREPARE, setup_in_use, fake_idle },
	{ "idle: publish", FAIL_PUBLISH, setup_in_use, fake_idle },
	{ "recover: allocation", FAIL_ALLOC, setup_memory, recover },
	{ "recover: release", FAIL_RELEASE, setup_memory, recover },
	{ "recover: release, processed", FAIL_RELEASE_PROCESSED, setup_memory,
	  recover },
	{ "recover: list", FAIL_LIST, setup_memory, recover },
	{ "recover: prepare", FAIL_PREPARE, setup_memory, recover },
	{ "recover: publish", FAIL_PUBLISH, setup_memory, recover },
	{ "all: allocation", FAIL_ALLOC, no_setup, add_and_release },
	{ "all: respond", FAIL_RESPOND, no_setup, add_and_release },
	{ "all: respond, processed", FAIL_RESPOND_PROCESSED, no_setup,
	  add_and_release },
	{ "all: release", FAIL_RELEASE, no_setup, add_and_release },
	{ "all: release, processed", FAIL_RELEASE_PROCESSED, no_setup,
	  add_and_release },
	{ "all: prepare", FAIL_PREPARE, no_setup, add_and_release },
	{ "all: publish", FAIL_PUBLISH, no_setup, add_and_release },
	{ "add tags: allocation", FAIL_ALLOC, no_setup, add_tags },
	{ "add tags: respond", FAIL_RESPOND, no_setup, add_tags },
	{ "add tags: respond, processed", FAIL_RESPOND_PROCESSED, no_setup,
	  add_tags },
	{ "add tags: respond, in part", FAIL_RESPOND_PART, no_setup, add_tags },
	{ "add tags: prepare", FAIL_PREPARE, no_setup, add_tags },
	{ "add tags: publish", FAIL_PUBLISH, no_setup, add_tags },
	{ "release tags: allocation", FAIL_ALLOC, lend_tags, release_tags },
	{ "release tags: release", FAIL_RELEASE, lend_tags, release_tags },
	{ "release tags: release, processed", FAIL_RELEASE_PROCESSED, lend_tags,
	  release_tags },
	{ "release tags: release, in part", FAIL_RELEASE_PART, lend_tags,
	  release_tags },
	{ "release tags: prepare", FAIL_PREPARE, lend_tags, release_tags },
	{ "release tags: publish", FAIL_PUBLISH, lend_tags, release_tags },
	{ "idle tags: allocation", FAIL_ALLOC, setup_tags_in_use, fake_idle },
	{ "idle tags: release", FAIL_RELEASE, setup_tags_in_use, fake_idle },
	{ "idle tags: release, processed", FAIL_RELEASE_PROCESSED, setup_tags_in_use,
	  fake_idle },
	{ "idle tags: release, in part", FAIL_RELEASE_PART, setup_tags_in_use,
	  fake_idle },
	{ "recover tags: allocation", FAIL_ALLOC, setup_tags_memory,
	  recover_tags },
	{ "recover tags: release", FAIL_RELEASE, setup_tags_memory,
	  recover_tags },
	{ "recover tags: release, processed", FAIL_RELEASE_PROCESSED, setup_tags_memory,
	  recover_tags },
	{ "recover tags: release, in part", FAIL_RELEASE_PART, setup_tags_memory,
	  recover_tags },
	{ "recover tags: list", FAIL_LIST, setup_tags_memory, recover_tags },
	{ "recover tags: prepare", FAIL_PREPARE, setup_tags_memory,
	  recover_tags },
	{ "recover tags: publish", FAIL_PUBLISH, setup_tags_memory,
	  recover_tags },
	{ "compare tags: allocation", FAIL_ALLOC, setup_tags_vanished,
	  fake_lose },
	{ "compare tags: release", FAIL_RELEASE, setup_tags_vanished,
	  fake_lose },
	{ "compare tags: release, processed", FAIL_RELEASE_PROCESSED, setup_tags_vanished,
	  fake_lose },
	{ "compare tags: release, in part", FAIL_RELEASE_PART, setup_tags_vanished,
	  fake_lose },
	{ "compare tags: list", FAIL_LIST, setup_tags_vanished, fake_lose },
	{ "forced: allocation", FAIL_ALLOC, setup_forced, take_some },
	{ "forced: release", FAIL_RELEASE, setup_forced, take_some },
	{ "forced: release, processed", FAIL_RELEASE_PROCESSED, setup_forced,
	  take_some },
	{ "forced: release, in part", FAIL_RELEASE_PART, setup_forced,
	  take_some },
	{ "forced: list", FAIL_LIST, setup_forced, take_some },
	{ "forced: prepare", FAIL_PREPARE, setup_forced, take_some },
	{ "forced: publish", FAIL_PUBLISH, setup_forced, take_some },
	{ "unpinned: allocation", FAIL_ALLOC, setup_pinned, fake_unpin },
	{ "unpinned: release", FAIL_RELEASE, setup_pinned, fake_unpin },
	{ "unpinned: release, processed", FAIL_RELEASE_PROCESSED, setup_pinned,
	  fake_unpin },
	{ "unpinned: list", FAIL_LIST, setup_pinned, fake_unpin },
	{ "all tags: allocation", FAIL_ALLOC, no_setup, add_and_release_tags },
	{ "all tags: respond", FAIL_RESPOND, no_setup, add_and_release_tags },
	{ "all tags: respond, processed", FAIL_RESPOND_PROCESSED, no_setup,
	  add_and_release_tags },
	{ "all tags: respond, in part", FAIL_RESPOND_PART, no_setup,
	  add_and_release_tags },
	{ "all tags: prepare", FAIL_PREPARE, no_setup, add_and_release_tags },
	{ "all tags: publish", FAIL_PUBLISH, no_setup, add_and_release_tags },
	{ "all tags: release", FAIL_RELEASE, no_setup, add_and_release_tags },
	{ "all tags: release, processed", FAIL_RELEASE_PROCESSED, no_setup,
	  add_and_release_tags },
	{ "all tags: release, in part", FAIL_RELEASE_PART, no_setup,
	  add_and_release_tags },
};

KUNIT_ARRAY_PARAM_DESC(fail, fail_cases, name);

static bool any_left(struct fake *fake, const struct range *dpa)
{
	struct fake_extent *left;

	list_for_each_entry(left, &fake->accepted, node) {
		struct range range = fake_range(&left->record);

		if (fake_overlap(&range, dpa))
			return true;
	}
	return false;
}

/* The regions go: the device has back all that was in them */
static void end_all(struct fake *fake)
{
	fake_mend(fake);
	for (int w = 0; w < FAKE_WINDOWS; w++) {
		const struct range *dpa = &fake->window[w].window.dpa;

		if (!fake->window[w].mapped)
			continue;
		fake_unmap(fake, w);
		KUNIT_EXPECT_FALSE(fake->test, any_left(fake, dpa));
	}
	fake_end(fake);
}

static bool run_once(struct kunit *test, unsigned int nth)
{
	const struct fail_case *param = test->param_value;
	struct fake *fake = fake_new(test);
	bool failed;

	param->setup(fake);
	fail_nth(fake, param->what, nth);
	param->run(fake);
	failed = has_failed(fake, param->what, nth);
	fake_settle(fake);
	fake_check(fake);

	/* what could not be released is tried again */
	fake_retry(fake);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->extents.waiting));
	fake_check(fake);
	end_all(fake);
	return failed;
}

static void nth_fails(struct kunit *test)
{
	unsigned int nth = 1;

	while (run_once(test, nth) && nth < MOST_FAILURES)
		nth++;
	KUNIT_EXPECT_GT_MSG(test, nth, 1, "nothing has failed");
	KUNIT_EXPECT_LT(test, nth, MOST_FAILURES);
	fake_expect_tags_free(test);
	kunit_info(test, "%u failures\n", nth - 1);
}

/* Else the above would not see a leak */
static void leaks_are_noticed(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(0, 1, false);
	struct fake *fake = fake_new(test);
	struct cxl_extent *extent;

	if (!fake->tracked)
		kunit_skip(test, "needs tracepoints");
	extent = cxl_extent_new(&record);
	KUNIT_ASSERT_NOT_NULL(test, extent);
	KUNIT_EXPECT_EQ(test, fake->nr_live, 1);
	kfree(extent);
	KUNIT_EXPECT_EQ(test, fake->nr_live, 0);
}

static struct kunit_case fail_kunit_cases[] = {
	KUNIT_CASE(leaks_are_noticed),
	KUNIT_CASE_PARAM(nth_fails, fail_gen_params),
	{}
};

static struct kunit_suite fail_suite = {
	.name = "cxl_extent_fail",
	.exit = fake_kunit_exit,
	.test_cases = fail_kunit_cases,
};

kunit_test_suite(fail_suite);
