/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A memory device and a DAX that exist only for tests of the extent core
 *
 * The device is strict: it keeps its own account of what it offered and of what
 * this host holds, answers as CXL 3.1 8.2.9.9.9 wants it, and fails the test when
 * it is answered out of order, twice, or without an offer. So does DAX when memory
 * is used before it is held or given back while it can be used.
 */
#ifndef __CXL_EXTENT_FAKE_H__
#define __CXL_EXTENT_FAKE_H__

#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/list.h>
#include <linux/range.h>
#include <linux/sizes.h>
#include <cxlmem.h>
#include "extent_core.h"

/* DPA is counted in blocks; partition 0 is blocks 0 to FAKE_BLOCKS - 1 */
#define FAKE_BLOCK	((u64)SZ_2M)
#define FAKE_BLOCKS	1024
#define FAKE_BASE	((u64)SZ_1G)
#define FAKE_DPA(block)	(FAKE_BASE + (block) * FAKE_BLOCK)
#define FAKE_PART1	2048	/* first block of partition 1, there is a gap */
#define FAKE_MAPPED	768	/* blocks in window 0, from block 0 on */

#define FAKE_WINDOWS	3
#define FAKE_BUSY	4
#define FAKE_LIVE	2048
#define FAKE_KEEP	UINT_MAX

/**
 * enum fake_op - the operations of struct cxl_extent_ops
 * @FAKE_RESPOND: ->respond()
 * @FAKE_RELEASE: ->release()
 * @FAKE_LIST: ->list()
 * @FAKE_PREPARE: ->prepare()
 * @FAKE_DISCARD: ->discard()
 * @FAKE_PUBLISH: ->publish()
 * @FAKE_WITHDRAW: ->withdraw()
 * @FAKE_KILL: ->kill()
 * @FAKE_NARROW: ->narrow()
 * @FAKE_REMOVE: ->remove() of what has gone
 * @FAKE_LEAVE: ->remove() of what is left to the device
 * @FAKE_INVALIDATE: ->invalidate()
 * @FAKE_REPORT: ->report()
 * @FAKE_NR_OPS: number of operations
 */
enum fake_op {
	FAKE_RESPOND,
	FAKE_RELEASE,
	FAKE_LIST,
	FAKE_PREPARE,
	FAKE_DISCARD,
	FAKE_PUBLISH,
	FAKE_WITHDRAW,
	FAKE_KILL,
	FAKE_NARROW,
	FAKE_REMOVE,
	FAKE_LEAVE,
	FAKE_INVALIDATE,
	FAKE_REPORT,
	FAKE_NR_OPS,
};

/**
 * struct fake_fault - let an operation fail
 * @nth: the first call that fails, 1 is the next one; 0 for none
 * @times: so many calls in a row fail
 * @rc: what it returns
 * @later: what it returns from the second failure on, 0 for the same
 * @failed: it has failed
 * @done: so many of the extents that it names are processed all the same;
 *	  FAKE_KEEP: none, and the offer still waits for its answer
 */
struct fake_fault {
	unsigned int nth;
	unsigned int times;
	int rc;
	int later;
	bool failed;
	unsigned int done;
};

/**
 * struct fake_call - a command that the device got
 * @node: node in struct fake::calls
 * @op: FAKE_RESPOND or FAKE_RELEASE
 * @nr: number of @range
 * @range: what it named, in order
 */
struct fake_call {
	struct list_head node;
	enum fake_op op;
	unsigned int nr;
	struct range range[] __counted_by(nr);
};

/**
 * struct fake_extent - an extent that the device offers or knows to be accepted
 * @node: node in struct fake_chain::extents or struct fake::accepted
 * @record: what it is
 */
struct fake_extent {
	struct list_head node;
	struct cxl_extent_record record;
};

/**
 * struct fake_chain - an offer that waits for its answer
 * @node: node in struct fake::offers
 * @extents: in delivery order
 */
struct fake_chain {
	struct list_head node;
	struct list_head extents;
};

/**
 * enum fake_object_state - who can use an object
 * @FAKE_OBJECT_PREPARED: nobody yet
 * @FAKE_OBJECT_PUBLISHED: anybody
 * @FAKE_OBJECT_WITHDRAWN: nobody any more
 * @FAKE_OBJECT_DEAD: nobody new, but one who has it may still touch it
 */
