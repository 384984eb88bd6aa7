# SPDX-License-Identifier: GPL-2.0-only
"""The guest's CXL and DAX objects, handled through sysfs.

Regions are made and destroyed by the very writes that `cxl create-region` and
`cxl destroy-region` do. Names that the kernel gives (memX, regionZ, daxX.Y)
are always looked up, never assumed.
"""

import re
import time
from dataclasses import dataclass

from vm import SLOWNESS, GuestError, VMError

CXL = "/sys/bus/cxl/devices"
DAX = "/sys/bus/dax/devices"
DAX_DRIVER = "/sys/bus/dax/drivers/device_dax"
PCI_DRIVER = "/sys/bus/pci/drivers/cxl_pci"
REGION_DRIVER = "/sys/bus/cxl/drivers/cxl_region"

# In the order in which they are loaded. kmem stays out: it would take every
# DAX device of an ordinary region at once.
MODULES = ("cxl_acpi", "cxl_pmem", "cxl_port", "cxl_mem", "cxl_pci",
           "device_dax", "dax_cxl")

GET_EVENT_RECORDS = "0100"
CLEAR_EVENT_RECORDS = "0101"
GET_EXTENT_LIST = "4801"
ADD_RESPONSE = "4802"
RELEASE = "4803"


class Refused(GuestError):
    """The kernel refused a write; errno is the error's name, e.g. EBUSY."""

    def __init__(self, path, value, errno):
        super().__init__(f"writing '{value}' to {path}: {errno}")
        self.errno = errno


@dataclass(frozen=True, order=True)
class Extent:
    """An extent as sysfs shows it; offset counts from the region's start."""

    region_id: int
    offset: int
    length: int
    name: str
    state: str


@dataclass(frozen=True)
class Region:
    """A region made by Guest.create_region()."""

    name: str
    mode: str
    decoder: str
    size: int

    @property
    def number(self):
        """The Z of regionZ, and of dax_regionZ."""
        return int(self.name.removeprefix("region"))

    @property
    def dax_region(self):
        """The DAX region's directory."""
        return f"{CXL}/dax_region{self.number}"

    @property
    def seed(self):
        """The name of the region's first DAX device."""
        return f"dax{self.number}.0"


def merge_ranges(ranges):
    """Merge (start, length) ranges that touch; the result is sorted. Two sides
    hold the same memory if this is equal, however each cuts it."""
    merged = []
    for start, length in sorted(ranges):
        if merged and sum(merged[-1]) == start:
            merged[-1] = (merged[-1][0], merged[-1][1] + length)
        else:
            merged.append((start, length))
    return merged


def parse_counters(text):
    """Read "name value" lines as a dictionary.

    A line's last word is its number; what stands before it, less a colon or an
    equals sign, is its name.
    """
    counters = {}
    for line in text.splitlines():
        match = re.match(r"\s*(.*?)\s*[:=]?\s+(\d+)\s*$", line)
        if match:
            counters[match[1]] = int(match[2])
    return counters


# "0x4802", "4802h", "opcode_4802": four hexadecimal digits, a word by itself.
OPCODE = re.compile(r"(?<![0-9a-zA-Z])(?:0x)?(?=[a-f]*\d)([0-9a-f]{4})h?"
                    r"(?![0-9a-zA-Z])", re.IGNORECASE)


def commands_of(counters):
    """The mailbox commands among the counters: {"4802": 3}."""
    commands = {}
    for name, count in counters.items():
        match = OPCODE.search(name)
        if match:
            commands[match[1].lower()] = count
    return commands


