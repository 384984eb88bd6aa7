// SPDX-License-Identifier: GPL-2.0-only
/*
 * random SEED OPERATIONS NAME:PARTITION[,PARTITION]...: many operations on mock DCDs
 *
 * NAME is a platform device of cxl_test; a region is made over the start of each
 * PARTITION (from 1) that is named. After each operation the device's account and the
 * host's must be what the model says. See random.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "random.h"

#define HISTORY		20
#define NOW_AND_THEN	50	/* every so many operations */
#define PROGRESS	1000

struct world world;

static char history[HISTORY][4096];
static unsigned long done;
static __u64 seed;

/* Add to what is known of the operation under way */
void say(const char *format, ...)
{
	char *line = history[done % HISTORY];
	size_t len = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + len, sizeof(*history) - len, format, args);
	va_end(args);
}

static void print_history(void)
{
	unsigned long first = done < HISTORY ? 0 : done - HISTORY + 1;

	for (unsigned long i = first; i <= done; i++)
		printf("  %lu: %s\n", i, history[i % HISTORY]);
}

void fail(const char *format, ...)
{
	va_list args;

	printf("seed %#llx, operation %lu: ", seed, done);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nThe last operations:\n");
	print_history();
	for (int i = 0; i < world.nr_devices; i++)
		print_sides(&world.device[i]);
	exit(1);
}

static void add_device(char *argument)
{
	struct device *dev = &world.device[world.nr_devices++];
	char *rest = NULL, *name = strtok_r(argument, ":", &rest), *part;

	if (world.nr_devices > MAX_DEVICES)
		fail("too many devices");
	find_device(dev, name);
	while ((part = strtok_r(NULL, ",", &rest)))
		add_region(dev, atoi(part));
	if (!dev->nr_regions)
		fail("%s: no partition named", name);
	create_regions(dev);
	for (int i = 0; i < dev->nr_regions; i++)
		model_region_comes(&dev->region[i]);
}

static void run(unsigned long operations)
{
	for (done = 1; done <= operations; done++) {
		struct device *dev = &world.device[chance(world.nr_devices)];
		bool thoroughly = done % NOW_AND_THEN == 0, patient;

		*history[done % HISTORY] = 0;
		patient = operate(dev);
		for (int i = 0; i < world.nr_devices; i++)
			compare(&world.device[i], thoroughly ? THOROUGHLY :
				&world.device[i] == dev ? WELL : BRIEFLY, patient);
		if (done % PROGRESS == 0) {
			printf("%lu operations\n", done);
			fflush(stdout);
		}
	}
}

int main(int argc, char **argv)
{
	time_t begin = time(NULL);

	if (argc < 4) {
		fprintf(stderr,
			"usage: random SEED OPERATIONS NAME:PARTITION[,PARTITION]...\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0);
	seed_chance(seed);
	printf("seed %#llx\n", seed);
	world.dax_bound = true;
	for (int i = 3; i < argc; i++)
		add_device(argv[i]);
	for (int i = 0; i < world.nr_devices; i++)
		compare(&world.device[i], THOROUGHLY, true);
	run(strtoul(argv[2], NULL, 0));
	for (int i = world.nr_devices - 1; i >= 0; i--)
		destroy_regions(&world.device[i]);
	printf("%s operations, %ld s\n", argv[2], (long)(time(NULL) - begin));
	return 0;
}
