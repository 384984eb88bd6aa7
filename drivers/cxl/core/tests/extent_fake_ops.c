// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the extent core: a device as strict as can be
 */
#include <linux/slab.h>
#include "extent_fake.h"

/* Count a call: the fault that it meets, or NULL */
const struct fake_fault *fake_count(struct fake *fake, enum fake_op op)
{
	struct fake_fault *fault = &fake->fault[op];

	fake->count[op]++;
	if (!fault->nth)
		return NULL;
	if (fault->nth > 1) {
		fault->nth--;
		return NULL;
	}
	if (!--fault->times)
		fault->nth = 0;
	if (fault->failed && fault->later)
		fault->rc = fault->later;
	fault->failed = true;
	return fault;
}

static struct fake_call *fake_log(struct fake *fake, enum fake_op op,
				  struct list_head *answers)
{
	unsigned int nr = list_count_nodes(answers), i = 0;
	struct cxl_extent *extent;
	struct fake_call *call;

	call = kunit_kzalloc(fake->test, struct_size(call, range, nr),
			     GFP_KERNEL | __GFP_NOFAIL);
	call->op = op;
	call->nr = nr;
	list_for_each_entry(extent, answers, answer) {
		call->range[i].start = extent->start;
		call->range[i++].end = cxl_extent_last(extent);
	}
	list_add_tail(&call->node, &fake->calls);
	return call;
}

/* The device ---------------------------------------------------------------- */

static struct fake_extent *new_extent(struct fake *fake,
				      const struct cxl_extent_record *record)
{
	struct fake_extent *extent;

	extent = kunit_kzalloc(fake->test, sizeof(*extent),
			       GFP_KERNEL | __GFP_NOFAIL);
	extent->record = *record;
	return extent;
}

/**
 * fake_device_offer() - the device offers an extent, whether that is heard or not
 * @fake: the device
 * @record: what it says; goes to the open chain, if any
 */
void fake_device_offer(struct fake *fake, const struct cxl_extent_record *record)
{
	struct fake_chain *chain;

	if (fake->offering) {
		chain = list_last_entry(&fake->offers, typeof(*chain), node);
	} else {
		chain = kunit_kzalloc(fake->test, sizeof(*chain),
				      GFP_KERNEL | __GFP_NOFAIL);
		INIT_LIST_HEAD(&chain->extents);
		list_add_tail(&chain->node, &fake->offers);
	}
	list_add_tail(&new_extent(fake, record)->node, &chain->extents);
	fake->offering = record->more;
}

/**
 * fake_device_remember() - the device knows that this host holds an extent
 * @fake: the device
 * @record: the extent
 */
void fake_device_remember(struct fake *fake,
			  const struct cxl_extent_record *record)
{
	list_add_tail(&new_extent(fake, record)->node, &fake->accepted);
}

/* The accepted extent in which all of @range lies, or NULL */
static struct fake_extent *find_accepted(struct fake *fake,
					 const struct range *range)
{
	struct fake_extent *extent;

	list_for_each_entry(extent, &fake->accepted, node) {
		struct range dpa = fake_range(&extent->record);

		if (range_contains(&dpa, range))
			return extent;
	}
	return NULL;
}

bool fake_is_accepted(struct fake *fake, const struct range *range)
{
	return find_accepted(fake, range);
}

/**
 * fake_device_forget() - the device forgets what this host holds
 * @fake: the device
 * @start: first DPA of the extent
 */
void fake_device_forget(struct fake *fake, u64 start)
{
	struct fake_extent *extent;

	list_for_each_entry(extent, &fake->accepted, node) {
		if (extent->record.start != start)
			continue;
		list_del(&extent->node);
		return;
	}
	KUNIT_FAIL(fake->test, "%#llx can't be forgotten", start);
}

static bool any_accepted(struct fake *fake, const struct range *range)
{
	struct fake_extent *extent;

	list_for_each_entry(extent, &fake->accepted, node) {
		struct range dpa = fake_range(&extent->record);

		if (fake_overlap(&dpa, range))
			return true;
	}
	return false;
}

