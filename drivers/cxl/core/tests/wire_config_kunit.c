// SPDX-License-Identifier: GPL-2.0-only
/*
 * Get Dynamic Capacity Configuration, byte by byte, and what is not well formed.
 * Offsets are those of CXL 3.1 8.2.9.9.9.1, not those of our structures.
 */
#include <linux/unaligned.h>
#include "wire_fake.h"

#define HEADER	0x08
#define RECORD	0x28
#define TRAILER	0x10
#define UNIT	((u64)SZ_256M)

/**
 * struct config_device - a device with partitions of 512 MiB, 1 GiB apart
 * @available: number of partitions
 * @at_once: so many are returned at most by one command
 * @shift: what is added to their base
 * @no_trailer: an old device
 * @corrupt: changes the output of the command of this number, 1 is the first
 * @offset: what it changes, from the start of the output
 * @bytes: width of that: 1, 4 or 8
 * @value: what to write there
 * @short_by: so many bytes of the output are missing
 */
struct config_device {
	unsigned int available;
	unsigned int at_once;
	u64 shift;
	bool no_trailer;
	unsigned int corrupt;
	unsigned int offset;
	unsigned int bytes;
	u64 value;
	size_t short_by;
};

static u64 base_of(unsigned int i)
{
	return SZ_1G * (i + 1ULL);
}

static void put_record(u8 *out, unsigned int i, u64 shift)
{
	put_unaligned_le64(base_of(i) + shift, out);
	put_unaligned_le64(4, out + 0x08);
	put_unaligned_le64(SZ_512M, out + 0x10);
	put_unaligned_le64(SZ_2M << i, out + 0x18);
	put_unaligned_le32(0x20 + i, out + 0x20);
	out[0x24] = 0xff;
	memset(out + 0x25, 0xff, 3);
}

static void put_trailer(u8 *out)
{
	put_unaligned_le32(0x11223344, out);
	put_unaligned_le32(0x55667788, out + 0x04);
	put_unaligned_le32(0x99aabbcc, out + 0x08);
	put_unaligned_le32(0xddeeff00, out + 0x0c);
}

static void corrupt(const struct config_device *device, u8 *out)
{
	switch (device->bytes) {
	case 1:
		out[device->offset] = device->value;
		break;
	case 4:
		put_unaligned_le32(device->value, out + device->offset);
		break;
	case 8:
		put_unaligned_le64(device->value, out + device->offset);
		break;
	}
}

static size_t answer_config(struct wire_fake *fake, const u8 *in, u8 *out,
			    size_t size)
{
	const struct config_device *device = fake->priv;
	unsigned int count = in[0], start = in[1], nr;
	size_t used;

	nr = min(device->available - min(start, device->available), count);
	nr = min(nr, device->at_once);
	nr = min_t(size_t, nr, (size - HEADER) / RECORD);
	memset(out, 0xff, HEADER);
	out[0] = device->available;
	out[1] = nr;
	for (unsigned int i = 0; i < nr; i++)
		put_record(out + HEADER + i * RECORD, start + i, device->shift);
	used = HEADER + nr * RECORD;
	if (!device->no_trailer && used + TRAILER <= size) {
		put_trailer(out + used);
		used += TRAILER;
	}
	if (fake->nr == device->corrupt)
		corrupt(device, out);
	return used - device->short_by;
}

static int read_config(struct kunit *test, size_t payload_size,
		       const struct config_device *device,
		       struct cxl_dc_config *config)
{
	struct wire_fake *fake = wire_fake_new(test, payload_size);

	fake->answer = answer_config;
	fake->priv = (void *)device;
	return cxl_dc_read_config(&fake->wire, config);
}

struct config_case {
	const char *name;
	unsigned int available;
	unsigned int at_once;
	size_t payload_size;
	unsigned int commands;
	bool no_trailer;
	bool trailer_read;
};

static const struct config_case config_cases[] = {
	{ "1 partition", 1, 8, SZ_2K, 1, false, true },
	{ "2 partitions", 2, 8, SZ_2K, 1, false, true },
	{ "8 partitions", 8, 8, SZ_2K, 1, false, true },
	{ "8 partitions, one by one", 8, 1, SZ_2K, 8, false, true },
	{ "8 partitions, 3 at once", 8, 3, SZ_2K, 3, false, true },
	{ "8 partitions, smallest payload", 8, 8, SZ_256, 2, false, true },
	{ "6 partitions leave no room for the trailer", 6, 8, SZ_256, 1, false,
	  false },
	{ "8 partitions, largest payload", 8, 8, SZ_1M, 1, false, true },
	{ "1 partition, no trailer", 1, 8, SZ_2K, 1, true, false },
	{ "8 partitions, no trailer", 8, 8, SZ_2K, 1, true, false },
	{ "8 partitions in parts, no trailer", 8, 5, SZ_2K, 2, true, false },
};

