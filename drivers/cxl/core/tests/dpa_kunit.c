// SPDX-License-Identifier: GPL-2.0-only
/*
 * DPA partitions: those of Dynamic Capacity follow the static ones, with gaps
 *
 * What an endpoint decoder skips reaches from the last allocation to the start of
 * the partition, so the gaps belong to it, once.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/sizes.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"

static struct cxl_dpa_part_info part_at(u64 start, u64 size,
					enum cxl_partition_mode mode)
{
	return (struct cxl_dpa_part_info) {
		.range = DEFINE_RANGE(start, start + size - 1),
		.mode = mode,
	};
}

/* ram, a gap, dynamic_ram_1, a gap, dynamic_ram_2; each of 1 GiB */
static void with_gaps(struct cxl_dpa_info *info)
{
	*info = (struct cxl_dpa_info) {
		.size = 6ULL * SZ_1G,
		.part[0] = part_at(0, SZ_1G, CXL_PARTMODE_RAM),
		.part[1] = part_at(2ULL * SZ_1G, SZ_1G,
				   CXL_PARTMODE_DYNAMIC_RAM_1),
		.part[2] = part_at(5ULL * SZ_1G, SZ_1G,
				   CXL_PARTMODE_DYNAMIC_RAM_2),
		.nr_partitions = 3,
	};
}

static struct cxl_dev_state *new_device(struct kunit *test)
{
	struct cxl_dev_state *cxlds = kunit_kzalloc(test, sizeof(*cxlds),
						    GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, cxlds);
	cxlds->dev = kunit_device_register(test, "dpa");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cxlds->dev);
	return cxlds;
}

static void expect_next(struct kunit *test, struct cxl_dev_state *cxlds,
			int part, u64 start, u64 skip)
{
	resource_size_t got_skip = 1;

	KUNIT_EXPECT_EQ(test, start, cxl_dpa_next(cxlds, part, &got_skip));
	KUNIT_EXPECT_EQ(test, skip, got_skip);
}

static struct resource *allocate(struct kunit *test,
				 struct cxl_dev_state *cxlds, u64 start,
				 u64 size)
{
	struct resource *res = __request_region(&cxlds->dpa_res, start, size,
						"test", 0);

	KUNIT_ASSERT_NOT_NULL(test, res);
	return res;
}

static void skip_covers_gaps_once(struct kunit *test)
{
	struct cxl_dev_state *cxlds = new_device(test);
	struct cxl_dpa_info info;

	with_gaps(&info);
	KUNIT_ASSERT_EQ(test, 0, cxl_dpa_setup(cxlds, &info));
	KUNIT_EXPECT_EQ(test, 3, cxlds->nr_partitions);
	KUNIT_EXPECT_STREQ(test, "dynamic_ram_2", cxlds->part[2].res.name);

	/* nothing allocated: all that is below is skipped */
	expect_next(test, cxlds, 0, 0, 0);
	expect_next(test, cxlds, 1, 2ULL * SZ_1G, 2ULL * SZ_1G);
	expect_next(test, cxlds, 2, 5ULL * SZ_1G, 5ULL * SZ_1G);

	allocate(test, cxlds, 0, SZ_256M);
	expect_next(test, cxlds, 0, SZ_256M, 0);
	expect_next(test, cxlds, 1, 2ULL * SZ_1G, 2ULL * SZ_1G - SZ_256M);

	/* the skip of the first allocation is in the tree, as request_skip() has it */
	allocate(test, cxlds, SZ_256M, SZ_1G - SZ_256M);
	allocate(test, cxlds, 2ULL * SZ_1G, SZ_256M);
	expect_next(test, cxlds, 1, 2ULL * SZ_1G + SZ_256M, 0);
	expect_next(test, cxlds, 2, 5ULL * SZ_1G, 3ULL * SZ_1G - SZ_256M);

	__release_region(&cxlds->dpa_res, 2ULL * SZ_1G, SZ_256M);
	__release_region(&cxlds->dpa_res, SZ_256M, SZ_1G - SZ_256M);
	__release_region(&cxlds->dpa_res, 0, SZ_256M);
}

/* No static memory, and the first partition does not start at DPA 0 */
static void skip_begins_at_zero(struct kunit *test)
{
	struct cxl_dev_state *cxlds = new_device(test);
	struct cxl_dpa_info info = {
		.size = 4ULL * SZ_1G,
		.part[0] = part_at(SZ_1G, SZ_1G, CXL_PARTMODE_DYNAMIC_RAM_1),
		.part[1] = part_at(3ULL * SZ_1G, SZ_1G,
				   CXL_PARTMODE_DYNAMIC_RAM_2),
		.nr_partitions = 2,
	};

	KUNIT_ASSERT_EQ(test, 0, cxl_dpa_setup(cxlds, &info));
	expect_next(test, cxlds, 0, SZ_1G, SZ_1G);
	expect_next(test, cxlds, 1, 3ULL * SZ_1G, 3ULL * SZ_1G);

	allocate(test, cxlds, SZ_1G, SZ_256M);
	expect_next(test, cxlds, 0, SZ_1G + SZ_256M, 0);
	expect_next(test, cxlds, 1, 3ULL * SZ_1G, 2ULL * SZ_1G - SZ_256M);
	__release_region(&cxlds->dpa_res, SZ_1G, SZ_256M);
}

static void gap_between_static_is_refused(struct kunit *test)
{
	struct cxl_dev_state *cxlds = new_device(test);
	struct cxl_dpa_info info;

	with_gaps(&info);
	info.part[1].mode = CXL_PARTMODE_PMEM;
	KUNIT_EXPECT_EQ(test, -EINVAL, cxl_dpa_setup(cxlds, &info));
}

static void overlap_is_refused(struct kunit *test)
{
	struct cxl_dev_state *cxlds = new_device(test);
	struct cxl_dpa_info info;

	with_gaps(&info);
	info.part[2].range.start = info.part[1].range.end;
	KUNIT_EXPECT_EQ(test, -EINVAL, cxl_dpa_setup(cxlds, &info));
}

static struct kunit_case dpa_cases[] = {
	KUNIT_CASE(skip_covers_gaps_once),
	KUNIT_CASE(skip_begins_at_zero),
	KUNIT_CASE(gap_between_static_is_refused),
	KUNIT_CASE(overlap_is_refused),
	{}
};

static struct kunit_suite dpa_suite = {
	.name = "cxl_dc_dpa",
	.test_cases = dpa_cases,
};

kunit_test_suite(dpa_suite);
