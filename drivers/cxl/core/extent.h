/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The extent core: which extents of its Dynamic Capacity this host holds
 *
 * A Dynamic Capacity Device offers extents (DPA ranges) in chains of event
 * records, and the host answers every chain exactly once. The extent core keeps
 * the open chain in delivery order, checks it, and keeps what is held in an
 * interval tree. It knows no mailbox, no device model and no DAX: all that goes
 * through struct cxl_extent_ops, so that tests drive it without a device.
 *
 * Life of an allocation (all extents of one tag, or one untagged extent):
 *
 *            prepare             respond, publish           asked back
 *   offered ---------> PREPARED -----------------> HELD --------------------+
 *      |                  |                         |                       |
 *      | check fails      | device refuses          | asked back, not used  v
 *      v                  v                         |                     ASKED
 *    freed              freed                       v      last user gone   |
 *                                freed <--------- WITHDRAWN <---------------+
 *                                        release    | ^
 *                                                   +-+ release failed
 *
 * From each of these but PREPARED, when the device takes it by force:
 *
 *           nobody can touch it: freed, what the device left of it is released
 *     ----> a user may still touch it: DEAD ----> the same, when nobody can
 *
 * Locking: one mutex a memory device, struct cxl_extents::lock, is held around
 * everything here, the operations included. Lock order:
 *
 *   device_lock(memdev, port, region, dax_region)
 *     struct cxl_extents::lock
 *       cxl_rwsem.dpa; dax_region_rwsem, dax_dev_rwsem; mbox_mutex; kernfs
 *       (attribute removal)
 *
 * So no attribute of an extent, and nothing that DAX calls back, takes the lock.
 */
#ifndef __CXL_EXTENT_H__
#define __CXL_EXTENT_H__

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/range.h>
#include <linux/rbtree.h>
#include <linux/sizes.h>
#include <linux/uuid.h>
#include <cxl/dcd.h>

/* A chain that gets no further record for so long is refused */
#define CXL_CHAIN_TIMEOUT_SECONDS	20

/* No device has more extents than that worth of memory for their list */
#define CXL_EXTENTS_MAX		(SZ_64M / sizeof(struct cxl_dc_extent))

/* A comparison that fails so often is not tried again before the next reason */
#define CXL_COMPARE_TRIES		8

/**
 * enum cxl_extent_verdict - what becomes of an extent of the open chain
 * @CXL_EXTENT_OFFERED: not checked yet
 * @CXL_EXTENT_REFUSED: not named in the response
 * @CXL_EXTENT_AGAIN: held already and offered again: named, changes nothing
 * @CXL_EXTENT_ACCEPTED: checked and prepared: named, held from then on
 */
enum cxl_extent_verdict {
	CXL_EXTENT_OFFERED,
	CXL_EXTENT_REFUSED,
	CXL_EXTENT_AGAIN,
	CXL_EXTENT_ACCEPTED,
};

