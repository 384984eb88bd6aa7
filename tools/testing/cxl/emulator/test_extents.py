# SPDX-License-Identifier: GPL-2.0-only
"""Memory comes, is used and goes, while the region stays."""

from costs import (BLOCK, CHAIN, add_blocks, blocks, commands_during,
                   in_chains, release_blocks)
from guest import (ADD_RESPONSE, CLEAR_EVENT_RECORDS, DAX_DRIVER, GET_EVENT_RECORDS,
                   RELEASE, create_device, delete_device, seed_device)
from lending import (ask_back, claimed_device, dc_region, extent_at,
                     extent_path, lend, take_back)
from testlib import check, check_equal, test
from vm import MIB, QMPError

NO_UNCLAIMED_TAG = "deadbeef-cafe-baad-f00d-0123456789ab"


@test()
def add_one_extent(t):
    """One extent is shown with offset, length and state; it has no tag."""
    region = dc_region(t)
    lend(t, region, [(4 * BLOCK, 64 * MIB)])
    path = extent_path(region, extent_at(t, region, 4 * BLOCK))
    check_equal(t.guest.read(f"{path}/offset"), hex(4 * BLOCK), "offset")
    check_equal(t.guest.read(f"{path}/length"), hex(64 * MIB), "length")
    check_equal(t.guest.read(f"{path}/state"), "available", "state")
    check(not t.guest.exists(f"{path}/uuid"), "an untagged extent has a uuid")
    check_equal(t.guest.available(region), 64 * MIB, "available_size")


@test()
def add_chain_of_eight(t):
    """Eight extents of one chain, out of order and apart, are eight."""
    region = dc_region(t)
    lend(t, region, blocks(CHAIN, stride=5)[::-1])
    check_equal(t.guest.extent_count(), CHAIN, "extents")
    check_equal(t.guest.available(region), CHAIN * BLOCK, "available_size")


@test()
def adjacent_extents_stay_apart(t):
    """Untagged extents are allocations of their own, even side by side."""
    region = dc_region(t)
    lend(t, region, blocks(3))
    device = claimed_device(t, region)
    check_equal(device.size(), BLOCK, "size of one claim")
    device.give_back()


@test()
def write_and_read_back(t):
    """What is written through /dev/dax is read back, by another process, and
    after the driver was unbound and bound again."""
    region = dc_region(t)
    lend(t, region, [(16 * BLOCK, 2 * BLOCK)])
    device = claimed_device(t, region)
    check_equal(device.mem("write", 0, 2 * BLOCK, 11), "written", "write")
    check_equal(device.mem("verify", 0, 2 * BLOCK, 11), "verified", "verify")
    device.unbind()
    device.bind()
    check_equal(device.mem("verify", BLOCK, BLOCK, 11), "verified", "verify")
    check("mismatch" in device.mem("verify", 0, BLOCK, 12),
          "the pattern of another seed verified")
    device.give_back()


@test()
def no_access_outside(t):
    """Touching the device beyond its claim is SIGBUS or a refused mmap, with
    unlent memory as well as with another extent behind it."""
    region = dc_region(t)
    lend(t, region, [(0, BLOCK), (BLOCK, BLOCK)])
    device = claimed_device(t, region)
    check_equal(device.mem("touch", 0), "touched", "inside")
    for offset in (BLOCK, 2 * BLOCK, 512 * MIB):
        answer = device.mem("touch", offset)
        check(answer == "SIGBUS" or "mmap" in answer,
              f"touching {offset:#x} of {BLOCK:#x}: {answer}")
    device.give_back()


@test()
def unclaimed_device_cannot_be_bound(t):
    """A device without a claim has no memory, so no driver takes it."""
    region = dc_region(t)
    lend(t, region, blocks(1))
    device = seed_device(t.guest, region)
    t.guest.write(f"{DAX_DRIVER}/new_id", device.name)
    check_equal(t.guest.refusal(f"{DAX_DRIVER}/bind", device.name), "ENXIO", "bind")
    check(not device.bound(), "device_dax took a device of size 0")
    t.guest.write(f"{DAX_DRIVER}/remove_id", device.name)


