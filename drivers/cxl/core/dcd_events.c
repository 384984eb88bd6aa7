// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic Capacity Devices: the DC event log
 *
 * The log has an ordered worker of its own for each device. It is started by
 * whatever interrupt shows the log's bit in the event status register, and reads
 * until that bit falls: one Get Event Records, one Clear and one response make up
 * the cost of a chain.
 *
 * A record is cleared before it is acted on: a record that could not be cleared
 * comes again, one that was acted on twice would be answered twice. When the command
 * that clears records fails, those are kept until the next read tells whether it has
 * cleared them all the same.
 */
#include <kunit/visibility.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"
#include "dcd.h"
#include "trace.h"

/* So many Get Event Records in a row, then the worker takes a rest */
#define DRAIN_MAX	256
#define DRAIN_REST	msecs_to_jiffies(1000)

/* So often in vain where no bit tells of records */
#define UNREAD_TRIES	8

/**
 * cxl_dcd_handle_record() - act on a record of the DC event log
 * @dcd: the Dynamic Capacity of a memory device, locked
 * @raw: the record, read and cleared; nothing in it is trusted
 *
 * Context: the ordered worker
 */
void cxl_dcd_handle_record(struct cxl_dcd *dcd,
			   struct cxl_event_record_raw *raw)
{
	struct cxl_event_dc *dc = (struct cxl_event_dc *)&raw->event;
	struct cxl_memdev_state *mds = dcd->mds;
	struct cxl_extent_record record;

	dcd->stats.records++;
	if (!uuid_equal(&raw->id, &CXL_EVENT_DC_UUID)) {
		dcd->stats.unknown++;
		trace_cxl_generic_event(mds->cxlds.cxlmd, CXL_EVENT_TYPE_DCD,
					&raw->id, &raw->event.generic);
		dev_warn_ratelimited(mds->cxlds.dev,
				     "Unknown record in the DC event log: %pUb\n",
				     &raw->id);
		return;
	}

	trace_cxl_dynamic_capacity(mds->cxlds.cxlmd, CXL_EVENT_TYPE_DCD, dc);
	cxl_dc_decode_record(dc, &record);
	switch (dc->event_type) {
	case CXL_DC_ADD_CAPACITY:
		cxl_extents_add_record(&dcd->extents, &record);
		break;
	case CXL_DC_RELEASE_CAPACITY:
		cxl_extents_release_record(&dcd->extents, &record);
		break;
	case CXL_DC_FORCED_RELEASE:
		cxl_extents_forced_record(&dcd->extents, &record);
		break;
	case CXL_DC_CONFIG_UPDATED:
		cxl_dcd_config_updated(dcd, dc->updated_region_index);
		break;
	default:
		dcd->stats.unknown++;
		dev_warn_ratelimited(mds->cxlds.dev,
				     "DC event type %u at DPA %#llx is not supported\n",
				     dc->event_type, record.start);
	}
}
EXPORT_SYMBOL_IF_KUNIT(cxl_dcd_handle_record);

/* Room for what one Clear Event Records takes: all of it is cleared, or nothing */
static size_t events_size(const struct cxl_dcd *dcd)
{
	return min(dcd->mds->cxlds.cxl_mbox.payload_size,
		   struct_size(dcd->events, records,
			       CXL_CLEAR_EVENT_MAX_HANDLES));
}

/* Number of records in @dcd->events, bounded by the buffer, or errno */
static int get_records(struct cxl_dcd *dcd)
{
	struct cxl_mailbox *mbox = dcd->wire.mbox;
	const size_t size = events_size(dcd);
	struct cxl_get_event_payload *events = dcd->events;
	u8 log = CXL_EVENT_TYPE_DCD;
	struct cxl_mbox_cmd cmd = {
		.opcode = CXL_MBOX_OP_GET_EVENT_RECORD,
		.payload_in = &log,
		.size_in = sizeof(log),
		.payload_out = events,
		.size_out = size,
		.min_out = struct_size(events, records, 0),
	};
	size_t sent;
	int rc, nr;

	dcd->wire.get_events++;
	rc = cxl_internal_send_cmd(mbox, &cmd);
	if (rc)
		return rc;
	nr = le16_to_cpu(events->record_count);
	sent = struct_size(events, records, nr);
	if (sent > mbox->payload_size || min(sent, size) > cmd.size_out)
		return -EPROTO;
	/* what there was no room for is not cleared, and comes again */
	nr = min(nr, CXL_CLEAR_EVENT_MAX_HANDLES);
	events->record_count = cpu_to_le16(nr);
	return nr;
}

