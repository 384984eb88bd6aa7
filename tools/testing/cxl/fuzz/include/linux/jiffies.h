/* SPDX-License-Identifier: GPL-2.0-only */
/* Time stands still unless the input moves it */
#ifndef _FUZZ_LINUX_JIFFIES_H
#define _FUZZ_LINUX_JIFFIES_H

#define HZ	1000

extern unsigned long jiffies;

#define time_after(a, b)	((long)((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)
#define time_before_eq(a, b)	time_after_eq(b, a)

#endif
