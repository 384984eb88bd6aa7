// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the wire: a mailbox that answers as the input says
 *
 * The first byte chooses what is done, the next ones the payload size; the rest are
 * answers: how the command ends, how long the output is, and its bytes.
 */
#include <stdlib.h>
#include <cxlmem.h>
#include "dcd.h"
#include "fuzz.h"

#define PAYLOAD_MIN	256
#define PAYLOAD_STEP	64
#define PAYLOAD_MAX	4096

/* For each list: 8 tries, of at most 20000 commands, each of them retried once */
#define COMMANDS_MAX	(8 * 2 * 20000)

/**
 * struct wire - the mailbox
 * @mbox: as the code under test sees it
 * @wire: what is fuzzed
 * @input: the rest of the input
 * @extents: what is to be sent
 * @nr: number of @extents
 * @sent: so many of them were named
 * @retried: the last command is to come once more
 * @restarted: all of a response comes once more, for the only time
 * @done: the last part was sent, or one failed
 * @failed: one failed, and does not come once more
 * @last: where the answer to the last command starts in the input
 * @repeat: when the input is used up, the last answer is given again and again
 * @commands: number of commands
 * @returned: entries that the device has returned in answers that went well
 */
struct wire {
	struct cxl_mailbox mbox;
	struct cxl_dc_wire wire;
	struct fuzz_input input;
	struct cxl_extent *extents;
	unsigned int nr;
	unsigned int sent;
	bool retried;
	bool restarted;
	bool done;
	bool failed;
	size_t last;
	bool repeat;
	unsigned int commands;
	u64 returned;
};

static struct wire *to_wire(struct cxl_mailbox *mbox)
{
	return container_of(mbox, struct wire, mbox);
}

/* What is sent --------------------------------------------------------------- */

static void check_entry(struct wire *wire,
			const struct cxl_mbox_dc_extent_entry *entry)
{
	const struct cxl_extent *extent = &wire->extents[wire->sent];
	static const u8 zero[sizeof(entry->reserved)];

	FUZZ_CHECK(wire->sent < wire->nr, "more is sent than there is");
	FUZZ_CHECK(le64_to_cpu(entry->start_dpa) == extent->start &&
		   le64_to_cpu(entry->length) == extent->len,
		   "entry %u is out of order", wire->sent);
	FUZZ_CHECK(!memcmp(entry->reserved, zero, sizeof(zero)),
		   "rubbish in what is reserved");
	wire->sent++;
}

static void check_part(struct wire *wire, const struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_dc_extents_in *in = cmd->payload_in;
	u32 nr = le32_to_cpu(in->nr_extents);
	bool more = in->flags & CXL_DC_EXTENTS_MORE;

	FUZZ_CHECK(!wire->done, "a part behind the last one");
	FUZZ_CHECK(cmd->size_in <= wire->mbox.payload_size &&
		   cmd->size_in == struct_size(in, extent, nr),
		   "%u entries in %zu bytes", nr, cmd->size_in);
	FUZZ_CHECK(!(in->flags & ~CXL_DC_EXTENTS_MORE) &&
		   !in->reserved[0] && !in->reserved[1] && !in->reserved[2],
		   "rubbish in what is reserved");
	for (u32 i = 0; i < nr; i++)
		check_entry(wire, &in->extent[i]);
	FUZZ_CHECK(more == (wire->sent < wire->nr), "More is %d behind %u of %u",
		   more, wire->sent, wire->nr);
	FUZZ_CHECK(!more || nr, "an empty part");
	wire->done = !more;
}

/*
 * The answer says that it failed: it comes once more, or was the last. Of a response
 * all of it comes once more, from the first part on.
 */
static void part_failed(struct wire *wire, const struct cxl_mbox_cmd *cmd,
			unsigned int sent)
{
	bool response = cmd->opcode == CXL_MBOX_OP_ADD_DC_RESPONSE;
	bool again = cmd->return_code == CXL_MBOX_CMD_RC_RETRY &&
		     !wire->retried && !wire->restarted;

	wire->retried = again && !response;
	wire->restarted |= again && response;
	wire->done = !again;
	wire->failed = !again;
	if (again)
		wire->sent = response ? 0 : sent;
}

