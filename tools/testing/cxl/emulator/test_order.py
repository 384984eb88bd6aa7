# SPDX-License-Identifier: GPL-2.0-only
"""Order over real memory: what a device of several extents has where.

The emulated device knows no tags. Its log is held back from the driver, its
records are read and cleared past it, given a tag, and handed to the driver's
worker: the driver takes a tagged allocation, the device knows untagged extents
of the same ranges. What is compared in the end are the ranges.
"""

from costs import BLOCK
from guest import RELEASE, seed_device
from lending import dc_region, device_base, extent_at, lend, take_back
from mock import RECORD, Held, event_record
from mock import RELEASE as RELEASE_RECORD
from testlib import check, check_equal, test

TAG = "5be13bce-ae34-4a77-b6c3-16df975fcf1a"

# In the order of delivery, which is neither that of addresses nor its reverse.
ORDER = [(20 * BLOCK, BLOCK), (4 * BLOCK, 2 * BLOCK), (30 * BLOCK, BLOCK),
         (12 * BLOCK, BLOCK)]


def with_tag(record, tag):
    """A record in hexadecimal, with another tag."""
    return record[:0x90] + tag.replace("-", "") + record[0xb0:]


def lend_tagged(t, region, ranges, tag):
    """Lend ranges in one chain, and have the driver see a tag on them."""
    guest, memdev = t.guest, t.guest.memdev()
    guest.write(f"{RECORD}/hold", memdev)
    try:
        t.fabric.add(0, ranges)
        records = []
        guest.until("the records", lambda: records.extend(
            guest.sh(f"mboxraw events /dev/cxl/{memdev}").split())
            or len(records) == len(ranges))
        for record in records:
            guest.write(f"{RECORD}/record", f"{memdev} {with_tag(record, tag)}")
    finally:
        guest.write(f"{RECORD}/unhold", memdev)
    guest.wait_ranges(region, ranges)


def offsets(ranges):
    """Where each range of a device starts in it, and its length."""
    found, offset = [], 0
    for _, length in ranges:
        found.append((offset, length))
        offset += length
    return found


def claim_one(t, region, offset):
    """The seed device, with the one extent at an offset, bound."""
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, offset))
    device.bind()
    return device


@test()
def order_over_real_memory(t):
    """A tagged allocation of four extents is one contiguous device in the
    order of delivery: what was written through each extent alone is found at
    its place, and what is written through the whole is found in each alone."""
    t.guest.sh("modprobe cxl_dc_record")
    region = dc_region(t)
    lend(t, region, ORDER)
    for seed, (offset, length) in enumerate(ORDER, 1):
        device = claim_one(t, region, offset)
        check_equal(device.mem("write", 0, length, seed), "written", "write")
        device.give_back()
    take_back(t, region, ORDER)

    lend_tagged(t, region, ORDER, TAG)
    device = seed_device(t.guest, region)
    t.guest.write(device.attribute("uuid"), TAG)
    device.bind()
    check_equal(device.size(), 5 * BLOCK, "size")
    for seed, (offset, length) in enumerate(offsets(ORDER), 1):
        check_equal(device.mem("verify", offset, length, seed, 0), "verified",
                    f"extent {seed} at its place")
    check_equal(device.mem("write", 0, 5 * BLOCK, 77), "written",
                "write over all extents, in one mapping")
    device.give_back()
    release_tagged(t, region)

    lend(t, region, ORDER)
    for (offset, length), (written, _) in zip(ORDER, offsets(ORDER)):
        device = claim_one(t, region, offset)
        check_equal(device.mem("verify", 0, length, 77, written), "verified",
                    f"extent at {offset:#x}")
        device.give_back()
    t.guest.sh("rmmod cxl_dc_record")


def release_tagged(t, region):
    """A Release record for one extent gives back all of the allocation: the
    driver sends one command, and the device takes it."""
    before = t.guest.commands()
    start = device_base(t, region) + ORDER[1][0]
    asked = event_record(RELEASE_RECORD, Held(start, BLOCK, TAG))
    t.guest.write(f"{RECORD}/record", f"{t.guest.memdev()} {asked}")
    t.guest.wait_ranges(region, [])
    check_equal(t.guest.commands()[RELEASE] - before[RELEASE], 1, "releases")
    check(not t.guest.device_ranges(), "the device still lists extents")
