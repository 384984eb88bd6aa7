# SPDX-License-Identifier: GPL-2.0-only
"""The story of borrowed memory, step by step, on the emulated device."""

import sys
import time

from guest import Guest, GuestError, Refused, seed_device
from initramfs import SetupError
from vm import MIB, VM, QMPError, VMError

EXTENTS = [(0, 128 * MIB), (512 * MIB, 128 * MIB)]
PATTERN = 4 * MIB


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
            print(f"   {line}")
        return output

    def fabric(self, verb, extents):
        """Print and do what the fabric manager does."""
        for offset, length in extents:
            print(paint(f"   fabric manager> {verb} {length // MIB} MiB at "
                        f"{offset // MIB} MiB", "33"), flush=True)
        getattr(self.vm.fabric, verb)(0, extents)

    def extents(self):
        """Show the extents that the host holds."""
        return self.show("cd /sys/bus/cxl/devices; grep -s . "
                         "dax_region*/extent*/[los]*; true")


def expect(output, wanted):
    """The demo fails if a step did not do what the story says."""
    if wanted not in output:
        raise GuestError(f"expected '{wanted}', got '{output}'")


def show_device(tell):
    """The device and its partitions."""
    tell.step("The kernel found a CXL memory device that can lend memory: "
              "two partitions, nothing lent yet.")
    tell.guest.load()
    tell.show(f"cd /sys/bus/cxl/devices/{tell.guest.memdev()}; "
              "grep . dynamic_ram_*/size")


def make_region(tell):
    """A region over the first partition."""
    tell.step("A region gives the first partition a place in the host's "
              "address space. (`cxl create-region` does these writes.)")
    region = tell.guest.create_region("dynamic_ram_1")
    tell.show(f"cd /sys/bus/cxl/devices/{region.name}; grep . mode size")
    tell.show(f"cat /sys/bus/dax/devices/{region.seed}/size")
    return region


def borrow(tell, region):
    """The fabric manager lends two extents."""
    tell.step("The fabric manager lends 256 MiB, in two extents; the host "
              "accepts both in one answer.")
    tell.fabric("add", EXTENTS)
    tell.guest.wait_ranges(region, EXTENTS)
    tell.extents()
    tell.show(f"cat {region.dax_region}/dax_region/available_size")


def use(tell, device):
    """One extent is claimed, mapped and written."""
    tell.step("A DAX device claims one extent, and a program maps, writes and "
              "reads it.")
    tell.show(f"echo 0 > {device.path}/uuid")
    name = tell.show(f"cat {device.path}/extent")
    tell.show(f"cat {device.path}/size")
    tell.show("echo %s > /sys/bus/dax/drivers/device_dax/new_id" %
              device.name)
    expect(tell.show(f"dcdmem write {device.node} 0 {PATTERN} 42"), "written")
    expect(tell.show(f"dcdmem verify {device.node} 0 {PATTERN} 42"),
           "verified")
    return name


def use_second(tell, region):
    """A second device claims the other extent."""
    tell.step("A second DAX device claims the other extent; then nothing is "
              "left.")
    names = set(tell.guest.names("/sys/bus/dax/devices", "dax*"))
    tell.show(f"echo 1 > {region.dax_region}/dax_region/create")
    name, = set(tell.guest.names("/sys/bus/dax/devices", "dax*")) - names
    tell.show(f"echo 0 > /sys/bus/dax/devices/{name}/uuid")
    tell.show(f"cat {region.dax_region}/dax_region/available_size")
    return name


def asked_back(tell, device, name):
    """The fabric manager wants the mapped extent back."""
    tell.step("The fabric manager asks for the mapped extent back. It is in "
              "use, so the host remembers the request.")
    holder = device.hold(PATTERN)
    extent, = [entry for entry in tell.guest.extents() if entry.name == name]
    tell.fabric("release", [(extent.offset, extent.length)])
    tell.guest.wait_state(name, "release-pending")
    tell.show(f"cat /sys/bus/cxl/devices/dax_region*/{name}/state")
    expect(tell.show(f"dcdmem verify {device.node} {2 * MIB} {2 * MIB} 42"),
           "verified")
    return holder


def let_go(tell, device, holder, name):
    """The user lets go, the release completes."""
    tell.step("The user lets go. The release completes by itself.")
    device.let_go(holder)
    tell.show(f"echo {device.name} > /sys/bus/dax/drivers/device_dax/unbind")
    tell.show(f"echo 0 > {device.path}/size")
    tell.guest.until("the release", lambda: name not in [
        extent.name for extent in tell.guest.extents()])
    tell.extents()


def end(tell, second):
    """The rest goes back too; what it all cost."""
    tell.step("The second extent is given back too. What the host said to the "
              "device, in all:")
    rest = [(extent.offset, extent.length) for extent in tell.guest.extents()]
    tell.fabric("release", rest)
    tell.show(f"echo 0 > /sys/bus/dax/devices/{second}/size")
    tell.guest.until("the release", lambda: not tell.guest.extents())
    memdev = tell.guest.memdev()
    tell.show(f"cd /sys/kernel/debug/cxl/{memdev}; "
              "grep -v ' 0$' dynamic_capacity")
    tell.guest.check_invariant()


def story(vm):
    """All steps, in order."""
    tell = Teller(vm)
    tell.step("A kernel with the Dynamic Capacity driver has booted in QEMU.")
    tell.show("uname -sr")
    show_device(tell)
    region = make_region(tell)
    borrow(tell, region)
    device = seed_device(tell.guest, region)
    name = use(tell, device)
    second = use_second(tell, region)
    holder = asked_back(tell, device, name)
    let_go(tell, device, holder, name)
    end(tell, second)
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
