// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains of Add Capacity records: intake, the checks of an untagged extent, order
 */
#include <kunit/visibility.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include "extent_fake.h"

#define TAG	UUID_INIT(0x01020304, 0x0506, 0x0708, 9, 10, 11, 12, 13, 14, 15, 16)

/* Chains of so many extents are answered by one response --------------------- */

struct chain_size {
	const char *name;
	unsigned int nr;
};

static const struct chain_size chain_sizes[] = {
	{ .name = "1 extent", .nr = 1 },
	{ .name = "8 extents", .nr = 8 },
	{ .name = "400 extents", .nr = 400 },
};

KUNIT_ARRAY_PARAM_DESC(size, chain_sizes, name);

static void one_response_a_chain(struct kunit *test)
{
	const struct chain_size *param = test->param_value;
	struct fake *fake = test->priv;

	for (unsigned int i = 0; i < param->nr; i++)
		fake_offer(fake, i, 1, i + 1 < param->nr);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_LIST, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_PUBLISH, param->nr);
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 1);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.add_records, param->nr);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.accepted, param->nr);
	KUNIT_EXPECT_EQ(test, fake->extents.stats.chains, 1);
	fake_check(fake);
}

static void nothing_before_the_end(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_offer(fake, 0, 1, true);
	fake_offer(fake, 1, 1, true);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_HELD_NONE(fake);
	fake_offer(fake, 2, 1, false);
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 1, 1 }, { 2, 1 });
	fake_check(fake);
}

static void chains_follow_each_other(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_offer(fake, 5, 1, true);
	fake_offer(fake, 4, 1, false);
	fake_offer(fake, 0, 4, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 2);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 5, 1 }, { 4, 1 });
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 2, { 0, 4 });
	fake_check(fake);
}

/* Refusals ------------------------------------------------------------------- */

/*
 * One extent between two good ones, blocks 20 and 22: the response names those
 * two, in order, and the reason is counted. Blocks 500 to 503 are held.
 */
struct refusal_case {
	const char *name;
	u64 start;
	u64 len;
	enum cxl_extent_reason reason;
	uuid_t tag;
	u16 seq;
	u64 block_size;
};

static const struct refusal_case refusal_cases[] = {
	{ "length zero", FAKE_DPA(10), 0, CXL_EXTENT_BAD_LENGTH },
	{ "everything zero", 0, 0, CXL_EXTENT_BAD_LENGTH },
	{ "longest length", FAKE_DPA(10), U64_MAX, CXL_EXTENT_BAD_LENGTH },
	{ "end wraps to zero and on", -FAKE_BLOCK, 2 * FAKE_BLOCK,
	  CXL_EXTENT_BAD_LENGTH },
	{ "end wraps into the partition", FAKE_DPA(10), -FAKE_BLOCK,
	  CXL_EXTENT_BAD_LENGTH },
	{ "last bytes of 64 bits", -FAKE_BLOCK, FAKE_BLOCK,
	  CXL_EXTENT_NO_PARTITION },
	{ "before the partitions", 0, FAKE_BLOCK, CXL_EXTENT_NO_PARTITION },
	{ "into the first partition", FAKE_BASE - FAKE_BLOCK, 2 * FAKE_BLOCK,
	  CXL_EXTENT_NO_PARTITION },
	{ "out of a partition", FAKE_DPA(FAKE_BLOCKS - 1), 2 * FAKE_BLOCK,
	  CXL_EXTENT_NO_PARTITION },
	{ "between the partitions", FAKE_DPA(FAKE_BLOCKS), FAKE_BLOCK,
	  CXL_EXTENT_NO_PARTITION },
	{ "over two partitions", FAKE_DPA(FAKE_BLOCKS - 1),
	  (FAKE_PART1 - FAKE_BLOCKS + 2) * FAKE_BLOCK, CXL_EXTENT_NO_PARTITION },
	{ "behind the partitions", FAKE_DPA(FAKE_PART1 + FAKE_BLOCKS),
	  FAKE_BLOCK, CXL_EXTENT_NO_PARTITION },
	{ "misaligned start", FAKE_DPA(10) + SZ_1M, FAKE_BLOCK,
	  CXL_EXTENT_MISALIGNED },
	{ "misaligned length", FAKE_DPA(10), FAKE_BLOCK + 64,
	  CXL_EXTENT_MISALIGNED },
	{ "shorter than a block", FAKE_DPA(10), SZ_1M, CXL_EXTENT_MISALIGNED },
	{ "start not a multiple of the block size", FAKE_DPA(11),
	  2 * FAKE_BLOCK, CXL_EXTENT_MISALIGNED, .block_size = SZ_4M },
	{ "length not a multiple of the block size", FAKE_DPA(12), FAKE_BLOCK,
	  CXL_EXTENT_MISALIGNED, .block_size = SZ_4M },
	{ "multiple of a small block size only", FAKE_DPA(10) + SZ_64K, SZ_64K,
	  CXL_EXTENT_MISALIGNED, .block_size = SZ_64K },
	{ "sequence number", FAKE_DPA(10), FAKE_BLOCK, CXL_EXTENT_SEQUENCE,
	  .seq = 1 },
	{ "tag and sequence number", FAKE_DPA(10), FAKE_BLOCK,
	  CXL_EXTENT_SEQUENCE, .tag = TAG, .seq = 1 },
	{ "held already, under a tag", FAKE_DPA(500), 4 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_HELD, .tag = TAG },
	{ "not in a region", FAKE_DPA(FAKE_MAPPED), FAKE_BLOCK,
	  CXL_EXTENT_NO_REGION },
	{ "partition without a region", FAKE_DPA(FAKE_PART1), FAKE_BLOCK,
	  CXL_EXTENT_NO_REGION },
	{ "clipped by the region", FAKE_DPA(FAKE_MAPPED - 1), 2 * FAKE_BLOCK,
	  CXL_EXTENT_NO_REGION },
	{ "around the region", FAKE_DPA(0), FAKE_BLOCKS * FAKE_BLOCK,
	  CXL_EXTENT_NO_REGION },
	{ "begins in what is held", FAKE_DPA(503), 2 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_HELD },
	{ "ends in what is held", FAKE_DPA(499), 2 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_HELD },
	{ "part of what is held", FAKE_DPA(501), FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_HELD },
	{ "around what is held", FAKE_DPA(499), 6 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_HELD },
};

