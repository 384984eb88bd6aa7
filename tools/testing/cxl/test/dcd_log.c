// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test's mock DCD: the Dynamic Capacity event log
 *
 * Records stay in the log until they are cleared, oldest first. The log has room
 * for so many; what comes when it is full is lost, and counted: overflow.
 */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include "dcd.h"

struct mock_dcd_record {
	struct list_head node;
	struct cxl_event_record_raw raw;
};

static struct cxl_event_dc *to_dc(struct cxl_event_record_raw *raw)
{
	return (struct cxl_event_dc *)&raw->event;
}

/* Handles are unique in the log, and never 0 */
static void set_handle(struct mock_dcd_log *log, struct mock_dcd_record *record)
{
	if (!++log->handle)
		log->handle = 1;
	record->raw.event.generic.hdr.handle = cpu_to_le16(log->handle);
}

static bool lose(struct mock_dcd_log *log)
{
	if (log->lose)
		log->lose--;
	else if (log->nr < log->max)
		return false;

	log->last_lost = ktime_get_real_ns();
	if (!log->overflow)
		log->first_lost = log->last_lost;
	if (log->overflow < U16_MAX)
		log->overflow++;
	return true;
}

/**
 * mock_dcd_log_raw() - put a record into the log as it is, but for its handle
 * @dcd: the device, locked
 * @raw: the record
 *
 * Return: 0, also when it is lost to an overflow, or -ENOMEM
 */
int mock_dcd_log_raw(struct mock_dcd *dcd,
		     const struct cxl_event_record_raw *raw)
{
	struct mock_dcd_log *log = &dcd->log;
	struct mock_dcd_record *record;

	if (lose(log))
		return 0;
	record = kzalloc_obj(*record);
	if (!record)
		return -ENOMEM;
	record->raw = *raw;
	set_handle(log, record);
	list_add_tail(&record->node, &log->records);
	log->nr++;
	return 0;
}

static void init_record(struct mock_dcd *dcd, struct cxl_event_record_raw *raw,
			u8 type)
{
	u32 held = min(dcd->nr_held, dcd->extents_max);
	struct cxl_event_dc *dc = to_dc(raw);

	*raw = (struct cxl_event_record_raw) { .id = CXL_EVENT_DC_UUID };
	dc->hdr.length = sizeof(*raw);
	dc->hdr.timestamp = cpu_to_le64(ktime_get_real_ns());
	dc->event_type = type;
	dc->validity_flags = CXL_DC_EVENT_EXTENTS_AVAIL_VALID |
			     CXL_DC_EVENT_TAGS_AVAIL_VALID;
	dc->extents_available = cpu_to_le32(dcd->extents_max - held);
	dc->tags_available = cpu_to_le32(dcd->tags_max);
}

/**
 * mock_dcd_log_extent() - put a record that names an extent into the log
 * @dcd: the device, locked
 * @type: see enum cxl_dc_event_type
 * @more: set More
 * @extent: what it names
 *
 * Return: 0 or -ENOMEM
 */
int mock_dcd_log_extent(struct mock_dcd *dcd, u8 type, bool more,
			const struct mock_dcd_extent *extent)
{
	struct cxl_event_record_raw raw;
	struct cxl_event_dc *dc = to_dc(&raw);

	init_record(dcd, &raw, type);
	dc->flags = more ? CXL_DC_EVENT_MORE : 0;
	dc->extent = (struct cxl_dc_extent) {
		.start_dpa = cpu_to_le64(extent->start),
		.length = cpu_to_le64(extent->len),
		.tag = extent->tag,
		.shared_seq = cpu_to_le16(extent->seq),
	};
	return mock_dcd_log_raw(dcd, &raw);
}

/**
 * mock_dcd_log_updated() - say that the configuration of a partition has changed
 * @dcd: the device, locked
 * @index: of the partition
 *
 * Return: 0 or -ENOMEM
 */
int mock_dcd_log_updated(struct mock_dcd *dcd, u8 index)
{
	struct cxl_event_record_raw raw;

	init_record(dcd, &raw, CXL_DC_CONFIG_UPDATED);
	to_dc(&raw)->updated_region_index = index;
	return mock_dcd_log_raw(dcd, &raw);
}

/**
 * mock_dcd_log_pending() - the log's bit of the event status register
 * @dcd: the device, locked
 *
 * Return: true when there is something to be read, as far as it does not lie
 */
bool mock_dcd_log_pending(struct mock_dcd *dcd)
{
	if (dcd->quirks.no_status)
		return false;
	return dcd->log.nr || dcd->log.overflow || dcd->quirks.status;
}