KUNIT_ARRAY_PARAM_DESC(config, config_cases, name);

static void check_partitions(struct kunit *test,
			     const struct cxl_dc_config *config)
{
	for (unsigned int i = 0; i < config->nr; i++) {
		const struct cxl_dc_partition *part = &config->part[i];

		KUNIT_EXPECT_EQ(test, part->dpa.start, base_of(i));
		KUNIT_EXPECT_EQ(test, part->dpa.end, base_of(i) + SZ_512M - 1);
		KUNIT_EXPECT_EQ(test, part->block_size, SZ_2M << i);
		KUNIT_EXPECT_EQ(test, part->handle, 0x20 + i);
		KUNIT_EXPECT_EQ(test, part->dsmas_flags, 0);
	}
}

/* Each command asks for what is left, from where the last one ended */
static void check_inputs(struct kunit *test, const struct config_case *param)
{
	const struct wire_fake *fake = test->priv;
	size_t fits = (param->payload_size - HEADER) / RECORD;
	unsigned int step = min_t(size_t, param->at_once, fits);

	KUNIT_EXPECT_EQ(test, fake->nr, param->commands);
	KUNIT_EXPECT_EQ(test, fake->wire.commands[0], param->commands);
	for (unsigned int i = 0; i < fake->nr; i++) {
		KUNIT_EXPECT_EQ(test, fake->command[i].opcode, 0x4800);
		KUNIT_EXPECT_EQ(test, fake->command[i].size, 2);
		KUNIT_EXPECT_EQ(test, fake->command[i].in[0], 8 - i * step);
		KUNIT_EXPECT_EQ(test, fake->command[i].in[1], i * step);
	}
}

static void config(struct kunit *test)
{
	const struct config_case *param = test->param_value;
	const struct config_device device = {
		.available = param->available,
		.at_once = param->at_once,
		.no_trailer = param->no_trailer,
	};
	struct cxl_dc_config config;

	KUNIT_EXPECT_EQ(test, 0, read_config(test, param->payload_size, &device,
					     &config));
	KUNIT_EXPECT_EQ(test, config.nr, param->available);
	check_partitions(test, &config);
	check_inputs(test, param);
	KUNIT_EXPECT_EQ(test, config.extents_supported,
			param->trailer_read ? 0x11223344 : 0);
	KUNIT_EXPECT_EQ(test, config.tags_supported,
			param->trailer_read ? 0x99aabbcc : 0);
}

/* Not well formed --------------------------------------------------------------------------- */

#define FIELD(index, field)	(HEADER + (index) * RECORD + (field))
#define BASE(index)		FIELD(index, 0x00)
#define DECODE(index)		FIELD(index, 0x08)
#define LENGTH(index)		FIELD(index, 0x10)
#define BLOCK(index)		FIELD(index, 0x18)
#define HANDLE(index)		FIELD(index, 0x20)

/* One field of three partitions is changed; @at_once 0 for all */
struct field_case {
	const char *name;
	unsigned int offset;
	unsigned int bytes;
	u64 value;
	int rc;
	unsigned int at_once;
	unsigned int corrupt;
};

static const struct field_case field_cases[] = {
	{ "no partition available", 0, 1, 0, -EPROTO },
	{ "more partitions than there can be", 0, 1, 9, -EPROTO },
	{ "255 partitions", 0, 1, 255, -EPROTO },
	{ "none returned", 1, 1, 0, -EPROTO },
	{ "more returned than available", 0, 1, 2, -EPROTO },
	{ "more returned than sent", 1, 1, 4, -EPROTO },
	{ "more returned than asked for", 1, 1, 9, -EPROTO },
	{ "255 returned", 1, 1, 255, -EPROTO },
	{ "none returned later", 1, 1, 0, -EPROTO, 1, 2 },
	{ "fewer available later", 0, 1, 1, -EPROTO, 1, 2 },
	{ "length zero", LENGTH(0), 8, 0, -EINVAL },
	{ "length zero, last one", LENGTH(2), 8, 0, -EINVAL },
	{ "length over the decode length", LENGTH(0), 8, SZ_1G + SZ_2M,
	  -EINVAL },
	{ "all of the decode length", LENGTH(2), 8, SZ_1G, 0 },
	{ "length not in blocks", LENGTH(1), 8, SZ_512M - SZ_2M, -EINVAL },
	{ "longest length", LENGTH(2), 8, U64_MAX, -EINVAL },
	{ "decode length zero", DECODE(0), 8, 0, -EINVAL },
	{ "decode length wraps", DECODE(0), 8, BIT_ULL(36) + 4, -EINVAL },
	{ "longest decode length", DECODE(0), 8, U64_MAX, -EINVAL },
	{ "block size zero", BLOCK(0), 8, 0, -EINVAL },
	{ "block size 32", BLOCK(0), 8, 32, -EINVAL },
	{ "block size 64", BLOCK(0), 8, 64, 0 },
	{ "block size no power of two", BLOCK(0), 8, 3 * SZ_2M, -EINVAL },
	{ "block size of the partition", BLOCK(0), 8, SZ_512M, 0 },
	{ "block size over the length", BLOCK(0), 8, SZ_1G, -EINVAL },
	{ "largest block size", BLOCK(0), 8, BIT_ULL(63), -EINVAL },
	{ "base not in 256 MiB", BASE(0), 8, SZ_1G + SZ_128M, -EINVAL },
	{ "base in 256 MiB", BASE(0), 8, SZ_1G + UNIT, 0 },
	{ "base and length wrap", BASE(2), 8, -UNIT, -EINVAL },
	{ "base zero", BASE(0), 8, 0, 0 },
	{ "not ascending", BASE(1), 8, 0, -EINVAL },
	{ "the same twice", BASE(1), 8, SZ_1G, -EINVAL },
	{ "overlap", BASE(1), 8, SZ_1G + UNIT, -EINVAL },
	{ "one right behind the other", BASE(1), 8, SZ_1G + SZ_512M, 0 },
	{ "not ascending, later", BASE(0), 8, SZ_1G, -EINVAL, 1, 2 },
	{ "handle of more than a byte", HANDLE(1), 4, 0x100, -EINVAL },
	{ "largest handle", HANDLE(1), 4, 0xff, 0 },
};

