// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test's mock DCD: what happens to every mailbox command
 *
 * Commands are counted, those that a test wants to fail do so, and answers to offers
 * and releases leave a trail.
 */
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/hex.h>
#include <linux/kstrtox.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "dcd.h"

static void count(struct mock_dcd *dcd, u16 opcode)
{
	for (int i = 0; i < MOCK_DCD_OPCODES; i++) {
		if (dcd->commands[i].opcode && dcd->commands[i].opcode != opcode)
			continue;
		dcd->commands[i].opcode = opcode;
		dcd->commands[i].count++;
		return;
	}
}

static struct mock_dcd_trail *trail_line(struct mock_dcd *dcd)
{
	return &dcd->trail[dcd->trail_end++ % MOCK_DCD_TRAIL];
}

static void leave_trail(struct mock_dcd *dcd, const struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_dc_extents_in *in = cmd->payload_in;
	u32 nr;

	if ((cmd->opcode != CXL_MBOX_OP_ADD_DC_RESPONSE &&
	     cmd->opcode != CXL_MBOX_OP_RELEASE_DC) || cmd->size_in < sizeof(*in))
		return;
	nr = min_t(u32, le32_to_cpu(in->nr_extents),
		   (cmd->size_in - sizeof(*in)) / sizeof(in->extent[0]));
	*trail_line(dcd) = (struct mock_dcd_trail) {
		.opcode = cmd->opcode,
		.more = in->flags & CXL_DC_EXTENTS_MORE,
		.rc = cmd->return_code,
		.nr = nr,
	};
	for (u32 i = 0; i < nr; i++)
		*trail_line(dcd) = (struct mock_dcd_trail) {
			.start = le64_to_cpu(in->extent[i].start_dpa),
			.len = le64_to_cpu(in->extent[i].length),
		};
}

/* Is this command to fail? */
static bool find_fail(struct mock_dcd *dcd, u16 opcode,
		      struct mock_dcd_fail *found)
{
	struct mock_dcd_fail *fail;

	list_for_each_entry(fail, &dcd->fails, node) {
		if (fail->opcode != opcode)
			continue;
		if (fail->nth > 1) {
			fail->nth--;
			return false;
		}
		*found = *fail;
		if (!--fail->times) {
			list_del(&fail->node);
			kfree(fail);
		}
		return true;
	}
	return false;
}

static void fail_unprocessed(struct mock_dcd *dcd,
			     const struct mock_dcd_fail *fail)
{
	struct mock_dcd_group *group = mock_dcd_oldest_offer(dcd);

	if (!group)
		return;
	if (fail->mode == MOCK_DCD_FAIL_DROP)
		mock_dcd_drop_offer(group);
	else if (fail->opcode == CXL_MBOX_OP_ADD_DC_RESPONSE)
		mock_dcd_unname(group);
}

/*
 * A test that lets the driver run out of memory means the driver's allocations: what
 * the device has is not the host's memory.
 */
static unsigned int set_fail_nth(unsigned int nth)
{
#ifdef CONFIG_FAULT_INJECTION
	swap(current->fail_nth, nth);
#endif
	return nth;
}

DEFINE_LOCK_GUARD_0(no_faults, _T->nth = set_fail_nth(0), set_fail_nth(_T->nth),
		    unsigned int nth)

/**
 * mock_dcd_send() - process a mailbox command
 * @dcd: the device, NULL if it is not one
 * @cmd: the command
 * @rc: what the mailbox returns
 *
 * Return: false when somebody else is to process it
 */
bool mock_dcd_send(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd, int *rc)
{
	struct mock_dcd_fail fail = {};
	bool failed, mine = true;

	if (!dcd)
		return false;
	/* meanwhile a test can look at the device, and have it offer something */
	if (cmd->opcode == CXL_MBOX_OP_GET_DC_EXTENT_LIST && dcd->quirks.list_delay)
		msleep(dcd->quirks.list_delay);
	guard(no_faults)();
	guard(mutex)(&dcd->lock);
	count(dcd, cmd->opcode);
	failed = find_fail(dcd, cmd->opcode, &fail);
	if (failed && fail.mode != MOCK_DCD_FAIL_AFTER)
		fail_unprocessed(dcd, &fail);
	else
		mine = mock_dcd_process(dcd, cmd);

	*rc = 0;
	if (failed && mine) {
		*rc = min(fail.rc, 0);
		cmd->return_code = max(fail.rc, 0);
	}
	if (mine)
		leave_trail(dcd, cmd);
	return mine;
}

/**
 * mock_dcd_parse_opcode() - read "4802h" or "0x4802"
 * @word: is changed
 * @opcode: set
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_parse_opcode(char *word, u16 *opcode)
{
	size_t len = strlen(word);

	if (len && word[len - 1] == 'h') {
		word[len - 1] = 0;
		return kstrtou16(word, 16, opcode);
	}
	return kstrtou16(word, 0, opcode);
}

/**
 * mock_dcd_command_write() - a command as if the host had sent it
 * @dcd: the device; a driver knows nothing of it
 * @text: "<opcode> [<payload in hexadecimal>]"
 * @count: bytes of @text
 *
 * How it was answered is to be seen in the trail.
 *
 * Return: 0, or -EINVAL when it is no command of Dynamic Capacity
 */
int mock_dcd_command_write(struct mock_dcd *dcd, char *text, size_t count)
{
	u8 *out __free(kfree) = kzalloc(SZ_4K, GFP_KERNEL);
	char *opcode = mock_dcd_next_word(&text);
	char *payload = mock_dcd_next_word(&text);
	struct cxl_mbox_cmd cmd = { .payload_out = out, .size_out = SZ_4K };
	int rc;

	if (!out)
		return -ENOMEM;
	if (!opcode || mock_dcd_parse_opcode(opcode, &cmd.opcode))
		return -EINVAL;
	if (payload) {
		cmd.payload_in = payload;
		cmd.size_in = strlen(payload) / 2;
		if (hex2bin((u8 *)payload, payload, cmd.size_in))
			return -EINVAL;
	}
	return mock_dcd_send(dcd, &cmd, &rc) ? 0 : -EINVAL;
}