/* The extent of just @range behind @pos, or NULL */
static struct fake_extent *find_offered(struct fake_chain *chain,
					struct fake_extent *pos,
					const struct range *range)
{
	list_for_each_entry_continue(pos, &chain->extents, node) {
		struct range dpa = fake_range(&pos->record);

		if (pos->record.len && range_contains(&dpa, range) &&
		    range_contains(range, &dpa))
			return pos;
	}
	return NULL;
}

static int check_answer(struct fake *fake, struct fake_chain *chain,
			const struct fake_call *call)
{
	struct fake_extent *head = list_entry(&chain->extents,
					      struct fake_extent, node);
	struct fake_extent *pos = head;

	for (unsigned int i = 0; i < call->nr; i++) {
		const struct range *range = &call->range[i];

		pos = find_offered(chain, pos, range);
		if (!pos && find_offered(chain, head, range)) {
			KUNIT_FAIL(fake->test, "%#llx is out of order",
				   range->start);
			return CXL_MBOX_CMD_RC_INPUT;
		}
		if (!pos || any_accepted(fake, range))
			return CXL_MBOX_CMD_RC_PADDR;
	}
	return 0;
}

static void accept(struct fake *fake, struct fake_chain *chain,
		   const struct fake_call *call, unsigned int done)
{
	for (unsigned int i = 0; i < min(call->nr, done); i++) {
		struct fake_extent *head = list_entry(&chain->extents,
						      struct fake_extent, node);
		struct fake_extent *extent = find_offered(chain, head,
							  &call->range[i]);

		if (extent)
			list_move_tail(&extent->node, &fake->accepted);
	}
}

static void chain_answered(struct fake *fake, struct fake_chain *chain)
{
	if (list_is_last(&chain->node, &fake->offers))
		fake->offering = false;
	list_del(&chain->node);
}

static void mark_stale(struct fake *fake, const struct fake_call *call)
{
	for (int w = 0; w < FAKE_WINDOWS; w++)
		for (unsigned int i = 0; i < call->nr; i++)
			if (fake->window[w].mapped &&
			    range_contains(&fake->window[w].window.dpa,
					   &call->range[i]))
				fake->window[w].stale_in = true;
}

static unsigned int count_offered(struct fake_chain *chain, const uuid_t *tag)
{
	struct fake_extent *offered;
	unsigned int nr = 0;

	list_for_each_entry(offered, &chain->extents, node)
		nr += uuid_equal(&offered->record.tag, tag);
	return nr;
}

static unsigned int count_answered(struct list_head *answers, const uuid_t *tag)
{
	struct cxl_extent *extent;
	unsigned int nr = 0;

	list_for_each_entry(extent, answers, answer)
		nr += uuid_equal(&extent->tag, tag);
	return nr;
}

/* What is new is ready to be used, not used yet, and with all others of its tag */
static void check_new(struct fake *fake, struct fake_chain *chain,
		      struct list_head *answers)
{
	struct cxl_extent *extent;

	list_for_each_entry(extent, answers, answer) {
		struct range dpa = fake_extent_range(extent);

		if (extent->verdict != CXL_EXTENT_ACCEPTED)
			continue;
		fake_dax_check_accepted(fake, &dpa);
		if (!uuid_is_null(&extent->tag) &&
		    count_answered(answers, &extent->tag) !=
		    count_offered(chain, &extent->tag))
			KUNIT_FAIL(fake->test, "a part of %pUb is accepted",
				   &extent->tag);
	}
}