/**
 * enum cxl_extent_reason - why an extent, a chain or a record was not taken
 * @CXL_EXTENT_OK: nothing against it
 * @CXL_EXTENT_BAD_LENGTH: length is zero, or start + length overflows 64 bits
 * @CXL_EXTENT_NO_PARTITION: not inside exactly one partition
 * @CXL_EXTENT_MISALIGNED: not in multiples of the block size and DAX alignment
 * @CXL_EXTENT_NO_REGION: not inside the endpoint decoder of one region
 * @CXL_EXTENT_OVERLAP_HELD: overlaps what is held
 * @CXL_EXTENT_OVERLAP_CHAIN: overlaps an earlier extent of the chain
 * @CXL_EXTENT_UNTAGGED: in a sharable partition without a tag
 * @CXL_EXTENT_SEQUENCE: has a sequence number, partition is not sharable
 * @CXL_EXTENT_SEQUENCE_GAP: sequence numbers of its tag are not 0 to n-1
 * @CXL_EXTENT_SPREAD: extents of its tag lie in more than one region
 * @CXL_EXTENT_PARTNER: another extent of its tag was refused
 * @CXL_EXTENT_TAG_ALIVE: an allocation of its tag lives on this host already
 * @CXL_EXTENT_NO_RESOURCES: no memory or DAX resources to realize it
 * @CXL_EXTENT_STILL_USED: somebody still has what was lent there before
 * @CXL_EXTENT_TAG_MISMATCH: record that takes something back, with another tag
 *			     than what is held
 * @CXL_EXTENT_CHAIN_NOMEM: no memory for a record of the chain
 * @CXL_EXTENT_CHAIN_TOO_LONG: more records than the device can have extents
 * @CXL_EXTENT_CHAIN_TIMEOUT: no further record for CXL_CHAIN_TIMEOUT_SECONDS
 * @CXL_EXTENT_CHAIN_LOST: the event log overflowed, or the driver goes
 * @CXL_EXTENT_NOT_ACCEPTED: the device did not process the response
 * @CXL_EXTENT_NOT_PUBLISHED: accepted, but not to be made visible: given back
 * @CXL_EXTENT_NR_REASONS: number of reasons
 */
enum cxl_extent_reason {
	CXL_EXTENT_OK,
	CXL_EXTENT_BAD_LENGTH,
	CXL_EXTENT_NO_PARTITION,
	CXL_EXTENT_MISALIGNED,
	CXL_EXTENT_NO_REGION,
	CXL_EXTENT_OVERLAP_HELD,
	CXL_EXTENT_OVERLAP_CHAIN,
	CXL_EXTENT_UNTAGGED,
	CXL_EXTENT_SEQUENCE,
	CXL_EXTENT_SEQUENCE_GAP,
	CXL_EXTENT_SPREAD,
	CXL_EXTENT_PARTNER,
	CXL_EXTENT_TAG_ALIVE,
	CXL_EXTENT_NO_RESOURCES,
	CXL_EXTENT_STILL_USED,
	CXL_EXTENT_TAG_MISMATCH,
	CXL_EXTENT_CHAIN_NOMEM,
	CXL_EXTENT_CHAIN_TOO_LONG,
	CXL_EXTENT_CHAIN_TIMEOUT,
	CXL_EXTENT_CHAIN_LOST,
	CXL_EXTENT_NOT_ACCEPTED,
	CXL_EXTENT_NOT_PUBLISHED,
	CXL_EXTENT_NR_REASONS,
};

/**
 * enum cxl_allocation_state - the life of an allocation
 * @CXL_ALLOCATION_PREPARED: resources reserved, device not asked yet, invisible
 * @CXL_ALLOCATION_HELD: the device has processed the acceptance; may be claimed
 * @CXL_ALLOCATION_ASKED: asked back while in use: released when the user is gone
 * @CXL_ALLOCATION_WITHDRAWN: nobody can use it any more; Release is to be sent
 * @CXL_ALLOCATION_DEAD: the device has taken it, or a part of it, and somebody may
 *			 still touch it: not held any more, nothing else may be
 *			 held in its place yet
 */
enum cxl_allocation_state {
	CXL_ALLOCATION_PREPARED,
	CXL_ALLOCATION_HELD,
	CXL_ALLOCATION_ASKED,
	CXL_ALLOCATION_WITHDRAWN,
	CXL_ALLOCATION_DEAD,
};

/**
 * struct cxl_extent - one DPA range that is offered or held
 * @start: first DPA
 * @len: bytes
 * @tag: tag, null when untagged
 * @seq: shared extent sequence number
 * @verdict: see enum cxl_extent_verdict
 * @seen: the last comparison in which the device listed any of it
 * @listed: how much of it the device listed then, bytes
 * @alloc: the allocation that it belongs to, NULL until that is prepared
 * @taken: the device has taken all of it
 * @rb: node in the tree of what passed its checks, later in that of what is held,
 *	or of what is dead
 * @subtree_last: maintained by the interval tree
 * @chain: node in the open chain, in delivery order
 * @answer: node in the list that is handed to ->respond() or ->release()
 * @node: node in the allocation, in layout order; before that, among those that
 *	  allocations are to be made of
 */
