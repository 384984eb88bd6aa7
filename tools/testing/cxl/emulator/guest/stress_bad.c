// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: a mock device that misbehaves
 *
 * Commands fail, records are lost, lists are wrong. What the device counts as faults
 * of the host is partly its own then; see stress_settle.c for what never is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stress.h"

/* An answer of the device, or none: a timeout, ENODEV */
static const int codes[] = { 2, 4, 5, 15, 22, 30, -110, -19 };

static const char * const quirks[] = {
	"list_returned", "list_total", "list_unsettled", "record_more",
	"record_count", "status",
};

/* What is honest again */
static const char * const honest[] = {
	"4294967295", "4294967295", "N", "N", "4294967295", "N",
};

static void fail_command(struct unit *unit)
{
	static const char * const opcodes[] = {
		"0x4802", "0x4803", "0x4801", "0x0100", "0x0101",
	};
	static const char * const modes[] = { "before", "after" };
	unsigned int opcode = chance(5);
	char text[64];

	/* only of Dynamic Capacity's own is it known what "processed" is */
	snprintf(text, sizeof(text), "%s %u %d %s", opcodes[opcode], 1 + chance(2),
		 codes[chance(8)], modes[opcode < 2 ? chance(2) : 0]);
	count(MISBEHAVE, mock(unit, "fail", text));
}

static void lose_records(struct unit *unit)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", 1 + chance(4));
	count(MISBEHAVE, mock(unit, "lose", text));
}

static void set_quirk(const struct unit *unit, int quirk, const char *value)
{
	char file[32];

	snprintf(file, sizeof(file), "quirk/%s", quirks[quirk]);
	mock(unit, file, value);
}

static void show_quirk(struct unit *unit)
{
	int quirk = chance(6);

	set_quirk(unit, quirk, strcmp(honest[quirk], "N") ? "5" : "Y");
	count(MISBEHAVE, 0);
	if (percent(50))
		offer(unit);
	else
		ask_back(unit);
	doze(300);
	set_quirk(unit, quirk, honest[quirk]);
}

/* The fabric manager goes on meanwhile: some of it hits a device of good will */
void misbehave(struct unit *unit)
{
	unit->was_bad = true;
	/* what still waits for an answer is stuck, and all that comes after it */
	if (percent(50))
		mock(unit, "pending", "drop");
	switch (chance(3)) {
	case 0:
		fail_command(unit);
		break;
	case 1:
		lose_records(unit);
		break;
	case 2:
		show_quirk(unit);
		break;
	}
}

/* An offer that was never heard of, or refused before it was processed, stays */
static void drop_offers(struct unit *unit)
{
	char path[96], text[4096], before[4096] = "";

	mock_path(unit, "pending", path, sizeof(path));
	for (int same = 0; same < 200;) {
		if (read_file(path, text, sizeof(text)) <= 0)
			return;
		same = strcmp(text, before) ? 0 : same + 1;
		strcpy(before, text);
		/* the driver may just be about to answer */
		if (same > 20 && same % 20 == 0)
			mock(unit, "pending", "drop");
		usleep(20000);
	}
}

/* Everybody stands still: make the device honest, and let the host hear of it */
void be_good(struct unit *unit)
{
	for (int i = 0; i < 6; i++)
		set_quirk(unit, i, honest[i]);
	mock(unit, "lose", "0");
	mock(unit, "fail", "none");
	drop_offers(unit);
}