/* Did the last Get Event Records have room for more than there was? */
static bool got_all(struct cxl_dcd *dcd, int nr)
{
	return struct_size(dcd->events, records, nr + 1) <= events_size(dcd);
}

static __le16 first_handle(const struct cxl_get_event_payload *events)
{
	return events->records[0].event.generic.hdr.handle;
}

/* The command that was to clear records has failed: act on them if it did so */
static void handle_kept(struct cxl_dcd *dcd, int nr)
{
	int nr_kept = dcd->nr_kept;

	dcd->nr_kept = 0;
	if (nr && first_handle(dcd->events) == first_handle(dcd->kept))
		return;
	for (int i = 0; i < nr_kept; i++)
		cxl_dcd_handle_record(dcd, &dcd->kept->records[i]);
}

static void handle_records(struct cxl_dcd *dcd, int nr, bool overflow)
{
	for (int i = 0; i < nr; i++)
		cxl_dcd_handle_record(dcd, &dcd->events->records[i]);
	if (overflow)
		cxl_extents_records_lost(&dcd->extents);
}

/* Is there anything in the log? Devices without the register are asked by Get */
static bool log_pending(struct cxl_dcd *dcd, int last)
{
	struct cxl_memdev_state *mds = dcd->mds;

	if (mds->dc_event_pending)
		return mds->dc_event_pending(mds);
	return last != 0;
}

/* Is there anything to read, as far as is known? */
static bool to_be_read(struct cxl_dcd *dcd, int last)
{
	return dcd->unread || dcd->nr_kept || log_pending(dcd, last);
}

/* Get, clear, then act: number of records, or errno */
static int drain_once(struct cxl_dcd *dcd)
{
	struct cxl_get_event_payload *events = dcd->events;
	bool settled;
	int nr, rc;

	lockdep_assert_held(&dcd->extents.lock);
	nr = get_records(dcd);
	if (nr < 0)
		return nr;
	if (dcd->nr_kept)
		handle_kept(dcd, nr);
	if (events->flags & CXL_GET_EVENT_FLAG_OVERFLOW) {
		trace_cxl_overflow(dcd->mds->cxlds.cxlmd, CXL_EVENT_TYPE_DCD,
				   events);
		dcd->overflow = true;
	}
	if (nr) {
		dcd->wire.clear_events++;
		rc = cxl_clear_event_record(dcd->mds, CXL_EVENT_TYPE_DCD,
					    events);
		/* an empty log: they are cleared all the same, and won't come again */
		if (rc && to_be_read(dcd, nr)) {
			/* all of them come again, or none: that will be seen */
			swap(dcd->events, dcd->kept);
			dcd->nr_kept = nr;
			return rc;
		}
	}
	/* what was lost comes after what the log had */
	settled = dcd->overflow && got_all(dcd, nr);
	if (settled)
		dcd->overflow = false;
	handle_records(dcd, nr, settled);
	return nr;
}

static void dcd_drain(struct work_struct *work)
{
	struct cxl_dcd *dcd = container_of(work, struct cxl_dcd, drain.work);
	int nr = 1;

	guard(mutex)(&dcd->extents.lock);
	for (int i = 0; i < DRAIN_MAX && to_be_read(dcd, nr); i++) {
		nr = drain_once(dcd);
		if (nr < 0) {
			dcd->stats.log_errors++;
			dev_err_ratelimited(dcd->mds->cxlds.dev,
					    "Failed to read the DC event log: %d\n",
					    nr);
			if (dcd->unread)
				dcd->unread--;
			break;
		}
		if (got_all(dcd, nr))
			dcd->unread = 0;
		if (!nr)
			break;
	}
	/* the bit has fallen with the last record; what is in the log comes first */
	if (nr >= 0 && dcd->overflow && !to_be_read(dcd, nr)) {
		dcd->overflow = false;
		handle_records(dcd, 0, true);
	}
	cxl_dcd_watch(dcd);
	/* an error, or a device that never stops: don't spin, don't forget */
	if (nr && to_be_read(dcd, nr))
		mod_delayed_work(dcd->wq, &dcd->drain, DRAIN_REST);
}

