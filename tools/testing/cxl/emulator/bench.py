# SPDX-License-Identifier: GPL-2.0-only
"""What lending and taking back costs: mailbox commands and seconds."""

import time
from types import SimpleNamespace

from costs import add_blocks, commands_during, release_blocks
from guest import Guest
from vm import VM


def timed(guest, action):
    """The commands that an action causes, and the seconds it takes."""
    begin = time.monotonic()
    commands = commands_during(guest, action)
    return commands, time.monotonic() - begin


def print_row(count, verb, commands, seconds):
    """One line of the table."""
    listed = ", ".join(f"{opcode}h {n}" for opcode, n in commands.items())
    print(f"{count:7} {verb:8} {sum(commands.values()):8} {seconds:8.2f}  "
          f"{listed}", flush=True)


def main(_arguments):
    """Print the cost of 1, 8 and 400 extents."""
    with VM(name="bench") as vm:
        guest = Guest(vm)
        guest.load()
        guest.create_region("dynamic_ram_1")
        t = SimpleNamespace(vm=vm, guest=guest, fabric=vm.fabric)
        print("extents what     commands  seconds  by opcode")
        for count in (1, 8, 400):
            print_row(count, "add", *timed(
                guest, lambda: add_blocks(t, count)))
            print_row(count, "release", *timed(
                guest, lambda: release_blocks(t, count)))
    return 0
