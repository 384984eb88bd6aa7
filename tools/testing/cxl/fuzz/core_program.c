// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the extent core: what the input means
 *
 * FUZZ_TRACE=1 in the environment prints the program while it runs.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "core.h"

static void trace(const char *format, ...)
{
	va_list args;

	if (!getenv("FUZZ_TRACE"))
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

/* What the device has lent, what this host holds, and what is known to be wrong */
static void trace_state(struct core *core)
{
	struct core_extent *lent;
	struct rb_node *node;

	list_for_each_entry(lent, &core->accepted, node)
		trace("\tlent %#llx+%#llx tag %u\n", lent->record.start,
		      lent->record.len, lent->record.tag.b[15]);
	for (node = rb_first_cached(&core->extents.held); node;
	     node = rb_next(node)) {
		struct cxl_extent *held = rb_entry(node, struct cxl_extent, rb);

		trace("\theld %#llx+%#llx tag %u state %d\n", held->start,
		      held->len, held->tag.b[15], held->alloc->state);
	}
	trace("\t%zu offers%s%s%s%s%s%s%s\n", list_count_nodes(&core->offers),
	      core->extents.compare_due ? ", compare" : "",
	      core->trouble ? ", trouble" : "",
	      core->vanished ? ", vanished" : "",
	      core->astray ? ", astray" : "", core->mixed ? ", mixed" : "",
	      core->lenient ? ", lenient" : "",
	      fuzz_kernel.failed_allocs ? ", allocations failed" : "");
}

/* Records ------------------------------------------------------------------- */

static bool is_sharable(struct core *core, u64 start)
{
	for (unsigned int i = 0; i < core->extents.nr_partitions; i++)
		if (start >= core->extents.partition[i].dpa.start &&
		    start <= core->extents.partition[i].dpa.end)
			return core->extents.partition[i].sharable;
	return false;
}

/* Now and then a device says what no device should */
static void make_odd(struct core *core, struct cxl_extent_record *record)
{
	u8 how = fuzz_byte(&core->input);

	switch (how % 5) {
	case 0:
		record->len = 0;
		break;
	case 1:
		record->start = fuzz_number(&core->input, 8);
		record->len = fuzz_number(&core->input, 8);
		break;
	case 2:
		record->start += (u64)how << 6;
		break;
	case 3:
		record->len -= (u64)how << 6;
		break;
	case 4:
		record->len = -record->start + how;
		break;
	}
}

/**
 * core_read_record() - a record
 * @core: whose program says so
 *
 * Bits of the first byte: 0 and 1 number of the tag, 2 More, 3 and 4 sequence
 * number, 5 to 7: 7 stands for one that is odd. Then come start and length in blocks.
 */
struct cxl_extent_record core_read_record(struct core *core)
{
	u8 kind = fuzz_byte(&core->input);
	unsigned int start = fuzz_byte(&core->input) % 128;
	unsigned int nr = fuzz_byte(&core->input) % 8 + 1;
	struct cxl_extent_record record = {
		.start = core_dpa(start),
		.len = nr * CORE_BLOCK,
		.more = kind & BIT(2),
	};

	record.tag.b[15] = kind & 3;
	if (is_sharable(core, record.start) || kind >> 5 == 6)
		record.seq = kind >> 3 & 3;
	if (kind >> 5 == 7)
		make_odd(core, &record);
	trace(" %#llx+%#llx tag %u seq %u%s", record.start, record.len,
	      record.tag.b[15], record.seq, record.more ? " more" : "");
	return record;
}

/* Before each call of the extent core: it may do so much */
static void begin(struct core *core)
{
	fuzz_kernel.steps = 0;
	core->responses = 0;
	core->commands = 0;
	core->commands_max = 64 + 4 * fuzz_kernel.live;
}

/* Operations: what the device does ------------------------------------------- */

static void op_offer(struct core *core)
{
	struct cxl_extent_record record = core_read_record(core);

	if (!core->hostile)
		core_device_offer(core, &record);
	cxl_extents_add_record(&core->extents, &record);
}

static void op_ask(struct core *core)
{
	struct cxl_extent_record record = core_read_record(core);
	bool full = core->extents.nr_strays == core->extents.max_chain;
	bool held = core_any_held(core, &record);

	cxl_extents_release_record(&core->extents, &record);
	if (!record.more && !full)
		core_check_asked(core, &record, held);
}

/* The log overflows; what the device said meanwhile is not heard */
static void op_lose(struct core *core)
{
	u8 how = fuzz_byte(&core->input);

	for (unsigned int i = 0; !core->hostile && i < how % 4; i++) {
		struct cxl_extent_record record = core_read_record(core);

		core_device_offer(core, &record);
		core->astray = true;
	}
	/* does the device know that what it says next is a new chain? */
	if (how & BIT(7))
		core->astray |= core->offering;
	else
		core->offering = false;
	cxl_extents_records_lost(&core->extents);
}

static struct core_extent *pick_accepted(struct core *core)
{
	unsigned int nth = fuzz_byte(&core->input) % 8;
	struct core_extent *extent;

	list_for_each_entry(extent, &core->accepted, node)
		if (!nth--)
			return extent;
	return NULL;
}

/* The device forgets that this host holds something, and does not say so */
static void op_vanish(struct core *core)
{
	bool half = fuzz_byte(&core->input) & 1;
	struct core_extent *extent = pick_accepted(core);

	if (!extent)
		return;
	core_device_forget(core, extent, half);
	core->vanished = true;
}

/* The device takes something by force, and says so */
static void op_force(struct core *core)
{
	bool half = fuzz_byte(&core->input) & 1;
	struct core_extent *extent = pick_accepted(core);
	struct cxl_extent_record record;

	if (!extent)
		return;
	record = extent->record;
	if (half) {
		record.start += record.len / CORE_BLOCK / 2 * CORE_BLOCK;
		record.len -= record.start - extent->record.start;
	}
	record.more = false;
	core_device_forget(core, extent, half);
	/* with another tag only the list decides, and that may fail to be read */
	core->vanished |= core->mixed;
	cxl_extents_forced_record(&core->extents, &record);
}

/* Operations: what this host does -------------------------------------------- */

static bool window_fits(struct core *core, const struct range *dpa)
{
	bool inside = false;

	for (unsigned int i = 0; i < core->extents.nr_partitions; i++)
		inside |= range_contains(&core->extents.partition[i].dpa, dpa);
	for (int w = 0; w < CORE_WINDOWS; w++)
		if (core->window[w].mapped &&
		    core_overlap(&core->window[w].window.dpa, dpa))
			return false;
	return inside;
}

static void op_map(struct core *core)
{
	struct core_window *w = &core->window[fuzz_byte(&core->input) %
					      CORE_WINDOWS];
	unsigned int first = fuzz_byte(&core->input) % 128;
	unsigned int nr = fuzz_byte(&core->input) % CORE_BLOCKS + 1;
	struct range dpa = DEFINE_RANGE(core_dpa(first), core_dpa(first + nr) - 1);

	if (w->mapped || !window_fits(core, &dpa))
		return;
	trace(" %#llx-%#llx", dpa.start, dpa.end);
	*w = (struct core_window) { .window.dpa = dpa, .mapped = true };
	w->mapped = !cxl_extents_window_add(&core->extents, &w->window);
	FUZZ_CHECK(w->mapped || core->hostile || !core_is_sound(core),
		   "a region is refused");
}

static struct core_window *pick_window(struct core *core)
{
	struct core_window *w = &core->window[fuzz_byte(&core->input) %
					      CORE_WINDOWS];

	return w->mapped ? w : NULL;
}

/** core_unmap() - a region goes, and all that nobody used of it goes back */
void core_unmap(struct core *core, struct core_window *w)
{
	bool used = core->fault[CORE_WITHDRAW].nth ||
		    core_dax_any_used(core, &w->window.dpa);

	cxl_extents_window_remove(&core->extents, &w->window);
	w->mapped = false;
	FUZZ_CHECK(used || !core_is_sound(core) ||
		   !core_any_accepted(core, &w->window.dpa),
		   "a region has gone without giving all back");
}

static void op_unmap(struct core *core)
{
	struct core_window *w = pick_window(core);

	if (!w)
		return;
	core_unmap(core, w);
}

static void op_give_back(struct core *core)
{
	struct core_window *w = pick_window(core);

	if (w)
		cxl_extents_release_window(&core->extents, &w->window);
}

static void op_expire(struct core *core)
{
	jiffies += fuzz_byte(&core->input) % 32 * HZ;
	cxl_extents_expire(&core->extents, jiffies);
}

static void op_abandon(struct core *core)
{
	cxl_extents_abandon_chain(&core->extents);
}

static void op_retry(struct core *core)
{
	cxl_extents_retry(&core->extents);
}

static void op_claim(struct core *core)
{
	u8 how = fuzz_byte(&core->input);
	struct core_object *object = core_dax_pick(core, false, how % 8);

	if (!object)
		return;
	object->claimed = true;
	object->pinned = how & BIT(7);
}

static void op_give_up(struct core *core)
{
	u8 how = fuzz_byte(&core->input);
	struct core_object *object = core_dax_pick(core, true, how % 8);

	if (!object)
		return;
	object->claimed = false;
	/* the worker may come late */
	if (object->asked && !(how & BIT(7)))
		cxl_extents_retry(&core->extents);
}

/* Operations: what goes wrong ------------------------------------------------- */

static void op_fail(struct core *core)
{
	static const int code[] = {
		CXL_MBOX_CMD_RC_PADDR, CXL_MBOX_CMD_RC_INPUT,
		CXL_MBOX_CMD_RC_EXTLIST, CXL_MBOX_CMD_RC_INTERNAL,
		-ENXIO, -ETIMEDOUT, -ENOMEM, -EBUSY,
	};
	enum core_faulty op = fuzz_byte(&core->input) % CORE_NR_FAULTY;
	u8 how = fuzz_byte(&core->input), done = fuzz_byte(&core->input);
	int rc = code[done % ARRAY_SIZE(code)];

	core->fault[op] = (struct core_fault) {
		.nth = how % 4 + 1,
		.times = how / 4 % 4 + 1,
		.rc = op >= CORE_LIST && rc > 0 ? -ENOMEM : rc,
		.done = done / 8 % 8,
	};
	trace(" %d: nth %u times %u rc %d done %u", op, core->fault[op].nth,
	      core->fault[op].times, core->fault[op].rc, core->fault[op].done);
}

static void op_fail_alloc(struct core *core)
{
	fuzz_kernel.fail_alloc = fuzz_byte(&core->input) % 16 + 1;
}

/* Nothing fails any more, and all that waits for its time gets it */
static void mend(struct core *core)
{
	struct core_object *object;

	memset(core->fault, 0, sizeof(core->fault));
	fuzz_kernel.fail_alloc = 0;
	if (core->vanished)
		list_for_each_entry(object, &core->objects, node)
			object->claimed = false;
	for (int i = 0; i < 3 && cxl_extents_need_expire(&core->extents); i++) {
		jiffies += CXL_CHAIN_TIMEOUT_SECONDS * HZ;
		begin(core);
		cxl_extents_expire(&core->extents, jiffies);
	}
	begin(core);
	cxl_extents_retry(&core->extents);
}

/** core_settle() - mend all; then both sides must be the same, whatever was before */
void core_settle(struct core *core)
{
	mend(core);
	if (core->vanished || core->extents.compare_due) {
		begin(core);
		core->offering = false;
		cxl_extents_records_lost(&core->extents);
		cxl_extents_retry(&core->extents);
	}
	core->trouble = false;
	core->vanished = false;
	fuzz_kernel.failed_allocs = 0;
	core->astray |= !list_empty(&core->offers);
}

static const struct {
	void (*run)(struct core *core);
	const char *name;
} ops[] = {
	{ op_offer, "offer" },
	{ op_offer, "offer" },
	{ op_offer, "offer" },
	{ op_offer, "offer" },
	{ op_ask, "ask" },
	{ op_ask, "ask" },
	{ op_ask, "ask" },
	{ op_map, "map" },
	{ op_map, "map" },
	{ op_claim, "claim" },
	{ op_claim, "claim" },
	{ op_give_up, "give up" },
	{ op_give_up, "give up" },
	{ op_fail, "fail" },
	{ op_fail, "fail" },
	{ op_fail_alloc, "fail an allocation" },
	{ op_unmap, "unmap" },
	{ op_give_back, "give back" },
	{ op_lose, "lose" },
	{ op_expire, "expire" },
	{ op_retry, "retry" },
	{ op_abandon, "abandon" },
	{ op_vanish, "vanish" },
	{ core_settle, "settle" },
	{ op_force, "force" },
	{ op_force, "force" },
	/* new ones last: what an input means would change */
};

/** core_run() - run the program to its end */
void core_run(struct core *core)
{
	while (!fuzz_at_end(&core->input)) {
		unsigned int op = fuzz_byte(&core->input) % ARRAY_SIZE(ops);

		trace("%s", ops[op].name);
		begin(core);
		guard(mutex)(&core->extents.lock);
		ops[op].run(core);
		trace("\n");
		trace_state(core);
		core_check(core);
	}
	trace("end\n");
}