static void dcd_expire(struct work_struct *work)
{
	struct cxl_dcd *dcd = container_of(work, struct cxl_dcd, expire.work);

	guard(mutex)(&dcd->extents.lock);
	cxl_extents_expire(&dcd->extents, jiffies);
	cxl_dcd_watch(dcd);
}

static void dcd_retry(struct work_struct *work)
{
	struct cxl_dcd *dcd = container_of(work, struct cxl_dcd, retry);

	guard(mutex)(&dcd->extents.lock);
	cxl_extents_retry(&dcd->extents);
	cxl_dcd_watch(dcd);
}

/**
 * cxl_dcd_event() - the DC event log has records
 * @mds: the memory device
 *
 * Context: any; does nothing for a device without Dynamic Capacity
 */
void cxl_dcd_event(struct cxl_memdev_state *mds)
{
	if (mds->dcd)
		mod_delayed_work(mds->dcd->wq, &mds->dcd->drain, 0);
}
EXPORT_SYMBOL_NS_GPL(cxl_dcd_event, "CXL");

static void dcd_stop(void *data)
{
	struct cxl_dcd *dcd = data;

	disable_delayed_work_sync(&dcd->drain);
	disable_delayed_work_sync(&dcd->expire);
	guard(mutex)(&dcd->extents.lock);
	/* they may have been cleared, and nobody else knows of them then */
	if (dcd->nr_kept)
		drain_once(dcd);
	cxl_extents_abandon_chain(&dcd->extents);
}

/**
 * devm_cxl_dcd_start() - begin to drain the DC event log
 * @mds: the memory device, its memdev is registered
 *
 * The worker stops when the host device goes, before the memdev does. Nothing is
 * done for a device without Dynamic Capacity.
 *
 * Return: 0 or -ENOMEM
 */
int devm_cxl_dcd_start(struct cxl_memdev_state *mds)
{
	struct cxl_dcd *dcd = mds->dcd;

	if (!dcd)
		return 0;
	/* no status bit need tell of what came before, and no interrupt will */
	scoped_guard(mutex, &dcd->extents.lock)
		dcd->unread = UNREAD_TRIES;
	enable_delayed_work(&dcd->drain);
	enable_delayed_work(&dcd->expire);
	cxl_dcd_event(mds);
	/* regions that are there already may have something to try again */
	scoped_guard(mutex, &dcd->extents.lock)
		cxl_dcd_watch(dcd);
	return devm_add_action_or_reset(mds->cxlds.dev, dcd_stop, dcd);
}
EXPORT_SYMBOL_NS_GPL(devm_cxl_dcd_start, "CXL");

/**
 * cxl_dcd_events_init() - prepare to drain the DC event log
 * @dcd: the Dynamic Capacity of a memory device
 *
 * Return: 0, or -ENOMEM after which cxl_dcd_events_exit() is due all the same
 */
int cxl_dcd_events_init(struct cxl_dcd *dcd)
{
	INIT_WORK(&dcd->retry, dcd_retry);
	INIT_DELAYED_WORK(&dcd->drain, dcd_drain);
	INIT_DELAYED_WORK(&dcd->expire, dcd_expire);
	/* until the memdev is there, see devm_cxl_dcd_start() */
	disable_delayed_work(&dcd->drain);
	disable_delayed_work(&dcd->expire);

	dcd->wq = alloc_ordered_workqueue("cxl_dcd_%s", 0,
					  dev_name(dcd->mds->cxlds.dev));
	dcd->events = kvmalloc(events_size(dcd), GFP_KERNEL);
	dcd->kept = kvmalloc(events_size(dcd), GFP_KERNEL);
	return dcd->wq && dcd->events && dcd->kept ? 0 : -ENOMEM;
}

/**
 * cxl_dcd_events_exit() - undo cxl_dcd_events_init()
 * @dcd: none of its regions exists any more
 */
void cxl_dcd_events_exit(struct cxl_dcd *dcd)
{
	if (dcd->wq)
		destroy_workqueue(dcd->wq);
	kvfree(dcd->events);
	kvfree(dcd->kept);
}
