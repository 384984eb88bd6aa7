// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print the kernel's uevents, one line each: "change@/devices/... KEY=value".
 * Tests look for what udev would be told. Prints "listening" when it is.
 */
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void print_event(const char *event, const char *end)
{
	for (; event < end; event += strlen(event) + 1)
		printf("%s ", event);
	printf("\n");
	fflush(stdout);
}

int main(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	char event[8192];
	ssize_t len;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror("uevents");
		return 1;
	}
	printf("listening\n");
	fflush(stdout);
	while ((len = recv(fd, event, sizeof(event) - 1, 0)) >= 0) {
		event[len] = 0;
		print_event(event, event + len);
	}
	return 1;
}