enum fake_object_state {
	FAKE_OBJECT_PREPARED,
	FAKE_OBJECT_PUBLISHED,
	FAKE_OBJECT_WITHDRAWN,
	FAKE_OBJECT_DEAD,
};

/**
 * struct fake_object - what DAX keeps of an allocation
 * @node: node in struct fake::objects
 * @tag: its tag, null when untagged
 * @state: can it be used?
 * @flushed: CPU caches were invalidated since it was withdrawn
 * @nr: number of @dpa
 * @dpa: its ranges, in layout order
 */
struct fake_object {
	struct list_head node;
	uuid_t tag;
	enum fake_object_state state;
	bool flushed;
	unsigned int nr;
	struct range dpa[] __counted_by(nr);
};

/**
 * struct fake_window - a region
 * @window: as the extent core knows it
 * @mapped: is it there?
 * @stale_in: extents were accepted, CPU caches not invalidated since
 */
struct fake_window {
	struct cxl_extent_window window;
	bool mapped;
	bool stale_in;
};

/**
 * struct fake - the device, DAX, and the extent core between them
 * @test: the test that runs
 * @peer: another device of the same test, or NULL
 * @extents: what is tested
 * @window: regions
 * @offers: struct fake_chain, in the order in which they are to be answered
 * @offering: the last of @offers has not got its More = 0
 * @unanswered: number of @offers that fake_check() expects
 * @accepted: struct fake_extent: what this host holds, says the device
 * @objects: struct fake_object
 * @busy: ranges in use
 * @nr_busy: number of @busy
 * @pinned: what is in use can't be taken from its user
 * @leaving: who uses anything leaves when it is asked back, or taken
 * @calls: struct fake_call
 * @count: calls by operation
 * @fault: faults by operation
 * @allocs: extents and allocations that the extent core asked for
 * @fail_alloc: the one of @allocs that it does not get, 0 for none
 * @live: the ones that it has not freed
 * @nr_live: number of @live
 * @nr_slots: those of @live behind were never used
 * @stubbed: is their making noticed?
 * @tracked: is the freeing noticed? Needs tracepoints
 *
 * Of two devices in one test, the first one, which is the test's ->priv, counts the
 * objects of both.
 */
struct fake {
	struct kunit *test;
	struct fake *peer;
	struct cxl_extents extents;
	struct fake_window window[FAKE_WINDOWS];
	struct list_head offers;
	bool offering;
	unsigned int unanswered;
	struct list_head accepted;
	struct list_head objects;
	struct range busy[FAKE_BUSY];
	unsigned int nr_busy;
	bool pinned;
	bool leaving;
	struct list_head calls;
	unsigned int count[FAKE_NR_OPS];
	struct fake_fault fault[FAKE_NR_OPS];
	unsigned int allocs;
	unsigned int fail_alloc;
	void *live[FAKE_LIVE];
	unsigned int nr_live;
	unsigned int nr_slots;
	bool stubbed;
	bool tracked;
};

/**
 * struct fake_blocks - a range in blocks
 * @first: first block
 * @nr: number of blocks
 */
struct fake_blocks {
	unsigned int first;
	unsigned int nr;
};

/**
 * struct fake_item - an extent of a chain or of the device's list
 * @tag: number of its tag, 0 when untagged
 * @first: first block
 * @nr: number of blocks
 * @seq: shared extent sequence number
 */
struct fake_item {
	unsigned int tag;
	unsigned int first;
	unsigned int nr;
	u16 seq;
};

/* extent_fake.c: set-up and what tests do */
struct fake *fake_new_unmapped(struct kunit *test);
struct fake *fake_new(struct kunit *test);
struct fake *fake_new_peer(struct fake *fake);
void fake_stop_tracking(struct fake *fake);
void fake_end(struct fake *fake);
int fake_kunit_init(struct kunit *test);
int fake_kunit_init_unmapped(struct kunit *test);
void fake_kunit_exit(struct kunit *test);

uuid_t fake_tag(unsigned int nr);
struct cxl_extent_record fake_item_record(const struct fake_item *item,
					  bool more);
