# SPDX-License-Identifier: GPL-2.0-only
"""Forced release: the device has taken the memory, whoever uses it.

The emulated device does not do that: a raw record tells the driver of it, and the
device still lists the extent, which at the end of a test is asked back the usual
way. The mock takes it first, and tells then.
"""

import re
from contextlib import contextmanager

from guest import RELEASE, REGION_DRIVER, create_device, seed_device
from lending import (ask_back, claimed_device, dc_region, device_base,
                     extent_at, lend, take_back)
from mock import (BASE, FORCED_RELEASE, NULL_TAG, RECORD, Held, Mock,
                  event_record)
from test_order import lend_tagged
from testlib import check, check_equal, test
from users import (DAX_DRIVERS, Keeper, Victim, bind_to, dc_events, forget_ids,
                   host_base, listen, memory_blocks, unbind_from, wait_in)
from vm import MIB

BLOCK = 2 * MIB
HALF_REGION = 512 * MIB

# What a block of system RAM has.
MEMORY_BLOCK = 128 * MIB

PAGE = 4096

# What the kernel takes for a copy of "unplugged".
TEXT_BYTES = 16

FAILSLAB = "/sys/kernel/debug/failslab"
KTHREADD = "/proc/2/make-it-fail"
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
TRACING = "/sys/kernel/tracing"
POISONED = re.compile(r"Memory failure: (0x[0-9a-f]+): recovery action for dax "
                      "page: Recovered")
KMEM = "/sys/bus/dax/drivers/kmem"
TAG = "11111111-2222-3333-4444-555555555555"


def take(t, region, ranges, tag=None):
    """Have the driver hear that the emulated device has taken (offset, length)
    ranges: one chain. Returns when the driver is done."""
    t.guest.sh("modprobe cxl_dc_record")
    base, records = device_base(t, region), []
    for i, (offset, length) in enumerate(ranges):
        records.append(event_record(
            FORCED_RELEASE, Held(base + offset, length, tag or NULL_TAG),
            i + 1 < len(ranges)))
    t.guest.write(f"{RECORD}/record",
                  " ".join([t.guest.memdev(), *records]))


def end(t, region, ranges):
    """The emulated device gets back what it still lists."""
    ask_back(t, region, ranges)
    t.guest.until("release", lambda: not t.guest.device_ranges())
    t.guest.check_invariant()
    t.guest.sh("rmmod cxl_dc_record")


def check_dead(t, device, driver="device_dax"):
    """A device that lost its memory can't be opened, nor bound again."""
    output = device.mem("touch", 0)
    check("No such device or address" in output, output)
    unbind_from(device, driver)
    t.guest.write(f"{DAX_DRIVERS}/{driver}/new_id", device.name)
    check(not device.bound(), "a dead device has a driver again")
    t.guest.write(f"{DAX_DRIVERS}/{driver}/remove_id", device.name)
    t.guest.write(device.attribute("size"), "0")
    check_equal(device.size(), 0, "size")


@test()
def forced_while_mapped_by_several(t):
    """Three processes of two threads each touch the memory: each thread gets
    SIGBUS, nobody reads foreign data, nothing is answered; the same device
    serves other memory afterwards."""
    listen(t.guest)
    region = dc_region(t)
    taken, other = (4 * BLOCK, 4 * BLOCK), (32 * BLOCK, BLOCK)
    lend(t, region, [taken, other])
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, taken[0]))
    device.bind()
    victim = Victim(t, "mapped", "touch", device.node, taken[1], 3, 2)
    before = t.guest.commands()
    take(t, region, [taken])
    check_equal(victim.end(), "6 threads, 6 SIGBUS, 0 wrong", "victims")
    check_equal(t.guest.ranges(region), [other], "extents")
    check_equal(t.guest.commands(), before, "commands")
    check_dead(t, device)
    t.guest.until("the event", lambda: len(dc_events(t.guest)) >= 3)
    check_equal(dc_events(t.guest)[2:], [("forced-release", *taken)], "uevents")

    device.claim_extent(extent_at(t, region, other[0]))
    device.bind()
    check_equal(device.mem("write", 0, BLOCK, 3), "written", "write")
    device.give_back()
    end(t, region, [taken, other])


@test()
def forced_while_opened(t):
    """A process that has opened the device and not mapped it can't map it any
    more."""
    region = dc_region(t)
    lend(t, region, [(0, 2 * BLOCK)])
    device = claimed_device(t, region)
    victim = Victim(t, "opened", "open", device.node)
    take(t, region, [(0, 2 * BLOCK)])
    victim.signal("USR1")
    check_equal(victim.end(), "mmap: No such device or address", "mmap")
    check_dead(t, device)
    end(t, region, [(0, 2 * BLOCK)])


