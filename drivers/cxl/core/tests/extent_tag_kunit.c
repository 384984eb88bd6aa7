// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains of Add Capacity records with tags: all or nothing, in one region; answered
 * in the order of delivery, whatever order an allocation is laid out in
 */
#include "extent_fake.h"

/* Another region in the same partition, and one in the other partition */
#define REGION1	FAKE_MAPPED
#define REGION2	FAKE_PART1

static int tag_kunit_init(struct kunit *test)
{
	struct fake *fake = fake_new(test);

	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 1, REGION1, 128));
	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 2, REGION2, 128));
	fake_forget_calls(fake);
	return 0;
}

/* All or nothing ------------------------------------------------------------- */

/*
 * One extent of tag 1 beside two good ones, blocks 10 and 12, in a chain that has
 * also untagged blocks 20 and 22 and blocks 30 and 32 of tag 2. Blocks 500 to 503
 * are held. So many of the three are refused for @reason, the others as partners.
 */
struct bad_case {
	const char *name;
	u64 start;
	u64 len;
	enum cxl_extent_reason reason;
	unsigned int nr;
	u16 seq;
};

static const struct bad_case bad_cases[] = {
	{ "length zero", FAKE_DPA(11), 0, CXL_EXTENT_BAD_LENGTH, 1 },
	{ "longest length", FAKE_DPA(11), U64_MAX, CXL_EXTENT_BAD_LENGTH, 1 },
	{ "end wraps", -FAKE_BLOCK, 2 * FAKE_BLOCK, CXL_EXTENT_BAD_LENGTH, 1 },
	{ "no partition", 0, FAKE_BLOCK, CXL_EXTENT_NO_PARTITION, 1 },
	{ "over two partitions", FAKE_DPA(FAKE_BLOCKS - 1),
	  (FAKE_PART1 - FAKE_BLOCKS + 2) * FAKE_BLOCK, CXL_EXTENT_NO_PARTITION,
	  1 },
	{ "misaligned start", FAKE_DPA(14) + SZ_1M, FAKE_BLOCK,
	  CXL_EXTENT_MISALIGNED, 1 },
	{ "misaligned length", FAKE_DPA(14), FAKE_BLOCK + 64,
	  CXL_EXTENT_MISALIGNED, 1 },
	{ "no region", FAKE_DPA(FAKE_BLOCKS - 1), FAKE_BLOCK,
	  CXL_EXTENT_NO_REGION, 1 },
	{ "over two regions", FAKE_DPA(REGION1 - 1), 2 * FAKE_BLOCK,
	  CXL_EXTENT_NO_REGION, 1 },
	{ "other region", FAKE_DPA(REGION1), FAKE_BLOCK, CXL_EXTENT_SPREAD, 3 },
	{ "other partition", FAKE_DPA(REGION2), FAKE_BLOCK, CXL_EXTENT_SPREAD,
	  3 },
	{ "held", FAKE_DPA(500), 4 * FAKE_BLOCK, CXL_EXTENT_OVERLAP_HELD, 1 },
	{ "overlaps what is held", FAKE_DPA(503), 2 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_HELD, 1 },
	{ "repeats an extent", FAKE_DPA(10), FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_CHAIN, 1 },
	{ "overlaps an extent of its tag", FAKE_DPA(9), 2 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_CHAIN, 1 },
	{ "sequence number", FAKE_DPA(14), FAKE_BLOCK, CXL_EXTENT_SEQUENCE, 1,
	  .seq = 1 },
	{ "last sequence number", FAKE_DPA(14), FAKE_BLOCK, CXL_EXTENT_SEQUENCE,
	  1, .seq = U16_MAX },
};

KUNIT_ARRAY_PARAM_DESC(bad, bad_cases, name);

/* What is bad only beside the others of the chain */
static const struct bad_case overlap_cases[] = {
	{ "overlaps an untagged one", FAKE_DPA(19), 2 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_CHAIN, 1 },
	{ "overlaps another tag", FAKE_DPA(30), FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_CHAIN, 1 },
};

KUNIT_ARRAY_PARAM_DESC(overlap, overlap_cases, name);

/* Tag 1: the bad extent comes first, second or last */
static void offer_bad(struct fake *fake, const struct bad_case *param,
		      unsigned int at, bool more)
{
	struct cxl_extent_record record = {
		.start = param->start,
		.len = param->len,
		.tag = fake_tag(1),
		.seq = param->seq,
	};

	for (unsigned int i = 0; i < 3; i++) {
		record.more = more || i < 2;
		if (i == at)
			fake_offer_record(fake, &record);
		else
			fake_offer_tagged(fake, 1, i < at ? 10 + 2 * i : 8 + 2 * i,
					  1, 0, record.more);
	}
}

static void expect_bad_refused(struct fake *fake, const struct bad_case *param,
			       unsigned int times)
{
	FAKE_EXPECT_REASON(fake, param->reason, times * param->nr);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_PARTNER, times * (3 - param->nr));
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 3);
}

