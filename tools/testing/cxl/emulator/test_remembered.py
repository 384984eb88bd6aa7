# SPDX-License-Identifier: GPL-2.0-only
"""A release that is asked for while the memory is in use, to its end.

One extent is used in each way in which a DAX device can be used, and asked
back. A use is a generator: it yields when the memory is in use, and again
after each step that ends a part of that use. Nothing may go back before the
last.
"""

from dataclasses import dataclass

from costs import BLOCK
from guest import (RELEASE, DaxDevice, Region, create_device, delete_device,
                   seed_device)
from lending import (ask_back, dc_region, extent_at, extent_path, lend)
from testlib import check, check_equal, test
from users import (DAX_DRIVERS, POLICY, Keeper, bind_to, dc_events, host_base,
                   listen, memory_blocks, unbind_from, wait_in)
from vm import MIB

# A block of system RAM, so that kmem can have it as well, and what stays free.
HOME = (128 * MIB, 128 * MIB)
FREE = (0, BLOCK)
ON_NODE = 2 * MIB


@dataclass
class Loan:
    """The extent that is used, who has it, and what has been asked so far."""

    region: Region
    device: DaxDevice
    other: DaxDevice
    extent: str


def loan(t):
    """A region with two extents; its seed device has claimed one of them."""
    region = dc_region(t)
    check_equal(host_base(t.guest, region) % HOME[1], 0, "the region's start")
    lend(t, region, [FREE, HOME])
    device = seed_device(t.guest, region)
    extent = extent_at(t, region, HOME[0])
    device.claim_extent(extent)
    return Loan(region, device, create_device(t.guest, region), extent)


def ask(t, lent):
    """Ask for the extent, and wait until the driver is through with it: then
    it is through with all that was queued before, too."""
    name = "records release"
    before = t.guest.counters()[name]
    ask_back(t, lent.region, [HOME])
    t.guest.until("the request", lambda: t.guest.counters()[name] > before)


def check_waits(t, lent, what):
    """The extent is asked for, nobody else can have it, nothing goes back."""
    path = extent_path(lent.region, lent.extent)
    check_equal(t.guest.read(f"{path}/state"), "release-pending",
                f"{what}: state")
    check_equal(t.guest.refusal(lent.other.attribute("extent"), lent.extent),
                "ENOENT", f"{what}: claim by another device")
    check_equal(t.guest.available(lent.region), FREE[1],
                f"{what}: available_size")
    check_equal(len(t.guest.device_ranges()), 2, f"{what}: the device lists")
    t.guest.check_invariant()


def give_back(t, lent, releases):
    """The last user lets go: the extent goes by itself, by one command."""
    t.guest.write(lent.device.attribute("size"), "0")
    t.guest.wait_ranges(lent.region, [FREE])
    t.guest.until("the device's list",
                  lambda: len(t.guest.device_ranges()) == 1)
    check_equal(t.guest.commands()[RELEASE] - releases, 1, "releases")
    check_equal(lent.device.size(), 0, "size")


def check_events(t):
    """User space has heard of all that once."""
    expected = [("add", *FREE), ("add", *HOME), ("release-request", *HOME),
                ("released", *HOME)]
    t.guest.until("the last uevent",
                  lambda: len(dc_events(t.guest)) >= len(expected))
    check_equal(dc_events(t.guest), expected, "uevents")


def run_to_the_end(t, use):
    """Lend, use, ask, let go step by step; after each step ask once more,
    which changes nothing. Then the memory can be lent and used again."""
    listen(t.guest)
    lent = loan(t)
    steps = use(t, lent)
    what = next(steps)
    releases = t.guest.commands().get(RELEASE, 0)
    while what:
        ask(t, lent)
        check_waits(t, lent, what)
        what = next(steps, None)
    give_back(t, lent, releases)
    check_events(t)
    delete_device(t.guest, lent.region, lent.other)
    lend(t, lent.region, [HOME])
    lent.device.claim_extent(extent_at(t, lent.region, HOME[0]))
    lent.device.give_back()


# Uses


def mapped(t, lent):
    """A process has it mapped."""
    bind_to(lent.device, "device_dax")
    keeper = Keeper(t.guest, lent.device.node, HOME[1])
    yield "mapped"
    check_equal(keeper.look(), "intact", "mapped memory")
    keeper.end()
    yield "not mapped any more"
    unbind_from(lent.device, "device_dax")
    yield "without a driver"


def pinned(t, lent):
    """A page of it is in a pipe: its driver can't let go of it."""
    device = lent.device
    bind_to(device, "device_dax")
    keeper = Keeper(t.guest, device.node, BLOCK)
    check_equal(keeper.pin(), "pinned", "pin")
    yield "pinned"
    unbinding = t.guest.begin_write(f"{DAX_DRIVERS}/device_dax/unbind", device.name)
    wait_in(t, unbinding, "dev_dax_wait_for_pages")
    check_equal(keeper.look(), "SIGBUS", "memory of a driver that goes")
    yield "pinned, its driver waiting"
    check_equal(keeper.pin(), "unpinned", "unpin")
    t.guest.wait_end("the driver to go", unbinding)
    yield "without a driver"
    keeper.end()


def bound(t, lent):
    """device_dax has it, and nobody has opened it."""
    device = lent.device
    bind_to(device, "device_dax")
    check_equal(device.mem("write", 0, 4 * BLOCK, 31), "written", "write")
    yield "bound"
    check_equal(device.mem("verify", 0, 4 * BLOCK, 31), "verified", "data")
    check_equal(t.guest.refusal(device.attribute("size"), "0"), "EBUSY",
                "giving back what is bound")
    yield "opened and closed"
    unbind_from(device, "device_dax")
    yield "without a driver"


