// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: regions and drivers go and come, under the feet of the users
 *
 * Nobody but who writes `size`, or unbinds a DAX device, is spared. `size`, because
 * the base kernel holds dax_region_rwsem while it removes a device's attributes, and
 * the store of that one waits for it. Unbinding, because a device may have the name
 * then of one that is gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "stress.h"

/* To be followed by leave(), unless DAX devices have gone since @begun */
bool enter(struct slot *slot, unsigned int begun)
{
	__atomic_add_fetch(&slot->writers, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&slot->removers, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&slot->begun, __ATOMIC_SEQ_CST) == begun)
		return true;
	leave(slot);
	return false;
}

void leave(struct slot *slot)
{
	__atomic_sub_fetch(&slot->writers, 1, __ATOMIC_SEQ_CST);
}

static void begin(struct slot *slot)
{
	__atomic_add_fetch(&slot->removers, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&slot->begun, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&slot->writers, __ATOMIC_SEQ_CST) && !world->failed)
		usleep(500);
}

static void end(struct slot *slot)
{
	__atomic_add_fetch(&slot->done, 1, __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&slot->removers, 1, __ATOMIC_SEQ_CST);
}

static void begin_from(struct unit *unit, int first)
{
	for (int i = first; i < unit->nr_slots; i++)
		begin(&unit->slot[i]);
}

static void end_from(struct unit *unit, int first)
{
	for (int i = first; i < unit->nr_slots; i++)
		end(&unit->slot[i]);
}

static void destroy_from(struct unit *unit, int first)
{
	for (int i = unit->nr_slots - 1; i >= first; i--)
		if (unit->slot[i].made)
			destroy_region(&unit->slot[i]);
}

static void create_from(struct unit *unit, int first)
{
	for (int i = first; i < unit->nr_slots; i++)
		if (!unit->slot[i].made && create_region(&unit->slot[i]))
			fail("no region over dynamic_ram_%d of %s any more",
			     unit->slot[i].mode, unit->memdev.text);
}

static void recreate(struct unit *unit)
{
	int first = chance(unit->nr_slots);

	begin_from(unit, first);
	destroy_from(unit, first);
	end_from(unit, first);
	doze(300);
	create_from(unit, first);
}

static void rebind_region(struct unit *unit)
{
	int i = chance(unit->nr_slots);

	begin(&unit->slot[i]);
	unbind_region(&unit->slot[i]);
	end(&unit->slot[i]);
	doze(300);
	if (bind_region(&unit->slot[i]))
		fail("%s does not bind again", unit->slot[i].region);
}

/* Gives up before those lose patience who wait for this worker */
static void await_endpoint(struct unit *unit)
{
	char driver[128];

	for (int i = 0; i < PATIENCE * 100 / 2; i++) {
		if (find_endpoint(unit))
			return;
		usleep(10000);
	}
	snprintf(driver, sizeof(driver), CXL "/%.31s/driver", unit->memdev.text);
	fail("%s has no endpoint any more, and %s driver", unit->memdev.text,
	     exists(driver) ? "a" : "no");
}

/*
 * The endpoint that goes queues work that unbinds its memory device, as if that did
 * not go first. cxl_mem refuses to bind while it is queued, but not once it runs: then
 * it takes the driver from who has just bound.
 */
static void bind_memdev(struct unit *unit)
{
	if (write_file("/sys/bus/cxl/flush", "1"))
		fail("the bus does not flush");
	if (act(MEMDEV_BIND, unit->memdev.text, "/sys/bus/cxl/drivers/cxl_mem/bind"))
		fail("%s does not bind again", unit->memdev.text);
	await_endpoint(unit);
}

/* Its regions lose what they map, with the endpoint */
static void rebind_memdev(struct unit *unit)
{
	begin_from(unit, 0);
	if (act(MEMDEV_UNBIND, unit->memdev.text, "/sys/bus/cxl/drivers/cxl_mem/unbind"))
		fail("%s does not unbind", unit->memdev.text);
	destroy_from(unit, 0);
	end_from(unit, 0);
	doze(300);
	bind_memdev(unit);
	create_from(unit, 0);
}

static void disturb_once(struct unit *unit)
{
	if (percent(50))
		rebind_region(unit);
	else if (unit->keep || percent(75))
		recreate(unit);
	else
		rebind_memdev(unit);
}

/* The worker of a device */
void disturb(void *argument)
{
	struct unit *unit = argument;

	while (go_on()) {
		doze(8000);
		if (!*unit->name && !await_kmem())
			continue;
		disturb_once(unit);
		if (!*unit->name)
			unlock_kmem();
	}
}

static void reload_once(void)
{
	int rc;

	for (int i = 0; i < world->nr_units; i++)
		begin_from(&world->unit[i], 0);
	note("rmmod dax_cxl ...");
	rc = system("rmmod dax_cxl");
	note("rmmod dax_cxl = %d", rc);
	if (count(DAX_UNLOAD, rc ? -1 : 0))
		fail("dax_cxl cannot be unloaded");
	for (int i = 0; i < world->nr_units; i++)
		end_from(&world->unit[i], 0);
	doze(500);
	rc = system("modprobe dax_cxl");
	note("modprobe dax_cxl = %d", rc);
	if (count(DAX_LOAD, rc ? -1 : 0))
		fail("dax_cxl cannot be loaded");
}

/* The worker that unloads the driver of all DAX regions */
void reload(void *unused)
{
	(void)unused;
	while (go_on()) {
		doze(12000);
		if (!await_kmem())
			continue;
		reload_once();
		unlock_kmem();
	}
}
