# SPDX-License-Identifier: GPL-2.0-only
"""Steps that most tests take: a region, memory lent to it and asked back."""

from guest import CXL, seed_device
from testlib import check


def dc_region(t, number=1):
    """Make a region over Dynamic Capacity partition number (1, 2)."""
    return t.guest.create_region(f"dynamic_ram_{number}")


def partition_index(region):
    """The device's number of a region's partition: dynamic_ram_1 is 0."""
    return int(region.mode.rsplit("_", 1)[1]) - 1


def lend(t, region, ranges):
    """Offer (offset, length) ranges in one chain; wait until all are held."""
    held = t.guest.ranges(region)
    t.fabric.add(partition_index(region), ranges)
    t.guest.wait_ranges(region, held + list(ranges))


def ask_back(t, region, ranges):
    """Ask for ranges in one chain. Does not wait: they may be in use."""
    t.fabric.release(partition_index(region), ranges)


def take_back(t, region, ranges):
    """Ask for ranges that nobody uses; wait until they are gone."""
    held = [entry for entry in t.guest.ranges(region) if entry not in ranges]
    ask_back(t, region, ranges)
    t.guest.wait_ranges(region, held)


def offer_refused(t, index, ranges):
    """Offer ranges that the driver must refuse: it answers, nothing is held
    that was not held before."""
    extents, before = t.guest.extents(), t.guest.commands()
    t.fabric.add(index, ranges)
    t.guest.wait_answered(before)
    check(t.guest.extents() == extents, "the offer changed what is held")
    t.guest.check_invariant()


def extent_at(t, region, offset):
    """The name of the extent that starts at an offset of a region."""
    for extent in t.guest.extents():
        if (extent.region_id, extent.offset) == (region.number, offset):
            return extent.name
    check(False, f"no extent at {offset:#x} of {region.name}")
    return None


def extent_path(region, name):
    """The directory of an extent."""
    return f"{region.dax_region}/{name}"


def claimed_device(t, region):
    """The seed device with one extent claimed, and device_dax bound."""
    device = seed_device(t.guest, region)
    device.claim()
    device.bind()
    return device


def device_base(t, region):
    """The device address at which a region starts."""
    return t.guest.number(f"{CXL}/{region.decoder}/dpa_resource")
