// SPDX-License-Identifier: GPL-2.0-only
/* Names, numbers and sizes as text */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

static const char *skip_number(const char *text)
{
	const char *end = text + strspn(text, "0123456789");

	return end == text || end - text > 10 ? NULL : end;
}

/*
 * Whether text is "prefix" and so many numbers with dots between them, as
 * "dax0.1" is "dax" and two of them. All that becomes part of a path is checked
 * by this.
 */
bool is_name(const char *text, const char *prefix, unsigned int numbers)
{
	size_t len = strlen(prefix);

	if (strncmp(text, prefix, len))
		return false;
	text += len;
	while (numbers--) {
		text = skip_number(text);
		if (!text || (numbers && *text++ != '.'))
			return false;
	}
	return !*text;
}

/* The Y of "daxX.Y" */
unsigned int last_number(const char *name)
{
	size_t len = strlen(name);

	while (len && isdigit((unsigned char)name[len - 1]))
		len--;
	return strtoul(name + len, NULL, 10);
}

bool is_uuid(const char *text)
{
	int i;

	for (i = 0; i < UUID_LEN - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return !text[i];
}

bool is_null_uuid(const char *uuid)
{
	return strspn(uuid, "0-") == strlen(uuid);
}

static int parse_number(const char *text, __u64 *value, char **end)
{
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, end, text[0] == '0' &&
			  tolower((unsigned char)text[1]) == 'x' ? 16 : 10);
	return -errno;
}

/* Decimal or 0x, nothing before or after it; 0 or a negative errno */
int parse_u64(const char *text, __u64 *value)
{
	char *end;
	int rc = parse_number(text, value, &end);

	return rc ? rc : *end ? -EINVAL : 0;
}

/* The same with K, M, G or T after it */
int parse_size(const char *text, __u64 *value)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned int shift = 0;
	char *end;
	int rc = parse_number(text, value, &end);

	if (rc)
		return rc;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unit - units + 1);
	}
	if (*value > UNKNOWN >> shift)
		return -ERANGE;
	*value <<= shift;
	return 0;
}

/* A size in the largest unit that has no fraction */
const char *size_text(char *buf, __u64 size)
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned int i = 0;

	if (size == UNKNOWN)
		return "-";
	while (size && !(size % 1024) && i < ARRAY_SIZE(units) - 1) {
		size /= 1024;
		i++;
	}
	if (size)
		snprintf(buf, SIZE_TEXT_LEN, "%llu %s", size, units[i]);
	else
		snprintf(buf, SIZE_TEXT_LEN, "0");
	return buf;
}

/* Of what is_name() has checked, or what is in a buffer of that size */
void copy_name(char *to, const char *from)
{
	size_t len = strnlen(from, NAME_LEN - 1);

	memcpy(to, from, len);
	to[len] = 0;
}

/* Room for one more than @nr elements; without memory there is nothing to do */
void *grow(void *array, size_t nr, size_t size)
{
	array = reallocarray(array, nr + 1, size);
	if (!array) {
		error("out of memory");
		exit(1);
	}
	memset((char *)array + nr * size, 0, size);
	return array;
}
