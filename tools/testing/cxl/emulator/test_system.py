# SPDX-License-Identifier: GPL-2.0-only
"""What is done to the whole machine, or the whole device, with memory held."""

from costs import BLOCK, blocks
from guest import CXL, seed_device
from lending import claimed_device, dc_region, extent_at, lend, take_back
from test_lifecycle import HELD, lent_region
from testlib import check, check_equal, test


def check_security_refused(t, memdev):
    """Erasing a device under memory that is in use is refused, by each command
    that it has."""
    path = f"{CXL}/{memdev}/security"
    names = t.guest.names(path, "sanitize erase")
    check(names, "the device has no command to erase it")
    t.note(f"{memdev}: {' '.join(names)}")
    for name in names:
        check_equal(t.guest.refusal(f"{path}/{name}", "1"), "EBUSY", name)


@test()
def sanitize_is_refused(t):
    """The device is not overwritten while it lends memory to a region: data,
    extents and the mailbox are as before."""
    region = dc_region(t)
    lend(t, region, blocks(2, stride=2))
    device = claimed_device(t, region)
    check_equal(device.mem("write", 0, BLOCK, 41), "written", "write")
    check_security_refused(t, t.guest.memdev())
    check_equal(device.mem("verify", 0, BLOCK, 41), "verified", "data")
    device.give_back()
    t.guest.check_invariant()
    take_back(t, region, blocks(2, stride=2))


@test()
def suspend_is_refused(t):
    """A machine with CXL memory does not suspend to memory: what would become
    of it is not known. Without the memory device's driver it could."""
    region = dc_region(t)
    lend(t, region, blocks(1))
    device = claimed_device(t, region)
    check_equal(device.mem("write", 0, BLOCK, 42), "written", "write")
    check("deep" not in t.guest.read("/sys/power/mem_sleep"),
          "suspend to memory is offered")
    # without this, "mem" would be taken for a sleep that is allowed
    t.guest.write("/sys/power/mem_sleep", "deep")
    check_equal(t.guest.refusal("/sys/power/state", "mem"), "EPERM",
                "suspend to memory")
    check_equal(device.mem("verify", 0, BLOCK, 42), "verified", "data")
    device.give_back()
    t.guest.unload_all()
    check("deep" in t.guest.read("/sys/power/mem_sleep"),
          "suspend is not offered without CXL memory either")
    t.guest.load()


@test(loaded=False, fresh=True)
def kexec_recovers(t):
    """A kernel starts the next one with extents held, and no firmware cleans
    up behind it: the decoders are as they were, so the region makes itself,
    and has the extents and the data of before."""
    t.vm.stop()
    t.vm.kexec = True
    t.vm.start()
    t.fabric = t.vm.fabric
    t.guest.load()
    region, _ = lent_region(t)
    t.vm.reboot("kexec /kexec/kernel /kexec/initramfs")
    t.vm.kexec = False
    t.guest.load()
    t.guest.wait_dax(region)
    check_equal(t.guest.read(f"{CXL}/{region.name}/mode"), region.mode, "mode")
    t.guest.wait_ranges(region, HELD)
    t.guest.check_invariant()
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, HELD[2][0]))
    device.bind()
    check_equal(device.mem("verify", 0, HELD[2][1], 21), "verified", "data")
    device.give_back()
    take_back(t, region, HELD)
    lend(t, region, HELD)
