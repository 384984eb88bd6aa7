// SPDX-License-Identifier: GPL-2.0-only
/*
 * random: files of sysfs and debugfs
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "random.h"

#define MOCK	"/sys/kernel/debug/cxl_test_dcd"

void must_write(const char *path, const char *text)
{
	int rc = write_file(path, text);

	if (rc)
		fail("writing '%s' to %s: %s", text, path, strerror(-rc));
}

__u64 read_number(const char *path)
{
	char buf[64];
	int rc = read_file(path, buf, sizeof(buf));

	if (rc < 0)
		fail("reading %s: %s", path, strerror(-rc));
	return strtoull(buf, NULL, 0);
}

/* Tags differ in their last digits only, so that their order is that of numbers */
const char *tag_text(int tag)
{
	static char text[4][40];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(text[turn], sizeof(text[turn]),
		 tag == NO_TAG ? "00000000-0000-0000-0000-0000000000%02x" :
				 "7a6d0000-0000-4000-8000-0000000000%02x", tag);
	return text[turn];
}

/* Return: -1 when it is no tag of ours */
int tag_number(const char *text)
{
	for (int tag = NO_TAG; tag <= NR_TAGS; tag++)
		if (!strcmp(text, tag_text(tag)))
			return tag;
	return -1;
}

/* Names of directory @path that are @prefix and a digit; return their number */
int names(const char *path, const char *prefix, struct name *found, int max)
{
	int nr = list_names(path, prefix, found, max);

	if (nr > max)
		fail("more than %d %s* in %s", max, prefix, path);
	return nr;
}

void mock_path(const struct device *dev, const char *file, char *buf,
	       size_t size)
{
	snprintf(buf, size, MOCK "/%s/%s", dev->name, file);
}

/* A file of a device, that stays open; return: the length, less the newline */
int read_mock(const struct device *dev, const char *file, char *buf, size_t size)
{
	static struct {
		char path[96];
		int fd;
	} files[16];
	char path[96];
	int i = 0, len;

	mock_path(dev, file, path, sizeof(path));
	while (*files[i].path && strcmp(files[i].path, path))
		i++;
	if (!*files[i].path) {
		memcpy(files[i].path, path, sizeof(path));
		files[i].fd = open(path, O_RDONLY);
	}
	len = reread(files[i].fd, buf, size);
	if (len < 0)
		fail("reading %s: %s", path, strerror(-len));
	return len;
}

/* What the device says that this host holds; return the number of extents */
int read_account(const struct device *dev, struct extent *list)
{
	static char buf[128 << 10];
	char *line, *rest = NULL;
	int nr = 0;

	read_mock(dev, "account", buf, sizeof(buf));
	for (line = strtok_r(buf, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct extent *extent = &list[nr++];
		char tag[64];

		if (nr > MAX_LIST ||
		    sscanf(line, "%lli %lli %63s %u",
			   (long long *)&extent->start,
			   (long long *)&extent->len, tag, &extent->seq) != 4)
			fail("account of %s: cannot read '%s'", dev->name, line);
		extent->tag = tag_number(tag);
	}
	return nr;
}
