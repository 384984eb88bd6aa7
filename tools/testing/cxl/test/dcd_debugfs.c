// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl_test's mock DCD: what tests look at, and how they play the fabric manager
 *
 * One write() is one action. Entries of a list are separated by newlines, blanks or
 * commas. What goes to the event log is handled by the driver when write() returns.
 */
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "dcd.h"

#define WRITE_MAX	SZ_4M

/* A file: what reading it shows, what a text written to it does */
struct mock_dcd_file {
	const char *name;
	int (*show)(struct seq_file *file, void *data);
	int (*write)(struct mock_dcd *dcd, char *text, size_t count);
};

static const char * const fail_modes[] = {
	[MOCK_DCD_FAIL_BEFORE] = "before",
	[MOCK_DCD_FAIL_AFTER] = "after",
	[MOCK_DCD_FAIL_DROP] = "drop",
};

static void show_extent(struct seq_file *file,
			const struct mock_dcd_extent *extent)
{
	seq_printf(file, "%#llx %#llx %pUb %u\n", extent->start, extent->len,
		   &extent->tag, extent->seq);
}

static int account_show(struct seq_file *file, void *data)
{
	struct mock_dcd *dcd = file->private;
	struct mock_dcd_extent *extent = NULL;

	guard(mutex)(&dcd->lock);
	while ((extent = mock_dcd_held_at(dcd, extent)))
		show_extent(file, extent);
	return 0;
}

/* Behind the host's back: "+<extent>" and "-<start>:<length>" */
static int account_write(struct mock_dcd *dcd, char *text, size_t count)
{
	struct mock_dcd_extent extent, *copy;
	char *word;

	guard(mutex)(&dcd->lock);
	while ((word = mock_dcd_next_word(&text))) {
		if ((*word != '+' && *word != '-') ||
		    mock_dcd_parse_word(word + 1, &extent))
			return -EINVAL;
		if (*word == '-') {
			if (mock_dcd_take(dcd, extent.start, extent.len))
				return -ENOMEM;
			continue;
		}
		copy = mock_dcd_extent_new(&extent);
		if (!copy)
			return -ENOMEM;
		mock_dcd_hold(dcd, copy);
	}
	return 0;
}

static int pending_show(struct seq_file *file, void *data)
{
	struct mock_dcd *dcd = file->private;
	struct mock_dcd_extent *extent;
	struct mock_dcd_group *group;

	guard(mutex)(&dcd->lock);
	list_for_each_entry(group, &dcd->offers, node)
		list_for_each_entry(extent, &group->extents, node) {
			seq_printf(file, "%u %s ", group->id,
				   group->open ? "open" : "closed");
			show_extent(file, extent);
		}
	return 0;
}

static int pending_write(struct mock_dcd *dcd, char *text, size_t count)
{
	struct mock_dcd_group *group;

	if (strcmp(strim(text), "drop"))
		return -EINVAL;
	guard(mutex)(&dcd->lock);
	group = mock_dcd_oldest_offer(dcd);
	if (!group)
		return -ENOENT;
	mock_dcd_drop_offer(group);
	return 0;
}

static int commands_show(struct seq_file *file, void *data)
{
	struct mock_dcd *dcd = file->private;

	guard(mutex)(&dcd->lock);
	for (int i = 0; i < MOCK_DCD_OPCODES && dcd->commands[i].opcode; i++)
		seq_printf(file, "%04xh %llu\n", dcd->commands[i].opcode,
			   dcd->commands[i].count);
	return 0;
}

static int commands_write(struct mock_dcd *dcd, char *text, size_t count)
{
	guard(mutex)(&dcd->lock);
	memset(dcd->commands, 0, sizeof(dcd->commands));
	return 0;
}

static int faults_show(struct seq_file *file, void *data)
{
	struct mock_dcd *dcd = file->private;
	u64 total = 0;

	guard(mutex)(&dcd->lock);
	for (int i = 0; i < MOCK_DCD_NR_FAULTS; i++) {
		seq_printf(file, "%s %llu\n", mock_dcd_fault_name(i),
			   dcd->faults[i]);
		total += dcd->faults[i];
	}
	seq_printf(file, "total %llu\n", total);
	return 0;
}

static int faults_write(struct mock_dcd *dcd, char *text, size_t count)
{
	guard(mutex)(&dcd->lock);
	memset(dcd->faults, 0, sizeof(dcd->faults));
	return 0;
}

