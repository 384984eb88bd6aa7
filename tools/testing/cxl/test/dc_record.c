// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test: hand Dynamic Capacity event records to the driver of any memory device
 *
 * What an emulated device can't send (tags, shared extents, forced release) gets to
 * its driver all the same, and so can be tried over real memory: let the device offer
 * its extents while its event log is held, read and clear the records past the
 * driver, change them, and hand them over. Works with cxl_test's cxl_core and with
 * the usual one. In debugfs, directory cxl_dc_record:
 *
 *   record  write "<memdev> <record>...": each is 256 hexadecimal digits; they are
 *           handled in this order, on the device's ordered workqueue, before write()
 *           returns
 *   hold    write "<memdev>": the driver does not read the event log;
 *           read: the devices that are held
 *   unhold  write "<memdev>": it does again
 *   fail_nth  write "<memdev> <n>": the nth memory allocation from now on fails that
 *           the worker of this device makes, whatever it works on; "<memdev>": none
 *           does any more, once the work is done that waits;
 *           read: how many were left until then, 0: it has failed. See
 *           Documentation/fault-injection/fault-injection.rst for what can fail.
 */
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/hex.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <cxlmem.h>
#include <cxl.h>
#include "../../../../drivers/cxl/core/dcd.h"

#define WRITE_MAX	SZ_1M

/* A memory device whose log is held */
struct held {
	struct list_head node;
	struct cxl_memdev *cxlmd;
	bool (*pending)(struct cxl_memdev_state *mds);
};

/* Records on their way to the worker */
struct handover {
	struct work_struct work;
	struct cxl_dcd *dcd;
	struct cxl_event_record_raw *records;
	size_t nr;
};

static LIST_HEAD(held_devices);
static DEFINE_MUTEX(held_lock);
static struct dentry *record_dir;

static struct cxl_memdev *find_memdev(const char *name)
{
	struct device *dev = bus_find_device_by_name(&cxl_bus_type, NULL, name);

	if (dev && is_cxl_memdev(dev))
		return to_cxl_memdev(dev);
	put_device(dev);
	return NULL;
}

static void put_memdev(struct cxl_memdev *cxlmd)
{
	if (cxlmd)
		put_device(&cxlmd->dev);
}

DEFINE_FREE(put_memdev, struct cxl_memdev *, put_memdev(_T))

/* The driver's state; the host device is locked, so that it stays */
static struct cxl_memdev_state *memdev_state(struct cxl_memdev *cxlmd)
{
	if (!cxlmd->dev.parent->driver || !cxlmd->cxlds)
		return NULL;
	return to_cxl_memdev_state(cxlmd->cxlds);
}

static void hand_over(struct work_struct *work)
{
	struct handover *handover = container_of(work, struct handover, work);
	struct cxl_dcd *dcd = handover->dcd;

	guard(mutex)(&dcd->extents.lock);
	for (size_t i = 0; i < handover->nr; i++)
		cxl_dcd_handle_record(dcd, &handover->records[i]);
	cxl_dcd_watch(dcd);
}

static int hand_to_worker(struct cxl_memdev *cxlmd, struct handover *handover)
{
	struct cxl_memdev_state *mds;

	guard(device)(cxlmd->dev.parent);
	mds = memdev_state(cxlmd);
	if (!mds || !mds->dcd)
		return -ENXIO;
	handover->dcd = mds->dcd;
	INIT_WORK_ONSTACK(&handover->work, hand_over);
	queue_work(mds->dcd->wq, &handover->work);
	flush_work(&handover->work);
	destroy_work_on_stack(&handover->work);
	/* what comes of it: memory that fell idle */
	flush_workqueue(mds->dcd->wq);
	return 0;
}

static char *next_word(char **text)
{
	char *word;

	do {
		word = strsep(text, " \t\n");
	} while (word && !*word);
	return word;
}

static int parse_records(char *text, struct handover *handover)
{
	const size_t digits = 2 * sizeof(*handover->records);
	char *word;

	while ((word = next_word(&text))) {
		if (strlen(word) != digits ||
		    hex2bin((u8 *)&handover->records[handover->nr++], word,
			    digits / 2))
			return -EINVAL;
	}
	return handover->nr ? 0 : -EINVAL;
}

