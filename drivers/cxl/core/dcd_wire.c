// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic Capacity on the wire: bytes to structures and back
 *
 * This knows byte order and payload sizes, and no policy. Whatever the device
 * says of its own output (how many entries it returned, how many there are) is
 * bounded by the buffer and by what was asked before anything is read.
 */
#include <kunit/visibility.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <cxlmem.h>
#include "dcd.h"

/* An extent list that changes under the reader is read again from the start, so often */
#define CXL_DC_LIST_RETRIES	8

/* Enough for 100,000 extents in mailbox payloads of 256 bytes */
#define CXL_DC_LIST_COMMANDS	20000

static int send_once(struct cxl_dc_wire *wire, struct cxl_mbox_cmd *cmd)
{
	wire->commands[cmd->opcode & 0xf]++;
	return cxl_internal_send_cmd(wire->mbox, cmd);
}

static int dc_command(struct cxl_dc_wire *wire, struct cxl_mbox_cmd *cmd)
{
	struct cxl_mbox_cmd retry = *cmd;
	int rc = send_once(wire, cmd);

	if (!rc || cmd->return_code != CXL_MBOX_CMD_RC_RETRY)
		return rc;

	/* CXL 3.1 8.2.8.4.5.1: a temporary error, retry once */
	*cmd = retry;
	return send_once(wire, cmd);
}

/**
 * cxl_dc_wire_init() - reserve what the commands need
 * @wire: to be initialized
 * @mbox: the device's mailbox; its payload size is known
 *
 * Responses must not fail for want of memory, so their payload is allocated here.
 *
 * Return: 0 or -ENOMEM
 */
int cxl_dc_wire_init(struct cxl_dc_wire *wire, struct cxl_mailbox *mbox)
{
	*wire = (struct cxl_dc_wire) {
		.mbox = mbox,
		.payload = kvmalloc(mbox->payload_size, GFP_KERNEL),
	};
	return wire->payload ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_dc_wire_init);

/**
 * cxl_dc_wire_exit() - undo cxl_dc_wire_init()
 * @wire: not used any more
 */
void cxl_dc_wire_exit(struct cxl_dc_wire *wire)
{
	kvfree(wire->payload);
	wire->payload = NULL;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_dc_wire_exit);

/* One part of an extent list: 0, negative errno, or the device's return code */
static int send_part(struct cxl_dc_wire *wire, u16 opcode, u32 nr, bool more)
{
	struct cxl_mbox_dc_extents_in *in = wire->payload;
	struct cxl_mbox_cmd cmd = {
		.opcode = opcode,
		.payload_in = in,
		.size_in = struct_size(in, extent, nr),
	};
	int rc;

	in->nr_extents = cpu_to_le32(nr);
	in->flags = more ? CXL_DC_EXTENTS_MORE : 0;
	memset(in->reserved, 0, sizeof(in->reserved));
	/* a part of an answer is not repeated alone, see cxl_dc_send_extents() */
	if (opcode == CXL_MBOX_OP_ADD_DC_RESPONSE)
		rc = send_once(wire, &cmd);
	else
		rc = dc_command(wire, &cmd);
	if (rc && cmd.return_code != CXL_MBOX_CMD_RC_SUCCESS)
		return cmd.return_code;
	return rc;
}

static int send_parts(struct cxl_dc_wire *wire, u16 opcode,
		      const struct list_head *answers)
{
	struct cxl_mbox_dc_extents_in *in = wire->payload;
	const u32 max = (wire->mbox->payload_size - sizeof(*in)) /
			sizeof(in->extent[0]);
	const struct cxl_extent *extent;
	u32 nr = 0;

	list_for_each_entry(extent, answers, answer) {
		if (nr == max) {
			int rc = send_part(wire, opcode, nr, true);

			if (rc)
				return rc;
			nr = 0;
		}
		in->extent[nr++] = (struct cxl_mbox_dc_extent_entry) {
			.start_dpa = cpu_to_le64(extent->start),
			.length = cpu_to_le64(extent->len),
		};
	}
	return send_part(wire, opcode, nr, false);
}

