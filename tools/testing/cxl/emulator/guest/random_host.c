// SPDX-License-Identifier: GPL-2.0-only
/*
 * random: what the host shows in sysfs
 *
 * To open a file of sysfs takes longer than anything else here, so directories and
 * files stay open. What an extent is, is read once; then only its state is read again.
 * The number of its inode tells whether it is still the same. host_forget() makes all
 * be read anew.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "random.h"

/* An extent or a DAX device below a region */
struct shown {
	const struct region *region;
	char name[32];
	ino_t ino;
	bool is_dax;
	struct extent extent;
	enum extent_state state;
	int fd;			/* state, or size */
	int uuid;		/* of a DAX device */
	bool seen;
};

static struct shown shown[MAX_LIST];
static int nr_shown;

/* The directories of regions */
static struct {
	const struct region *region;
	DIR *dir;
} dirs[MAX_DEVICES * MAX_REGIONS];

char difference[2048];

const char * const state_names[] = {
	[AVAILABLE] = "available",
	[CLAIMED] = "claimed",
	[PENDING] = "release-pending",
};

/* Return: false */
bool differ(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(difference, sizeof(difference), format, args);
	va_end(args);
	return false;
}

/* Read an open file from its start; return: the length, less the newline */
int reread(int fd, char *buf, size_t size)
{
	ssize_t len = 0, got;

	do {
		got = pread(fd, buf + len, size - 1 - len, len);
		if (got < 0)
			return -errno;
		len += got;
	} while (got);
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	return len;
}

static bool read_at(int dir, const char *object, const char *file, char *buf,
		    size_t size)
{
	char path[80];
	int fd, len;

	snprintf(path, sizeof(path), "%.40s/%.30s", object, file);
	fd = openat(dir, path, O_RDONLY);
	if (fd < 0)
		return false;
	len = reread(fd, buf, size);
	close(fd);
	return len >= 0;
}

static int open_at(int dir, const char *object, const char *file)
{
	char path[80];

	snprintf(path, sizeof(path), "%.40s/%.30s", object, file);
	return openat(dir, path, O_RDONLY);
}

static void drop(int i)
{
	close(shown[i].fd);
	if (shown[i].is_dax)
		close(shown[i].uuid);
	shown[i] = shown[--nr_shown];
}

static DIR **find_dir(const struct region *region)
{
	int i = 0;

	while (dirs[i].region && dirs[i].region != region)
		i++;
	dirs[i].region = region;
	return &dirs[i].dir;
}

void host_forget(const struct region *region)
{
	DIR **dir = find_dir(region);

	for (int i = nr_shown - 1; i >= 0; i--)
		if (shown[i].region == region)
			drop(i);
	if (*dir)
		closedir(*dir);
	*dir = NULL;
}

static bool look_at_extent(struct shown *entry, int dir)
{
	char text[64];

	if (!read_at(dir, entry->name, "offset", text, sizeof(text)))
		return false;
	entry->extent.start = entry->region->start + strtoull(text, NULL, 0);
	if (!read_at(dir, entry->name, "length", text, sizeof(text)))
		return false;
	entry->extent.len = strtoull(text, NULL, 0);
	/* untagged ones do not have the file at all */
	if (read_at(dir, entry->name, "uuid", text, sizeof(text)))
		entry->extent.tag = tag_number(text) > 0 ? tag_number(text) : -1;
	entry->fd = open_at(dir, entry->name, "state");
	return entry->fd >= 0;
}

static bool look_at_dax(struct shown *entry, int dir)
{
	entry->fd = open_at(dir, entry->name, "size");
	entry->uuid = open_at(dir, entry->name, "uuid");
	return entry->fd >= 0 && entry->uuid >= 0;
}

static bool read_state(struct shown *entry)
{
	char text[32];

	if (reread(entry->fd, text, sizeof(text)) < 0)
		return false;
	for (entry->state = AVAILABLE; entry->state <= PENDING; entry->state++)
		if (!strcmp(text, state_names[entry->state]))
			return true;
	return false;
}

static struct shown *find_shown(const struct region *region, const char *name)
{
	for (int i = 0; i < nr_shown; i++)
		if (shown[i].region == region && !strcmp(shown[i].name, name))
			return &shown[i];
	return NULL;
}

