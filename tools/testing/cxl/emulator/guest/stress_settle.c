// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: both sides compared while all stand still
 *
 * The driver may be at work, and may have something to try again by a timer: it gets
 * its time. What is left different then is a failure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stress.h"

static char difference[1024];

static int by_start(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Neighbours become one: a release of a part splits on one side only */
static int merge(struct extent *list, int nr)
{
	int last = 0;

	if (!nr)
		return 0;
	qsort(list, nr, sizeof(*list), by_start);
	for (int i = 1; i < nr; i++) {
		if (list[last].start + list[last].len == list[i].start)
			list[last].len += list[i].len;
		else
			list[++last] = list[i];
	}
	return last + 1;
}

/* Those of the account that lie in a region; return their number */
static int account_of(const struct slot *slot, struct extent *list)
{
	int nr = list_account(slot->unit, list), kept = 0;

	for (int i = 0; i < nr; i++)
		if (list[i].start >= slot->start && list[i].start < slot->start + slot->len)
			list[kept++] = list[i];
	return kept;
}

static void print_list(const char *who, const struct extent *list, int nr)
{
	size_t len = strlen(difference);

	len += snprintf(difference + len, sizeof(difference) - len, "\n  %s:", who);
	for (int i = 0; i < nr && len < sizeof(difference); i++)
		len += snprintf(difference + len, sizeof(difference) - len, " %#llx+%#llx",
				list[i].start, list[i].len);
}

static bool slot_agrees(const struct slot *slot)
{
	static struct extent device[MAX_LIST], host[MAX_LIST];
	int nr_device = merge(device, account_of(slot, device));
	int nr_host = slot->present ? merge(host, list_extents(slot, host, NULL)) : 0;
	bool same = nr_device == nr_host;

	for (int i = 0; same && i < nr_device; i++)
		same = device[i].start == host[i].start && device[i].len == host[i].len;
	if (same)
		return true;
	snprintf(difference, sizeof(difference), "%s, %s", slot->unit->name, slot->region);
	print_list("device", device, nr_device);
	print_list("host", host, nr_host);
	return false;
}

static bool nothing_pending(const struct unit *unit)
{
	char path[96], text[2048];
	int len;

	mock_path(unit, "pending", path, sizeof(path));
	len = read_file(path, text, sizeof(text));
	if (len < 0)
		fail("cannot read %s", path);
	if (!len)
		return true;
	snprintf(difference, sizeof(difference), "%s waits for an answer to %.800s",
		 unit->name, text);
	return false;
}

static bool unit_agrees(const struct unit *unit)
{
	if (!nothing_pending(unit))
		return false;
	for (int i = 0; i < unit->nr_slots; i++)
		if (!slot_agrees(&unit->slot[i]))
			return false;
	return true;
}

static void await_agreement(const struct unit *unit)
{
	for (int i = 0; i < PATIENCE * 10; i++) {
		if (unit_agrees(unit))
			return;
		usleep(100000);
	}
	fail("both sides differ: %s", difference);
}

/* May the device count this as the host's fault? */
static bool forgiven(const struct unit *unit, const char *kind)
{
	static const char * const of_bad[] = {
		"none-pending", "order", "not-offered", "not-held", "handle",
	};

	if (unit->was_forced && !strcmp(kind, "not-held"))
		return true;	/* a release that was under way */
	if (!unit->was_bad)
		return false;
	for (int i = 0; i < 5; i++)
		if (!strcmp(kind, of_bad[i]))
			return true;
	return false;
}

static void check_faults(struct unit *unit)
{
	char path[96], text[1024], kind[32], *line, *rest = NULL;
	int nr;

	mock_path(unit, "faults", path, sizeof(path));
	if (read_file(path, text, sizeof(text)) < 0)
		fail("cannot read %s", path);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%31s %d", kind, &nr) == 2 && nr && strcmp(kind, "total") &&
		    !forgiven(unit, kind))
			fail("%s counts faults of the host: %s", unit->name, line);
	mock(unit, "faults", "0");
	unit->was_bad = false;
	unit->was_forced = false;
}

void settle(void)
{
	for (int i = 0; i < world->nr_units; i++) {
		struct unit *unit = &world->unit[i];

		if (!*unit->name)
			continue;
		if (unit->was_bad)
			be_good(unit);
		await_agreement(unit);
		check_faults(unit);
	}
}

/* All regions are destroyed */
void check_empty(void)
{
	static struct extent list[MAX_LIST];

	for (int i = 0; i < world->nr_units; i++)
		if (*world->unit[i].name && list_account(&world->unit[i], list))
			fail("%s still lends %#llx+%#llx", world->unit[i].name,
			     list[0].start, list[0].len);
}