/**
 * cxl_dc_send_extents() - Add Dynamic Capacity Response or Release
 * @wire: see cxl_dc_wire_init()
 * @opcode: CXL_MBOX_OP_ADD_DC_RESPONSE or CXL_MBOX_OP_RELEASE_DC
 * @answers: extents, linked by ->answer, sent in this order; may be empty
 *
 * Sends as many commands as the payload size makes necessary, all but the last
 * with More set. The first that fails is the last. CXL 3.1 8.2.9.9.9.3 and .4.
 *
 * A part of an answer that fails ends it, and what the parts before it named is
 * forgotten: when the device wants it again, the answer starts anew.
 *
 * Return: 0, a negative errno when a command got no answer, else the device's
 * return code
 */
int cxl_dc_send_extents(struct cxl_dc_wire *wire, u16 opcode,
			const struct list_head *answers)
{
	int rc = send_parts(wire, opcode, answers);

	if (rc == CXL_MBOX_CMD_RC_RETRY && opcode == CXL_MBOX_OP_ADD_DC_RESPONSE)
		rc = send_parts(wire, opcode, answers);
	return rc;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_dc_send_extents);

/* Read the part of the extent list from @start: number of extents or errno */
static int read_part(struct cxl_dc_wire *wire, u32 start, u32 *total, u32 *gen)
{
	struct cxl_mbox_get_dc_extents_out *out = wire->payload;
	const u32 max = (wire->mbox->payload_size - sizeof(*out)) /
			sizeof(out->extent[0]);
	struct cxl_mbox_get_dc_extents_in in = {
		.extent_count = cpu_to_le32(max),
		.start_extent_index = cpu_to_le32(start),
	};
	struct cxl_mbox_cmd cmd = {
		.opcode = CXL_MBOX_OP_GET_DC_EXTENT_LIST,
		.payload_in = &in,
		.size_in = sizeof(in),
		.payload_out = out,
		.size_out = struct_size(out, extent, max),
		.min_out = sizeof(*out),
	};
	u32 returned;
	int rc;

	rc = dc_command(wire, &cmd);
	if (rc)
		return rc;
	*total = le32_to_cpu(out->total);
	*gen = le32_to_cpu(out->generation);
	returned = le32_to_cpu(out->returned);
	if (returned > (cmd.size_out - sizeof(*out)) / sizeof(out->extent[0]))
		return -EPROTO;
	return returned;
}

/* One pass over the list: -EAGAIN when it changed meanwhile */
static int read_list(struct cxl_dc_wire *wire, struct cxl_extent_list *list)
{
	struct cxl_mbox_get_dc_extents_out *out = wire->payload;
	u32 total, gen, first_total = 0, first_gen = 0, commands = 0;
	int nr;

	do {
		/* one that trickles its list is not listened to for ever */
		if (commands++ == CXL_DC_LIST_COMMANDS)
			return -EPROTO;
		nr = read_part(wire, list->nr, &total, &gen);
		if (nr < 0)
			return nr;
		if (!list->nr) {
			if (total > CXL_EXTENTS_MAX)
				return -EPROTO;
			kvfree(list->extent);
			list->extent = kvmalloc_objs(*list->extent, total);
			if (!list->extent)
				return -ENOMEM;
			first_total = total;
			first_gen = gen;
		}
		if (total != first_total || gen != first_gen)
			return -EAGAIN;
		if (nr > total - list->nr)
			return -EPROTO;
		memcpy(&list->extent[list->nr], out->extent,
		       array_size(nr, sizeof(out->extent[0])));
		list->nr += nr;
	} while (nr && list->nr < total);

	return list->nr == total ? 0 : -EPROTO;
}

/**
 * cxl_dc_read_extents() - Get Dynamic Capacity Extent List
 * @wire: see cxl_dc_wire_init()
 * @list: filled in on success, to be freed by kvfree(list->extent)
 *
 * Reads in as many commands as it takes, and again from the start when the list
 * changes meanwhile. CXL 3.1 8.2.9.9.9.2.
 *
 * Return: 0; -EPROTO when the device contradicts itself; -EBUSY when the list
 * never settles; -ENOMEM; or what the mailbox says
 */
int cxl_dc_read_extents(struct cxl_dc_wire *wire, struct cxl_extent_list *list)
{
	int rc = -EAGAIN;

	*list = (struct cxl_extent_list) {};
	for (int i = 0; rc == -EAGAIN && i < CXL_DC_LIST_RETRIES; i++) {
		list->nr = 0;
		rc = read_list(wire, list);
	}
	if (rc) {
		kvfree(list->extent);
		*list = (struct cxl_extent_list) {};
	}
	return rc == -EAGAIN ? -EBUSY : rc;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_dc_read_extents);