static int fake_respond(struct cxl_extents *extents, struct list_head *answers)
{
	struct fake *fake = to_fake(extents);
	struct fake_call *call = fake_log(fake, FAKE_RESPOND, answers);
	const struct fake_fault *fault = fake_count(fake, FAKE_RESPOND);
	struct fake_chain *chain = list_first_entry_or_null(&fake->offers,
							    typeof(*chain), node);
	int rc;

	if (!chain) {
		KUNIT_FAIL(fake->test, "a response that no offer waits for");
		return CXL_MBOX_CMD_RC_INPUT;
	}
	check_new(fake, chain, answers);
	if (fault) {
		if (fault->done == FAKE_KEEP)
			return fault->rc;
		accept(fake, chain, call, fault->done);
		chain_answered(fake, chain);
		return fault->rc;
	}
	rc = check_answer(fake, chain, call);
	if (rc)
		return rc;
	accept(fake, chain, call, call->nr);
	mark_stale(fake, call);
	chain_answered(fake, chain);
	return 0;
}

/**
 * fake_device_unaccept() - the device has a range back
 * @fake: the device
 * @range: in one of the extents that it knows to be accepted; what remains of that
 *	   is one or two others
 */
void fake_device_unaccept(struct fake *fake, const struct range *range)
{
	struct fake_extent *extent = find_accepted(fake, range);
	struct cxl_extent_record rest = extent->record;
	u64 end = rest.start + rest.len;

	if (range->end + 1 < end) {
		rest.start = range->end + 1;
		rest.len = end - rest.start;
		list_add(&new_extent(fake, &rest)->node, &extent->node);
	}
	extent->record.len = range->start - extent->record.start;
	if (!extent->record.len)
		list_del(&extent->node);
}

static int check_release(struct fake *fake, const struct fake_call *call)
{
	if (!call->nr) {
		KUNIT_FAIL(fake->test, "a Release of nothing");
		return CXL_MBOX_CMD_RC_INPUT;
	}
	for (unsigned int i = 0; i < call->nr; i++) {
		fake_dax_check_released(fake, &call->range[i]);
		for (unsigned int j = 0; j < i; j++)
			if (fake_overlap(&call->range[i], &call->range[j]))
				return CXL_MBOX_CMD_RC_EXTLIST;
	}
	for (unsigned int i = 0; i < call->nr; i++)
		if (!find_accepted(fake, &call->range[i]))
			return CXL_MBOX_CMD_RC_PADDR;
	return 0;
}

static int fake_release(struct cxl_extents *extents, struct list_head *answers)
{
	struct fake *fake = to_fake(extents);
	struct fake_call *call = fake_log(fake, FAKE_RELEASE, answers);
	const struct fake_fault *fault = fake_count(fake, FAKE_RELEASE);
	unsigned int done = fault ? min(fault->done, call->nr) : call->nr;
	int rc = check_release(fake, call);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < done; i++)
		fake_device_unaccept(fake, &call->range[i]);
	return fault ? fault->rc : 0;
}

static int fake_list(struct cxl_extents *extents, struct cxl_extent_list *list)
{
	struct fake *fake = to_fake(extents);
	const struct fake_fault *fault = fake_count(fake, FAKE_LIST);
	struct fake_extent *extent;

	if (fault)
		return fault->rc;
	list->extent = kvzalloc_objs(*list->extent,
				     list_count_nodes(&fake->accepted) + 1);
	if (!list->extent)
		return -ENOMEM;
	list_for_each_entry(extent, &fake->accepted, node)
		list->extent[list->nr++] = (struct cxl_dc_extent) {
			.start_dpa = cpu_to_le64(extent->record.start),
			.length = cpu_to_le64(extent->record.len),
			.tag = extent->record.tag,
			.shared_seq = cpu_to_le16(extent->record.seq),
		};
	return 0;
}

static void fake_report(struct cxl_extents *extents, u64 start, u64 len,
			const uuid_t *tag, const char *what)
{
	fake_count(to_fake(extents), FAKE_REPORT);
}

const struct cxl_extent_ops fake_extent_ops = {
	.respond = fake_respond,
	.release = fake_release,
	.list = fake_list,
	.prepare = fake_prepare,
	.discard = fake_discard,
	.publish = fake_publish,
	.withdraw = fake_withdraw,
	.kill = fake_kill,
	.narrow = fake_narrow,
	.remove = fake_remove,
	.invalidate = fake_invalidate,
	.report = fake_report,
};