@test()
def forced_while_claimed(t):
    """A claim ends with the memory: without a driver the device is free for
    other memory at once, with one it is dead until that is unbound."""
    region = dc_region(t)
    ranges = [(0, BLOCK), (8 * BLOCK, BLOCK), (16 * BLOCK, 2 * BLOCK)]
    lend(t, region, ranges)
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, 0))
    bound = create_device(t.guest, region)
    bound.claim_extent(extent_at(t, region, 8 * BLOCK))
    bound.bind()
    take(t, region, ranges[:2])
    check_equal(t.guest.ranges(region), ranges[2:], "extents")
    check_equal(device.size(), 0, "size")
    check_equal(t.guest.read(device.attribute("extent")), "", "claim")
    device.claim()
    check_equal(device.size(), 2 * BLOCK, "size of the next claim")
    device.give_back()
    check_equal(bound.size(), BLOCK, "size of the dead device")
    check_dead(t, bound)
    end(t, region, ranges)


@test()
def forced_and_lent_again(t):
    """What was taken is not accepted again while a dead device has its place;
    then it is."""
    region = dc_region(t)
    lend(t, region, [(0, BLOCK)])
    device = claimed_device(t, region)
    take(t, region, [(0, BLOCK)])
    ask_back(t, region, [(0, BLOCK)])
    t.guest.until("release", lambda: not t.guest.device_ranges())
    before, said = t.guest.commands(), t.guest.counters()
    t.fabric.add(0, [(0, BLOCK)])
    t.guest.wait_answered(before)
    check_equal(t.guest.ranges(region), [], "extents")
    reason = "refused (what was lent there before is still in use)"
    check_equal(t.guest.counters()[reason] - said[reason], 1, reason)
    check_dead(t, device)
    lend(t, region, [(0, BLOCK)])
    device.claim()
    device.bind()
    check_equal(device.mem("write", 0, BLOCK, 9), "written", "write")
    device.give_back()
    end(t, region, [(0, BLOCK)])


@test()
def forced_part_of_what_is_claimed(t):
    """Some of a claimed extent is taken: all of it is dead, the rest goes back
    by one Release; of an extent that nobody has, the rest stays."""
    region = dc_region(t)
    lend(t, region, [(0, 8 * BLOCK), (16 * BLOCK, 8 * BLOCK)])
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, 0))
    device.bind()
    victim = Victim(t, "part", "touch", device.node, 8 * BLOCK, 1, 1)
    before = t.guest.commands()
    take(t, region, [(2 * BLOCK, BLOCK), (18 * BLOCK, 2 * BLOCK)])
    check_equal(victim.end(), "1 threads, 1 SIGBUS, 0 wrong", "victim")
    check_equal(t.guest.ranges(region), [(16 * BLOCK, 2 * BLOCK),
                                         (20 * BLOCK, 4 * BLOCK)], "extents")
    check_equal(t.guest.commands()[RELEASE] - before[RELEASE], 1, "releases")
    check_dead(t, device)
    ask_back(t, region, [(16 * BLOCK, 2 * BLOCK), (20 * BLOCK, 4 * BLOCK)])
    t.guest.wait_ranges(region, [])
    end(t, region, [(18 * BLOCK, 2 * BLOCK)])


@test()
def forced_while_asked_back(t):
    """Asked back while in use, and then taken: the request is done with."""
    region = dc_region(t)
    lend(t, region, [(0, 2 * BLOCK)])
    device = claimed_device(t, region)
    victim = Victim(t, "asked", "touch", device.node, 2 * BLOCK, 2, 2)
    ask_back(t, region, [(0, 2 * BLOCK)])
    t.guest.wait_state(extent_at(t, region, 0), "release-pending")
    before = t.guest.commands()
    take(t, region, [(0, 2 * BLOCK)])
    check_equal(victim.end(), "4 threads, 4 SIGBUS, 0 wrong", "victims")
    check_dead(t, device)
    check_equal(t.guest.commands(), before, "commands")
    end(t, region, [(0, 2 * BLOCK)])


@test()
def forced_while_fsdev(t):
    """fsdev_dax has it, without a file system: nobody can touch it, nothing is
    answered, and the device is dead until its driver is unbound."""
    region = dc_region(t)
    extent = (4 * BLOCK, 4 * BLOCK)
    lend(t, region, [extent])
    device = seed_device(t.guest, region)
    device.claim()
    t.guest.sh("modprobe fsdev_dax")
    bind_to(device, "fsdev_dax")
    before = t.guest.commands()
    take(t, region, [extent])
    check_equal(t.guest.ranges(region), [], "extents")
    check_dead(t, device, "fsdev_dax")
    check_equal(t.guest.commands(), before, "commands")
    end(t, region, [extent])

    lend(t, region, [extent])
    device.claim()
    bind_to(device, "fsdev_dax")
    check("mmap" in device.mem("touch", 0), "it can't be opened")
    unbind_from(device, "fsdev_dax")
    device.bind()
    check_equal(device.mem("write", 0, BLOCK, 6), "written", "write")
    device.give_back()
    take_back(t, region, [extent])
    t.guest.sh("rmmod fsdev_dax")