KUNIT_ARRAY_PARAM_DESC(refusal, refusal_cases, name);

static const struct refusal_case overlap_cases[] = {
	{ "the same twice", FAKE_DPA(20), 2 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_CHAIN },
	{ "begins in the one before", FAKE_DPA(21), FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_CHAIN },
	{ "ends in the one before", FAKE_DPA(19), 2 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_CHAIN },
	{ "around the one before", FAKE_DPA(19), 4 * FAKE_BLOCK,
	  CXL_EXTENT_OVERLAP_CHAIN },
};

KUNIT_ARRAY_PARAM_DESC(overlap, overlap_cases, name);

static struct cxl_extent_record refusal_record(const struct refusal_case *param)
{
	return (struct cxl_extent_record) {
		.start = param->start,
		.len = param->len,
		.tag = param->tag,
		.seq = param->seq,
		.more = true,
	};
}

static void refused_between_good_ones(struct kunit *test)
{
	const struct refusal_case *param = test->param_value;
	struct cxl_extent_record record = refusal_record(param);
	struct fake *fake = test->priv;

	fake_lend(fake, 500, 4);
	if (param->block_size)
		fake->extents.partition[0].block_size = param->block_size;
	fake_offer(fake, 20, 2, true);
	fake_offer_record(fake, &record);
	fake_offer(fake, 22, 2, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 20, 2 }, { 22, 2 });
	FAKE_EXPECT_HELD(fake, { 20, 2 }, { 22, 2 }, { 500, 4 });
	FAKE_EXPECT_REFUSED(fake, param->reason, 1);
	fake_check(fake);
}

static void overlap_within_the_chain(struct kunit *test)
{
	refused_between_good_ones(test);
}

static void refused_alone(struct kunit *test)
{
	const struct refusal_case *param = test->param_value;
	struct cxl_extent_record record = refusal_record(param);
	struct fake *fake = test->priv;

	fake_lend(fake, 500, 4);
	if (param->block_size)
		fake->extents.partition[0].block_size = param->block_size;
	record.more = false;
	fake_offer_record(fake, &record);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_HELD(fake, { 500, 4 });
	FAKE_EXPECT_REFUSED(fake, param->reason, 1);
	fake_check(fake);
}

static void sharable_partition(struct kunit *test)
{
	struct cxl_extent_record record = fake_record(2, 1, false);
	struct fake *fake = test->priv;

	fake->extents.partition[0].sharable = true;
	fake_offer(fake, 0, 1, true);
	fake_offer(fake, 1, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_REFUSED(fake, CXL_EXTENT_UNTAGGED, 2);
	fake_check(fake);

	record.seq = 1;
	record.tag = TAG;
	fake_offer_record(fake, &record);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 2);
	KUNIT_EXPECT_EQ(test, 1,
			fake->extents.stats.refused[CXL_EXTENT_SEQUENCE_GAP]);
	fake_check(fake);
}

