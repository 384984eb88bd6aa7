// SPDX-License-Identifier: GPL-2.0-only
/* The decoders between a memory device and the root */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dcd.h"

/* The directory of the endpoint that an endpoint decoder belongs to */
static int endpoint_dir(const char *decoder, char *dir)
{
	int rc = sysfs_path(dir, PATH_LEN, "%s/%s", CXL_DEVICES, decoder);

	if (!rc)
		*strrchr(dir, '/') = 0;
	return rc;
}

/* The name of the memory device that an endpoint decoder belongs to */
int decoder_memdev(const char *decoder, char *memdev)
{
	char dir[PATH_LEN];
	int rc = endpoint_dir(decoder, dir);

	if (!rc)
		rc = sysfs_link(memdev, NAME_LEN, "%s/uport", dir);
	if (!rc && !is_name(memdev, "mem", 1))
		rc = -ENOENT;
	if (rc)
		*memdev = 0;
	return rc;
}

/* Whether an endpoint decoder has capacity; a negative errno if nobody knows */
static int in_use(const char *decoder)
{
	__u64 size;
	int rc = sysfs_read_u64(&size, "%s/%s/dpa_size", CXL_DEVICES, decoder);

	return rc ? rc : size > 0;
}

/*
 * A decoder that has capacity behind that of @decoder: capacity is given back in the
 * reverse order. Returns 1, 0 if there is none, or a negative errno.
 */
int decoder_behind(const char *decoder, char *behind)
{
	struct name *names;
	char dir[PATH_LEN];
	int rc = endpoint_dir(decoder, dir), nr, i;

	if (rc)
		return rc;
	nr = sysfs_names(&names, dir, "decoder", 2);
	rc = nr < 0 ? nr : 0;
	for (i = nr - 1; i >= 0 && !rc; i--) {
		if (last_number(names[i].text) <= last_number(decoder))
			break;
		rc = in_use(names[i].text);
		copy_name(behind, names[i].text);
	}
	free(names);
	return rc;
}

/* The directory of the endpoint of a memory device */
static int find_endpoint(const char *memdev, char *dir)
{
	struct name *names;
	char uport[NAME_LEN];
	int nr = sysfs_names(&names, CXL_DEVICES, "endpoint", 1), i;
	int rc = nr < 0 ? nr : -ENOENT;

	for (i = 0; i < nr && rc == -ENOENT; i++)
		if (!sysfs_link(uport, sizeof(uport), "%s/%s/uport",
				CXL_DEVICES, names[i].text) &&
		    !strcmp(uport, memdev))
			rc = sysfs_path(dir, PATH_LEN, "%s/%s", CXL_DEVICES,
					names[i].text);
	free(names);
	return rc;
}

/* The first decoder of an endpoint that has no capacity */
static int free_decoder(const char *endpoint, char *decoder)
{
	struct name *names;
	int nr = sysfs_names(&names, endpoint, "decoder", 2), i;
	int rc = nr < 0 ? nr : -ENOSPC;

	for (i = 0; i < nr; i++) {
		if (in_use(names[i].text))
			continue;
		copy_name(decoder, names[i].text);
		rc = 0;
		break;
	}
	free(names);
	return rc;
}

/*
 * Split the path of an endpoint: the directory of the root, and that of the port
 * below the root through which it is reached.
 */
static int find_root(const char *endpoint, char *root, char *port)
{
	const char *at = endpoint, *next;

	while ((at = strchr(at, '/'))) {
		char name[NAME_LEN];
		size_t len = strcspn(++at, "/");

		if (len >= sizeof(name))
			continue;
		memcpy(name, at, len);
		name[len] = 0;
		if (!is_name(name, "root", 1) || !at[len])
			continue;
		next = at + len + 1 + strcspn(at + len + 1, "/");
		snprintf(root, PATH_LEN, "%.*s", (int)(at + len - endpoint),
			 endpoint);
		snprintf(port, PATH_LEN, "%.*s", (int)(next - endpoint),
			 endpoint);
		return 0;
	}
	return -ENOENT;
}

/* Whether regions of that mode can be made below a root decoder, with one target */
static bool leads_to(const char *root, const char *decoder, const char *dport,
		     const char *type)
{
	char target[PATH_LEN];
	__u64 cap, id;

	if (sysfs_read_u64(&cap, "%s/%s/cap_%s", root, decoder, type) || !cap)
		return false;
	/* several targets are no number */
	if (sysfs_read_u64(&id, "%s/%s/target_list", root, decoder) ||
	    sysfs_path(target, sizeof(target), "%s/dport%llu", root, id))
		return false;
	return !strcmp(target, dport);
}

static int find_roots(const char *endpoint, const char *type,
		      const struct path *path, struct path **paths)
{
	struct name *names;
	char root[PATH_LEN], port[PATH_LEN], dport[PATH_LEN];
	int rc = find_root(endpoint, root, port), nr = 0, i, found;

	if (!rc)
		rc = sysfs_path(dport, sizeof(dport), "%s/parent_dport", port);
	if (rc)
		return rc;
	found = sysfs_names(&names, root, "decoder", 2);
	for (i = 0; i < found; i++) {
		if (!leads_to(root, names[i].text, dport, type))
			continue;
		*paths = grow(*paths, nr, sizeof(**paths));
		(*paths)[nr] = *path;
		copy_name((*paths)[nr++].root, names[i].text);
	}
	free(names);
	return nr;
}

/*
 * All ways from the root to a memory device for a region of that mode, through
 * @decoder unless it is NULL. Returns how many, 0 with a message if there is none;
 * the caller frees @paths.
 */
int find_paths(const struct memdev *memdev, const char *type,
	       const char *decoder, struct path **paths)
{
	struct path path = { };
	char endpoint[PATH_LEN];
	int rc, i;

	*paths = NULL;
	if (find_endpoint(memdev->name, endpoint)) {
		error("%s has no endpoint: its driver cxl_mem is not bound, see the kernel log",
		      memdev->name);
		return 0;
	}
	if (free_decoder(endpoint, path.endpoint)) {
		error("every decoder of %s is in use: destroy a region of it first",
		      memdev->name);
		return 0;
	}
	rc = find_roots(endpoint, type, &path, paths);
	for (i = 0; decoder && i < rc; i++) {
		if (strcmp((*paths)[i].root, decoder))
			continue;
		(*paths)[0] = (*paths)[i];
		return 1;
	}
	if (decoder)
		error("%s is no root decoder with one target above %s that takes %s",
		      decoder, memdev->name, type);
	else if (rc <= 0)
		error("the platform has no window with one target for %s of %s",
		      type, memdev->name);
	return decoder || rc < 0 ? 0 : rc;
}