def take_pinned(t, region, pages):
    """Take the first block of a region, of which so many pages are pinned: the
    log has their number, and that these are poisoned, and no others."""
    begin = len(t.vm.log())
    take(t, region, [(0, BLOCK)])
    check_equal(t.guest.ranges(region), [], "extents")
    t.guest.until("the log", lambda: "pinned pages: their users" in
                  t.vm.log()[begin:])
    log = t.vm.log()[begin:]
    check(f"{region.seed}: lost memory has {pages} pinned pages" in log,
          "the log has another number")
    first = host_base(t.guest, region) // PAGE
    check_equal(POISONED.findall(log), [f"{first + page:#x}" for page in
                                        range(pages)], "poisoned pages")


@test()
def forced_while_pinned(t):
    """Pages kept in a pipe can't be taken from it: the log says so, nothing of
    that memory goes back or comes again before they are let go, and the driver
    notices that by itself. Of a huge page, the first one counts."""
    region = dc_region(t)
    lend(t, region, [(0, 4 * BLOCK)])
    device = claimed_device(t, region)
    victim = Victim(t, "pinned", "pin", device.node, 3)
    take_pinned(t, region, 1)
    check_equal(len(t.guest.device_ranges()), 1, "the device's list")
    before = t.guest.commands()
    t.fabric.release(0, [(2 * BLOCK, BLOCK)])
    t.guest.until("the answer", lambda: t.guest.commands() != before)
    check_equal(t.guest.commands()[RELEASE], before.get(RELEASE, 0), "releases")

    victim.signal("KILL")
    t.guest.until("release", lambda: not t.guest.device_ranges())
    check_dead(t, device)
    t.guest.sh("rmmod cxl_dc_record")


@test()
def forced_while_small_pages_are_pinned(t):
    """Of a device without huge pages each pinned page counts, and is
    poisoned."""
    region = dc_region(t)
    lend(t, region, [(0, BLOCK)])
    device = seed_device(t.guest, region)
    t.guest.write(device.attribute("align"), PAGE)
    device.claim()
    device.bind()
    victim = Victim(t, "small", "pin", device.node, 3)
    take_pinned(t, region, 3)
    victim.signal("KILL")
    victim.end()
    check_dead(t, device)
    end(t, region, [(0, BLOCK)])


def thread_of(t, device):
    """The process id of the thread that sees to a dead device."""
    output = t.guest.sh(f"grep -lx dead_{device.name} /proc/[0-9]*/comm")
    return int(output.split("/")[2])


@test()
def forced_while_its_driver_is_busy(t):
    """Its driver is being unbound, and waits for a pinned page. Who sees to the
    dead device gives up when its time is over, and the log says so; nothing
    comes or goes before the user is killed, and then all ends."""
    region = dc_region(t)
    extent = (0, 2 * BLOCK)
    lend(t, region, [extent])
    device = claimed_device(t, region)
    victim = Victim(t, "busy", "pin", device.node, 1)
    unbinding = t.guest.begin_write(f"{DAX_DRIVERS}/device_dax/unbind", device.name)
    wait_in(t, unbinding, "dev_dax_wait_for_pages")
    begin = len(t.vm.log())
    take(t, region, [extent])
    thread = thread_of(t, device)
    t.guest.until("the log", lambda: "pinned pages: their users" in
                  t.vm.log()[begin:])
    # what its timer would do after a minute
    t.guest.sh(f"kill -KILL {thread}")
    t.guest.until("the log", lambda: "in use: its driver takes long" in
                  t.vm.log()[begin:])
    t.guest.wait_end("the thread's end", thread)
    wait_in(t, unbinding, "dev_dax_wait_for_pages")
    check_equal(device.size(), extent[1], "size of the dead device")

    victim.signal("KILL")
    t.guest.wait_end("the driver to go", unbinding)
    # its claim ends by itself, unless its pages are found to be free before its driver goes
    t.guest.write(device.attribute("size"), "0")
    t.guest.write(f"{DAX_DRIVERS}/device_dax/remove_id", device.name)
    end(t, region, [extent])


@test()
def forced_pinned_and_its_region_goes(t):
    """What was taken is pinned when its region goes: that waits for the page, and
    gives nothing back. A region that comes finds what the device lists then."""
    region = dc_region(t)
    lend(t, region, [(0, BLOCK)])
    device = claimed_device(t, region)
    forget_ids([device])
    victim = Victim(t, "region-goes", "pin", device.node, 1)
    take_pinned(t, region, 1)
    before = t.guest.commands()
    unbinding = t.guest.begin_write(f"{REGION_DRIVER}/unbind", region.name)
    wait_in(t, unbinding, "dev_dax_wait_for_pages")
    victim.signal("KILL")
    victim.end()
    t.guest.wait_end("the region to go", unbinding)
    check_equal(t.guest.commands().get(RELEASE), before.get(RELEASE), "releases")
    check_equal(len(t.guest.device_ranges()), 1, "the device's list")

    t.guest.destroy_region(region.name)
    region = dc_region(t)
    t.guest.wait_ranges(region, [(0, BLOCK)])
    device = claimed_device(t, region)
    check_equal(device.mem("write", 0, BLOCK, 6), "written", "write")
    device.give_back()
    end(t, region, [(0, BLOCK)])