static void big_blocks_accepted(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->extents.partition[0].block_size = SZ_4M;
	fake_offer(fake, 2, 4, false);
	FAKE_EXPECT_HELD(fake, { 2, 4 });
	fake_check(fake);
}

static void ends_of_region_accepted(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_offer(fake, FAKE_MAPPED - 1, 1, true);
	fake_offer(fake, 0, 1, true);
	fake_offer(fake, 1, FAKE_MAPPED - 2, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { FAKE_MAPPED - 1, 1 },
			  { 0, 1 }, { 1, FAKE_MAPPED - 2 });
	fake_check(fake);
}

static void no_resources_for_one(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_fail(fake, FAKE_PREPARE, 2, -ENOSPC, 0);
	fake_offer(fake, 3, 1, true);
	fake_offer(fake, 2, 1, true);
	fake_offer(fake, 1, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 3, 1 }, { 1, 1 });
	FAKE_EXPECT_REFUSED(fake, CXL_EXTENT_NO_RESOURCES, 1);
	fake_check(fake);
}

/* Order ---------------------------------------------------------------------- */

static void delivery_order_is_kept(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_offer(fake, 700, 2, true);
	fake_offer(fake, 3, 1, true);
	fake_offer(fake, FAKE_PART1, 1, true);	/* no region */
	fake_offer(fake, 9, 1, true);
	fake_offer(fake, 701, 1, true);		/* overlaps the first */
	fake_offer(fake, 2, 1, true);
	fake_offer(fake, 400, 300, true);
	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { 700, 2 }, { 3, 1 }, { 9, 1 },
			  { 2, 1 }, { 400, 300 }, { 0, 1 });
	fake_check(fake);
}

static void two_regions_in_two_partitions(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 1, FAKE_PART1, FAKE_BLOCKS));
	KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 2, FAKE_MAPPED, 128));
	fake_forget_calls(fake);
	fake_offer(fake, FAKE_PART1 + 1, 1, true);
	fake_offer(fake, 1, 1, true);
	fake_offer(fake, FAKE_PART1, 1, true);
	fake_offer(fake, FAKE_MAPPED - 1, 2, true);	/* in two regions */
	fake_offer(fake, 0, 1, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 1, { FAKE_PART1 + 1, 1 },
			  { 1, 1 }, { FAKE_PART1, 1 }, { 0, 1 });
	FAKE_EXPECT_COUNT(fake, FAKE_INVALIDATE, 2);
	FAKE_EXPECT_REFUSED(fake, CXL_EXTENT_NO_REGION, 1);
	fake_check(fake);

	fake_unmap(fake, 1);
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 1, 1 });
	fake_check(fake);
}

/* Limits --------------------------------------------------------------------- */

static void longest_chain(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, fake->extents.max_chain, 2 * FAKE_BLOCKS);
	cxl_extents_set_limits(&fake->extents, 3);
	KUNIT_EXPECT_EQ(test, fake->extents.max_chain, 3);
	cxl_extents_set_limits(&fake->extents, U32_MAX);
	KUNIT_EXPECT_EQ(test, fake->extents.max_chain, 2 * FAKE_BLOCKS);
	fake->extents.partition[0].dpa.end -= FAKE_BLOCK / 2;
	cxl_extents_set_limits(&fake->extents, 0);
	KUNIT_EXPECT_EQ(test, fake->extents.max_chain, 2 * FAKE_BLOCKS - 1);

	/* whatever a device says of itself */
	fake->extents.partition[0].dpa.end = U64_MAX / 2;
	cxl_extents_set_limits(&fake->extents, U32_MAX);
	KUNIT_EXPECT_EQ(test, fake->extents.max_chain, CXL_EXTENTS_MAX);
}

/* Chains of 3 to 6 where 3 is the most, and their tails are no chains */
static void too_long(struct kunit *test)
{
	struct fake *fake = test->priv;

	cxl_extents_set_limits(&fake->extents, 3);
	for (int nr = 4; nr <= 6; nr++) {
		fake_forget_calls(fake);
		for (int i = 0; i < nr; i++) {
			FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
			fake_offer(fake, i, 1, i + 1 < nr);
		}
		FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
		FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
		FAKE_EXPECT_COUNT(fake, FAKE_REPORT, 1);
		fake_check(fake);
	}
	KUNIT_EXPECT_EQ(test, 3,
			fake->extents.stats.refused[CXL_EXTENT_CHAIN_TOO_LONG]);
	for (int i = 0; i < 3; i++)
		fake_offer(fake, i, 1, i < 2);
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 1, 1 }, { 2, 1 });
	fake_check(fake);
}

