/* SPDX-License-Identifier: GPL-2.0-only */
/* dcd: list, claim and give back the memory of CXL Dynamic Capacity Devices */
#ifndef _TOOLS_CXL_DCD_H
#define _TOOLS_CXL_DCD_H

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define CXL_BUS		"/sys/bus/cxl"
#define CXL_DEVICES	CXL_BUS "/devices"
#define CXL_DRIVERS	CXL_BUS "/drivers"
#define DAX_DEVICES	"/sys/bus/dax/devices"
#define DAX_DRIVERS	"/sys/bus/dax/drivers"

#define MAX_PARTITIONS	8
#define NAME_LEN	32	/* extent4294967295.4294967295 and its end */
#define UUID_LEN	37
#define SIZE_TEXT_LEN	48
#define PATH_LEN	512

/* An address or a size that this user may not read */
#define UNKNOWN		(~0ULL)

/* What the command line says; NULL, 0 and false if it does not */
struct params {
	const char *memdev;
	const char *region;
	const char *dev;
	const char *decoder;
	const char *type;
	__u64 size;
	__u64 timeout;
	__u64 count;
	bool json;
	bool human;
	bool force;
	bool no_bind;
	bool no_movable;
};

struct name {
	char text[NAME_LEN];
};

/* Partition N of a memory device is shown as dynamic_ram_N */
struct partition {
	char name[NAME_LEN];
	__u64 size;
	__u64 block_size;
	__u64 sharable;
	__u64 read_only;
	__u64 qos_class;	/* UNKNOWN if the platform has none */
};

struct memdev {
	char name[NAME_LEN];
	char host[NAME_LEN];
	__u64 serial;
	struct partition part[MAX_PARTITIONS];
	unsigned int nr_parts;
};

struct extent {
	char name[NAME_LEN];
	__u64 offset;
	__u64 length;
	char uuid[UUID_LEN];	/* empty if it has no tag */
	char state[NAME_LEN];
};

struct dax_device {
	char name[NAME_LEN];
	__u64 size;
	__u64 align;
	__u64 target_node;	/* UNKNOWN if there is none */
	char uuid[UUID_LEN];	/* empty if it has claimed no tag */
	char extent[NAME_LEN];	/* the first one that it has, empty if none */
	char driver[NAME_LEN];	/* empty if none is bound */
	char state[NAME_LEN];	/* of system RAM, empty if it is none */
};

struct region {
	char name[NAME_LEN];
	char dax_region[NAME_LEN];
	char mode[NAME_LEN];
	char decoder[NAME_LEN];	/* of the endpoint, empty if there is none */
	char memdev[NAME_LEN];
	__u64 size;
	__u64 resource;
	__u64 available;	/* UNKNOWN if no DAX driver is bound */
	bool bound;
	struct extent *extents;
	size_t nr_extents;
	struct dax_device *devs;
	size_t nr_devs;
};

/* All of Dynamic Capacity that sysfs shows */
struct machine {
	struct memdev *memdevs;
	size_t nr_memdevs;
	struct region *regions;
	size_t nr_regions;
};

/* What is claimed as one: all extents of a tag, or one extent without a tag */
struct allocation {
	const struct region *region;
	const struct extent *first;
	const struct dax_device *dev;	/* that has claimed it, or NULL */
	__u64 size;
	size_t nr_extents;
};

/* dcd.c: what goes wrong, and in a line of its own what to do; on stderr. Return -1 */
int error(const char *fmt, ...) __printf(1, 2);
int advise(const char *fmt, ...) __printf(1, 2);
void note(const char *fmt, ...) __printf(1, 2);

/* text.c */
bool is_name(const char *text, const char *prefix, unsigned int numbers);
unsigned int last_number(const char *name);
bool is_uuid(const char *text);
bool is_null_uuid(const char *uuid);
int parse_u64(const char *text, __u64 *value);
int parse_size(const char *text, __u64 *value);
const char *size_text(char *buf, __u64 size);
void copy_name(char *to, const char *from);
void *grow(void *array, size_t nr, size_t size);

