// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic Capacity Devices: discovery
 *
 * A memory device is a DCD when its Command Effects Log has all four Dynamic
 * Capacity commands, its configuration is well formed and an interrupt tells of
 * its event log. Whatever is wrong with any of these disables Dynamic Capacity
 * and nothing else: static memory stays as it is.
 */
#include <linux/acpi.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"
#include "dcd.h"

static int dcd_respond(struct cxl_extents *extents, struct list_head *answers)
{
	return cxl_dc_send_extents(&to_dcd(extents)->wire,
				   CXL_MBOX_OP_ADD_DC_RESPONSE, answers);
}

static int dcd_release(struct cxl_extents *extents, struct list_head *answers)
{
	struct cxl_dcd *dcd = to_dcd(extents);
	int rc = cxl_dc_send_extents(&dcd->wire, CXL_MBOX_OP_RELEASE_DC,
				     answers);

	if (rc)
		dev_err_ratelimited(dcd->mds->cxlds.dev,
				    "Release Dynamic Capacity failed: %d\n", rc);
	return rc;
}

static int dcd_list(struct cxl_extents *extents, struct cxl_extent_list *list)
{
	struct cxl_dcd *dcd = to_dcd(extents);
	int rc = cxl_dc_read_extents(&dcd->wire, list);

	if (rc)
		dev_err_ratelimited(dcd->mds->cxlds.dev,
				    "Get Dynamic Capacity Extent List failed: %d\n",
				    rc);
	return rc;
}

static void dcd_report(struct cxl_extents *extents, u64 start, u64 len,
		       const uuid_t *tag, const char *what)
{
	dev_warn_ratelimited(to_dcd(extents)->mds->cxlds.dev,
			     "extent DPA %#llx length %#llx tag %pUb: %s\n",
			     start, len, tag, what);
}

static const struct cxl_extent_ops dcd_extent_ops = {
	.respond = dcd_respond,
	.release = dcd_release,
	.list = dcd_list,
	.prepare = cxl_region_extents_prepare,
	.discard = cxl_region_extents_discard,
	.publish = cxl_region_extents_publish,
	.withdraw = cxl_region_extents_withdraw,
	.kill = cxl_region_extents_kill,
	.narrow = cxl_region_extents_narrow,
	.remove = cxl_region_extents_remove,
	.invalidate = cxl_region_extents_invalidate,
	.report = dcd_report,
};

static void dcd_free(struct cxl_dcd *dcd)
{
	if (IS_ERR_OR_NULL(dcd))
		return;
	cxl_dcd_events_exit(dcd);
	cxl_extents_destroy(&dcd->extents);
	cxl_dc_wire_exit(&dcd->wire);
	kfree(dcd);
}

DEFINE_FREE(dcd_free, struct cxl_dcd *, dcd_free(_T))

static void dcd_exit(void *data)
{
	struct cxl_memdev_state *mds = data;

	dcd_free(mds->dcd);
	mds->dcd = NULL;
}

static struct cxl_dcd *dcd_alloc(struct cxl_memdev_state *mds)
{
	struct cxl_mailbox *mbox = &mds->cxlds.cxl_mbox;
	struct cxl_dcd *dcd __free(dcd_free) = kzalloc_obj(*dcd);

	if (!dcd)
		return ERR_PTR(-ENOMEM);
	dcd->mds = mds;
	cxl_extents_init(&dcd->extents, &dcd_extent_ops);
	if (cxl_dcd_events_init(dcd) || cxl_dc_wire_init(&dcd->wire, mbox))
		return ERR_PTR(-ENOMEM);
	return no_free_ptr(dcd);
}

/* Partitions follow the static memory; both are checked before anything changes */
static int dcd_add_partitions(struct cxl_dcd *dcd, struct cxl_dpa_info *info)
{
	const struct cxl_dc_config *config = &dcd->config;
	u64 end = 0;

	for (int i = 0; i < info->nr_partitions; i++)
		end = max(end, info->part[i].range.end + 1);
	if (config->part[0].dpa.start < max(end, info->size))
		return -EINVAL;

	for (unsigned int i = 0; i < config->nr; i++) {
		const struct cxl_dc_partition *part = &config->part[i];

		info->part[info->nr_partitions++] = (struct cxl_dpa_part_info) {
			.range = part->dpa,
			.mode = CXL_PARTMODE_DYNAMIC_RAM_1 + i,
		};
		dcd->extents.partition[i] = (struct cxl_extent_partition) {
			.dpa = part->dpa,
			.block_size = part->block_size,
		};
		info->size = part->dpa.end + 1;
	}
	dcd->extents.nr_partitions = config->nr;
	dcd->extents.align = PMD_SIZE;
	cxl_extents_set_limits(&dcd->extents, config->extents_supported);
	return 0;
}