void fake_offer_tagged(struct fake *fake, unsigned int tag, unsigned int first,
		       unsigned int nr, u16 seq, bool more);
void fake_offer_items(struct fake *fake, const struct fake_item *items,
		      unsigned int nr);
void fake_lend_items(struct fake *fake, const struct fake_item *items,
		     unsigned int nr);
void fake_remember_items(struct fake *fake, const struct fake_item *items,
			 unsigned int nr);
void fake_ask_items(struct fake *fake, const struct fake_item *items,
		    unsigned int nr);
void fake_forget_items(struct fake *fake, const struct fake_item *items,
		       unsigned int nr);
struct cxl_extent_record fake_record(unsigned int first, unsigned int nr,
				     bool more);
void fake_offer_record(struct fake *fake,
		       const struct cxl_extent_record *record);
void fake_offer(struct fake *fake, unsigned int first, unsigned int nr,
		bool more);
void fake_lend(struct fake *fake, unsigned int first, unsigned int nr);
void fake_lose(struct fake *fake);
void fake_ask_record(struct fake *fake, const struct cxl_extent_record *record);
void fake_ask(struct fake *fake, unsigned int first, unsigned int nr, bool more);
void fake_expire(struct fake *fake, unsigned long now);
void fake_retry(struct fake *fake);
void fake_settle(struct fake *fake);
int fake_map(struct fake *fake, unsigned int window, unsigned int first,
	     unsigned int nr);
void fake_unmap(struct fake *fake, unsigned int window);
void fake_give_back(struct fake *fake, unsigned int window);
void fake_use(struct fake *fake, unsigned int first, unsigned int nr);
void fake_idle(struct fake *fake);
void fake_fail(struct fake *fake, enum fake_op op, unsigned int nth, int rc,
	       unsigned int done);
void fake_fail_always(struct fake *fake, enum fake_op op, int rc);
void fake_fail_first(struct fake *fake, enum fake_op op, unsigned int times,
		     int rc, int later);
void fake_mend(struct fake *fake);
void fake_forget_calls(struct fake *fake);

/* What one chain of records, or the device's list, has in this order */
#define FAKE_ITEMS(what, fake, ...)					\
do {									\
	static const struct fake_item items__[] = { __VA_ARGS__ };	\
									\
	fake_##what##_items(fake, items__, ARRAY_SIZE(items__));	\
} while (0)

/* Each of { tag, first, nr, seq }; tag 0 is untagged */
#define FAKE_OFFER(fake, ...)		FAKE_ITEMS(offer, fake, __VA_ARGS__)
#define FAKE_LEND(fake, ...)		FAKE_ITEMS(lend, fake, __VA_ARGS__)
#define FAKE_REMEMBER(fake, ...)	FAKE_ITEMS(remember, fake, __VA_ARGS__)
#define FAKE_ASK(fake, ...)		FAKE_ITEMS(ask, fake, __VA_ARGS__)
#define FAKE_FORCE(fake, ...)		FAKE_ITEMS(force, fake, __VA_ARGS__)
#define FAKE_FORGET(fake, ...)		FAKE_ITEMS(forget, fake, __VA_ARGS__)

/* extent_fake_force.c: the device takes what is held */
void fake_device_take(struct fake *fake, const struct range *range);
void fake_force_record(struct fake *fake, const struct cxl_extent_record *record);
void fake_force(struct fake *fake, unsigned int first, unsigned int nr,
		bool more);
void fake_force_items(struct fake *fake, const struct fake_item *items,
		      unsigned int nr);
void fake_unpin(struct fake *fake);

/* extent_fake_expect.c: what they look at */
void fake_expect_named(struct fake *fake, int line, enum fake_op op,
		       unsigned int nth, const struct fake_blocks *want,
		       unsigned int nr);
void fake_expect_held(struct fake *fake, int line,
		      const struct fake_blocks *want, unsigned int nr);
void fake_expect_count(struct fake *fake, int line, enum fake_op op,
		       unsigned int nr);
void fake_expect_layout(struct fake *fake, int line, unsigned int tag,
			const struct fake_blocks *want, unsigned int nr);
void fake_expect_reason(struct fake *fake, int line,
			enum cxl_extent_reason reason, u64 nr);
void fake_expect_refused(struct fake *fake, int line,
			 enum cxl_extent_reason reason, u64 nr);
