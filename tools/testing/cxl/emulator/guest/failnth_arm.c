// SPDX-License-Identifier: GPL-2.0-only
/*
 * failnth: have something fail, and see whether it has
 *
 * An allocation fails by the kernel's fail-nth: in this task, or in the device's
 * worker, through cxl_dc_record. A command fails by the mock device.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "failnth.h"

#define SELF	"/proc/thread-self/fail-nth"
#define RECORD	"/sys/kernel/debug/cxl_dc_record/fail_nth"

/* Open, so that to look does not allocate what is then failed */
static int self = -1;

static void arm_task(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (self < 0)
		self = open(SELF, O_RDWR);
	if (pwrite(self, text, len, 0) != len)
		fail("cannot write " SELF);
}

/* Return: has an allocation failed? Then nothing is left of n. */
static bool disarm_task(void)
{
	char text[16] = "";

	if (pread(self, text, sizeof(text) - 1, 0) <= 0)
		fail("cannot read " SELF);
	arm_task(0);
	return !strtoul(text, NULL, 0);
}

static void tell_worker(const char *text)
{
	int rc = write_file(RECORD, text);

	if (rc)
		fail("writing '%s' to " RECORD ": %s", text, strerror(-rc));
}

static void arm_worker(const struct scenario *s, unsigned int nth)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %u", s->memdev, nth);
	tell_worker(text);
}

static bool disarm_worker(const struct scenario *s)
{
	tell_worker(s->memdev);
	return !read_number(RECORD);
}

static void arm_command(const struct scenario *s, unsigned int nth)
{
	char path[128], text[96];
	int rc;

	snprintf(path, sizeof(path), "%s/fail", s->mock);
	snprintf(text, sizeof(text), "%sh %u %s", s->opcode, nth, s->how);
	rc = write_file(path, text);
	if (rc)
		fail("writing '%s' to %s: %s", text, path, strerror(-rc));
}

/* Lines are "OPCODEh NTH RC MODE TIMES"; is ours still as it was but for NTH? */
static bool still_armed(const struct scenario *s, const char *text)
{
	const char *line = strstr(text, s->opcode);
	char tail[sizeof(s->how) + 8];
	int times = 0;

	if (!line)
		return false;
	sscanf(s->how, "%*s %*s %d", &times);
	snprintf(tail, sizeof(tail), " %s%s\n", s->how, times ? "" : " 1");
	return strstr(line, tail);
}

static bool disarm_command(const struct scenario *s)
{
	char path[128], text[1024];
	int len;

	/* what it sends is sent */
	tell_worker(s->memdev);
	snprintf(path, sizeof(path), "%s/fail", s->mock);
	len = read_file(path, text, sizeof(text) - 1);
	if (len < 0)
		fail("cannot read %s", path);
	if (len && write_file(path, "none"))
		fail("%s: cannot forget what is armed", path);
	strcpy(text + len, "\n");
	return !still_armed(s, text);
}

/* Let the nth one from now on fail */
void arm(const struct scenario *s, unsigned int nth)
{
	switch (s->victim) {
	case TASK:
		arm_task(nth);
		break;
	case WORKER:
		arm_worker(s, nth);
		break;
	case COMMAND:
		arm_command(s, nth);
		break;
	case NOBODY:
		break;
	}
}

/* From now on nothing fails; return: did something? */
bool disarm(const struct scenario *s)
{
	switch (s->victim) {
	case TASK:
		return disarm_task();
	case WORKER:
		return disarm_worker(s);
	case COMMAND:
		return disarm_command(s);
	case NOBODY:
		break;
	}
	return false;
}
