// SPDX-License-Identifier: GPL-2.0-only
/*
 * kexec KERNEL INITRAMFS: start a kernel from this one, with its command line.
 * No firmware runs in between: devices are as they were left.
 */
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		perror(path);
	return fd;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	char line[2048] = "";
	int kernel, initramfs, cmdline;

	if (argc != 3) {
		fprintf(stderr, "usage: kexec KERNEL INITRAMFS\n");
		return 2;
	}
	kernel = open_file(argv[1]);
	initramfs = open_file(argv[2]);
	cmdline = open_file("/proc/cmdline");
	if (kernel < 0 || initramfs < 0 || cmdline < 0)
		return 1;
	if (read(cmdline, line, sizeof(line) - 1) < 0)
		return fail("read");
	line[strcspn(line, "\n")] = 0;
	if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(line) + 1,
		    line, 0))
		return fail("kexec_file_load");
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	return fail("reboot");
}
