// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: its objects
 *
 * See extent.h for the life of an allocation and for the locking.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/array_size.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include "extent_core.h"

static const char * const reason_str[] = {
	[CXL_EXTENT_OK] = "ok",
	[CXL_EXTENT_BAD_LENGTH] = "bad length",
	[CXL_EXTENT_NO_PARTITION] = "not in one partition",
	[CXL_EXTENT_MISALIGNED] = "misaligned",
	[CXL_EXTENT_NO_REGION] = "no region maps it",
	[CXL_EXTENT_OVERLAP_HELD] = "overlaps a held extent",
	[CXL_EXTENT_OVERLAP_CHAIN] = "overlaps an extent of the same chain",
	[CXL_EXTENT_UNTAGGED] = "no tag in a sharable partition",
	[CXL_EXTENT_SEQUENCE] = "sequence number in a partition that is not sharable",
	[CXL_EXTENT_SEQUENCE_GAP] = "sequence numbers of its tag are not 0 to n-1",
	[CXL_EXTENT_SPREAD] = "its tag is in more than one region",
	[CXL_EXTENT_PARTNER] = "another extent of its tag was refused",
	[CXL_EXTENT_TAG_ALIVE] = "its tag is in use on this host",
	[CXL_EXTENT_NO_RESOURCES] = "no resources",
	[CXL_EXTENT_STILL_USED] = "what was lent there before is still in use",
	[CXL_EXTENT_TAG_MISMATCH] = "tag differs from what is held",
	[CXL_EXTENT_CHAIN_NOMEM] = "chain without memory",
	[CXL_EXTENT_CHAIN_TOO_LONG] = "chain too long",
	[CXL_EXTENT_CHAIN_TIMEOUT] = "chain timed out",
	[CXL_EXTENT_CHAIN_LOST] = "chain lost records",
	[CXL_EXTENT_NOT_ACCEPTED] = "acceptance failed",
	[CXL_EXTENT_NOT_PUBLISHED] = "could not be published",
};

static_assert(ARRAY_SIZE(reason_str) == CXL_EXTENT_NR_REASONS);

/**
 * cxl_extent_reason_str() - a reason in words
 * @reason: see enum cxl_extent_reason
 *
 * Return: a constant string
 */
const char *cxl_extent_reason_str(enum cxl_extent_reason reason)
{
	return reason_str[reason];
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extent_reason_str);

/**
 * cxl_extents_init() - start with nothing held
 * @extents: to be initialized; partitions and limits are set later
 * @ops: see struct cxl_extent_ops
 */
void cxl_extents_init(struct cxl_extents *extents,
		      const struct cxl_extent_ops *ops)
{
	*extents = (struct cxl_extents) {
		.ops = ops,
		.checked = RB_ROOT_CACHED,
		.held = RB_ROOT_CACHED,
		.dead = RB_ROOT_CACHED,
	};
	mutex_init(&extents->lock);
	INIT_LIST_HEAD(&extents->chain.extents);
	INIT_LIST_HEAD(&extents->windows);
	INIT_LIST_HEAD(&extents->allocations);
	INIT_LIST_HEAD(&extents->asking);
	INIT_LIST_HEAD(&extents->waiting);
	INIT_LIST_HEAD(&extents->dying);
	INIT_LIST_HEAD(&extents->strays);
	INIT_LIST_HEAD(&extents->stale);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_init);

/**
 * cxl_extents_set_limits() - derive the longest chain from the partitions
 * @extents: with its partitions and alignment set
 * @supported: number of extents that the device supports, 0 if it does not say
 *
 * Both come from the device: no chain is longer than a list that is read.
 */
void cxl_extents_set_limits(struct cxl_extents *extents, u32 supported)
{
	u64 fits = 0;

	for (unsigned int i = 0; i < extents->nr_partitions; i++)
		fits += div64_u64(range_len(&extents->partition[i].dpa),
				  extents->align);
	if (supported)
		fits = min_t(u64, fits, supported);
	extents->max_chain = min_t(u64, fits, CXL_EXTENTS_MAX);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_set_limits);

/**
 * cxl_extents_destroy() - end of the extents of a memory device
 * @extents: all its windows are gone, and with them all that was held
 */
void cxl_extents_destroy(struct cxl_extents *extents)
{
	cxl_extents_free_answers(&extents->strays);
	mutex_destroy(&extents->lock);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_destroy);

/**
 * cxl_extent_new() - make an extent of what a record says
 * @record: nothing in it is trusted
 *
 * Return: the extent, to be freed by kfree(), or NULL
 */
struct cxl_extent *cxl_extent_new(const struct cxl_extent_record *record)
{
	struct cxl_extent *extent;

	KUNIT_STATIC_STUB_REDIRECT(cxl_extent_new, record);

	extent = kmalloc_obj(*extent);
	if (!extent)
		return NULL;
	*extent = (struct cxl_extent) {
		.start = record->start,
		.len = record->len,
		.tag = record->tag,
		.seq = record->seq,
		.verdict = CXL_EXTENT_OFFERED,
	};
	RB_CLEAR_NODE(&extent->rb);
	INIT_LIST_HEAD(&extent->chain);
	INIT_LIST_HEAD(&extent->answer);
	INIT_LIST_HEAD(&extent->node);
	return extent;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extent_new);

/**
 * cxl_extent_record_from_list() - read an entry of the device's extent list
 * @record: filled in
 * @listed: as the device sent it
 */
void cxl_extent_record_from_list(struct cxl_extent_record *record,
				 const struct cxl_dc_extent *listed)
{
	*record = (struct cxl_extent_record) {
		.start = le64_to_cpu(listed->start_dpa),
		.len = le64_to_cpu(listed->length),
		.tag = listed->tag,
		.seq = le16_to_cpu(listed->shared_seq),
	};
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extent_record_from_list);

/**
 * cxl_extents_report() - something was not taken: count it, say why
 * @extents: the extents of a memory device
 * @start: first DPA, as the device said it
 * @len: bytes, as the device said it
 * @tag: tag, as the device said it
 * @reason: what speaks against it
 */
void cxl_extents_report(struct cxl_extents *extents, u64 start, u64 len,
			const uuid_t *tag, enum cxl_extent_reason reason)
{
	lockdep_assert_held(&extents->lock);
	extents->stats.refused[reason]++;
	extents->ops->report(extents, start, len, tag,
			     cxl_extent_reason_str(reason));
}

/**
 * cxl_extents_invalidate() - drop what CPU caches hold of some windows
 * @extents: the extents of a memory device
 * @stale: the windows, each once, linked by ->stale; empty afterwards
 */
void cxl_extents_invalidate(struct cxl_extents *extents,
			    struct list_head *stale)
{
	struct cxl_extent_window *window, *next;

	lockdep_assert_held(&extents->lock);
	list_for_each_entry_safe(window, next, stale, stale) {
		list_del_init(&window->stale);
		extents->ops->invalidate(extents, window);
	}
}

/**
 * cxl_extents_free_answers() - free extents that are in no allocation
 * @answers: linked by ->answer; empty afterwards
 */
void cxl_extents_free_answers(struct list_head *answers)
{
	struct cxl_extent *extent, *next;

	list_for_each_entry_safe(extent, next, answers, answer) {
		list_del(&extent->answer);
		kfree(extent);
	}
}
