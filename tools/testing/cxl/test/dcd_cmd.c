// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test's mock DCD: mailbox commands
 *
 * A command is all or nothing, and what a host must not do is answered by the return
 * code that the specification has for it, counted, and told in one line. A response
 * that comes in parts takes effect with its last one; a part that fails ends it, and
 * the offer still waits for an answer. CXL 3.1 8.2.9.9.9.
 */
#include <linux/align.h>
#include <linux/device.h>
#include <linux/overflow.h>
#include "dcd.h"

static const char * const fault_names[MOCK_DCD_NR_FAULTS] = {
	[MOCK_DCD_NONE_PENDING] = "none-pending",
	[MOCK_DCD_ORDER] = "order",
	[MOCK_DCD_DOUBLE] = "double",
	[MOCK_DCD_NOT_OFFERED] = "not-offered",
	[MOCK_DCD_NOT_HELD] = "not-held",
	[MOCK_DCD_LIST] = "list",
	[MOCK_DCD_LENGTH] = "length",
	[MOCK_DCD_INDEX] = "index",
	[MOCK_DCD_UNFINISHED] = "unfinished",
	[MOCK_DCD_TAG_SPLIT] = "tag-split",
	[MOCK_DCD_HANDLE] = "handle",
};

/**
 * mock_dcd_fault_name() - the name of a kind of fault
 * @fault: the kind
 *
 * Return: one word
 */
const char *mock_dcd_fault_name(enum mock_dcd_fault fault)
{
	return fault_names[fault];
}

/**
 * mock_dcd_fault() - the host has done what it must not do
 * @dcd: the device, locked
 * @fault: what
 * @cmd: by which command
 * @start: DPA of the extent, if it is about one
 * @len: bytes
 */
void mock_dcd_fault(struct mock_dcd *dcd, enum mock_dcd_fault fault,
		    const struct cxl_mbox_cmd *cmd, u64 start, u64 len)
{
	dcd->faults[fault]++;
	dev_warn_ratelimited(dcd->dev,
			     "protocol fault of the host: %04xh DPA %#llx length %#llx: %s\n",
			     cmd->opcode, start, len, fault_names[fault]);
}

static bool overlaps_earlier(const struct cxl_mbox_dc_extents_in *in, u32 nr)
{
	u64 start = le64_to_cpu(in->extent[nr].start_dpa);
	u64 end = start + le64_to_cpu(in->extent[nr].length);

	for (u32 i = 0; i < nr; i++) {
		u64 other = le64_to_cpu(in->extent[i].start_dpa);

		if (other < end &&
		    start < other + le64_to_cpu(in->extent[i].length))
			return true;
	}
	return false;
}

