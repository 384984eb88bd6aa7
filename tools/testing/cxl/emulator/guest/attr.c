// SPDX-License-Identifier: GPL-2.0-only
/*
 * attr PATH VALUE: write a sysfs attribute with one write() and name the
 * error. A shell's echo may split or repeat a write, and its message is a
 * translated sentence; tests want to see "EBUSY".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Status 1 is a refused write, 2 an attribute that is not there. */
enum { REFUSED = 1, NOT_THERE = 2 };

static int fail(const char *step, int status)
{
	const char *name = strerrorname_np(errno);

	if (name)
		printf("%s %s\n", step, name);
	else
		printf("%s %d\n", step, errno);
	return status;
}

int main(int argc, char **argv)
{
	ssize_t len;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: attr PATH VALUE\n");
		return 3;
	}
	fd = open(argv[1], O_WRONLY);
	if (fd < 0)
		return fail("open", NOT_THERE);
	len = strlen(argv[2]);
	if (write(fd, argv[2], len) != len)
		return fail("write", REFUSED);
	return 0;
}