static bool see(const struct region *region, int dir,
		const struct dirent *found, bool is_dax)
{
	struct shown *entry = find_shown(region, found->d_name);

	if (entry && entry->ino != found->d_ino) {
		drop(entry - shown);
		entry = NULL;
	}
	if (!entry) {
		if (nr_shown == MAX_LIST)
			fail("too many extents in sysfs");
		entry = &shown[nr_shown];
		*entry = (struct shown) {
			.region = region, .ino = found->d_ino, .is_dax = is_dax,
		};
		snprintf(entry->name, sizeof(entry->name), "%.31s",
			 found->d_name);
		if (!(is_dax ? look_at_dax : look_at_extent)(entry, dir))
			return differ("cannot read %s", entry->name);
		nr_shown++;
	}
	entry->seen = true;
	if (!is_dax && !read_state(entry))
		return differ("cannot read the state of %s", entry->name);
	return true;
}

/* Bring what is known of a region up to date */
bool host_look(const struct region *region)
{
	DIR **dir = find_dir(region);
	struct dirent *found;
	bool good = true;
	char path[64];

	if (!region->present)
		host_forget(region);
	snprintf(path, sizeof(path), CXL "/dax_region%d", region->id);
	if (!*dir)
		*dir = opendir(path);
	if (!*dir)
		return region->present ? differ("%s is missing", path) : true;
	if (!region->present)
		return differ("%s is there", path);

	for (int i = 0; i < nr_shown; i++)
		if (shown[i].region == region)
			shown[i].seen = false;
	rewinddir(*dir);
	while (good && (found = readdir(*dir))) {
		if (!strncmp(found->d_name, "extent", 6))
			good = see(region, dirfd(*dir), found, false);
		else if (!strncmp(found->d_name, "dax", 3) &&
			 strchr(found->d_name, '.'))
			good = see(region, dirfd(*dir), found, true);
	}
	for (int i = nr_shown - 1; i >= 0; i--)
		if (shown[i].region == region && !shown[i].seen)
			drop(i);
	return good;
}

/* All extents that a device's regions show; return the number */
int host_list(const struct device *dev, struct line *lines)
{
	int nr = 0;

	for (int i = 0; i < nr_shown; i++)
		if (shown[i].region->dev == dev && !shown[i].is_dax)
			lines[nr++] = (struct line) {
				shown[i].extent, shown[i].state,
			};
	return nr;
}

int host_count_dax(const struct region *region)
{
	int nr = 0;

	for (int i = 0; i < nr_shown; i++)
		nr += shown[i].region == region && shown[i].is_dax;
	return nr;
}

/* Size and tag of a DAX device; return: is it there? */
bool host_dax(const struct region *region, int id, __u64 *size, int *tag)
{
	struct shown *entry;
	char text[64];

	snprintf(text, sizeof(text), "dax%d.%d", region->id, id);
	entry = find_shown(region, text);
	if (!entry || reread(entry->fd, text, sizeof(text)) < 0)
		return false;
	*size = strtoull(text, NULL, 0);
	if (reread(entry->uuid, text, sizeof(text)) < 0)
		return false;
	*tag = tag_number(text);
	return true;
}

/*
 * Ranges of a DAX device, as DPA, in no order; ->seq is set to the page at which each
 * starts in the device. Return: the number
 */
int host_mappings(const struct region *region, int id, struct extent *list,
		  int max)
{
	DIR **dir = find_dir(region);
	struct name found[MAX_CHAIN];
	char name[32], path[80], text[64];
	int nr;

	snprintf(name, sizeof(name), "dax%d.%d", region->id, id);
	snprintf(path, sizeof(path), DAX "/%s", name);
	nr = names(path, "mapping", found, max < MAX_CHAIN ? max : MAX_CHAIN);
	for (int i = 0; i < nr; i++) {
		struct extent *extent = &list[i];

		snprintf(path, sizeof(path), "%s/%.31s", name,
			 found[i].text);
		if (!read_at(dirfd(*dir), path, "start", text, sizeof(text)))
			return -1;
		extent->start = strtoull(text, NULL, 0);
		if (!read_at(dirfd(*dir), path, "end", text, sizeof(text)))
			return -1;
		extent->len = strtoull(text, NULL, 0) + 1 - extent->start;
		extent->start += region->start - region->hpa;
		if (!read_at(dirfd(*dir), path, "page_offset", text,
			     sizeof(text)))
			return -1;
		extent->seq = strtoull(text, NULL, 0);
	}
	return nr;
}

/* The directory of an extent of a region, as it was seen last, or "none" */
const char *host_name(const struct extent *extent, const struct region *region)
{
	for (int i = 0; i < nr_shown; i++)
		if (shown[i].region == region && !shown[i].is_dax &&
		    shown[i].extent.start == extent->start)
			return shown[i].name;
	return "none";
}