static int record_text(char *text, size_t count)
{
	struct cxl_memdev *cxlmd __free(put_memdev) = NULL;
	struct handover handover = {};
	char *name = next_word(&text);
	int rc;

	cxlmd = name ? find_memdev(name) : NULL;
	if (!cxlmd)
		return -ENODEV;
	struct cxl_event_record_raw *records __free(kvfree) =
		kvzalloc_objs(*records, count / sizeof(*records) + 1);
	if (!records)
		return -ENOMEM;
	handover.records = records;
	rc = parse_records(text, &handover);
	return rc ?: hand_to_worker(cxlmd, &handover);
}

static bool nothing_pending(struct cxl_memdev_state *mds)
{
	return false;
}

/* By name: a device whose driver went keeps it as long as it is held */
static struct held *find_held(const char *name)
{
	struct held *held;

	list_for_each_entry(held, &held_devices, node)
		if (!strcmp(dev_name(&held->cxlmd->dev), name))
			return held;
	return NULL;
}

/* The worker asks under this lock */
static void set_pending(struct cxl_memdev_state *mds,
			bool (*pending)(struct cxl_memdev_state *mds))
{
	guard(mutex)(&mds->dcd->extents.lock);
	mds->dc_event_pending = pending;
}

static int hold_text(char *text, size_t count)
{
	struct held *held __free(kfree) = kzalloc_obj(*held);
	struct cxl_memdev *cxlmd __free(put_memdev) = find_memdev(strim(text));
	struct cxl_memdev_state *mds;

	if (!held)
		return -ENOMEM;
	if (!cxlmd)
		return -ENODEV;
	guard(device)(cxlmd->dev.parent);
	guard(mutex)(&held_lock);
	mds = memdev_state(cxlmd);
	if (!mds || !mds->dcd)
		return -ENXIO;
	if (find_held(dev_name(&cxlmd->dev)))
		return -EBUSY;
	held->pending = mds->dc_event_pending;
	set_pending(mds, nothing_pending);
	held->cxlmd = no_free_ptr(cxlmd);
	list_add_tail(&no_free_ptr(held)->node, &held_devices);
	return 0;
}

/* Gives up the reference to the device */
static void release_log(struct held *held)
{
	struct cxl_memdev *cxlmd __free(put_memdev) = held->cxlmd;
	struct cxl_memdev_state *mds;

	guard(device)(cxlmd->dev.parent);
	mds = memdev_state(cxlmd);
	if (mds && mds->dcd) {
		set_pending(mds, held->pending);
		cxl_dcd_event(mds);
		flush_workqueue(mds->dcd->wq);
	}
	kfree(held);
}

static int unhold_text(char *text, size_t count)
{
	struct held *held;

	scoped_guard(mutex, &held_lock) {
		held = find_held(strim(text));
		if (!held)
			return -ENOENT;
		list_del(&held->node);
	}
	release_log(held);
	return 0;
}

static int hold_show(struct seq_file *file, void *data)
{
	struct held *held;

	guard(mutex)(&held_lock);
	list_for_each_entry(held, &held_devices, node)
		seq_printf(file, "%s\n", dev_name(&held->cxlmd->dev));
	return 0;
}

static ssize_t write_text(const char __user *buf, size_t count,
			  int (*act)(char *text, size_t count))
{
	char *text;
	int rc;

	if (count > WRITE_MAX)
		return -E2BIG;
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	rc = act(text, count);
	kfree(text);
	return rc ?: count;
}

static ssize_t record_write(struct file *file, const char __user *buf,
			    size_t count, loff_t *pos)
{
	return write_text(buf, count, record_text);
}

static const struct file_operations record_fops = {
	.owner = THIS_MODULE,
	.write = record_write,
};

static ssize_t unhold_write(struct file *file, const char __user *buf,
			    size_t count, loff_t *pos)
{
	return write_text(buf, count, unhold_text);
}

static const struct file_operations unhold_fops = {
	.owner = THIS_MODULE,
	.write = unhold_write,
};

static ssize_t hold_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	return write_text(buf, count, hold_text);
}
DEFINE_SHOW_STORE_ATTRIBUTE(hold);

#ifdef CONFIG_FAULT_INJECTION
/*
 * Whose worker is to fail, and after how many allocations. Only compared, for it may
 * be gone. Items of an ordered workqueue run one after another, each on some thread.
 */
static struct cxl_dcd *failing;
static unsigned int failing_nth;
static DEFINE_MUTEX(failing_lock);

static bool is_failing(const struct work_struct *work)
{
	struct cxl_dcd *dcd = READ_ONCE(failing);

	return dcd && (work == &dcd->drain.work || work == &dcd->expire.work ||
		       work == &dcd->retry);
}

static void work_starts(void *data, struct work_struct *work)
{
	if (is_failing(work))
		current->fail_nth = READ_ONCE(failing_nth);
}