@contextmanager
def no_memory(t, space=0):
    """Allocations of tasks that are marked for it fail, those behind the first
    so many bytes."""
    t.guest.write_all([(f"{FAILSLAB}/{name}", value) for name, value in (
        ("verbose", 0), ("ignore-gfp-wait", "N"), ("task-filter", "Y"),
        ("times", -1), ("space", space), ("probability", 100))])
    try:
        yield
    finally:
        t.guest.write_all([(f"{FAILSLAB}/{name}", value) for name, value in (
            ("probability", 0), ("task-filter", "N"), ("ignore-gfp-wait", "Y"))])


@contextmanager
def no_memory_for_threads(t):
    """No thread of the kernel can be made: whoever makes them gets no memory."""
    with no_memory(t):
        t.guest.write(KTHREADD, 1)
        try:
            yield
        finally:
            t.guest.write(KTHREADD, 0)


def take_without_threads(t, region, extent):
    """Take memory in use when no thread can see to its users: the log says so,
    and it is tried again. Returns how long the log was when it can be."""
    begin = len(t.vm.log())
    with no_memory_for_threads(t):
        take(t, region, [extent])
        t.guest.until("the log", lambda: "in use: no memory for a thread" in
                      t.vm.log()[begin:])
        check_equal(t.guest.ranges(region), [], "extents")
        begin = t.vm.mark_log("threads again")
    return begin


@test()
def forced_without_a_thread(t):
    """There is no memory for the thread that sees to pinned pages: there is one
    when there is memory again, and what is left goes back in the end."""
    region = dc_region(t)
    lend(t, region, [(0, 2 * BLOCK)])
    device = claimed_device(t, region)
    victim = Victim(t, "no-thread", "pin", device.node, 1)
    begin = take_without_threads(t, region, (0, BLOCK))
    t.guest.until("the log", lambda: "has 1 pinned pages" in
                  t.vm.log()[begin:])
    check_equal(len(t.guest.device_ranges()), 1, "the device's list")
    victim.signal("KILL")
    t.guest.until("release", lambda: not t.guest.device_ranges())
    check_dead(t, device)
    t.guest.check_invariant()
    t.guest.sh("rmmod cxl_dc_record")


def bind_kmem(t, device):
    """Have kmem take a device, as movable memory; returns its node."""
    t.guest.sh("modprobe kmem")
    t.guest.write(f"{KMEM}/new_id", device.name)
    if not device.bound():
        t.guest.write(f"{KMEM}/bind", device.name)
    if t.guest.read(device.attribute("state")) != "online_movable":
        if t.guest.read(device.attribute("state")) != "unplugged":
            t.guest.write(device.attribute("state"), "unplugged")
        t.guest.write(device.attribute("state"), "online_movable")
    return t.guest.number(device.attribute("target_node"))


def unbind_kmem(t, device):
    """Undo bind_kmem(); the memory must be gone."""
    t.guest.write(f"{KMEM}/unbind", device.name)
    t.guest.write(f"{KMEM}/remove_id", device.name)
    t.guest.write(device.attribute("size"), "0")


def kmem_region(t):
    """A region with system RAM; the device, its node, what was lent."""
    region = dc_region(t)
    extent = (HALF_REGION, 2 * MEMORY_BLOCK)
    lend(t, region, [extent])
    device = seed_device(t.guest, region)
    device.claim()
    return region, device, bind_kmem(t, device), extent


def watch_migration(t):
    """Have the kernel note when it migrates pages."""
    t.guest.write(f"{TRACING}/events/migrate/mm_migrate_pages/enable", 1)
    t.guest.sh(f"echo > {TRACING}/trace")


def migrated(t):
    """How often the kernel has migrated pages since watch_migration()."""
    count = t.guest.sh(f"grep -c mm_migrate_pages: {TRACING}/trace; true")
    t.guest.write(f"{TRACING}/events/migrate/mm_migrate_pages/enable", 0)
    return int(count)


