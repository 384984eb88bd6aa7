// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic Capacity on the wire: responses, extent lists, event records. Offsets are
 * those of CXL 3.1 8.2.9.9.9 and 8.2.9.2.1.6, not those of our structures.
 */
#include <linux/slab.h>
#include <linux/unaligned.h>
#include "wire_fake.h"

/* Responses and releases ------------------------------------------------------------ */

static void response_bytes(struct kunit *test)
{
	static const u8 want[] = {
		3, 0, 0, 0, 0, 0, 0, 0,
		0x00, 0x00, 0x00, 0x00, 0x34, 0x12, 0x00, 0x00,
		0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00,
		0, 0, 0, 0, 0, 0, 0, 0,
		0x00, 0x00, 0x20, 0x00, 0x34, 0x12, 0x00, 0x00,
		0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00,
		0, 0, 0, 0, 0, 0, 0, 0,
		0x00, 0x00, 0x40, 0x00, 0x34, 0x12, 0x00, 0x00,
		0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00,
		0, 0, 0, 0, 0, 0, 0, 0,
	};
	struct wire_fake *fake = wire_fake_new(test, 512);
	struct list_head *extents = wire_fake_extents(fake, 3);

	for (u16 opcode = 0x4802; opcode <= 0x4803; opcode++) {
		const struct wire_command *command = &fake->command[fake->nr];

		fake->entries = 0;
		KUNIT_EXPECT_EQ(test, 0, cxl_dc_send_extents(&fake->wire, opcode,
							     extents));
		KUNIT_EXPECT_EQ(test, command->opcode, opcode);
		KUNIT_EXPECT_EQ(test, command->size, sizeof(want));
		KUNIT_EXPECT_MEMEQ(test, command->in, want, sizeof(want));
	}
	KUNIT_EXPECT_EQ(test, fake->nr, 2);
	KUNIT_EXPECT_EQ(test, fake->wire.commands[2], 1);
	KUNIT_EXPECT_EQ(test, fake->wire.commands[3], 1);
}

static void empty_response_bytes(struct kunit *test)
{
	static const u8 want[8];
	struct wire_fake *fake = wire_fake_new(test, 256);

	KUNIT_EXPECT_EQ(test, 0, cxl_dc_send_extents(&fake->wire, 0x4802,
						     wire_fake_extents(fake, 0)));
	KUNIT_EXPECT_EQ(test, fake->nr, 1);
	KUNIT_EXPECT_EQ(test, fake->command[0].opcode, 0x4802);
	KUNIT_EXPECT_EQ(test, fake->command[0].size, sizeof(want));
	KUNIT_EXPECT_MEMEQ(test, fake->command[0].in, want, sizeof(want));
}

struct split_case {
	const char *name;
	size_t payload_size;
	unsigned int fits;
};

static const struct split_case split_cases[] = {
	{ "256 bytes", SZ_256, 10 },
	{ "512 bytes", SZ_512, 21 },
	{ "1 KiB", SZ_1K, 42 },
	{ "2 KiB", SZ_2K, 85 },
	{ "4 KiB", SZ_4K, 170 },
	{ "64 KiB", SZ_64K, 2730 },
	{ "1 MiB", SZ_1M, 43690 },
};

KUNIT_ARRAY_PARAM_DESC(split, split_cases, name);

/* Parts are full but for the last one, and say More but for the last one */
static void check_parts(struct kunit *test, struct wire_fake *fake,
			unsigned int fits, unsigned int nr)
{
	unsigned int parts = max(1, DIV_ROUND_UP(nr, fits));

	KUNIT_EXPECT_EQ(test, fake->nr, parts);
	for (unsigned int i = 0; i < min(fake->nr, WIRE_COMMANDS); i++) {
		const u8 *in = fake->command[i].in;
		bool last = i + 1 == parts;

		KUNIT_EXPECT_EQ(test, get_unaligned_le32(in),
				last ? nr - i * fits : fits);
		KUNIT_EXPECT_EQ(test, get_unaligned_le32(in + 4),
				last ? 0 : 1);
	}
	KUNIT_EXPECT_EQ(test, fake->entries, nr);
	KUNIT_EXPECT_EQ(test, fake->disorder, 0);
}

