// SPDX-License-Identifier: GPL-2.0-only
/* Attributes, links and directories of sysfs */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "dcd.h"

static char last_path[PATH_LEN];

/* What was looked at last, for messages */
const char *sysfs_last(void)
{
	return last_path;
}

static int make_path(char *path, const char *fmt, va_list args)
{
	int len = vsnprintf(path, PATH_LEN, fmt, args);

	snprintf(last_path, sizeof(last_path), "%s", path);
	return len < 0 || len >= PATH_LEN ? -ENAMETOOLONG : 0;
}

static int copy_text(char *buf, size_t len, const char *text)
{
	size_t need = strlen(text) + 1;

	if (need > len)
		return -EOVERFLOW;
	memcpy(buf, text, need);
	return 0;
}

/* Read a file that must fit, and must be text of one line */
static int read_line(char *buf, size_t len, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), i;
	char text[256];
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, text, sizeof(text));
	if (got < 0)
		got = -errno;
	close(fd);
	if (got < 0)
		return got;
	if (got == sizeof(text))
		return -EOVERFLOW;
	if (got && text[got - 1] == '\n')
		got--;
	text[got] = 0;
	for (i = 0; i < got; i++)
		if (!isprint((unsigned char)text[i]))
			return -EINVAL;
	return copy_text(buf, len, text);
}

int sysfs_read(char *buf, size_t len, const char *fmt, ...)
{
	char path[PATH_LEN];
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = make_path(path, fmt, args);
	va_end(args);
	return rc ? rc : read_line(buf, len, path);
}

int sysfs_read_u64(__u64 *value, const char *fmt, ...)
{
	char path[PATH_LEN], text[NAME_LEN];
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = make_path(path, fmt, args);
	va_end(args);
	if (!rc)
		rc = read_line(text, sizeof(text), path);
	return rc ? rc : parse_u64(text, value);
}

int sysfs_write(const char *value, const char *fmt, ...)
{
	char path[PATH_LEN];
	ssize_t len = strlen(value), done;
	va_list args;
	int fd, rc;

	va_start(args, fmt);
	rc = make_path(path, fmt, args);
	va_end(args);
	if (rc)
		return rc;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	done = write(fd, value, len);
	rc = done < 0 ? -errno : done != len ? -EIO : 0;
	close(fd);
	return rc;
}

/* The name of what a link leads to */
int sysfs_link(char *buf, size_t len, const char *fmt, ...)
{
	char path[PATH_LEN], target[PATH_MAX], *name;
	va_list args;
	ssize_t got;
	int rc;

	va_start(args, fmt);
	rc = make_path(path, fmt, args);
	va_end(args);
	if (rc)
		return rc;
	got = readlink(path, target, sizeof(target));
	if (got < 0)
		return -errno;
	if (got == sizeof(target))
		return -ENAMETOOLONG;
	target[got] = 0;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	return copy_text(buf, len, name);
}

/* The path without links */
int sysfs_path(char *buf, size_t len, const char *fmt, ...)
{
	char path[PATH_LEN], *real;
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = make_path(path, fmt, args);
	va_end(args);
	if (rc)
		return rc;
	real = realpath(path, NULL);
	if (!real)
		return -errno;
	rc = copy_text(buf, len, real);
	free(real);
	return rc;
}

bool sysfs_exists(const char *fmt, ...)
{
	char path[PATH_LEN];
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = make_path(path, fmt, args);
	va_end(args);
	return !rc && !access(path, F_OK);
}

static int by_number(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strverscmp(x->text, y->text);
}

/*
 * Names in a directory that is_name() takes, in order of their numbers. Returns how
 * many, or a negative errno; the caller frees @names.
 */
int sysfs_names(struct name **names, const char *dir, const char *prefix,
		unsigned int numbers)
{
	struct dirent *entry;
	DIR *stream;
	int nr = 0;

	*names = NULL;
	snprintf(last_path, sizeof(last_path), "%s", dir);
	stream = opendir(dir);
	if (!stream)
		return -errno;
	while ((entry = readdir(stream))) {
		if (!is_name(entry->d_name, prefix, numbers) ||
		    strlen(entry->d_name) >= NAME_LEN)
			continue;
		*names = grow(*names, nr, sizeof(**names));
		copy_name((*names)[nr++].text, entry->d_name);
	}
	closedir(stream);
	if (nr)
		qsort(*names, nr, sizeof(**names), by_number);
	return nr;
}

/* Drivers are bound from work queues: wait for up to 5 s */
bool wait_until(bool (*done)(const void *arg), const void *arg)
{
	static const struct timespec pause = { .tv_nsec = 20000000 };
	int i;

	for (i = 0; i < 250; i++) {
		if (done(arg))
			return true;
		nanosleep(&pause, NULL);
	}
	return done(arg);
}
