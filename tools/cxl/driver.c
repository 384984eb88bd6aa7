// SPDX-License-Identifier: GPL-2.0-only
/* Drivers of DAX devices, and who has a device open or mapped */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dcd.h"

static int run_modprobe(const char *module)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
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

/* Have a driver of DAX devices, loaded if need be */
int need_driver(const char *driver)
{
	if (sysfs_exists("%s/%s", DAX_DRIVERS, driver))
		return 0;
	if (!run_modprobe(driver) &&
	    sysfs_exists("%s/%s", DAX_DRIVERS, driver))
		return 0;
	error("there is no driver %s, and 'modprobe %s' brings none", driver,
	      driver);
	return advise("the kernel needs CONFIG_DEV_DAX%s",
		      strcmp(driver, "kmem") ? "" : "_KMEM");
}

static bool has_driver(const char *dev, const char *driver)
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

/* Whether the last part of a path is the device's name; it may be deleted */
static bool is_node(const char *path, const char *dev)
{
	const char *name = strrchr(path, '/');
	size_t len = strlen(dev);

	return name && !strncmp(++name, dev, len) &&
	       (!name[len] || isspace((unsigned char)name[len]));
}

static bool maps_node(const char *pid, const char *dev)
{
	char path[PATH_LEN], *line = NULL;
	bool found = false;
	size_t len = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (!found && getline(&line, &len, maps) > 0)
		found = is_node(line, dev);
	free(line);
	fclose(maps);
	return found;
}

static bool opens_node(const char *pid, const char *dev)
{
	char path[PATH_LEN], target[PATH_LEN];
	struct dirent *entry;
	bool found = false;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, target,
				 sizeof(target) - 1);
		if (len <= 0)
			continue;
		target[len] = 0;
		found = is_node(target, dev);
	}
	closedir(dir);
	return found;
}

/* A process that has the device open or mapped, 0 if there is none */
static int find_user(const char *dev)
{
	struct dirent *entry;
	int pid = 0;
	DIR *proc = opendir("/proc");

	if (!proc)
		return -errno;
	while (!pid && (entry = readdir(proc)))
		if (is_name(entry->d_name, "", 1) &&
		    (opens_node(entry->d_name, dev) ||
		     maps_node(entry->d_name, dev)))
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
		error("/proc can't be read, so nobody knows who uses %s",
		      dev->name);
		return advise("mount it, or use --force");
	}
	error("process %d has /dev/%s open or mapped", pid, dev->name);
	return advise("end it first; with --force, it gets SIGBUS");
}