static int responses_show(struct seq_file *file, void *data)
{
	struct mock_dcd *dcd = file->private;
	u64 first;

	guard(mutex)(&dcd->lock);
	first = dcd->trail_end - min_t(u64, dcd->trail_end, MOCK_DCD_TRAIL);
	for (u64 i = first; i < dcd->trail_end; i++) {
		const struct mock_dcd_trail *line;

		line = &dcd->trail[i % MOCK_DCD_TRAIL];
		if (line->opcode)
			seq_printf(file, "%04xh %u %u %u\n", line->opcode,
				   line->more, line->rc, line->nr);
		else
			seq_printf(file, "  %#llx %#llx\n", line->start,
				   line->len);
	}
	return 0;
}

static int responses_write(struct mock_dcd *dcd, char *text, size_t count)
{
	guard(mutex)(&dcd->lock);
	dcd->trail_end = 0;
	return 0;
}

static int log_show(struct seq_file *file, void *data)
{
	struct mock_dcd *dcd = file->private;

	guard(mutex)(&dcd->lock);
	seq_printf(file, "records %u\noverflow %u\n", dcd->log.nr,
		   dcd->log.overflow);
	return 0;
}

static int partition_show(struct seq_file *file, void *data)
{
	struct mock_dcd *dcd = file->private;

	guard(mutex)(&dcd->lock);
	for (u32 i = 0; i < dcd->nr_parts; i++) {
		const struct mock_dcd_partition *part = &dcd->part[i];

		seq_printf(file, "%u %#llx %#llx %#llx %#x %#x\n", i,
			   part->base, part->len, part->block, part->handle,
			   part->dsmas);
	}
	return 0;
}

/* "<index>:<base>:<length>[:<block size>]", which nobody is told */
static int partition_write(struct mock_dcd *dcd, char *text, size_t count)
{
	struct mock_dcd_partition part;
	char *word;
	u64 index;

	text = strim(text);
	word = strsep(&text, ":");
	if (!word || kstrtou64(word, 0, &index) || index >= CXL_DC_PARTITIONS_MAX)
		return -EINVAL;
	guard(mutex)(&dcd->lock);
	part = dcd->part[index];
	if (!part.block)
		part.block = SZ_512;
	word = strsep(&text, ":");
	if (!word || kstrtou64(word, 0, &part.base))
		return -EINVAL;
	word = strsep(&text, ":");
	if (!word || kstrtou64(word, 0, &part.len))
		return -EINVAL;
	if (text && kstrtou64(text, 0, &part.block))
		return -EINVAL;
	dcd->part[index] = part;
	dcd->nr_parts = max_t(u32, dcd->nr_parts, index + 1);
	return 0;
}

/* As after power-on; nobody is told */
static int reset_write(struct mock_dcd *dcd, char *text, size_t count)
{
	guard(mutex)(&dcd->lock);
	mock_dcd_power_on(dcd);
	return 0;
}

static int fail_show(struct seq_file *file, void *data)
{
	struct mock_dcd *dcd = file->private;
	struct mock_dcd_fail *fail;

	guard(mutex)(&dcd->lock);
	list_for_each_entry(fail, &dcd->fails, node)
		seq_printf(file, "%04xh %u %d %s %u\n", fail->opcode, fail->nth,
			   fail->rc, fail_modes[fail->mode], fail->times);
	return 0;
}

/* "<opcode> <nth> <rc> [<mode>] [<times>]"; see fail_write() for "none" */
static int parse_fail(char *text, struct mock_dcd_fail *fail)
{
	char *opcode = mock_dcd_next_word(&text);
	char *nth = mock_dcd_next_word(&text);
	char *rc = mock_dcd_next_word(&text);
	char *mode = mock_dcd_next_word(&text);
	char *times = mock_dcd_next_word(&text);
	int i = MOCK_DCD_FAIL_BEFORE;

	if (!rc || mock_dcd_parse_opcode(opcode, &fail->opcode) ||
	    kstrtou32(nth, 0, &fail->nth) || kstrtoint(rc, 0, &fail->rc))
		return -EINVAL;
	if (mode)
		i = match_string(fail_modes, ARRAY_SIZE(fail_modes), mode);
	fail->mode = i;
	fail->times = 1;
	if (i < 0 || (times && kstrtou32(times, 0, &fail->times)))
		return -EINVAL;
	/* the mailbox core reserves -EIO */
	if (!fail->nth || !fail->times || fail->rc == -EIO ||
	    fail->rc < -MAX_ERRNO || fail->rc > U16_MAX)
		return -EINVAL;
	return 0;
}

static int fail_write(struct mock_dcd *dcd, char *text, size_t count)
{
	struct mock_dcd_fail *fail __free(kfree) = kzalloc_obj(*fail);
	int rc;

	if (!fail)
		return -ENOMEM;
	if (sysfs_streq(text, "none")) {
		guard(mutex)(&dcd->lock);
		mock_dcd_forget_fails(dcd);
		return 0;
	}
	rc = parse_fail(text, fail);
	if (rc)
		return rc;
	guard(mutex)(&dcd->lock);
	list_add_tail(&no_free_ptr(fail)->node, &dcd->fails);
	return 0;
}