class Guest:
    """Reads, writes and waits for things in the guest of a VM."""

    def __init__(self, vm):
        self.vm = vm
        self.sh = vm.sh

    # Attributes

    def read(self, path):
        """An attribute's text, without the newline."""
        return self.sh(f"cat {path}")

    def number(self, path):
        """An attribute's value, decimal or 0x."""
        return int(self.read(path), 0)

    def exists(self, path):
        """Whether a path is there."""
        return self.vm.run(f"test -e {path}")[0] == 0

    def write(self, path, value):
        """Write an attribute; raises Refused with the error's name, and
        GuestError if there is no such attribute to write."""
        self.write_all([(path, value)])

    def write_all(self, pairs):
        """Write (path, value) pairs in this order, up to the first that is
        refused, in one go."""
        script = "\n".join(
            f"attr {path} '{value}' || {{ s=$?; echo {i}; exit $s; }}"
            for i, (path, value) in enumerate(pairs))
        status, output = self.vm.run(script, 60)
        if not status:
            return
        *said, number = output.split("\n")
        path, value = pairs[int(number)]
        if status == 1:
            raise Refused(path, value, said[-1].split()[-1])
        raise GuestError(f"writing '{value}' to {path}: {' '.join(said)}")

    def refusal(self, path, value):
        """Write an attribute and return the error's name, None if it was
        accepted."""
        try:
            self.write(path, value)
        except Refused as error:
            return error.errno
        return None

    def begin(self, command, output="/dev/null"):
        """Run a program in the background; the process."""
        return int(self.sh(f"{command} </dev/null >{output} 2>&1 & echo $!"))

    def begin_write(self, path, value):
        """Write an attribute in the background, for that may take long; the process
        that does it."""
        return self.begin(f"attr {path} {value}")

    def wait_end(self, what, pid, timeout=10):
        """Wait until a process is gone; `what` is for the error message."""
        self.until(what, lambda: not self.exists(f"/proc/{pid}"), timeout)

    def until(self, what, condition, timeout=10):
        """Poll until condition() is true; `what` is for the error message."""
        deadline = time.monotonic() + timeout * SLOWNESS
        while not condition():
            if time.monotonic() > deadline:
                raise GuestError(f"waited {timeout} s in vain for {what}")
            time.sleep(0.05)

    def names(self, directory, pattern):
        """Names in a directory that match a shell pattern, in order of their
        numbers."""
        output = self.sh(f"cd {directory} 2>/dev/null || exit 0; "
                         f"for i in {pattern}; do [ -e $i ] && echo $i; done; "
                         "true")
        return sorted(output.split(), key=lambda name: [
            int(number) for number in re.findall(r"\d+", name)])

    # Modules and devices

    def restart(self):
        """Reset the machine, and load the modules again."""
        self.vm.reset()
        self.vm.sh("dvsec")
        self.load()

    def modprobe(self, modules, failed="exit 1"):
        """Load those modules that are not there: a look costs nothing."""
        self.sh(f"for m in {' '.join(modules)}; do "
                f"[ -e /sys/module/$m ] || modprobe $m || {failed}; done", 60)

    def load(self, modules=MODULES):
        """Load modules; wait for the memory device if the machine has one."""
        self.modprobe(modules)
        if self.vm.kind != "none" and "cxl_pci" in modules:
            self.wait_memdev()

    def unload_all(self):
        """Unload every CXL and DAX module, cxl_test's included; several
        passes, since who uses whom depends on what was bound."""
        modules = ("cxl_dc_record", "cxl_test", "cxl_mock_mem", "dax_cxl",
                   "kmem", "device_dax", "fsdev_dax", "dax_hmem", "cxl_mem",
                   "cxl_pmem", "cxl_pci", "cxl_acpi", "cxl_port", "cxl_mock",
                   "cxl_core")
        loop = " ".join(modules)
        self.sh(f"for pass in 1 2 3 4; do for m in {loop}; do "
                "rmmod $m 2>/dev/null; done; done; "
                "! lsmod | grep -E '^(cxl_core|dax_cxl|device_dax) '", 60)

    def wait_memdev(self):
        """Wait until the memory device and its endpoint have their drivers."""
        self.until("the memory device", lambda: self.names(CXL, "mem*") and
                   self.names(CXL, "endpoint*"))
        self.until("the endpoint's driver", lambda: self.vm.run(
            f"test -e {CXL}/endpoint*/driver")[0] == 0)

    def flush_bus(self):
        """Wait until no memory device loses its driver because its endpoint
        went: what is bound sooner may be unbound by that (detach_memdev())."""
        self.write("/sys/bus/cxl/flush", 1)

    def memdev(self):
        """The name of the one memory device."""
        names = self.names(CXL, "mem*")
        if len(names) != 1:
            raise GuestError(f"expected one memory device, found {names}")
        return names[0]

    def pci_name(self):
        """The PCI address of the memory device."""
        return self.sh(f"basename $(dirname $(readlink -f "
                       f"{CXL}/{self.memdev()}))")

    def partition(self, mode):
        """The directory of a partition: memX/dynamic_ram_1."""
        return f"{CXL}/{self.memdev()}/{mode}"

    # Regions

    def root_decoder(self):
        """The one root decoder."""
        return self.names(CXL, "decoder0.*")[0]

    def free_endpoint_decoder(self):
        """The first endpoint decoder that has no capacity yet."""
        return self.sh(
            f"for d in $(ls -d {CXL}/endpoint*/decoder*.* | "
            "sort -t. -k2 -n); do "
            "[ $(($(cat $d/dpa_size))) = 0 ] && basename $d && exit 0; done; "
            "exit 1")

    def create_region(self, mode, size=None):
        """Make a region over a partition, as `cxl create-region` does. Regions
        must be made in ascending order of device addresses."""
        size = size or self.number(f"{self.partition(mode)}/size")
        return self.make_region(self.root_decoder(),
                                self.free_endpoint_decoder(), mode, size)

    def make_region(self, root, decoder, mode, size):
        """Make a region below a root decoder, with one endpoint decoder."""
        return self.complete_region(Region(self.start_region(root, mode, size),
                                           mode, decoder, size))

    def start_region(self, root, mode, size):
        """Make a region of one way below a root decoder, without a target; its
        name."""
        name = self.read(f"{CXL}/{root}/create_{mode}_region")
        self.write_all([(f"{CXL}/{path}", value) for path, value in (
            (f"{root}/create_{mode}_region", name),
            (f"{name}/interleave_granularity", 256),
            (f"{name}/interleave_ways", 1),
            (f"{name}/size", size))])
        return name

    def complete_region(self, region):
        """Give a region its target, and bind it."""
        name, decoder = region.name, region.decoder
        self.write_all([(f"{CXL}/{path}", value) for path, value in (
            (f"{decoder}/mode", region.mode),
            (f"{decoder}/dpa_size", region.size),
            (f"{name}/target0", decoder),
            (f"{name}/commit", 1))])
        self.write(f"{REGION_DRIVER}/bind", name)
        if self.exists("/sys/module/dax_cxl"):
            self.wait_dax(region)
        return region

    def wait_dax(self, region):
        """Wait for the region's seed device: its driver is registered and
        bound from work queues."""
        self.until(f"{region.seed}",
                   lambda: self.exists(f"{DAX}/{region.seed}"))

    def destroy_region(self, name):
        """Take a region down, as `cxl destroy-region` does, whatever state it
        is in."""
        target, root, *driver = self.sh(
            f"cd {CXL}/{name}; t=$(cat target0 2>/dev/null); echo ${{t:--}}; "
            "basename $(dirname $(readlink -f .)); [ ! -e driver ] || echo y"
        ).split()
        writes = [(f"{CXL}/{name}/commit", 0)]
        if driver:
            writes.insert(0, (f"{REGION_DRIVER}/unbind", name))
        if target != "-":
            writes += [(f"{CXL}/{name}/target0", "\n"),
                       (f"{CXL}/{target}/dpa_size", 0)]
        self.write_all([*writes, (f"{CXL}/{root}/delete_region", name)])

    def destroy_regions(self):
        """Take all regions down, the highest device addresses first."""
        names = self.names(CXL, "region*")
        for name in sorted(names, key=self.region_start, reverse=True):
            self.destroy_region(name)

    def region_start(self, name):
        """The device address at which a region starts, 0 without a target."""
        target = self.sh(f"cat {CXL}/{name}/target0 2>/dev/null; true")
        return self.number(f"{CXL}/{target}/dpa_resource") if target else 0

    # Extents

    def extents(self):
        """All extents that sysfs shows, in order of their offsets."""
        output = self.sh(
            f"cd {CXL} && grep -sH '' dax_region*/extent*/offset "
            "dax_region*/extent*/length dax_region*/extent*/state; true", 60)
        found = {}
        for path, value in re.findall(r"^(\S+?):(\S+)$", output, re.MULTILINE):
            dax_region, name, attribute = path.split("/")
            entry = found.setdefault((dax_region, name), {})
            entry[attribute] = value
        return sorted(Extent(int(dax_region.removeprefix("dax_region")),
                             int(entry["offset"], 0), int(entry["length"], 0),
                             name, entry["state"])
                      for (dax_region, name), entry in found.items()
                      if len(entry) == 3)

    def ranges(self, region):
        """The (offset, length) pairs held in one region."""
        return [(extent.offset, extent.length) for extent in self.extents()
                if extent.region_id == region.number]

    def extent_count(self):
        """How many extents there are, cheaply: no process is started."""
        return int(self.sh(f"cd {CXL}; set -- dax_region*/extent*; "
                           "[ -e $1 ] && echo $# || echo 0"))

    def wait_ranges(self, region, expected, timeout=10):
        """Wait until a region holds exactly these (offset, length) pairs."""
        expected = sorted(expected)
        try:
            self.until("extents", lambda: self.ranges(region) == expected,
                       timeout)
        except GuestError:
            raise GuestError(f"{region.name} holds {self.ranges(region)}, "
                             f"expected {expected}") from None

    def wait_state(self, extent, state):
        """Wait until an extent (by name) shows a state."""
        path = f"{CXL}/dax_region*/{extent}/state"
        self.until(f"{extent} to be {state}", lambda: self.vm.run(
            f"cat {path}")[1] == state)

    def available(self, region):
        """What is held and not claimed, in bytes."""
        return self.number(f"{region.dax_region}/dax_region/available_size")

    def device_ranges(self):
        """What the device says this host holds: [(device address, length)].

        Read past the driver with a raw Get Dynamic Capacity Extent List, whose
        one-time warning the log check knows.
        """
        output = self.sh(f"mboxraw extents /dev/cxl/{self.memdev()}", 60)
        return [(int(start, 0), int(length, 0)) for start, length in
                (line.split() for line in output.splitlines())]

    def sysfs_ranges(self):
        """What sysfs says this host holds: [(device address, length)]."""
        starts = {}
        found = []
        for extent in self.extents():
            if extent.region_id not in starts:
                starts[extent.region_id] = self.region_start(
                    f"region{extent.region_id}")
            found.append((starts[extent.region_id] + extent.offset,
                          extent.length))
        return found

    def check_invariant(self):
        """The device and sysfs must name the same memory. A moment is allowed
        for work under way."""
        if self.vm.kind != "dcd" or not self.names(CXL, "mem*"):
            return
        try:
            self.until("agreement", self._sides_agree, 5)
        except GuestError:
            raise GuestError(
                f"the device lists {merge_ranges(self.device_ranges())}, "
                f"sysfs {merge_ranges(self.sysfs_ranges())}") from None

    def _sides_agree(self):
        return (merge_ranges(self.device_ranges()) ==
                merge_ranges(self.sysfs_ranges()))

    # Statistics

    def counters(self):
        """The driver's statistics of Dynamic Capacity."""
        return parse_counters(self.read(
            f"/sys/kernel/debug/cxl/{self.memdev()}/dynamic_capacity"))

    def commands(self):
        """Mailbox commands that the driver sent for Dynamic Capacity, by
        opcode in four hexadecimal digits."""
        return commands_of(self.counters())

    def wait_answered(self, before, answers=1):
        """Wait until that many more add responses have been sent than the
        commands() taken before count."""
        wanted = before.get(ADD_RESPONSE, 0) + answers
        self.until("the driver's answer", lambda: self.commands().get(
            ADD_RESPONSE, 0) >= wanted, 30)


