// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress SEED SECONDS FORCE NAME:N[,N]...: many at once on several devices
 *
 * NAME is a platform device of cxl_test, or memX of a device with real memory; a
 * region is made over each partition N. Every ROUND seconds all stand still and both
 * sides are compared. With a device with real memory, /tmp/stress.quiet is there
 * then until somebody removes it, who compares that one. See stress.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "stress.h"

#define ROUND		10
#define MOCK_USERS	5
#define DATA_USERS	3
#define QUIET		"/tmp/stress.quiet"
#define MOCK_REGION	(256 * MIB)	/* the least that a region can have */
#define REAL_REGION	(1024 * MIB)

struct world *world;
int me;

static bool has_memory(void)
{
	return pick_slot(true, 0);
}

static void start_worker(const char *what, void (*work)(void *), void *argument)
{
	int number = ++world->nr_workers - 1, pid;
	struct diary *diary = &world->diary[number];

	if (number >= MAX_WORKERS)
		fail("too many workers");
	snprintf(diary->what, sizeof(diary->what), "%s", what);
	fflush(stdout);
	pid = fork();
	if (pid) {
		diary->pid = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = number;
	/* who manages the emulated device from outside must have his turn */
	nice(10);
	seed_worker(number + 1);
	work(argument);
	_exit(0);
}

static void start_workers(void)
{
	char what[40];

	for (int i = 0; i < world->nr_units; i++) {
		struct unit *unit = &world->unit[i];

		snprintf(what, sizeof(what), "disturber of %.12s", unit->memdev.text);
		start_worker(what, disturb, unit);
		snprintf(what, sizeof(what), "manager of %.16s", unit->name);
		if (*unit->name)
			start_worker(what, manage, unit);
	}
	for (int i = 0; i < MOCK_USERS; i++)
		start_worker("user", use, NULL);
	start_worker("reloader", reload, NULL);
	if (!has_memory())
		return;
	for (int i = 0; i < DATA_USERS; i++)
		start_worker("user of data", use_data, NULL);
	start_worker("user of kmem", use_kmem, NULL);
}

/* Where somebody hangs who does not stand still */
static void print_stack(int pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	if (read_file(path, text, sizeof(text)) > 0)
		printf("%s\n", text);
}

static void report(void)
{
	printf("seed %#llx, %s\n", world->seed, world->failure);
	for (int i = 1; i < world->nr_workers; i++)
		if (!world->diary[i].parked) {
			printf("%s is at work:\n", world->diary[i].what);
			print_stack(world->diary[i].pid);
		}
	print_diaries();
	print_counts();
	fflush(stdout);
}

/* The parent's: of itself or of a worker; leaves no process */
static noreturn void give_in(void)
{
	report();
	for (int i = 1; i < world->nr_workers; i++)
		kill(world->diary[i].pid, SIGKILL);
	_exit(1);
}

static noreturn void give_in_because(const char *what, const char *why)
{
	if (!__atomic_exchange_n(&world->failed, 1, __ATOMIC_SEQ_CST))
		snprintf(world->failure, sizeof(world->failure), "%s %s", what, why);
	give_in();
}

static void check_workers(void)
{
	int pid = waitpid(-1, NULL, WNOHANG);

	if (world->failed)
		give_in();
	for (int i = 1; i < world->nr_workers && pid > 0; i++)
		if (world->diary[i].pid == pid)
			give_in_because(world->diary[i].what, "has died");
}

static void wait_parked(void)
{
	for (int i = 1; i < world->nr_workers; i++)
		for (int tries = 0; !__atomic_load_n(&world->diary[i].parked,
						     __ATOMIC_SEQ_CST); tries++) {
			check_workers();
			if (tries > PATIENCE * 200)
				give_in_because(world->diary[i].what, "hangs");
			usleep(5000);
		}
}

/* In a child, so that a failure can be reported by give_in() */
static void compare(void (*how)(void))
{
	int pid = fork(), status;

	if (!pid) {
		how();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		give_in_because("the comparison", "has died");
}

/* Who compares the device with real memory removes the file */
static void await_outside(void)
{
	int fd;

	if (!has_memory())
		return;
	fd = open(QUIET, O_CREAT | O_WRONLY, 0600);
	close(fd);
	for (int i = 0; exists(QUIET); i++) {
		check_workers();
		if (i > PATIENCE * 1000 / 20)
			give_in_because("nobody compares", "real memory");
		usleep(20000);
	}
}

static void stop_the_world(void)
{
	__atomic_store_n(&world->pause, 1, __ATOMIC_SEQ_CST);
	wait_parked();
	compare(settle);
	await_outside();
}

static void run(long seconds)
{
	time_t end = time(NULL) + seconds;

	for (int round = 1; time(NULL) < end; round++) {
		world->bad = round % 2 == 0;
		__atomic_store_n(&world->pause, 0, __ATOMIC_SEQ_CST);
		for (time_t quiet = time(NULL) + ROUND; time(NULL) < quiet; usleep(50000))
			check_workers();
		stop_the_world();
		printf("round %d\n", round);
		fflush(stdout);
	}
}

static void destroy_all(void)
{
	for (int i = world->nr_units - 1; i >= 0; i--)
		for (int j = world->unit[i].nr_slots - 1; j >= 0; j--)
			if (world->unit[i].slot[j].made)
				destroy_region(&world->unit[i].slot[j]);
	check_empty();
}

static void finish(void)
{
	int status;

	__atomic_store_n(&world->end, 1, __ATOMIC_SEQ_CST);
	for (int i = 1; i < world->nr_workers; i++)
		if (waitpid(world->diary[i].pid, &status, 0) < 0 || status)
			give_in_because(world->diary[i].what, "has not ended well");
	compare(destroy_all);
}

static void add_unit(char *argument)
{
	struct unit *unit = &world->unit[world->nr_units++];
	char *rest = NULL, *name = strtok_r(argument, ":", &rest), *part;
	bool memory = !strncmp(name, "mem", 3);

	snprintf(memory ? unit->memdev.text : unit->name, 32, "%s", name);
	/* it belongs to the region that cxl_test assembles, which would not come back */
	unit->keep = !strcmp(name, "cxl_mem.0");
	while ((part = strtok_r(NULL, ",", &rest)) && unit->nr_slots < MAX_SLOTS) {
		struct slot *slot = &unit->slot[unit->nr_slots++];

		slot->unit = unit;
		slot->mode = atoi(part);
		slot->len = memory ? REAL_REGION : MOCK_REGION;
	}
}

static void find_units(void)
{
	for (int i = 0; i < world->nr_units; i++)
		find_unit(&world->unit[i]);
}

int main(int argc, char **argv)
{
	if (argc < 5 || argc > 4 + MAX_UNITS) {
		fprintf(stderr, "usage: stress SEED SECONDS FORCE NAME:N[,N]...\n");
		return 2;
	}
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED)
		return 2;
	strcpy(world->diary[world->nr_workers++].what, "stress");
	world->seed = strtoull(argv[1], NULL, 0);
	world->force = atoi(argv[3]);
	printf("seed %#llx\n", world->seed);
	seed_worker(0);
	for (int i = 4; i < argc; i++)
		add_unit(argv[i]);
	compare(find_units);
	start_workers();
	run(atol(argv[2]));
	finish();
	print_counts();
	return 0;
}
