// SPDX-License-Identifier: GPL-2.0-only
/* Drivers of DAX devices, and who has a device open or mapped */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dcd.h"

static int run_modprobe(const char *module)
{
	sigset_t none;
	int status;
	pid_t pid = fork();

	if (!pid) {
		sigemptyset(&none);	/* may be ended, whatever dcd waits for */
		sigprocmask(SIG_SETMASK, &none, NULL);
		execlp("modprobe", "modprobe", module, NULL);
		_exit(127);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

/* Whether there is a driver, after its module was loaded if need be */
bool load_driver(const char *dir, const char *driver, const char *module)
{
	return sysfs_exists("%s/%s", dir, driver) ||
	       (!run_modprobe(module) && sysfs_exists("%s/%s", dir, driver));
}

/* Have a driver of DAX devices, which has the name of its module */
int need_driver(const char *driver)
{
	if (load_driver(DAX_DRIVERS, driver, driver))
		return 0;
	error("there is no driver %s, and 'modprobe %s' brings none", driver,
	      driver);
	return advise("the kernel needs CONFIG_DEV_DAX%s",
		      strcmp(driver, "kmem") ? "" : "_KMEM");
}

bool has_driver(const char *dev, const char *driver)
{
	char name[NAME_LEN];

	return !sysfs_link(name, sizeof(name), "%s/%s/driver", DAX_DEVICES,
			   dev) && !strcmp(name, driver);
}

/*
 * Bind a driver to a DAX device that has none. kmem takes any device, the others
 * those they are told of. Returns 0 or a negative errno.
 */
int bind_dax(const char *dev, const char *driver)
{
	int rc = 0;

	if (strcmp(driver, "kmem"))
		rc = sysfs_write(dev, "%s/%s/new_id", DAX_DRIVERS, driver);
	if (!rc && !has_driver(dev, driver))
		rc = sysfs_write(dev, "%s/%s/bind", DAX_DRIVERS, driver);
	return has_driver(dev, driver) ? 0 : rc ? rc : -ENODEV;
}

/*
 * Unbind whatever driver has a DAX device, and have it forget the name, which
 * outlives the device.
 */
int unbind_dax(const struct dax_device *dev)
{
	int rc;

	if (!dev->driver[0])
		return 0;
	rc = sysfs_write(dev->name, "%s/%s/unbind", DAX_DRIVERS, dev->driver);
	if (rc && rc != -ENODEV)
		return error("%s can't be unbound from %s: %s", dev->name,
			     dev->driver, strerror(-rc));
	sysfs_write(dev->name, "%s/%s/remove_id", DAX_DRIVERS, dev->driver);
	return 0;
}

/* The node of a device, whatever names it has */
struct node {
	unsigned int major;
	unsigned int minor;
};

static int find_node(const char *dev, struct node *node)
{
	char text[NAME_LEN];
	int rc = sysfs_read(text, sizeof(text), "%s/%s/dev", DAX_DEVICES, dev);

	if (rc)
		return rc;
	return sscanf(text, "%u:%u", &node->major, &node->minor) == 2 ?
	       0 : -EINVAL;
}

/* No file system that hangs is to be asked */
static bool is_node(int dir, const char *name, const struct node *node)
{
	struct statx st;

	return !statx(dir, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		      STATX_TYPE, &st) && S_ISCHR(st.stx_mode) &&
	       st.stx_rdev_major == node->major &&
	       st.stx_rdev_minor == node->minor;
}

/* Whether a link in a directory of a process leads to a node, deleted or not */
static bool holds_node(const char *pid, const char *what,
		       const struct node *node)
{
	char path[PATH_LEN];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, what);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = is_node(dirfd(dir), entry->d_name, node);
	closedir(dir);
	return found;
}

/* A process that has the device open or mapped, 0 if there is none */
static int find_user(const char *dev)
{
	struct dirent *entry;
	struct node node;
	int rc = find_node(dev, &node), pid = 0;
	DIR *proc = rc ? NULL : opendir("/proc");

	if (!proc)
		return rc ? rc : -errno;
	while (!pid && (entry = readdir(proc)))
		if (is_name(entry->d_name, "", 1) &&
		    (holds_node(entry->d_name, "fd", &node) ||
		     holds_node(entry->d_name, "map_files", &node)))
			pid = last_number(entry->d_name);
	closedir(proc);
	return pid;
}

/* Processes that have it mapped would get SIGBUS when its driver is unbound */
int check_unused(const struct dax_device *dev)
{
	int pid = find_user(dev->name);

	if (!pid)
		return 0;
	if (pid < 0) {
		error("nobody knows who uses %s: %s", dev->name,
		      strerror(-pid));
		return advise("mount /proc, or use --force");
	}
	error("process %d has /dev/%s open or mapped", pid, dev->name);
	return advise("end it first; with --force, it gets SIGBUS");
}