struct cxl_extent {
	u64 start;
	u64 len;
	uuid_t tag;
	u16 seq;
	enum cxl_extent_verdict verdict;
	unsigned int seen;
	u64 listed;
	bool taken;
	struct cxl_allocation *alloc;
	struct rb_node rb;
	u64 subtree_last;
	struct list_head chain;
	struct list_head answer;
	struct list_head node;
};

static inline u64 cxl_extent_last(const struct cxl_extent *extent)
{
	return extent->start + extent->len - 1;
}

/**
 * struct cxl_extent_window - DPA that an endpoint decoder maps for a region
 * @dpa: the range, bytes
 * @node: node in struct cxl_extents::windows
 * @stale: node in the list of windows whose CPU caches are to be invalidated
 */
struct cxl_extent_window {
	struct range dpa;
	struct list_head node;
	struct list_head stale;
};

/**
 * struct cxl_allocation - what comes and goes as one
 * @node: node in one of the lists of struct cxl_extents, or of a caller
 * @extents: its extents, in the order in which they are laid out
 * @nr_extents: number of @extents
 * @tag: tag, null when it is one untagged extent
 * @live: node among the live tags of this host
 * @window: where it is mapped
 * @state: see enum cxl_allocation_state; changed by cxl_allocation_set_state()
 * @asked: DPA that was asked back: what encloses the requests, widened to the
 *	   alignment; end < start when nothing was asked
 * @realized: whatever ->prepare() keeps for it
 */
struct cxl_allocation {
	struct list_head node;
	struct list_head extents;
	unsigned int nr_extents;
	uuid_t tag;
	struct rb_node live;
	struct cxl_extent_window *window;
	enum cxl_allocation_state state;
	struct range asked;
	void *realized;
};

/**
 * struct cxl_extent_list - the device's extent list, as read
 * @extent: the extents, to be freed by kvfree()
 * @nr: number of @extent
 */
struct cxl_extent_list {
	struct cxl_dc_extent *extent;
	u32 nr;
};

struct cxl_extents;

/**
 * struct cxl_extent_ops - what the extent core asks of the others
 *
 * All are called with struct cxl_extents::lock held and may sleep.
 *
 * @respond: send one Add Dynamic Capacity Response that names the extents of
 *	     @answers (linked by ->answer, may be empty) in that order. Return: 0,
 *	     a negative errno when the command got no answer, else the device's
 *	     return code (CXL_MBOX_CMD_RC_*).
 * @release: the same for Release Dynamic Capacity; @answers is not empty
 * @list: read the device's extent list. Return: 0 or a negative errno.
 * @prepare: reserve all that @alloc needs; nothing becomes visible. Return: 0,
 *	     -EBUSY when somebody still uses what was there before, or another
 *	     negative errno.
 * @discard: undo ->prepare() of an allocation that was not published
 * @publish: make it visible and claimable. Return: 0, or a negative errno after
 *	     which it is as after ->withdraw() and ->remove().
 * @withdraw: make it impossible to use. Return: 0 or -EBUSY when it is in use;
 *	      then nobody new can claim it, and cxl_extents_retry() is due when
 *	      the last user is gone.
 * @kill: the device has taken @alloc: stop every use at once, whatever its state.
 *	  Return: 0 when nobody had it; 1 when somebody had it, and can't touch it
 *	  any more; or -EBUSY when somebody may still touch it. Then it is gone for
 *	  user space, and ->kill() is due again now and then.
 * @narrow: @alloc, withdrawn or killed, has become smaller
 * @remove: @alloc, withdrawn or killed, is given back or lost, or it is @left to
 *	    the device's list: it disappears, unless it never appeared
 * @invalidate: drop what CPU caches hold of @window
 * @report: @extent or record was not taken; rate-limits its message
 */