/* Length of the payload, and what can be said of the list for itself */
static u16 check_list(struct mock_dcd *dcd, const struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_dc_extents_in *in = cmd->payload_in;

	if (cmd->size_in < sizeof(*in) ||
	    cmd->size_in != struct_size(in, extent, le32_to_cpu(in->nr_extents))) {
		mock_dcd_fault(dcd, MOCK_DCD_LENGTH, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_PAYLOADLEN;
	}
	for (u32 i = 0; i < le32_to_cpu(in->nr_extents); i++) {
		u64 start = le64_to_cpu(in->extent[i].start_dpa);
		u64 len = le64_to_cpu(in->extent[i].length);
		const struct mock_dcd_partition *part;

		part = mock_dcd_find_partition(dcd, start, len);
		if (!part) {
			mock_dcd_fault(dcd, MOCK_DCD_NOT_OFFERED, cmd, start, len);
			return CXL_MBOX_CMD_RC_PADDR;
		}
		if (!IS_ALIGNED(start | len, part->block) ||
		    overlaps_earlier(in, i)) {
			mock_dcd_fault(dcd, MOCK_DCD_LIST, cmd, start, len);
			return CXL_MBOX_CMD_RC_EXTLIST;
		}
	}
	return CXL_MBOX_CMD_RC_SUCCESS;
}

/* Why an extent is not one that the host may name now */
static u16 not_nameable(struct mock_dcd *dcd, const struct cxl_mbox_cmd *cmd,
			u64 start, u64 len)
{
	struct mock_dcd_group *group;

	list_for_each_entry(group, &dcd->offers, node) {
		if (!mock_dcd_find_offered(group, NULL, start, len))
			continue;
		mock_dcd_fault(dcd, MOCK_DCD_ORDER, cmd, start, len);
		return CXL_MBOX_CMD_RC_INPUT;
	}
	mock_dcd_fault(dcd, mock_dcd_is_held(dcd, start, len) ?
		       MOCK_DCD_DOUBLE : MOCK_DCD_NOT_OFFERED, cmd, start, len);
	return CXL_MBOX_CMD_RC_PADDR;
}

static u16 name_extent(struct mock_dcd *dcd, struct mock_dcd_group *group,
		       const struct cxl_mbox_cmd *cmd, u64 start, u64 len)
{
	struct mock_dcd_extent *extent;

	extent = mock_dcd_find_offered(group, group->cursor, start, len);
	if (!extent)
		return not_nameable(dcd, cmd, start, len);
	/* offered once more while it is held: no fault of the host */
	if (mock_dcd_first_held(dcd, start, len))
		return CXL_MBOX_CMD_RC_PADDR;
	if (!mock_dcd_name(group, extent)) {
		mock_dcd_fault(dcd, MOCK_DCD_LIST, cmd, start, len);
		return CXL_MBOX_CMD_RC_EXTLIST;
	}
	return CXL_MBOX_CMD_RC_SUCCESS;
}

/* One part of an answer to the oldest offer: marks what it names */
static u16 name_extents(struct mock_dcd *dcd, struct mock_dcd_group *group,
			const struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_dc_extents_in *in = cmd->payload_in;
	u32 nr = le32_to_cpu(in->nr_extents);

	if (!nr && in->flags & CXL_DC_EXTENTS_MORE) {
		mock_dcd_fault(dcd, MOCK_DCD_LIST, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_INPUT;
	}
	for (u32 i = 0; i < nr; i++) {
		u16 rc = name_extent(dcd, group, cmd,
				     le64_to_cpu(in->extent[i].start_dpa),
				     le64_to_cpu(in->extent[i].length));

		if (rc)
			return rc;
	}
	if (dcd->nr_held + group->nr_named > dcd->extents_max)
		return CXL_MBOX_CMD_RC_RESOURCEEXHAUSTED;
	return CXL_MBOX_CMD_RC_SUCCESS;
}

/* Add Dynamic Capacity Response (Opcode 4802h) */
static u16 add_response(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_dc_extents_in *in = cmd->payload_in;
	struct mock_dcd_group *group = mock_dcd_oldest_offer(dcd);
	u16 rc = check_list(dcd, cmd);

	if (!rc && !group) {
		mock_dcd_fault(dcd, MOCK_DCD_NONE_PENDING, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_INPUT;
	}
	if (!rc)
		rc = name_extents(dcd, group, cmd);
	if (rc && group)
		mock_dcd_unname(group);
	else if (!rc && !(in->flags & CXL_DC_EXTENTS_MORE))
		mock_dcd_accept(dcd, group);
	return rc;
}

/* A tagged extent goes back whole */
static void check_tag_split(struct mock_dcd *dcd, const struct cxl_mbox_cmd *cmd,
			    u64 start, u64 len)
{
	struct mock_dcd_extent *extent;

	for (extent = mock_dcd_first_held(dcd, start, len); extent;
	     extent = mock_dcd_next_held(extent, start, len))
		if (!uuid_is_null(&extent->tag) &&
		    (extent->start < start ||
		     extent->start + extent->len > start + len))
			mock_dcd_fault(dcd, MOCK_DCD_TAG_SPLIT, cmd, start, len);
}

static u16 check_release(struct mock_dcd *dcd, const struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_dc_extents_in *in = cmd->payload_in;
	u32 nr = le32_to_cpu(in->nr_extents);

	if (!nr) {
		mock_dcd_fault(dcd, MOCK_DCD_LIST, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_INPUT;
	}
	for (u32 i = 0; i < nr; i++) {
		u64 start = le64_to_cpu(in->extent[i].start_dpa);
		u64 len = le64_to_cpu(in->extent[i].length);

		if (!mock_dcd_is_held(dcd, start, len)) {
			mock_dcd_fault(dcd, MOCK_DCD_NOT_HELD, cmd, start, len);
			return CXL_MBOX_CMD_RC_PADDR;
		}
	}
	/* an extent that is cut in two needs one entry more */
	return dcd->nr_held > dcd->extents_max ?
	       CXL_MBOX_CMD_RC_RESOURCEEXHAUSTED : CXL_MBOX_CMD_RC_SUCCESS;
}

/* Release Dynamic Capacity (Opcode 4803h) */
static u16 release(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_dc_extents_in *in = cmd->payload_in;
	u16 rc = check_list(dcd, cmd);

	if (!rc)
		rc = check_release(dcd, cmd);
	if (rc)
		return rc;
	for (u32 i = 0; i < le32_to_cpu(in->nr_extents); i++) {
		u64 start = le64_to_cpu(in->extent[i].start_dpa);
		u64 len = le64_to_cpu(in->extent[i].length);

		check_tag_split(dcd, cmd, start, len);
		if (mock_dcd_take(dcd, start, len))
			return CXL_MBOX_CMD_RC_INTERNAL;
	}
	return CXL_MBOX_CMD_RC_SUCCESS;
}

static void fill_region(const struct mock_dcd_partition *part,
			struct cxl_mbox_dc_region *region)
{
	*region = (struct cxl_mbox_dc_region) {
		.base = cpu_to_le64(part->base),
		.decode_length = cpu_to_le64(DIV_ROUND_UP(part->len,
							  CXL_DC_DECODE_UNIT)),
		.length = cpu_to_le64(part->len),
		.block_size = cpu_to_le64(part->block),
		.dsmad_handle = cpu_to_le32(part->handle),
	};
}

static void fill_trailer(const struct mock_dcd *dcd, void *trailer)
{
	struct cxl_mbox_dc_config_trailer *out = trailer;

	*out = (struct cxl_mbox_dc_config_trailer) {
		.extents_supported = cpu_to_le32(dcd->extents_max),
		.extents_available = cpu_to_le32(dcd->extents_max -
						 min(dcd->nr_held,
						     dcd->extents_max)),
		.tags_supported = cpu_to_le32(dcd->tags_max),
		.tags_available = cpu_to_le32(dcd->tags_max),
	};
}

/* Get Dynamic Capacity Configuration (Opcode 4800h) */
static u16 get_config(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_get_dc_config_in *in = cmd->payload_in;
	struct cxl_mbox_get_dc_config_out *out = cmd->payload_out;
	size_t trailer = dcd->quirks.config_short ? 0 :
			 sizeof(struct cxl_mbox_dc_config_trailer);
	const struct mock_dcd_quirks *quirks = &dcd->quirks;
	u32 nr;

	if (cmd->size_in != sizeof(*in) ||
	    cmd->size_out < struct_size(out, region, 1) + trailer) {
		mock_dcd_fault(dcd, MOCK_DCD_LENGTH, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_PAYLOADLEN;
	}
	if (in->start_region_index >= dcd->nr_parts) {
		mock_dcd_fault(dcd, MOCK_DCD_INDEX, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_INPUT;
	}
	nr = (cmd->size_out - sizeof(*out) - trailer) / sizeof(out->region[0]);
	nr = min3(nr, (u32)in->region_count,
		  dcd->nr_parts - in->start_region_index);
	memset(out, 0, sizeof(*out));
	for (u32 i = 0; i < nr; i++)
		fill_region(&dcd->part[in->start_region_index + i],
			    &out->region[i]);
	if (trailer)
		fill_trailer(dcd, &out->region[nr]);
	out->regions_available = quirks->config_available == MOCK_DCD_HONEST ?
				 dcd->nr_parts : quirks->config_available;
	out->regions_returned = quirks->config_returned == MOCK_DCD_HONEST ?
				nr : quirks->config_returned;
	cmd->size_out = struct_size(out, region, nr) + trailer;
	return CXL_MBOX_CMD_RC_SUCCESS;
}

static u32 fill_list(struct mock_dcd *dcd, struct cxl_dc_extent *out, u32 first,
		     u32 max)
{
	struct mock_dcd_extent *extent = NULL;
	u32 nr = 0;

	while (nr < max && (extent = mock_dcd_held_at(dcd, extent))) {
		if (first) {
			first--;
			continue;
		}
		out[nr++] = (struct cxl_dc_extent) {
			.start_dpa = cpu_to_le64(extent->start),
			.length = cpu_to_le64(extent->len),
			.tag = extent->tag,
			.shared_seq = cpu_to_le16(extent->seq),
		};
	}
	return nr;
}

/* Get Dynamic Capacity Extent List (Opcode 4801h) */
static u16 get_list(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd)
{
	const struct cxl_mbox_get_dc_extents_in *in = cmd->payload_in;
	struct cxl_mbox_get_dc_extents_out *out = cmd->payload_out;
	const struct mock_dcd_quirks *quirks = &dcd->quirks;
	u32 nr;

	if (cmd->size_in != sizeof(*in) || cmd->size_out < sizeof(*out)) {
		mock_dcd_fault(dcd, MOCK_DCD_LENGTH, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_PAYLOADLEN;
	}
	if (le32_to_cpu(in->start_extent_index) > dcd->nr_held) {
		mock_dcd_fault(dcd, MOCK_DCD_INDEX, cmd, 0, 0);
		return CXL_MBOX_CMD_RC_INPUT;
	}
	nr = (cmd->size_out - sizeof(*out)) / sizeof(out->extent[0]);
	nr = fill_list(dcd, out->extent, le32_to_cpu(in->start_extent_index),
		       min(nr, le32_to_cpu(in->extent_count)));
	if (quirks->list_unsettled)
		dcd->generation++;
	memset(out, 0, sizeof(*out));
	out->returned = cpu_to_le32(quirks->list_returned == MOCK_DCD_HONEST ?
				    nr : quirks->list_returned);
	out->total = cpu_to_le32(quirks->list_total == MOCK_DCD_HONEST ?
				 dcd->nr_held : quirks->list_total);
	out->generation = cpu_to_le32(dcd->generation);
	cmd->size_out = struct_size(out, extent, nr);
	return CXL_MBOX_CMD_RC_SUCCESS;
}

static bool is_dc_log(const struct cxl_mbox_cmd *cmd)
{
	return cmd->size_in && *(const u8 *)cmd->payload_in == CXL_EVENT_TYPE_DCD;
}

/**
 * mock_dcd_process() - process a command of Dynamic Capacity
 * @dcd: the device, locked
 * @cmd: the command
 *
 * Return: false when the command is not about Dynamic Capacity
 */
bool mock_dcd_process(struct mock_dcd *dcd, struct cxl_mbox_cmd *cmd)
{
	struct mock_dcd_group *group = mock_dcd_oldest_offer(dcd);

	if (group && group->nr_named &&
	    (cmd->opcode == CXL_MBOX_OP_GET_DC_EXTENT_LIST ||
	     cmd->opcode == CXL_MBOX_OP_RELEASE_DC))
		mock_dcd_fault(dcd, MOCK_DCD_UNFINISHED, cmd, 0, 0);

	switch (cmd->opcode) {
	case CXL_MBOX_OP_GET_DC_CONFIG:
		cmd->return_code = get_config(dcd, cmd);
		return true;
	case CXL_MBOX_OP_GET_DC_EXTENT_LIST:
		cmd->return_code = get_list(dcd, cmd);
		return true;
	case CXL_MBOX_OP_ADD_DC_RESPONSE:
		cmd->return_code = add_response(dcd, cmd);
		return true;
	case CXL_MBOX_OP_RELEASE_DC:
		cmd->return_code = release(dcd, cmd);
		return true;
	case CXL_MBOX_OP_GET_EVENT_RECORD:
		if (!is_dc_log(cmd))
			return false;
		cmd->return_code = mock_dcd_get_records(dcd, cmd);
		return true;
	case CXL_MBOX_OP_CLEAR_EVENT_RECORD:
		if (!is_dc_log(cmd))
			return false;
		cmd->return_code = mock_dcd_clear_records(dcd, cmd);
		return true;
	}
	return false;
}