static bool decode_region(const struct cxl_mbox_dc_region *region,
			  struct cxl_dc_partition *part)
{
	u64 decode = le64_to_cpu(region->decode_length);
	u64 base = le64_to_cpu(region->base);
	u64 len = le64_to_cpu(region->length);
	u64 block = le64_to_cpu(region->block_size);
	u32 handle = le32_to_cpu(region->dsmad_handle);

	if (!len || decode > U64_MAX / CXL_DC_DECODE_UNIT ||
	    len > decode * CXL_DC_DECODE_UNIT || base > U64_MAX - len)
		return false;
	if (!is_power_of_2(block) || block < SZ_64 || len & (block - 1))
		return false;
	if (base & (CXL_DC_DECODE_UNIT - 1) || base & (block - 1) ||
	    handle > U8_MAX)
		return false;

	*part = (struct cxl_dc_partition) {
		.dpa = DEFINE_RANGE(base, base + len - 1),
		.block_size = block,
		.handle = handle,
	};
	return true;
}

static void decode_trailer(struct cxl_dc_config *config, const void *trailer)
{
	const struct cxl_mbox_dc_config_trailer *from = trailer;

	config->extents_supported = le32_to_cpu(from->extents_supported);
	config->tags_supported = le32_to_cpu(from->tags_supported);
}

/* Read the regions from @config->nr on: how many there are, or errno */
static int read_regions(struct cxl_dc_wire *wire, struct cxl_dc_config *config)
{
	struct cxl_mbox_get_dc_config_out *out = wire->payload;
	struct cxl_mbox_get_dc_config_in in = {
		.region_count = CXL_DC_PARTITIONS_MAX - config->nr,
		.start_region_index = config->nr,
	};
	struct cxl_mbox_cmd cmd = {
		.opcode = CXL_MBOX_OP_GET_DC_CONFIG,
		.payload_in = &in,
		.size_in = sizeof(in),
		.payload_out = out,
		.size_out = min_t(size_t, wire->mbox->payload_size,
				  struct_size(out, region, in.region_count) +
				  sizeof(struct cxl_mbox_dc_config_trailer)),
		.min_out = sizeof(*out),
	};
	int rc, nr;

	rc = dc_command(wire, &cmd);
	if (rc)
		return rc;

	nr = out->regions_returned;
	if (!nr || nr > in.region_count ||
	    struct_size(out, region, nr) > cmd.size_out ||
	    out->regions_available > CXL_DC_PARTITIONS_MAX ||
	    config->nr + nr > out->regions_available)
		return -EPROTO;

	for (int i = 0; i < nr; i++) {
		struct cxl_dc_partition *part = &config->part[config->nr];

		if (!decode_region(&out->region[i], part))
			return -EINVAL;
		if (config->nr && part->dpa.start <= part[-1].dpa.end)
			return -EINVAL;
		config->nr++;
	}
	if (struct_size(out, region, nr) +
	    sizeof(struct cxl_mbox_dc_config_trailer) <= cmd.size_out)
		decode_trailer(config, &out->region[nr]);
	return out->regions_available;
}

/**
 * cxl_dc_read_config() - Get Dynamic Capacity Configuration
 * @wire: see cxl_dc_wire_init()
 * @config: filled in on success: all partitions, ascending and disjoint
 *
 * Reads in as many commands as it takes. CXL 3.1 8.2.9.9.9.1.
 *
 * Return: 0; -EPROTO when the device contradicts itself; -EINVAL when a partition
 * is not well formed; or what the mailbox says
 */
int cxl_dc_read_config(struct cxl_dc_wire *wire, struct cxl_dc_config *config)
{
	int available;

	*config = (struct cxl_dc_config) {};
	do {
		available = read_regions(wire, config);
		if (available < 0)
			return available;
	} while (config->nr < available);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_dc_read_config);

/**
 * cxl_dc_decode_record() - the extent of an Add or Release record
 * @dc: as the device sent it
 * @record: filled in; nothing in it is checked
 */
void cxl_dc_decode_record(const struct cxl_event_dc *dc,
			  struct cxl_extent_record *record)
{
	cxl_extent_record_from_list(record, &dc->extent);
	record->more = dc->flags & CXL_DC_EVENT_MORE;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_dc_decode_record);
