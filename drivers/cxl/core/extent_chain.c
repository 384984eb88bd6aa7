// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: chains of Add Capacity records
 *
 * Records are gathered, in the order of their delivery, until one comes without
 * More. Then every extent is checked, every allocation prepared, all or nothing of
 * each, and the chain answered by one response that walks the chain once more: what
 * it names is in delivery order by construction. Only when the device has processed
 * the response do the allocations appear.
 *
 * Every chain is answered exactly once, whatever happens to it. The wire has no
 * chain id, so the tail of a chain that is refused half-way is told from a new
 * chain only by More: CXL_CHAIN_REFUSED swallows it and answers at its end.
 */
#include <kunit/visibility.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <cxlmem.h>
#include "extent_core.h"

static void chain_empty(struct cxl_extents *extents)
{
	struct cxl_chain *chain = &extents->chain;
	struct cxl_extent *extent, *next;

	list_for_each_entry_safe(extent, next, &chain->extents, chain) {
		cxl_extent_tree_remove(extent, &extents->checked);
		list_del(&extent->chain);
		kfree(extent);
	}
	chain->nr = 0;
}

/* Nothing of the chain will be accepted; it is still to be answered */
static void chain_refuse(struct cxl_extents *extents,
			 const struct cxl_extent_record *record,
			 enum cxl_extent_reason reason)
{
	cxl_extents_report(extents, record->start, record->len, &record->tag,
			   reason);
	chain_empty(extents);
	extents->chain.state = CXL_CHAIN_REFUSED;
}

static void chain_append(struct cxl_extents *extents,
			 const struct cxl_extent_record *record)
{
	struct cxl_chain *chain = &extents->chain;
	struct cxl_extent *extent;

	if (chain->nr >= extents->max_chain) {
		chain_refuse(extents, record, CXL_EXTENT_CHAIN_TOO_LONG);
		return;
	}
	extent = cxl_extent_new(record);
	if (!extent) {
		chain_refuse(extents, record, CXL_EXTENT_CHAIN_NOMEM);
		return;
	}
	list_add_tail(&extent->chain, &chain->extents);
	chain->nr++;
}

/* Is it held already, and offered again as it is? */
static bool offered_again(struct cxl_extents *extents,
			  const struct cxl_extent *extent)
{
	const struct cxl_extent *held;

	if (cxl_extent_check_range(extents, extent->start, extent->len))
		return false;
	held = cxl_extents_find(extents, extent->start, extent->len);
	if (!held || !uuid_equal(&held->tag, &extent->tag) ||
	    held->seq != extent->seq)
		return false;
	return !cxl_extent_tree_first(&extents->checked, extent->start,
				      cxl_extent_last(extent));
}

static void check(struct cxl_extents *extents, struct list_head *offers)
{
	struct cxl_extent *extent;

	list_for_each_entry(extent, &extents->chain.extents, chain) {
		if (offered_again(extents, extent)) {
			extent->verdict = CXL_EXTENT_AGAIN;
			cxl_extent_tree_insert(extent, &extents->checked);
			continue;
		}
		cxl_extent_examine(extents, extent);
		/* refused ones, too: they take the others of their tag along */
		list_add_tail(&extent->node, offers);
	}
}

static void check_and_prepare(struct cxl_extents *extents)
{
	LIST_HEAD(members);
	LIST_HEAD(offers);

	check(extents, &offers);
	cxl_extents_sort(&offers);
	while (!list_empty(&offers)) {
		cxl_extents_cut(&offers, &members);
		cxl_extents_allocate(extents, &members);
		/* what is refused stays in the chain, for this is its owner */
		INIT_LIST_HEAD(&members);
		cond_resched();
	}
}

static bool is_named(const struct cxl_extent *extent)
{
	return extent->verdict == CXL_EXTENT_AGAIN ||
	       extent->verdict == CXL_EXTENT_ACCEPTED;
}

/* One walk of the chain: its answer is in delivery order by construction */
static int respond(struct cxl_extents *extents)
{
	struct cxl_extent *extent;
	LIST_HEAD(answers);
	int rc;

	list_for_each_entry(extent, &extents->chain.extents, chain)
		if (is_named(extent))
			list_add_tail(&extent->answer, &answers);
	rc = extents->ops->respond(extents, &answers);
	list_for_each_entry(extent, &extents->chain.extents, chain)
		INIT_LIST_HEAD(&extent->answer);
	return rc;
}

