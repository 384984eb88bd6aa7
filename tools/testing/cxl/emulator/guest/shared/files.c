// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "files.h"

/* One write(); return: 0 or a negative errno */
int write_text(int fd, const char *text)
{
	ssize_t len = strlen(text);

	errno = EIO;
	return write(fd, text, len) == len ? 0 : -errno;
}

/* The same, by name */
int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write_text(fd, text);
	close(fd);
	return rc;
}

/* Return: length, without the last newline, or a negative errno; @buf is text always */
int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t got;

	*buf = 0;
	if (fd < 0)
		return -errno;
	while ((got = read(fd, buf + len, size - 1 - len)) > 0)
		len += got;
	if (got < 0)
		got = -errno;
	close(fd);
	if (got < 0)
		return got;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	return len;
}

/*
 * Names in a directory that are @prefix and a digit, the first @max of them. Return:
 * how many there are, which may be more; 0 without the directory.
 */
int list_names(const char *path, const char *prefix, struct name *found, int max)
{
	size_t len = strlen(prefix);
	DIR *dir = opendir(path);
	struct dirent *entry;
	int nr = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strncmp(name, prefix, len) || strlen(name) >= sizeof(found->text) ||
		    name[len] < '0' || name[len] > '9')
			continue;
		if (nr < max)
			snprintf(found[nr].text, sizeof(found->text), "%.31s", name);
		nr++;
	}
	closedir(dir);
	return nr;
}
