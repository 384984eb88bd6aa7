// SPDX-License-Identifier: GPL-2.0-only
/*
 * Send raw mailbox commands to a CXL memory device through the ioctl.
 *
 *   mboxraw extents DEV       the device's own list of accepted extents: the
 *                             other side of the invariant that tests check
 *   mboxraw events DEV        read and clear the Dynamic Capacity event log past
 *                             the driver (which is to be held off, see
 *                             cxl_dc_record); prints each record in hexadecimal
 *   mboxraw send DEV OPCODE   try a command with an empty extent list and
 *                             print how it was answered
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/cxl_mem.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GET_EVENT_RECORDS	0x0100
#define CLEAR_EVENT_RECORDS	0x0101
#define GET_EXTENT_LIST	0x4801
#define DC_LOG		4
#define RECORDS		15
/* What fits into a mailbox payload of 2 KiB. The structures below have no holes. */
#define PER_CALL	40

struct list_request {
	__u32 count;
	__u32 first;
};

struct extent {
	__u64 start;
	__u64 len;
	__u8 tag[16];
	__u16 sequence;
	__u8 reserved[6];
};

struct list_reply {
	__u32 returned;
	__u32 total;
	__u32 generation;
	__u32 reserved;
	struct extent extents[PER_CALL];
};

static int send_raw(int fd, __u16 opcode, void *in, size_t in_len, void *out, size_t out_len)
{
	struct cxl_send_command command = {
		.id = CXL_MEM_COMMAND_ID_RAW,
		.raw = { .opcode = opcode },
		.in = { .size = in_len, .payload = (uintptr_t)in },
		.out = { .size = out_len, .payload = (uintptr_t)out },
	};

	if (ioctl(fd, CXL_MEM_SEND_COMMAND, &command) < 0) {
		const char *name = strerrorname_np(errno);

		printf("refused %s\n", name ? name : "unknown");
		return -1;
	}
	if (command.retval) {
		printf("device returned %u\n", command.retval);
		return -1;
	}
	return 0;
}

static int print_extents(int fd)
{
	struct list_request request = { .count = PER_CALL };
	struct list_reply reply;
	__u32 i;

	do {
		memset(&reply, 0, sizeof(reply));
		if (send_raw(fd, GET_EXTENT_LIST, &request, sizeof(request), &reply, sizeof(reply)))
			return 1;
		for (i = 0; i < reply.returned && i < PER_CALL; i++)
			printf("%#llx %#llx\n", (unsigned long long)reply.extents[i].start,
			       (unsigned long long)reply.extents[i].len);
		request.first += reply.returned;
	} while (reply.returned && request.first < reply.total);
	return 0;
}

struct events_reply {
	__u8 flags;
	__u8 skip1[19];
	__u16 count;
	__u8 skip2[10];
	__u8 record[RECORDS][128];
};

struct clear_request {
	__u8 log;
	__u8 flags;
	__u8 count;
	__u8 reserved[3];
	__u16 handle[RECORDS];
};

/* After the record's UUID: length, three bytes of flags, handle */
#define RECORD_HANDLE	20

static void take_record(const __u8 *record, __u16 *handle)
{
	int i;

	for (i = 0; i < 128; i++)
		printf("%02x", record[i]);
	printf("\n");
	*handle = record[RECORD_HANDLE] | record[RECORD_HANDLE + 1] << 8;
}

static int take_events(int fd)
{
	struct events_reply reply;
	__u8 log = DC_LOG;
	int i;

	for (;;) {
		struct clear_request clear = { .log = DC_LOG };

		memset(&reply, 0, sizeof(reply));
		if (send_raw(fd, GET_EVENT_RECORDS, &log, sizeof(log), &reply, sizeof(reply)))
			return 1;
		if (!reply.count || reply.count > RECORDS)
			return reply.count != 0;
		for (i = 0; i < reply.count; i++)
			take_record(reply.record[i], &clear.handle[i]);
		clear.count = reply.count;
		if (send_raw(fd, CLEAR_EVENT_RECORDS, &clear,
			     offsetof(struct clear_request, handle) +
			     reply.count * sizeof(clear.handle[0]), NULL, 0))
			return 1;
	}
}

static int try_command(int fd, __u16 opcode)
{
	__u8 no_extents[8] = { 0 };

	if (send_raw(fd, opcode, no_extents, sizeof(no_extents), NULL, 0))
		return 1;
	printf("sent\n");
	return 0;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 3) {
		fprintf(stderr, "usage: mboxraw extents DEV | events DEV | send DEV OPCODE\n");
		return 2;
	}
	fd = open(argv[2], O_RDWR);
	if (fd < 0) {
		perror(argv[2]);
		return 2;
	}
	if (argc == 3 && !strcmp(argv[1], "extents"))
		return print_extents(fd);
	if (argc == 3 && !strcmp(argv[1], "events"))
		return take_events(fd);
	if (argc == 4 && !strcmp(argv[1], "send"))
		return try_command(fd, strtoul(argv[3], NULL, 0));
	return 2;
}
