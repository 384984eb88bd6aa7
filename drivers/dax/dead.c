// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that lost their memory
 *
 * The owner of a sparse dax region may lose memory without being asked, while a DAX
 * device has it. Such a device is dead: its mappings are torn down, and nobody can
 * open or map it any more. Its driver is not unbound: that waits for pages which may
 * be pinned for long. Most often nobody can touch the memory then. If somebody may, a
 * thread sees to that, since it can take long:
 *
 * Pages that are pinned (RDMA, VFIO) can't be taken from their holder. They are
 * poisoned, so that nobody else gets them, and the log says how many there are.
 *
 * System RAM is for kmem to remove, or, when kmem was unbound while it was online, for
 * the thread: see dead_ram.c.
 *
 * Locking: nothing here that can take long runs under the locks of the DAX bus. The
 * thread holds the device lock around the driver's ->kill(). SIGKILL ends that, and a
 * timer sends it when it takes too long.
 */
#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include "bus.h"
#include "dax-private.h"

/* What is touched for less than that is not pinned for long */
#define DEAD_PINNED_MS			100

/* So long may a driver take, and so much longer for each GiB */
#define DEAD_KILL_SECONDS		60
#define DEAD_KILL_SECONDS_PER_GIB	10

struct pinned {
	struct dev_dax *dev_dax;
	unsigned long count;
};

/* So that nobody else gets it; a kernel without hwpoison can't do that */
static void poison(unsigned long pfn, void *arg)
{
	struct pinned *pinned = arg;

	/* it may have given up the memory: who has it now has a right to it */
	if (!dev_dax_is_dead(pinned->dev_dax))
		return;
#ifdef CONFIG_MEMORY_FAILURE
	memory_failure(pfn, 0);
#endif
	pinned->count++;
}

/* May anybody still touch the memory of a device whose mappings are torn down? */
static bool is_touched(struct dev_dax *dev_dax)
{
	/* its pages may not be there yet, or be system RAM */
	if (!dev_dax->has_pages)
		return true;
	return dev_dax_pages_in_use(dev_dax) != 0;
}

/**
 * struct undertaker - what a thread does for a dead device
 * @dev_dax: the device, with a reference
 * @task: the thread
 * @timer: ends it
 */
struct undertaker {
	struct dev_dax *dev_dax;
	struct task_struct *task;
	struct timer_list timer;
};

static void undertaker_timeout(struct timer_list *timer)
{
	struct undertaker *undertaker = timer_container_of(undertaker, timer,
							   timer);

	send_sig(SIGKILL, undertaker->task, 1);
}

/* The i-th range of a device that is dead. Return: is there one? */
static bool dead_range(struct dev_dax *dev_dax, int i, struct range *range)
{
	guard(rwsem_read)(&dax_region_rwsem);
	if (dev_dax->life == DEV_DAX_ALIVE || i >= dev_dax->nr_range)
		return false;
	*range = dev_dax->ranges[i].range;
	return true;
}

static void poison_pinned(struct dev_dax *dev_dax)
{
	struct pinned pinned = { .dev_dax = dev_dax };
	struct range range;

	if (!READ_ONCE(dev_dax->has_pages))
		return;
	msleep(DEAD_PINNED_MS);
	for (int i = 0; dead_range(dev_dax, i, &range); i++)
		dax_visit_pages_in_use(&range, poison, &pinned);
	if (pinned.count)
		dev_err(&dev_dax->dev,
			"lost memory has %lu pinned pages: their users may still access it\n",
			pinned.count);
}

static unsigned long kill_timeout(struct dev_dax *dev_dax)
{
	struct range range;
	u64 bytes = 0;

	for (int i = 0; dead_range(dev_dax, i, &range); i++)
		bytes += range_len(&range);
	return (DEAD_KILL_SECONDS +
		(bytes >> ilog2(SZ_1G)) * DEAD_KILL_SECONDS_PER_GIB) * HZ;
}