static int dcd_probe(struct cxl_memdev_state *mds, struct cxl_dpa_info *info,
		     bool (*irq_setup)(struct cxl_memdev_state *mds))
{
	struct cxl_dcd *dcd __free(dcd_free) = dcd_alloc(mds);
	int rc;

	if (IS_ERR(dcd))
		return PTR_ERR(dcd);
	rc = cxl_dc_read_config(&dcd->wire, &dcd->config);
	if (rc)
		return rc;
	rc = dcd_add_partitions(dcd, info);
	if (rc)
		return rc;
	mds->dcd = no_free_ptr(dcd);
	rc = devm_add_action_or_reset(mds->cxlds.dev, dcd_exit, mds);
	if (rc)
		return rc;
	/* requested after, and so freed before, what its handler looks at */
	if (!irq_setup || !irq_setup(mds)) {
		devm_release_action(mds->cxlds.dev, dcd_exit, mds);
		return -ENODEV;
	}
	return 0;
}

/* Has the device all Dynamic Capacity commands? */
static bool dcd_supported(const struct cxl_memdev_state *mds)
{
	return mds->cxlds.media_ready &&
	       bitmap_full(mds->dcd_cmds, CXL_DCD_ENABLED_MAX);
}

/**
 * devm_cxl_dcd_probe() - find out about Dynamic Capacity
 * @mds: the memory device, its commands are enumerated
 * @info: its static partitions; those of Dynamic Capacity are added
 * @irq_setup: request the interrupt that tells of the DC event log, as devres,
 *	       and say whether there is one; NULL if there are no interrupts
 *
 * Any fault disables Dynamic Capacity, with one line, and leaves @info as it was.
 */
void devm_cxl_dcd_probe(struct cxl_memdev_state *mds, struct cxl_dpa_info *info,
			bool (*irq_setup)(struct cxl_memdev_state *mds))
{
	struct cxl_dpa_info static_info = *info;
	int rc;

	if (!dcd_supported(mds))
		return;
	rc = dcd_probe(mds, info, irq_setup);
	if (!rc)
		return;
	*info = static_info;
	dev_warn(mds->cxlds.dev, "Dynamic Capacity disabled: %s (%d)\n",
		 rc == -ENODEV ? "no interrupt for its event log" :
				 "can't use its configuration", rc);
}
EXPORT_SYMBOL_NS_GPL(devm_cxl_dcd_probe, "CXL");

/**
 * cxl_dcd_set_dsmas() - take a partition's properties from CDAT
 * @cxlds: the memory device
 * @handle: DSMAD handle
 * @flags: of its DSMAS
 */
void cxl_dcd_set_dsmas(struct cxl_dev_state *cxlds, u8 handle, u8 flags)
{
	struct cxl_memdev_state *mds = to_cxl_memdev_state(cxlds);
	struct cxl_dcd *dcd = mds ? mds->dcd : NULL;

	if (!dcd)
		return;
	guard(mutex)(&dcd->extents.lock);
	for (unsigned int i = 0; i < dcd->config.nr; i++) {
		if (dcd->config.part[i].handle != handle)
			continue;
		WRITE_ONCE(dcd->config.part[i].dsmas_flags, flags);
		dcd->extents.partition[i].sharable =
			flags & ACPI_CDAT_DSMAS_SHAREABLE;
	}
}

/**
 * cxl_dcd_partition() - a partition of a memory device
 * @cxlds: the memory device
 * @mode: CXL_PARTMODE_DYNAMIC_RAM_1 and up
 *
 * Return: the partition, or NULL. Its flags may change at any time, its length and
 * block size only while cxl_rwsem.dpa is held.
 */
const struct cxl_dc_partition *
cxl_dcd_partition(struct cxl_dev_state *cxlds, enum cxl_partition_mode mode)
{
	struct cxl_memdev_state *mds = to_cxl_memdev_state(cxlds);
	unsigned int i = mode - CXL_PARTMODE_DYNAMIC_RAM_1;

	if (!mds || !mds->dcd || !cxl_partmode_is_dynamic(mode) ||
	    i >= mds->dcd->config.nr)
		return NULL;
	return &mds->dcd->config.part[i];
}

