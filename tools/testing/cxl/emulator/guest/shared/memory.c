// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "memory.h"

/* The test reads what the tool prints, so it is told there */
noreturn void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

/* A line that a test waits for */
void say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

/* Shared, as device-dax demands; @offset and @len in bytes, of whole DAX_ALIGN */
void *map_device(const char *path, size_t offset, size_t len)
{
	int fd = open(path, O_RDWR);
	void *map;

	if (fd < 0)
		die(path);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (map == MAP_FAILED)
		die("mmap");
	close(fd);
	return map;
}

/* The process's own, from that node and no other */
void *map_node(int node, size_t len)
{
	unsigned long nodes = 1UL << node;
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		die("mmap");
	if (syscall(SYS_mbind, map, len, MPOL_BIND, &nodes, 8 * sizeof(nodes), 0))
		die("mbind");
	return map;
}
