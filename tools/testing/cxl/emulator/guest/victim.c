// SPDX-License-Identifier: GPL-2.0-only
/*
 * Use memory that is going to be taken away, and say what it is like.
 *
 *   touch DEV LEN PROCESSES THREADS   every thread writes and reads, until SIGBUS
 *   open DEV                          open now; map and touch on SIGUSR1
 *   pin DEV PAGES                     pages of the device kept in a pipe
 *   ram NODE LEN PROCESSES THREADS    like touch, in system RAM of a node
 *   ram-pin NODE PAGES                like pin, in system RAM of a node
 *
 * Each prints "ready" when it uses the memory. In the end touch and ram print how
 * many threads there were, how many got SIGBUS, and how many read something else
 * than they had written.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/types.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shared/memory.h"

#define PAGE		4096UL
#define MAX_WORKERS	64
#define SECONDS		60

/* What all processes see */
struct board {
	int ready;
	int sigbus;
	int wrong;
};

static struct board *board;
static char *memory;
static size_t memory_len;
static int nr_threads;
static __thread sigjmp_buf on_sigbus;

static void caught(int sig)
{
	(void)sig;
	siglongjmp(on_sigbus, 1);
}

static volatile sig_atomic_t go;

static void start(int sig)
{
	(void)sig;
	go = 1;
}

static void expect(__u64 found, __u64 value)
{
	if (found != value)
		__atomic_fetch_add(&board->wrong, 1, __ATOMIC_SEQ_CST);
}

/*
 * Words of a thread's own, one a page, written and read until that ends: at once,
 * and when the thread comes by again
 */
static void use_words(int worker)
{
	unsigned long round = 0;

	for (;; round++) {
		for (size_t at = 0; at < memory_len; at += PAGE) {
			volatile __u64 *word = (__u64 *)(memory + at) + worker;
			__u64 value = (at << 16) + round;

			if (round)
				expect(*word, value - 1);
			*word = value;
			expect(*word, value);
		}
		if (!round)
			__atomic_fetch_add(&board->ready, 1, __ATOMIC_SEQ_CST);
	}
}

static void *work(void *arg)
{
	if (!sigsetjmp(on_sigbus, 1))
		use_words((long)arg);
	__atomic_fetch_add(&board->sigbus, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void be_process(int first)
{
	pthread_t thread[MAX_WORKERS];

	for (long i = 0; i < nr_threads; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(first + i)))
			die("pthread_create");
	for (int i = 0; i < nr_threads; i++)
		pthread_join(thread[i], NULL);
	exit(0);
}

/* Memory that forks don't share is made by each process for itself */
static int use(const char *path, int node, size_t len, int processes, int threads)
{
	int workers = processes * threads;

	memory_len = len;
	nr_threads = threads;
	if (workers < 1 || workers > MAX_WORKERS)
		return 2;
	board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < processes; i++) {
		if (fork())
			continue;
		alarm(SECONDS);
		memory = path ? map_device(path, 0, len) : map_node(node, len);
		be_process(i * threads);
	}
	while (__atomic_load_n(&board->ready, __ATOMIC_SEQ_CST) < workers)
		usleep(10000);
	say("ready");
	while (wait(NULL) > 0)
		;
	printf("%d threads, %d SIGBUS, %d wrong\n", workers, board->sigbus,
	       board->wrong);
	return 0;
}

static int open_then_map(const char *path)
{
	int fd = open(path, O_RDWR);
	char *map;

	if (fd < 0)
		die(path);
	signal(SIGUSR1, start);
	say("ready");
	while (!go)
		usleep(10000);
	map = mmap(NULL, DAX_ALIGN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	if (!sigsetjmp(on_sigbus, 1)) {
		*(volatile char *)map = 1;
		say("touched");
	} else {
		say("SIGBUS");
	}
	return 0;
}

static int keep_in_pipe(char *map, int pages)
{
	int fd[2];

	if (pipe(fd))
		die("pipe");
	for (int i = 0; i < pages; i++) {
		struct iovec page = { map + i * PAGE, PAGE };

		*(volatile char *)page.iov_base = 1;
		if (vmsplice(fd[1], &page, 1, 0) != (ssize_t)PAGE)
			die("vmsplice");
	}
	say("ready");
	while (!go)
		pause();
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	sigaction(SIGBUS, &(struct sigaction) { .sa_handler = caught }, NULL);
	if (argc == 6 && !strcmp(verb, "touch"))
		return use(argv[2], 0, strtoull(argv[3], NULL, 0), atoi(argv[4]),
			   atoi(argv[5]));
	if (argc == 6 && !strcmp(verb, "ram"))
		return use(NULL, atoi(argv[2]), strtoull(argv[3], NULL, 0),
			   atoi(argv[4]), atoi(argv[5]));
	if (argc == 3 && !strcmp(verb, "open"))
		return open_then_map(argv[2]);
	if (argc == 4 && !strcmp(verb, "pin"))
		return keep_in_pipe(map_device(argv[2], 0, DAX_ALIGN), atoi(argv[3]));
	if (argc == 4 && !strcmp(verb, "ram-pin"))
		return keep_in_pipe(map_node(atoi(argv[2]), DAX_ALIGN),
				    atoi(argv[3]));
	fprintf(stderr, "usage: victim touch|open|pin|ram|ram-pin ...\n");
	return 2;
}
