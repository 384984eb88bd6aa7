// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel around what is fuzzed: memory, time, and an end for everything
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/uuid.h>
#include "fuzz.h"

/* As at boot: wraps around within the first minutes */
#define FIRST_JIFFIES	((unsigned long)-300 * HZ)

const uuid_t uuid_null;
unsigned long jiffies;
struct fuzz_kernel fuzz_kernel;

/**
 * fuzz_fail() - what must not happen has happened
 * @file: where
 * @line: where
 * @format: what
 *
 * To be called by the macros that fill in where. Ends the run: libFuzzer keeps the
 * input.
 */
void fuzz_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", strrchr(file, '/') ? strrchr(file, '/') + 1 :
							 file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

/** fuzz_kernel_init() - as before the first use */
void fuzz_kernel_init(void)
{
	fuzz_kernel = (struct fuzz_kernel) {};
	jiffies = FIRST_JIFFIES;
}

/** fuzz_step() - one turn of a loop whose length the device decides */
void fuzz_step(void)
{
	FUZZ_CHECK(++fuzz_kernel.steps < FUZZ_STEPS, "a loop without end");
}

/**
 * fuzz_alloc() - allocate memory, to be freed by fuzz_free()
 * @size: bytes
 * @zero: fill with zeros, else with rubbish
 *
 * Return: the memory, or NULL when it is this one's turn to fail, or when it is
 * more than the fuzzer likes to wait for
 */
void *fuzz_alloc(size_t size, bool zero)
{
	void *object;

	FUZZ_CHECK(size <= FUZZ_ALLOC_BOUND, "%zu bytes are asked for", size);
	fuzz_kernel.allocs++;
	if (size > FUZZ_ALLOC_LIKED ||
	    (fuzz_kernel.fail_alloc && !--fuzz_kernel.fail_alloc)) {
		fuzz_kernel.failed_allocs++;
		return NULL;
	}
	object = malloc(size);
	memset(object, zero ? 0 : 0xa5, size);
	fuzz_kernel.live++;
	return object;
}

/**
 * fuzz_free() - free memory
 * @object: from fuzz_alloc(), or NULL
 */
void fuzz_free(const void *object)
{
	if (object)
		fuzz_kernel.live--;
	free((void *)object);
}

/* The input ----------------------------------------------------------------- */

/**
 * fuzz_byte() - the next byte of the input
 * @input: the input
 *
 * Return: the byte, 0 behind the end
 */
u8 fuzz_byte(struct fuzz_input *input)
{
	return input->pos < input->size ? input->data[input->pos++] : 0;
}

/**
 * fuzz_number() - a number of several bytes
 * @input: the input
 * @bytes: how many
 *
 * Return: the number
 */
u64 fuzz_number(struct fuzz_input *input, unsigned int bytes)
{
	u64 number = 0;

	while (bytes--)
		number = number << 8 | fuzz_byte(input);
	return number;
}
