// SPDX-License-Identifier: GPL-2.0-only
/*
 * failnth: files, time, and the end when something is wrong
 */
#include <errno.h>
#include <fcntl.h>
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

/* One write(); return: 0 or a negative errno */
int write_text(int fd, const char *text)
{
	ssize_t len = strlen(text);

	errno = EIO;
	return write(fd, text, len) == len ? 0 : -errno;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write_text(fd, text);
	close(fd);
	return rc;
}

/* Return: length, without the last newline, or a negative errno */
int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, buf + len, size - 1 - len)) > 0)
		len += got;
	if (got < 0)
		got = -errno;
	close(fd);
	if (got < 0)
		return got;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	return len;
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