struct cxl_extent_ops {
	int (*respond)(struct cxl_extents *extents, struct list_head *answers);
	int (*release)(struct cxl_extents *extents, struct list_head *answers);
	int (*list)(struct cxl_extents *extents, struct cxl_extent_list *list);
	int (*prepare)(struct cxl_extents *extents, struct cxl_allocation *alloc);
	void (*discard)(struct cxl_extents *extents, struct cxl_allocation *alloc);
	int (*publish)(struct cxl_extents *extents, struct cxl_allocation *alloc);
	int (*withdraw)(struct cxl_extents *extents, struct cxl_allocation *alloc);
	int (*kill)(struct cxl_extents *extents, struct cxl_allocation *alloc);
	void (*narrow)(struct cxl_extents *extents, struct cxl_allocation *alloc);
	void (*remove)(struct cxl_extents *extents, struct cxl_allocation *alloc,
		       bool left);
	void (*invalidate)(struct cxl_extents *extents,
			   struct cxl_extent_window *window);
	void (*report)(struct cxl_extents *extents, u64 start, u64 len,
		       const uuid_t *tag, const char *what);
};

/**
 * enum cxl_chain_state - where the open chain stands
 * @CXL_CHAIN_NONE: no record waits for its More = 0
 * @CXL_CHAIN_OPEN: records are gathered
 * @CXL_CHAIN_REFUSED: records are swallowed up to More = 0, then answered
 *		       with size 0
 */
enum cxl_chain_state {
	CXL_CHAIN_NONE,
	CXL_CHAIN_OPEN,
	CXL_CHAIN_REFUSED,
};

/**
 * struct cxl_chain - the run of Add records that More ties together
 * @state: see enum cxl_chain_state
 * @extents: FIFO, in delivery order
 * @nr: number of @extents
 * @last: jiffies of its last record
 */
struct cxl_chain {
	enum cxl_chain_state state;
	struct list_head extents;
	unsigned int nr;
	unsigned long last;
};

/**
 * struct cxl_extent_partition - what the checks know of a partition
 * @dpa: its range, bytes
 * @block_size: extents come in multiples of it, bytes
 * @sharable: from CDAT: tags are needed, and sequence numbers
 */
struct cxl_extent_partition {
	struct range dpa;
	u64 block_size;
	bool sharable;
};

/**
 * struct cxl_extent_stats - what happened, for people to look at
 * @add_records: Add records read
 * @release_records: Release records read
 * @forced_records: Forced Release records read
 * @chains: chains answered
 * @accepted: extents that the device knows to be accepted
 * @again: held extents that were offered again
 * @recovered: extents taken over from the device's list
 * @refused: extents and records not taken, by reason
 * @asked: allocations asked back while in use
 * @released: extents released
 * @release_failed: Release commands that failed
 * @overflows: event log overflows
 * @vanished: held extents that the device did not list any more
 * @killed: extents of allocations that the device took, all or a part of them
 */
struct cxl_extent_stats {
	u64 add_records;
	u64 release_records;
	u64 forced_records;
	u64 chains;
	u64 accepted;
	u64 again;
	u64 recovered;
	u64 refused[CXL_EXTENT_NR_REASONS];
	u64 asked;
	u64 released;
	u64 release_failed;
	u64 overflows;
	u64 vanished;
	u64 killed;
};

