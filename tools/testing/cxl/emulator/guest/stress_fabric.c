// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: the fabric manager of a mock device
 *
 * It knows what the device knows: the account. What the host does of itself changes
 * that at any time.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "stress.h"

#define MOST_HELD	24	/* extents; then it asks rather than offers */
#define MOST_CHAIN	6
#define TEXT		2048

static struct extent held[MAX_LIST];

static bool is_free(const struct extent *extent, int nr)
{
	for (int i = 0; i < nr; i++)
		if (extent->start < held[i].start + held[i].len &&
		    held[i].start < extent->start + extent->len)
			return false;
	return true;
}

static void append(char *text, const struct extent *extent, int seq)
{
	size_t len = strlen(text);

	snprintf(text + len, TEXT - len, "%#llx:%#llx:%s:%d\n", extent->start,
		 extent->len, extent->tag, seq);
}

/* Tags of two devices differ: a tag is alive once on a host */
static void make_tag(const struct unit *unit, char *tag, size_t size)
{
	snprintf(tag, size, "7a6d%04d-0000-4000-8000-0000000000%02x",
		 (int)(unit - world->unit), chance(32));
}

/* Extents of one region that overlap nothing, of @tag; return the number */
static int find_free(struct slot *slot, const char *tag, int most, char *text)
{
	int nr = list_account(slot->unit, held), found = 0;

	for (int tries = 0; tries < 4 * most && found < most && nr < MAX_LIST; tries++) {
		struct extent extent = { .len = BLOCK << chance(4) };

		extent.start = slot->start + BLOCK * chance((slot->len - extent.len) / BLOCK + 1);
		snprintf(extent.tag, sizeof(extent.tag), "%s", tag);
		if (!is_free(&extent, nr))
			continue;
		held[nr++] = extent;
		append(text, &extent, slot->unit->sharable ? found : 0);
		found++;
	}
	return found;
}

static bool account_has(struct unit *unit, const char *text)
{
	struct extent first;
	int nr = list_account(unit, held);

	if (sscanf(text, "%lli:%lli", (long long *)&first.start,
		   (long long *)&first.len) != 2)
		return false;
	for (int i = 0; i < nr; i++)
		if (held[i].start == first.start)
			return true;
	return false;
}

/* Return: 0 or a negative errno */
int offer(struct unit *unit)
{
	struct slot *slot = &unit->slot[chance(unit->nr_slots)];
	bool open = percent(5);
	char tag[40] = "0", text[TEXT] = "";
	int rc;

	if (unit->sharable || percent(40))
		make_tag(unit, tag, sizeof(tag));
	if (!find_free(slot, tag, 1 + chance(MOST_CHAIN), text))
		return 0;
	rc = mock(unit, open ? "open" : "chain", text);
	if (open) {
		count(OPEN_CHAIN, rc);
		doze(300);
		*text = 0;
		if (!find_free(slot, "0", 1, text))
			append(text, &(struct extent){ slot->start, BLOCK, "0" }, 0);
		rc = mock(unit, "chain", text);
	}
	count(ADD, rc);
	if (!rc && account_has(unit, text))
		count(ADD_HELD, 0);
	return rc;
}

/* A part of an extent without a tag, or the whole */
static bool narrow(struct extent *extent)
{
	if (strcmp(extent->tag, NULL_TAG) || extent->len == BLOCK || !percent(30))
		return false;
	extent->start += BLOCK * chance(extent->len / BLOCK);
	extent->len = BLOCK;
	return true;
}

static int ask(struct unit *unit, const char *file, enum kind kind)
{
	int nr = list_account(unit, held), wanted = 1 + chance(4), rc;
	char text[TEXT] = "";
	bool part = false;

	if (!nr)
		return 0;
	for (int i = 0; i < wanted; i++) {
		struct extent extent = held[chance(nr)];

		if (kind == RELEASE)
			part |= narrow(&extent);
		append(text, &extent, 0);
		if (kind == FORCE)
			break;
	}
	rc = count(kind, mock(unit, file, text));
	if (part)
		count(RELEASE_PART, rc);
	return rc;
}

int ask_back(struct unit *unit)
{
	return ask(unit, "release", RELEASE);
}

static void take(struct unit *unit)
{
	unit->was_forced = true;
	ask(unit, "force", FORCE);
}

/* The worker of a device */
void manage(void *argument)
{
	struct unit *unit = argument;

	while (go_on()) {
		int nr = list_account(unit, held);

		if (world->bad && percent(15))
			misbehave(unit);
		else if (world->force && percent(6))
			take(unit);
		else if (nr < MOST_HELD && percent(65))
			offer(unit);
		else
			ask_back(unit);
		doze(120);
	}
}
