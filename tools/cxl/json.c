// SPDX-License-Identifier: GPL-2.0-only
/* JSON on stdout, laid out as cxl(1) and daxctl(1) do */
#include <stdio.h>
#include "dcd.h"

static void quote(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c > '~')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void new_line(const struct json *json)
{
	if (!json->one_line)
		printf("\n%*s", 2 * json->depth, "");
}

static void begin_value(struct json *json, const char *key)
{
	if (!json->first)
		putchar(',');
	if (json->depth)
		new_line(json);
	json->first = false;
	if (key) {
		quote(key);
		putchar(':');
	}
}

/* Begin an object or an array; without a key where it has no name */
void json_open(struct json *json, const char *key, char bracket)
{
	if (!json->depth)
		json->first = true;
	begin_value(json, key);
	putchar(bracket);
	json->depth++;
	json->first = true;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (!json->first)
		new_line(json);
	putchar(bracket);
	json->first = false;
	if (!json->depth)
		putchar('\n');
}

void json_text(struct json *json, const char *key, const char *value)
{
	begin_value(json, key);
	quote(value);
}

void json_number(struct json *json, const char *key, __u64 value)
{
	begin_value(json, key);
	printf("%llu", value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	printf("%s", value ? "true" : "false");
}

/* A number, or with --human text like "128.00 MiB (134.22 MB)" */
void json_size(struct json *json, const char *key, __u64 value)
{
	static const char units[] = "KMGT";
	double binary = value / 1024.0, decimal = value / 1000.0;
	char text[SIZE_TEXT_LEN];
	unsigned int i = 0;

	if (value == UNKNOWN)
		return;
	if (!json->human || value < 1024) {
		json_number(json, key, value);
		return;
	}
	for (; binary >= 1024 && units[i + 1]; i++) {
		binary /= 1024;
		decimal /= 1000;
	}
	snprintf(text, sizeof(text), "%.2f %ciB (%.2f %cB)", binary, units[i],
		 decimal, units[i]);
	json_text(json, key, text);
}

/* A number, or with --human hexadecimal text */
void json_address(struct json *json, const char *key, __u64 value)
{
	char text[SIZE_TEXT_LEN];

	if (value == UNKNOWN)
		return;
	if (!json->human) {
		json_number(json, key, value);
		return;
	}
	snprintf(text, sizeof(text), "0x%llx", value);
	json_text(json, key, text);
}
