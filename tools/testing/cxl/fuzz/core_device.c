// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the extent core: a device as strict as can be, or one that says anything
 */
#include <stdlib.h>
#include "core.h"

/* Return: the fault that this call meets, or NULL */
const struct core_fault *core_fault(struct core *core, enum core_faulty op)
{
	struct core_fault *fault = &core->fault[op];

	if (!fault->nth)
		return NULL;
	if (fault->nth > 1) {
		fault->nth--;
		return NULL;
	}
	if (!--fault->times)
		fault->nth = 0;
	/* what can't be withdrawn is held on both sides as before */
	core->trouble |= op != CORE_WITHDRAW;
	return fault;
}

static void count_command(struct core *core)
{
	FUZZ_CHECK(++core->commands <= core->commands_max,
		   "commands without end");
}

/* Its account --------------------------------------------------------------- */

static struct core_extent *new_extent(const struct cxl_extent_record *record)
{
	struct core_extent *extent = calloc(1, sizeof(*extent));

	extent->record = *record;
	return extent;
}

static void free_extents(struct list_head *extents)
{
	struct core_extent *extent, *next;

	list_for_each_entry_safe(extent, next, extents, node)
		free(extent);
	INIT_LIST_HEAD(extents);
}

/* The device offers an extent, whether that is heard or not */
void core_device_offer(struct core *core, const struct cxl_extent_record *record)
{
	struct core_offer *offer;

	if (core->offering) {
		offer = list_last_entry(&core->offers, typeof(*offer), node);
	} else {
		offer = calloc(1, sizeof(*offer));
		INIT_LIST_HEAD(&offer->extents);
		list_add_tail(&offer->node, &core->offers);
	}
	list_add_tail(&new_extent(record)->node, &offer->extents);
	core->offering = record->more;
}

/* The accepted extent in which all of @range lies, or NULL */
struct core_extent *core_accepted(struct core *core, const struct range *range)
{
	struct core_extent *extent;

	list_for_each_entry(extent, &core->accepted, node) {
		struct range dpa = core_range(&extent->record);

		if (range_contains(&dpa, range))
			return extent;
	}
	return NULL;
}

/* An accepted extent in which any of @range lies, or NULL */
struct core_extent *core_any_accepted(struct core *core,
				      const struct range *range)
{
	struct core_extent *extent;

	list_for_each_entry(extent, &core->accepted, node) {
		struct range dpa = core_range(&extent->record);

		if (core_overlap(&dpa, range))
			return extent;
	}
	return NULL;
}

/* @range goes back: what remains of its extent is one or two others */
static void unaccept(struct core *core, const struct range *range)
{
	struct core_extent *extent = core_accepted(core, range);
	struct cxl_extent_record rest = extent->record;
	u64 end = rest.start + rest.len;

	if (range->end + 1 < end) {
		rest.start = range->end + 1;
		rest.len = end - rest.start;
		list_add(&new_extent(&rest)->node, &extent->node);
	}
	extent->record.len = range->start - extent->record.start;
	if (!extent->record.len) {
		list_del(&extent->node);
		free(extent);
	}
}

/* The device forgets that this host holds an extent, or the second half of it */
void core_device_forget(struct core *core, struct core_extent *extent, bool half)
{
	struct range range = core_range(&extent->record);
	u64 blocks = extent->record.len / CORE_BLOCK;

	if (half)
		range.start += blocks / 2 * CORE_BLOCK;
	unaccept(core, &range);
}

static void offer_answered(struct core *core, struct core_offer *offer)
{
	if (list_is_last(&offer->node, &core->offers))
		core->offering = false;
	list_del(&offer->node);
	free_extents(&offer->extents);
	free(offer);
}

void core_device_free(struct core *core)
{
	struct core_offer *offer, *next;

	list_for_each_entry_safe(offer, next, &core->offers, node)
		offer_answered(core, offer);
	free_extents(&core->accepted);
}

/* Add Dynamic Capacity Response --------------------------------------------- */

/* The extent of just @range behind @pos, or NULL */
static struct core_extent *find_offered(struct core_offer *offer,
					struct core_extent *pos,
					const struct cxl_extent *extent)
{
	list_for_each_entry_continue(pos, &offer->extents, node)
		if (pos->record.start == extent->start &&
		    pos->record.len == extent->len)
			return pos;
	return NULL;
}

static struct core_extent *offer_head(struct core_offer *offer)
{
	return list_entry(&offer->extents, struct core_extent, node);
}