/* Why no region can be made of a partition, or NULL */
static const char *region_obstacle(const struct cxl_region_params *params,
				   u8 flags)
{
	if (flags & ACPI_CDAT_DSMAS_READ_ONLY)
		return "read-only";
	if (flags & ACPI_CDAT_DSMAS_NON_VOLATILE)
		return "non-volatile";
	/* sysfs refuses this, but firmware may have committed the decoders */
	if (params->interleave_ways != 1)
		return "interleaved";
	if (params->cache_size)
		return "with an extended linear cache";
	return NULL;
}

/**
 * cxl_dcd_check_region() - can a region be made of a partition?
 * @cxlr: the region, of any mode
 * @cxlds: the memory device that is to be its target
 *
 * Return: 0, or -EOPNOTSUPP when the partition is read-only or non-volatile, or
 * the region would not follow its DPA one to one
 */
int cxl_dcd_check_region(struct cxl_region *cxlr, struct cxl_dev_state *cxlds)
{
	const struct cxl_dc_partition *part = cxl_dcd_partition(cxlds,
								cxlr->mode);
	const char *obstacle;

	if (!part)
		return 0;
	obstacle = region_obstacle(&cxlr->params, READ_ONCE(part->dsmas_flags));
	if (!obstacle)
		return 0;
	dev_err(&cxlr->dev, "%s of %s, %s, is not supported\n",
		cxl_partition_mode_name(cxlr->mode), dev_name(cxlds->dev),
		obstacle);
	return -EOPNOTSUPP;
}

static void show_refused(struct seq_file *file,
			 const struct cxl_extent_stats *stats)
{
	for (int i = CXL_EXTENT_OK + 1; i < CXL_EXTENT_NR_REASONS; i++)
		seq_printf(file, "refused (%s): %llu\n",
			   cxl_extent_reason_str(i), stats->refused[i]);
}

static int dynamic_capacity_show(struct seq_file *file, void *data)
{
	struct cxl_dcd *dcd = file->private;
	const struct cxl_extent_stats *stats = &dcd->extents.stats;
	const struct cxl_dc_wire *wire = &dcd->wire;

	guard(mutex)(&dcd->extents.lock);
	seq_printf(file, "records: %llu\n", dcd->stats.records);
	seq_printf(file, "records unknown: %llu\n", dcd->stats.unknown);
	seq_printf(file, "records add: %llu\n", stats->add_records);
	seq_printf(file, "records release: %llu\n", stats->release_records);
	seq_printf(file, "records forced release: %llu\n",
		   stats->forced_records);
	seq_printf(file, "records configuration updated: %llu\n",
		   dcd->stats.config_updates);
	seq_printf(file, "log errors: %llu\n", dcd->stats.log_errors);
	seq_printf(file, "overflows: %llu\n", stats->overflows);
	seq_printf(file, "chains: %llu\n", stats->chains);
	seq_printf(file, "accepted: %llu\n", stats->accepted);
	seq_printf(file, "offered again: %llu\n", stats->again);
	seq_printf(file, "recovered: %llu\n", stats->recovered);
	show_refused(file, stats);
	seq_printf(file, "asked back in use: %llu\n", stats->asked);
	seq_printf(file, "released: %llu\n", stats->released);
	seq_printf(file, "release failed: %llu\n", stats->release_failed);
	seq_printf(file, "vanished: %llu\n", stats->vanished);
	seq_printf(file, "killed: %llu\n", stats->killed);
	seq_printf(file, "command 0100h: %llu\n", wire->get_events);
	seq_printf(file, "command 0101h: %llu\n", wire->clear_events);
	for (int i = 0; i < ARRAY_SIZE(wire->commands); i++)
		seq_printf(file, "command 480%dh: %llu\n", i,
			   wire->commands[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dynamic_capacity);

/**
 * cxl_dcd_debugfs() - make the statistics readable
 * @mds: the memory device
 * @dir: its directory in debugfs, removed before @mds is
 */
void cxl_dcd_debugfs(struct cxl_memdev_state *mds, struct dentry *dir)
{
	if (mds && mds->dcd)
		debugfs_create_file("dynamic_capacity", 0400, dir, mds->dcd,
				    &dynamic_capacity_fops);
}
EXPORT_SYMBOL_NS_GPL(cxl_dcd_debugfs, "CXL");