static void log_drop(struct mock_dcd_log *log, struct mock_dcd_record *record)
{
	list_del(&record->node);
	log->nr--;
	kfree(record);
}

/**
 * mock_dcd_log_forget() - empty the log
 * @dcd: the device, locked
 */
void mock_dcd_log_forget(struct mock_dcd *dcd)
{
	struct mock_dcd_record *record, *next;

	list_for_each_entry_safe(record, next, &dcd->log.records, node)
		log_drop(&dcd->log, record);
	dcd->log.overflow = 0;
	dcd->log.lose = 0;
}

static void tell_overflow(struct mock_dcd_log *log,
			  struct cxl_get_event_payload *out)
{
	if (!log->overflow)
		return;
	out->flags |= CXL_GET_EVENT_FLAG_OVERFLOW;
	out->overflow_err_count = cpu_to_le16(log->overflow);
	out->first_overflow_timestamp = cpu_to_le64(log->first_lost);
	out->last_overflow_timestamp = cpu_to_le64(log->last_lost);
}

/**
 * mock_dcd_get_records() - Get Event Records (Opcode 0100h) of the DC log
 * @dcd: the device, locked
 * @cmd: the command
 *
 * Return: return code
 */
u16 mock_dcd_get_records(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd)
{
	struct cxl_get_event_payload *out = cmd->payload_out;
	struct mock_dcd_log *log = &dcd->log;
	struct mock_dcd_record *record;
	size_t max, nr = 0;

	if (cmd->size_out < struct_size(out, records, 0))
		return CXL_MBOX_CMD_RC_PAYLOADLEN;
	max = (cmd->size_out - struct_size(out, records, 0)) /
	      sizeof(out->records[0]);
	memset(out, 0, struct_size(out, records, 0));
	list_for_each_entry(record, &log->records, node) {
		if (nr == max) {
			out->flags |= CXL_GET_EVENT_FLAG_MORE_RECORDS;
			break;
		}
		out->records[nr] = record->raw;
		if (dcd->quirks.record_more)
			to_dc(&out->records[nr])->flags |= CXL_DC_EVENT_MORE;
		nr++;
	}
	tell_overflow(log, out);
	/* nothing will be cleared, so the host knows now */
	if (!nr)
		log->overflow = 0;
	out->record_count = cpu_to_le16(nr);
	if (dcd->quirks.record_count != MOCK_DCD_HONEST)
		out->record_count = cpu_to_le16(dcd->quirks.record_count);
	cmd->size_out = struct_size(out, records, nr);
	return CXL_MBOX_CMD_RC_SUCCESS;
}

/* Are these the oldest records, in their order? */
static bool check_handles(struct mock_dcd_log *log,
			  const struct cxl_mbox_clear_event_payload *in)
{
	struct mock_dcd_record *record;
	int i = 0;

	list_for_each_entry(record, &log->records, node) {
		if (i == in->nr_recs)
			break;
		if (record->raw.event.generic.hdr.handle != in->handles[i])
			return false;
		i++;
	}
	return i == in->nr_recs;
}

static void clear_oldest(struct mock_dcd *dcd, u32 nr)
{
	struct mock_dcd_log *log = &dcd->log;

	while (nr--) {
		struct mock_dcd_record *record;

		record = list_first_entry(&log->records, typeof(*record), node);
		if (!dcd->quirks.refill) {
			log_drop(log, record);
			continue;
		}
		set_handle(log, record);
		list_move_tail(&record->node, &log->records);
	}
	log->overflow = 0;
}

/**
 * mock_dcd_clear_records() - Clear Event Records (Opcode 0101h) of the DC log
 * @dcd: the device, locked
 * @cmd: the command
 *
 * Return: return code
 */
u16 mock_dcd_clear_records(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_clear_event_payload *in = cmd->payload_in;

	if (cmd->size_in < sizeof(*in) ||
	    cmd->size_in != struct_size(in, handles, in->nr_recs)) {
		mock_dcd_fault(dcd, MOCK_DCD_LENGTH, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_PAYLOADLEN;
	}
	if (in->clear_flags & BIT(0)) {
		clear_oldest(dcd, dcd->log.nr);
		return CXL_MBOX_CMD_RC_SUCCESS;
	}
	if (!in->nr_recs || !check_handles(&dcd->log, in)) {
		mock_dcd_fault(dcd, MOCK_DCD_HANDLE, cmd, 0, 0);
		return in->nr_recs ? CXL_MBOX_CMD_RC_HANDLE :
				     CXL_MBOX_CMD_RC_INPUT;
	}
	clear_oldest(dcd, in->nr_recs);
	return CXL_MBOX_CMD_RC_SUCCESS;
}
