# SPDX-License-Identifier: GPL-2.0-only
"""Memory of the guest's kernel that nothing points to any more (kmemleak).

Looked for at the end of a machine's life: with the modules loaded, where an
entry's backtrace has names, and once more without them, since what hangs on a
list of a module is lost only then. A machine that starts again in a test takes
along what was leaked before: such a test has a fresh one (testlib.py).
"""

import re

from flavour import NAME
from vm import GuestError

KMEMLEAK = "/sys/kernel/debug/kmemleak"

# kmemleak does not look at what is younger than 5 s, and takes an object for
# lost if two scans in a row found no pointer to it and the same bytes in it.
SCAN = f"sleep 6; echo scan > {KMEMLEAK}; echo scan > {KMEMLEAK}"
SECONDS = 120

# What the kernel's log says of a scan that found something.
FOUND = re.compile(r"kmemleak: \d+ new suspected memory leaks")

# What other parts of the kernel leak: the function that has it, and is to free it.
# Nothing of ours has a place here.
KNOWN = (
    # a device that a driver takes before device_add() is ready, and that goes without
    # ever being on the list of deferred probes: nobody frees the reason
    "device_set_deferred_probe_reason",
    # a CXL region for which the window has no room: without a device to take it along,
    # what could not be placed is not freed (kernel/resource.c)
    "get_free_mem_region",
)


def entries(text):
    """Split what kmemleak says into its entries; nothing is left out."""
    return list(filter(None, re.split(r"^(?=unreferenced object )", text,
                                      flags=re.MULTILINE)))


def is_known(entry):
    """Whether an entry is a leak of somebody else that we know of."""
    return any(re.search(rf"\b{known}\+", entry) for known in KNOWN)


def scan(guest):
    """What is lost now."""
    guest.sh(SCAN, SECONDS)
    text = guest.sh(f"cat {KMEMLEAK}", SECONDS)
    return text + "\n" if text else ""


def scan_loaded_and_unloaded(guest):
    """All that is lost; what shows only without the modules comes with where
    they were, for the addresses in its backtrace."""
    found = scan(guest)
    where = guest.sh("cat /proc/modules")
    guest.unload_all()
    guest.sh(f"echo clear > {KMEMLEAK}")
    rest = scan(guest)
    return found + rest + (f"modules were at:\n{where}\n" if rest else "")


def leaks(guest):
    """What the machine has leaked, as text; None for a kernel without
    kmemleak, which that for KASAN must have."""
    if not guest.exists(KMEMLEAK):
        if NAME == "kasan":
            raise GuestError(f"there is no {KMEMLEAK}")
        return None
    text = scan_loaded_and_unloaded(guest)
    unknown = [entry for entry in entries(text) if not is_known(entry)]
    return "\n".join(unknown)