void fake_expect_tags_free(struct kunit *test);
void fake_check(struct fake *fake);

/* The @nth command @op, 1 is the first, named these blocks in this order */
#define FAKE_EXPECT_NAMED(fake, op, nth, ...)				\
do {									\
	static const struct fake_blocks want__[] = { __VA_ARGS__ };	\
									\
	fake_expect_named(fake, __LINE__, op, nth, want__,		\
			  ARRAY_SIZE(want__));				\
} while (0)

#define FAKE_EXPECT_NAMED_NONE(fake, op, nth)				\
	fake_expect_named(fake, __LINE__, op, nth, NULL, 0)

/* These blocks are held and nothing else, by ascending DPA */
#define FAKE_EXPECT_HELD(fake, ...)					\
do {									\
	static const struct fake_blocks want__[] = { __VA_ARGS__ };	\
									\
	fake_expect_held(fake, __LINE__, want__, ARRAY_SIZE(want__));	\
} while (0)

#define FAKE_EXPECT_HELD_NONE(fake)					\
	fake_expect_held(fake, __LINE__, NULL, 0)

#define FAKE_EXPECT_COUNT(fake, op, nr)					\
	fake_expect_count(fake, __LINE__, op, nr)

/* The allocation of tag number @tag can be used, laid out in this order */
#define FAKE_EXPECT_LAYOUT(fake, tag, ...)				\
do {									\
	static const struct fake_blocks want__[] = { __VA_ARGS__ };	\
									\
	fake_expect_layout(fake, __LINE__, tag, want__,			\
			   ARRAY_SIZE(want__));				\
} while (0)

/* So many extents and records were not taken for this reason since fake_new() */
#define FAKE_EXPECT_REASON(fake, reason, nr)				\
	fake_expect_reason(fake, __LINE__, reason, nr)

/* So many, for this reason only, and each was reported since fake_forget_calls() */
#define FAKE_EXPECT_REFUSED(fake, reason, nr)				\
	fake_expect_refused(fake, __LINE__, reason, nr)

/* extent_fake_ops.c: the device */
extern const struct cxl_extent_ops fake_extent_ops;

void fake_device_offer(struct fake *fake, const struct cxl_extent_record *record);
void fake_device_remember(struct fake *fake,
			  const struct cxl_extent_record *record);
void fake_device_forget(struct fake *fake, u64 start);
bool fake_is_accepted(struct fake *fake, const struct range *range);
void fake_device_unaccept(struct fake *fake, const struct range *range);
const struct fake_fault *fake_count(struct fake *fake, enum fake_op op);

/* extent_fake_dax.c: DAX */
int fake_prepare(struct cxl_extents *extents, struct cxl_allocation *alloc);
void fake_discard(struct cxl_extents *extents, struct cxl_allocation *alloc);
int fake_publish(struct cxl_extents *extents, struct cxl_allocation *alloc);
int fake_withdraw(struct cxl_extents *extents, struct cxl_allocation *alloc);
int fake_kill(struct cxl_extents *extents, struct cxl_allocation *alloc);
void fake_narrow(struct cxl_extents *extents, struct cxl_allocation *alloc);
void fake_remove(struct cxl_extents *extents, struct cxl_allocation *alloc,
		 bool left);
void fake_invalidate(struct cxl_extents *extents,
		     struct cxl_extent_window *window);
void fake_dax_check_released(struct fake *fake, const struct range *range);
void fake_dax_check_accepted(struct fake *fake, const struct range *range);
const struct fake_object *fake_dax_find(struct fake *fake, const uuid_t *tag);

static inline struct fake *to_fake(struct cxl_extents *extents)
{
	return container_of(extents, struct fake, extents);
}

static inline bool fake_overlap(const struct range *a, const struct range *b)
{
	return a->start <= b->end && b->start <= a->end;
}

static inline struct range fake_range(const struct cxl_extent_record *record)
{
	return DEFINE_RANGE(record->start, record->start + record->len - 1);
}

static inline struct range fake_extent_range(const struct cxl_extent *extent)
{
	return DEFINE_RANGE(extent->start, cxl_extent_last(extent));
}

#endif /* __CXL_EXTENT_FAKE_H__ */
