/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mailbox that exists only for tests of the wire: it keeps what it is sent, byte
 * by byte, and answers as it is told
 */
#ifndef __CXL_WIRE_FAKE_H__
#define __CXL_WIRE_FAKE_H__

#include <kunit/test.h>
#include <cxlmem.h>
#include "dcd.h"

#define WIRE_COMMANDS	64	/* the first so many are kept */
#define WIRE_KEPT	256	/* bytes of each input payload that are kept */

/**
 * struct wire_command - a command that was sent
 * @opcode: opcode
 * @size: bytes of its input payload
 * @in: the first bytes of it
 */
struct wire_command {
	u16 opcode;
	size_t size;
	u8 in[WIRE_KEPT];
};

/**
 * struct wire_fake - the mailbox
 * @mbox: as the code under test sees it
 * @wire: what is tested
 * @test: the test that runs
 * @command: commands, in order
 * @nr: number of commands, may exceed WIRE_COMMANDS
 * @answer: writes the output payload and returns its size; NULL for none
 * @priv: of @answer
 * @fail: the command that fails, 1 is the first; 0 for none
 * @fail_last: the last one that fails, if more than one does
 * @rc: what sending it returns
 * @return_code: what the device says to it
 * @entries: number of entries of 4802h and 4803h so far
 * @first: start DPA of the first of them; they follow each other
 * @disorder: number of entries that do not
 */
struct wire_fake {
	struct cxl_mailbox mbox;
	struct cxl_dc_wire wire;
	struct kunit *test;
	struct wire_command command[WIRE_COMMANDS];
	unsigned int nr;
	size_t (*answer)(struct wire_fake *fake, const u8 *in, u8 *out,
			 size_t size);
	void *priv;
	unsigned int fail;
	unsigned int fail_last;
	int rc;
	u16 return_code;
	unsigned int entries;
	u64 first;
	unsigned int disorder;
};

struct wire_fake *wire_fake_new(struct kunit *test, size_t payload_size);
struct list_head *wire_fake_extents(struct wire_fake *fake, unsigned int nr);

#endif /* __CXL_WIRE_FAKE_H__ */
