/* SPDX-License-Identifier: GPL-2.0-only */
/* Allocations are counted, and the n-th one fails: see ../../kernel.c */
#ifndef _FUZZ_LINUX_SLAB_H
#define _FUZZ_LINUX_SLAB_H

#include <linux/cleanup.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/types.h>

#define GFP_KERNEL	0u

void *fuzz_alloc(size_t size, bool zero);
void fuzz_free(const void *object);

#define kmalloc(size, gfp)	fuzz_alloc(size, false)
#define kzalloc(size, gfp)	fuzz_alloc(size, true)
#define kvmalloc(size, gfp)	fuzz_alloc(size, false)
#define kvzalloc(size, gfp)	fuzz_alloc(size, true)
#define kfree(object)		fuzz_free(object)
#define kvfree(object)		fuzz_free(object)

#define FUZZ_OBJS(what, zero, nr)					\
	((typeof(what) *)fuzz_alloc(size_mul(sizeof(typeof(what)), nr), zero))
#define kmalloc_obj(what, ...)		FUZZ_OBJS(what, false, 1)
#define kzalloc_obj(what, ...)		FUZZ_OBJS(what, true, 1)
#define kmalloc_objs(what, nr, ...)	FUZZ_OBJS(what, false, nr)
#define kzalloc_objs(what, nr, ...)	FUZZ_OBJS(what, true, nr)
#define kvmalloc_objs(what, nr, ...)	FUZZ_OBJS(what, false, nr)
#define kvzalloc_objs(what, nr, ...)	FUZZ_OBJS(what, true, nr)

DEFINE_FREE(kfree, void *, if (_T) fuzz_free(_T))
DEFINE_FREE(kvfree, void *, if (_T) fuzz_free(_T))

#endif
