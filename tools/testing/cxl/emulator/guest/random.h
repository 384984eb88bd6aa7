/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * random: many operations on two mock DCDs, and what must come of each
 *
 *   random.c           the loop: one operation, then the comparison
 *   random_ops.c       operations: what to do, chosen by chance
 *   random_chain.c     chains of records, good and bad
 *   random_model.c     what has to be held, claimed, asked for
 *   random_compare.c   model, device and host side by side
 *   random_host.c      what the host shows
 *   random_region.c    regions come and go, and their drivers
 *   random_sys.c       files
 *
 * The model is written from the rules, as a fabric manager or a user has to know
 * them, and knows nothing of the driver's insides. All that depends on chance comes
 * from one seed: the same seed makes the same operations.
 */
#ifndef __RANDOM_H__
#define __RANDOM_H__

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>
#include "shared/chance.h"
#include "shared/files.h"

#define MIB		0x100000ULL
#define BLOCK		(2 * MIB)	/* PMD_SIZE: the DAX alignment */
#define REGION_SIZE	(256 * MIB)	/* the least that a region can have */

#define MAX_DEVICES	2
#define MAX_REGIONS	2		/* of a device */
#define MAX_PARTITIONS	8
#define MAX_CHAIN	64		/* records */
#define MAX_DAX		4		/* DAX devices of a region */
#define MAX_LIST	1024		/* extents of a device */
#define NR_TAGS		16		/* on all devices together */
#define NO_TAG		0		/* tags are 1 to NR_TAGS */

#define CXL		"/sys/bus/cxl/devices"
#define DAX		"/sys/bus/dax/devices"

/**
 * struct extent - what a record says, or an entry of a list
 * @start: DPA
 * @len: bytes
 * @tag: number of the tag
 * @seq: shared extent sequence number
 */
struct extent {
	__u64 start;
	__u64 len;
	int tag;
	unsigned int seq;
};

/**
 * enum extent_state - what user space sees of an extent
 * @AVAILABLE: it can be claimed
 * @CLAIMED: a DAX device has it
 * @PENDING: asked back while claimed
 * @ON_DEVICE: user space does not see it: only the device lists it
 */
enum extent_state {
	AVAILABLE,
	CLAIMED,
	PENDING,
	ON_DEVICE,
};

/**
 * struct line - of a list that is compared
 * @extent: what it is
 * @state: see enum extent_state
 */
struct line {
	struct extent extent;
	enum extent_state state;
};

/**
 * enum care - how to compare
 * @BRIEFLY: the device's account only
 * @WELL: the host's, too
 * @THOROUGHLY: and nothing is taken from memory
 */
enum care {
	BRIEFLY,
	WELL,
	THOROUGHLY,
};

/**
 * struct chain - the records that More ties together
 * @nr: number of @extent
 * @extent: in order of delivery
 */
struct chain {
	int nr;
	struct extent extent[MAX_CHAIN];
};

/**
 * struct allocation - what comes and goes as one
 * @next: of the region, in no order
 * @region: that it lies in
 * @chain: its extents, in the order in which a DAX device has them
 * @claimed: a DAX device has it
 * @asked: asked back while claimed: it goes when it is given up
 * @asked_start: first DPA that was asked for
 * @asked_end: the end of what was asked for; 0: nothing
 */
struct allocation {
	struct allocation *next;
	struct region *region;
	struct chain chain;
	bool claimed;
	bool asked;
	__u64 asked_start;
	__u64 asked_end;
};

/**
 * struct dax - a DAX device
 * @id: the Y of daxX.Y, or -1: there is none
 * @claim: what it has, or NULL
 * @mapped: its mappings have been compared since it was claimed
 */
struct dax {
	int id;
	struct allocation *claim;
	bool mapped;
};

/**
 * struct partition - a DC partition of a device
 * @base: DPA
 * @len: bytes
 * @block: block size, bytes
 * @sharable: tags and sequence numbers are needed
 */
struct partition {
	__u64 base;
	__u64 len;
	__u64 block;
	bool sharable;
};

