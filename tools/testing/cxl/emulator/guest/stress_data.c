// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress: who writes memory and looks whether it is still there
 *
 * A user of real memory has a DAX device for itself, claims an extent, writes a
 * pattern that nobody else writes, and verifies it as long as it holds the device.
 * Foreign or stale data is a failure. SIGBUS is one, too, unless the extent was taken
 * by force or somebody has removed the DAX device; and then SIGBUS must come: a
 * mapping that still reaches memory that has been given back is the worst of all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "stress.h"

#define STRIDE		512	/* words: one is written in each page */

/**
 * struct hold - an extent in use
 * @slot: its region
 * @dax: the DAX device
 * @extent: what sysfs calls its first extent
 * @begun: DAX devices that have gone when it was taken
 * @mem: the mapping
 * @len: bytes
 * @nonce: makes its pattern one of its own
 */
struct hold {
	struct slot *slot;
	struct name dax;
	struct name extent;
	unsigned int begun;
	__u64 *mem;
	__u64 len;
	__u64 nonce;
};

static sigjmp_buf on_sigbus;

static void hear_sigbus(int sig)
{
	(void)sig;
	siglongjmp(on_sigbus, 1);
}

void catch_sigbus(void)
{
	struct sigaction action = { .sa_handler = hear_sigbus };

	sigaction(SIGBUS, &action, NULL);
}

static __u64 word_at(__u64 offset, __u64 nonce)
{
	__u64 x = offset * 0x9e3779b97f4a7c15ULL ^ nonce;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	return x ^ (x >> 31);
}

/* Write a word in each page. Return: false upon SIGBUS */
bool fill(__u64 *mem, __u64 len, __u64 nonce)
{
	if (sigsetjmp(on_sigbus, 1))
		return false;
	for (__u64 i = 0; i < len / sizeof(*mem); i += STRIDE)
		__atomic_store_n(mem + i, word_at(i, nonce), __ATOMIC_RELAXED);
	return true;
}

/* Is what fill() wrote still there? Return: false upon SIGBUS */
bool look(__u64 *mem, __u64 len, __u64 nonce)
{
	if (sigsetjmp(on_sigbus, 1))
		return false;
	for (__u64 i = 0; i < len / sizeof(*mem); i += STRIDE) {
		__u64 found = __atomic_load_n(mem + i, __ATOMIC_RELAXED);

		if (found != word_at(i, nonce))
			fail("foreign data at %#llx of %#llx: %#llx, expected %#llx",
			     i * sizeof(*mem), len, found, word_at(i, nonce));
	}
	return true;
}

/* A DAX device that no other worker uses; one is made when there is none */
bool own_dax(struct slot *slot, struct name *dax)
{
	for (int tries = 0; tries < 4; tries++) {
		int nobody = 0, id;

		if (!slot->present || !find_dax(slot, dax))
			return false;
		id = atoi(strchr(dax->text, '.') + 1);
		if (id < MAX_IDS && __atomic_compare_exchange_n(
				&slot->owner[id], &nobody, me + 1, false,
				__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
		if (id < 6)
			act(CREATE, "1", CXL "/dax_region%d/dax_region/create", slot->id);
	}
	return false;
}

void disown(struct slot *slot, const char *dax)
{
	int id = atoi(strchr(dax, '.') + 1);

	__atomic_store_n(&slot->owner[id], 0, __ATOMIC_SEQ_CST);
}

static bool extent_is_there(const struct hold *hold)
{
	char path[96];

	snprintf(path, sizeof(path), CXL "/dax_region%d/%.31s", hold->slot->id,
		 hold->extent.text);
	return exists(path);
}

/* Has somebody begun to remove the device, or has the extent been taken? */
static void check_sigbus(const struct hold *hold)
{
	note("%s: SIGBUS", hold->dax.text);
	count(DATA_GONE, 0);
	/* what is taken by force is killed before it disappears */
	for (int i = 0; i < PATIENCE * 100; i++) {
		if (hold->slot->begun != hold->begun)
			return;
		if (world->force && !extent_is_there(hold))
			return;
		if (!world->force)
			break;
		usleep(10000);
	}
	fail("%s: SIGBUS, and nobody has taken %s", hold->dax.text, hold->extent.text);
}

/* Return: false when the memory has gone */
static bool verify(const struct hold *hold)
{
	unsigned int done = hold->slot->done;
	bool gone = done != hold->begun && !hold->slot->removers;

	note("verify %s%s", hold->dax.text, gone ? ", which has gone" : "");
	if (!look(hold->mem, hold->len, hold->nonce)) {
		check_sigbus(hold);
		return false;
	}
	if (gone)
		fail("%s is gone, and its memory still to be reached", hold->dax.text);
	count(VERIFY_DATA, 0);
	return true;
}

static bool map_hold(struct hold *hold)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), DAX "/%.31s/size", hold->dax.text);
	hold->len = read_number(path);
	if (!hold->len)
		return false;
	snprintf(path, sizeof(path), "/dev/%.31s", hold->dax.text);
	fd = open(path, O_RDWR);
	if (count(OPEN, fd < 0 ? -errno : 0))
		return false;
	hold->mem = mmap(NULL, hold->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	count(MAP, hold->mem == MAP_FAILED ? -errno : 0);
	close(fd);
	return hold->mem != MAP_FAILED;
}

static void write_and_verify(const struct hold *hold)
{
	note("fill %s, %#llx", hold->dax.text, hold->len);
	if (!fill(hold->mem, hold->len, hold->nonce)) {
		check_sigbus(hold);
		return;
	}
	count(WRITE_DATA, 0);
	for (int i = chance(12); i >= 0 && go_on(); i--) {
		if (!verify(hold))
			break;
		doze(150);
	}
}

static void use_hold(struct hold *hold)
{
	if (!map_hold(hold))
		return;
	/* /dev/daxX.Y may be another's of this name if devices have gone meanwhile */
	if (hold->slot->begun == hold->begun)
		write_and_verify(hold);
	munmap(hold->mem, hold->len);
}

static void bind_and_use(struct hold *hold)
{
	const char *dax = hold->dax.text;
	char path[96];

	if (claim_some(hold->slot, dax))
		return;
	snprintf(path, sizeof(path), DAX "/%.31s/extent", dax);
	if (read_file(path, hold->extent.text, sizeof(hold->extent.text)) <= 0)
		return;
	if (!act(BIND, dax, DEVICE_DAX "/new_id"))
		use_hold(hold);
}

static void use_data_once(struct slot *slot)
{
	struct hold hold = { .slot = slot, .begun = slot->begun };
	const char *dax = hold.dax.text;

	/* who removes devices now would be mistaken for having done so before */
	if (slot->removers || !own_dax(slot, &hold.dax))
		return;
	hold.nonce = next_random();
	bind_and_use(&hold);
	unbind_dax(slot, dax, hold.begun, DEVICE_DAX);
	give_up(slot, dax, hold.begun);
	if (percent(10) && atoi(strchr(dax, '.') + 1) > 0 && enter(slot, hold.begun)) {
		act(DELETE, dax, CXL "/dax_region%d/dax_region/delete", slot->id);
		leave(slot);
	}
	disown(slot, dax);
}

/* The worker; the first slot with memory is that of the data */
void use_data(void *unused)
{
	(void)unused;
	catch_sigbus();
	while (go_on()) {
		struct slot *slot = pick_slot(true, 0);

		if (slot->present)
			use_data_once(slot);
		doze(60);
	}
}
