// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test's mock DCD: the devices
 *
 * A device is made when its driver first probes it, and goes with its platform
 * device: its state survives an unbind, and a new load of cxl_test finds it as after
 * power-on.
 */
#include <linux/acpi.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <cxlmem.h>
#include <cxl.h>
#include <core.h>
#include "../../../../drivers/cxl/core/dcd.h"
#include "dcd.h"

#define BASE		SZ_2G	/* behind the static memory, DEV_SIZE in mem.c */

/* Partitions by the number of the device; a length of 0 ends them */
static const struct mock_dcd_partition
partitions[][CXL_DC_PARTITIONS_MAX] = {
	[0] = {
		{ BASE, SZ_512M, SZ_512, 0xfa, ACPI_CDAT_DSMAS_SHAREABLE },
	},
	[1] = {
		{ BASE, SZ_512M, SZ_512, 0xfa },
	},
	[2] = {
		{ BASE, SZ_512M, SZ_512, 0xfa },
	},
	[3] = {
		{ BASE, SZ_512M, SZ_512, 0xfa },
		{ BASE + SZ_512M, SZ_256M, SZ_2M, 0xfb },
		/* a gap */
		{ BASE + SZ_1G, SZ_256M, SZ_512, 0xfc },
	},
	[4] = {
		{ BASE, SZ_512M, SZ_512, 0xfa },
	},
	[5] = {
		{ BASE, SZ_512M, SZ_512, 0xfa },
		{ BASE + SZ_512M, SZ_256M, SZ_512, 0xfb,
		  ACPI_CDAT_DSMAS_READ_ONLY },
		{ BASE + SZ_512M + SZ_256M, SZ_256M, SZ_512, 0xfc,
		  ACPI_CDAT_DSMAS_NON_VOLATILE },
		{ BASE + SZ_1G, SZ_256M, SZ_512, 0xfd,
		  ACPI_CDAT_DSMAS_SHAREABLE },
	},
	[6] = {
		{ BASE, SZ_512M, SZ_512, 0xfa },
	},
	[7] = {
		{ BASE, SZ_512M, SZ_512, 0xfa },
		{ BASE + 2 * (u64)SZ_256M, SZ_256M, SZ_512, 0xe1 },
		{ BASE + 3 * (u64)SZ_256M, SZ_256M, SZ_512, 0xe2 },
		{ BASE + 4 * (u64)SZ_256M, SZ_256M, SZ_512, 0xe3 },
		{ BASE + 5 * (u64)SZ_256M, SZ_256M, SZ_512, 0xe4 },
		{ BASE + 6 * (u64)SZ_256M, SZ_256M, SZ_512, 0xe5 },
		{ BASE + 7 * (u64)SZ_256M, SZ_256M, SZ_512, 0xe6 },
		{ BASE + 8 * (u64)SZ_256M, SZ_256M, SZ_512, 0xe7 },
	},
};

/* What the host holds after power-on, but for the first device */
static const struct mock_dcd_extent power_on_extents[] = {
	{
		.start = BASE + SZ_128M,
		.len = SZ_64M,
	}, {
		.start = BASE + SZ_256M,
		.len = SZ_64M,
		.tag = UUID_INIT(0xdeadbeef, 0xcafe, 0xbaad, 0xf0, 0x0d,
				 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54),
	},
};

static LIST_HEAD(mock_dcds);
static DEFINE_MUTEX(mock_dcds_lock);
static struct dentry *mock_dcds_dir;

static int mock_dcd_number(const struct device *dev)
{
	return to_platform_device(dev)->id;
}

/**
 * mock_dcd_find() - the Dynamic Capacity of a device
 * @dev: the platform device
 *
 * Return: what there is of it until @dev goes, or NULL
 */
struct mock_dcd *mock_dcd_find(struct device *dev)
{
	struct mock_dcd *dcd;

	guard(mutex)(&mock_dcds_lock);
	list_for_each_entry(dcd, &mock_dcds, node)
		if (dcd->dev == dev)
			return dcd;
	return NULL;
}

/**
 * mock_dcd_find_partition() - the partition of a range
 * @dcd: the device, locked
 * @start: DPA, anything
 * @len: bytes, anything
 *
 * Return: the partition that has all of the range, or NULL
 */
const struct mock_dcd_partition *
mock_dcd_find_partition(const struct mock_dcd *dcd, u64 start, u64 len)
{
	for (u32 i = 0; i < dcd->nr_parts; i++) {
		const struct mock_dcd_partition *part = &dcd->part[i];

		if (len && start >= part->base &&
		    start - part->base < part->len &&
		    len <= part->len - (start - part->base))
			return part;
	}
	return NULL;
}

