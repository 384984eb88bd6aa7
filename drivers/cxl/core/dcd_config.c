// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic Capacity Devices: a partition changes while the driver is bound
 *
 * The device says which one, and the configuration is read anew. A partition that
 * nothing is made of yet takes its new length and block size at once, as long as it
 * stays where it is and does not reach into its neighbours. Anything else waits until
 * the driver is bound again.
 */
#include <linux/ioport.h>
#include <linux/range.h>
#include <cxlmem.h>
#include <cxl.h>
#include "core.h"
#include "dcd.h"

static struct cxl_dpa_partition *dpa_partition(struct cxl_dcd *dcd,
					       unsigned int index)
{
	struct cxl_dev_state *cxlds = &dcd->mds->cxlds;

	for (int i = 0; i < cxlds->nr_partitions; i++)
		if (cxlds->part[i].mode == CXL_PARTMODE_DYNAMIC_RAM_1 + index)
			return &cxlds->part[i];
	return NULL;
}

/* What speaks against it, or NULL when the partition has its new length */
static const char *resize(struct cxl_dcd *dcd, struct cxl_dpa_partition *part,
			  const struct range *dpa)
{
	struct resource *parent = &dcd->mds->cxlds.dpa_res;
	resource_size_t end = parent->end;
	int rc;

	if (part->res.child)
		return "decoders have some of it";
	/* the last partition may grow: the device's own end follows it */
	if (!part->res.sibling)
		parent->end = max(end, dpa->end);
	rc = adjust_resource(&part->res, dpa->start, range_len(dpa));
	if (!part->res.sibling)
		parent->end = part->res.end;
	return rc ? "it reaches into its neighbours" : NULL;
}

static const char *update(struct cxl_dcd *dcd, unsigned int index,
			  const struct cxl_dc_config *config)
{
	const struct cxl_dc_partition *fresh = &config->part[index];
	struct cxl_dc_partition *old = &dcd->config.part[index];
	struct cxl_dpa_partition *part = dpa_partition(dcd, index);
	const char *obstacle;

	if (config->nr != dcd->config.nr)
		return "there are more partitions, or fewer";
	if (!part || fresh->dpa.start != old->dpa.start ||
	    fresh->handle != old->handle)
		return "it is another one";
	obstacle = resize(dcd, part, &fresh->dpa);
	if (obstacle)
		return obstacle;
	old->dpa = fresh->dpa;
	old->block_size = fresh->block_size;
	dcd->extents.partition[index].dpa = fresh->dpa;
	dcd->extents.partition[index].block_size = fresh->block_size;
	cxl_extents_set_limits(&dcd->extents, config->extents_supported);
	return NULL;
}

/**
 * cxl_dcd_config_updated() - act on a Region Configuration Updated record
 * @dcd: the Dynamic Capacity of a memory device, locked
 * @index: which partition, as the device said it
 *
 * CXL 3.1 8.2.9.2.1.6. Takes cxl_rwsem.dpa: whoever looks at the length or the block
 * size of a partition holds it, or struct cxl_extents::lock.
 */
void cxl_dcd_config_updated(struct cxl_dcd *dcd, unsigned int index)
{
	struct device *dev = dcd->mds->cxlds.dev;
	struct cxl_dc_config config;
	const char *obstacle;
	int rc;

	lockdep_assert_held(&dcd->extents.lock);
	dcd->stats.config_updates++;
	rc = cxl_dc_read_config(&dcd->wire, &config);
	if (rc || index >= dcd->config.nr) {
		dev_warn_ratelimited(dev, "configuration of partition %u updated: can't use it (%d)\n",
				     index + 1, rc);
		return;
	}
	scoped_guard(rwsem_write, &cxl_rwsem.dpa)
		obstacle = update(dcd, index, &config);
	if (obstacle)
		dev_warn_ratelimited(dev, "configuration of partition %u updated: nothing changes before the driver is bound again: %s\n",
				     index + 1, obstacle);
	else
		dev_info_ratelimited(dev, "configuration of partition %u updated: length %#llx, block size %#llx\n",
				     index + 1,
				     range_len(&config.part[index].dpa),
				     config.part[index].block_size);
}