class DaxDevice:
    """One daxX.Y."""

    def __init__(self, guest, name):
        self.guest = guest
        self.name = name
        self.path = f"{DAX}/{name}"
        self.node = f"/dev/{name}"

    def attribute(self, name):
        """The path of an attribute."""
        return f"{self.path}/{name}"

    def size(self):
        """Bytes that the device has."""
        return self.guest.number(self.attribute("size"))

    def claim(self):
        """Claim one untagged extent; returns the extent's name."""
        self.guest.write(self.attribute("uuid"), "0")
        return self.guest.read(self.attribute("extent"))

    def claim_extent(self, name):
        """Claim a certain extent."""
        self.guest.write(self.attribute("extent"), name)

    def bound(self):
        """Whether a driver has the device."""
        return self.guest.exists(self.attribute("driver"))

    def bind(self):
        """Have device_dax take the device: /dev/daxX.Y can be mapped then."""
        self.guest.write(f"{DAX_DRIVER}/new_id", self.name)
        if not self.bound():
            self.guest.write(f"{DAX_DRIVER}/bind", self.name)

    def unbind(self):
        """Take the device from device_dax."""
        self.guest.write(f"{DAX_DRIVER}/unbind", self.name)
        self.guest.write(f"{DAX_DRIVER}/remove_id", self.name)

    def give_back(self):
        """Unbind if need be, and give the claim back."""
        if self.bound():
            self.unbind()
        self.guest.write(self.attribute("size"), "0")

    def mem(self, verb, *arguments, timeout=120):
        """Run dcdmem on the device; returns its output."""
        words = " ".join(str(argument) for argument in arguments)
        return self.guest.vm.run(f"dcdmem {verb} {self.node} {words}",
                                 timeout)[1]

    def hold(self, length, node=None):
        """Keep the device's memory mapped, by another node of it if that is named;
        returns the process id, for let_go()."""
        output = f"/tmp/held.{self.name}"
        pid = self.guest.begin(f"dcdmem hold {node or self.node} {length}", output)
        self.guest.until("the holder", lambda: "held" in self.guest.read(output))
        return pid

    def let_go(self, pid):
        """End the process that hold() started."""
        self.guest.sh(f"kill {pid}")
        self.guest.wait_end("the holder's end", pid)


def seed_device(guest, region):
    """The region's first DAX device."""
    return DaxDevice(guest, region.seed)


def create_device(guest, region):
    """Make one more DAX device in a region, as `daxctl create-device` does."""
    before = set(guest.names(DAX, f"dax{region.number}.*"))
    guest.write(f"{region.dax_region}/dax_region/create", "1")
    created = set(guest.names(DAX, f"dax{region.number}.*")) - before
    if len(created) != 1:
        raise VMError(f"create made {sorted(created)}")
    return DaxDevice(guest, created.pop())


def delete_device(guest, region, device):
    """Delete a DAX device that create_device() made."""
    guest.write(f"{region.dax_region}/dax_region/delete", device.name)