static void respond_nothing(struct cxl_extents *extents)
{
	LIST_HEAD(answers);

	extents->ops->respond(extents, &answers);
}

/*
 * The device did not like to hear again of extents that it knows to be held:
 * leave out those that it lists. Return: is there anything that was left out?
 */
static bool leave_out_known(struct cxl_extents *extents)
{
	struct cxl_extent_list list = {};
	struct cxl_extent *extent;
	bool changed = false;

	if (extents->ops->list(extents, &list))
		return false;
	cxl_extents_mark_listed(extents, &list);
	kvfree(list.extent);
	list_for_each_entry(extent, &extents->chain.extents, chain) {
		const struct cxl_extent *held;

		if (extent->verdict != CXL_EXTENT_AGAIN)
			continue;
		held = cxl_extents_find(extents, extent->start, extent->len);
		if (!held || !cxl_extent_is_listed(extents, held))
			continue;
		extent->verdict = CXL_EXTENT_REFUSED;
		changed = true;
	}
	return changed;
}

/* Move what was accepted out of the chain: allocations in order of delivery */
static void take_accepted(struct cxl_extents *extents, struct list_head *fresh,
			  struct list_head *stale)
{
	struct cxl_extent *extent, *next;

	list_for_each_entry_safe(extent, next, &extents->chain.extents, chain) {
		if (extent->verdict == CXL_EXTENT_AGAIN)
			extents->stats.again++;
		if (extent->verdict != CXL_EXTENT_ACCEPTED)
			continue;
		extents->stats.accepted++;
		list_del_init(&extent->chain);
		list_move(&extent->alloc->window->stale, stale);
		if (list_empty(&extent->alloc->node))
			list_add_tail(&extent->alloc->node, fresh);
	}
}

/* The device has agreed: hold, then show, all that was accepted */
static void publish(struct cxl_extents *extents)
{
	struct cxl_allocation *alloc;
	LIST_HEAD(unpublished);
	LIST_HEAD(fresh);
	LIST_HEAD(stale);

	take_accepted(extents, &fresh, &stale);
	cxl_extents_invalidate(extents, &stale);
	while ((alloc = list_first_entry_or_null(&fresh, typeof(*alloc), node)))
		cxl_allocation_show(extents, alloc, &unpublished);
	if (!list_empty(&unpublished))
		cxl_extents_give_back(extents, &unpublished, NULL);
}

/*
 * The device did not process the response, or not all of it: nothing of the
 * chain appears, and what the device lists of it all the same is released.
 */
static void not_accepted(struct cxl_extents *extents, int rc)
{
	struct cxl_extent *extent;
	bool named = false;

	list_for_each_entry(extent, &extents->chain.extents, chain) {
		named |= is_named(extent);
		if (extent->verdict != CXL_EXTENT_ACCEPTED)
			continue;
		cxl_extents_report(extents, extent->start, extent->len,
				   &extent->tag, CXL_EXTENT_NOT_ACCEPTED);
		/* the first extent of an allocation takes the others along */
		if (extent->alloc)
			cxl_allocation_discard(extents, extent->alloc);
		extent->verdict = CXL_EXTENT_REFUSED;
	}

	/*
	 * After an overflow the device may wait for the answer to an offer that
	 * this host never saw: refuse that one, once.
	 */
	if (extents->doubtful && named &&
	    (rc == CXL_MBOX_CMD_RC_PADDR || rc == CXL_MBOX_CMD_RC_INPUT))
		respond_nothing(extents);
	extents->nr_compares = 0;
	cxl_extents_compare(extents);
}

/* End of the chain: answer it, once, and be ready for the next */
static void chain_close(struct cxl_extents *extents)
{
	int rc;

	extents->stats.chains++;
	check_and_prepare(extents);
	rc = respond(extents);
	if (rc == CXL_MBOX_CMD_RC_PADDR && leave_out_known(extents))
		rc = respond(extents);
	if (rc) {
		not_accepted(extents, rc);
	} else {
		extents->doubtful = false;
		/* the mailbox works: what could not be compared may be now */
		extents->nr_compares = 0;
		publish(extents);
	}
	chain_empty(extents);
	extents->chain.state = CXL_CHAIN_NONE;
}

/**
 * cxl_extents_add_record() - take an Add Capacity record
 * @extents: the extents of a memory device, locked
 * @record: what the device says, nothing of it is trusted
 *
 * The record without More closes the chain: then it is checked, answered and
 * published before this function returns. CXL 3.1 9.13.3.3.
 */