@test()
def forced_while_system_ram(t):
    """System RAM that is taken: its users get SIGBUS, nothing is migrated, the
    memory is removed, and the device can be used again after that."""
    region, device, node, extent = kmem_region(t)
    victim = Victim(t, "ram", "ram", node, 2 * MIB, 2, 2)
    watch_migration(t)
    take(t, region, [extent])
    check_equal(victim.end(60), "4 threads, 4 SIGBUS, 0 wrong", "victims")
    t.guest.until("removal", lambda: t.guest.read(
        device.attribute("state")) == "unplugged", 60)
    check_equal(migrated(t), 0, "migrations")
    check("kmem" not in t.guest.read("/proc/iomem"), "system RAM is left")
    check_equal(t.guest.ranges(region), [], "extents")
    check_equal(t.guest.refusal(device.attribute("state"), "online_movable"),
                "ENXIO", "online again")
    unbind_kmem(t, device)
    end(t, region, [extent])

    lend(t, region, [extent])
    device.claim()
    device.bind()
    check_equal(device.mem("write", 0, BLOCK, 4), "written", "write")
    device.give_back()
    end_ordinary(t, region, extent)


def end_ordinary(t, region, extent):
    """Give back what was lent in the usual way."""
    ask_back(t, region, [extent])
    t.guest.wait_ranges(region, [])
    t.guest.sh("rmmod kmem")


def unplug_without_memory(t, device):
    """Try to unplug system RAM; every allocation fails behind that of the text
    which is written. Returns whether it was refused."""
    with no_memory(t, TEXT_BYTES + 1):
        return t.vm.run(
            f"exec 3>/proc/self/make-it-fail 4>{device.attribute('state')}; "
            "echo 1 >&3; echo unplugged >&4; s=$?; echo 0 >&3; exit $s",
            60)[0] == 1


@test()
def forced_while_system_ram_is_pinned(t):
    """Pinned pages of system RAM: their block stays and the log names it, the
    other block goes; when they are let go the rest can be unplugged, unless
    there is no memory for that."""
    region, device, node, extent = kmem_region(t)
    victim = Victim(t, "ram-pinned", "ram-pin", node, 2)
    begin = len(t.vm.log())
    watch_migration(t)
    take(t, region, [extent])
    t.guest.until("the log", lambda: "bytes stay" in t.vm.log()[begin:], 90)
    log = t.vm.log()[begin:]
    check(f"{MEMORY_BLOCK} bytes stay" in log, "the log has no number")
    check("stays: in use" in log, "the log does not name the block")
    check_equal(migrated(t), 0, "migrations")
    check_equal(t.guest.refusal(device.attribute("state"), "unplugged"),
                "EBUSY", "unplug while pinned")
    victim.signal("KILL")
    victim.end()
    check(unplug_without_memory(t, device), "unplugged without memory")
    check_equal(t.guest.read(device.attribute("state")), "online_movable",
                "state after that")
    t.guest.write(device.attribute("state"), "unplugged")
    unbind_kmem(t, device)
    end(t, region, [extent])
    t.guest.sh("rmmod kmem")


@test(fresh=True)
def forced_system_ram_pinned_and_its_region_goes(t):
    """Pinned system RAM that was taken stays where it is when its region goes:
    nothing goes back, and the region can't come back before the machine starts
    again. What the device lists then is found."""
    region, device, node, extent = kmem_region(t)
    victim = Victim(t, "ram-region-goes", "ram-pin", node, 2)
    begin = len(t.vm.log())
    take(t, region, [extent])
    t.guest.until("the log", lambda: "bytes stay" in t.vm.log()[begin:], 90)
    before = t.guest.commands()
    unbinding = t.guest.begin_write(f"{REGION_DRIVER}/unbind", region.name)
    t.guest.wait_end("the region to go", unbinding, 90)
    check("taken, and still in use when its region goes" in t.vm.log()[begin:],
          "the log does not say that it is still in use")
    check(not t.guest.exists(device.path), "the DAX device is there")
    check("kmem" in t.guest.read("/proc/iomem"), "system RAM is not named")
    check_equal(t.guest.refusal(f"{REGION_DRIVER}/bind", region.name), "EBUSY",
                "binding again")
    check_equal(t.guest.commands().get(RELEASE), before.get(RELEASE), "releases")
    victim.signal("KILL")
    victim.end()
    check_equal(t.guest.refusal(f"{REGION_DRIVER}/bind", region.name), "EBUSY",
                "binding when nobody uses it")
    check_equal(len(t.guest.device_ranges()), 1, "the device's list")
    t.guest.restart()
    t.guest.wait_ranges(dc_region(t), [extent])


@test()
def forced_part_of_system_ram(t):
    """One of two memory blocks is taken: both are removed, and what the device
    has left goes back by one Release."""
    region, device, node, extent = kmem_region(t)
    blocks = memory_blocks(t.guest, host_base(t.guest, region) + extent[0],
                           extent[1])
    check_equal(len(blocks), 2, "memory blocks")
    check(all(map(t.guest.exists, blocks)), "a memory block is not there")
    victim = Victim(t, "ram-part", "ram", node, 2 * MIB, 1, 2)
    before = t.guest.commands()
    take(t, region, [(extent[0] + MEMORY_BLOCK, MEMORY_BLOCK)])
    check_equal(t.guest.ranges(region), [], "extents")
    check_equal(victim.end(60), "2 threads, 2 SIGBUS, 0 wrong", "victims")
    t.guest.until("removal", lambda: t.guest.read(
        device.attribute("state")) == "unplugged", 60)
    check(not any(map(t.guest.exists, blocks)), "a memory block is left")
    t.guest.until("release", lambda: not t.guest.device_ranges())
    check_equal(t.guest.commands()[RELEASE] - before.get(RELEASE, 0), 1,
                "releases")
    unbind_kmem(t, device)
    t.guest.check_invariant()
    t.guest.sh("rmmod cxl_dc_record kmem")


