// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the extent core: what they look at
 */
#include "extent_fake.h"

static const struct fake_call *nth_call(struct fake *fake, enum fake_op op,
					unsigned int nth)
{
	const struct fake_call *call;

	list_for_each_entry(call, &fake->calls, node)
		if (call->op == op && !--nth)
			return call;
	return NULL;
}

static bool is_blocks(const struct fake_blocks *want, u64 start, u64 last)
{
	return start == FAKE_DPA(want->first) &&
	       last == FAKE_DPA(want->first + want->nr) - 1;
}

void fake_expect_named(struct fake *fake, int line, enum fake_op op,
		       unsigned int nth, const struct fake_blocks *want,
		       unsigned int nr)
{
	const struct fake_call *call = nth_call(fake, op, nth);

	if (!call) {
		KUNIT_FAIL(fake->test, "line %d: no such command", line);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(fake->test, call->nr, nr, "line %d", line);
	for (unsigned int i = 0; i < min(call->nr, nr); i++)
		if (!is_blocks(&want[i], call->range[i].start,
			       call->range[i].end))
			KUNIT_FAIL(fake->test, "line %d: entry %u is %#llx-%#llx",
				   line, i, call->range[i].start,
				   call->range[i].end);
}

void fake_expect_count(struct fake *fake, int line, enum fake_op op,
		       unsigned int nr)
{
	KUNIT_EXPECT_EQ_MSG(fake->test, fake->count[op], nr, "line %d", line);
}

static struct cxl_extent *to_extent(struct rb_node *node)
{
	return node ? rb_entry(node, struct cxl_extent, rb) : NULL;
}

static struct cxl_extent *first_held(struct fake *fake)
{
	return to_extent(rb_first_cached(&fake->extents.held));
}

static struct cxl_extent *next_held(struct cxl_extent *extent)
{
	return to_extent(rb_next(&extent->rb));
}

void fake_expect_held(struct fake *fake, int line,
		      const struct fake_blocks *want, unsigned int nr)
{
	struct cxl_extent *extent;
	unsigned int i = 0;

	guard(mutex)(&fake->extents.lock);
	for (extent = first_held(fake); extent; extent = next_held(extent)) {
		if (i >= nr || !is_blocks(&want[i], extent->start,
					  cxl_extent_last(extent)))
			KUNIT_FAIL(fake->test, "line %d: entry %u is %#llx-%#llx",
				   line, i, extent->start,
				   cxl_extent_last(extent));
		i++;
	}
	KUNIT_EXPECT_EQ_MSG(fake->test, i, nr, "line %d", line);
}

/* Does the device know this to be accepted? Its own pieces may be larger */
static bool is_accepted(struct fake *fake, const struct cxl_extent *extent)
{
	struct fake_extent *known;

	list_for_each_entry(known, &fake->accepted, node)
		if (known->record.start <= extent->start &&
		    cxl_extent_last(extent) - known->record.start <
			    known->record.len &&
		    uuid_equal(&known->record.tag, &extent->tag))
			return true;
	return false;
}

void fake_expect_layout(struct fake *fake, int line, unsigned int tag,
			const struct fake_blocks *want, unsigned int nr)
{
	const uuid_t uuid = fake_tag(tag);
	const struct fake_object *object = fake_dax_find(fake, &uuid);

	if (!object || object->state != FAKE_OBJECT_PUBLISHED) {
		KUNIT_FAIL(fake->test, "line %d: tag %u can't be used", line,
			   tag);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(fake->test, object->nr, nr, "line %d", line);
	for (unsigned int i = 0; i < min(object->nr, nr); i++)
		if (!is_blocks(&want[i], object->dpa[i].start,
			       object->dpa[i].end))
			KUNIT_FAIL(fake->test, "line %d: part %u is %#llx-%#llx",
				   line, i, object->dpa[i].start,
				   object->dpa[i].end);
}

void fake_expect_reason(struct fake *fake, int line,
			enum cxl_extent_reason reason, u64 nr)
{
	KUNIT_EXPECT_EQ_MSG(fake->test, fake->extents.stats.refused[reason], nr,
			    "line %d: %s", line, cxl_extent_reason_str(reason));
}

void fake_expect_refused(struct fake *fake, int line,
			 enum cxl_extent_reason reason, u64 nr)
{
	u64 sum = 0;

	fake_expect_reason(fake, line, reason, nr);
	for (int i = 0; i < CXL_EXTENT_NR_REASONS; i++)
		sum += fake->extents.stats.refused[i];
	KUNIT_EXPECT_EQ_MSG(fake->test, sum, nr, "line %d", line);
	fake_expect_count(fake, line, FAKE_REPORT, nr);
}

/* With no other device: nothing keeps the tags of these tests alive */
void fake_expect_tags_free(struct kunit *test)
{
	struct fake *fake = fake_new(test);

	FAKE_OFFER(fake, { 1, 0, 1 }, { 2, 1, 1 }, { 3, 2, 1 }, { 4, 3, 1 });
	FAKE_EXPECT_HELD(fake, { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 });
	fake_end(fake);
}

static u64 accepted_in_windows(struct fake *fake)
{
	struct fake_extent *known;
	u64 bytes = 0;

	list_for_each_entry(known, &fake->accepted, node) {
		struct range dpa = fake_range(&known->record);
		bool in = false;

		for (int w = 0; w < FAKE_WINDOWS; w++)
			in |= fake->window[w].mapped &&
			      fake_overlap(&dpa, &fake->window[w].window.dpa);
		if (in)
			bytes += known->record.len;
	}
	return bytes;
}

/* Where @extent is in the layout, by what the extent core says */
static unsigned int place(const struct cxl_extent *extent)
{
	struct cxl_extent *member;
	unsigned int i = 0;

	list_for_each_entry(member, &extent->alloc->extents, node) {
		if (member == extent)
			break;
		i++;
	}
	return i;
}

/* DAX has what it is to have: all that is held, usable unless withdrawn */
static void check_object(struct fake *fake, const struct cxl_extent *extent)
{
	const struct cxl_allocation *alloc = extent->alloc;
	const struct fake_object *object = alloc->realized;
	unsigned int i = place(extent);

	/* it may have lost a part */
	if (alloc->state == CXL_ALLOCATION_WITHDRAWN &&
	    (!object || object->nr != alloc->nr_extents))
		return;
	KUNIT_EXPECT_NOT_NULL(fake->test, object);
	if (!object)
		return;
	KUNIT_EXPECT_EQ(fake->test, object->nr, alloc->nr_extents);
	if (i >= object->nr)
		return;
	KUNIT_EXPECT_EQ(fake->test, object->dpa[i].start, extent->start);
	KUNIT_EXPECT_EQ(fake->test, object->dpa[i].end, cxl_extent_last(extent));
	KUNIT_EXPECT_EQ(fake->test, object->state,
			alloc->state == CXL_ALLOCATION_WITHDRAWN ?
				FAKE_OBJECT_WITHDRAWN : FAKE_OBJECT_PUBLISHED);
}

/* Return: how many objects of the extent core it takes to hold what is held */
static unsigned int check_held(struct fake *fake, u64 left)
{
	unsigned int nr_extents = 0, nr_allocs = 0, nr_objects = 0;
	struct cxl_extent *extent;
	u64 bytes = 0;

	for (extent = first_held(fake); extent; extent = next_held(extent)) {
		KUNIT_EXPECT_TRUE_MSG(fake->test, is_accepted(fake, extent),
				      "%#llx is held, the device does not know",
				      extent->start);
		check_object(fake, extent);
		bytes += extent->len;
		nr_extents++;
		if (place(extent))
			continue;
		nr_allocs++;
		nr_objects += !!extent->alloc->realized;
	}
	KUNIT_EXPECT_EQ(fake->test, bytes + left, accepted_in_windows(fake));
	KUNIT_EXPECT_EQ(fake->test,
			nr_objects +
				list_count_nodes(&fake->extents.dying),
			list_count_nodes(&fake->objects));
	return nr_extents + nr_allocs;
}

static u64 overlap(const struct range *a, const struct range *b)
{
	if (!fake_overlap(a, b))
		return 0;
	return min(a->end, b->end) - max(a->start, b->start) + 1;
}

/* How much of @extent the device has left when it took the allocation */
static u64 bytes_left(struct fake *fake, const struct cxl_extent *extent)
{
	struct range dpa = fake_extent_range(extent);
	struct fake_extent *known;
	u64 bytes = 0;

	list_for_each_entry(known, &fake->accepted, node) {
		struct range range = fake_range(&known->record);

		bytes += overlap(&range, &dpa);
	}
	return bytes;
}

/* What is dead is nobody's, but for what the device left of it: @left, bytes */
static unsigned int check_dying(struct fake *fake, u64 *left)
{
	unsigned int nr_objects = 0;
	struct cxl_allocation *alloc;
	struct cxl_extent *extent;
	u64 bytes = 0;

	list_for_each_entry(alloc, &fake->extents.dying, node) {
		struct fake_object *object = alloc->realized;

		KUNIT_EXPECT_EQ(fake->test, alloc->state, CXL_ALLOCATION_DEAD);
		KUNIT_EXPECT_EQ(fake->test, object->state, FAKE_OBJECT_DEAD);
		list_for_each_entry(extent, &alloc->extents, node)
			bytes += bytes_left(fake, extent);
		nr_objects += 1 + alloc->nr_extents;
	}
	*left = bytes;
	return nr_objects;
}

static unsigned int check_one(struct fake *fake)
{
	struct cxl_extents *extents = &fake->extents;
	unsigned int nr;
	u64 left;

	guard(mutex)(&extents->lock);
	KUNIT_EXPECT_EQ(fake->test, cxl_extents_need_expire(extents),
			!list_empty(&extents->dying));
	KUNIT_EXPECT_TRUE(fake->test, list_empty(&extents->chain.extents));
	KUNIT_EXPECT_TRUE(fake->test,
			  RB_EMPTY_ROOT(&extents->checked.rb_root));
	KUNIT_EXPECT_EQ(fake->test, list_count_nodes(&fake->offers),
			fake->unanswered);
	nr = check_dying(fake, &left);
	return nr + check_held(fake, left);
}

/**
 * fake_check() - the invariant, with no chain open
 * @fake: what fake_new() returned; its peer is checked, too
 *
 * What the device thinks this host holds in its regions, what this host holds, and
 * what DAX has are the same; every offer is answered; nothing is leaked.
 */
void fake_check(struct fake *fake)
{
	unsigned int nr_live = check_one(fake);

	if (fake->peer)
		nr_live += check_one(fake->peer);
	if (fake->tracked)
		KUNIT_EXPECT_EQ(fake->test, fake->nr_live, nr_live);
}