/* Return: 0 when nobody can touch the memory any more */
static int kill_by_driver(struct dev_dax *dev_dax)
{
	struct device *dev = &dev_dax->dev;
	struct dax_device_driver *driver;
	int rc;

	ACQUIRE(device_intr, lock)(dev);
	rc = ACQUIRE_ERR(device_intr, &lock);
	if (rc)
		return rc;
	if (!dev_dax_is_dead(dev_dax))
		return -EBUSY;
	if (!dev->driver)
		return -ENODEV;
	driver = to_dax_drv(dev->driver);
	return driver->kill ? driver->kill(dev_dax) : -EBUSY;
}

static bool is_system_ram(const struct range *range)
{
	return region_intersects(range->start, range_len(range),
				 IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	       REGION_DISJOINT;
}

/**
 * dev_dax_is_left_online() - has kmem left memory of a device behind?
 * @dev_dax: no driver is bound
 *
 * kmem may be unbound while the memory is online. Somebody uses it, then, until the
 * machine starts again.
 *
 * Return: true when any of it is System RAM
 */
bool dev_dax_is_left_online(struct dev_dax *dev_dax)
{
	lockdep_assert_held(&dax_region_rwsem);
	for (int i = 0; i < dev_dax->nr_range; i++)
		if (is_system_ram(&dev_dax->ranges[i].range))
			return true;
	return false;
}

/* Narrow @range to what kmem takes. Return: has it left any of that behind? */
static bool left_online(struct range *range)
{
	/* there is no kmem, then, nor are there blocks of memory */
	if (!IS_ENABLED(CONFIG_MEMORY_HOTPLUG))
		return false;
	*range = memory_block_aligned_range(range);
	return range->start < range->end && is_system_ram(range);
}

/* What kmem has left behind. Return: 0 when all of it is removed, -EBUSY if not */
static int remove_left_online(struct dev_dax *dev_dax)
{
	struct range range;
	bool any = false;
	u64 left = 0;

	/* all of it, before the first block takes its time */
	for (int i = 0; dead_range(dev_dax, i, &range); i++)
		if (left_online(&range))
			dax_dead_poison(&range);
	for (int i = 0; dead_range(dev_dax, i, &range); i++) {
		if (!left_online(&range))
			continue;
		left += dax_dead_remove(&dev_dax->dev, &range);
		any = true;
	}
	return any && !left ? 0 : -EBUSY;
}

/* @alloc is its owner's alone again: nobody reads any more what a device has of it */
static void end_claim(struct dax_allocation *alloc)
{
	guard(rwsem_write)(&dax_dev_rwsem);
	dax_sparse_detach(alloc);
}

/* A dead device's memory is in nobody's hands any more: tell the owner */
static void tell_owner(struct dev_dax *dev_dax, unsigned int death)
{
	struct dax_allocation *alloc;

	guard(rwsem_write)(&dax_region_rwsem);
	alloc = dev_dax->alloc;
	if (!alloc || dev_dax->life == DEV_DAX_ALIVE ||
	    dev_dax->deaths != death)
		return;
	end_claim(alloc);
	alloc->ops->idle(alloc->owner);
}

/*
 * The timer has ended the wait for a lock that the driver has, or the work, which goes
 * on where it was. Let the owner's next look call another thread, but where all that a
 * thread can do is done: pinned pages are poisoned.
 */
static void call_again(struct dev_dax *dev_dax, unsigned int death)
{
	dev_err(&dev_dax->dev,
		"lost memory is still in use: its driver takes long\n");
	if (READ_ONCE(dev_dax->has_pages))
		return;
	guard(rwsem_write)(&dax_region_rwsem);
	guard(rwsem_write)(&dax_dev_rwsem);
	if (dev_dax->life == DEV_DAX_HANDLED && dev_dax->deaths == death)
		dev_dax->life = DEV_DAX_DEAD;
}

static int undertaker_thread(void *data)
{
	struct dev_dax *dev_dax = data;
	unsigned int death = READ_ONCE(dev_dax->deaths);
	struct undertaker undertaker = {
		.dev_dax = dev_dax,
		.task = current,
	};
	int rc;

	allow_signal(SIGKILL);
	timer_setup_on_stack(&undertaker.timer, undertaker_timeout, 0);
	poison_pinned(dev_dax);
	mod_timer(&undertaker.timer, jiffies + kill_timeout(dev_dax));
	rc = kill_by_driver(dev_dax);
	if (rc == -ENODEV)
		rc = remove_left_online(dev_dax);
	if (!rc)
		tell_owner(dev_dax, death);
	else if (signal_pending(current))
		call_again(dev_dax, death);
	timer_delete_sync(&undertaker.timer);
	timer_destroy_on_stack(&undertaker.timer);
	put_device(&dev_dax->dev);
	module_put_and_kthread_exit(0);
}

/* Once for each death, and again when that could not be done, or not be ended */
static void call_undertaker(struct dev_dax *dev_dax)
{
	struct device *dev = &dev_dax->dev;
	struct task_struct *task;

	lockdep_assert_held_write(&dax_region_rwsem);
	if (dev_dax->life == DEV_DAX_HANDLED)
		return;
	task = kthread_create(undertaker_thread, dev_dax, "dead_%s",
			      dev_name(dev));
	if (IS_ERR(task)) {
		dev_err_ratelimited(dev, "lost memory may be in use: no memory for a thread\n");
		return;
	}
	get_device(dev);
	__module_get(THIS_MODULE);
	scoped_guard(rwsem_write, &dax_dev_rwsem)
		dev_dax->life = DEV_DAX_HANDLED;
	wake_up_process(task);
}

/* The memory of @dev_dax is gone. Return: 0, or -EBUSY while it may be touched */
static int end_use(struct dev_dax *dev_dax)
{
	struct dax_region *dax_region = dev_dax->region;

	lockdep_assert_held_write(&dax_region_rwsem);
	scoped_guard(rwsem_write, &dax_dev_rwsem) {
		if (!dev_dax->dev.driver && !dax_region->closed &&
		    !dev_dax_is_left_online(dev_dax)) {
			release_dev_dax_ranges(dev_dax);
			return 0;
		}
		if (dev_dax->life == DEV_DAX_ALIVE) {
			dev_dax->life = DEV_DAX_DEAD;
			dev_dax->deaths++;
			kill_dev_dax(dev_dax);
		}
	}
	if (!is_touched(dev_dax))
		return 0;
	call_undertaker(dev_dax);
	return -EBUSY;
}

/**
 * dax_sparse_kill() - the memory of an allocation is gone
 * @alloc: published; freed unless -EBUSY is returned
 *
 * A claim of a device without a driver ends, unless kmem has left its memory online.
 * Else the device is dead: its mappings are torn down, it can't be opened or mapped,
 * and does not come to life before its driver is unbound and its size set to 0. Its
 * driver is not unbound here: that waits for pages which may be pinned for long.
 *
 * Return: 0 when nobody had it; 1 when a device had it, and nobody can touch it any
 * more; or -EBUSY when somebody may still touch it: nobody can claim it, and this is
 * to be called again now and then, at the latest on ->idle()
 */
int dax_sparse_kill(struct dax_allocation *alloc)
{
	int had = 0;

	guard(rwsem_write)(&dax_region_rwsem);
	alloc->asked = true;
	if (alloc->dev_dax) {
		int rc = end_use(alloc->dev_dax);

		if (rc)
			return rc;
		end_claim(alloc);
		had = 1;
	}
	list_del(&alloc->node);
	kvfree(alloc);
	return had;
}
EXPORT_SYMBOL_FOR_MODULES(dax_sparse_kill, "dax_cxl");

/**
 * dev_dax_is_dead() - has a device lost its memory?
 * @dev_dax: the device
 *
 * Return: true from the time that its mappings are torn down
 */
bool dev_dax_is_dead(struct dev_dax *dev_dax)
{
	return READ_ONCE(dev_dax->life) != DEV_DAX_ALIVE;
}
EXPORT_SYMBOL_FOR_MODULES(dev_dax_is_dead, "kmem");
