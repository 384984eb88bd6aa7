// SPDX-License-Identifier: GPL-2.0-only
/*
 * dvsec: clear Mem_Enable in the CXL control register of every CXL device
 * that has no driver.
 *
 * QEMU 10.0 keeps that bit over a guest reset although it clears the HDM
 * decoders, and Linux then refuses the endpoint. Firmware of a real machine
 * would never leave a device so; this takes firmware's place. Run it before
 * the CXL modules are loaded.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <unistd.h>

#define FIRST_EXT_CAP		0x100
#define EXT_CAP_DVSEC		0x23
#define VENDOR_CXL		0x1e98
#define DVSEC_CXL_DEVICE	0
#define CXL_CTRL		0x0c
#define CXL_CTRL_MEM_ENABLE	0x0004

static __u32 read32(int fd, off_t at)
{
	__u32 value = 0;

	if (pread(fd, &value, sizeof(value), at) != sizeof(value))
		return 0;
	return value;
}

/* Offset of the "PCIe DVSEC for CXL Devices", 0 if there is none. */
static __u32 find_dvsec(int fd)
{
	__u32 at = FIRST_EXT_CAP;

	while (at >= FIRST_EXT_CAP) {
		__u32 header = read32(fd, at);

		if ((header & 0xffff) == EXT_CAP_DVSEC &&
		    (read32(fd, at + 4) & 0xffff) == VENDOR_CXL &&
		    (read32(fd, at + 8) & 0xffff) == DVSEC_CXL_DEVICE)
			return at;
		at = header >> 20;
	}
	return 0;
}

static void clear_mem_enable(int fd, const char *name)
{
	__u32 at = find_dvsec(fd);
	__u16 control;

	if (!at)
		return;
	control = read32(fd, at + CXL_CTRL);
	if (!(control & CXL_CTRL_MEM_ENABLE))
		return;
	control &= ~CXL_CTRL_MEM_ENABLE;
	if (pwrite(fd, &control, sizeof(control), at + CXL_CTRL) == sizeof(control))
		printf("%s: Mem_Enable cleared\n", name);
}

int main(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	char path[512];
	int fd;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", entry->d_name);
		if (entry->d_name[0] == '.' || !access(path, F_OK))
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", entry->d_name);
		fd = open(path, O_RDWR);
		if (fd < 0)
			continue;
		clear_mem_enable(fd, entry->d_name);
		close(fd);
	}
	return 0;
}