KUNIT_ARRAY_PARAM_DESC(field, field_cases, name);

static void well_formed(struct kunit *test)
{
	const struct field_case *param = test->param_value;
	const struct config_device device = {
		.available = 3,
		.at_once = param->at_once ?: 8,
		.no_trailer = true,
		.corrupt = param->corrupt ?: 1,
		.offset = param->offset,
		.bytes = param->bytes,
		.value = param->value,
	};
	struct cxl_dc_config config;

	KUNIT_EXPECT_EQ(test, param->rc, read_config(test, SZ_2K, &device,
						     &config));
}

/* The base is a multiple of a block size over 256 MiB */
static void base_in_blocks(struct kunit *test)
{
	struct config_device device = {
		.available = 1,
		.at_once = 8,
		.shift = SZ_512M,
		.corrupt = 1,
		.offset = BLOCK(0),
		.bytes = 8,
		.value = SZ_512M,
	};
	struct cxl_dc_config config;

	KUNIT_EXPECT_EQ(test, 0, read_config(test, SZ_2K, &device, &config));
	device.shift = UNIT;
	KUNIT_EXPECT_EQ(test, -EINVAL, read_config(test, SZ_2K, &device,
						   &config));
}

struct short_case {
	const char *name;
	size_t short_by;
	int rc;
};

/* Of one partition with its trailer */
static const struct short_case short_cases[] = {
	{ "trailer cut off", 1, 0 },
	{ "all of the trailer cut off", TRAILER, 0 },
	{ "record cut off", TRAILER + 1, -EPROTO },
	{ "all of the record cut off", TRAILER + RECORD, -EPROTO },
	{ "header cut off", TRAILER + RECORD + 1, -EIO },
	{ "empty", TRAILER + RECORD + HEADER, -EIO },
};

KUNIT_ARRAY_PARAM_DESC(short, short_cases, name);

static void short_output(struct kunit *test)
{
	const struct short_case *param = test->param_value;
	const struct config_device device = {
		.available = 1,
		.at_once = 8,
		.short_by = param->short_by,
	};
	struct cxl_dc_config config;

	KUNIT_EXPECT_EQ(test, param->rc, read_config(test, SZ_2K, &device,
						     &config));
	if (!param->rc) {
		KUNIT_EXPECT_EQ(test, config.extents_supported, 0);
		KUNIT_EXPECT_EQ(test, config.tags_supported, 0);
	}
}

static void command_fails(struct kunit *test)
{
	const struct config_device device = { .available = 3, .at_once = 1 };
	struct cxl_dc_config config;

	for (unsigned int fail = 1; fail <= 3; fail++) {
		struct wire_fake *fake = wire_fake_new(test, SZ_2K);

		fake->answer = answer_config;
		fake->priv = (void *)&device;
		fake->fail = fail;
		fake->rc = -ETIMEDOUT;
		KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
				cxl_dc_read_config(&fake->wire, &config));
		KUNIT_EXPECT_EQ(test, fake->nr, fail);
	}
}

static struct kunit_case config_kunit_cases[] = {
	KUNIT_CASE_PARAM(config, config_gen_params),
	KUNIT_CASE_PARAM(well_formed, field_gen_params),
	KUNIT_CASE(base_in_blocks),
	KUNIT_CASE_PARAM(short_output, short_gen_params),
	KUNIT_CASE(command_fails),
	{}
};

static struct kunit_suite config_suite = {
	.name = "cxl_dc_wire_config",
	.test_cases = config_kunit_cases,
};

kunit_test_suite(config_suite);