/* sysfs.c: 0 or a negative errno */
int sysfs_read(char *buf, size_t len, const char *fmt, ...) __printf(3, 4);
int sysfs_read_u64(__u64 *value, const char *fmt, ...) __printf(2, 3);
int sysfs_write(const char *value, const char *fmt, ...) __printf(2, 3);
int sysfs_link(char *buf, size_t len, const char *fmt, ...) __printf(3, 4);
int sysfs_path(char *buf, size_t len, const char *fmt, ...) __printf(3, 4);
const char *sysfs_last(void);
bool sysfs_exists(const char *fmt, ...) __printf(1, 2);
int sysfs_names(struct name **names, const char *dir, const char *prefix,
		unsigned int numbers);
bool wait_until(bool (*done)(const void *arg), const void *arg);

/* scan.c */
int scan_machine(struct machine *machine);
int scan_dax(struct dax_device *dev, const char *name);
void free_machine(struct machine *machine);

/* find.c */
const struct memdev *find_memdev(const struct machine *machine,
				 const char *name);
const struct region *find_region(const struct machine *machine,
				 const char *name);
const struct dax_device *find_dax(const struct params *params,
				  const struct machine *machine,
				  const char *name,
				  const struct region **region);
typedef int dax_action(const struct params *params, const struct region *region,
		       const struct dax_device *dev);
int for_dax(const struct params *params, const char *name, dax_action *action,
	    const char *done);
bool is_over(const struct region *region, const struct memdev *memdev,
	     const struct partition *part);
int find_allocations(const struct region *region, struct allocation **found);
const char *allocation_name(const struct allocation *alloc);
bool has_extent(const struct allocation *alloc, const struct extent *extent);

/* json.c */
struct json {
	int depth;
	bool first;
	bool one_line;
	bool human;
};

void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, __u64 value);
void json_size(struct json *json, const char *key, __u64 value);
void json_address(struct json *json, const char *key, __u64 value);
void json_bool(struct json *json, const char *key, bool value);

/* show.c: objects in JSON, each an element of the array or object it is in */
void json_memdev(struct json *json, const struct memdev *memdev);
void json_region(struct json *json, const struct region *region);
void json_dax(struct json *json, const struct dax_device *dev);

/* table.c: text in columns, the first row is the head */
struct table {
	char **cells;
	size_t nr;
	unsigned int columns;
};

void table_row(struct table *table, ...);
void table_print(struct table *table);

/* driver.c: messages are theirs, 0 or -1 */
bool load_driver(const char *dir, const char *driver, const char *module);
bool has_driver(const char *dev, const char *driver);
int need_driver(const char *driver);
int bind_dax(const char *dev, const char *driver);
int unbind_dax(const struct dax_device *dev);
int check_unused(const struct dax_device *dev);

/* decoder.c */
struct path {
	char root[NAME_LEN];	/* decoder at the root */
	char endpoint[NAME_LEN];	/* decoder at the memory device */
};

int find_paths(const struct memdev *memdev, const char *type,
	       const char *decoder, struct path **paths);
int decoder_memdev(const char *decoder, char *memdev);
int decoder_behind(const char *decoder, char *behind);

/* The commands; they return an exit status */
int cmd_list(const struct params *params, const char *arg);
int cmd_create_region(const struct params *params, const char *arg);
int cmd_destroy_region(const struct params *params, const char *arg);
int cmd_claim(const struct params *params, const char *arg);
int cmd_free(const struct params *params, const char *arg);
int cmd_online(const struct params *params, const char *arg);
int cmd_offline(const struct params *params, const char *arg);
int cmd_watch(const struct params *params, const char *arg);

/* online.c, for those that end every use */
bool asked_for(const struct region *region, const struct dax_device *dev);
int unplug(const struct dax_device *dev);

#endif
