// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every order of delivery of small chains with tags: the response has that order, an
 * allocation the one of its sequence numbers or, without such, the order of delivery
 */
#include "extent_fake.h"

#define MOST	5

/* What is offered in every order; sorted by first block, none longer than MOST */
struct order_case {
	const char *name;
	struct fake_item items[MOST];
	unsigned int nr;
	bool sharable;
	bool refused;
};

static const struct order_case order_cases[] = {
	{ "one tag of 2", { { 1, 1, 1 }, { 1, 3, 2 } }, 2 },
	{ "one tag of 5", { { 1, 1, 1 }, { 1, 3, 2 }, { 1, 5, 1 }, { 1, 6, 1 },
	  { 1, 9, 1 } }, 5 },
	{ "tag of 2 and 2 untagged", { { 0, 1, 1 }, { 1, 3, 2 }, { 0, 5, 1 },
	  { 1, 6, 1 } }, 4 },
	{ "2 tags of 2", { { 1, 1, 1 }, { 2, 3, 2 }, { 1, 5, 1 }, { 2, 6, 1 } },
	  4 },
	{ "2 tags of 2, and untagged", { { 1, 1, 1 }, { 2, 3, 2 }, { 0, 5, 1 },
	  { 2, 6, 1 }, { 1, 8, 1 } }, 5 },
	{ "tags of 3 and 2", { { 1, 1, 1 }, { 2, 3, 2 }, { 1, 5, 1 },
	  { 2, 6, 1 }, { 1, 8, 1 } }, 5 },
	{ "sequence of 1", { { 1, 1, 1, 0 } }, 1, .sharable = true },
	{ "sequence of 2", { { 1, 1, 1, 0 }, { 1, 3, 2, 1 } }, 2,
	  .sharable = true },
	{ "sequence of 3", { { 1, 1, 1, 2 }, { 1, 3, 2, 0 }, { 1, 6, 1, 1 } },
	  3, .sharable = true },
	{ "sequence of 4", { { 1, 1, 1, 3 }, { 1, 3, 2, 2 }, { 1, 6, 1, 1 },
	  { 1, 7, 1, 0 } }, 4, .sharable = true },
	{ "sequence of 5", { { 1, 1, 1, 2 }, { 1, 3, 2, 0 }, { 1, 6, 1, 1 },
	  { 1, 7, 1, 4 }, { 1, 9, 1, 3 } }, 5, .sharable = true },
	{ "sequences of 3 and 2", { { 1, 1, 1, 2 }, { 2, 3, 2, 0 },
	  { 1, 6, 1, 1 }, { 1, 9, 1, 0 }, { 2, 11, 1, 1 } }, 5,
	  .sharable = true },
	{ "starts at 1", { { 1, 1, 1, 1 } }, 1, .sharable = true,
	  .refused = true },
	{ "last number only", { { 1, 1, 1, U16_MAX } }, 1, .sharable = true,
	  .refused = true },
	{ "1 and 2", { { 1, 1, 1, 2 }, { 1, 3, 1, 1 } }, 2, .sharable = true,
	  .refused = true },
	{ "0 and 2", { { 1, 1, 1, 0 }, { 1, 3, 1, 2 } }, 2, .sharable = true,
	  .refused = true },
	{ "0, 0", { { 1, 1, 1, 0 }, { 1, 3, 1, 0 } }, 2, .sharable = true,
	  .refused = true },
	{ "0, 1, 1", { { 1, 1, 1, 0 }, { 1, 3, 1, 1 }, { 1, 5, 1, 1 } }, 3,
	  .sharable = true, .refused = true },
	{ "0, 0, 1", { { 1, 1, 1, 0 }, { 1, 3, 1, 0 }, { 1, 5, 1, 1 } }, 3,
	  .sharable = true, .refused = true },
	{ "0, 1, 3", { { 1, 1, 1, 0 }, { 1, 3, 1, 1 }, { 1, 5, 1, 3 } }, 3,
	  .sharable = true, .refused = true },
	{ "0, 1, 2, 2", { { 1, 1, 1, 0 }, { 1, 3, 1, 1 }, { 1, 5, 1, 2 },
	  { 1, 7, 1, 2 } }, 4, .sharable = true, .refused = true },
	{ "0, 1, 2, 65535", { { 1, 1, 1, 0 }, { 1, 3, 1, 1 }, { 1, 5, 1, 2 },
	  { 1, 7, 1, U16_MAX } }, 4, .sharable = true, .refused = true },
};

KUNIT_ARRAY_PARAM_DESC(order, order_cases, name);

/* To the next order of @items, by first block; false after the last one */
static bool permute(struct fake_item *items, unsigned int nr)
{
	unsigned int i = nr - 1, j = nr - 1;

	while (i && items[i - 1].first > items[i].first)
		i--;
	if (!i)
		return false;
	while (items[j].first < items[i - 1].first)
		j--;
	swap(items[i - 1], items[j]);
	for (j = nr - 1; i < j; i++, j--)
		swap(items[i], items[j]);
	return true;
}

