/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The extent core: what its files know of each other
 *
 * Everything here is called with struct cxl_extents::lock held.
 */
#ifndef __CXL_EXTENT_CORE_H__
#define __CXL_EXTENT_CORE_H__

#include "extent.h"

/* extent.c: objects */
struct cxl_extent *cxl_extent_new(const struct cxl_extent_record *record);
void cxl_extents_report(struct cxl_extents *extents, u64 start, u64 len,
			const uuid_t *tag, enum cxl_extent_reason reason);
void cxl_extents_invalidate(struct cxl_extents *extents,
			    struct list_head *stale);
void cxl_extents_free_answers(struct list_head *answers);

/* extent_allocation.c: what comes and goes as one */
struct cxl_allocation *cxl_allocation_new(void);
enum cxl_extent_reason cxl_allocation_prepare(struct cxl_extents *extents,
					      struct list_head *members,
					      struct cxl_extent_window *window);
void cxl_allocation_discard(struct cxl_extents *extents,
			    struct cxl_allocation *alloc);
void cxl_allocation_set_state(struct cxl_allocation *alloc,
			      enum cxl_allocation_state state);
void cxl_allocation_show(struct cxl_extents *extents,
			 struct cxl_allocation *alloc,
			 struct list_head *unpublished);
void cxl_allocation_ask(struct cxl_allocation *alloc);
void cxl_extent_drop(struct cxl_extents *extents, struct cxl_extent *extent);
void cxl_allocation_dissolve(struct cxl_extents *extents,
			     struct cxl_allocation *alloc,
			     struct list_head *strays);
void cxl_allocation_forget(struct cxl_extents *extents,
			   struct cxl_allocation *alloc);

/* extent_group.c: which extents make an allocation */
void cxl_extent_examine(struct cxl_extents *extents, struct cxl_extent *extent);
void cxl_extents_sort(struct list_head *offers);
void cxl_extents_cut(struct list_head *offers, struct list_head *members);
struct cxl_allocation *cxl_extents_allocate(struct cxl_extents *extents,
					    struct list_head *members);

/* extent_held.c: trees by DPA */
void cxl_extent_tree_insert(struct cxl_extent *extent,
			    struct rb_root_cached *root);
void cxl_extent_tree_remove(struct cxl_extent *extent,
			    struct rb_root_cached *root);
struct cxl_extent *cxl_extent_tree_first(struct rb_root_cached *root,
					 u64 start, u64 last);
struct cxl_extent *cxl_extent_tree_next(struct cxl_extent *extent,
					u64 start, u64 last);
struct cxl_extent *cxl_extents_find(struct cxl_extents *extents, u64 start,
				    u64 len);
bool cxl_extents_occupied(struct cxl_extents *extents, u64 start, u64 last);
bool cxl_extents_free_part(struct cxl_extents *extents,
			   const struct range *range, struct range *part);

/* extent_check.c: what may be accepted */
enum cxl_extent_reason cxl_extent_check_range(struct cxl_extents *extents,
					      u64 start, u64 len);
enum cxl_extent_reason cxl_extent_check(struct cxl_extents *extents,
					const struct cxl_extent *extent);
enum cxl_extent_reason cxl_extent_check_group(struct cxl_extents *extents,
					      struct list_head *members);
struct cxl_extent_window *
cxl_extent_window(struct cxl_extents *extents, const struct cxl_extent *extent);
u64 cxl_extents_granule(struct cxl_extents *extents, u64 dpa);
void cxl_extents_mark_listed(struct cxl_extents *extents,
			     const struct cxl_extent_list *list);
bool cxl_extent_is_listed(const struct cxl_extents *extents,
			  const struct cxl_extent *extent);

/* extent_part.c: a part of an untagged extent goes */
void cxl_extent_ask(struct cxl_extents *extents, struct cxl_extent *extent,
		    u64 start, u64 last);
void cxl_rests_prepare(struct cxl_extents *extents,
		       struct cxl_allocation *alloc, struct list_head *rests);
void cxl_rests_show(struct cxl_extents *extents, struct cxl_allocation *alloc,
		    struct list_head *rests, struct list_head *going);

/* extent_forced.c: Forced Release records */
void cxl_allocation_kill(struct cxl_extents *extents,
			 struct cxl_allocation *alloc);
void cxl_extents_bury(struct cxl_extents *extents,
		      const struct cxl_extent_window *window);
void cxl_extents_forget_dead(struct cxl_extents *extents,
			     const struct cxl_extent_window *window);

/* extent_release.c: Release records */
void cxl_extents_take_back(struct cxl_extents *extents, struct list_head *allocs,
			   struct list_head *strays);
void cxl_extents_release_asked(struct cxl_extents *extents);
bool cxl_extents_check_request(struct cxl_extents *extents,
			       const struct cxl_extent_record *record);

/* extent_give_back.c: Release commands */
void cxl_extents_give_back(struct cxl_extents *extents, struct list_head *allocs,
			   struct list_head *strays);

/* extent_strays.c: what goes back and was never held here */
void cxl_extents_drop_unlisted(struct cxl_extents *extents,
			       struct list_head *asked);

/* extent_recover.c: the device's list against what is held */
void cxl_extents_compare(struct cxl_extents *extents);

#endif /* __CXL_EXTENT_CORE_H__ */