static void split_by_payload(struct kunit *test)
{
	const struct split_case *param = test->param_value;
	struct wire_fake *fake = wire_fake_new(test, param->payload_size);
	const unsigned int n = param->fits;
	const unsigned int nr[] = {
		0, 1, n - 1, n, n + 1, 2 * n - 1, 2 * n, 2 * n + 1, 3 * n
	};

	for (int i = 0; i < ARRAY_SIZE(nr); i++) {
		struct list_head *extents = wire_fake_extents(fake, nr[i]);

		fake->nr = 0;
		KUNIT_EXPECT_EQ(test, 0, cxl_dc_send_extents(&fake->wire, 0x4802,
							     extents));
		check_parts(test, fake, n, nr[i]);
	}
}

struct failure_case {
	const char *name;
	unsigned int fail;
	int rc;
	u16 return_code;
	int expect;
	unsigned int sent;
};

/* Three parts */
static const struct failure_case failure_cases[] = {
	{ "first refused", 1, 0, CXL_MBOX_CMD_RC_PADDR, CXL_MBOX_CMD_RC_PADDR,
	  1 },
	{ "second refused", 2, 0, CXL_MBOX_CMD_RC_INPUT, CXL_MBOX_CMD_RC_INPUT,
	  2 },
	{ "last refused", 3, 0, CXL_MBOX_CMD_RC_EXTLIST,
	  CXL_MBOX_CMD_RC_EXTLIST, 3 },
	{ "unknown code", 2, 0, 0x1234, 0x1234, 2 },
	{ "first not answered", 1, -ETIMEDOUT, 0, -ETIMEDOUT, 1 },
	{ "last not answered", 3, -ETIMEDOUT, 0, -ETIMEDOUT, 3 },
	{ "none", 0, 0, 0, 0, 3 },
};

KUNIT_ARRAY_PARAM_DESC(failure, failure_cases, name);

static void part_fails(struct kunit *test)
{
	const struct failure_case *param = test->param_value;
	struct wire_fake *fake = wire_fake_new(test, 256);
	struct list_head *extents = wire_fake_extents(fake, 25);

	fake->fail = param->fail;
	fake->rc = param->rc;
	fake->return_code = param->return_code;
	KUNIT_EXPECT_EQ(test, param->expect,
			cxl_dc_send_extents(&fake->wire, 0x4802, extents));
	KUNIT_EXPECT_EQ(test, fake->nr, param->sent);
	KUNIT_EXPECT_EQ(test, fake->wire.commands[2], param->sent);
	KUNIT_EXPECT_EQ(test, fake->disorder, 0);
	if (!param->expect)
		KUNIT_EXPECT_EQ(test, fake->entries, 25);
}

/* A part that fails ends a response: what came before it is forgotten */
static void response_starts_anew(struct kunit *test)
{
	struct wire_fake *fake = wire_fake_new(test, 256);
	struct list_head *extents = wire_fake_extents(fake, 24);
	struct wire_command *command = fake->command;

	fake->fail = 2;
	fake->return_code = CXL_MBOX_CMD_RC_RETRY;
	KUNIT_EXPECT_EQ(test, 0,
			cxl_dc_send_extents(&fake->wire, 0x4802, extents));
	KUNIT_EXPECT_EQ(test, fake->nr, 5);
	KUNIT_EXPECT_MEMEQ(test, command[0].in, command[2].in, WIRE_KEPT);
	KUNIT_EXPECT_MEMEQ(test, command[1].in, command[3].in, WIRE_KEPT);
	KUNIT_EXPECT_EQ(test, command[4].size, 8 + 4 * 0x18);
}