@test()
def forced_system_ram_without_a_thread(t):
    """There is no memory for the thread that sees to system RAM: there is one
    when there is memory again, users get SIGBUS, the memory is removed."""
    region, device, node, extent = kmem_region(t)
    victim = Victim(t, "ram-no-thread", "ram", node, 2 * MIB, 1, 2)
    take_without_threads(t, region, extent)
    check_equal(victim.end(60), "2 threads, 2 SIGBUS, 0 wrong", "victims")
    t.guest.until("removal", lambda: t.guest.read(
        device.attribute("state")) == "unplugged", 60)
    unbind_kmem(t, device)
    end(t, region, [extent])
    t.guest.sh("rmmod kmem")


@test(fresh=True)
def forced_system_ram_without_its_driver(t):
    """kmem was unbound while its memory was online: that can't be given up, and when
    it is taken its users get SIGBUS, and the memory is removed, as if kmem was
    there. The device is of use again when the machine has started again."""
    region, device, node, extent = kmem_region(t)
    victim = Victim(t, "ram-left", "ram", node, 2 * MIB, 2, 2)
    t.guest.write(f"{KMEM}/unbind", device.name)
    check_equal(t.guest.refusal(device.attribute("size"), "0"), "EBUSY",
                "giving up what is online")
    watch_migration(t)
    begin = len(t.vm.log())
    take(t, region, [extent])
    check_equal(victim.end(60), "4 threads, 4 SIGBUS, 0 wrong", "victims")
    t.guest.until("the log", lambda: " 0 bytes stay" in t.vm.log()[begin:], 60)
    check_equal(migrated(t), 0, "migrations")
    check_equal(t.guest.ranges(region), [], "extents")
    blocks = memory_blocks(t.guest, host_base(t.guest, region) + extent[0],
                           extent[1])
    check(not any(map(t.guest.exists, blocks)), "a memory block is left")
    t.guest.restart()
    t.guest.wait_ranges(dc_region(t), [extent])


class Hotplug:
    """Nobody can add or remove memory as long as this lasts: the kernel tries to take a
    block offline in which a page is pinned."""

    def __init__(self, t, region, extent):
        self.t = t
        self.device = seed_device(t.guest, region)
        self.device.claim_extent(extent_at(t, region, extent[0]))
        self.keeper = Keeper(t.guest, f"node:{bind_kmem(t, self.device)}", BLOCK)
        check_equal(self.keeper.pin(), "pinned", "pin")
        block, = memory_blocks(t.guest, host_base(t.guest, region) + extent[0],
                               extent[1])
        self.writer = t.guest.begin_write(f"{block}/state", "offline")
        t.guest.until("the block to go", lambda: t.guest.read(
            f"{block}/state") == "going-offline")

    def end(self):
        """Let others go on."""
        self.t.guest.sh(f"kill -KILL {self.writer}")
        self.t.guest.wait_end("the end of the writer", self.writer)

    def give_back(self):
        """Give up the device, too."""
        self.keeper.end()
        self.t.guest.write(self.device.attribute("state"), "unplugged")
        unbind_kmem(self.t, self.device)


@test()
def forced_while_system_ram_is_added(t):
    """Memory of several ranges is taken when kmem is about to add the first: it does
    not add the others."""
    region, other = dc_region(t), (HALF_REGION, MEMORY_BLOCK)
    ranges = [(2 * i * MEMORY_BLOCK, MEMORY_BLOCK) for i in (1, 0, 3)]
    t.guest.sh("modprobe cxl_dc_record")
    lend_tagged(t, region, ranges, TAG)
    lend(t, region, [other])
    hotplug = Hotplug(t, region, other)
    device = create_device(t.guest, region)
    t.guest.write(device.attribute("uuid"), TAG)
    adding = t.guest.begin_write(f"{KMEM}/bind", device.name)
    wait_in(t, adding, "add_memory_driver_managed")
    begin = len(t.vm.log())
    take(t, region, ranges, TAG)
    hotplug.end()
    t.guest.wait_end("the probe", adding)
    t.guest.until("removal", lambda: t.guest.read(
        device.attribute("state")) == "unplugged", 60)
    check_equal(re.findall(r"lost 0x\w+-0x\w+: .*", t.vm.log()[begin:].replace(
        "\r", ""))[1:], [], "what was added of what was taken")
    check("memory add failed" not in t.vm.log()[begin:], "the log complains")
    unbind_kmem(t, device)
    hotplug.give_back()
    end(t, region, ranges + [other])
    t.guest.sh("rmmod kmem")


