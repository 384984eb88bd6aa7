// SPDX-License-Identifier: GPL-2.0-only
/* dcd online, dcd offline: claimed memory as system RAM */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "dcd.h"

#define MEMORY	"/sys/devices/system/memory"
#define POLICY	MEMORY "/auto_online_blocks"

static bool is_ram(const struct dax_device *dev)
{
	return !strcmp(dev->driver, "kmem");
}

static int in_use(const struct dax_device *dev)
{
	error("%s can't be taken offline: some of its pages can't be moved",
	      dev->name);
	advise("end what has pinned them (RDMA, VFIO), and try again;");
	return advise("what the kernel itself has there stays");
}

/* Take system RAM out of the system; the driver stays bound. 0 or -1 */
int unplug(const struct dax_device *dev)
{
	int rc = sysfs_write("unplugged", "%s/%s/state", DAX_DEVICES, dev->name);

	if (rc == -EBUSY || rc == -EINTR)
		return in_use(dev);
	return rc ? error("%s can't be taken offline: %s", dev->name,
			  strerror(-rc)) : 0;
}

/* Memory that is there already was brought up by the system's own policy */
static int plug(const struct dax_device *dev, const char *wanted)
{
	char state[NAME_LEN];
	int rc = sysfs_read(state, sizeof(state), "%s/%s/state", DAX_DEVICES,
			    dev->name);

	if (!rc && !strcmp(state, wanted))
		return 0;
	if (!rc && strcmp(state, "unplugged") && unplug(dev))
		return -1;
	if (!rc)
		rc = sysfs_write(wanted, "%s/%s/state", DAX_DEVICES, dev->name);
	return rc ? error("%s does not become %s: %s; the kernel log says more",
			  dev->name, wanted, strerror(-rc)) : 0;
}

static int too_small(const struct dax_device *dev)
{
	char size[NAME_LEN];

	if (sysfs_read(size, sizeof(size), "%s/block_size_bytes", MEMORY))
		copy_name(size, "?");
	error("kmem does not take %s", dev->name);
	return advise("it needs a NUMA node and an aligned block of 0x%s bytes",
		      size);
}

static int bind_kmem(const struct dax_device *dev)
{
	int rc;

	if (need_driver("kmem"))
		return -1;
	rc = bind_dax(dev->name, "kmem");
	if (!rc)
		return 0;
	if (rc == -EINVAL || rc == -ENODEV)
		return too_small(dev);
	return error("kmem does not take %s: %s; the kernel log says more",
		     dev->name, strerror(-rc));
}

/* Whether the device has asked for what this one has */
bool asked_for(const struct region *region, const struct dax_device *dev)
{
	size_t i;

	for (i = 0; i < region->nr_extents; i++)
		if (!strcmp(region->extents[i].name, dev->extent))
			return !strcmp(region->extents[i].state,
				       "release-pending");
	return false;
}

static int check_wanted(const struct region *region,
			const struct dax_device *dev)
{
	if (!asked_for(region, dev))
		return 0;
	error("the device wants the memory of %s back", dev->name);
	return advise("'dcd free %s', or use --force", dev->name);
}

/*
 * Where the system brings up new memory by itself, as distributions have it,
 * the kernel may have put something there for good before it is made movable.
 * So the policy is the one that is wanted for as long as kmem binds, or is loaded,
 * when it takes what has no driver.
 */
static int bind_with_policy(const struct dax_device *dev, const char *wanted)
{
	char policy[NAME_LEN];
	bool other;
	int rc;

	other = !sysfs_read(policy, sizeof(policy), POLICY) &&
		strcmp(policy, "offline") && strcmp(policy, wanted);
	rc = other ? sysfs_write(wanted, POLICY) : 0;
	if (rc)
		rc = error("%s can't be set: %s", POLICY, strerror(-rc));
	else
		rc = bind_kmem(dev);
	if (rc && !strcmp(dev->driver, "device_dax"))
		bind_dax(dev->name, dev->driver);
	if (other && sysfs_write(policy, POLICY))
		rc = error("%s was %s before, and is not now", POLICY, policy);
	return rc;
}

/* Who ends the command, by Ctrl-C or so, has the policy as it was nevertheless */
static int bind_undisturbed(const struct dax_device *dev, const char *wanted)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	rc = bind_with_policy(dev, wanted);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static int make_ram(const struct params *params, const struct region *region,
		    const struct dax_device *dev, const char *wanted)
{
	if (!dev->size)
		return error("%s has no memory: 'dcd claim' first", dev->name);
	if (is_ram(dev))
		return 0;
	if (!params->force && (check_wanted(region, dev) || check_unused(dev)))
		return -1;
	if (unbind_dax(dev))	/* waits for whatever is pinned */
		return -1;
	return bind_undisturbed(dev, wanted);
}

static int do_online(const struct params *params, const struct region *region,
		     const struct dax_device *dev)
{
	const char *wanted = params->no_movable ? "online_kernel" :
						  "online_movable";

	if (make_ram(params, region, dev, wanted))
		return -1;
	return plug(dev, wanted);
}

int cmd_online(const struct params *params, const char *arg)
{
	return for_dax(params, arg, do_online, "onlined memory for");
}

static void ring(int sig)
{
	(void)sig;
}

/* The kernel tries for ever to move pages, unless a signal comes */
static void set_alarm(unsigned int seconds)
{
	struct sigaction action = { .sa_handler = ring };

	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

/* The claim stays: the device is what it was before 'dcd online' */
static int do_offline(const struct params *params, const struct region *region,
		      const struct dax_device *dev)
{
	int rc;

	(void)region;
	if (!is_ram(dev))
		return error("%s is no system RAM: 'dcd free %s' gives it back",
			     dev->name, dev->name);
	set_alarm(params->timeout);
	rc = unplug(dev);
	alarm(0);
	if (rc || unbind_dax(dev) || need_driver("device_dax"))
		return -1;
	rc = bind_dax(dev->name, "device_dax");
	return rc ? error("device_dax does not take %s: %s", dev->name,
			  strerror(-rc)) : 0;
}

int cmd_offline(const struct params *params, const char *arg)
{
	return for_dax(params, arg, do_offline, "offlined memory for");
}
