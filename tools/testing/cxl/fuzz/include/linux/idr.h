/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FUZZ_LINUX_IDR_H
#define _FUZZ_LINUX_IDR_H

struct ida {
	int unused;
};

#endif
