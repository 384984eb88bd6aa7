// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernelpage NODE: have the kernel use a page of its own on a NUMA node, that of a pipe
 * with something in it.
 *
 * It prints "kept". SIGUSR1 has it read the pipe, close it and end: it prints "intact"
 * or "changed".
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "shared/memory.h"

#define PAGE	4096

static char text[PAGE], found[PAGE];

int main(int argc, char **argv)
{
	unsigned long nodes;
	sigset_t signals;
	int fds[2], sig;

	if (argc != 2) {
		fprintf(stderr, "usage: kernelpage NODE\n");
		return 2;
	}
	nodes = 1UL << atoi(argv[1]);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	memset(text, 'k', PAGE);
	if (pipe(fds))
		die("pipe");
	/* for the pipe's page alone, not for what this process is made of */
	if (syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes)))
		die("set_mempolicy");
	if (write(fds[1], text, PAGE) != PAGE)
		die("write");
	if (syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0))
		die("set_mempolicy");
	say("kept");

	sigwait(&signals, &sig);
	if (read(fds[0], found, PAGE) != PAGE)
		die("read");
	close(fds[0]);
	close(fds[1]);
	say(memcmp(text, found, PAGE) ? "changed" : "intact");
	return 0;
}