/* All extents of the tag that the offer has are in the answer */
static void check_whole(struct core_offer *offer, struct list_head *answers,
			const uuid_t *tag)
{
	struct core_extent *offered;
	struct cxl_extent *extent;
	int balance = 0;

	if (uuid_is_null(tag))
		return;
	list_for_each_entry(offered, &offer->extents, node)
		balance += uuid_equal(&offered->record.tag, tag);
	list_for_each_entry(extent, answers, answer)
		balance -= uuid_equal(&extent->tag, tag);
	FUZZ_CHECK(!balance, "a part of %pUb is accepted", tag);
}

/* This host knows what it answers: then the answer must be right */
static void check_answer(struct core *core, struct core_offer *offer,
			 struct list_head *answers)
{
	struct core_extent *pos = offer_head(offer);
	struct cxl_extent *extent;

	list_for_each_entry(extent, answers, answer) {
		struct range dpa = core_extent_range(extent);

		pos = find_offered(offer, pos, extent);
		FUZZ_CHECK(pos, "%#llx is out of order, or was not offered",
			   extent->start);
		if (extent->verdict == CXL_EXTENT_AGAIN)
			continue;
		check_whole(offer, answers, &extent->tag);
		FUZZ_CHECK(!core_is_sound(core) || !core_any_accepted(core, &dpa),
			   "%#llx is accepted twice", extent->start);
	}
}

static void check_prepared(struct core *core, struct list_head *answers)
{
	struct cxl_extent *extent;

	list_for_each_entry(extent, answers, answer) {
		struct range dpa = core_extent_range(extent);

		if (extent->verdict == CXL_EXTENT_ACCEPTED)
			core_dax_check_accepted(core, &dpa);
	}
}

/* Does the device lend just this extent? */
static bool is_known(struct core *core, const struct cxl_extent_record *record)
{
	struct range dpa = core_range(record);
	const struct core_extent *extent = core_accepted(core, &dpa);

	return extent && extent->record.start == record->start &&
	       extent->record.len == record->len &&
	       uuid_equal(&extent->record.tag, &record->tag);
}

/* What a device says that has an account, before it changes anything */
static int judge_answer(struct core *core, struct core_offer *offer,
			struct list_head *answers)
{
	struct core_extent *pos = offer_head(offer);
	struct cxl_extent *extent;

	list_for_each_entry(extent, answers, answer) {
		struct range dpa = core_extent_range(extent);

		pos = find_offered(offer, pos, extent);
		if (!pos)
			return CXL_MBOX_CMD_RC_INPUT;
		if (core_any_accepted(core, &dpa) &&
		    !(core->lenient && is_known(core, &pos->record)))
			return CXL_MBOX_CMD_RC_PADDR;
	}
	return 0;
}

static void mark_stale(struct core *core, const struct range *dpa)
{
	for (int w = 0; w < CORE_WINDOWS; w++)
		if (core->window[w].mapped &&
		    range_contains(&core->window[w].window.dpa, dpa))
			core->window[w].stale_in = true;
}

static void accept(struct core *core, struct core_offer *offer,
		   struct list_head *answers, unsigned int done, bool stale)
{
	struct cxl_extent *extent;

	list_for_each_entry(extent, answers, answer) {
		struct core_extent *offered = find_offered(offer,
							   offer_head(offer),
							   extent);
		struct range dpa = core_extent_range(extent);

		if (!done--)
			break;
		if (!offered)
			continue;
		core->mixed |= !uuid_equal(&offered->record.tag, &extent->tag) ||
			       offered->record.seq != extent->seq;
		if (core_any_accepted(core, &dpa))
			continue;
		list_move_tail(&offered->node, &core->accepted);
		if (stale && extent->verdict == CXL_EXTENT_ACCEPTED)
			mark_stale(core, &dpa);
	}
}

static int respond_faulty(struct core *core, struct core_offer *offer,
			  struct list_head *answers,
			  const struct core_fault *fault)
{
	if (fault->done == CORE_KEEP) {
		core->astray = true;
		return fault->rc;
	}
	accept(core, offer, answers, fault->done, false);
	offer_answered(core, offer);
	return fault->rc;
}

static int hostile_code(struct core *core)
{
	static const int code[] = {
		0, 0, 0, 0, CXL_MBOX_CMD_RC_PADDR, CXL_MBOX_CMD_RC_INPUT,
		CXL_MBOX_CMD_RC_EXTLIST, -ETIMEDOUT,
	};

	return code[fuzz_byte(&core->input) % ARRAY_SIZE(code)];
}

