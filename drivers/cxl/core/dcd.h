/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dynamic Capacity Devices: what the rooms of the driver know of each other
 *
 *   dcd_wire.c       bytes <-> structures, responses in payload-sized parts
 *   extent*.c        the extent core: chains, checks, what is held
 *   region_extent*.c DPA -> host address, extentX.Y devices, what DAX is told
 *   dc_region.c      when a region holds extents, and while DAX serves them
 *   dcd.c            discovery, and the operations that tie the above together
 *   dcd_events.c     the worker that drains the event log
 *   dcd_config.c     a partition changes
 *   dcd_sysfs.c      partitions of a memory device, modes of a root decoder
 */
#ifndef __CXL_CORE_DCD_H__
#define __CXL_CORE_DCD_H__

#include <linux/idr.h>
#include <linux/range.h>
#include <linux/workqueue.h>
#include <cxl/dcd.h>
#include "extent.h"

struct cxl_mailbox;
struct cxl_memdev_state;
struct cxl_region;
struct cxl_dax_region;
struct cxl_event_record_raw;
struct cxl_get_event_payload;

/**
 * struct cxl_dc_wire - how Dynamic Capacity commands are sent
 * @mbox: the device's mailbox
 * @payload: buffer of the mailbox's payload size
 * @commands: commands sent, by the low bits of their opcode (4800h to 4803h)
 * @get_events: Get Event Records commands sent for the DC log
 * @clear_events: Clear Event Records commands sent for the DC log
 *
 * Users serialize, by struct cxl_extents::lock once the device is set up.
 */
struct cxl_dc_wire {
	struct cxl_mailbox *mbox;
	void *payload;
	u64 commands[4];
	u64 get_events;
	u64 clear_events;
};

/**
 * struct cxl_dc_partition - a DC region of the device
 * @dpa: its range, bytes
 * @block_size: bytes
 * @handle: DSMAD handle, finds its DSMAS in CDAT
 * @dsmas_flags: flags of its DSMAS, 0 without CDAT
 */
struct cxl_dc_partition {
	struct range dpa;
	u64 block_size;
	u8 handle;
	u8 dsmas_flags;
};

/**
 * struct cxl_dc_config - the device's Dynamic Capacity configuration
 * @part: its partitions, ascending and disjoint
 * @nr: number of @part
 * @extents_supported: most extents, 0 if the device does not say
 * @tags_supported: most tags, 0 if the device does not say
 */
struct cxl_dc_config {
	struct cxl_dc_partition part[CXL_DC_PARTITIONS_MAX];
	unsigned int nr;
	u32 extents_supported;
	u32 tags_supported;
};

/* dcd_wire.c */
int cxl_dc_wire_init(struct cxl_dc_wire *wire, struct cxl_mailbox *mbox);
void cxl_dc_wire_exit(struct cxl_dc_wire *wire);
int cxl_dc_send_extents(struct cxl_dc_wire *wire, u16 opcode,
			const struct list_head *answers);
int cxl_dc_read_extents(struct cxl_dc_wire *wire, struct cxl_extent_list *list);
int cxl_dc_read_config(struct cxl_dc_wire *wire, struct cxl_dc_config *config);
void cxl_dc_decode_record(const struct cxl_event_dc *dc,
			  struct cxl_extent_record *record);

/**
 * struct cxl_dcd_stats - what the event log brought besides extents
 * @records: records read
 * @config_updates: Region Configuration Updated records
 * @unknown: records of a type that the driver does not know, or not for hosts
 * @log_errors: failed Get or Clear Event Records commands
 */
struct cxl_dcd_stats {
	u64 records;
	u64 config_updates;
	u64 unknown;
	u64 log_errors;
};

