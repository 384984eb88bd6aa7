/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * failnth: let the nth allocation or mailbox command of a step fail, for every n
 */
#ifndef FAILNTH_H
#define FAILNTH_H

#include <stdbool.h>
#include <stddef.h>
#include "shared/files.h"

#define MAX_RANGES	256
#define TEXT_MAX	16384

/* Who is to fail: a task that writes, the device's worker, or the device itself */
enum victim {
	NOBODY,
	TASK,
	WORKER,
	COMMAND,
};

/* What a step is about, as the lines of the scenario say it */
struct scenario {
	char mock[96];		/* the device's directory in debugfs */
	char memdev[32];
	char dax_region[96];	/* its directory in sysfs */
	unsigned long long base, size;	/* DPA of the region */
	enum victim victim;
	char how[64];		/* of a command: opcode, return code, mode */
	char opcode[16];
	char allowed[32];	/* a kind of fault that the failure itself makes */
};

/* A range, from the start of the region */
struct span {
	unsigned long long start, len;
};

struct spans {
	struct span span[MAX_RANGES];
	int nr;
};

/* failnth_sys.c */
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);
void say_where(int step, unsigned int nth);
unsigned long long read_number(const char *path);
double now(void);
void rest(void);

/* failnth_agree.c */
void agree(const struct scenario *s, const char *held);

/* failnth_arm.c */
void arm(const struct scenario *s, unsigned int nth);
bool disarm(const struct scenario *s);

#endif