/**
 * struct cxl_extents - the extents of one memory device
 * @lock: protects all of it
 * @ops: how to reach the device and those who serve the memory
 * @partition: the device's partitions
 * @nr_partitions: number of @partition
 * @align: extents come in multiples of it, bytes (PMD_SIZE)
 * @max_chain: the longest chain that makes sense, records
 * @chain: the open chain
 * @release_last: jiffies of the last Release or Forced Release record
 * @checked: tree of extents that passed their checks and are not held yet, by
 *	     DPA; empty but while a chain is closed or a window added
 * @held: tree of the extents that are held, by DPA
 * @dead: tree of the extents that are not held any more and may still be touched
 * @windows: where regions map the device
 * @allocations: allocations that are held
 * @asking: those that the open chain of Release records asks for
 * @waiting: those asked back that could not be released yet
 * @dying: those that are dead
 * @strays: ranges of which nothing is held, and whatever the device lists is to go
 *	    back: asked back, or left of what it took
 * @nr_strays: number of @strays that were asked back, at most @max_chain
 * @stale: windows of which CPU caches have what the device took
 * @doubtful: offers may have been lost: what the device expects to be answered
 *	      next is not certain until it accepts a response
 * @compare_due: cxl_extents_compare() could not be completed
 * @nr_compares: how often it was tried again since the last reason for one
 * @comparison: counts cxl_extents_mark_listed()
 * @stats: see struct cxl_extent_stats
 */
struct cxl_extents {
	struct mutex lock;	/* see the top of this file */
	const struct cxl_extent_ops *ops;
	struct cxl_extent_partition partition[CXL_DC_PARTITIONS_MAX];
	unsigned int nr_partitions;
	u64 align;
	unsigned int max_chain;
	struct cxl_chain chain;
	unsigned long release_last;
	struct rb_root_cached checked;
	struct rb_root_cached held;
	struct rb_root_cached dead;
	struct list_head windows;
	struct list_head allocations;
	struct list_head asking;
	struct list_head waiting;
	struct list_head dying;
	struct list_head strays;
	unsigned int nr_strays;
	struct list_head stale;
	bool doubtful;
	bool compare_due;
	unsigned int nr_compares;
	unsigned int comparison;
	struct cxl_extent_stats stats;
};

/**
 * struct cxl_extent_record - what an Add or Release record says
 * @start: first DPA
 * @len: bytes
 * @tag: null when untagged
 * @seq: shared extent sequence number
 * @more: the next record belongs to the same chain
 */
struct cxl_extent_record {
	u64 start;
	u64 len;
	uuid_t tag;
	u16 seq;
	bool more;
};

/* What others call; all but cxl_extents_init() and _destroy() with ->lock held */
void cxl_extents_init(struct cxl_extents *extents,
		      const struct cxl_extent_ops *ops);
void cxl_extents_set_limits(struct cxl_extents *extents, u32 supported);
void cxl_extents_destroy(struct cxl_extents *extents);
const char *cxl_extent_reason_str(enum cxl_extent_reason reason);
void cxl_extent_record_from_list(struct cxl_extent_record *record,
				 const struct cxl_dc_extent *listed);
void cxl_extents_add_record(struct cxl_extents *extents,
			    const struct cxl_extent_record *record);
void cxl_extents_release_record(struct cxl_extents *extents,
				const struct cxl_extent_record *record);
void cxl_extents_forced_record(struct cxl_extents *extents,
			       const struct cxl_extent_record *record);
bool cxl_extents_need_expire(struct cxl_extents *extents);
void cxl_extents_expire(struct cxl_extents *extents, unsigned long now);
void cxl_extents_records_lost(struct cxl_extents *extents);
void cxl_extents_abandon_chain(struct cxl_extents *extents);
void cxl_extents_retry(struct cxl_extents *extents);
void cxl_extents_release_window(struct cxl_extents *extents,
				struct cxl_extent_window *window);
int cxl_extents_window_add(struct cxl_extents *extents,
			   struct cxl_extent_window *window);
void cxl_extents_window_remove(struct cxl_extents *extents,
			       struct cxl_extent_window *window);

#endif /* __CXL_EXTENT_H__ */