/**
 * struct cxl_dcd - the Dynamic Capacity of a memory device
 * @mds: the memory device
 * @wire: how commands are sent
 * @config: as the device said it
 * @extents: what is held; its lock protects all that follows
 * @wq: ordered: drains the DC event log, so that slow DAX operations never
 *	delay the other logs
 * @drain: read the DC event log until it is empty
 * @expire: an open chain waits for its last record
 * @retry: memory that was asked back fell idle
 * @events: what was last read of the event log
 * @kept: the same of the time before, when Clear Event Records has failed
 * @nr_kept: number of records in @kept
 * @unread: the log may have records of before the driver was bound; so many tries
 *	    to read it may still fail
 * @overflow: records were lost; told to @extents when those before them are read
 * @stats: see struct cxl_dcd_stats
 */
struct cxl_dcd {
	struct cxl_memdev_state *mds;
	struct cxl_dc_wire wire;
	struct cxl_dc_config config;
	struct cxl_extents extents;
	struct workqueue_struct *wq;
	struct delayed_work drain;
	struct delayed_work expire;
	struct work_struct retry;
	struct cxl_get_event_payload *events;
	struct cxl_get_event_payload *kept;
	unsigned int nr_kept;
	unsigned int unread;
	bool overflow;
	struct cxl_dcd_stats stats;
};

static inline struct cxl_dcd *to_dcd(struct cxl_extents *extents)
{
	return container_of(extents, struct cxl_dcd, extents);
}

/**
 * cxl_dcd_retry() - memory that may have been asked back fell idle
 * @dcd: the Dynamic Capacity of a memory device
 *
 * Context: any; takes no lock
 */
static inline void cxl_dcd_retry(struct cxl_dcd *dcd)
{
	queue_work(dcd->wq, &dcd->retry);
}

/**
 * cxl_dcd_watch() - see to it that what waits for the end of its time has one
 * @dcd: the Dynamic Capacity of a memory device, locked
 */
static inline void cxl_dcd_watch(struct cxl_dcd *dcd)
{
	if (cxl_extents_need_expire(&dcd->extents))
		queue_delayed_work(dcd->wq, &dcd->expire, HZ);
}

/**
 * struct cxl_dc_region - a region that maps a partition of a memory device
 * @window: what it maps, as the extent core knows it
 * @dcd: the memory device
 * @cxlr_dax: the region, as DAX knows it
 * @ids: numbers of its extents
 * @dax_ops: set while a DAX driver is bound, under struct cxl_extents::lock
 * @dax_region: what @dax_ops works on
 */
struct cxl_dc_region {
	struct cxl_extent_window window;
	struct cxl_dcd *dcd;
	struct cxl_dax_region *cxlr_dax;
	struct ida ids;
	const struct cxl_dax_ops *dax_ops;
	void *dax_region;
};

/* region_extent.c */
int cxl_region_extents_prepare(struct cxl_extents *extents,
			       struct cxl_allocation *alloc);
void cxl_region_extents_discard(struct cxl_extents *extents,
				struct cxl_allocation *alloc);
int cxl_region_extents_publish(struct cxl_extents *extents,
			       struct cxl_allocation *alloc);
int cxl_region_extents_withdraw(struct cxl_extents *extents,
				struct cxl_allocation *alloc);
int cxl_region_extents_kill(struct cxl_extents *extents,
			    struct cxl_allocation *alloc);
void cxl_region_extents_narrow(struct cxl_extents *extents,
			       struct cxl_allocation *alloc);
void cxl_region_extents_remove(struct cxl_extents *extents,
			       struct cxl_allocation *alloc, bool left);
void cxl_region_extents_invalidate(struct cxl_extents *extents,
				   struct cxl_extent_window *window);
int cxl_region_extents_offer(struct cxl_allocation *alloc);
void cxl_region_extents_recall(struct cxl_allocation *alloc);

/* dcd_config.c */
void cxl_dcd_config_updated(struct cxl_dcd *dcd, unsigned int index);

/* dcd_events.c */
int cxl_dcd_events_init(struct cxl_dcd *dcd);
void cxl_dcd_events_exit(struct cxl_dcd *dcd);
void cxl_dcd_handle_record(struct cxl_dcd *dcd,
			   struct cxl_event_record_raw *raw);

#endif /* __CXL_CORE_DCD_H__ */
