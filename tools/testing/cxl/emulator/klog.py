# SPDX-License-Identifier: GPL-2.0-only
"""Find what must not be in a kernel log."""

import functools
import re

from initramfs import SetupError
from vm import build_directory

COMPLAINTS = re.compile(
    r"WARNING:|BUG:|possible circular locking|INFO: possible|INFO: task|"
    r"INFO: rcu|\bOops\b|Call Trace|UBSAN|KASAN|KCSAN|list corruption|"
    r"list_(add|del) corruption|refcount_t|Kernel panic|"
    r"general protection fault|"
    # Soft and hard lockups, work that does not get on, a task that hangs.
    r"soft lockup|hard LOCKUP|workqueue lockup|blocked for more than|"
    # A leak, or that nobody looks for leaks, or at objects, any more.
    r"kmemleak: .*(suspected|disabled|pool empty|Cannot)|ODEBUG disabled|"
    # What the driver core only prints although it is a driver's bug.
    r"Resources present before probing|cannot create duplicate filename|"
    r"debugfs: .* already exists in")

# The harness asks the device itself for its extent list, with a raw command;
# the mailbox core warns about the first one after it is loaded.
RAW_COMMAND = re.compile(
    r"[^\n]*\[ cut here \][^\n]*\n[^\n]*raw command path used\n"
    r".*?---\[ end trace [^\n]*\n", re.DOTALL)

# A report of KCSAN: two lines of "=", and what is between them.
RACE = re.compile(r"[^\n]*={50,}\n([^\n]*BUG: KCSAN: .*?\n)[^\n]*={50,}\n",
                  re.DOTALL)

# Where a race, or a leak, is our business: all that the series adds or touches, in the
# kernel tree. Most of drivers/dax/bus.c is there only.
OUR_FILES = ("drivers/cxl/**/*.c", "drivers/dax/**/*.c",
             "tools/testing/cxl/test/dc*.c")
FUNCTION = re.compile(r"^[a-z][\w *]*?\b([a-z_]\w*)\(", re.MULTILINE)

# In a trace; the compiler appends ".part.0" and the like to what it has split.
FRAME = re.compile(r"\b(\w+)(?:\.\w+)*\+0x")


@functools.cache
def our_functions():
    """The functions of our files: a trace has no names of files."""
    tree = build_directory() / "linux"
    names = {name for pattern in OUR_FILES for path in tree.glob(pattern)
             for name in FUNCTION.findall(path.read_text(encoding="utf-8"))}
    if not names:
        raise SetupError(f"no function of ours in {tree}: run `make tree`")
    return names


def by_us(trace):
    """Whether a function of ours is in a stack trace."""
    return not our_functions().isdisjoint(FRAME.findall(trace))


def foreign_races(log):
    """The first lines of KCSAN's reports that do not name our files."""
    return [text.splitlines()[0] for text in
            RACE.findall(log.replace("\r", "")) if not by_us(text)]


def complaints(log):
    """The offending lines of a piece of kernel log; of a race, all lines."""
    log = RAW_COMMAND.sub("", log.replace("\r", ""))
    races = [line for text in RACE.findall(log) if by_us(text)
             for line in text.splitlines()]
    return races + [line for line in RACE.sub("", log).splitlines()
                    if COMPLAINTS.search(line)]
