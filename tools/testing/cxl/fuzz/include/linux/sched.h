/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FUZZ_LINUX_SCHED_H
#define _FUZZ_LINUX_SCHED_H

/* Long loops call it: one that has no end is noticed, see ../../kernel.c */
void fuzz_step(void);
#define cond_resched()	fuzz_step()

#endif