/* Retried once, as it was, and not for ever */
static void retried_once(struct kunit *test)
{
	struct wire_fake *fake = wire_fake_new(test, 256);
	struct list_head *extents = wire_fake_extents(fake, 2);
	struct wire_command *command = fake->command;

	fake->fail = 1;
	fake->fail_last = 100;
	fake->return_code = CXL_MBOX_CMD_RC_RETRY;
	KUNIT_EXPECT_EQ(test, CXL_MBOX_CMD_RC_RETRY,
			cxl_dc_send_extents(&fake->wire, 0x4803, extents));
	KUNIT_EXPECT_EQ(test, fake->nr, 2);
	KUNIT_EXPECT_EQ(test, command[0].size, command[1].size);
	KUNIT_EXPECT_MEMEQ(test, command[0].in, command[1].in, command[0].size);
}

/* Extent lists -------------------------------------------------------------------------- */

/**
 * struct list_device - a device with an extent list
 * @total: number of extents
 * @most: returned by one command, 0 for what fits
 * @changes: the list changes before so many commands
 * @grows: a change makes it longer, else only another generation
 * @returned: what to say instead of the truth, 0 for the truth
 * @claim: total to say instead of the truth, 0 for the truth
 * @generation: number of changes so far
 * @short_by: so many bytes of the output are missing
 */
struct list_device {
	u32 total;
	u32 most;
	unsigned int changes;
	bool grows;
	u32 returned;
	u32 claim;
	u32 generation;
	size_t short_by;
};

static void put_extent(u8 *out, u32 index)
{
	put_unaligned_le64(0x1000000000 + (u64)index * SZ_2M, out);
	put_unaligned_le64(SZ_2M, out + 0x08);
	for (int i = 0; i < 16; i++)
		out[0x10 + i] = index + i;
	put_unaligned_le16(index, out + 0x20);
	memset(out + 0x22, 0, 6);
}

static size_t answer_list(struct wire_fake *fake, const u8 *in, u8 *out,
			  size_t size)
{
	struct list_device *device = fake->priv;
	u32 asked = get_unaligned_le32(in), start = get_unaligned_le32(in + 4);
	u32 room = (size - 0x10) / 0x28, nr;

	if (fake->nr > 1 && device->changes) {
		device->changes--;
		device->generation++;
		device->total += device->grows;
	}
	KUNIT_EXPECT_LE(fake->test, asked, room);
	nr = min3(asked, room, device->total - min(start, device->total));
	nr = min(nr, device->most ?: nr);
	memset(out, 0, 0x10);
	put_unaligned_le32(device->returned ?: nr, out);
	put_unaligned_le32(device->claim ?: device->total, out + 4);
	put_unaligned_le32(device->generation, out + 8);
	for (u32 i = 0; i < nr; i++)
		put_extent(out + 0x10 + i * 0x28, start + i);
	return 0x10 + nr * 0x28 - device->short_by;
}

static void check_list(struct kunit *test, const struct cxl_extent_list *list)
{
	u8 want[0x28] = {};

	for (u32 i = 0; i < list->nr; i++) {
		put_extent(want, i);
		KUNIT_EXPECT_MEMEQ(test, &list->extent[i], want, sizeof(want));
	}
}

struct list_case {
	const char *name;
	struct list_device device;
	int rc;
	u32 nr;
	unsigned int commands;
};

