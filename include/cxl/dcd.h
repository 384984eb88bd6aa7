/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CXL Dynamic Capacity: the layouts and constants of the wire
 *
 * Everything here is little-endian and stands in CXL 3.1 8.2.9.9.9 (8.2.10.9.9
 * in CXL 3.2 and 4.0), except for the event record, which stands in 8.2.9.2.1.6.
 */
#ifndef __CXL_DCD_H__
#define __CXL_DCD_H__

#include <linux/sizes.h>
#include <linux/types.h>
#include <linux/uuid.h>
#include <cxl/event.h>

/* The most DC regions ("partitions" in Linux terms) that a device has */
#define CXL_DC_PARTITIONS_MAX		8

/* The decode length of a partition counts in these units */
#define CXL_DC_DECODE_UNIT		SZ_256M

/* CXL 3.1 8.2.9.9.9.1 Get Dynamic Capacity Configuration (Opcode 4800h) */
struct cxl_mbox_get_dc_config_in {
	u8 region_count;
	u8 start_region_index;
} __packed;

#define CXL_DC_REGION_SANITIZE_ON_RELEASE	BIT(0)

struct cxl_mbox_dc_region {
	__le64 base;
	__le64 decode_length;		/* in units of CXL_DC_DECODE_UNIT */
	__le64 length;			/* bytes */
	__le64 block_size;		/* bytes */
	__le32 dsmad_handle;
	u8 flags;
	u8 reserved[3];
} __packed;

struct cxl_mbox_get_dc_config_out {
	u8 regions_available;
	u8 regions_returned;
	u8 reserved[6];
	struct cxl_mbox_dc_region region[];
} __packed;

/* Follows the last returned region; older devices leave it out */
struct cxl_mbox_dc_config_trailer {
	__le32 extents_supported;
	__le32 extents_available;
	__le32 tags_supported;
	__le32 tags_available;
} __packed;

/* CXL 3.1 Table 8-51 Dynamic Capacity Extent */
struct cxl_dc_extent {
	__le64 start_dpa;
	__le64 length;			/* bytes */
	uuid_t tag;
	__le16 shared_seq;
	u8 reserved[6];
} __packed;

/* CXL 3.1 8.2.9.9.9.2 Get Dynamic Capacity Extent List (Opcode 4801h) */
struct cxl_mbox_get_dc_extents_in {
	__le32 extent_count;
	__le32 start_extent_index;
} __packed;

struct cxl_mbox_get_dc_extents_out {
	__le32 returned;
	__le32 total;
	__le32 generation;
	u8 reserved[4];
	struct cxl_dc_extent extent[];
} __packed;

/*
 * CXL 3.1 8.2.9.9.9.3 Add Dynamic Capacity Response (Opcode 4802h)
 * CXL 3.1 8.2.9.9.9.4 Release Dynamic Capacity (Opcode 4803h)
 */
#define CXL_DC_EXTENTS_MORE		BIT(0)

struct cxl_mbox_dc_extents_in {
	__le32 nr_extents;
	u8 flags;
	u8 reserved[3];
	struct cxl_mbox_dc_extent_entry {
		__le64 start_dpa;
		__le64 length;		/* bytes */
		u8 reserved[8];
	} __packed extent[];
} __packed;

/*
 * Dynamic Capacity Event Record
 * CXL 3.1 8.2.9.2.1.6, Table 8-50
 */
#define CXL_EVENT_DC_UUID						\
	UUID_INIT(0xca95afa7, 0xf183, 0x4018, 0x8c, 0x2f, 0x95, 0x26,	\
		  0x8e, 0x10, 0x1a, 0x2a)

enum cxl_dc_event_type {
	CXL_DC_ADD_CAPACITY		= 0,
	CXL_DC_RELEASE_CAPACITY		= 1,
	CXL_DC_FORCED_RELEASE		= 2,
	CXL_DC_CONFIG_UPDATED		= 3,
	/* for fabric managers only */
	CXL_DC_ADD_RESPONSE		= 4,
	CXL_DC_CAPACITY_RELEASED	= 5,
};

#define CXL_DC_EVENT_EXTENTS_AVAIL_VALID	BIT(0)
#define CXL_DC_EVENT_TAGS_AVAIL_VALID		BIT(1)
#define CXL_DC_EVENT_MORE			BIT(0)

struct cxl_event_dc {
	struct cxl_event_record_hdr hdr;
	u8 event_type;
	u8 validity_flags;
	__le16 host_id;
	u8 updated_region_index;
	u8 flags;
	u8 reserved1[2];
	struct cxl_dc_extent extent;
	u8 reserved2[0x18];
	__le32 extents_available;
	__le32 tags_available;
} __packed;

static_assert(sizeof(struct cxl_mbox_dc_region) == 0x28);
static_assert(sizeof(struct cxl_dc_extent) == 0x28);
static_assert(sizeof(struct cxl_mbox_dc_extent_entry) == 0x18);
static_assert(sizeof(struct cxl_event_dc) == sizeof(union cxl_event));

#endif /* __CXL_DCD_H__ */
