/* SPDX-License-Identifier: GPL-2.0-only */
/* One thread: a lock only knows whether it is held */
#ifndef _FUZZ_LINUX_MUTEX_H
#define _FUZZ_LINUX_MUTEX_H

#include <linux/bug.h>
#include <linux/cleanup.h>

struct mutex {
	bool held;
};

#define lockdep_assert_held(lock)	BUG_ON(!(lock)->held)

static inline void mutex_init(struct mutex *lock)
{
	lock->held = false;
}

static inline void mutex_destroy(struct mutex *lock)
{
	BUG_ON(lock->held);
}

static inline void mutex_lock(struct mutex *lock)
{
	BUG_ON(lock->held);
	lock->held = true;
}

static inline void mutex_unlock(struct mutex *lock)
{
	BUG_ON(!lock->held);
	lock->held = false;
}

DEFINE_GUARD(mutex, struct mutex *, mutex_lock(_T), mutex_unlock(_T))

#endif
