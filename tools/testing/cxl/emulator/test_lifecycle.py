# SPDX-License-Identifier: GPL-2.0-only
"""Drivers come and go, the guest reboots, the memory is accounted for."""

from costs import BLOCK, blocks
from guest import PCI_DRIVER, REGION_DRIVER, seed_device
from lending import claimed_device, dc_region, extent_at, lend, take_back
from mock import RECORD
from testlib import check_equal, test

CXL_MEM = "/sys/bus/cxl/drivers/cxl_mem"
HELD = [(0, 2 * BLOCK), (2 * BLOCK, BLOCK), (16 * BLOCK, 2 * BLOCK)]
UNREAD = (32 * BLOCK, BLOCK)


def lent_region(t):
    """A region with some extents, one of them claimed, bound and written."""
    region = dc_region(t)
    lend(t, region, HELD)
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, 16 * BLOCK))
    device.bind()
    check_equal(device.mem("write", 0, 2 * BLOCK, 21), "written", "write")
    return region, device


def check_released(t):
    """Nothing is held, and a new region works as if it were the first."""
    check_equal(t.guest.device_ranges(), [], "the device's list")
    check_equal(t.guest.extents(), [], "extents in sysfs")
    t.guest.destroy_regions()
    region = dc_region(t)
    check_equal(t.guest.ranges(region), [], "extents of a new region")
    lend(t, region, HELD)


@test()
def dax_cxl_unload_releases(t):
    """Unloading dax_cxl works with a claimed and bound device and releases
    everything; loaded again, it serves the same region."""
    region, _ = lent_region(t)
    t.guest.sh("rmmod dax_cxl", 60)
    t.guest.until("release", lambda: not t.guest.extents())
    check_equal(t.guest.device_ranges(), [], "the device's list")
    t.guest.load(["dax_cxl"])
    t.guest.wait_dax(region)
    lend(t, region, HELD)
    claimed_device(t, region).give_back()


@test()
def dax_cxl_loaded_late_keeps(t):
    """What is offered while dax_cxl is not loaded is accepted and shown;
    loading it keeps it, more than once."""
    t.guest.sh("rmmod dax_cxl", 60)
    region = dc_region(t)
    lend(t, region, HELD)
    t.guest.check_invariant()
    t.guest.load(["dax_cxl"])
    t.guest.wait_dax(region)
    t.guest.wait_ranges(region, HELD)
    check_equal(t.guest.available(region), 5 * BLOCK, "available_size")
    lend(t, region, [(32 * BLOCK, BLOCK)])
    device = claimed_device(t, region)
    check_equal(device.mem("write", 0, BLOCK, 2), "written", "write")
    device.give_back()


@test()
def dax_cxl_reloaded_between_offers(t):
    """An offer that arrives between unloading and loading again does not keep
    dax_cxl from binding."""
    region = dc_region(t)
    lend(t, region, HELD)
    t.guest.sh("rmmod dax_cxl", 60)
    t.guest.until("release", lambda: not t.guest.extents())
    lend(t, region, blocks(1))
    t.guest.load(["dax_cxl"])
    t.guest.wait_dax(region)
    t.guest.wait_ranges(region, blocks(1))
    claimed_device(t, region).give_back()


@test()
def region_driver_rebind_releases(t):
    """Unbinding the region's driver releases what is held in it."""
    region, _ = lent_region(t)
    for action in ("unbind", "bind"):
        t.guest.write(f"{REGION_DRIVER}/{action}", region.name)
        check_equal(t.guest.device_ranges(), [], f"held after {action}")
    t.guest.wait_dax(region)
    lend(t, region, HELD)


@test()
def memdev_rebind_releases(t):
    """Unbinding the memory device's driver releases everything."""
    lent_region(t)
    memdev = t.guest.memdev()
    t.guest.write(f"{CXL_MEM}/unbind", memdev)
    check_equal(t.guest.device_ranges(), [], "the device's list")
    t.guest.flush_bus()
    t.guest.write(f"{CXL_MEM}/bind", memdev)
    t.guest.wait_memdev()
    check_released(t)


@test()
def pci_rebind_releases(t):
    """Unbinding the PCI device's driver releases everything."""
    lent_region(t)
    name = t.guest.pci_name()
    t.guest.write(f"{PCI_DRIVER}/unbind", name)
    t.guest.write(f"{PCI_DRIVER}/bind", name)
    t.guest.wait_memdev()
    check_released(t)


@test()
def unload_everything_releases(t):
    """So does unloading every module, with a region in use."""
    lent_region(t)
    t.guest.unload_all()
    t.guest.load()
    check_released(t)


def check_recovered(t):
    """Make the region again after a reboot: its extents are those of before,
    and the data is there; then the device lends and takes back as ever."""
    t.note(t.vm.sh("dvsec"))
    t.guest.load()
    check_equal(len(t.guest.device_ranges()), 3, "extents the device lists")
    region = dc_region(t)
    t.guest.wait_ranges(region, HELD)
    check_equal(t.guest.available(region), 5 * BLOCK, "available_size")
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, 16 * BLOCK))
    device.bind()
    check_equal(device.mem("verify", 0, 2 * BLOCK, 21), "verified", "data")
    device.give_back()
    take_back(t, region, HELD)
    lend(t, region, HELD)
    return region


@test(fresh=True)
def crash_reboot_recovers(t):
    """The machine is reset in the middle of everything: a new region takes
    over what the device still lends."""
    lent_region(t)
    t.vm.reset()
    check_recovered(t)


@test(fresh=True)
def offer_unread_at_a_reset(t):
    """An offer is in the log when the machine is reset: the driver that comes then
    reads and refuses it, no region is there. QEMU 10.0 keeps the log over a reset, but
    not the bit that tells of it, and only the first record in a log interrupts."""
    lent_region(t)
    t.guest.sh("modprobe cxl_dc_record")
    t.guest.write(f"{RECORD}/hold", t.guest.memdev())
    t.fabric.add(0, [UNREAD])
    t.vm.reset()
    region = check_recovered(t)
    lend(t, region, [UNREAD])


@test(fresh=True)
def reboot_recovers(t):
    """The guest reboots by itself with extents held."""
    lent_region(t)
    t.vm.reboot()
    check_recovered(t)


@test(fresh=True)
def uncovered_extents_stay(t):
    """After a reboot a region over the other partition leaves the first
    partition's extents alone; they are found when their region is made."""
    region = dc_region(t, 1)
    lend(t, region, blocks(2, stride=2))
    t.guest.restart()
    other = dc_region(t, 2)
    check_equal(t.guest.ranges(other), [], "extents of the other region")
    check_equal(len(t.guest.device_ranges()), 2, "extents the device lists")
    t.guest.destroy_regions()
    check_equal(len(t.guest.device_ranges()), 2, "extents the device lists")
    t.guest.wait_ranges(dc_region(t, 1), blocks(2, stride=2))
