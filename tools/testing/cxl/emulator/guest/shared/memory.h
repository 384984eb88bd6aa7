/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory to use: of a DAX device, or of a NUMA node */
#ifndef __SHARED_MEMORY_H__
#define __SHARED_MEMORY_H__

#include <stddef.h>
#include <stdnoreturn.h>

#define DAX_ALIGN	(2ULL << 20)

noreturn void die(const char *what);
void say(const char *text);
void *map_device(const char *path, size_t offset, size_t len);
void *map_node(int node, size_t len);

#endif /* __SHARED_MEMORY_H__ */