@test()
def claim_and_give_back(t):
    """A claim takes one extent from what is available; size 0 returns it."""
    region = dc_region(t)
    lend(t, region, [(0, BLOCK), (4 * BLOCK, 3 * BLOCK)])
    device = seed_device(t.guest, region)
    name = device.claim()
    check_equal(t.guest.read(f"{extent_path(region, name)}/state"), "claimed",
                "state")
    check_equal(t.guest.available(region), 4 * BLOCK - device.size(),
                "available_size")
    check_equal(t.guest.read(device.attribute("uuid")),
                "00000000-0000-0000-0000-000000000000", "uuid")
    device.give_back()
    check_equal(device.size(), 0, "size after give back")
    check_equal(t.guest.available(region), 4 * BLOCK, "available_size")
    t.guest.wait_state(name, "available")


@test()
def second_claim_is_refused(t):
    """A device has one claim; an extent has one claimant."""
    region = dc_region(t)
    lend(t, region, blocks(1))
    first, second = (seed_device(t.guest, region),
                     create_device(t.guest, region))
    name = first.claim()
    check_equal(t.guest.refusal(first.attribute("uuid"), "0"), "EBUSY",
                "second claim of a device")
    check_equal(t.guest.refusal(second.attribute("uuid"), "0"), "ENOENT",
                "claim with nothing unclaimed")
    check_equal(t.guest.refusal(second.attribute("extent"), name), "ENOENT",
                "second claim of an extent")
    first.give_back()
    check_equal(second.claim(), name, "claim after give back")
    second.give_back()
    delete_device(t.guest, region, second)


@test()
def claim_while_bound_is_refused(t):
    """No claim changes a device that a driver uses."""
    region = dc_region(t)
    lend(t, region, blocks(2, stride=2))
    device = claimed_device(t, region)
    check_equal(t.guest.refusal(device.attribute("uuid"), "0"), "EBUSY",
                "claim while bound")
    check_equal(t.guest.refusal(device.attribute("size"), "0"), "EBUSY",
                "size 0 while bound")
    device.give_back()


@test()
def claim_of_wrong_names(t):
    """Only a tag, 0 or an extent's name can be claimed."""
    region = dc_region(t)
    lend(t, region, blocks(1))
    device = seed_device(t.guest, region)
    for value, errno in (("hello", "EINVAL"), (NO_UNCLAIMED_TAG, "ENOENT")):
        check_equal(t.guest.refusal(device.attribute("uuid"), value), errno,
                    f"claim of '{value}'")
    for value in ("extent", f"extent{region.number}.999", "extent99.0"):
        check_equal(t.guest.refusal(device.attribute("extent"), value), "ENOENT",
                    f"claim of '{value}'")
    check_equal(device.size(), 0, "size")


@test()
def claim_by_extent_name(t):
    """A user can choose among untagged extents; each gets its own data."""
    region = dc_region(t)
    lend(t, region, [(0, BLOCK), (4 * BLOCK, 2 * BLOCK), (9 * BLOCK, BLOCK)])
    name = extent_at(t, region, 4 * BLOCK)
    device = seed_device(t.guest, region)
    device.claim_extent(name)
    check_equal(device.size(), 2 * BLOCK, "size")
    check_equal(t.guest.read(device.attribute("extent")), name, "extent")
    device.bind()
    check_equal(device.mem("write", 0, 2 * BLOCK, 3), "written", "write")
    device.give_back()


@test()
def two_devices_two_extents(t):
    """Two devices with a claim each do not see each other's data."""
    region = dc_region(t)
    lend(t, region, blocks(2, stride=3))
    first, second = (seed_device(t.guest, region),
                     create_device(t.guest, region))
    for seed, device in enumerate((first, second)):
        device.claim()
        device.bind()
        check_equal(device.mem("write", 0, BLOCK, seed), "written", "write")
    for seed, device in enumerate((first, second)):
        check_equal(device.mem("verify", 0, BLOCK, seed), "verified",
                    device.name)
        device.give_back()
    delete_device(t.guest, region, second)


