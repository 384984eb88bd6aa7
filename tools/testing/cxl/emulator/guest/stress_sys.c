// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: files of sysfs and debugfs
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "stress.h"

#define MOCK	"/sys/kernel/debug/cxl_test_dcd"

/* Return: 0 when there is none */
__u64 read_number(const char *path)
{
	char buf[64];

	return read_file(path, buf, sizeof(buf)) > 0 ? strtoull(buf, NULL, 0) : 0;
}

bool exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

/* Names of directory @path that are @prefix and a digit; return their number */
int names(const char *path, const char *prefix, struct name *found, int max)
{
	int nr = list_names(path, prefix, found, max);

	return nr < max ? nr : max;
}

/* Write @value to a file, count and note it. Return: 0 or a negative errno */
int act(enum kind kind, const char *value, const char *format, ...)
{
	char path[192];
	va_list args;
	int rc;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	note("%.80s > %.90s ...", value, path);
	rc = write_file(path, value);
	note("%.80s > %.80s = %d", value, path, rc);
	return count(kind, rc);
}

void mock_path(const struct unit *unit, const char *file, char *buf, size_t size)
{
	snprintf(buf, size, MOCK "/%.31s/%s", unit->name, file);
}

/* Write to a file of a mock device. Return: 0 or a negative errno */
int mock(const struct unit *unit, const char *file, const char *value)
{
	char path[96];
	int rc;

	mock_path(unit, file, path, sizeof(path));
	note("%s %s < %.120s ...", unit->name, file, value);
	rc = write_file(path, value);
	note("%s %s < %.120s = %d", unit->name, file, value, rc);
	return rc;
}

/* What the device thinks that this host holds; return the number of @list */
int list_account(const struct unit *unit, struct extent *list)
{
	static char text[MAX_LIST * 100];
	char path[96], *line, *rest = NULL;
	int nr = 0;

	mock_path(unit, "account", path, sizeof(path));
	if (read_file(path, text, sizeof(text)) < 0)
		fail("cannot read %s", path);
	for (line = strtok_r(text, "\n", &rest); line && nr < MAX_LIST;
	     line = strtok_r(NULL, "\n", &rest), nr++)
		if (sscanf(line, "%lli %lli %39s", (long long *)&list[nr].start,
			   (long long *)&list[nr].len, list[nr].tag) != 3)
			fail("%s: cannot read '%s'", path, line);
	return nr;
}

static bool read_extent(const struct slot *slot, const char *name,
			struct extent *extent)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), CXL "/dax_region%d/%.31s/offset", slot->id, name);
	if (read_file(path, text, sizeof(text)) <= 0)
		return false;
	extent->start = slot->start + strtoull(text, NULL, 0);
	snprintf(path, sizeof(path), CXL "/dax_region%d/%.31s/length", slot->id, name);
	extent->len = read_number(path);
	snprintf(path, sizeof(path), CXL "/dax_region%d/%.31s/uuid", slot->id, name);
	if (read_file(path, extent->tag, sizeof(extent->tag)) <= 0)
		strcpy(extent->tag, NULL_TAG);
	return extent->len != 0;
}

/* What the host shows in a region; @name may be NULL; return the number */
int list_extents(const struct slot *slot, struct extent *list, struct name *name)
{
	struct name found[MAX_LIST];
	char path[64];
	int nr, kept = 0;

	snprintf(path, sizeof(path), CXL "/dax_region%d", slot->id);
	nr = names(path, "extent", found, MAX_LIST);
	for (int i = 0; i < nr; i++) {
		if (!read_extent(slot, found[i].text, &list[kept]))
			continue;
		if (name)
			name[kept] = found[i];
		kept++;
	}
	return kept;
}
