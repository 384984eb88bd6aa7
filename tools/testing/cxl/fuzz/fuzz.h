/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzzers share: the kernel around what is fuzzed, and the input
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/types.h>

#define FUZZ_ALLOC_BOUND	SZ_64M	/* nothing may ask for more at once */
#define FUZZ_ALLOC_LIKED	SZ_1M	/* more than that takes too long here */
#define FUZZ_STEPS		(1u << 20)

#define FUZZ_CHECK(condition, ...)					\
do {									\
	if (!(condition))						\
		fuzz_fail(__FILE__, __LINE__, __VA_ARGS__);		\
} while (0)

/**
 * struct fuzz_kernel - what the kernel counts
 * @live: objects allocated and not freed
 * @allocs: allocations, failed ones included
 * @fail_alloc: the one that fails, counted from now; 0 for none
 * @failed_allocs: those that failed
 * @steps: turns of loops, to be reset before each call
 */
struct fuzz_kernel {
	unsigned int live;
	unsigned int allocs;
	unsigned int fail_alloc;
	unsigned int failed_allocs;
	unsigned int steps;
};

extern struct fuzz_kernel fuzz_kernel;

void fuzz_kernel_init(void);

/**
 * struct fuzz_input - what libFuzzer made up
 * @data: bytes
 * @size: number of them
 * @pos: so many are read
 */
struct fuzz_input {
	const u8 *data;
	size_t size;
	size_t pos;
};

u8 fuzz_byte(struct fuzz_input *input);
u64 fuzz_number(struct fuzz_input *input, unsigned int bytes);

static inline bool fuzz_at_end(const struct fuzz_input *input)
{
	return input->pos >= input->size;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif
