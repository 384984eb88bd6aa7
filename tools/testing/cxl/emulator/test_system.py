# SPDX-License-Identifier: GPL-2.0-only
"""What is done to the whole machine, or the whole device, with memory held."""

from costs import BLOCK, blocks
from guest import CXL, PCI_DRIVER, seed_device
from lending import (ask_back, claimed_device, dc_region, extent_at, lend,
                     take_back)
from mock import RECORD
from test_lifecycle import HELD, lent_region
from testlib import check, check_equal, test

POWER = "/sys/power"


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


def written_device(t):
    """A region with one extent, and a device that has it and was written to."""
    region = dc_region(t)
    lend(t, region, blocks(1))
    device = claimed_device(t, region)
    check_equal(device.mem("write", 0, BLOCK, 42), "written", "write")
    return region, device


def check_sleep_refused(t, state, attribute, word):
    """As long as there is CXL memory, a sleep is not offered and not begun; without
    the memory device's driver it is offered."""
    _, device = written_device(t)
    check(word not in t.guest.read(attribute).split(), f"{word} is offered")
    check_equal(t.guest.refusal(f"{POWER}/state", state), "EPERM", state)
    check_equal(device.mem("verify", 0, BLOCK, 42), "verified", "data")
    device.give_back()
    t.guest.unload_all()
    check(word in t.guest.read(attribute).split(),
          f"{word} is not offered without CXL memory either")
    t.guest.load()


@test()
def suspend_is_refused(t):
    """A machine with CXL memory does not suspend to memory: what would become
    of it is not known. Without the memory device's driver it could."""
    # without this, "mem" would be taken for a sleep that is allowed
    t.guest.write(f"{POWER}/mem_sleep", "deep")
    check_sleep_refused(t, "mem", f"{POWER}/mem_sleep", "[deep]")


@test()
def hibernate_is_refused(t):
    """Nor does it hibernate: its image would not have what CXL memory has."""
    check_sleep_refused(t, "disk", f"{POWER}/state", "disk")


@test()
def idle_is_safe(t):
    """Suspend to idle is allowed, the device keeps its power. All is done for it
    but the wait for what would end it: data, interrupt and mailbox are as before."""
    region, device = written_device(t)
    done = f"{POWER}/suspend_stats/success"
    before = t.guest.number(done)
    t.guest.write_all([("/sys/module/suspend/parameters/pm_test_delay", 0),
                       (f"{POWER}/pm_test", "platform"),
                       (f"{POWER}/state", "freeze"),
                       (f"{POWER}/pm_test", "none")])
    check_equal(t.guest.number(done), before + 1, "suspends that went well")
    check_equal(device.mem("verify", 0, BLOCK, 42), "verified", "data")
    lend(t, region, [(4 * BLOCK, BLOCK)])
    take_back(t, region, [(4 * BLOCK, BLOCK)])
    device.give_back()
    take_back(t, region, blocks(1))


def interrupts(t):
    """How often the memory device has interrupted."""
    name = t.guest.pci_name()
    lines = [line for line in t.guest.read("/proc/interrupts").splitlines()
             if line.endswith(name)]
    check(lines, "the memory device has no interrupt")
    return sum(int(word) for line in lines for word in line.split()
               if word.isdigit())


def look_into_the_log(t):
    """Have the driver look for records, without the device's interrupt."""
    for action in ("hold", "unhold"):
        t.guest.write(f"{RECORD}/{action}", t.guest.memdev())


@test("firmware", loaded=False)
def firmware_has_the_other_logs(t):
    """The DC log is the driver's, whoever has the others: what is in it is read when
    the driver is bound, and whenever something makes it look. QEMU 10.0 raises the
    interrupt of another log for this one, so that here there is none."""
    check("OS now controls [CXLMemErrorReporting]" not in t.vm.log(),
          "the other logs are the kernel's")
    t.guest.load()
    t.vm.mark_log("loaded")
    check("DC event log: interrupt vector" in t.vm.log(), "no interrupt")
    name = t.guest.pci_name()
    t.guest.write(f"{PCI_DRIVER}/unbind", name)
    t.fabric.add(0, blocks(1))
    t.guest.write(f"{PCI_DRIVER}/bind", name)
    t.guest.wait_memdev()
    t.guest.wait_answered({})
    check_equal(t.guest.device_ranges(), [], "what no region has a place for")

    t.guest.sh("modprobe cxl_dc_record")
    region = dc_region(t)
    t.fabric.add(0, blocks(2))
    look_into_the_log(t)
    t.guest.wait_ranges(region, blocks(2))
    check_equal(len(t.guest.device_ranges()), 2, "extents the device lists")
    ask_back(t, region, blocks(2))
    look_into_the_log(t)
    t.guest.wait_ranges(region, [])
    check_equal(t.guest.device_ranges(), [], "the device's list")
    check_equal(interrupts(t), 0, "interrupts")
    t.guest.sh("rmmod cxl_dc_record")


@test("firmware")
def memmap_on_memory_is_refused(t):
    """What describes memory that can be taken away must not lie in it, although this
    kernel has it so for an ordinary region."""
    for mode, own, refusal in (("ram", 1, None),
                               ("dynamic_ram_1", 0, "EOPNOTSUPP")):
        device = seed_device(t.guest, t.guest.create_region(mode))
        attribute = device.attribute("memmap_on_memory")
        check_equal(t.guest.number(attribute), own, mode)
        t.guest.write(attribute, 0)
        check_equal(t.guest.refusal(attribute, 1), refusal, f"{mode}: 1")
        check_equal(t.guest.number(attribute), own, f"{mode}: afterwards")


@test()
def second_processor_after_the_scan(t):
    """There are two processors; the second was not there when the PCI bus was
    scanned (vm.py says why)."""
    boot = t.vm.log().rsplit("Linux version ", 1)[1]
    scanned = boot.index("PCI: Using ACPI for IRQ routing")
    check(boot.find("Processor 1 APIC") > scanned, "it came before")
    check_equal(t.guest.sh("nproc"), "2", "processors")


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
