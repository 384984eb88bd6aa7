# SPDX-License-Identifier: GPL-2.0-only
"""The story of borrowed memory, step by step, on the emulated device, told by the
commands that anybody can type."""

import re
import sys
import time

from guest import CXL, DaxDevice, Guest, GuestError, Refused, Region
from initramfs import SetupError
from vm import MIB, VM, QMPError, VMError

EXTENTS = [(0, 128 * MIB), (512 * MIB, 128 * MIB)]
PATTERN = 4 * MIB
EVENTS = "/tmp/events"
NODES = "/sys/devices/system/node"


def paint(text, colour):
    """Colour text if a terminal looks on."""
    return f"\033[{colour}m{text}\033[0m" if sys.stdout.isatty() else text


class Teller:
    """Says what happens, and shows the commands that make it happen."""

    def __init__(self, vm):
        self.vm = vm
        self.guest = Guest(vm)
        self._begin = time.monotonic()
        self._number = 0

    def step(self, text):
        """Begin a step of the story."""
        self._number += 1
        seconds = time.monotonic() - self._begin
        print("\n" + paint(f"{self._number}. {text}", "1") +
              paint(f"  [{seconds:.0f} s]", "2"), flush=True)

    def show(self, command):
        """Run a command in the guest, and print it with its output."""
        print(paint(f"   $ {command}", "36"), flush=True)
        output = self.vm.sh(command, 60)
        for line in output.splitlines():
            print(f"   {line}".rstrip())
        return output

    def fabric(self, verb, extents):
        """Print and do what the fabric manager does."""
        for offset, length in extents:
            print(paint(f"   fabric manager> {verb} {length // MIB} MiB at "
                        f"{offset // MIB} MiB", "33"), flush=True)
        getattr(self.vm.fabric, verb)(0, extents)


def expect(output, wanted):
    """The demo fails if a step did not do what the story says."""
    if wanted not in output:
        raise GuestError(f"expected '{wanted}', got '{output}'")


def expect_line(output, pattern):
    """A line of the output must match; returns what its group does."""
    match = re.search(f"^{pattern}$", output, re.MULTILINE)
    if not match:
        raise GuestError(f"expected '{pattern}', got '{output}'")
    return match[1]


def show_device(tell):
    """The device and its partitions."""
    tell.step("The kernel found a CXL memory device that can lend memory: "
              "two partitions, nothing lent yet.")
    tell.guest.load()
    output = tell.show("dcd list")
    memdev = tell.guest.memdev()
    for mode in ("dynamic_ram_1", "dynamic_ram_2"):
        expect_line(output, f"({memdev}) +{mode} +1 GiB +2 MiB .*")


def make_region(tell):
    """A region over the first partition."""
    tell.step("A region gives the first partition a place in the host's "
              "address space.")
    name = expect_line(tell.show("dcd create-region"),
                       r"(region\d+): dynamic_ram_1 of mem\d+, 1 GiB")
    target = tell.guest.read(f"{CXL}/{name}/target0")
    size = tell.guest.number(f"{CXL}/{name}/size")
    return Region(name, tell.guest.read(f"{CXL}/{name}/mode"), target, size)


def borrow(tell, region):
    """The fabric manager lends two extents."""
    tell.step("The fabric manager lends 256 MiB, in two extents; the host "
              "accepts both in one answer.")
    tell.show(f"dcd watch >{EVENTS} 2>&1 &")
    tell.guest.until("dcd watch", lambda: "watching" in tell.guest.read(
        EVENTS))
    tell.fabric("add", EXTENTS)
    tell.guest.wait_ranges(region, EXTENTS)
    tell.show(f"dcd list -r {region.name}")
    expect(str(tell.guest.available(region)), str(256 * MIB))


def claim(tell):
    """A DAX device claims any extent; returns it and the extent's name."""
    output = tell.show("dcd claim 0")
    extent = expect_line(output, r"dax\S+: 128 MiB of (extent\S+), /dev/dax.*")
    device = DaxDevice(tell.guest, expect_line(output, r"(dax\S+): .*"))
    expect(str(device.size()), str(128 * MIB))
    expect(tell.guest.read(device.attribute("extent")), extent)
    return device, extent


