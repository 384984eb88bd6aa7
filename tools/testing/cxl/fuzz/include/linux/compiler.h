/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FUZZ_LINUX_COMPILER_H
#define _FUZZ_LINUX_COMPILER_H

#include <stdbool.h>
#include <sys/cdefs.h>

/* the C library has them, too */
#undef __always_inline
#undef __attribute_const__
#undef __CONCAT
#include <linux/compiler_attributes.h>

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define barrier()		__asm__ volatile("" : : : "memory")
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile typeof(x) *)&(x) = (value))
#define data_race(x)		(x)
#define smp_store_release(p, v)	WRITE_ONCE(*(p), v)
#define smp_load_acquire(p)	READ_ONCE(*(p))

#define auto			__auto_type
#define __user
#define __no_context_analysis
#define __context_unsafe(...)
#define __force
#define noinline		__attribute__((__noinline__))

#define __same_type(a, b)	__builtin_types_compatible_p(typeof(a), typeof(b))
#define __is_constexpr(x)						\
	(sizeof(int) == sizeof(*(8 ? ((void *)((long)(x) * 0l)) : (int *)8)))
#define statically_true(x)	(__builtin_constant_p(x) && (x))
#define is_signed_type(type)	(((type)(-1)) < (type)1)
#define is_unsigned_type(type)	(!is_signed_type(type))
#define __PASTE_(a, b)		a##b
#define __PASTE(a, b)		__PASTE_(a, b)
#define __UNIQUE_ID(prefix)	__PASTE(__PASTE(__UNIQUE_ID_, prefix), __COUNTER__)
#define __must_be_array(a)	0
#define __must_be_cstr(p)	0
/* the kernel's own build looks at them, and its optimizer is needed for that */
#define compiletime_assert(condition, text)	do { } while (0)

#endif
