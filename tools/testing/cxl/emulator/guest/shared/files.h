/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of sysfs and debugfs. Whatever a test tool reads or writes there can go away
 * at any time, so all say what went wrong instead of ending the tool.
 */
#ifndef __SHARED_FILES_H__
#define __SHARED_FILES_H__

#include <stddef.h>

/**
 * struct name - of an object in sysfs
 * @text: the name
 */
struct name {
	char text[32];
};

int write_text(int fd, const char *text);
int write_file(const char *path, const char *text);
int read_file(const char *path, char *buf, size_t size);
int list_names(const char *path, const char *prefix, struct name *found, int max);

#endif /* __SHARED_FILES_H__ */