def bound_to_fsdev(t, lent):
    """fsdev_dax has it, without a file system; what was there stays there."""
    device = lent.device
    bind_to(device, "device_dax")
    check_equal(device.mem("write", 0, 4 * BLOCK, 32), "written", "write")
    unbind_from(device, "device_dax")
    t.guest.sh("modprobe fsdev_dax")
    bind_to(device, "fsdev_dax")
    yield "bound to fsdev_dax"
    unbind_from(device, "fsdev_dax")
    yield "without a driver"
    bind_to(device, "device_dax")
    check_equal(device.mem("verify", 0, 4 * BLOCK, 32), "verified", "data")
    yield "bound again"
    unbind_from(device, "device_dax")
    t.guest.sh("rmmod fsdev_dax")


def plug(t, device, state):
    """Make a claimed device system RAM; returns its NUMA node."""
    t.guest.write(POLICY, state)
    t.guest.sh("modprobe kmem")
    bind_to(device, "kmem")
    t.guest.write(POLICY, "offline")
    check_equal(t.guest.read(device.attribute("state")), state, "state")
    return t.guest.read(device.attribute("target_node"))


def unplug(t, device):
    """Take a device's memory out of the system again."""
    t.guest.write(device.attribute("state"), "unplugged")


def system_ram(t, lent):
    """It is system RAM, and a process's memory lies there; when it goes
    offline the process keeps its data, in other memory."""
    node = plug(t, lent.device, "online_movable")
    keeper = Keeper(t.guest, f"node:{node}", ON_NODE)
    yield "system RAM"
    check_equal(keeper.look(), "intact", "the process's memory")
    unplug(t, lent.device)
    check_equal(keeper.look(), "intact", "the process's memory, moved")
    yield "unplugged"
    keeper.end()
    unbind_from(lent.device, "kmem")
    yield "without a driver"
    t.guest.sh("rmmod kmem")


def system_ram_pinned(t, lent):
    """It is system RAM and can't go offline, since a page is in a pipe."""
    node = plug(t, lent.device, "online_movable")
    keeper = Keeper(t.guest, f"node:{node}", ON_NODE)
    check_equal(keeper.pin(), "pinned", "pin")
    yield "pinned"
    status, _ = t.vm.run(
        f"timeout 2 attr {lent.device.attribute('state')} unplugged", 60)
    check(status, "pinned memory was unplugged")
    check_equal(t.guest.read(lent.device.attribute("state")),
                "online_movable", "state")
    yield "still pinned"
    check_equal(keeper.look(), "intact", "the process's memory")
    check_equal(keeper.pin(), "unpinned", "unpin")
    unplug(t, lent.device)
    yield "unplugged"
    keeper.end()
    unbind_from(lent.device, "kmem")
    t.guest.sh("rmmod kmem")


def system_ram_by_hand(t, lent):
    """It is system RAM, and its blocks are taken offline by hand."""
    plug(t, lent.device, "online_movable")
    blocks = memory_blocks(t.guest, host_base(t.guest, lent.region) + HOME[0],
                           HOME[1])
    check(blocks, "no memory block")
    yield "system RAM"
    for path in blocks:
        t.guest.write(f"{path}/state", "offline")
    yield "offline"
    unbind_from(lent.device, "kmem")
    check(not any(map(t.guest.exists, blocks)), "memory was left behind")
    yield "without a driver"
    t.guest.sh("rmmod kmem")


@test()
def remembered_while_mapped(t):
    """A mapped extent is asked back: it stays as it is for its process, and
    goes when process, driver and claim are gone, not before."""
    run_to_the_end(t, mapped)


@test()
def remembered_while_pinned(t):
    """The same with a page that a process has pinned when the driver is
    unbound: that waits, and the memory is whole until then."""
    run_to_the_end(t, pinned)


@test()
def remembered_while_bound(t):
    """The same with device_dax bound, and nobody who has opened it."""
    run_to_the_end(t, bound)


@test()
def remembered_with_fsdev(t):
    """The same with fsdev_dax, and a change of drivers meanwhile."""
    run_to_the_end(t, bound_to_fsdev)


@test()
def remembered_as_system_ram(t):
    """The same with kmem: state unplugged, unbind, size 0."""
    run_to_the_end(t, system_ram)


@test()
def remembered_as_pinned_system_ram(t):
    """Memory that can't be unplugged for a while keeps the request waiting."""
    run_to_the_end(t, system_ram_pinned)


@test()
def remembered_as_system_ram_by_hand(t):
    """Memory blocks taken offline by hand, then kmem unbound."""
    run_to_the_end(t, system_ram_by_hand)


def check_stuck(t, lent, keeper, what):
    """What kmem left behind is used, not available, and does not go back."""
    ask(t, lent)
    check_waits(t, lent, what)
    check_equal(keeper.look(), "intact", f"{what}: the process's memory")


@test(fresh=True)
def remembered_while_memory_is_stuck(t):
    """kmem is unbound while its memory is online: that stays in use until the
    machine starts again, and so the claim stays, and the release waits. The next
    boot finds the extent where it was."""
    lent = loan(t)
    node = plug(t, lent.device, "online_movable")
    keeper = Keeper(t.guest, f"node:{node}", ON_NODE)
    releases = t.guest.commands().get(RELEASE, 0)
    check_stuck(t, lent, keeper, "online")
    unbind_from(lent.device, "kmem")
    check_stuck(t, lent, keeper, "left online")
    check_equal(t.guest.refusal(lent.device.attribute("size"), "0"), "EBUSY",
                "giving up what is online")
    check_stuck(t, lent, keeper, "not given up")
    check_equal(t.guest.commands().get(RELEASE, 0), releases, "releases")
    t.guest.restart()
    t.guest.wait_ranges(dc_region(t), [FREE, HOME])
