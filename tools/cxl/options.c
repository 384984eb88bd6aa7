// SPDX-License-Identifier: GPL-2.0-only
/*
 * The options of all commands. Each command has a list of ids; two that share a
 * letter, as they do in cxl(1) and daxctl(1), are not in the same list.
 */
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "dcd.h"
#include "options.h"

struct option_help {
	int id;			/* in the list of a command */
	char letter;
	const char *name;
	const char *argument;	/* NULL if it takes none */
	const char *help;
};

static const struct option_help all[] = {
	{ 'm', 'm', "memdev", "MEM", "memory device, as mem0" },
	{ 'r', 'r', "region", "REGION", "region, as region0" },
	{ 'D', 'd', "dev", "DAX", "DAX device, as dax0.0" },
	{ 'd', 'd', "decoder", "DECODER", "root decoder, as decoder0.0" },
	{ 't', 't', "type", "MODE", "partition, as dynamic_ram_1" },
	{ 's', 's', "size", "SIZE", "bytes, or with K, M, G or T" },
	{ 'T', 't', "timeout", "SECONDS", "give up after that time" },
	{ 'c', 'c', "count", "N", "end after N events" },
	{ 'N', 'N', "no-bind", NULL, "claim only, bind no driver" },
	{ 'M', 'M', "no-movable", NULL, "let the kernel use it, too" },
	{ 'f', 'f', "force", NULL, "end what uses the memory" },
	{ 'j', 'j', "json", NULL, "print JSON" },
	{ 'u', 'u', "human", NULL, "in JSON, sizes as text" },
	{ 'h', 'h', "help", NULL, "this text" },
};

static_assert(ARRAY_SIZE(all) <= MAX_OPTIONS, "getopt has no room");

static void print_option(const struct option_help *option)
{
	printf("  -%c, --%s%s%-*s %s\n", option->letter, option->name,
	       option->argument ? "=" : " ",
	       (int)(20 - strlen(option->name)),
	       option->argument ? option->argument : "", option->help);
}

/* The help of those in @list */
void print_options(const char *list)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (strchr(list, all[i].id))
			print_option(&all[i]);
}

/* Names become part of a path */
static int take_name(const char **to, const char *prefix, unsigned int numbers)
{
	if (is_name(optarg, prefix, numbers)) {
		*to = optarg;
		return 0;
	}
	return error("'%s' is no name like %s%s", optarg, prefix,
		     numbers == 2 ? "0.0" : "0");
}

static int take_number(__u64 *to, int (*parse)(const char *, __u64 *),
		       __u64 max)
{
	if (!parse(optarg, to) && *to && *to <= max)
		return 0;
	return error("'%s' is no number from 1 to %llu", optarg, max);
}

static int option_id(const char *list, int letter)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].letter == letter &&
		    strchr(list, all[i].id))
			return all[i].id;
	return 0;
}

/* Returns 0, or -1 with a message */
int take_option(struct params *params, const char *list, int letter)
{
	switch (option_id(list, letter)) {
	case 'm':
		return take_name(&params->memdev, "mem", 1);
	case 'r':
		return take_name(&params->region, "region", 1);
	case 'D':
		return take_name(&params->dev, "dax", 2);
	case 'd':
		return take_name(&params->decoder, "decoder", 2);
	case 't':
		return take_name(&params->type, "dynamic_ram_", 1);
	case 's':
		return take_number(&params->size, parse_size, UNKNOWN - 1);
	case 'T':
		return take_number(&params->timeout, parse_u64, 1000000000);
	case 'c':
		return take_number(&params->count, parse_u64, UNKNOWN - 1);
	case 'N':
		params->no_bind = true;
		return 0;
	case 'M':
		params->no_movable = true;
		return 0;
	case 'f':
		params->force = true;
		return 0;
	case 'j':
		params->json = true;
		return 0;
	case 'u':
		params->human = true;
		return 0;
	}
	return -1;
}

/* What getopt_long() wants to know of those in @list */
void fill_getopt(const char *list, char *letters, struct option *longs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (!strchr(list, all[i].id))
			continue;
		*longs++ = (struct option) {
			.name = all[i].name,
			.has_arg = all[i].argument ? required_argument :
							 no_argument,
			.val = all[i].letter,
		};
		*letters++ = all[i].letter;
		if (all[i].argument)
			*letters++ = ':';
	}
}