static struct fake_blocks to_blocks(const struct fake_item *item)
{
	return (struct fake_blocks) { item->first, item->nr };
}

static void expect_named_all(struct fake *fake, const struct fake_item *items,
			     unsigned int nr)
{
	struct fake_blocks want[MOST];

	for (unsigned int i = 0; i < nr; i++)
		want[i] = to_blocks(&items[i]);
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	fake_expect_named(fake, __LINE__, FAKE_RESPOND, 1, want, nr);
}

static void expect_held_all(struct fake *fake,
			    const struct order_case *param)
{
	struct fake_blocks want[MOST];

	for (unsigned int i = 0; i < param->nr; i++)
		want[i] = to_blocks(&param->items[i]);
	fake_expect_held(fake, __LINE__, want, param->nr);
}

/* In the order of @items, and of sequence numbers if there are any */
static void expect_laid_out(struct fake *fake, const struct fake_item *items,
			    unsigned int nr, unsigned int tag, bool sharable)
{
	struct fake_blocks want[MOST] = {};
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if (items[i].tag != tag)
			continue;
		want[sharable ? items[i].seq : n] = to_blocks(&items[i]);
		n++;
	}
	if (n)
		fake_expect_layout(fake, __LINE__, tag, want, n);
}

static void expect_refused_all(struct fake *fake)
{
	FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_NAMED_NONE(fake, FAKE_RESPOND, 1);
	FAKE_EXPECT_COUNT(fake, FAKE_PREPARE, 0);
	FAKE_EXPECT_HELD_NONE(fake);
}

static void every_order(struct kunit *test)
{
	const struct order_case *param = test->param_value;
	struct fake *fake = test->priv;
	struct fake_item items[MOST];
	unsigned int nr_orders = 0;

	memcpy(items, param->items, sizeof(items));
	fake->extents.partition[0].sharable = param->sharable;
	do {
		fake_forget_calls(fake);
		fake_offer_items(fake, items, param->nr);
		if (param->refused) {
			expect_refused_all(fake);
		} else {
			expect_named_all(fake, items, param->nr);
			expect_held_all(fake, param);
			for (unsigned int tag = 1; tag <= 2; tag++)
				expect_laid_out(fake, items, param->nr, tag,
						param->sharable);
		}
		fake_check(fake);
		fake_give_back(fake, 0);
		nr_orders++;
	} while (permute(items, param->nr));
	FAKE_EXPECT_REASON(fake, CXL_EXTENT_SEQUENCE_GAP,
			   param->refused ? nr_orders * param->nr : 0);
	kunit_info(test, "%u orders\n", nr_orders);
}

/* The device's list has an order, too */
static void every_order_of_the_list(struct kunit *test)
{
	const struct order_case *param = test->param_value;
	struct fake *fake = test->priv;
	struct fake_item items[MOST];

	memcpy(items, param->items, sizeof(items));
	fake->extents.partition[0].sharable = param->sharable;
	do {
		fake_unmap(fake, 0);
		fake_forget_calls(fake);
		fake_remember_items(fake, items, param->nr);
		KUNIT_ASSERT_EQ(test, 0, fake_map(fake, 0, 0, FAKE_MAPPED));
		FAKE_EXPECT_COUNT(fake, FAKE_RESPOND, 0);
		FAKE_EXPECT_COUNT(fake, FAKE_RELEASE, param->refused);
		if (param->refused) {
			FAKE_EXPECT_HELD_NONE(fake);
		} else {
			expect_held_all(fake, param);
			for (unsigned int tag = 1; tag <= 2; tag++)
				expect_laid_out(fake, items, param->nr, tag,
						param->sharable);
		}
		fake_check(fake);
	} while (permute(items, param->nr));
}

/* Else the above would not see every order */
static void there_are_as_many_orders(struct kunit *test)
{
	struct fake_item items[MOST] = { { 0, 1, 1 }, { 0, 3, 1 }, { 0, 5, 1 },
					 { 0, 6, 1 }, { 0, 9, 1 } };
	unsigned int nr = 1;

	while (permute(items, 5))
		nr++;
	KUNIT_EXPECT_EQ(test, nr, 120);
}

static struct kunit_case order_kunit_cases[] = {
	KUNIT_CASE(there_are_as_many_orders),
	KUNIT_CASE_PARAM(every_order, order_gen_params),
	KUNIT_CASE_PARAM(every_order_of_the_list, order_gen_params),
	{}
};

static struct kunit_suite order_suite = {
	.name = "cxl_extent_tag_order",
	.init = fake_kunit_init,
	.exit = fake_kunit_exit,
	.test_cases = order_kunit_cases,
};

kunit_test_suite(order_suite);
