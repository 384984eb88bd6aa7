// SPDX-License-Identifier: GPL-2.0-only
/*
 * failnth: files, time, and the end when something is wrong
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "failnth.h"

static int where;
static unsigned int which;

/* For the message: the line of the scenario, and which n is being tried */
void say_where(int step, unsigned int nth)
{
	where = step;
	which = nth;
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("n = %u, line %d: ", which, where);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	exit(1);
}

unsigned long long read_number(const char *path)
{
	char buf[64];
	int rc = read_file(path, buf, sizeof(buf));

	if (rc < 0)
		fail("reading %s: %s", path, strerror(-rc));
	return strtoull(buf, NULL, 0);
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Between two looks at something that takes its time */
void rest(void)
{
	usleep(5000);
}