/* What is answered ----------------------------------------------------------- */

static int transport_error(u8 how)
{
	static const int error[] = { -ENXIO, -ETIMEDOUT, -EBUSY, -ENOMEM };

	return error[how % ARRAY_SIZE(error)];
}

/* Numbers near those that are true are what a decoder may get wrong */
static void write_output(struct wire *wire, struct cxl_mbox_cmd *cmd, u8 how)
{
	size_t room = cmd->size_out, size = room;
	u8 *out = cmd->payload_out;

	if (how & BIT(3))
		size = min(fuzz_number(&wire->input, 2), (u64)room);
	memset(out, how & BIT(4) ? 0xff : 0, size);
	for (size_t i = 0; i < size && !fuzz_at_end(&wire->input); i++) {
		/* a run of what is there already */
		if ((i & 7) == 0 && i >= 16 && (how & BIT(5))) {
			size_t skip = fuzz_byte(&wire->input) & 0x1f;

			i += skip;
			if (i >= size)
				break;
		}
		out[i] = fuzz_byte(&wire->input);
	}
	cmd->size_out = size;
}

static void count_returned(struct wire *wire, const struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_get_dc_extents_out *out = cmd->payload_out;

	if (cmd->opcode == CXL_MBOX_OP_GET_DC_EXTENT_LIST &&
	    cmd->size_out >= sizeof(*out))
		wire->returned += le32_to_cpu(out->returned);
}

static void check_request(struct wire *wire, const struct cxl_mbox_cmd *cmd)
{
	FUZZ_CHECK(cmd->opcode >= CXL_MBOX_OP_GET_DC_CONFIG &&
		   cmd->opcode <= CXL_MBOX_OP_RELEASE_DC, "command %#x",
		   cmd->opcode);
	FUZZ_CHECK(cmd->size_in <= wire->mbox.payload_size &&
		   cmd->size_out <= wire->mbox.payload_size,
		   "command %#x is larger than the payload", cmd->opcode);
	FUZZ_CHECK(++wire->commands <= COMMANDS_MAX, "commands without end");
}

static int wire_send(struct cxl_mailbox *mbox, struct cxl_mbox_cmd *cmd)
{
	struct wire *wire = to_wire(mbox);
	unsigned int sent = wire->sent;
	u8 how;

	check_request(wire, cmd);
	if (!cmd->size_out)
		check_part(wire, cmd);
	if (fuzz_at_end(&wire->input) && wire->repeat)
		wire->input.pos = wire->last;
	wire->last = wire->input.pos;
	/* a device of which nothing more is known does not answer */
	how = fuzz_at_end(&wire->input) ? 1 : fuzz_byte(&wire->input);
	cmd->return_code = CXL_MBOX_CMD_RC_SUCCESS;
	if (how % 8 == 2)
		cmd->return_code = fuzz_byte(&wire->input) % 40;
	if (how % 8 == 1 || cmd->return_code > CXL_MBOX_CMD_RC_BACKGROUND) {
		part_failed(wire, cmd, sent);
		cmd->size_out = 0;
		return how % 8 == 1 ? transport_error(how >> 3) : 0;
	}
	wire->retried = false;
	if (cmd->size_out)
		write_output(wire, cmd, how);
	count_returned(wire, cmd);
	return 0;
}

/* What is done --------------------------------------------------------------- */

static void read_config(struct wire *wire)
{
	struct cxl_dc_config config;
	int rc = cxl_dc_read_config(&wire->wire, &config);

	FUZZ_CHECK(rc <= 0 && config.nr <= CXL_DC_PARTITIONS_MAX,
		   "%u partitions, %d", config.nr, rc);
	FUZZ_CHECK(rc || config.nr, "no partition, and no error");
	FUZZ_CHECK(wire->commands <= 2 * CXL_DC_PARTITIONS_MAX,
		   "%u commands for the configuration", wire->commands);
	for (unsigned int i = 0; !rc && i < config.nr; i++) {
		const struct cxl_dc_partition *part = &config.part[i];

		FUZZ_CHECK(part->dpa.start <= part->dpa.end &&
			   part->dpa.end < U64_MAX, "partition %u has no end", i);
		FUZZ_CHECK(!i || part[-1].dpa.end < part->dpa.start,
			   "partition %u is not behind the one before", i);
		FUZZ_CHECK(part->block_size &&
			   !(part->block_size & (part->block_size - 1)) &&
			   !(part->dpa.start & (part->block_size - 1)) &&
			   !(range_len(&part->dpa) & (part->block_size - 1)),
			   "partition %u is not made of blocks", i);
	}
}

