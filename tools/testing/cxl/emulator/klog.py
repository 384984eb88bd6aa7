# SPDX-License-Identifier: GPL-2.0-only
"""Find what must not be in a kernel log."""

import re

COMPLAINTS = re.compile(
    r"WARNING:|BUG:|possible circular locking|INFO: possible|INFO: task|"
    r"INFO: rcu|\bOops\b|Call Trace|UBSAN|KASAN|KCSAN|list corruption|"
    r"list_(add|del) corruption|refcount_t|Kernel panic|"
    r"general protection fault|"
    # What the driver core only prints although it is a driver's bug.
    r"Resources present before probing|cannot create duplicate filename")

# The harness asks the device itself for its extent list, with a raw command;
# the mailbox core warns about the first one after it is loaded.
RAW_COMMAND = re.compile(
    r"[^\n]*\[ cut here \][^\n]*\n[^\n]*raw command path used\n"
    r".*?---\[ end trace [^\n]*\n", re.DOTALL)


def complaints(log):
    """The offending lines of a piece of kernel log."""
    log = RAW_COMMAND.sub("", log.replace("\r", ""))
    return [line for line in log.splitlines() if COMPLAINTS.search(line)]
