// SPDX-License-Identifier: GPL-2.0-only
/*
 * Use the memory behind a device-dax node as an application would: map it
 * shared, write a pattern, read it back, hold it.
 *
 * Every 64-bit word of the pattern depends on its offset in the device and on
 * a seed, so a page that turns up in the wrong place does not verify.
 */
#include <linux/types.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "shared/memory.h"

static sigjmp_buf on_sigbus;

static void catch_sigbus(int sig)
{
	(void)sig;
	siglongjmp(on_sigbus, 1);
}

static __u64 word_at(__u64 offset, __u64 seed)
{
	__u64 x = (offset ^ (seed << 40)) + 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/*
 * Map [offset, offset + len) of @path; the mapping itself starts and ends at
 * DAX_ALIGN, as device-dax demands.
 */
static __u64 *map_range(const char *path, __u64 offset, __u64 len)
{
	__u64 start = offset & ~(DAX_ALIGN - 1);
	__u64 end = (offset + len + DAX_ALIGN - 1) & ~(DAX_ALIGN - 1);
	char *map = map_device(path, start, end - start);

	return (__u64 *)(map + (offset - start));
}

static int write_pattern(const char *path, __u64 offset, __u64 len, __u64 seed)
{
	__u64 *mem = map_range(path, offset, len);
	__u64 i;

	for (i = 0; i < len / sizeof(*mem); i++)
		mem[i] = word_at(offset + i * sizeof(*mem), seed);
	printf("written\n");
	return 0;
}

/* @written: the offset at which a device had what is at @offset now */
static int verify_pattern(const char *path, __u64 offset, __u64 len, __u64 seed, __u64 written)
{
	__u64 *mem = map_range(path, offset, len);
	__u64 i;

	for (i = 0; i < len / sizeof(*mem); i++) {
		__u64 at = written + i * sizeof(*mem);

		if (mem[i] == word_at(at, seed))
			continue;
		printf("mismatch at %#llx: %#llx, expected %#llx\n",
		       (unsigned long long)at, (unsigned long long)mem[i],
		       (unsigned long long)word_at(at, seed));
		return 1;
	}
	printf("verified\n");
	return 0;
}

static int touch_word(const char *path, __u64 offset)
{
	__u64 *mem = map_range(path, offset, sizeof(__u64));

	/* An atomic store is one that the compiler must make. */
	__atomic_store_n(mem, offset, __ATOMIC_RELAXED);
	printf("touched\n");
	return 0;
}

/*
 * Keep the memory mapped, one page of every 2 MiB written to (with what it has),
 * until a signal.
 */
static int hold_range(const char *path, __u64 len)
{
	__u64 *mem = map_range(path, 0, len);
	__u64 offset;

	for (offset = 0; offset < len; offset += DAX_ALIGN)
		__atomic_fetch_add(mem + offset / sizeof(*mem), 0, __ATOMIC_RELAXED);
	say("held");
	pause();
	return 0;
}

/*
 * Map two pieces of 2 MiB; when SIGUSR1 comes, map the first one anew by the same file,
 * and touch the second one, which was left as it was.
 */
static int remap(const char *path)
{
	int sig, fd = open(path, O_RDWR);
	sigset_t signals;
	char *map;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	map = mmap(NULL, 2 * DAX_ALIGN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	say("held");
	sigwait(&signals, &sig);
	say(mmap(map, DAX_ALIGN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	    MAP_FAILED ? "refused" : "mapped");
	__atomic_load_n(map + DAX_ALIGN, __ATOMIC_RELAXED);
	say("touched");
	return 0;
}

static int print_help(void)
{
	fprintf(stderr,
		"usage: dcdmem write DEV OFFSET LEN SEED\n"
		"       dcdmem verify DEV OFFSET LEN SEED [OFFSET-WHEN-WRITTEN]\n"
		"       dcdmem touch DEV OFFSET\n"
		"       dcdmem hold DEV LEN\n"
		"       dcdmem remap DEV\n");
	return 2;
}

static __u64 number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static int run(int argc, char **argv)
{
	const char *verb = argv[1];

	if (argc == 6 && !strcmp(verb, "write"))
		return write_pattern(argv[2], number(argv[3]), number(argv[4]), number(argv[5]));
	if ((argc == 6 || argc == 7) && !strcmp(verb, "verify"))
		return verify_pattern(argv[2], number(argv[3]), number(argv[4]), number(argv[5]),
				      number(argv[argc == 7 ? 6 : 3]));
	if (argc == 4 && !strcmp(verb, "touch"))
		return touch_word(argv[2], number(argv[3]));
	if (argc == 4 && !strcmp(verb, "hold"))
		return hold_range(argv[2], number(argv[3]));
	if (argc == 3 && !strcmp(verb, "remap"))
		return remap(argv[2]);
	return print_help();
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = catch_sigbus };

	if (argc < 2)
		return print_help();
	sigaction(SIGBUS, &action, NULL);
	if (sigsetjmp(on_sigbus, 1)) {
		printf("SIGBUS\n");
		return 3;
	}
	return run(argc, argv);
}
