/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cxl_test: a mock Dynamic Capacity Device
 *
 *   dcd.c          the devices: what they are made of, when they come and go
 *   dcd_sets.c     what is offered, and what the host holds
 *   dcd_mbox.c     every mailbox command: counters, failures on demand
 *   dcd_cmd.c      those of Dynamic Capacity, faults of the host
 *   dcd_log.c      the event log
 *   dcd_sysfs.c    dc_inject_extent and its like
 *   dcd_inject.c   records on demand, from debugfs
 *   dcd_debugfs.c  the account, misbehaviour
 *
 * The device is strict: it answers nothing that the specification does not allow,
 * and counts every fault of the host. Its state survives an unbind of the driver,
 * as that of a real device would; it goes with the platform device.
 */
#ifndef __CXL_TEST_DCD_H__
#define __CXL_TEST_DCD_H__

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include <linux/uuid.h>
#include <cxlmem.h>
#include <cxl/dcd.h>

struct attribute_group;
struct dentry;

#define MOCK_DCD_OPCODES	32	/* counters of commands */
#define MOCK_DCD_TRAIL		512	/* lines of the trail of responses */

/**
 * struct mock_dcd_extent - an extent, offered or held
 * @node: in a group, in order of delivery
 * @rb: in the tree of what the host holds, or of what a response has named
 * @subtree_last: for the interval tree
 * @start: DPA
 * @len: bytes
 * @tag: null if untagged
 * @seq: shared extent sequence number
 */
struct mock_dcd_extent {
	struct list_head node;
	struct rb_node rb;
	u64 subtree_last;
	u64 start;
	u64 len;
	uuid_t tag;
	u16 seq;
};

/**
 * struct mock_dcd_group - offered extents that More ties together
 * @node: in &struct mock_dcd.offers, oldest first
 * @extents: in order of delivery
 * @id: for people
 * @open: its last record has not been sent
 * @cursor: the last extent that the response under way has named
 * @named: all that it has named
 * @nr_named: their number
 */
struct mock_dcd_group {
	struct list_head node;
	struct list_head extents;
	u32 id;
	bool open;
	struct mock_dcd_extent *cursor;
	struct rb_root_cached named;
	u32 nr_named;
};

/**
 * struct mock_dcd_partition - a DC region of the device
 * @base: DPA
 * @len: bytes
 * @block: block size, bytes
 * @handle: DSMAD handle
 * @dsmas: flags of its DSMAS in CDAT
 */
struct mock_dcd_partition {
	u64 base;
	u64 len;
	u64 block;
	u8 handle;
	u8 dsmas;
};

/**
 * struct mock_dcd_log - the Dynamic Capacity event log
 * @records: not cleared yet, oldest first
 * @nr: their number
 * @max: what the log has room for
 * @handle: of the last record
 * @lose: so many of the next records get lost
 * @overflow: records lost since the last Clear
 * @first_lost: time of the first one
 * @last_lost: time of the last one
 */
struct mock_dcd_log {
	struct list_head records;
	u32 nr;
	u32 max;
	u16 handle;
	u32 lose;
	u16 overflow;
	u64 first_lost;
	u64 last_lost;
};

/* What a strict device does not expect of a host */
enum mock_dcd_fault {
	MOCK_DCD_NONE_PENDING,	/* a response, and no offer */
	MOCK_DCD_ORDER,		/* not in order of delivery, or not the oldest group */
	MOCK_DCD_DOUBLE,	/* accepted what it holds already */
	MOCK_DCD_NOT_OFFERED,
	MOCK_DCD_NOT_HELD,	/* released */
	MOCK_DCD_LIST,		/* misaligned, overlapping, or no extent at all */
	MOCK_DCD_LENGTH,	/* payload length */
	MOCK_DCD_INDEX,		/* asked for what there is not */
	MOCK_DCD_UNFINISHED,	/* another command while More is awaited */
	MOCK_DCD_TAG_SPLIT,	/* gave back part of a tagged extent */
	MOCK_DCD_HANDLE,	/* cleared what is not the oldest record */
	MOCK_DCD_NR_FAULTS
};

/* When a failure on demand strikes */
enum mock_dcd_fail_mode {
	MOCK_DCD_FAIL_BEFORE,	/* the command is not processed */
	MOCK_DCD_FAIL_AFTER,	/* it is, all the same */
	MOCK_DCD_FAIL_DROP,	/* it is not, and the oldest offer is forgotten */
};

/**
 * struct mock_dcd_fail - a failure on demand
 * @node: in &struct mock_dcd.fails
 * @opcode: of the command that is to fail
 * @nth: 1 is the next one
 * @times: how often
 * @rc: return code, or a negative errno when the command gets no answer
 * @mode: see enum mock_dcd_fail_mode
 */
struct mock_dcd_fail {
	struct list_head node;
	u16 opcode;
	u32 nth;
	u32 times;
	int rc;
	enum mock_dcd_fail_mode mode;
};

