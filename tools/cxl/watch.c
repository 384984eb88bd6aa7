// SPDX-License-Identifier: GPL-2.0-only
/* dcd watch: the kernel's uevents of Dynamic Capacity */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "dcd.h"

/* One event; the texts point into the message */
struct event {
	const char *region;
	const char *what;
	const char *uuid;	/* NULL without a tag */
	const char *waits_for;	/* NULL if for nothing */
	__u64 offset;
	__u64 length;
};

static int open_socket(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int room = 4 << 20;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return error("no uevents: %s; the kernel needs CONFIG_NET",
			     strerror(errno));
	/* whatever of it the kernel grants: an offer may bring many extents */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return error("no uevents: %s", strerror(errno));
	}
	return fd;
}

/* The value of a line of the message, NULL if it is of another name */
static const char *value_of(const char *line, const char *name)
{
	size_t len = strlen(name);

	return strncmp(line, name, len) || line[len] != '=' ? NULL :
							       line + len + 1;
}

static const char *region_of_path(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return is_name(name, "dax_region", 1) ? name + strlen("dax_") : NULL;
}

static bool parse_line(struct event *event, const char *line)
{
	const char *value;

	value = value_of(line, "DEVPATH");
	if (value)
		event->region = region_of_path(value);
	value = value_of(line, "CXL_DC_EVENT");
	if (value)
		event->what = value;
	value = value_of(line, "UUID");
	if (value && is_uuid(value) && !is_null_uuid(value))
		event->uuid = value;
	value = value_of(line, "WAITS_FOR");
	if (value && (is_name(value, "dax", 2) || !strcmp(value, "system-ram")))
		event->waits_for = value;
	value = value_of(line, "OFFSET");
	if (value && parse_u64(value, &event->offset))
		return false;
	value = value_of(line, "LENGTH");
	return !value || !parse_u64(value, &event->length);
}

/* A message is texts, each with a 0 at its end, that of the last one is ours */
static bool parse_event(struct event *event, const char *message, size_t len)
{
	const char *line;

	memset(event, 0, sizeof(*event));
	for (line = message; line < message + len; line += strlen(line) + 1)
		if (!parse_line(event, line))
			return false;
	return event->what && event->region;
}

static void show_event(const struct params *params, const struct event *event)
{
	struct json json = { .human = params->human, .one_line = true };
	char length[SIZE_TEXT_LEN], offset[SIZE_TEXT_LEN];

	if (!params->json) {
		printf("%s: %s %s at %s%s%s%s%s\n", event->region, event->what,
		       size_text(length, event->length),
		       size_text(offset, event->offset),
		       event->uuid ? ", uuid " : "",
		       event->uuid ? event->uuid : "",
		       event->waits_for ? ", waits for " : "",
		       event->waits_for ? event->waits_for : "");
		return;
	}
	json_open(&json, NULL, '{');
	json_text(&json, "region", event->region);
	json_text(&json, "event", event->what);
	json_address(&json, "offset", event->offset);
	json_size(&json, "length", event->length);
	if (event->uuid)
		json_text(&json, "uuid", event->uuid);
	if (event->waits_for)
		json_text(&json, "waits_for", event->waits_for);
	json_close(&json, '}');
}

/* 1 if there was an event of ours, 0 if there was another one, -1 */
static int next_event(const struct params *params, int fd)
{
	static char message[16384];
	struct sockaddr_nl from = { };
	socklen_t from_len = sizeof(from);
	struct event event;
	ssize_t len;

	len = recvfrom(fd, message, sizeof(message) - 1, MSG_TRUNC,
		       (struct sockaddr *)&from, &from_len);
	if (len < 0 && errno == ENOBUFS) {
		note("events were lost: 'dcd list' shows what is there now");
		return 0;
	}
	if (len < 0)
		return errno == EINTR ? 0 : error("%s", strerror(errno));
	/* only the kernel is believed */
	if (from_len != sizeof(from) || from.nl_pid)
		return 0;
	if ((size_t)len >= sizeof(message)) {
		note("an event of %zd bytes was left out: 'dcd list' shows what is there now",
		     len);
		return 0;
	}
	message[len] = 0;
	if (!parse_event(&event, message, len))
		return 0;
	if (params->region && strcmp(params->region, event.region))
		return 0;
	show_event(params, &event);
	return 1;
}

static __u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* 1 if something has come, 0 if the time is over */
static int wait_event(int fd, __u64 end)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	__u64 now = now_ms();
	int wait = -1;

	if (end != UNKNOWN)
		wait = end <= now ? 0 : end - now > 60000 ? 60000 : end - now;
	if (poll(&poll_fd, 1, wait) > 0)
		return 1;
	return end == UNKNOWN || now_ms() < end ? -1 : 0;
}

static int watch(const struct params *params, int fd)
{
	__u64 end = params->timeout ? now_ms() + params->timeout * 1000 :
				      UNKNOWN;
	__u64 seen = 0;
	int rc;

	while (!params->count || seen < params->count) {
		rc = wait_event(fd, end);
		if (!rc)
			break;
		if (rc < 0)
			continue;
		rc = next_event(params, fd);
		if (rc < 0)
			return 1;
		seen += rc;
	}
	if (seen >= params->count)
		return 0;
	error("%llu of %llu events came in %llu s", seen, params->count,
	      params->timeout);
	return 1;
}

int cmd_watch(const struct params *params, const char *arg)
{
	int fd = open_socket(), status;

	(void)arg;
	if (fd < 0)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	note("watching");
	status = watch(params, fd);
	close(fd);
	return status;
}
