// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test's mock DCD: records on demand, from debugfs
 *
 * Nothing is checked but that it can be read: to refuse it is the driver's business.
 */
#include <linux/device.h>
#include <linux/hex.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "dcd.h"

/**
 * mock_dcd_next_word() - the next entry of a list
 * @text: set behind it
 *
 * Return: the entry, or NULL
 */
char *mock_dcd_next_word(char **text)
{
	char *word;

	do {
		word = strsep(text, " \t\n,");
	} while (word && !*word);
	return word;
}

/**
 * mock_dcd_parse_word() - read "<start>:<length>[:<tag>[:<seq>]]"
 * @word: is changed
 * @extent: set
 *
 * Return: 0 or -EINVAL
 */
int mock_dcd_parse_word(char *word, struct mock_dcd_extent *extent)
{
	int rc = mock_dcd_parse_extent(&word, extent);

	if (rc || !word)
		return rc;
	return kstrtou16(word, 0, &extent->seq);
}

static void free_chain(struct list_head *chain)
{
	struct mock_dcd_extent *extent, *next;

	list_for_each_entry_safe(extent, next, chain, node)
		kfree(extent);
}

static int parse_chain(char *text, struct list_head *chain)
{
	struct mock_dcd_extent extent, *copy;
	char *word;

	while ((word = mock_dcd_next_word(&text))) {
		if (mock_dcd_parse_word(word, &extent))
			return -EINVAL;
		copy = mock_dcd_extent_new(&extent);
		if (!copy)
			return -ENOMEM;
		list_add_tail(&copy->node, chain);
	}
	return list_empty(chain) ? -EINVAL : 0;
}

static int send_one(struct mock_dcd *dcd, u8 type, bool more,
		    const struct mock_dcd_extent *extent)
{
	int rc = 0;

	if (type == CXL_DC_ADD_CAPACITY)
		rc = mock_dcd_offer(dcd, extent, more);
	if (type == CXL_DC_FORCED_RELEASE)
		rc = mock_dcd_take(dcd, extent->start, extent->len);
	return rc ?: mock_dcd_log_extent(dcd, type, more, extent);
}

/* Records of one type that More ties together; @more: the last has it, too */
static int send_chain(struct mock_dcd *dcd, char *text, u8 type, bool more)
{
	struct mock_dcd_extent *extent;
	LIST_HEAD(chain);
	int rc = parse_chain(text, &chain);

	guard(mutex)(&dcd->lock);
	list_for_each_entry(extent, &chain, node) {
		if (rc)
			break;
		rc = send_one(dcd, type,
			      more || !list_is_last(&extent->node, &chain),
			      extent);
	}
	free_chain(&chain);
	return rc;
}

/**
 * mock_dcd_chain_write() - offer extents that More ties together
 * @dcd: the device
 * @text: "<start>:<length>[:<tag>[:<seq>]]", one or more
 * @count: bytes of @text
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_chain_write(struct mock_dcd *dcd, char *text, size_t count)
{
	return send_chain(dcd, text, CXL_DC_ADD_CAPACITY, false);
}

/**
 * mock_dcd_open_write() - offer extents, and more to come
 * @dcd: the device
 * @text: like mock_dcd_chain_write(), but the last has More, too
 * @count: bytes of @text
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_open_write(struct mock_dcd *dcd, char *text, size_t count)
{
	return send_chain(dcd, text, CXL_DC_ADD_CAPACITY, true);
}

/**
 * mock_dcd_release_write() - ask for extents back, in one chain
 * @dcd: the device
 * @text: like mock_dcd_chain_write()
 * @count: bytes of @text
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_release_write(struct mock_dcd *dcd, char *text, size_t count)
{
	return send_chain(dcd, text, CXL_DC_RELEASE_CAPACITY, false);
}

/**
 * mock_dcd_force_write() - take extents away, in one chain
 * @dcd: the device
 * @text: like mock_dcd_chain_write()
 * @count: bytes of @text
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_force_write(struct mock_dcd *dcd, char *text, size_t count)
{
	return send_chain(dcd, text, CXL_DC_FORCED_RELEASE, false);
}

/**
 * mock_dcd_event_write() - records of any type
 * @dcd: the device
 * @text: "<type> <extent>...": nothing but the records
 * @count: bytes of @text
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_event_write(struct mock_dcd *dcd, char *text, size_t count)
{
	char *word = mock_dcd_next_word(&text);
	struct mock_dcd_extent extent;
	u8 type;

	if (!word || kstrtou8(word, 0, &type))
		return -EINVAL;
	guard(mutex)(&dcd->lock);
	while ((word = mock_dcd_next_word(&text))) {
		int rc = mock_dcd_parse_word(word, &extent);

		rc = rc ?: mock_dcd_log_extent(dcd, type, false, &extent);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * mock_dcd_emit_write() - a great many offers, More in each
 * @dcd: the device
 * @text: "<n> <start> <length> [<stride>]"
 * @count: bytes of @text
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_emit_write(struct mock_dcd *dcd, char *text, size_t count)
{
	u64 number[4] = {};
	struct mock_dcd_extent extent = {};
	char *word;
	int rc;

	for (int i = 0; i < ARRAY_SIZE(number); i++) {
		word = mock_dcd_next_word(&text);
		if (word ? kstrtou64(word, 0, &number[i]) : i < 3)
			return -EINVAL;
	}
	guard(mutex)(&dcd->lock);
	extent.start = number[1];
	extent.len = number[2];
	for (u64 i = 0; i < number[0]; i++) {
		rc = send_one(dcd, CXL_DC_ADD_CAPACITY, true, &extent);
		if (rc)
			return rc;
		extent.start += number[3];
	}
	return 0;
}

static int offer_raw(struct mock_dcd *dcd,
		     const struct cxl_event_record_raw *raw)
{
	const struct cxl_event_dc *dc = (struct cxl_event_dc *)&raw->event;
	struct mock_dcd_extent extent = {
		.start = le64_to_cpu(dc->extent.start_dpa),
		.len = le64_to_cpu(dc->extent.length),
		.tag = dc->extent.tag,
		.seq = le16_to_cpu(dc->extent.shared_seq),
	};

	if (!uuid_equal(&raw->id, &CXL_EVENT_DC_UUID) ||
	    dc->event_type != CXL_DC_ADD_CAPACITY)
		return 0;
	return mock_dcd_offer(dcd, &extent, dc->flags & CXL_DC_EVENT_MORE);
}

/**
 * mock_dcd_record_write() - a raw record
 * @dcd: the device
 * @text: 128 bytes, or twice as many hexadecimal digits
 * @count: bytes of @text
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_record_write(struct mock_dcd *dcd, char *text, size_t count)
{
	struct cxl_event_record_raw raw;
	int rc;

	if (count == sizeof(raw)) {
		memcpy(&raw, text, sizeof(raw));
	} else {
		text = strim(text);
		if (strlen(text) != 2 * sizeof(raw) ||
		    hex2bin((u8 *)&raw, text, sizeof(raw)))
			return -EINVAL;
	}
	guard(mutex)(&dcd->lock);
	rc = offer_raw(dcd, &raw);
	return rc ?: mock_dcd_log_raw(dcd, &raw);
}

/**
 * mock_dcd_updated_write() - Region Configuration Updated
 * @dcd: the device
 * @text: "<index>" of the partition
 * @count: bytes of @text
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_updated_write(struct mock_dcd *dcd, char *text, size_t count)
{
	u8 index;
	int rc = kstrtou8(strim(text), 0, &index);

	guard(mutex)(&dcd->lock);
	return rc ?: mock_dcd_log_updated(dcd, index);
}
