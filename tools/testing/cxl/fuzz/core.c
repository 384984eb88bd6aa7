// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the extent core: from its start to its end
 */
#include "core.h"

static void read_partition(struct core *core, unsigned int nr)
{
	static const u64 block_size[] = { SZ_2M, SZ_2M, SZ_2M, SZ_4M, 64 };
	u8 how = fuzz_byte(&core->input);

	core->extents.partition[nr] = (struct cxl_extent_partition) {
		.dpa = DEFINE_RANGE(core_dpa(nr * CORE_STRIDE),
				    core_dpa(nr * CORE_STRIDE + CORE_BLOCKS) - 1),
		.block_size = block_size[how % ARRAY_SIZE(block_size)],
		.sharable = how & BIT(7),
	};
}

/* Bits of the first byte: 0 to 2 the device, 3 and 4 partitions, 5 to 7 limit */
static void read_config(struct core *core)
{
	u8 how = fuzz_byte(&core->input);

	core->hostile = how % 8 == 7;
	core->lenient = how % 8 == 6;
	core->extents.nr_partitions = how / 8 % 4 % CORE_PARTITIONS + 1;
	for (unsigned int i = 0; i < core->extents.nr_partitions; i++)
		read_partition(core, i);
	core->extents.align = CORE_BLOCK;
	cxl_extents_set_limits(&core->extents, how >> 5);
}

/* As the driver goes: nothing fails any more, or all that was told to */
static void end(struct core *core, bool mended)
{
	struct core_object *object;

	list_for_each_entry(object, &core->objects, node)
		object->claimed = false;
	scoped_guard(mutex, &core->extents.lock) {
		if (mended && !core->hostile) {
			core_settle(core);
			FUZZ_CHECK(list_empty(&core->extents.dying),
				   "dead, and nobody uses it");
			core_check(core);
		}
		core->responses = 0;
		core->commands = 0;
		cxl_extents_abandon_chain(&core->extents);
		for (int w = 0; w < CORE_WINDOWS; w++)
			if (core->window[w].mapped)
				core_unmap(core, &core->window[w]);
	}
	cxl_extents_destroy(&core->extents);
	FUZZ_CHECK(RB_EMPTY_ROOT(&core->extents.held.rb_root),
		   "held after the end");
	FUZZ_CHECK(list_empty(&core->objects), "visible after the end");
	FUZZ_CHECK(!fuzz_kernel.live, "%u objects leaked", fuzz_kernel.live);
	core_device_free(core);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct core core = { .input = { .data = data, .size = size } };

	fuzz_kernel_init();
	INIT_LIST_HEAD(&core.offers);
	INIT_LIST_HEAD(&core.accepted);
	INIT_LIST_HEAD(&core.objects);
	cxl_extents_init(&core.extents, &core_ops);
	read_config(&core);
	core_run(&core);
	end(&core, size % 2);
	return 0;
}