/* No memory for a record of a chain of 5, for each of them */
static void no_memory_for_a_record(struct kunit *test)
{
	struct fake *fake = test->priv;

	for (int nth = 1; nth <= 5; nth++) {
		fake_forget_calls(fake);
		fake->fail_alloc = nth;
		for (int i = 0; i < 5; i++) {
			FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
			fake_offer(fake, i, 1, i < 4);
		}
		FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
		FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
		fake_check(fake);
	}
	fake->fail_alloc = 0;
	KUNIT_EXPECT_EQ(test, 5,
			fake->extents.stats.refused[CXL_EXTENT_CHAIN_NOMEM]);
	fake_offer(fake, 0, 5, false);
	FAKE_EXPECT_HELD(fake, { 0, 5 });
	fake_check(fake);
}

static void timeout(struct kunit *test)
{
	const unsigned long time = CXL_CHAIN_TIMEOUT_SECONDS * HZ;
	struct fake *fake = test->priv;

	fake_offer(fake, 0, 1, true);
	fake_offer(fake, 1, 1, true);
	fake_expire(fake, fake->extents.chain.last);
	fake_expire(fake, fake->extents.chain.last + time - 1);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	fake_expire(fake, fake->extents.chain.last + time);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_REFUSED(fake, CXL_EXTENT_CHAIN_TIMEOUT, 1);
	fake_check(fake);

	fake_expire(fake, fake->extents.chain.last + 2 * time);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	fake_offer(fake, 1, 1, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 2, { 1, 1 });
	fake_check(fake);
}

static void every_record_delays_the_timeout(struct kunit *test)
{
	const unsigned long time = CXL_CHAIN_TIMEOUT_SECONDS * HZ;
	struct fake *fake = test->priv;

	fake_offer(fake, 0, 1, true);
	fake->extents.chain.last -= time;
	fake_offer(fake, 1, 1, true);
	fake_expire(fake, jiffies);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
	fake_offer(fake, 2, 1, false);
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 1, 1 }, { 2, 1 });
	fake_check(fake);
}

static void timeout_of_a_refused_chain(struct kunit *test)
{
	const unsigned long time = CXL_CHAIN_TIMEOUT_SECONDS * HZ;
	struct fake *fake = test->priv;

	cxl_extents_set_limits(&fake->extents, 1);
	fake_offer(fake, 0, 1, true);
	fake_offer(fake, 1, 1, true);
	fake_expire(fake, fake->extents.chain.last + time);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	fake_offer(fake, 2, 1, false);
	FAKE_EXPECT_NAMED(fake, FAKE_RESPOND, 2, { 2, 1 });
	fake_check(fake);
}

static struct kunit_case chain_cases[] = {
	KUNIT_CASE_PARAM(one_response_a_chain, size_gen_params),
	KUNIT_CASE(nothing_before_the_end),
	KUNIT_CASE(chains_follow_each_other),
	KUNIT_CASE_PARAM(refused_between_good_ones, refusal_gen_params),
	KUNIT_CASE_PARAM(overlap_within_the_chain, overlap_gen_params),
	KUNIT_CASE_PARAM(refused_alone, refusal_gen_params),
	KUNIT_CASE(sharable_partition),
	KUNIT_CASE(big_blocks_accepted),
	KUNIT_CASE(ends_of_region_accepted),
	KUNIT_CASE(no_resources_for_one),
	KUNIT_CASE(delivery_order_is_kept),
	KUNIT_CASE(two_regions_in_two_partitions),
	KUNIT_CASE(longest_chain),
	KUNIT_CASE(too_long),
	KUNIT_CASE(no_memory_for_a_record),
	KUNIT_CASE(timeout),
	KUNIT_CASE(every_record_delays_the_timeout),
	KUNIT_CASE(timeout_of_a_refused_chain),
	{}
};

static struct kunit_suite chain_suite = {
	.name = "cxl_extent_chain",
	.init = fake_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = chain_cases,
};

kunit_test_suite(chain_suite);

MODULE_DESCRIPTION("KUnit tests for CXL Dynamic Capacity");
MODULE_IMPORT_NS("CXL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
