// SPDX-License-Identifier: GPL-2.0-only
/*
 * keep PATH LEN: a process that uses memory for as long as a test wants. PATH is
 * a device-dax node, mapped shared, or "node:N", memory of the process's own on
 * NUMA node N.
 *
 * It writes a pattern and prints "kept". Each SIGUSR1 has it look again, at the
 * same mapping: it prints "intact", "changed at OFFSET" or "SIGBUS". SIGUSR2 pins
 * the first page, or lets it go.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
#include "shared/memory.h"

#define STEP		(4096 / sizeof(uint64_t))

static sigjmp_buf on_sigbus;

static void catch_sigbus(int sig)
{
	(void)sig;
	siglongjmp(on_sigbus, 1);
}

/* A word of each page tells the pages apart */
static void fill(volatile uint64_t *mem, size_t words)
{
	for (size_t i = 0; i < words; i += STEP)
		mem[i] = ~i;
}

static void look(volatile uint64_t *mem, size_t words)
{
	if (sigsetjmp(on_sigbus, 1)) {
		say("SIGBUS");
		return;
	}
	for (size_t i = 0; i < words; i += STEP) {
		if (mem[i] == ~i)
			continue;
		printf("changed at %#zx\n", i * sizeof(*mem));
		fflush(stdout);
		return;
	}
	say("intact");
}

/* A page in a pipe can't be moved: whoever wants it offline waits */
static void toggle_pin(volatile uint64_t *mem)
{
	static int pipe_fds[2] = { -1, -1 };
	struct iovec page = { .iov_base = (void *)mem, .iov_len = 4096 };

	if (pipe_fds[0] >= 0) {
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		pipe_fds[0] = -1;
		say("unpinned");
		return;
	}
	if (pipe(pipe_fds) || vmsplice(pipe_fds[1], &page, 1, 0) != 4096)
		die("vmsplice");
	say("pinned");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = catch_sigbus };
	volatile uint64_t *mem;
	sigset_t signals;
	size_t len;
	int sig, node;

	if (argc != 3) {
		fprintf(stderr, "usage: keep PATH LEN\n");
		return 2;
	}
	len = strtoull(argv[2], NULL, 0) & ~(DAX_ALIGN - 1);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	sigaction(SIGBUS, &action, NULL);

	if (sscanf(argv[1], "node:%d", &node) == 1)
		mem = map_node(node, len);
	else
		mem = map_device(argv[1], 0, len);
	fill(mem, len / sizeof(*mem));
	say("kept");
	while (!sigwait(&signals, &sig)) {
		if (sig == SIGUSR1)
			look(mem, len / sizeof(*mem));
		else
			toggle_pin(mem);
	}
	return 0;
}
