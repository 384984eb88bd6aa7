// SPDX-License-Identifier: GPL-2.0-only
#include "chance.h"

static __u64 state;

/* Every process has its own */
void seed_chance(__u64 seed)
{
	state = seed;
}

/* splitmix64 */
__u64 next_random(void)
{
	__u64 x = state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Return: 0 to @n - 1 */
unsigned int chance(unsigned int n)
{
	return next_random() % n;
}

bool percent(unsigned int n)
{
	return chance(100) < n;
}