static void read_extents(struct wire *wire)
{
	struct cxl_extent_list list = {};
	struct cxl_extent_record record;
	u64 sum = 0;
	int rc = cxl_dc_read_extents(&wire->wire, &list);

	FUZZ_CHECK(rc <= 0 && rc != -EAGAIN, "returned %d", rc);
	FUZZ_CHECK(!rc || (!list.extent && !list.nr), "a list in spite of %d", rc);
	FUZZ_CHECK(list.nr <= wire->returned, "%u extents, %llu were returned",
		   list.nr, wire->returned);
	/* the sanitizer knows whether all of it is there */
	for (u32 i = 0; i < list.nr; i++) {
		cxl_extent_record_from_list(&record, &list.extent[i]);
		sum += record.start;
	}
	barrier();
	(void)sum;
	kvfree(list.extent);
}

static void send_extents(struct wire *wire)
{
	u16 opcode = fuzz_byte(&wire->input) & 1 ? CXL_MBOX_OP_RELEASE_DC :
						   CXL_MBOX_OP_ADD_DC_RESPONSE;
	LIST_HEAD(answers);
	int rc;

	wire->nr = fuzz_number(&wire->input, 2) % 512;
	wire->extents = calloc(wire->nr + 1, sizeof(*wire->extents));
	for (unsigned int i = 0; i < wire->nr; i++) {
		wire->extents[i].start = (u64)i << 32 | 0x5a5a;
		wire->extents[i].len = i + 1;
		list_add_tail(&wire->extents[i].answer, &answers);
	}
	rc = cxl_dc_send_extents(&wire->wire, opcode, &answers);
	FUZZ_CHECK(!rc == (wire->done && wire->sent == wire->nr && !wire->failed),
		   "%u of %u are sent%s, returned %d", wire->sent, wire->nr,
		   wire->failed ? ", the last part failed" : "", rc);
	free(wire->extents);
}

static void decode_record(struct wire *wire)
{
	struct cxl_extent_record record;
	struct cxl_event_dc dc;

	for (size_t i = 0; i < sizeof(dc); i++)
		((u8 *)&dc)[i] = fuzz_byte(&wire->input);
	cxl_dc_decode_record(&dc, &record);
	FUZZ_CHECK(record.start == le64_to_cpu(dc.extent.start_dpa) &&
		   record.len == le64_to_cpu(dc.extent.length) &&
		   uuid_equal(&record.tag, &dc.extent.tag) &&
		   record.seq == le16_to_cpu(dc.extent.shared_seq) &&
		   record.more == !!(dc.flags & CXL_DC_EVENT_MORE),
		   "a record is decoded wrongly");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct wire wire = { .input = { .data = data, .size = size } };
	u8 what = fuzz_byte(&wire.input);

	fuzz_kernel_init();
	wire.mbox.mbox_send = wire_send;
	wire.mbox.payload_size = PAYLOAD_MIN + PAYLOAD_STEP *
		(fuzz_byte(&wire.input) %
		 ((PAYLOAD_MAX - PAYLOAD_MIN) / PAYLOAD_STEP + 1));
	wire.repeat = what >> 2 == 7;
	if (cxl_dc_wire_init(&wire.wire, &wire.mbox))
		return 0;
	switch (what % 4) {
	case 0:
		read_config(&wire);
		break;
	case 1:
		read_extents(&wire);
		break;
	case 2:
		send_extents(&wire);
		break;
	case 3:
		decode_record(&wire);
		break;
	}
	cxl_dc_wire_exit(&wire.wire);
	FUZZ_CHECK(!fuzz_kernel.live, "%u objects leaked", fuzz_kernel.live);
	return 0;
}
