// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the wire: the mailbox
 */
#include <linux/slab.h>
#include <linux/unaligned.h>
#include "wire_fake.h"

#define ENTRY	0x18	/* of 4802h and 4803h */

/* Entries of all parts of a response follow each other, each of them one block */
static void check_entries(struct wire_fake *fake, const u8 *in, size_t size)
{
	u32 nr = get_unaligned_le32(in);

	if (size != 8 + (size_t)nr * ENTRY) {
		KUNIT_FAIL(fake->test, "%u entries in %zu bytes", nr, size);
		return;
	}
	for (u32 i = 0; i < nr; i++) {
		const u8 *entry = in + 8 + i * ENTRY;
		u64 start = fake->first + (u64)fake->entries++ * SZ_2M;

		fake->disorder += get_unaligned_le64(entry) != start ||
				  get_unaligned_le64(entry + 8) != SZ_2M ||
				  get_unaligned_le64(entry + 16) != 0;
	}
}

static void keep(struct wire_fake *fake, const struct cxl_mbox_cmd *cmd)
{
	struct wire_command *command;

	if (fake->nr++ >= WIRE_COMMANDS)
		return;
	command = &fake->command[fake->nr - 1];
	command->opcode = cmd->opcode;
	command->size = cmd->size_in;
	memcpy(command->in, cmd->payload_in, min(cmd->size_in, WIRE_KEPT));
}

static int wire_fake_send(struct cxl_mailbox *mbox, struct cxl_mbox_cmd *cmd)
{
	struct wire_fake *fake = container_of(mbox, struct wire_fake, mbox);

	keep(fake, cmd);
	if (fake->fail && fake->nr >= fake->fail &&
	    fake->nr <= max(fake->fail, fake->fail_last)) {
		cmd->size_out = 0;
		cmd->return_code = fake->return_code;
		return fake->rc;
	}
	if (cmd->opcode == CXL_MBOX_OP_ADD_DC_RESPONSE ||
	    cmd->opcode == CXL_MBOX_OP_RELEASE_DC)
		check_entries(fake, cmd->payload_in, cmd->size_in);
	cmd->return_code = CXL_MBOX_CMD_RC_SUCCESS;
	cmd->size_out = fake->answer ? fake->answer(fake, cmd->payload_in,
						    cmd->payload_out,
						    cmd->size_out) : 0;
	return 0;
}

static void free_memory(void *memory)
{
	kvfree(memory);
}

static void wire_exit(void *wire)
{
	cxl_dc_wire_exit(wire);
}

/**
 * wire_fake_new() - a mailbox
 * @test: the test; its ->priv is set
 * @payload_size: bytes
 *
 * Return: the mailbox, goes with the test
 */
struct wire_fake *wire_fake_new(struct kunit *test, size_t payload_size)
{
	struct wire_fake *fake = kvzalloc_obj(*fake);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_memory, fake));
	fake->test = test;
	fake->mbox.payload_size = payload_size;
	fake->mbox.mbox_send = wire_fake_send;
	KUNIT_ASSERT_EQ(test, 0, cxl_dc_wire_init(&fake->wire, &fake->mbox));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, wire_exit,
							   &fake->wire));
	/* what nobody writes must not be sent */
	memset(fake->wire.payload, 0xa5, payload_size);
	test->priv = fake;
	return fake;
}

/**
 * wire_fake_extents() - extents to be answered, one block each, one after another
 * @fake: will look that they are sent in this order
 * @nr: number of them
 *
 * Return: list of them, goes with the test
 */
struct list_head *wire_fake_extents(struct wire_fake *fake, unsigned int nr)
{
	struct cxl_extent *extent = kvcalloc(nr + 1, sizeof(*extent), GFP_KERNEL);
	struct list_head *list;

	KUNIT_ASSERT_NOT_NULL(fake->test, extent);
	KUNIT_ASSERT_EQ(fake->test, 0,
			kunit_add_action_or_reset(fake->test, free_memory,
						  extent));
	list = &extent[nr].answer;
	INIT_LIST_HEAD(list);
	fake->first = 0x123400000000;
	fake->entries = 0;
	for (unsigned int i = 0; i < nr; i++) {
		extent[i].start = fake->first + (u64)i * SZ_2M;
		extent[i].len = SZ_2M;
		list_add_tail(&extent[i].answer, list);
	}
	return list;
}
