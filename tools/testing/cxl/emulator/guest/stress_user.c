// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: who claims, binds, maps and gives up, without touching
 *
 * These take any DAX device of a mock device's regions, whoever uses it: what is
 * refused is counted. There is no memory behind them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "stress.h"

#define MOST_DAX	5	/* DAX devices of a region */

/* @nr: of these slots with memory, or those without; -1 for any */
struct slot *pick_slot(bool memory, int nr)
{
	struct slot *found[MAX_UNITS * MAX_SLOTS];
	int nr_found = 0;

	for (int i = 0; i < world->nr_units; i++)
		for (int j = 0; j < world->unit[i].nr_slots; j++)
			if (memory == !*world->unit[i].name)
				found[nr_found++] = &world->unit[i].slot[j];
	return nr_found ? found[nr < 0 ? chance(nr_found) : (unsigned int)nr] : NULL;
}

/* Any DAX device of a region */
bool find_dax(const struct slot *slot, struct name *found)
{
	struct name list[MAX_IDS];
	char prefix[32];
	int nr;

	snprintf(prefix, sizeof(prefix), "dax%d.", slot->id);
	nr = names(DAX, prefix, list, MAX_IDS);
	if (!nr)
		return false;
	*found = list[chance(nr)];
	return true;
}

/* Return: 0 or a negative errno */
int claim_some(const struct slot *slot, const char *dax)
{
	struct extent list[MAX_LIST];
	struct name name[MAX_LIST];
	int nr = list_extents(slot, list, name), i = nr ? chance(nr) : 0;

	if (!nr || percent(20))
		return act(CLAIM_ANY, "0", DAX "/%s/uuid", dax);
	if (strcmp(list[i].tag, NULL_TAG) && percent(60))
		return act(CLAIM_TAG, list[i].tag, DAX "/%s/uuid", dax);
	return act(CLAIM_EXTENT, name[i].text, DAX "/%s/extent", dax);
}

static int bind_dax(const char *dax)
{
	char path[96];
	int rc = act(BIND, dax, DEVICE_DAX "/new_id");

	snprintf(path, sizeof(path), DAX "/%.31s/driver", dax);
	return rc ?: exists(path) ? 0 : -ENXIO;
}

/* Return: 0 or a negative errno; -EAGAIN: DAX devices go */
int unbind_dax(struct slot *slot, const char *dax, unsigned int begun,
	       const char *driver)
{
	char path[96];
	int rc;

	if (!enter(slot, begun))
		return -EAGAIN;
	rc = act(strcmp(driver, KMEM) ? UNBIND : KMEM_UNBIND, dax, "%s/unbind", driver);
	snprintf(path, sizeof(path), "%s/remove_id", driver);
	write_file(path, dax);
	leave(slot);
	return rc;
}

/* Return: 0 or a negative errno; -EAGAIN: DAX devices go */
int give_up(struct slot *slot, const char *dax, unsigned int begun)
{
	int rc;

	if (!enter(slot, begun))
		return -EAGAIN;
	rc = act(GIVE_UP, "0", DAX "/%s/size", dax);
	leave(slot);
	return rc;
}

/* Any node under /dev, mapped and not touched */
static void map_dax(const char *dax)
{
	char path[64];
	void *mem;
	int fd;

	snprintf(path, sizeof(path), "/dev/%.31s", dax);
	fd = open(path, O_RDWR);
	if (count(OPEN, fd < 0 ? -errno : 0))
		return;
	mem = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	count(MAP, mem == MAP_FAILED ? -errno : 0);
	note("map %s: %s", dax, mem == MAP_FAILED ? strerror(errno) : "ok");
	close(fd);
	if (mem == MAP_FAILED)
		return;
	doze(100);
	munmap(mem, BLOCK);
}

static void read_dax(const struct slot *slot, const char *dax)
{
	static const char * const files[] = {
		"size", "uuid", "extent", "align", "numa_node", "target_node",
	};
	struct extent list[MAX_LIST];
	struct name name[MAX_LIST];
	char path[96], text[4096];
	int nr;

	snprintf(path, sizeof(path), DAX "/%.31s/%s", dax, files[chance(6)]);
	count(READ, read_file(path, text, sizeof(text)));
	snprintf(path, sizeof(path), CXL "/dax_region%d/dax_region/available_size",
		 slot->id);
	read_file(path, text, sizeof(text));
	nr = list_extents(slot, list, name);
	if (!nr)
		return;
	snprintf(path, sizeof(path), CXL "/dax_region%d/%.31s/state", slot->id,
		 name[chance(nr)].text);
	if (read_file(path, text, sizeof(text)) > 0 && !strcmp(text, "release-pending"))
		count(SEEN_PENDING, 0);
}

static void create_dax(const struct slot *slot)
{
	struct name list[MAX_IDS];
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "dax%d.", slot->id);
	if (names(DAX, prefix, list, MAX_IDS) < MOST_DAX)
		act(CREATE, "1", CXL "/dax_region%d/dax_region/create", slot->id);
}

/* `delete` removes the attributes of the device: see stress_disturb.c */
static void delete_dax(struct slot *slot, const char *dax)
{
	unsigned int begun = slot->begun;

	if (__atomic_add_fetch(&slot->removers, 1, __ATOMIC_SEQ_CST) == 1) {
		for (int i = 0; i < 20 && slot->writers; i++)
			usleep(1000);
		if (!slot->writers && slot->begun == begun)
			act(DELETE, dax, CXL "/dax_region%d/dax_region/delete", slot->id);
	}
	__atomic_sub_fetch(&slot->removers, 1, __ATOMIC_SEQ_CST);
}

static void use_once(struct slot *slot, const char *dax, unsigned int begun)
{
	unsigned int what = chance(100);

	if (what < 28)
		claim_some(slot, dax);
	else if (what < 46)
		bind_dax(dax);
	else if (what < 56)
		map_dax(dax);
	else if (what < 66)
		unbind_dax(slot, dax, begun, DEVICE_DAX);
	else if (what < 84)
		give_up(slot, dax, begun);
	else if (what < 92)
		read_dax(slot, dax);
	else if (what < 96)
		create_dax(slot);
	else
		delete_dax(slot, dax);
}

/* The worker */
void use(void *unused)
{
	(void)unused;
	while (go_on()) {
		struct slot *slot = pick_slot(false, -1);
		unsigned int begun = slot->begun;
		struct name dax;

		if (slot->present && find_dax(slot, &dax))
			use_once(slot, dax.text, begun);
		doze(40);
	}
}