/* A payload of 512 bytes has room for 12 extents */
static const struct list_case list_cases[] = {
	{ "empty", { 0 }, 0, 0, 1 },
	{ "one", { 1 }, 0, 1, 1 },
	{ "one less than fits", { 11 }, 0, 11, 1 },
	{ "as many as fit", { 12 }, 0, 12, 1 },
	{ "one more than fits", { 13 }, 0, 13, 2 },
	{ "two full parts", { 24 }, 0, 24, 2 },
	{ "1000 extents", { 1000 }, 0, 1000, 84 },
	{ "generation changes", { 30, .changes = 1 }, 0, 30, 5 },
	{ "total changes", { 30, .changes = 1, .grows = true }, 0, 31, 5 },
	{ "changes again", { 30, .changes = 3, .grows = true }, 0, 33, 7 },
	{ "never settles", { 30, .changes = 1000 }, -EBUSY, 0, 16 },
	{ "always grows", { 30, .changes = 1000, .grows = true }, -EBUSY, 0,
	  16 },
	{ "more returned than sent", { 5, .returned = 6 }, -EPROTO, 0, 1 },
	{ "more returned than fits", { 12, .returned = 13 }, -EPROTO, 0, 1 },
	{ "returned without bounds", { 5, .returned = U32_MAX }, -EPROTO, 0, 1 },
	{ "more returned than there are", { 5, .claim = 4 }, -EPROTO, 0, 1 },
	{ "nothing returned", { 0, .claim = 5 }, -EPROTO, 0, 1 },
	{ "less than there are", { 15, .claim = 16 }, -EPROTO, 0, 3 },
	{ "total without bounds", { 5, .claim = U32_MAX }, -EPROTO, 0, 1 },
	{ "header cut off", { 0, .short_by = 1 }, -EIO, 0, 1 },
	{ "last extent cut off", { 5, .short_by = 1 }, -EPROTO, 0, 1 },
};

KUNIT_ARRAY_PARAM_DESC(list, list_cases, name);

static void extent_list(struct kunit *test)
{
	const struct list_case *param = test->param_value;
	struct wire_fake *fake = wire_fake_new(test, 512);
	struct list_device device = param->device;
	struct cxl_extent_list list;

	fake->answer = answer_list;
	fake->priv = &device;
	KUNIT_EXPECT_EQ(test, param->rc, cxl_dc_read_extents(&fake->wire,
							     &list));
	KUNIT_EXPECT_EQ(test, list.nr, param->nr);
	KUNIT_EXPECT_EQ(test, fake->nr, param->commands);
	KUNIT_EXPECT_EQ(test, fake->wire.commands[1], param->commands);
	if (param->rc)
		KUNIT_EXPECT_NULL(test, list.extent);
	else
		check_list(test, &list);
	kvfree(list.extent);
}

static void extent_list_input_bytes(struct kunit *test)
{
	static const u8 first[] = { 6, 0, 0, 0, 0, 0, 0, 0 };
	static const u8 second[] = { 6, 0, 0, 0, 6, 0, 0, 0 };
	struct wire_fake *fake = wire_fake_new(test, 256);
	struct list_device device = { 9 };
	struct cxl_extent_list list;

	fake->answer = answer_list;
	fake->priv = &device;
	KUNIT_EXPECT_EQ(test, 0, cxl_dc_read_extents(&fake->wire, &list));
	KUNIT_EXPECT_EQ(test, fake->nr, 2);
	KUNIT_EXPECT_EQ(test, fake->command[0].opcode, 0x4801);
	KUNIT_EXPECT_EQ(test, fake->command[0].size, 8);
	KUNIT_EXPECT_MEMEQ(test, fake->command[0].in, first, sizeof(first));
	KUNIT_EXPECT_EQ(test, fake->command[1].opcode, 0x4801);
	KUNIT_EXPECT_EQ(test, fake->command[1].size, 8);
	KUNIT_EXPECT_MEMEQ(test, fake->command[1].in, second, sizeof(second));
	kvfree(list.extent);
}

static void extent_list_fails(struct kunit *test)
{
	for (unsigned int fail = 1; fail <= 3; fail++) {
		struct wire_fake *fake = wire_fake_new(test, 256);
		struct list_device device = { 18 };
		struct cxl_extent_list list;

		fake->answer = answer_list;
		fake->priv = &device;
		fake->fail = fail;
		fake->return_code = CXL_MBOX_CMD_RC_UNSUPPORTED;
		KUNIT_EXPECT_EQ(test, -ENXIO,
				cxl_dc_read_extents(&fake->wire, &list));
		KUNIT_EXPECT_EQ(test, fake->nr, fail);
		KUNIT_EXPECT_NULL(test, list.extent);
	}
}

