// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent core: strays
 *
 * A stray is a range that is to go back and that this host knows nothing of, or
 * nothing any more: a record asks for what is not held here, the device lists what
 * was not taken over, or it took a part of an allocation and left the rest. The
 * device's list says what of it this host holds in the eyes of the device; one range
 * that the device does not know would make it refuse the whole command. An allocation
 * that has a tag is never split, here as elsewhere.
 *
 * Both the strays and the list come from the device, and either may be long.
 */
#include <linux/minmax.h>
#include <linux/range.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "extent_core.h"

/**
 * struct strays - strays on their way to a Release command
 * @asked: tree of the ranges that are to go back
 * @kept: tree of what the device lists of them
 * @answers: the extents in @kept, linked by ->answer
 */
struct strays {
	struct rb_root_cached asked;
	struct rb_root_cached kept;
	struct list_head answers;
};

/* Return: does this go back? Then it is in @strays now. */
static bool keep(struct cxl_extents *extents, struct strays *strays,
		 struct cxl_extent *part)
{
	u64 last = cxl_extent_last(part);

	if (cxl_extents_occupied(extents, part->start, last) ||
	    cxl_extent_tree_first(&strays->kept, part->start, last))
		return false;
	cxl_extent_tree_insert(part, &strays->kept);
	list_add_tail(&part->answer, &strays->answers);
	return true;
}

/* The next range behind @stray that asks for some of an entry of the list */
static struct cxl_extent *next_asked(struct cxl_extents *extents,
				     struct strays *strays,
				     struct cxl_extent *stray,
				     const struct cxl_extent_record *entry)
{
	u64 start = entry->start, last = start + entry->len - 1;

	do {
		cond_resched();
		stray = stray ? cxl_extent_tree_next(stray, start, last) :
				cxl_extent_tree_first(&strays->asked, start,
						      last);
		if (!stray || uuid_equal(&stray->tag, &entry->tag))
			return stray;
		cxl_extents_report(extents, entry->start, entry->len,
				   &stray->tag, CXL_EXTENT_TAG_MISMATCH);
	} while (true);
}

/* What is not held of @range, which is not empty, of an entry without a tag */
static void keep_free(struct cxl_extents *extents, struct strays *strays,
		      const struct cxl_extent_record *entry, struct range range)
{
	struct range free;

	while (cxl_extents_free_part(extents, &range, &free)) {
		struct cxl_extent_record record = *entry;
		struct cxl_extent *part;

		record.start = free.start;
		record.len = range_len(&free);
		part = cxl_extent_new(&record);
		if (!part)
			extents->compare_due = true;
		else if (!keep(extents, strays, part))
			kfree(part);
		if (free.end == range.end)
			break;
		range.start = free.end + 1;
		cond_resched();
	}
}

/* Without a tag: what is asked for of it, once, and no more */
static void keep_parts(struct cxl_extents *extents, struct strays *strays,
		       const struct cxl_extent_record *entry)
{
	u64 start = entry->start, last = start + entry->len - 1;
	struct cxl_extent *stray = NULL;

	/* by their start: what lies before @start was looked at */
	while ((stray = next_asked(extents, strays, stray, entry))) {
		struct range asked = {
			.start = max(start, stray->start),
			.end = min(last, cxl_extent_last(stray)),
		};

		if (asked.start > asked.end)
			continue;
		keep_free(extents, strays, entry, asked);
		start = max(start, asked.end + 1);
	}
}

static bool any_asked(struct cxl_extents *extents, struct strays *strays,
		      const struct list_head *members)
{
	const struct cxl_extent *extent;

	list_for_each_entry(extent, members, node) {
		const struct cxl_extent_record entry = {
			.start = extent->start,
			.len = extent->len,
			.tag = extent->tag,
		};

		if (next_asked(extents, strays, NULL, &entry))
			return true;
	}
	return false;
}

/* With a tag: all of it, or nothing if not all of the list could be looked at */
static void keep_allocations(struct cxl_extents *extents, struct strays *strays,
			     struct list_head *tagged, bool complete)
{
	LIST_HEAD(members);

	cxl_extents_sort(tagged);
	while (!list_empty(tagged)) {
		struct cxl_extent *extent, *next;
		bool asked;

		cxl_extents_cut(tagged, &members);
		asked = complete && any_asked(extents, strays, &members);
		list_for_each_entry_safe(extent, next, &members, node) {
			list_del_init(&extent->node);
			if (!asked || !keep(extents, strays, extent))
				kfree(extent);
		}
		cond_resched();
	}
}

static void keep_listed(struct cxl_extents *extents, struct strays *strays,
			const struct cxl_extent_list *list)
{
	bool complete = true;
	LIST_HEAD(tagged);

	for (u32 i = 0; i < list->nr; i++) {
		struct cxl_extent_record entry;
		struct cxl_extent *extent;

		cond_resched();
		cxl_extent_record_from_list(&entry, &list->extent[i]);
		if (cxl_extent_check_range(extents, entry.start, entry.len) ==
		    CXL_EXTENT_BAD_LENGTH)
			continue;
		if (uuid_is_null(&entry.tag)) {
			keep_parts(extents, strays, &entry);
			continue;
		}
		extent = cxl_extent_new(&entry);
		if (extent)
			list_add_tail(&extent->node, &tagged);
		else
			complete = false;
	}
	extents->compare_due |= !complete;
	keep_allocations(extents, strays, &tagged, complete);
}

/**
 * cxl_extents_drop_unlisted() - keep only what the device thinks this host holds
 * @extents: the extents of a memory device, locked
 * @asked: ranges that are to go back, valid, linked by ->answer; replaced by what
 *	   the device lists of them and this host does not hold, each piece once,
 *	   and with all of its tag if it has one
 *
 * What has another tag than the range that asks for it stays.
 */
void cxl_extents_drop_unlisted(struct cxl_extents *extents,
			       struct list_head *asked)
{
	struct strays strays = {
		.asked = RB_ROOT_CACHED,
		.kept = RB_ROOT_CACHED,
		.answers = LIST_HEAD_INIT(strays.answers),
	};
	struct cxl_extent_list list = {};
	struct cxl_extent *stray;

	lockdep_assert_held(&extents->lock);
	if (extents->ops->list(extents, &list))
		extents->compare_due = true;
	list_for_each_entry(stray, asked, answer)
		cxl_extent_tree_insert(stray, &strays.asked);
	keep_listed(extents, &strays, &list);
	kvfree(list.extent);
	cxl_extents_free_answers(asked);
	list_splice(&strays.answers, asked);
}