static void one_bad_refuses_its_tag_and_no_other(struct kunit *test)
{
	const struct bad_case *param = test->param_value;
	struct fake *fake = test->priv;

	for (unsigned int at = 0; at < 3; at++) {
		fake_lend(fake, 500, 4);
		fake_offer(fake, 20, 1, true);
		fake_offer_tagged(fake, 2, 30, 1, 0, true);
		offer_bad(fake, param, at, true);
		fake_offer_tagged(fake, 2, 32, 1, 0, true);
		fake_offer(fake, 22, 1, false);
		FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
		FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 20, 1 }, { 30, 1 },
				  { 32, 1 }, { 22, 1 });
		FAKE_EXPECT_HELD(fake, { 20, 1 }, { 22, 1 }, { 30, 1 },
				 { 32, 1 }, { 500, 4 });
		FAKE_EXPECT_LAYOUT(fake, 2, { 30, 1 }, { 32, 1 });
		expect_bad_refused(fake, param, at + 1);
		fake_check(fake);
		fake_give_back(fake, 0);
	}
}

static void one_bad_refuses_its_chain(struct kunit *test)
{
	const struct bad_case *param = test->param_value;
	struct fake *fake = test->priv;

	fake_lend(fake, 500, 4);
	offer_bad(fake, param, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_HELD(fake, { 500, 4 });
	expect_bad_refused(fake, param, 1);
	fake_check(fake);

	/* the tag is free */
	FAKE_LEND(fake, { 1, 10, 1 }, { 1, 12, 1 }, { 1, 600, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 10, 1 }, { 12, 1 }, { 600, 1 });
}

static void untagged_in_sharable_is_no_partner(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[0].sharable = true;
	FAKE_OFFER(fake, { 1, 10, 1, 0 }, { 0, 20, 1 }, { 1, 11, 1, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 10, 1 }, { 11, 1 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_UNTAGGED, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 1);
	fake_check(fake);
}

/* One sharable partition does not make the other one so */
static void sequence_in_two_partitions(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[1].sharable = true;
	FAKE_OFFER(fake, { 1, 10, 1, 0 }, { 2, REGION2 + 1, 1, 1 },
		   { 1, 11, 1, 1 }, { 2, REGION2, 1, 0 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { REGION2 + 1, 1 },
			  { REGION2, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { REGION2, 1 }, { REGION2 + 1, 1 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_SEQUENCE, 1);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_PARTNER, 1);
	fake_check(fake);
}

/* Sequence numbers that go on in another partition */
static void spread_over_sharable_partitions(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[0].sharable = true;
	fake->extents.partition[1].sharable = true;
	FAKE_OFFER(fake, { 1, 10, 1, 0 }, { 1, REGION2, 1, 1 });
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_SPREAD, 2);
	fake_check(fake);
}

static void a_tag_in_each_region(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_LEND(fake, { 3, REGION2, 1 }, { 2, REGION1, 1 }, { 1, 5, 1 },
		  { 2, REGION1 + 1, 1 }, { 3, REGION2 + 4, 1 }, { 1, 4, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 5, 1 }, { 4, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { REGION1, 1 }, { REGION1 + 1, 1 });
	FAKE_EXPECT_LAYOUT(fake, 3, { REGION2, 1 }, { REGION2 + 4, 1 });
	fake_unmap(fake, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { REGION1, 1 },
			  { REGION1 + 1, 1 });
	fake_check(fake);
}

/* Untagged extents of a chain are no allocation ------------------------------- */

static void untagged_each_for_itself(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_OFFER(fake, { 0, REGION2, 1 }, { 1, 10, 1 }, { 0, 5, 1 },
		   { 0, FAKE_BLOCKS - 1, 1 }, { 0, REGION1, 1 }, { 1, 11, 1 },
		   { 0, 6, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { REGION2, 1 }, { 10, 1 },
			  { 5, 1 }, { REGION1, 1 }, { 11, 1 }, { 6, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 5);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_NO_REGION, 1);
	fake_check(fake);

	FAKE_ASK(fake, { 0, 5, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 5, 1 });
	FAKE_EXPECT_HELD(fake, { 6, 1 }, { 10, 1 }, { 11, 1 }, { REGION1, 1 },
			 { REGION2, 1 });
	fake_check(fake);
}

/* Order ------------------------------------------------------------------------ */

static void response_in_delivery_order(struct kunit *test)
{
	struct fake *fake = test->priv;

	FAKE_OFFER(fake, { 2, 10, 1 }, { 1, 30, 1 }, { 0, 40, 1 }, { 2, 8, 1 },
		   { 1, 20, 2 }, { 2, 9, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 10, 1 }, { 30, 1 },
			  { 40, 1 }, { 8, 1 }, { 20, 2 }, { 9, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 30, 1 }, { 20, 2 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 10, 1 }, { 8, 1 }, { 9, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 3);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 3);
	fake_check(fake);
}

static void shared_delivered_1_0(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[0].sharable = true;
	FAKE_OFFER(fake, { 2, 10, 1, 1 }, { 1, 30, 1, 1 }, { 2, 12, 1, 0 },
		   { 1, 32, 1, 0 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 10, 1 }, { 30, 1 },
			  { 12, 1 }, { 32, 1 });
	FAKE_EXPECT_LAYOUT(fake, 1, { 32, 1 }, { 30, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 12, 1 }, { 10, 1 });
	fake_check(fake);
}

static void many_extents_of_one_tag(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[0].sharable = true;
	for (unsigned int i = 0; i < 400; i++)
		fake_offer_tagged(fake, 1, i, 1, 399 - i, i < 399);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 1);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.accepted, 400);
	fake_check(fake);
	FAKE_ASK(fake, { 1, 200, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.released, 400);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_check(fake);
}

/* Nothing of it appears -------------------------------------------------------- */

static void offer_two_tags(struct fake *fake)
{
	FAKE_OFFER(fake, { 1, 10, 1 }, { 2, 30, 1 }, { 1, 12, 1 }, { 0, 20, 1 },
		   { 2, 32, 1 });
}

static void not_prepared(struct kunit *test)
{
	struct fake *fake = test->priv;

	for (unsigned int nth = 1; nth <= 3; nth++) {
		fake_forget_calls(fake);
		fake_fail(fake, FAKE_PREPARE, nth, -ENOSPC, 0);
		offer_two_tags(fake);
		FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
		FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 2);
		FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
		fake_check(fake);
		fake_give_back(fake, 0);
	}
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_NO_RESOURCES, 5);
}

static void not_published(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_PUBLISH, 1, -ENOMEM, 0);
	offer_two_tags(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RELEASE, 1, { 10, 1 }, { 12, 1 });
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_NOT_PUBLISHED, 2);
	FAKE_EXPECT_HELD(fake, { 20, 1 }, { 30, 1 }, { 32, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 30, 1 }, { 32, 1 });
	fake_check(fake);
}

