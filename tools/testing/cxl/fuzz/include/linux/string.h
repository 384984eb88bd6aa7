/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FUZZ_LINUX_STRING_H
#define _FUZZ_LINUX_STRING_H

#include <linux/types.h>
#include <string.h>

#endif
