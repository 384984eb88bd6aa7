/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of the kernel's cxlmem.h, what the wire and the extent core need. cxlmem-parts.h
 * is cut out of the real one by ../run.py.
 */
#ifndef _FUZZ_CXLMEM_H
#define _FUZZ_CXLMEM_H

#include <errno.h>
#include <linux/array_size.h>
#include <linux/bug.h>
#include <linux/slab.h>
#include <linux/uuid.h>
#include <cxl/event.h>

struct cxl_mbox_cmd;

struct cxl_mailbox {
	size_t payload_size;
	int (*mbox_send)(struct cxl_mailbox *mbox, struct cxl_mbox_cmd *cmd);
};

#include <cxlmem-parts.h>

int cxl_internal_send_cmd(struct cxl_mailbox *mbox, struct cxl_mbox_cmd *cmd);

#endif
