/* SPDX-License-Identifier: GPL-2.0-only */
/* dcd.h names them; nothing that is fuzzed has work done later */
#ifndef _FUZZ_LINUX_WORKQUEUE_H
#define _FUZZ_LINUX_WORKQUEUE_H

#include <linux/jiffies.h>
#include <linux/types.h>

struct workqueue_struct;

struct work_struct {
	int unused;
};

struct delayed_work {
	struct work_struct work;
};

static inline void queue_work(struct workqueue_struct *wq,
			      struct work_struct *work)
{
}

static inline void queue_delayed_work(struct workqueue_struct *wq,
				      struct delayed_work *work,
				      unsigned long delay)
{
}

#endif
