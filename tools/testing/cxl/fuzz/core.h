/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A memory device and a DAX that exist only for the fuzzer of the extent core
 *
 * The input is a program: a configuration, then operations. The device keeps its own
 * account of what it offered and of what this host holds; after each operation both
 * sides are compared. See drivers/cxl/core/tests/extent_fake.h for the larger
 * relative that KUnit has.
 */
#ifndef _FUZZ_CORE_H
#define _FUZZ_CORE_H

#include <linux/array_size.h>
#include <linux/list.h>
#include <linux/range.h>
#include <cxlmem.h>
#include "extent_core.h"
#include "fuzz.h"

/* DPA is counted in blocks; partition p starts at block p * CORE_STRIDE */
#define CORE_BLOCK	((u64)SZ_2M)
#define CORE_BASE	((u64)SZ_1G)
#define CORE_BLOCKS	32
#define CORE_STRIDE	40
#define CORE_PARTITIONS	3
#define CORE_WINDOWS	3
#define CORE_KEEP	7	/* see struct core_fault */

/* Operations that fail on request */
enum core_faulty {
	CORE_RESPOND,
	CORE_RELEASE,
	CORE_LIST,
	CORE_PREPARE,
	CORE_PUBLISH,
	CORE_WITHDRAW,
	CORE_NR_FAULTY,
};

/**
 * struct core_fault - let an operation fail
 * @nth: the first call that fails, 1 is the next one; 0 for none
 * @times: so many calls in a row fail
 * @rc: what it returns
 * @done: so many of the extents that it names are processed all the same;
 *	  CORE_KEEP: none, and the offer still waits for its answer
 */
struct core_fault {
	unsigned int nth;
	unsigned int times;
	int rc;
	unsigned int done;
};

/**
 * struct core_extent - an extent that the device offers or knows to be accepted
 * @node: node in struct core_offer::extents or struct core::accepted
 * @record: what it is
 */
struct core_extent {
	struct list_head node;
	struct cxl_extent_record record;
};

/**
 * struct core_offer - a chain that waits for its answer
 * @node: node in struct core::offers
 * @extents: in delivery order
 */
struct core_offer {
	struct list_head node;
	struct list_head extents;
};

enum core_object_state {
	CORE_PREPARED,
	CORE_PUBLISHED,
	CORE_WITHDRAWN,
	CORE_DEAD,
};

/**
 * struct core_object - what DAX keeps of an allocation
 * @node: node in struct core::objects
 * @state: can it be used?
 * @claimed: it is used
 * @pinned: by somebody from whom it can't be taken
 * @asked: ->withdraw() was refused: nobody new can claim it
 * @flushed: CPU caches were invalidated since it was withdrawn
 * @nr: number of @dpa
 * @dpa: its ranges
 */
struct core_object {
	struct list_head node;
	enum core_object_state state;
	bool claimed;
	bool pinned;
	bool asked;
	bool flushed;
	unsigned int nr;
	struct range dpa[];
};

/**
 * struct core_window - a region
 * @window: as the extent core knows it
 * @mapped: is it there?
 * @stale_in: extents were accepted, CPU caches not invalidated since
 */
struct core_window {
	struct cxl_extent_window window;
	bool mapped;
	bool stale_in;
};

/**
 * struct core - the device, DAX, and the extent core between them
 * @extents: what is fuzzed
 * @input: the rest of the program
 * @window: regions
 * @offers: struct core_offer, in the order in which they are to be answered
 * @offering: the last of @offers has not got its More = 0
 * @accepted: struct core_extent: what this host holds, says the device
 * @objects: struct core_object
 * @fault: faults by operation
 * @responses: responses in this operation
 * @commands: commands in this operation
 * @commands_max: so many are plenty
 * @hostile: the device keeps no account, and says anything
 * @lenient: the device does not mind to hear again what it knows
 * @trouble: something failed: both sides may differ until they have settled
 * @vanished: the device has forgotten something without a word, likewise
 * @astray: the device waits for the answer to another offer than this host thinks
 * @mixed: it took an answer for that of another offer: tags may differ, as long as it
 *	   lends anything
 */
struct core {
	struct cxl_extents extents;
	struct fuzz_input input;
	struct core_window window[CORE_WINDOWS];
	struct list_head offers;
	bool offering;
	struct list_head accepted;
	struct list_head objects;
	struct core_fault fault[CORE_NR_FAULTY];
	unsigned int responses;
	unsigned int commands;
	unsigned int commands_max;
	bool hostile;
	bool lenient;
	bool trouble;
	bool vanished;
	bool astray;
	bool mixed;
};

/* core_program.c: what the input means */
struct cxl_extent_record core_read_record(struct core *core);
void core_run(struct core *core);
void core_settle(struct core *core);
void core_unmap(struct core *core, struct core_window *w);

/* core_device.c: the device */
extern const struct cxl_extent_ops core_ops;

void core_device_offer(struct core *core, const struct cxl_extent_record *record);
void core_device_forget(struct core *core, struct core_extent *extent, bool half);
void core_device_free(struct core *core);
struct core_extent *core_accepted(struct core *core, const struct range *range);
struct core_extent *core_any_accepted(struct core *core,
				      const struct range *range);
const struct core_fault *core_fault(struct core *core, enum core_faulty op);

/* core_dax.c: DAX */
int core_prepare(struct cxl_extents *extents, struct cxl_allocation *alloc);
void core_discard(struct cxl_extents *extents, struct cxl_allocation *alloc);
int core_publish(struct cxl_extents *extents, struct cxl_allocation *alloc);
int core_withdraw(struct cxl_extents *extents, struct cxl_allocation *alloc);
int core_kill(struct cxl_extents *extents, struct cxl_allocation *alloc);
void core_narrow(struct cxl_extents *extents, struct cxl_allocation *alloc);
void core_remove(struct cxl_extents *extents, struct cxl_allocation *alloc,
		 bool left);
void core_invalidate(struct cxl_extents *extents,
		     struct cxl_extent_window *window);
void core_dax_check_released(struct core *core, const struct range *range);
bool core_dax_any_used(struct core *core, const struct range *range);
void core_dax_check_accepted(struct core *core, const struct range *range);
struct core_object *core_dax_pick(struct core *core, bool claimed,
				  unsigned int nth);

/* core_check.c: what must be true between operations */
void core_check(struct core *core);
void core_check_asked(struct core *core, const struct cxl_extent_record *record,
		      bool held);
bool core_any_held(struct core *core, const struct cxl_extent_record *record);

static inline struct core *to_core(struct cxl_extents *extents)
{
	return container_of(extents, struct core, extents);
}

static inline u64 core_dpa(unsigned int block)
{
	return CORE_BASE + block * CORE_BLOCK;
}

static inline bool core_overlap(const struct range *a, const struct range *b)
{
	return a->start <= b->end && b->start <= a->end;
}

static inline struct range core_range(const struct cxl_extent_record *record)
{
	return DEFINE_RANGE(record->start, record->start + record->len - 1);
}

static inline struct range core_extent_range(const struct cxl_extent *extent)
{
	return DEFINE_RANGE(extent->start, cxl_extent_last(extent));
}

/* Is everything to be as if nothing ever failed? */
static inline bool core_is_sound(const struct core *core)
{
	return !core->hostile && !core->trouble && !core->vanished &&
	       !fuzz_kernel.failed_allocs;
}

#endif
