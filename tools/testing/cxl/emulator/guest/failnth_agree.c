// SPDX-License-Identifier: GPL-2.0-only
/*
 * failnth: do the device and the host agree?
 *
 * What the device's account names in the region, and what sysfs shows there, must be
 * the same memory; what DAX says to be available must be what is shown so; no offer
 * waits, no fault was committed. A failure that has passed is mended within a bound.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "failnth.h"

/* The driver tries again each second, up to eight times; twice for a slow machine */
#define BOUND_SECONDS	20

static char problem[512];

static void add_span(struct spans *spans, unsigned long long start,
		     unsigned long long len)
{
	if (spans->nr == MAX_RANGES)
		fail("more than %d extents", MAX_RANGES);
	spans->span[spans->nr++] = (struct span) { start, len };
}

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Each side may cut the same memory another way */
static void merge(struct spans *spans)
{
	int nr = 0;

	qsort(spans->span, spans->nr, sizeof(spans->span[0]), by_start);
	for (int i = 0; i < spans->nr; i++) {
		struct span *last = nr ? &spans->span[nr - 1] : NULL;

		if (last && last->start + last->len == spans->span[i].start)
			last->len += spans->span[i].len;
		else
			spans->span[nr++] = spans->span[i];
	}
	spans->nr = nr;
}

static void read_account(const struct scenario *s, struct spans *spans)
{
	char path[128], text[TEXT_MAX], *line, *next = NULL;
	unsigned long long start, len;

	spans->nr = 0;
	snprintf(path, sizeof(path), "%s/account", s->mock);
	if (read_file(path, text, sizeof(text)) < 0)
		fail("cannot read %s", path);
	for (line = strtok_r(text, "\n", &next); line;
	     line = strtok_r(NULL, "\n", &next)) {
		if (sscanf(line, "%lli %lli", (long long *)&start,
			   (long long *)&len) != 2)
			fail("%s has '%s'", path, line);
		if (start >= s->base && start < s->base + s->size)
			add_span(spans, start - s->base, len);
	}
}

/* Extents as the mock's files take them: "START:LEN[:TAG],..." */
static void read_list(const struct scenario *s, const char *text,
		      struct spans *spans)
{
	unsigned long long start, len;

	spans->nr = 0;
	while (*text) {
		if (sscanf(text, "%lli:%lli", (long long *)&start,
			   (long long *)&len) != 2)
			fail("'%s' is no list of extents", text);
		add_span(spans, start - s->base, len);
		text += strcspn(text, ",");
		text += *text == ',';
	}
}

/* One extent; return: can it be claimed? False when it vanishes meanwhile, too. */
static bool read_extent(const char *path, struct spans *spans)
{
	static const char * const files[] = { "offset", "length", "state" };
	char file[400], text[3][64];

	for (int i = 0; i < 3; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, files[i]);
		if (read_file(file, text[i], sizeof(text[i])) < 0)
			return false;
	}
	add_span(spans, strtoull(text[0], NULL, 0), strtoull(text[1], NULL, 0));
	return !strcmp(text[2], "available");
}

/* Return: bytes that sysfs shows to be available */
static unsigned long long read_sysfs(const struct scenario *s,
				     struct spans *spans)
{
	DIR *dir = opendir(s->dax_region);
	unsigned long long available = 0;
	struct dirent *entry;
	char path[384];

	spans->nr = 0;
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "extent", 6))
			continue;
		snprintf(path, sizeof(path), "%s/%s", s->dax_region,
			 entry->d_name);
		if (read_extent(path, spans))
			available += spans->span[spans->nr - 1].len;
	}
	if (dir)
		closedir(dir);
	return available;
}

static bool disagree(const char *text)
{
	snprintf(problem, sizeof(problem), "%s", text);
	return false;
}

static bool dax_agrees(const struct scenario *s, unsigned long long available)
{
	char path[160], text[64];

	snprintf(path, sizeof(path), "%s/dax_region/available_size",
		 s->dax_region);
	if (read_file(path, text, sizeof(text)) < 0)
		return true;	/* no driver has it */
	if (strtoull(text, NULL, 0) == available)
		return true;
	snprintf(problem, sizeof(problem),
		 "available: %s for DAX, %llu in the extents' states", text,
		 available);
	return false;
}

static void describe(const char *who, const struct spans *spans)
{
	size_t at = strlen(problem);

	at += snprintf(problem + at, sizeof(problem) - at, " %s:", who);
	for (int i = 0; i < spans->nr && at < sizeof(problem) - 40; i++)
		at += snprintf(problem + at, sizeof(problem) - at,
			       " %#llx+%#llx", spans->span[i].start,
			       spans->span[i].len);
}

static bool same(const char *who, const struct spans *a, const char *other,
		 const struct spans *b)
{
	if (a->nr == b->nr &&
	    !memcmp(a->span, b->span, a->nr * sizeof(a->span[0])))
		return true;
	snprintf(problem, sizeof(problem), "the sides differ,");
	describe(who, a);
	describe(other, b);
	return false;
}

static bool sides_agree(const struct scenario *s, const char *held)
{
	struct spans account, sysfs, expected;
	unsigned long long available;
	char path[128], text[1024];

	snprintf(path, sizeof(path), "%s/pending", s->mock);
	if (read_file(path, text, sizeof(text)))
		return disagree("an offer is not answered");
	available = read_sysfs(s, &sysfs);
	read_account(s, &account);
	merge(&sysfs);
	merge(&account);
	if (!same("device", &account, "host", &sysfs) || !dax_agrees(s, available))
		return false;
	if (!held)
		return true;
	read_list(s, held, &expected);
	merge(&expected);
	return same("device", &account, "expected", &expected);
}

/* Lines are "KIND N"; the last has the total */
static void check_faults(const struct scenario *s)
{
	char path[128], text[1024], kind[32], *line, *next = NULL;
	unsigned int count;

	snprintf(path, sizeof(path), "%s/faults", s->mock);
	if (read_file(path, text, sizeof(text)) < 0)
		fail("cannot read %s", path);
	for (line = strtok_r(text, "\n", &next); line;
	     line = strtok_r(NULL, "\n", &next)) {
		if (sscanf(line, "%31s %u", kind, &count) != 2)
			fail("%s has '%s'", path, line);
		if (count && strcmp(kind, "total") && strcmp(kind, s->allowed))
			fail("the device complains: %s", line);
	}
}

/* Wait until both sides agree; @held: and hold these extents, or whatever if NULL */
void agree(const struct scenario *s, const char *held)
{
	double end = now() + BOUND_SECONDS;

	while (!sides_agree(s, held)) {
		if (now() > end)
			fail("%s", problem);
		rest();
	}
	check_faults(s);
}
