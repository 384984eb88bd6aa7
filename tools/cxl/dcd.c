// SPDX-License-Identifier: GPL-2.0-only
/*
 * dcd - use the memory that CXL Dynamic Capacity Devices lend
 *
 * Reads and writes sysfs, see Documentation/ABI/testing/sysfs-bus-cxl and
 * sysfs-bus-dax; looks in /proc for who uses a device, listens to uevents, and runs
 * modprobe for device_dax and kmem. Options, JSON and exit codes are those of cxl(1)
 * and daxctl(1) where these have such.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"
#include "options.h"

#ifndef DCD_VERSION
#define DCD_VERSION "unknown"
#endif

struct command {
	const char *name;
	const char *argument;	/* NULL if it takes none */
	const char *options;	/* their ids */
	int (*run)(const struct params *params, const char *arg);
	const char *help;
};

static const struct command commands[] = {
	{ "list", NULL, "mrDjuh", cmd_list,
	  "show devices, regions, extents and claims" },
	{ "create-region", NULL, "mdtsjuh", cmd_create_region,
	  "give a partition a place in the address space" },
	{ "destroy-region", "REGION|all", "mfh", cmd_destroy_region,
	  "give back all memory of a region, and the region" },
	{ "claim", "UUID|0|EXTENT", "rDNjuh", cmd_claim,
	  "have a DAX device take memory: by tag, any untagged, by extent" },
	{ "free", "DAX", "fh", cmd_free, "give a claim up" },
	{ "online", "DAX", "Mfh", cmd_online, "make claimed memory system RAM" },
	{ "offline", "DAX", "Th", cmd_offline, "undo online" },
	{ "watch", NULL, "rcTjuh", cmd_watch, "print events as they come" },
};

static const char *command_name;

static void say(const char *fmt, va_list args)
{
	fflush(stdout);
	if (command_name)
		fprintf(stderr, "dcd %s: ", command_name);
	else
		fputs("dcd: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

int error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	return -1;
}

int advise(const char *fmt, ...)
{
	va_list args;

	fputs("  ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

void note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

static void command_usage(const struct command *command)
{
	printf("usage: dcd %s [options]%s%s\n%s\n\n", command->name,
	       command->argument ? " " : "",
	       command->argument ? command->argument : "", command->help);
	print_options(command->options);
}

static void print_usage(FILE *out)
{
	unsigned int i;

	fputs("usage: dcd COMMAND [options] [argument]\n\n", out);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-15s %s\n", commands[i].name, commands[i].help);
	fputs("\n'dcd help COMMAND' shows the options of a command, dcd(1) says all.\n",
	      out);
}

static const struct command *find_command(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	error("there is no command '%s': see 'dcd help'", name);
	return NULL;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	char letters[2 * MAX_OPTIONS + 1] = "";
	struct option longs[MAX_OPTIONS + 1] = { };
	struct params params = { };
	int letter;

	command_name = command->name;
	fill_getopt(command->options, letters, longs);
	while ((letter = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (letter == 'h') {
			command_usage(command);
			return 0;
		}
		if (letter == '?') {
			advise("'dcd help %s' has the options", command->name);
			return 1;
		}
		if (take_option(&params, command->options, letter))
			return 1;
	}
	if (argc - optind != !!command->argument) {
		error("it takes %s argument%s: see 'dcd help %s'",
		      command->argument ? "one" : "no",
		      command->argument ? "" : "s", command->name);
		return 1;
	}
	return command->run(&params, command->argument ? argv[optind] : NULL);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct command *command;

	if (!strcmp(name, "--version") || !strcmp(name, "version")) {
		puts(DCD_VERSION);
		return 0;
	}
	if (!strcmp(name, "help") || !strcmp(name, "--help") ||
	    !strcmp(name, "-h")) {
		command = argc > 2 ? find_command(argv[2]) : NULL;
		if (command)
			command_usage(command);
		else if (argc == 2)
			print_usage(stdout);
		return argc > 2 && !command;
	}
	if (!*name) {
		print_usage(stderr);
		return 1;
	}
	command = find_command(name);
	if (!command)
		return 1;
	if (run_command(command, argc - 1, argv + 1))
		return 1;
	if (fflush(stdout) || ferror(stdout)) {
		error("standard output: %s", strerror(errno));
		return 1;
	}
	return 0;
}
