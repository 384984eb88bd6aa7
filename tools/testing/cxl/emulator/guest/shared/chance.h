/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers by chance: the same seed makes the same numbers */
#ifndef __SHARED_CHANCE_H__
#define __SHARED_CHANCE_H__

#include <linux/types.h>
#include <stdbool.h>

void seed_chance(__u64 seed);
__u64 next_random(void);
unsigned int chance(unsigned int n);
bool percent(unsigned int n);

#endif /* __SHARED_CHANCE_H__ */