void cxl_extents_add_record(struct cxl_extents *extents,
			    const struct cxl_extent_record *record)
{
	struct cxl_chain *chain = &extents->chain;

	lockdep_assert_held(&extents->lock);
	extents->stats.add_records++;
	chain->last = jiffies;
	if (chain->state == CXL_CHAIN_NONE)
		chain->state = CXL_CHAIN_OPEN;
	if (chain->state == CXL_CHAIN_OPEN)
		chain_append(extents, record);
	if (!record->more)
		chain_close(extents);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_add_record);

/**
 * cxl_extents_need_expire() - does anything wait for the end of its time?
 * @extents: the extents of a memory device, locked
 *
 * Return: true when cxl_extents_expire() is to be called now and then, for the end
 * of a chain or for anything else that is to be tried again
 */
bool cxl_extents_need_expire(struct cxl_extents *extents)
{
	lockdep_assert_held(&extents->lock);
	return extents->chain.state != CXL_CHAIN_NONE ||
	       (extents->compare_due &&
		extents->nr_compares < CXL_COMPARE_TRIES) ||
	       !list_empty(&extents->asking) || !list_empty(&extents->strays) ||
	       !list_empty(&extents->stale) || !list_empty(&extents->dying);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_need_expire);

/* Answer the open chain at once: the next record opens a new one */
static void chain_break(struct cxl_extents *extents,
			enum cxl_extent_reason reason)
{
	struct cxl_extent_record none = {};
	struct cxl_extent *first;

	first = list_first_entry_or_null(&extents->chain.extents,
					 typeof(*first), chain);
	if (first) {
		none.start = first->start;
		none.len = first->len;
		none.tag = first->tag;
	}
	chain_refuse(extents, &none, reason);
	chain_close(extents);
}

/**
 * cxl_extents_expire() - end what waited too long for its last record
 * @extents: the extents of a memory device, locked
 * @now: jiffies
 *
 * An open chain of Add records is refused, one of Release records is answered
 * as far as it came. A comparison that failed is tried again, and what is dead is
 * looked at: no one says when pages that were pinned for long are let go.
 */
void cxl_extents_expire(struct cxl_extents *extents, unsigned long now)
{
	const unsigned long timeout = CXL_CHAIN_TIMEOUT_SECONDS * HZ;

	lockdep_assert_held(&extents->lock);
	if (extents->chain.state != CXL_CHAIN_NONE &&
	    time_after_eq(now, extents->chain.last + timeout))
		chain_break(extents, CXL_EXTENT_CHAIN_TIMEOUT);
	if (time_after_eq(now, extents->release_last + timeout))
		cxl_extents_release_asked(extents);
	cxl_extents_bury(extents, NULL);
	if (extents->compare_due && extents->nr_compares++ < CXL_COMPARE_TRIES)
		cxl_extents_compare(extents);
	if (!extents->compare_due)
		extents->nr_compares = 0;
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_expire);

/**
 * cxl_extents_records_lost() - the event log has overflowed
 * @extents: the extents of a memory device, locked
 *
 * To be called after the records that were delivered before the loss. The rest
 * of the open chain is lost, or its end is, or other chains altogether: what is
 * held is compared with what the device lists.
 */
void cxl_extents_records_lost(struct cxl_extents *extents)
{
	lockdep_assert_held(&extents->lock);
	extents->stats.overflows++;
	extents->nr_compares = 0;
	if (extents->chain.state != CXL_CHAIN_NONE)
		chain_break(extents, CXL_EXTENT_CHAIN_LOST);
	extents->doubtful = true;
	cxl_extents_release_asked(extents);
	cxl_extents_compare(extents);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_records_lost);

/**
 * cxl_extents_abandon_chain() - nobody will read the rest of the open chain
 * @extents: the extents of a memory device, locked
 *
 * The driver goes: the device is not left waiting for an answer.
 */
void cxl_extents_abandon_chain(struct cxl_extents *extents)
{
	lockdep_assert_held(&extents->lock);
	if (extents->chain.state != CXL_CHAIN_NONE)
		chain_break(extents, CXL_EXTENT_CHAIN_LOST);
	cxl_extents_release_asked(extents);
}
EXPORT_SYMBOL_IF_KUNIT(cxl_extents_abandon_chain);
