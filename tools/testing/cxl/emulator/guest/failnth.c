// SPDX-License-Identifier: GPL-2.0-only
/*
 * failnth: let the nth allocation or mailbox command of a step fail, for every n
 *
 * Standard input has a scenario, a line a step. It is run for n = 1, 2, ... until in
 * one run nothing has failed any more; that run must be as if there were no failure.
 *
 *   mock DIR, memdev NAME, region DIR BASE SIZE   what it is about
 *   victim task | worker | command OPCODE RC MODE [TIMES]   who is to fail
 *   allow KIND		of fault that the failure itself makes
 *   write PATH TEXT	must succeed
 *   lend PATH EXTENTS	likewise; then device and host hold these, and no others
 *   try PATH TEXT	may be refused
 *   fail PATH TEXT	the step with the failure: refused, or not
 *   fail unload MODULE	likewise
 *   exists PATH	wait for it
 *   run PROGRAM ARGUMENTS	must succeed
 *   agree		device and host agree, within a bound
 *   empty		likewise, and nothing is held
 *   first		until here, only once
 *   last		from here on, only once, after the run without a failure
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "failnth.h"

#define MAX_STEPS	128
#define MAX_NTH		5000
#define WAIT_SECONDS	30

struct step {
	char verb[16];
	char path[160];
	char text[2048];
};

static struct step steps[MAX_STEPS];
static struct scenario scenario;
static int nr_steps, nr_first, nr_last;

static void set_victim(const char *who, const char *rest)
{
	static const char * const names[] = {
		[TASK] = "task", [WORKER] = "worker", [COMMAND] = "command",
	};

	for (int i = TASK; i <= COMMAND; i++)
		if (!strcmp(who, names[i]))
			scenario.victim = i;
	if (!scenario.victim)
		fail("no such victim: %s", who);
	if (scenario.victim == COMMAND &&
	    sscanf(rest, "%15s %63[^\n]", scenario.opcode, scenario.how) != 2)
		fail("which command is to fail, and how?");
}

static void set_region(const struct step *step)
{
	snprintf(scenario.dax_region, sizeof(scenario.dax_region), "%.90s",
		 step->path);
	if (sscanf(step->text, "%lli %lli", (long long *)&scenario.base,
		   (long long *)&scenario.size) != 2)
		fail("where is the region?");
}

/* Return: was the line a setting? */
static bool set(const struct step *step)
{
	if (!strcmp(step->verb, "mock")) {
		snprintf(scenario.mock, sizeof(scenario.mock), "%.90s",
			 step->path);
	} else if (!strcmp(step->verb, "memdev")) {
		snprintf(scenario.memdev, sizeof(scenario.memdev), "%.30s",
			 step->path);
	} else if (!strcmp(step->verb, "victim")) {
		set_victim(step->path, step->text);
	} else if (!strcmp(step->verb, "allow")) {
		snprintf(scenario.allowed, sizeof(scenario.allowed), "%.30s",
			 step->path);
	} else if (!strcmp(step->verb, "region")) {
		set_region(step);
	} else {
		return false;
	}
	return true;
}

static void read_scenario(void)
{
	char line[sizeof(struct step)];

	while (fgets(line, sizeof(line), stdin)) {
		struct step *step = &steps[nr_steps];

		memset(step, 0, sizeof(*step));
		say_where(nr_steps, 0);
		if (sscanf(line, "%15s %159s %2047[^\n]", step->verb,
			   step->path, step->text) < 1 || set(step))
			continue;
		if (!strcmp(step->verb, "first"))
			nr_first = nr_steps;
		else if (!strcmp(step->verb, "last"))
			nr_last = nr_steps;
		else if (++nr_steps == MAX_STEPS)
			fail("more than %d steps", MAX_STEPS);
	}
	if (!nr_last)
		nr_last = nr_steps;
}

static void must_write(const struct step *step)
{
	int rc = write_file(step->path, step->text);

	if (rc)
		fail("writing '%s' to %s: %s", step->text, step->path,
		     strerror(-rc));
}

static void lend(const struct step *step)
{
	must_write(step);
	agree(&scenario, step->text);
}

static void must_run(const struct step *step)
{
	char command[512];

	snprintf(command, sizeof(command), "%s %.300s", step->path, step->text);
	if (system(command))
		fail("%s has failed", command);
}

static void wait_for(const char *path)
{
	double end = now() + WAIT_SECONDS;

	while (access(path, F_OK)) {
		if (now() > end)
			fail("waited in vain for %s", path);
		rest();
	}
}

/* "unload" is no file: the module is to go */
static int open_for(const struct step *step)
{
	int fd;

	if (!strcmp(step->path, "unload"))
		return -1;
	fd = open(step->path, O_WRONLY);
	if (fd < 0)
		fail("cannot open %s", step->path);
	return fd;
}

static int act(const struct step *step, int fd)
{
	if (fd >= 0)
		return write_text(fd, step->text);
	return syscall(SYS_delete_module, step->text, O_NONBLOCK) ? -errno : 0;
}

/* Return: has something failed as it should? */
static bool fail_step(const struct step *step, unsigned int nth, bool *refused)
{
	int rc, fd = open_for(step);
	bool failed;

	arm(&scenario, nth);
	rc = act(step, fd);
	failed = disarm(&scenario);
	if (fd >= 0)
		close(fd);
	*refused = rc;
	if (rc && !failed)
		fail("writing '%s' to %s: %s although nothing failed",
		     step->text, step->path, strerror(-rc));
	return failed;
}

static void run_step(const struct step *step)
{
	if (!strcmp(step->verb, "write"))
		must_write(step);
	else if (!strcmp(step->verb, "lend"))
		lend(step);
	else if (!strcmp(step->verb, "try"))
		write_file(step->path, step->text);
	else if (!strcmp(step->verb, "run"))
		must_run(step);
	else if (!strcmp(step->verb, "exists"))
		wait_for(step->path);
	else if (!strcmp(step->verb, "agree"))
		agree(&scenario, NULL);
	else if (!strcmp(step->verb, "empty"))
		agree(&scenario, "");
	else
		fail("no such step: %s", step->verb);
}

/* Return: has something failed in this run? */
static bool run(unsigned int nth, unsigned int *refusals)
{
	bool failed = false, refused;

	for (int i = nth == 1 ? 0 : nr_first; i < nr_last; i++) {
		say_where(i, nth);
		if (strcmp(steps[i].verb, "fail")) {
			run_step(&steps[i]);
			continue;
		}
		failed |= fail_step(&steps[i], nth, &refused);
		*refusals += refused;
	}
	return failed;
}

static void run_last(void)
{
	for (int i = nr_last; i < nr_steps; i++) {
		say_where(i, 0);
		run_step(&steps[i]);
	}
}

int main(void)
{
	unsigned int nth = 1, refusals = 0;
	double begin = now();

	read_scenario();
	/* a page of this program must not be what fails */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		fail("cannot lock my memory");
	while (run(nth, &refusals))
		if (++nth > MAX_NTH)
			fail("there is no end");
	run_last();
	printf("%u failures, %u writes refused, %.1f s\n", nth - 1, refusals,
	       now() - begin);
	return 0;
}
