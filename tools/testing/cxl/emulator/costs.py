# SPDX-License-Identifier: GPL-2.0-only
"""Lend and take back many extents, and count the mailbox commands."""

BLOCK = 2 << 20

# The emulated device's event log holds 8 records, so a chain is at most 8.
CHAIN = 8


def blocks(count, stride=1):
    """count extents of 2 MiB, every stride-th block."""
    return [(index * stride * BLOCK, BLOCK) for index in range(count)]


def settled_commands(guest):
    """The driver's command counts, once they have stopped rising."""
    counts = [guest.commands(), {}]
    while counts[0] != counts[1]:
        counts = [guest.commands(), counts[0]]
    return counts[0]


def commands_during(guest, action):
    """The mailbox commands that an action causes, by opcode."""
    before = settled_commands(guest)
    action()
    after = settled_commands(guest)
    return {opcode: after[opcode] - before.get(opcode, 0)
            for opcode in sorted(after)
            if after[opcode] != before.get(opcode, 0)}


def in_chains(count):
    """count blocks, cut into chains of at most eight."""
    extents = blocks(count)
    return [extents[i:i + CHAIN] for i in range(0, count, CHAIN)]


def add_blocks(t, count):
    """Lend count blocks, chain by chain."""
    for number, chain in enumerate(in_chains(count)):
        held = number * CHAIN + len(chain)
        t.fabric.add(0, chain)
        t.guest.until(f"{held} extents",
                      lambda: t.guest.extent_count() == held)


def release_blocks(t, count):
    """Take count blocks back, chain by chain."""
    for chain in in_chains(count):
        left = t.guest.extent_count() - len(chain)
        t.fabric.release(0, chain)
        t.guest.until(f"{left} extents",
                      lambda: t.guest.extent_count() == left)
