// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: what each worker did last, counts, failure
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stress.h"

static const char * const kinds[] = {
	"add", "add-held", "release", "release-part", "force", "open-chain",
	"misbehave", "claim-any", "claim-tag", "claim-extent", "give-up", "bind",
	"unbind", "map", "open", "read", "create", "delete", "write-data",
	"verify-data", "data-gone", "seen-pending", "kmem-bind", "kmem-online",
	"kmem-touch", "kmem-unplug", "kmem-unbind", "region-create",
	"region-destroy", "region-unbind", "region-bind", "memdev-unbind",
	"memdev-bind", "dax-unload", "dax-load",
};

/* Each worker has chances of its own */
void seed_worker(__u64 number)
{
	seed_chance(world->seed ^ (number * 0xd1342543de82ef95ULL));
}

/* An entry of the diary */
void note(const char *format, ...)
{
	struct diary *diary = &world->diary[me];
	va_list args;

	va_start(args, format);
	vsnprintf(diary->entry[diary->nr % RING], sizeof(*diary->entry), format, args);
	va_end(args);
	__atomic_add_fetch(&diary->nr, 1, __ATOMIC_SEQ_CST);
}

/* @rc: 0 or a negative errno, which is returned */
int count(enum kind kind, int rc)
{
	int errno_of = rc < 0 ? -rc : 0;

	if (errno_of >= MAX_ERRNO)
		errno_of = MAX_ERRNO - 1;
	__atomic_add_fetch(&world->count[kind][errno_of], 1, __ATOMIC_SEQ_CST);
	return rc;
}

/* The first one is heard, the others end quietly */
void fail(const char *format, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&world->failed, 1, __ATOMIC_SEQ_CST)) {
		int len = snprintf(world->failure, sizeof(world->failure), "%s: ",
				   world->diary[me].what);

		va_start(args, format);
		vsnprintf(world->failure + len, sizeof(world->failure) - len, format,
			  args);
		va_end(args);
	}
	_exit(1);
}

/* Every kind has a line, so that who reads it sees what did not happen */
void print_counts(void)
{
	for (int kind = 0; kind < NR_KINDS; kind++) {
		printf("count %s ok %lu", kinds[kind], world->count[kind][0]);
		for (int i = 1; i < MAX_ERRNO; i++)
			if (world->count[kind][i])
				printf(" %s %lu", strerrorname_np(i) ?: "other",
				       world->count[kind][i]);
		printf("\n");
	}
}

void print_diaries(void)
{
	for (int i = 0; i < world->nr_workers; i++) {
		struct diary *diary = &world->diary[i];
		unsigned long first = diary->nr < RING ? 0 : diary->nr - RING;

		printf("worker %d, %s:\n", i, diary->what);
		for (unsigned long n = first; n < diary->nr; n++)
			printf("  %lu: %s\n", n, diary->entry[n % RING]);
	}
}

/* Between two operations: stand still if all are to. Return: go on? */
bool go_on(void)
{
	struct diary *diary = &world->diary[me];

	while (__atomic_load_n(&world->pause, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&world->end, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&diary->parked, 1, __ATOMIC_SEQ_CST);
		usleep(5000);
	}
	__atomic_store_n(&diary->parked, 0, __ATOMIC_SEQ_CST);
	return !world->end && !world->failed;
}

/* @most: milliseconds */
void doze(unsigned int most)
{
	unsigned int left = chance(most + 1);

	while (left && !world->pause && !world->failed) {
		unsigned int now = left < 50 ? left : 50;

		usleep(now * 1000);
		left -= now;
	}
}