@test()
def size_rules(t):
    """Only 0 can be written to size, and there is no mapping attribute: the
    device decides where memory lies."""
    region = dc_region(t)
    lend(t, region, blocks(2, stride=2))
    device = seed_device(t.guest, region)
    for _ in range(2):
        for value in ("0x200000", "4096", "0x40000000"):
            check_equal(t.guest.refusal(device.attribute("size"), value),
                        "EOPNOTSUPP", f"size {value}")
        check(not t.guest.exists(device.attribute("mapping")),
              "mapping is there")
        if not device.size():
            device.claim()
    device.give_back()


@test()
def align_rules(t):
    """An alignment that an extent does not start and end at is refused, be it
    set before or after the claim; while a driver is bound, any."""
    gigabyte = str(1 << 30)
    region = dc_region(t)
    lend(t, region, [(BLOCK, BLOCK)])
    device = seed_device(t.guest, region)
    align = device.attribute("align")
    before = t.guest.read(align)
    t.guest.write(align, gigabyte)
    check_equal(t.guest.refusal(device.attribute("uuid"), "0"), "EINVAL",
                "claim of 2 MiB at an alignment of 1 GiB")
    check_equal(t.guest.available(region), BLOCK, "available_size")
    t.guest.write(align, before)
    device.claim()
    check_equal(t.guest.refusal(align, gigabyte), "EINVAL",
                "alignment of 1 GiB after the claim")
    check_equal(t.guest.read(align), before, "align")
    device.bind()
    check_equal(t.guest.refusal(align, "4096"), "EBUSY",
                "alignment while a driver is bound")
    check_equal(t.guest.read(align), before, "align")
    device.unbind()
    t.guest.write_all([(align, "4096"), (align, before)])
    device.give_back()


@test()
def release_free_extent(t):
    """What nobody uses goes at once, and can be lent again."""
    region = dc_region(t)
    for _ in range(2):
        lend(t, region, [(0, 4 * BLOCK), (8 * BLOCK, BLOCK)])
        take_back(t, region, [(0, 4 * BLOCK)])
        take_back(t, region, [(8 * BLOCK, BLOCK)])
        check_equal(t.guest.available(region), 0, "available_size")
        check_equal(t.guest.device_ranges(), [], "the device's list")


@test()
def release_in_use_completes_later(t):
    """What is mapped stays usable after it was asked for, is shown as
    release-pending, cannot be had by anyone else, and goes by itself when the
    user lets go."""
    region = dc_region(t)
    lend(t, region, [(0, 2 * BLOCK), (4 * BLOCK, BLOCK)])
    device = seed_device(t.guest, region)
    name = extent_at(t, region, 0)
    device.claim_extent(name)
    device.bind()
    other = create_device(t.guest, region)
    holder = device.hold(2 * BLOCK)
    ask_back(t, region, [(0, 2 * BLOCK)])
    t.guest.wait_state(name, "release-pending")
    check_equal(t.guest.available(region), BLOCK, "available_size")
    check(t.guest.refusal(other.attribute("extent"), name),
          "an extent that was asked for was claimed")
    check_equal(device.mem("write", 0, BLOCK, 5), "written", "use meanwhile")
    check_equal(len(t.guest.device_ranges()), 2, "extents the device lists")
    device.let_go(holder)
    device.unbind()
    t.guest.wait_state(name, "release-pending")
    device.give_back()
    t.guest.wait_ranges(region, [(4 * BLOCK, BLOCK)])
    check_equal(device.size(), 0, "size")
    delete_device(t.guest, region, other)


@test()
def release_asked_twice(t):
    """A second request for what is already asked for changes nothing."""
    region = dc_region(t)
    lend(t, region, blocks(1))
    device = seed_device(t.guest, region)
    name = device.claim()
    for _ in range(2):
        ask_back(t, region, blocks(1))
        t.guest.wait_state(name, "release-pending")
    before = t.guest.commands()
    device.give_back()
    t.guest.wait_ranges(region, [])
    check_equal(t.guest.commands().get(RELEASE, 0) - before.get(RELEASE, 0), 1,
                "release commands")


