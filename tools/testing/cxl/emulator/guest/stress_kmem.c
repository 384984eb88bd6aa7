// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: who makes system memory of it
 *
 * One worker has the second region with real memory for itself. Who would remove the
 * DAX device of memory that is online leaves it online for ever, as the kernel has
 * it: so nobody disturbs the region while it is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "stress.h"

#define TOUCHED		(2 * MIB)
#define BIND_POLICY	2	/* MPOL_BIND */

bool lock_kmem(void)
{
	int free = 0;

	return __atomic_compare_exchange_n(&world->kmem, &free, me + 1, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void unlock_kmem(void)
{
	__atomic_store_n(&world->kmem, 0, __ATOMIC_SEQ_CST);
}

/* Return: false when all are to stand still before it could be had */
bool await_kmem(void)
{
	while (!lock_kmem()) {
		if (world->pause || world->failed)
			return false;
		usleep(10000);
	}
	return true;
}

static void touch_mapping(__u64 *mem)
{
	__u64 nonce = next_random();

	if (!fill(mem, TOUCHED, nonce) || !look(mem, TOUCHED, nonce)) {
		count(KMEM_TOUCH, -EFAULT);
		if (!world->force)
			fail("SIGBUS in memory of the node");
		return;
	}
	doze(200);
	count(KMEM_TOUCH, look(mem, TOUCHED, nonce) ? 0 : -EFAULT);
}

/* Memory of that node only */
static void touch_node(int node)
{
	unsigned long mask[16] = { 0 };
	void *mem = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return;
	mask[node / 64] |= 1UL << (node % 64);
	if (syscall(SYS_mbind, mem, TOUCHED, BIND_POLICY, mask, 1024UL, 0UL)) {
		note("mbind to node %d: %s", node, strerror(errno));
		count(KMEM_TOUCH, -errno);
	} else {
		note("touch memory of node %d", node);
		touch_mapping(mem);
	}
	munmap(mem, TOUCHED);
}

/* It must go offline: nobody has it pinned, and nothing but user pages is in it */
static void unplug(const char *dax)
{
	for (int i = 0; i < PATIENCE && !world->failed; i++) {
		if (!act(KMEM_UNPLUG, "unplugged", DAX "/%s/state", dax))
			return;
		usleep(1000000);
	}
	fail("%s cannot be unplugged", dax);
}

static void use_bound(const char *dax)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), DAX "/%.31s/state", dax);
	if (read_file(path, text, sizeof(text)) > 0 && strcmp(text, "unplugged") &&
	    strcmp(text, "online_movable"))
		unplug(dax);
	if (!act(KMEM_ONLINE, "online_movable", "%s", path)) {
		snprintf(path, sizeof(path), DAX "/%.31s/target_node", dax);
		touch_node(read_number(path));
	}
	unplug(dax);
}

static void use_kmem_once(struct slot *slot)
{
	unsigned int begun = slot->begun;
	struct name dax;

	if (!own_dax(slot, &dax))
		return;
	/* `new_id` would let kmem have every device that is claimed and not bound */
	if (!claim_some(slot, dax.text)) {
		if (!act(KMEM_BIND, dax.text, KMEM "/bind"))
			use_bound(dax.text);
		unbind_dax(slot, dax.text, begun, KMEM);
	}
	give_up(slot, dax.text, begun);
	disown(slot, dax.text);
}

/* The worker */
void use_kmem(void *unused)
{
	(void)unused;
	catch_sigbus();
	while (go_on()) {
		struct slot *slot = pick_slot(true, 1);

		if (slot->present && lock_kmem()) {
			use_kmem_once(slot);
			unlock_kmem();
		}
		/* whoever unloads drivers waits for its turn */
		doze(3000);
	}
}