/**
 * struct region - a region over a part of a partition
 * @dev: its device
 * @part: its partition
 * @start: first DPA
 * @len: bytes
 * @hpa: host address of @start
 * @name: regionZ
 * @id: the Z of it
 * @decoder: of the endpoint
 * @present: its driver is bound: extents can be held in it
 * @allocs: what is held
 * @dax: its DAX devices
 */
struct region {
	struct device *dev;
	const struct partition *part;
	__u64 start;
	__u64 len;
	__u64 hpa;
	char name[32];
	int id;
	struct name decoder;
	bool present;
	struct allocation *allocs;
	struct dax dax[MAX_DAX];
};

/**
 * struct device - a mock DCD
 * @name: of the platform device
 * @memdev: memX
 * @endpoint: endpointX
 * @root: its root decoder
 * @part: partitions
 * @nr_parts: number of @part
 * @region: regions
 * @nr_regions: number of @region
 * @orphan: what the device lists and no region of this host has taken over
 * @nr_orphans: number of @orphan
 */
struct device {
	const char *name;
	struct name memdev;
	struct name endpoint;
	struct name root;
	struct partition part[MAX_PARTITIONS];
	int nr_parts;
	struct region region[MAX_REGIONS];
	int nr_regions;
	struct extent orphan[MAX_CHAIN];
	int nr_orphans;
};

/**
 * struct world - all of it
 * @device: the devices
 * @nr_devices: number of @device
 * @dax_bound: dax_cxl is loaded
 */
struct world {
	struct device device[MAX_DEVICES];
	int nr_devices;
	bool dax_bound;
};

extern struct world world;

/* random.c */
void say(const char *format, ...);
noreturn void fail(const char *format, ...);

/* random_ops.c */
bool operate(struct device *dev);

/* random_chain.c */
void say_chain(const struct chain *chain);
struct region *pick_region(struct device *dev);
const struct extent *pick_held(struct device *dev);
struct allocation *pick_allocation(struct region *region);
void make_offer(struct device *dev, struct chain *chain);
void make_request(struct device *dev, struct chain *chain);
void make_orphans(struct device *dev, struct chain *chain);

/* random_model.c */
bool overlap(const struct extent *a, const struct extent *b);
const struct extent *held_at(struct device *dev, const struct extent *range);
int list_held(struct device *dev, struct extent *list);
struct allocation *find_tag(struct region *region, int tag);
bool tag_alive(int tag);
__u64 available(const struct region *region);
void model_offer(struct device *dev, const struct chain *chain);
void model_release(struct device *dev, const struct chain *chain);
void model_give_up(struct dax *dax);
void model_region_goes(struct region *region);
void model_region_comes(struct region *region);
void model_dax_goes(void);
void model_dax_comes(void);

/* random_compare.c */
void print_sides(struct device *dev);
void compare(struct device *dev, enum care care, bool patient);
struct allocation *claimed_by(struct region *region, struct dax *dax);

/* random_host.c */
extern char difference[2048];
extern const char * const state_names[];
bool differ(const char *format, ...);
int reread(int fd, char *buf, size_t size);
void host_forget(const struct region *region);
bool host_look(const struct region *region);
int host_list(const struct device *dev, struct line *lines);
int host_count_dax(const struct region *region);
bool host_dax(const struct region *region, int id, __u64 *size, int *tag);
int host_mappings(const struct region *region, int id, struct extent *list,
		  int max);
const char *host_name(const struct extent *extent, const struct region *region);

/* random_region.c */
void find_device(struct device *dev, const char *name);
void add_region(struct device *dev, int partition);
void create_regions(struct device *dev);
void destroy_regions(struct device *dev);
void unbind_region(struct region *region);
void bind_region(struct region *region);
void unload_dax(void);
void load_dax(void);

/* random_sys.c */
void must_write(const char *path, const char *text);
__u64 read_number(const char *path);
const char *tag_text(int tag);
int tag_number(const char *text);
int names(const char *path, const char *prefix, struct name *found, int max);
void mock_path(const struct device *dev, const char *file, char *buf,
	       size_t size);
int read_mock(const struct device *dev, const char *file, char *buf,
	      size_t size);
int read_account(const struct device *dev, struct extent *list);

#endif /* __RANDOM_H__ */
