/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stress: many at once on several Dynamic Capacity Devices
 *
 *   stress.c           starts the workers, stops the world, ends
 *   stress_log.c       what each worker did last, counts, failure
 *   stress_sys.c       files
 *   stress_region.c    regions are made and destroyed
 *   stress_disturb.c   regions and drivers go and come, under the feet of the users
 *   stress_fabric.c    the fabric manager of a mock device
 *   stress_bad.c       a mock device that misbehaves
 *   stress_user.c      who claims, binds, maps and gives up, without touching
 *   stress_data.c      who writes memory and looks whether it is still there
 *   stress_kmem.c      who makes system memory of it
 *   stress_settle.c    both sides compared while all stand still
 *
 * Workers are processes that share struct world. Each has its own chance, from the
 * seed and its number; what comes of it depends on the others, too.
 */
#ifndef __STRESS_H__
#define __STRESS_H__

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>
#include "shared/chance.h"
#include "shared/files.h"

#define MIB		0x100000ULL
#define BLOCK		(2 * MIB)	/* PMD_SIZE: the DAX alignment */

#define MAX_UNITS	3
#define MAX_SLOTS	2		/* of a unit */
#define MAX_WORKERS	24
#define MAX_LIST	512		/* extents of a device */
#define MAX_IDS		64		/* DAX devices of a region */
#define MAX_ERRNO	160
#define RING		50		/* what is known of a worker */
#define PATIENCE	120		/* seconds */

#define CXL		"/sys/bus/cxl/devices"
#define DAX		"/sys/bus/dax/devices"
#define DEVICE_DAX	"/sys/bus/dax/drivers/device_dax"
#define KMEM		"/sys/bus/dax/drivers/kmem"
#define NULL_TAG	"00000000-0000-0000-0000-000000000000"

/**
 * enum kind - what is counted, by errno
 */
enum kind {
	ADD, ADD_HELD, RELEASE, RELEASE_PART, FORCE, OPEN_CHAIN, MISBEHAVE,
	CLAIM_ANY, CLAIM_TAG, CLAIM_EXTENT, GIVE_UP, BIND, UNBIND, MAP, OPEN,
	READ, CREATE, DELETE, WRITE_DATA, VERIFY_DATA, DATA_GONE, SEEN_PENDING,
	KMEM_BIND, KMEM_ONLINE, KMEM_TOUCH, KMEM_UNPLUG, KMEM_UNBIND,
	REGION_CREATE, REGION_DESTROY, REGION_UNBIND, REGION_BIND,
	MEMDEV_UNBIND, MEMDEV_BIND, DAX_UNLOAD, DAX_LOAD, NR_KINDS
};

/**
 * struct extent - an entry of a list
 * @start: DPA
 * @len: bytes
 * @tag: as text
 */
struct extent {
	__u64 start;
	__u64 len;
	char tag[40];
};

/**
 * struct slot - a region that may be there
 * @unit: its device
 * @mode: N of dynamic_ram_N
 * @start: first DPA
 * @len: bytes
 * @decoder: of the endpoint
 * @region: regionZ
 * @id: the Z of it
 * @made: the region exists
 * @present: its driver is bound
 * @begun: how often somebody has begun to take its DAX devices away
 * @done: how often somebody has done so
 * @removers: who takes them away now
 * @writers: who must not be in the way of @removers, see enter()
 * @owner: of each DAX device: worker and one, 0 is nobody
 */
struct slot {
	struct unit *unit;
	int mode;
	__u64 start;
	__u64 len;
	struct name decoder;
	char region[32];
	int id;
	bool made;
	bool present;
	unsigned int begun;
	unsigned int done;
	int removers;
	int writers;
	int owner[MAX_IDS];
};

/**
 * struct unit - a device
 * @name: of the platform device; empty: there is real memory
 * @memdev: memX
 * @endpoint: endpointX
 * @root: its root decoder
 * @slot: regions in ascending order of DPA
 * @nr_slots: number of @slot
 * @sharable: extents need tags and sequence numbers
 * @keep: its drivers are not to be unbound
 * @was_bad: it has misbehaved since the last comparison
 * @was_forced: it has taken memory since then
 */