class KernelPage:
    """A page that the kernel has for its own, on a NUMA node."""

    def __init__(self, guest, node):
        self.guest, self.output = guest, "/tmp/kernelpage"
        event = f"{TRACING}/events/kmem/mm_page_alloc/enable"
        guest.sh(f"echo > {TRACING}/trace")
        guest.write(event, 1)
        self.pid = guest.begin(f"kernelpage {node}", self.output)
        guest.until("the kernel's page", lambda: "kept" in guest.read(self.output))
        guest.write(event, 0)

    def numbers(self, start, length):
        """The frame numbers of its process's pages in a range of host addresses."""
        trace = self.guest.sh(f"grep -e '-{self.pid} ' {TRACING}/trace")
        numbers = [int(number, 16) for number in re.findall(r"pfn=(0x\w+)", trace)]
        return [number for number in numbers
                if start <= number * PAGE < start + length]

    def end(self):
        """Give it up; what was found in it."""
        self.guest.sh(f"kill -USR1 {self.pid}")
        self.guest.wait_end("its process", self.pid)
        return self.guest.read(self.output).split("\n")[-1]


@test()
def forced_system_ram_of_the_kernel(t):
    """The kernel has a page in one of two memory blocks, and an error was found in that
    before: it looks as if it was taken from its user. Its block stays, until the kernel
    has given it up."""
    region, extent = dc_region(t), (HALF_REGION, 2 * MEMORY_BLOCK)
    lend(t, region, [extent])
    device = seed_device(t.guest, region)
    device.claim()
    t.guest.sh("modprobe kmem")
    bind_to(device, "kmem")
    start = host_base(t.guest, region) + extent[0]
    blocks = memory_blocks(t.guest, start, extent[1])
    # the kernel has threads for a node, which have pages of it: not when that is movable
    t.guest.write(f"{blocks[0]}/state", "online_movable")
    t.guest.write(f"{blocks[1]}/state", "online_kernel")
    page = KernelPage(t.guest, t.guest.number(device.attribute("target_node")))
    number, = page.numbers(start + MEMORY_BLOCK, MEMORY_BLOCK)
    check_equal(t.guest.refusal("/sys/kernel/debug/hwpoison/corrupt-pfn", number),
                "EBUSY", "an error in a page of the kernel")
    begin = len(t.vm.log())
    take(t, region, [extent])
    t.guest.until("the log", lambda: "bytes stay" in t.vm.log()[begin:], 60)
    check_equal([t.guest.exists(block) for block in blocks], [False, True],
                "blocks that stay")
    check_equal(page.end(), "intact", "what the kernel has there")
    t.guest.write(device.attribute("state"), "unplugged")
    check(not t.guest.exists(blocks[1]), "the block stays when nobody has it")
    unbind_kmem(t, device)
    end(t, region, [extent])
    t.guest.sh("rmmod kmem")


@test()
def forced_system_ram_takes_long(t):
    """The thread that removes what was taken runs out of time: what is left does not
    go online, and the next thread goes on."""
    region, other = dc_region(t), (0, MEMORY_BLOCK)
    extent = (HALF_REGION, 2 * MEMORY_BLOCK)
    lend(t, region, [other, extent])
    device = create_device(t.guest, region)
    device.claim_extent(extent_at(t, region, extent[0]))
    t.guest.sh("modprobe kmem")
    bind_to(device, "kmem")
    check_equal(t.guest.read(device.attribute("state")), "offline", "state")
    hotplug = Hotplug(t, region, other)
    take(t, region, [extent])
    thread = thread_of(t, device)
    wait_in(t, thread, "offline_and_remove_memory")
    blocks = memory_blocks(t.guest, host_base(t.guest, region) + extent[0], extent[1])
    begin = len(t.vm.log())
    # what its timer would do after a minute
    t.guest.sh(f"kill -KILL {thread}")
    hotplug.end()
    t.guest.wait_end("the thread's end", thread)
    # the next thread comes within a second
    check(t.guest.refusal(f"{blocks[-1]}/state", "online_movable") in
          ("EBUSY", "ENODEV", "ENOENT"), "the last block goes online")
    t.guest.until("removal", lambda: t.guest.read(
        device.attribute("state")) == "unplugged", 60)
    check("in use: its driver takes long" in t.vm.log()[begin:], "nothing took long")
    check(not any(map(t.guest.exists, blocks)), "a block is there")
    unbind_kmem(t, device)
    hotplug.give_back()
    end(t, region, [other, extent])
    t.guest.sh("rmmod kmem")


@contextmanager
def small_pages(t):
    """Processes get no huge pages."""
    before = re.search(r"\[(\w+)\]", t.guest.read(HUGE_PAGES))[1]
    t.guest.write(HUGE_PAGES, "never")
    yield
    t.guest.write(HUGE_PAGES, before)