/* A number that the device does not lie about */
#define MOCK_DCD_HONEST		U32_MAX

/**
 * struct mock_dcd_quirks - lies
 * @list_returned: "returned" of Get Extent List
 * @list_total: "total" of Get Extent List
 * @list_unsettled: the generation number changes with every Get Extent List
 * @config_returned: "returned" of Get Configuration
 * @config_available: "available" of Get Configuration
 * @config_short: leave out the trailer of Get Configuration
 * @record_count: "count" of Get Event Records
 * @record_more: More is set in every record
 * @refill: records that are cleared come again
 * @status: the status bit never falls
 * @no_status: the status bit never rises
 * @no_irq: no interrupt can be had for the event log
 * @commands_listed: so many of the commands of Dynamic Capacity are in the CEL
 * @list_delay: milliseconds that each Get Extent List takes
 */
struct mock_dcd_quirks {
	u32 list_returned;
	u32 list_total;
	bool list_unsettled;
	u32 config_returned;
	u32 config_available;
	bool config_short;
	u32 record_count;
	bool record_more;
	bool refill;
	bool status;
	bool no_status;
	bool no_irq;
	u32 commands_listed;
	u32 list_delay;
};

/**
 * struct mock_dcd_trail - a line of the trail of responses
 * @opcode: a command, or 0 for an extent that it named
 * @more: its flag
 * @rc: how it was answered
 * @nr: how many extents it named
 * @start: DPA
 * @len: bytes
 */
struct mock_dcd_trail {
	u16 opcode;
	bool more;
	u16 rc;
	u32 nr;
	u64 start;
	u64 len;
};

/**
 * struct mock_dcd - a Dynamic Capacity Device
 * @node: in the list of all devices
 * @dev: the platform device
 * @dir: in debugfs
 * @bind_lock: protects @mds; taken before @lock
 * @mds: the driver's state, NULL while none is bound
 * @lock: protects all that follows
 * @part: partitions
 * @nr_parts: number of @part
 * @extents_max: the most extents that a host may hold
 * @tags_max: the most tags
 * @payload_size: of the mailbox, from the next bind on
 * @offers: groups that are not answered, oldest first
 * @nr_groups: how many there ever were
 * @held: what the host holds
 * @nr_held: number of @held
 * @generation: of @held
 * @log: the event log
 * @commands: counters by opcode
 * @faults: counters by kind
 * @fails: failures on demand
 * @quirks: lies
 * @trail: ring of the last responses and releases
 * @trail_end: number of lines that were ever written to it
 */
struct mock_dcd {
	struct list_head node;
	struct device *dev;
	struct dentry *dir;
	struct mutex bind_lock;	/* of mds; before lock */
	struct cxl_memdev_state *mds;
	struct mutex lock;	/* of all below */
	struct mock_dcd_partition part[CXL_DC_PARTITIONS_MAX];
	u32 nr_parts;
	u32 extents_max;
	u32 tags_max;
	u32 payload_size;
	struct list_head offers;
	u32 nr_groups;
	struct rb_root_cached held;
	u32 nr_held;
	u32 generation;
	struct mock_dcd_log log;
	struct {
		u16 opcode;
		u64 count;
	} commands[MOCK_DCD_OPCODES];
	u64 faults[MOCK_DCD_NR_FAULTS];
	struct list_head fails;
	struct mock_dcd_quirks quirks;
	struct mock_dcd_trail trail[MOCK_DCD_TRAIL];
	u64 trail_end;
};

/* dcd.c, for mem.c */
#if IS_ENABLED(CONFIG_CXL_DCD)
extern const struct attribute_group mock_dcd_group;
int mock_dcd_init(void);
void mock_dcd_exit(void);
struct mock_dcd *mock_dcd_probe(struct device *dev);
size_t mock_dcd_payload_size(struct mock_dcd *dcd, size_t otherwise);
u32 mock_dcd_commands_listed(struct mock_dcd *dcd, u32 all);
bool mock_dcd_irq_setup(struct cxl_memdev_state *mds);
void mock_dcd_set_dsmas(struct mock_dcd *dcd, struct cxl_memdev_state *mds);
int mock_dcd_start(struct mock_dcd *dcd, struct cxl_memdev_state *mds);
bool mock_dcd_send(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd, int *rc);
#else
static inline int mock_dcd_init(void)
{
	return 0;
}

static inline void mock_dcd_exit(void)
{
}

static inline struct mock_dcd *mock_dcd_probe(struct device *dev)
{
	return NULL;
}

static inline size_t mock_dcd_payload_size(struct mock_dcd *dcd,
					   size_t otherwise)
{
	return otherwise;
}

static inline u32 mock_dcd_commands_listed(struct mock_dcd *dcd, u32 all)
{
	return 0;
}

static inline bool mock_dcd_irq_setup(struct cxl_memdev_state *mds)
{
	return false;
}