/* @work may be freed already */
static void work_ends(void *data, struct work_struct *work, work_func_t func)
{
	if (!is_failing(work))
		return;
	WRITE_ONCE(failing_nth, current->fail_nth);
	current->fail_nth = 0;
}

static struct failing_probe {
	const char *name;
	void *func;
	struct tracepoint *tracepoint;
} failing_probes[] = {
	{ "workqueue_execute_start", work_starts },
	{ "workqueue_execute_end", work_ends },
};

static void failing_find(struct tracepoint *tracepoint, void *data)
{
	for (int i = 0; i < ARRAY_SIZE(failing_probes); i++)
		if (!strcmp(tracepoint->name, failing_probes[i].name))
			failing_probes[i].tracepoint = tracepoint;
}

static void failing_exit(void)
{
	for (int i = 0; i < ARRAY_SIZE(failing_probes); i++) {
		struct failing_probe *probe = &failing_probes[i];

		if (probe->tracepoint)
			tracepoint_probe_unregister(probe->tracepoint,
						    probe->func, NULL);
	}
	tracepoint_synchronize_unregister();
}

static int failing_init(void)
{
	for_each_kernel_tracepoint(failing_find, NULL);
	for (int i = 0; i < ARRAY_SIZE(failing_probes); i++) {
		struct failing_probe *probe = &failing_probes[i];

		if (!probe->tracepoint ||
		    tracepoint_probe_register(probe->tracepoint, probe->func,
					      NULL)) {
			probe->tracepoint = NULL;
			failing_exit();
			return -ENXIO;
		}
	}
	return 0;
}

/*
 * Between two items of work, so that none is half under the new rule; @nth: NULL to
 * let nothing fail, and keep what is left
 */
static int failing_set(struct cxl_memdev *cxlmd, const unsigned int *nth)
{
	struct cxl_memdev_state *mds;

	guard(device)(cxlmd->dev.parent);
	guard(mutex)(&failing_lock);
	mds = memdev_state(cxlmd);
	if (!mds || !mds->dcd)
		return -ENXIO;
	flush_workqueue(mds->dcd->wq);
	scoped_guard(mutex, &mds->dcd->extents.lock) {
		if (nth)
			WRITE_ONCE(failing_nth, *nth);
		WRITE_ONCE(failing, nth ? mds->dcd : NULL);
	}
	return 0;
}

static int fail_nth_text(char *text, size_t count)
{
	struct cxl_memdev *cxlmd __free(put_memdev) = NULL;
	char *name = next_word(&text), *word = next_word(&text);
	unsigned int nth;

	if (!name || (word && kstrtouint(word, 0, &nth)))
		return -EINVAL;
	cxlmd = find_memdev(name);
	return cxlmd ? failing_set(cxlmd, word ? &nth : NULL) : -ENODEV;
}

static int fail_nth_show(struct seq_file *file, void *data)
{
	seq_printf(file, "%u\n", READ_ONCE(failing_nth));
	return 0;
}

static ssize_t fail_nth_write(struct file *file, const char __user *buf,
			      size_t count, loff_t *pos)
{
	return write_text(buf, count, fail_nth_text);
}
DEFINE_SHOW_STORE_ATTRIBUTE(fail_nth);

static int failing_add(void)
{
	int rc = failing_init();

	if (!rc)
		debugfs_create_file("fail_nth", 0600, record_dir, NULL,
				    &fail_nth_fops);
	return rc;
}
#else
static int failing_add(void)
{
	return 0;
}

static void failing_exit(void)
{
}
#endif

static int __init cxl_dc_record_init(void)
{
	int rc;

	record_dir = debugfs_create_dir("cxl_dc_record", NULL);
	debugfs_create_file("record", 0200, record_dir, NULL, &record_fops);
	debugfs_create_file("hold", 0600, record_dir, NULL, &hold_fops);
	debugfs_create_file("unhold", 0200, record_dir, NULL, &unhold_fops);
	rc = failing_add();
	if (rc)
		debugfs_remove(record_dir);
	return rc;
}
module_init(cxl_dc_record_init);

static void __exit cxl_dc_record_exit(void)
{
	struct held *held, *next;

	debugfs_remove(record_dir);
	failing_exit();
	list_for_each_entry_safe(held, next, &held_devices, node)
		release_log(held);
}
module_exit(cxl_dc_record_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("cxl_test: Dynamic Capacity event records on demand");
MODULE_IMPORT_NS("CXL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
