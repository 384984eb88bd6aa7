# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel is tested: the usual one, or that of KERNEL_FLAVOUR.

kasan finds accesses to memory that is not there, and leaks; kcsan finds data
races. Both want more time, kasan more memory as well.
"""

import os
from dataclasses import dataclass

NAME = os.environ.get("KERNEL_FLAVOUR", "")

# What the names of the flavour's directories below $BUILD end with.
SUFFIX = f"-{NAME}" if NAME else ""


@dataclass(frozen=True)
class Flavour:
    """What a kernel needs.

    slowness: by how much every time limit grows
    memory: by how much the guest's memory grows
    arguments: for the kernel's command line
    """

    slowness: float = 1
    memory: int = 1
    arguments: str = ""


# While the boot CPU is identified, the kernel forgets for a moment that it has
# five levels of page tables, and KASAN takes all memory that an interrupt
# touches then for wild: no5lvl.
FLAVOURS = {
    "": Flavour(),
    "kasan": Flavour(slowness=10, memory=2,
                     arguments="watchdog_thresh=60 no5lvl"),
    "kcsan": Flavour(slowness=5, arguments="watchdog_thresh=60"),
}


def flavour():
    """The one that is tested."""
    if NAME not in FLAVOURS:
        raise SystemExit(f"error: KERNEL_FLAVOUR={NAME} is none of " +
                         " ".join(filter(None, FLAVOURS)))
    return FLAVOURS[NAME]
