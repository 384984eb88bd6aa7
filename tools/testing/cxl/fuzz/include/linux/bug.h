/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel only warns of ends the run here: see ../../kernel.c */
#ifndef _FUZZ_LINUX_BUG_H
#define _FUZZ_LINUX_BUG_H

#include <linux/compiler.h>

void fuzz_fail(const char *file, int line, const char *format, ...)
	__attribute__((__noreturn__, __format__(__printf__, 3, 4)));

#define BUG_ON(condition)						\
do {									\
	if (condition)							\
		fuzz_fail(__FILE__, __LINE__, "BUG_ON(%s)", #condition);	\
} while (0)

#define WARN_ON(condition) ({						\
	bool warn__ = (condition);					\
									\
	if (warn__)							\
		fuzz_fail(__FILE__, __LINE__, "WARN_ON(%s)", #condition);	\
	warn__;								\
})

#define BUG()				BUG_ON(true)
#define WARN(condition, ...)		WARN_ON(condition)
#define WARN_ONCE(condition, ...)	WARN_ON(condition)
#define WARN_ON_ONCE(condition)		WARN_ON(condition)

#endif