@test()
def release_of_claimed_and_free(t):
    """One request for a used and an unused extent: only the used one waits."""
    region = dc_region(t)
    lend(t, region, blocks(2, stride=2))
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, 0))
    ask_back(t, region, blocks(2, stride=2))
    t.guest.wait_ranges(region, [(0, BLOCK)])
    device.give_back()
    t.guest.wait_ranges(region, [])


@test()
def release_middle_of_extent(t):
    """Half an untagged extent releases half: what remains are two extents that
    can be claimed and hold their data."""
    region = dc_region(t)
    lend(t, region, [(0, 4 * BLOCK)])
    device = claimed_device(t, region)
    check_equal(device.mem("write", 0, 4 * BLOCK, 9), "written", "write")
    device.give_back()
    ask_back(t, region, [(2 * BLOCK, BLOCK)])
    rest = [(0, 2 * BLOCK), (3 * BLOCK, BLOCK)]
    t.guest.wait_ranges(region, rest)
    t.guest.check_invariant()
    check_equal(t.guest.available(region), 3 * BLOCK, "available_size")
    device.claim_extent(extent_at(t, region, 0))
    device.bind()
    check_equal(device.mem("verify", 0, 2 * BLOCK, 9), "verified", "rest")
    device.give_back()
    take_back(t, region, rest)


@test()
def overlapping_add_is_refused(t):
    """An offer that overlaps what is held is refused, by the device or by the
    driver, and what is held stays as it was."""
    region = dc_region(t)
    lend(t, region, [(0, 4 * BLOCK)])
    before = t.guest.commands()
    try:
        t.fabric.add(0, [(2 * BLOCK, 4 * BLOCK)])
    except QMPError as error:
        t.note(f"refused by the emulator: {error}")
    else:
        t.guest.wait_answered(before)
    t.guest.wait_ranges(region, [(0, 4 * BLOCK)])
    lend(t, region, [(4 * BLOCK, BLOCK)])


@test()
def event_log_overflow(t):
    """Nine extents in one call overflow the device's log of eight, so the
    chain never closes: it is refused whole, and the next one works."""
    region = dc_region(t)
    before = t.guest.commands()
    t.fabric.add(0, blocks(CHAIN + 1))
    t.guest.wait_answered(before)
    t.guest.wait_ranges(region, [])
    check_equal(t.guest.device_ranges(), [], "the device's list")
    lend(t, region, blocks(CHAIN))
    take_back(t, region, blocks(CHAIN))


def measure(t, region, count):
    """Lend and take back count blocks; return the commands of each half."""
    added = commands_during(t.guest, lambda: add_blocks(t, count))
    check_equal(t.guest.ranges(region), blocks(count), "extents")
    t.guest.check_invariant()
    released = commands_during(t.guest, lambda: release_blocks(t, count))
    check_equal(t.guest.device_ranges(), [], "the device's list")
    return added, released


def check_cost(t, count):
    """Three commands a chain: get the records, clear them, answer."""
    chains = len(in_chains(count))
    added, released = measure(t, dc_region(t), count)
    t.note(f"{count} extents in {chains} chains: add {added}, "
           f"release {released}")
    each = {GET_EVENT_RECORDS: chains, CLEAR_EVENT_RECORDS: chains}
    check_equal(added, {**each, ADD_RESPONSE: chains}, "commands of the add")
    check_equal(released, {**each, RELEASE: chains},
                "commands of the release")


@test()
def mailbox_cost_of_1(t):
    """One extent costs three mailbox commands to add and three to release."""
    check_cost(t, 1)


@test()
def mailbox_cost_of_8(t):
    """So do eight extents of one chain."""
    check_cost(t, 8)


@test()
def mailbox_cost_of_400(t):
    """400 extents in chains of eight, all present, all released."""
    check_cost(t, 400)