static inline void mock_dcd_set_dsmas(struct mock_dcd *dcd,
				      struct cxl_memdev_state *mds)
{
}

static inline int mock_dcd_start(struct mock_dcd *dcd,
				 struct cxl_memdev_state *mds)
{
	return 0;
}

static inline bool mock_dcd_send(struct mock_dcd *dcd,
				 struct cxl_mbox_cmd *cmd, int *rc)
{
	return false;
}
#endif

/* dcd.c */
struct mock_dcd *mock_dcd_find(struct device *dev);
void mock_dcd_power_on(struct mock_dcd *dcd);
void mock_dcd_forget_fails(struct mock_dcd *dcd);
const struct mock_dcd_partition *
mock_dcd_find_partition(const struct mock_dcd *dcd, u64 start, u64 len);
void mock_dcd_deliver(struct mock_dcd *dcd);

/* dcd_sets.c */
struct mock_dcd_extent *mock_dcd_extent_new(const struct mock_dcd_extent *from);
struct mock_dcd_extent *mock_dcd_first_held(struct mock_dcd *dcd, u64 start,
					    u64 len);
struct mock_dcd_extent *mock_dcd_next_held(struct mock_dcd_extent *extent,
					   u64 start, u64 len);
bool mock_dcd_is_held(struct mock_dcd *dcd, u64 start, u64 len);
void mock_dcd_hold(struct mock_dcd *dcd, struct mock_dcd_extent *extent);
int mock_dcd_take(struct mock_dcd *dcd, u64 start, u64 len);
int mock_dcd_offer(struct mock_dcd *dcd, const struct mock_dcd_extent *extent,
		   bool more);
struct mock_dcd_group *mock_dcd_oldest_offer(struct mock_dcd *dcd);
struct mock_dcd_group *mock_dcd_open_offer(struct mock_dcd *dcd);
struct mock_dcd_extent *mock_dcd_find_offered(struct mock_dcd_group *group,
					      struct mock_dcd_extent *after,
					      u64 start, u64 len);
bool mock_dcd_name(struct mock_dcd_group *group,
		   struct mock_dcd_extent *extent);
void mock_dcd_unname(struct mock_dcd_group *group);
void mock_dcd_accept(struct mock_dcd *dcd, struct mock_dcd_group *group);
struct mock_dcd_extent *mock_dcd_held_at(struct mock_dcd *dcd,
					 struct mock_dcd_extent *before);
void mock_dcd_drop_offer(struct mock_dcd_group *group);
void mock_dcd_forget(struct mock_dcd *dcd);

/* dcd_mbox.c */
int mock_dcd_parse_opcode(char *word, u16 *opcode);
int mock_dcd_command_write(struct mock_dcd *dcd, char *text, size_t count);

/* dcd_cmd.c */
const char *mock_dcd_fault_name(enum mock_dcd_fault fault);
void mock_dcd_fault(struct mock_dcd *dcd, enum mock_dcd_fault fault,
		    const struct cxl_mbox_cmd *cmd, u64 start, u64 len);
bool mock_dcd_process(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd);

/* dcd_log.c */
int mock_dcd_log_extent(struct mock_dcd *dcd, u8 type, bool more,
			const struct mock_dcd_extent *extent);
int mock_dcd_log_updated(struct mock_dcd *dcd, u8 index);
int mock_dcd_log_raw(struct mock_dcd *dcd,
		     const struct cxl_event_record_raw *raw);
bool mock_dcd_log_pending(struct mock_dcd *dcd);
void mock_dcd_log_forget(struct mock_dcd *dcd);
u16 mock_dcd_get_records(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd);
u16 mock_dcd_clear_records(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd);

/* dcd_sysfs.c */
int mock_dcd_parse_extent(char **text, struct mock_dcd_extent *extent);

/* dcd_inject.c */
char *mock_dcd_next_word(char **text);
int mock_dcd_parse_word(char *word, struct mock_dcd_extent *extent);
int mock_dcd_chain_write(struct mock_dcd *dcd, char *text, size_t count);
int mock_dcd_open_write(struct mock_dcd *dcd, char *text, size_t count);
int mock_dcd_release_write(struct mock_dcd *dcd, char *text, size_t count);
int mock_dcd_force_write(struct mock_dcd *dcd, char *text, size_t count);
int mock_dcd_event_write(struct mock_dcd *dcd, char *text, size_t count);
int mock_dcd_emit_write(struct mock_dcd *dcd, char *text, size_t count);
int mock_dcd_record_write(struct mock_dcd *dcd, char *text, size_t count);
int mock_dcd_updated_write(struct mock_dcd *dcd, char *text, size_t count);

/* dcd_debugfs.c */
void mock_dcd_debugfs_add(struct mock_dcd *dcd, struct dentry *parent);

#endif /* __CXL_TEST_DCD_H__ */