/**
 * mock_dcd_forget_fails() - let no command fail any more
 * @dcd: the device, locked
 */
void mock_dcd_forget_fails(struct mock_dcd *dcd)
{
	struct mock_dcd_fail *fail, *next;

	list_for_each_entry_safe(fail, next, &dcd->fails, node) {
		list_del(&fail->node);
		kfree(fail);
	}
}

static void forget_all(struct mock_dcd *dcd)
{
	mock_dcd_forget(dcd);
	mock_dcd_log_forget(dcd);
	mock_dcd_forget_fails(dcd);
}

static void hold_at_power_on(struct mock_dcd *dcd)
{
	for (int i = 0; i < ARRAY_SIZE(power_on_extents); i++) {
		struct mock_dcd_extent *extent;

		extent = mock_dcd_extent_new(&power_on_extents[i]);
		if (extent)
			mock_dcd_hold(dcd, extent);
	}
}

/**
 * mock_dcd_power_on() - bring a device into its first state
 * @dcd: the device, locked
 */
void mock_dcd_power_on(struct mock_dcd *dcd)
{
	int number = mock_dcd_number(dcd->dev);

	forget_all(dcd);
	memcpy(dcd->part, partitions[number], sizeof(dcd->part));
	dcd->nr_parts = 0;
	while (dcd->nr_parts < ARRAY_SIZE(dcd->part) &&
	       dcd->part[dcd->nr_parts].len)
		dcd->nr_parts++;
	dcd->extents_max = SZ_64K;
	dcd->tags_max = SZ_64K;
	dcd->payload_size = SZ_4K;
	dcd->log.max = SZ_32K;
	dcd->quirks = (struct mock_dcd_quirks) {
		.list_returned = MOCK_DCD_HONEST,
		.list_total = MOCK_DCD_HONEST,
		.config_returned = MOCK_DCD_HONEST,
		.config_available = MOCK_DCD_HONEST,
		.record_count = MOCK_DCD_HONEST,
		.commands_listed = MOCK_DCD_HONEST,
	};
	memset(dcd->commands, 0, sizeof(dcd->commands));
	memset(dcd->faults, 0, sizeof(dcd->faults));
	dcd->trail_end = 0;
	if (number)
		hold_at_power_on(dcd);
}

static struct mock_dcd *mock_dcd_new(struct device *dev)
{
	struct mock_dcd *dcd = kvzalloc_obj(*dcd);

	if (!dcd)
		return NULL;
	dcd->dev = dev;
	mutex_init(&dcd->bind_lock);
	mutex_init(&dcd->lock);
	INIT_LIST_HEAD(&dcd->offers);
	INIT_LIST_HEAD(&dcd->fails);
	INIT_LIST_HEAD(&dcd->log.records);
	dcd->held = RB_ROOT_CACHED;
	scoped_guard(mutex, &dcd->lock)
		mock_dcd_power_on(dcd);
	mock_dcd_debugfs_add(dcd, mock_dcds_dir);
	return dcd;
}

static void mock_dcd_free(struct mock_dcd *dcd)
{
	debugfs_remove(dcd->dir);
	scoped_guard(mutex, &dcd->lock)
		forget_all(dcd);
	kvfree(dcd);
}

/**
 * mock_dcd_probe() - is a device a DCD?
 * @dev: the platform device that is being probed
 *
 * Return: its Dynamic Capacity, or NULL
 */
struct mock_dcd *mock_dcd_probe(struct device *dev)
{
	struct mock_dcd *dcd = mock_dcd_find(dev);

	if (dcd || strncmp(dev_name(dev), "cxl_mem.", 8) ||
	    mock_dcd_number(dev) >= ARRAY_SIZE(partitions))
		return dcd;
	dcd = mock_dcd_new(dev);
	if (!dcd)
		return NULL;
	guard(mutex)(&mock_dcds_lock);
	list_add(&dcd->node, &mock_dcds);
	return dcd;
}

/**
 * mock_dcd_payload_size() - the payload size of a device's mailbox
 * @dcd: the device, NULL if it is not a DCD
 * @otherwise: that of devices that are not
 *
 * Return: bytes
 */
size_t mock_dcd_payload_size(struct mock_dcd *dcd, size_t otherwise)
{
	if (!dcd)
		return otherwise;
	guard(mutex)(&dcd->lock);
	return clamp(dcd->payload_size, SZ_256, SZ_4K);
}