@test()
def forced_pinned_and_offline_by_hand(t):
    """Nobody takes the block of pinned system RAM that was taken offline by hand, or
    removes it, under who has it pinned; when that has ended it goes."""
    region, device, node, extent = kmem_region(t)
    with small_pages(t):
        victim = Victim(t, "ram-hand", "ram-pin", node, 2)
    begin = len(t.vm.log())
    take(t, region, [extent])
    t.guest.until("the log", lambda: "bytes stay" in t.vm.log()[begin:], 90)
    left = [block for block in memory_blocks(
        t.guest, host_base(t.guest, region) + extent[0], extent[1])
            if t.guest.exists(block)]
    check_equal(len(left), 1, "memory blocks left")
    check_equal(t.guest.refusal(f"{left[0]}/state", "offline"), "EBUSY",
                "offline while pinned")
    check_equal(t.guest.refusal(device.attribute("state"), "unplugged"),
                "EBUSY", "unplug while pinned")
    check(t.guest.exists(left[0]), "the block was removed")
    victim.signal("KILL")
    victim.end()
    t.guest.write(device.attribute("state"), "unplugged")
    unbind_kmem(t, device)
    end(t, region, [extent])
    t.guest.sh("rmmod kmem")


# What the mock can do: tags, and a device that really has taken the memory ------------


def mock_region(t, extents):
    """A region on a mock device that holds these and nothing else."""
    mock = Mock(t.guest, 2)
    mock.do("account", " ".join(f"-{start:#x}:{length:#x}"
                                for start, length in mock.ranges()))
    region = mock.create_region()
    mock.chain(extents)
    mock.check_agreement(region)
    mock.clear()
    return mock, region


def at(block, blocks=1, tag=None):
    """Some blocks of the mock's partition."""
    start = BASE + block * BLOCK
    return Held(start, blocks * BLOCK, tag) if tag else Held(start,
                                                            blocks * BLOCK)


def commands_after(mock, opcode):
    """How many commands came since clear()."""
    return mock.counters("commands").get(f"{opcode}h", 0)


@test(machine="mock")
def forced_part_of_a_tag(t):
    """One of three extents of a tag is taken: the allocation is dead as a whole,
    the others are released by one command."""
    mock, region = mock_region(t, [at(0, 2, TAG), at(8, 1, TAG), at(4, 1, TAG),
                                   at(20)])
    device = seed_device(t.guest, region)
    t.guest.write(device.attribute("uuid"), TAG)
    device.bind()
    mock.chain([at(8, 1, TAG)], "force")
    check_equal(mock.account(), [at(20)], "account")
    mock.check_agreement(region)
    check_equal(commands_after(mock, "4803"), 1, "releases")
    check_equal(commands_after(mock, "4802"), 0, "responses")
    check_dead(t, device)
    mock.chain([at(0, 1, TAG)])
    check_equal(len(mock.account()), 2, "the tag can be lent again")
    mock.check_clean(region)


@test(machine="mock")
def forced_all_of_a_tag(t):
    """All extents of a tag are taken in one chain: nothing is answered."""
    extents = [at(0, 2, TAG), at(8, 1, TAG), at(4, 1, TAG)]
    mock, region = mock_region(t, extents)
    device = seed_device(t.guest, region)
    t.guest.write(device.attribute("uuid"), TAG)
    mock.chain(extents, "force")
    check_equal(mock.account(), [], "account")
    check_equal(device.size(), 0, "size")
    for opcode in ("4802", "4803"):
        check_equal(commands_after(mock, opcode), 0, opcode)
    mock.check_clean(region)


@test(machine="mock")
def forced_in_an_open_chain(t):
    """In the middle of a chain of offers: what is held goes, the chain goes on
    and is answered once, in its order."""
    mock, region = mock_region(t, [at(0, 4), at(30)])
    mock.chain([at(20), at(10)], "open")
    mock.chain([at(1, 2)], "force")
    check_equal(commands_after(mock, "4802"), 0, "responses")
    mock.chain([at(15)])
    check_equal(commands_after(mock, "4802"), 1, "responses")
    check_equal([held.start for held in mock.account()],
                [at(block).start for block in (0, 3, 10, 15, 20, 30)],
                "account")
    mock.check_clean(region)


@test(machine="mock")
def forced_where_nothing_is_held(t):
    """Records for what is not held, in no partition, empty, or with another tag
    harm nothing."""
    mock, region = mock_region(t, [at(0, 4, TAG), at(30)])
    held = mock.account()
    other = TAG.replace("1", "9")
    for extent in (at(100, 2), Held(0, BLOCK), Held(BASE, 0),
                   Held(BASE, 1 << 63), at(0, 4, other), at(30, 1, other)):
        mock.do("event", f"2 {extent}")
        mock.check_agreement(region)
    check_equal(mock.account(), held, "account")
    mock.check_clean(region)