/* One that returns its list bit by bit is not listened to for ever */
static void extent_list_trickles(struct kunit *test)
{
	struct wire_fake *fake = wire_fake_new(test, 256);
	struct list_device device = { 100000, .most = 1 };
	struct cxl_extent_list list;

	fake->answer = answer_list;
	fake->priv = &device;
	KUNIT_EXPECT_EQ(test, -EPROTO, cxl_dc_read_extents(&fake->wire, &list));
	KUNIT_EXPECT_LT(test, fake->nr, 30000);
}

static void extent_list_temporary_error(struct kunit *test)
{
	struct wire_fake *fake = wire_fake_new(test, 256);
	struct list_device device = { 18 };
	struct cxl_extent_list list;

	fake->answer = answer_list;
	fake->priv = &device;
	fake->fail = 2;
	fake->return_code = CXL_MBOX_CMD_RC_RETRY;
	KUNIT_EXPECT_EQ(test, 0, cxl_dc_read_extents(&fake->wire, &list));
	KUNIT_EXPECT_EQ(test, list.nr, 18);
	KUNIT_EXPECT_EQ(test, fake->nr, 4);
	check_list(test, &list);
	kvfree(list.extent);
}

/* Event records --------------------------------------------------------------------------- */

static void event_record_bytes(struct kunit *test)
{
	struct cxl_extent_record record;
	const struct cxl_event_dc *dc;
	u8 raw[128];

	for (int i = 0; i < sizeof(raw); i++)
		raw[i] = i;
	dc = (void *)(raw + sizeof(uuid_t));
	KUNIT_EXPECT_EQ(test, sizeof(*dc), sizeof(raw) - sizeof(uuid_t));
	KUNIT_EXPECT_EQ(test, dc->event_type, 0x30);
	KUNIT_EXPECT_EQ(test, dc->validity_flags, 0x31);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(dc->host_id), 0x3332);
	KUNIT_EXPECT_EQ(test, dc->updated_region_index, 0x34);
	KUNIT_EXPECT_EQ(test, dc->flags, 0x35);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(dc->extents_available), 0x7b7a7978);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(dc->tags_available), 0x7f7e7d7c);

	cxl_dc_decode_record(dc, &record);
	KUNIT_EXPECT_EQ(test, record.start, 0x3f3e3d3c3b3a3938);
	KUNIT_EXPECT_EQ(test, record.len, 0x4746454443424140);
	KUNIT_EXPECT_MEMEQ(test, &record.tag, raw + 0x48, 16);
	KUNIT_EXPECT_EQ(test, record.seq, 0x5958);
	KUNIT_EXPECT_TRUE(test, record.more);

	raw[0x35] = 0xfe;	/* all flags but More */
	cxl_dc_decode_record(dc, &record);
	KUNIT_EXPECT_FALSE(test, record.more);
}

static void event_record_uuid(struct kunit *test)
{
	static const u8 want[] = {
		0xca, 0x95, 0xaf, 0xa7, 0xf1, 0x83, 0x40, 0x18,
		0x8c, 0x2f, 0x95, 0x26, 0x8e, 0x10, 0x1a, 0x2a,
	};
	const uuid_t uuid = CXL_EVENT_DC_UUID;

	KUNIT_EXPECT_MEMEQ(test, &uuid, want, sizeof(want));
}

static struct kunit_case wire_cases[] = {
	KUNIT_CASE(response_bytes),
	KUNIT_CASE(empty_response_bytes),
	KUNIT_CASE_PARAM(split_by_payload, split_gen_params),
	KUNIT_CASE_PARAM(part_fails, failure_gen_params),
	KUNIT_CASE(response_starts_anew),
	KUNIT_CASE(retried_once),
	KUNIT_CASE_PARAM(extent_list, list_gen_params),
	KUNIT_CASE(extent_list_input_bytes),
	KUNIT_CASE(extent_list_fails),
	KUNIT_CASE(extent_list_trickles),
	KUNIT_CASE(extent_list_temporary_error),
	KUNIT_CASE(event_record_bytes),
	KUNIT_CASE(event_record_uuid),
	{}
};

static struct kunit_suite wire_suite = {
	.name = "cxl_dc_wire",
	.test_cases = wire_cases,
};

kunit_test_suite(wire_suite);