/**
 * mock_dcd_commands_listed() - how many commands the Command Effects Log has
 * @dcd: the device, NULL if it is not a DCD
 * @all: how many commands of Dynamic Capacity there are
 *
 * Return: how many of these, counted from the first, are listed
 */
u32 mock_dcd_commands_listed(struct mock_dcd *dcd, u32 all)
{
	if (!dcd)
		return 0;
	guard(mutex)(&dcd->lock);
	return min(dcd->quirks.commands_listed, all);
}

/* The event status register */
static bool event_pending(struct cxl_memdev_state *mds)
{
	struct mock_dcd *dcd = mock_dcd_find(mds->cxlds.dev);

	guard(mutex)(&dcd->lock);
	return mock_dcd_log_pending(dcd);
}

/**
 * mock_dcd_irq_setup() - see devm_cxl_dcd_probe()
 * @mds: the driver's state of a DCD
 *
 * Return: true: what stands in for the interrupt is mock_dcd_deliver(); false when
 * a test wants none
 */
bool mock_dcd_irq_setup(struct cxl_memdev_state *mds)
{
	if (mock_dcd_find(mds->cxlds.dev)->quirks.no_irq)
		return false;
	mds->dc_event_pending = event_pending;
	return true;
}

/**
 * mock_dcd_set_dsmas() - what CDAT would say of the partitions
 * @dcd: the device, NULL if it is not a DCD
 * @mds: the driver's state; Dynamic Capacity is probed
 */
void mock_dcd_set_dsmas(struct mock_dcd *dcd, struct cxl_memdev_state *mds)
{
	if (!dcd)
		return;
	for (u32 i = 0; i < dcd->nr_parts; i++)
		cxl_dcd_set_dsmas(&mds->cxlds, dcd->part[i].handle,
				  dcd->part[i].dsmas);
}

static void mock_dcd_unbound(void *data)
{
	struct mock_dcd *dcd = data;

	guard(mutex)(&dcd->bind_lock);
	dcd->mds = NULL;
}

/**
 * mock_dcd_start() - the driver listens to the event log from now on
 * @dcd: the device, NULL if it is not a DCD
 * @mds: the driver's state, see devm_cxl_dcd_start()
 *
 * Return: 0 or -ENOMEM
 */
int mock_dcd_start(struct mock_dcd *dcd, struct cxl_memdev_state *mds)
{
	if (!dcd || !mds->dcd)
		return 0;
	scoped_guard(mutex, &dcd->bind_lock)
		dcd->mds = mds;
	return devm_add_action_or_reset(dcd->dev, mock_dcd_unbound, dcd);
}

/**
 * mock_dcd_deliver() - raise the interrupt of the DC event log
 * @dcd: the device, not locked
 *
 * Returns when the driver has handled what was in the log, and what came of that.
 */
void mock_dcd_deliver(struct mock_dcd *dcd)
{
	guard(mutex)(&dcd->bind_lock);
	if (!dcd->mds)
		return;
	cxl_dcd_event(dcd->mds);
	flush_workqueue(dcd->mds->dcd->wq);
	flush_workqueue(dcd->mds->dcd->wq);
}

static int platform_notify(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	struct mock_dcd *dcd;

	if (action != BUS_NOTIFY_REMOVED_DEVICE)
		return NOTIFY_DONE;
	dcd = mock_dcd_find(data);
	if (!dcd)
		return NOTIFY_DONE;
	scoped_guard(mutex, &mock_dcds_lock)
		list_del(&dcd->node);
	mock_dcd_free(dcd);
	return NOTIFY_OK;
}

static struct notifier_block platform_nb = {
	.notifier_call = platform_notify,
};

/**
 * mock_dcd_init() - before the driver is registered
 *
 * Return: 0 or a negative errno
 */
int mock_dcd_init(void)
{
	mock_dcds_dir = debugfs_create_dir("cxl_test_dcd", NULL);
	return bus_register_notifier(&platform_bus_type, &platform_nb);
}

/**
 * mock_dcd_exit() - after the driver is unregistered
 */
void mock_dcd_exit(void)
{
	struct mock_dcd *dcd, *next;

	bus_unregister_notifier(&platform_bus_type, &platform_nb);
	list_for_each_entry_safe(dcd, next, &mock_dcds, node)
		mock_dcd_free(dcd);
	debugfs_remove(mock_dcds_dir);
}