static const struct mock_dcd_file mock_dcd_files[] = {
	{ "account", account_show, account_write },
	{ "pending", pending_show, pending_write },
	{ "commands", commands_show, commands_write },
	{ "faults", faults_show, faults_write },
	{ "responses", responses_show, responses_write },
	{ "log", log_show },
	{ "fail", fail_show, fail_write },
	{ "partition", partition_show, partition_write },
	{ "reset", NULL, reset_write },
	{ "command", NULL, mock_dcd_command_write },
	{ "chain", NULL, mock_dcd_chain_write },
	{ "open", NULL, mock_dcd_open_write },
	{ "release", NULL, mock_dcd_release_write },
	{ "force", NULL, mock_dcd_force_write },
	{ "event", NULL, mock_dcd_event_write },
	{ "emit", NULL, mock_dcd_emit_write },
	{ "record", NULL, mock_dcd_record_write },
	{ "updated", NULL, mock_dcd_updated_write },
};

static int file_open(struct inode *inode, struct file *file)
{
	const struct mock_dcd_file *what = debugfs_get_aux(file);

	/* root may open what the mode does not let others open */
	if ((file->f_mode & FMODE_READ && !what->show) ||
	    (file->f_mode & FMODE_WRITE && !what->write))
		return -EACCES;
	return single_open(file, what->show, inode->i_private);
}

static ssize_t file_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	const struct mock_dcd_file *what = debugfs_get_aux(file);
	struct mock_dcd *dcd = file_inode(file)->i_private;
	char *text;
	int rc;

	if (count > WRITE_MAX)
		return -E2BIG;
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	rc = what->write(dcd, text, count);
	kfree(text);
	if (rc)
		return rc;
	mock_dcd_deliver(dcd);
	return count;
}

static const struct file_operations file_fops = {
	.owner = THIS_MODULE,
	.open = file_open,
	.read = seq_read,
	.write = file_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static void add_quirks(struct mock_dcd_quirks *quirks, struct dentry *parent)
{
	struct dentry *dir = debugfs_create_dir("quirk", parent);

	debugfs_create_u32("list_returned", 0600, dir, &quirks->list_returned);
	debugfs_create_u32("list_total", 0600, dir, &quirks->list_total);
	debugfs_create_bool("list_unsettled", 0600, dir,
			    &quirks->list_unsettled);
	debugfs_create_u32("config_returned", 0600, dir,
			   &quirks->config_returned);
	debugfs_create_u32("config_available", 0600, dir,
			   &quirks->config_available);
	debugfs_create_bool("config_short", 0600, dir, &quirks->config_short);
	debugfs_create_u32("record_count", 0600, dir, &quirks->record_count);
	debugfs_create_bool("record_more", 0600, dir, &quirks->record_more);
	debugfs_create_bool("refill", 0600, dir, &quirks->refill);
	debugfs_create_bool("status", 0600, dir, &quirks->status);
	debugfs_create_bool("no_status", 0600, dir, &quirks->no_status);
	debugfs_create_bool("no_irq", 0600, dir, &quirks->no_irq);
	debugfs_create_u32("commands_listed", 0600, dir,
			   &quirks->commands_listed);
	debugfs_create_u32("list_delay", 0600, dir, &quirks->list_delay);
}

/**
 * mock_dcd_debugfs_add() - make the files of a device
 * @dcd: the device
 * @parent: where its directory is to be
 */
void mock_dcd_debugfs_add(struct mock_dcd *dcd, struct dentry *parent)
{
	dcd->dir = debugfs_create_dir(dev_name(dcd->dev), parent);
	for (int i = 0; i < ARRAY_SIZE(mock_dcd_files); i++) {
		const struct mock_dcd_file *file = &mock_dcd_files[i];

		debugfs_create_file_aux(file->name,
					(file->show ? 0400 : 0) |
					(file->write ? 0200 : 0), dcd->dir, dcd,
					file, &file_fops);
	}
	debugfs_create_u32("payload_size", 0600, dcd->dir, &dcd->payload_size);
	debugfs_create_u32("extents_max", 0600, dcd->dir, &dcd->extents_max);
	debugfs_create_u32("tags_max", 0600, dcd->dir, &dcd->tags_max);
	debugfs_create_u32("log_max", 0600, dcd->dir, &dcd->log.max);
	debugfs_create_u32("lose", 0600, dcd->dir, &dcd->log.lose);
	add_quirks(&dcd->quirks, dcd->dir);
}