struct refused_case {
	const char *name;
	int rc;
	unsigned int done;
};

static const struct refused_case refused_cases[] = {
	{ "refused", CXL_MBOX_CMD_RC_INPUT, 0 },
	{ "no answer", -ETIMEDOUT, 0 },
	{ "one processed", CXL_MBOX_CMD_RC_RESOURCEEXHAUSTED, 1 },
	{ "two processed", -ETIMEDOUT, 2 },
	{ "a tag processed", CXL_MBOX_CMD_RC_INPUT, 3 },
	{ "all but the last processed", CXL_MBOX_CMD_RC_INPUT, 4 },
	{ "processed, no answer", -ETIMEDOUT, 5 },
};

KUNIT_ARRAY_PARAM_DESC(refused, refused_cases, name);

static void not_accepted(struct kunit *test)
{
	const struct refused_case *param = test->param_value;
	struct fake *fake = test->priv;

	FAKE_LEND(fake, { 3, 100, 1 }, { 3, 102, 1 });
	fake_fail(fake, FAKE_RESPOND, 1, param->rc, param->done);
	offer_two_tags(fake);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_DISCARD, 3);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, param->done ? 1 : 0);
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_NOT_ACCEPTED, 5);
	FAKE_EXPECT_HELD(fake, { 100, 1 }, { 102, 1 });
	KUNIT_EXPECT_EQ(test, list_count_nodes(&fake->accepted), 2);
	fake_check(fake);

	/* the tags are free */
	offer_two_tags(fake);
	FAKE_EXPECT_LAYOUT(fake, 1, { 10, 1 }, { 12, 1 });
	FAKE_EXPECT_LAYOUT(fake, 2, { 30, 1 }, { 32, 1 });
	fake_check(fake);
}

static struct kunit_case tag_cases[] = {
	KUNIT_CASE_PARAM(one_bad_refuses_its_tag_and_no_other, bad_gen_params),
	KUNIT_CASE_PARAM(one_bad_refuses_its_tag_and_no_other,
			 overlap_gen_params),
	KUNIT_CASE_PARAM(one_bad_refuses_its_chain, bad_gen_params),
	KUNIT_CASE(untagged_in_sharable_is_no_partner),
	KUNIT_CASE(sequence_in_two_partitions),
	KUNIT_CASE(spread_over_sharable_partitions),
	KUNIT_CASE(a_tag_in_each_region),
	KUNIT_CASE(untagged_each_for_itself),
	KUNIT_CASE(response_in_delivery_order),
	KUNIT_CASE(shared_delivered_1_0),
	KUNIT_CASE(many_extents_of_one_tag),
	KUNIT_CASE(not_prepared),
	KUNIT_CASE(not_published),
	KUNIT_CASE_PARAM(not_accepted, refused_gen_params),
	{}
};

static struct kunit_suite tag_suite = {
	.name = "cxl_extent_tag",
	.init = tag_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = tag_cases,
};

kunit_test_suite(tag_suite);