def use(tell):
    """One extent is claimed, mapped and written."""
    tell.step("A DAX device claims one extent, and a program maps, writes and "
              "reads it.")
    device, name = claim(tell)
    expect(tell.show(f"dcdmem write {device.node} 0 {PATTERN} 42"), "written")
    expect(tell.show(f"dcdmem verify {device.node} 0 {PATTERN} 42"),
           "verified")
    return device, name


def use_second(tell, region):
    """A second device claims the other extent, and it becomes system RAM."""
    tell.step("A second DAX device claims the other extent, and it becomes "
              "system RAM, a NUMA node of its own.")
    device, _ = claim(tell)
    tell.show(f"dcd online {device.name}")
    node = tell.guest.read(device.attribute("target_node"))
    expect_line(tell.show(f"grep MemTotal {NODES}/node{node}/meminfo"),
                r".*MemTotal:\s+(131072) kB")
    tell.show(f"dcd list -r {region.name}")
    expect(tell.guest.read(device.attribute("state")), "online_movable")
    expect(f"{tell.guest.available(region)} left", "0 left")
    return device


def asked_back(tell, region, device, name):
    """The fabric manager wants the mapped extent back."""
    tell.step("The fabric manager asks for the mapped extent back. It is in "
              "use, so the host remembers the request.")
    holder = device.hold(PATTERN)
    extent, = [entry for entry in tell.guest.extents() if entry.name == name]
    tell.fabric("release", [(extent.offset, extent.length)])
    tell.guest.wait_state(name, "release-pending")
    expect_line(tell.show(f"dcd list -r {region.name}"),
                rf".* {name} .* (release-pending) +{device.name} .*")
    expect(tell.show(f"dcdmem verify {device.node} {2 * MIB} {2 * MIB} 42"),
           "verified")
    return holder


def let_go(tell, region, device, holder, name):
    """The user lets go, the release completes."""
    tell.step("The user lets go. The release completes by itself.")
    device.let_go(holder)
    tell.show(f"dcd free {device.name}")
    tell.guest.until("the release", lambda: name not in [
        extent.name for extent in tell.guest.extents()])
    tell.show(f"dcd list -r {region.name}")


def give_back(tell, region, second):
    """The rest goes back too, with the region; what it all cost."""
    tell.step("The second extent is given back too, and the region goes. What "
              "the host said to the device, in all:")
    rest = [(extent.offset, extent.length) for extent in tell.guest.extents()]
    tell.fabric("release", rest)
    tell.show(f"dcd offline {second.name}")
    tell.show(f"dcd free {second.name}")
    tell.guest.until("the release", lambda: not tell.guest.extents())
    tell.guest.check_invariant()
    tell.show(f"dcd destroy-region {region.name}")
    if tell.guest.exists(f"{CXL}/{region.name}"):
        raise GuestError(f"{region.name} is still there")
    memdev = tell.guest.memdev()
    tell.show(f"cd /sys/kernel/debug/cxl/{memdev}; "
              "grep -v ' 0$' dynamic_capacity")
    tell.guest.check_invariant()


def look_back(tell, region, extents):
    """What dcd watch has seen since step 4."""
    tell.step("Since step 4, `dcd watch` has printed a line for each event.")
    output = tell.show(f"cat {EVENTS}")
    for event in ("add", "release-request", "released"):
        if output.count(f"{region.name}: {event} 128 MiB") != extents:
            raise GuestError(f"expected {extents} {event}, got '{output}'")


def story(vm):
    """All steps, in order."""
    tell = Teller(vm)
    tell.step("A kernel with the Dynamic Capacity driver has booted in QEMU.")
    tell.show("uname -sr")
    show_device(tell)
    region = make_region(tell)
    borrow(tell, region)
    device, name = use(tell)
    second = use_second(tell, region)
    holder = asked_back(tell, region, device, name)
    let_go(tell, region, device, holder, name)
    give_back(tell, region, second)
    look_back(tell, region, len(EXTENTS))
    print("\n" + paint("Nothing is held any more; the device agrees.", "32"))


def main(_arguments):
    """Tell the story; on failure, say where to look."""
    vm = VM(name="demo")
    print("Booting a machine with an emulated CXL Dynamic Capacity Device ...",
          flush=True)
    try:
        with vm:
            story(vm)
    except (GuestError, Refused, VMError, QMPError) as error:
        print(paint(f"\nThe demo failed: {error}", "31"), file=sys.stderr)
        print(f"Look at the guest's kernel log, {vm.log_path}",
              file=sys.stderr)
        return 1
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