static int core_respond(struct cxl_extents *extents, struct list_head *answers)
{
	struct core *core = to_core(extents);
	const struct core_fault *fault = core_fault(core, CORE_RESPOND);
	struct core_offer *offer = list_first_entry_or_null(&core->offers,
							    typeof(*offer), node);
	int rc;

	count_command(core);
	/* at most: as it is, without what is known, and none */
	FUZZ_CHECK(++core->responses <= 3, "too many responses");
	check_prepared(core, answers);
	if (core->hostile)
		return hostile_code(core);
	if (!offer) {
		FUZZ_CHECK(core->trouble || core->astray,
			   "a response that no offer waits for");
		return CXL_MBOX_CMD_RC_INPUT;
	}
	if (!core->astray)
		check_answer(core, offer, answers);
	if (fault)
		return respond_faulty(core, offer, answers, fault);
	rc = judge_answer(core, offer, answers);
	if (rc)
		return rc;
	accept(core, offer, answers, UINT_MAX, true);
	offer_answered(core, offer);
	return 0;
}

/* Release Dynamic Capacity -------------------------------------------------- */

/* The others of @answers that overlap an earlier one */
static bool any_twice(struct list_head *answers, const struct cxl_extent *extent)
{
	struct range dpa = core_extent_range(extent);
	const struct cxl_extent *pos = extent;

	list_for_each_entry_continue_reverse(pos, answers, answer) {
		struct range other = core_extent_range(pos);

		if (core_overlap(&other, &dpa))
			return true;
	}
	return false;
}

static int judge_release(struct core *core, struct list_head *answers)
{
	struct cxl_extent *extent;
	int rc = 0;

	FUZZ_CHECK(!list_empty(answers), "a Release of nothing");
	list_for_each_entry(extent, answers, answer) {
		struct range dpa = core_extent_range(extent);

		core_dax_check_released(core, &dpa);
		FUZZ_CHECK(!any_twice(answers, extent), "%#llx is released twice",
			   extent->start);
		if (!core->hostile && !core_accepted(core, &dpa))
			rc = CXL_MBOX_CMD_RC_PADDR;
	}
	FUZZ_CHECK(!rc || !core_is_sound(core),
		   "a Release of what the device does not lend");
	return rc;
}

static int core_release(struct cxl_extents *extents, struct list_head *answers)
{
	struct core *core = to_core(extents);
	const struct core_fault *fault = core_fault(core, CORE_RELEASE);
	unsigned int done = fault ? fault->done : UINT_MAX;
	int rc = judge_release(core, answers);
	struct cxl_extent *extent;

	count_command(core);
	if (core->hostile)
		return hostile_code(core);
	if (rc)
		return rc;
	list_for_each_entry(extent, answers, answer) {
		struct range dpa = core_extent_range(extent);

		if (done == CORE_KEEP || !done--)
			break;
		unaccept(core, &dpa);
	}
	return fault ? fault->rc : 0;
}

/* Get Dynamic Capacity Extent List ------------------------------------------ */

static void list_one(struct cxl_extent_list *list,
		     const struct cxl_extent_record *record)
{
	list->extent[list->nr++] = (struct cxl_dc_extent) {
		.start_dpa = cpu_to_le64(record->start),
		.length = cpu_to_le64(record->len),
		.tag = record->tag,
		.shared_seq = cpu_to_le16(record->seq),
	};
}

static int core_list(struct cxl_extents *extents, struct cxl_extent_list *list)
{
	struct core *core = to_core(extents);
	const struct core_fault *fault = core_fault(core, CORE_LIST);
	unsigned int nr = list_count_nodes(&core->accepted);
	struct core_extent *extent;

	count_command(core);
	if (fault)
		return fault->rc;
	if (core->hostile)
		nr = fuzz_byte(&core->input) % 16;
	list->extent = kvmalloc_objs(*list->extent, nr + 1);
	if (!list->extent)
		return -ENOMEM;
	list_for_each_entry(extent, &core->accepted, node)
		list_one(list, &extent->record);
	while (core->hostile && list->nr < nr) {
		struct cxl_extent_record record = core_read_record(core);

		list_one(list, &record);
	}
	return 0;
}

static void core_report(struct cxl_extents *extents, u64 start, u64 len,
			const uuid_t *tag, const char *what)
{
	FUZZ_CHECK(*what, "a report without words");
}

const struct cxl_extent_ops core_ops = {
	.respond = core_respond,
	.release = core_release,
	.list = core_list,
	.prepare = core_prepare,
	.discard = core_discard,
	.publish = core_publish,
	.withdraw = core_withdraw,
	.kill = core_kill,
	.narrow = core_narrow,
	.remove = core_remove,
	.invalidate = core_invalidate,
	.report = core_report,
};