struct unit {
	char name[32];
	struct name memdev;
	struct name endpoint;
	struct name root;
	struct slot slot[MAX_SLOTS];
	int nr_slots;
	bool sharable;
	bool keep;
	bool was_bad;
	bool was_forced;
};

/**
 * struct diary - of a worker
 * @what: what it is
 * @pid: process
 * @nr: number of entries that there were
 * @entry: the last ones
 * @parked: it stands still
 */
struct diary {
	char what[32];
	int pid;
	unsigned long nr;
	char entry[RING][192];
	int parked;
};

/**
 * struct world - what all share
 * @seed: of all chance
 * @force: devices take memory by force
 * @bad: devices may misbehave at present
 * @pause: all are to stand still
 * @end: all are to end
 * @failed: somebody has failed
 * @failure: who, and why
 * @kmem: lock of who must not disturb kmem
 * @unit: devices
 * @nr_units: number of @unit
 * @diary: of each worker
 * @nr_workers: number of @diary
 * @count: by kind and errno
 */
struct world {
	__u64 seed;
	bool force;
	int bad;
	int pause;
	int end;
	int failed;
	char failure[1024];
	int kmem;
	struct unit unit[MAX_UNITS];
	int nr_units;
	struct diary diary[MAX_WORKERS];
	int nr_workers;
	unsigned long count[NR_KINDS][MAX_ERRNO];
};

extern struct world *world;
extern int me;

/* stress_log.c */
void seed_worker(__u64 number);
void note(const char *format, ...);
int count(enum kind kind, int rc);
noreturn void fail(const char *format, ...);
void print_counts(void);
void print_diaries(void);
bool go_on(void);
void doze(unsigned int most);

/* stress_sys.c */
__u64 read_number(const char *path);
int names(const char *path, const char *prefix, struct name *found, int max);
bool exists(const char *path);
int act(enum kind kind, const char *value, const char *format, ...);
void mock_path(const struct unit *unit, const char *file, char *buf, size_t size);
int mock(const struct unit *unit, const char *file, const char *value);
int list_account(const struct unit *unit, struct extent *list);
int list_extents(const struct slot *slot, struct extent *list, struct name *name);

/* stress_region.c */
void find_unit(struct unit *unit);
bool find_endpoint(struct unit *unit);
int create_region(struct slot *slot);
void destroy_region(struct slot *slot);
int bind_region(struct slot *slot);
int unbind_region(struct slot *slot);

/* stress_disturb.c */
bool enter(struct slot *slot, unsigned int begun);
void leave(struct slot *slot);
void disturb(void *unit);
void reload(void *unused);

/* stress_fabric.c */
void manage(void *unit);
int offer(struct unit *unit);
int ask_back(struct unit *unit);

/* stress_bad.c */
void misbehave(struct unit *unit);
void be_good(struct unit *unit);

/* stress_user.c */
struct slot *pick_slot(bool memory, int nr);
bool find_dax(const struct slot *slot, struct name *found);
int claim_some(const struct slot *slot, const char *dax);
int unbind_dax(struct slot *slot, const char *dax, unsigned int begun,
	       const char *driver);
int give_up(struct slot *slot, const char *dax, unsigned int begun);
void use(void *unused);

/* stress_data.c */
void use_data(void *unused);
bool own_dax(struct slot *slot, struct name *dax);
void disown(struct slot *slot, const char *dax);
bool fill(__u64 *mem, __u64 len, __u64 nonce);
bool look(__u64 *mem, __u64 len, __u64 nonce);
void catch_sigbus(void);

/* stress_kmem.c */
void use_kmem(void *unused);
bool lock_kmem(void);
bool await_kmem(void);
void unlock_kmem(void);

/* stress_settle.c */
void settle(void);
void check_empty(void);

#endif /* __STRESS_H__ */
