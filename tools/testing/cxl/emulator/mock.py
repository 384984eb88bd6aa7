# SPDX-License-Identifier: GPL-2.0-only
"""cxl_test's mock devices: a strict DCD that keeps an account of the host.

A Mock is one device, cxl_mem.N; it plays the fabric manager, and says what the
device thinks that this host holds. Regions are made as on the emulated device.
"""

import os
import re
import uuid
from dataclasses import dataclass, field

from checks import check_equal
from guest import CXL, Region, merge_ranges
from vm import MIB, GuestError

DEBUGFS = "/sys/kernel/debug/cxl_test_dcd"
PLATFORM = "/sys/bus/platform/devices"
DRIVER = "/sys/bus/platform/drivers/cxl_mock_mem"
RECORD = "/sys/kernel/debug/cxl_dc_record"

MOCK_MODULES = ("cxl_dc_record", "cxl_mock_mem", "cxl_test", "device_dax",
                "dax_cxl")
DEVICES = range(8)

# Where Dynamic Capacity starts, and what is held there after power-on.
BASE = 0x80000000
UNTAGGED = (BASE + 128 * MIB, 64 * MIB)
TAGGED = (BASE + 256 * MIB, 64 * MIB)
POWER_ON_TAG = "deadbeef-cafe-baad-f00d-fedcba987654"
NULL_TAG = str(uuid.UUID(int=0))

# A mailbox whose payload has room for one record.
ONE_RECORD = 256

# Return codes of mailbox commands.
INVALID_INPUT = 2
INTERNAL_ERROR = 4
RETRY = 5
INVALID_ADDRESS = 15
INVALID_LENGTH = 22
INVALID_LIST = 30

# In the trail: an Add response that takes nothing of what was offered.
REFUSAL = ("4802", 0, 0, [])

# Types of event records.
ADD, RELEASE, FORCED_RELEASE, CONFIG_UPDATED = range(4)
EVENT_UUID = uuid.UUID("ca95afa7-f183-4018-8c2f-95268e101a2a")


@dataclass(frozen=True, order=True)
class Held:
    """An extent as the device's account has it."""

    start: int
    length: int
    tag: str = NULL_TAG
    seq: int = 0

    def __str__(self):
        """As the mock's files take it."""
        return f"{self.start:#x}:{self.length:#x}:{self.tag}:{self.seq}"


@dataclass
class View:
    """Both sides at one time: addresses, lengths and offsets in bytes."""

    account: list = field(default_factory=list)
    pending: list = field(default_factory=list)
    faults: dict = field(default_factory=dict)
    extents: list = field(default_factory=list)
    base: int = 0

    def add(self, kind, *words):
        """Take one line of what Mock.view() reads."""
        if kind == "account":
            self.account.append((int(words[0], 0), int(words[1], 0)))
        elif kind == "pending":
            self.pending.append(words)
        elif kind == "fault":
            self.faults[words[0]] = int(words[1])
        elif kind == "extent":
            self.extents.append((int(words[0], 0), int(words[1], 0)))
        elif kind == "base":
            self.base = int(words[0], 0)


def event_record(kind, extent, more=False, event_uuid=EVENT_UUID):
    """The 128 bytes of a DC event record, in hexadecimal."""
    data = bytearray(128)
    data[0:16] = event_uuid.bytes
    data[16] = 128
    data[0x30] = kind
    data[0x35] = int(more)
    data[0x38:0x40] = extent.start.to_bytes(8, "little")
    data[0x40:0x48] = extent.length.to_bytes(8, "little")
    data[0x48:0x58] = uuid.UUID(extent.tag).bytes
    data[0x58:0x5a] = extent.seq.to_bytes(2, "little")
    return data.hex()


def parse_held(line):
    """A line of the account, the last four words of one that is pending."""
    start, length, tag, seq = line.split()[-4:]
    return Held(int(start, 0), int(length, 0), tag, int(seq))


def load_mock(guest):
    """Load cxl_test; wait until the endpoints of its 11 devices have their
    driver, and the auto region, assembled from a work queue, its own."""
    # What a tree in the middle of the series lacks, a test there does not need.
    failed = "true" if os.environ.get("OLD_TREE") else "exit 1"
    guest.modprobe(MOCK_MODULES, failed)
    guest.until("the mock devices", lambda: int(guest.sh(
        f"ls -d {CXL}/endpoint*/driver 2>/dev/null | wc -l")) >= 11, 30)
    guest.until("the auto region", lambda: guest.sh(
        f"ls -d {CXL}/region*/driver 2>/dev/null; true") != "", 30)


class Mock:
    """One mock device of a guest."""

    def __init__(self, guest, number):
        self.guest = guest
        self.number = number
        self.name = f"cxl_mem.{number}"
        self.platform = f"{PLATFORM}/{self.name}"
        self.dir = f"{DEBUGFS}/{self.name}"

    # What the kernel calls things

    def memdev(self):
        """The name of its memory device."""
        return self.guest.names(self.platform, "mem*")[0]

    def root_decoder(self):
        """The volatile root decoder with one target above it."""
        output = self.guest.sh(
            f"cd {CXL}; grep -H . root*/decoder*/target_list "
            "root*/decoder*/cap_ram root*/uport/modalias", 60)
        mock = re.search(r"^(root\d+)/uport\S*:platform:cxl_acpi$", output,
                         re.MULTILINE)[1]
        for decoder in re.findall(
                rf"^{mock}/(\S+)/target_list:{self.number % 2}$", output,
                re.MULTILINE):
            if f"{mock}/{decoder}/cap_ram:1" in output:
                return decoder
        raise GuestError(f"no root decoder for {self.name}")

    def endpoint(self):
        """The name of its endpoint."""
        output = self.guest.sh(f"ls -ld {CXL}/endpoint*/uport")
        match = re.search(rf"/(endpoint\d+)/uport -> \S+/{self.memdev()}$",
                          output, re.MULTILINE)
        return match[1] if match else None

    def endpoint_decoder(self):
        """Its first endpoint decoder that has no capacity yet."""
        output = self.guest.sh(
            f"cd {CXL}/{self.endpoint()}; grep -H . decoder*/dpa_size")
        free = re.findall(r"^(decoder\d+\.(\d+))/dpa_size:0x0+$", output,
                          re.MULTILINE)
        return min(free, key=lambda entry: int(entry[1]))[0]

    def partition(self, number=1):
        """The directory of a partition."""
        return f"{CXL}/{self.memdev()}/dynamic_ram_{number}"

    def create_region(self, number=1):
        """Make a region over all of a partition."""
        size = self.guest.number(f"{self.partition(number)}/size")
        return self.guest.make_region(self.root_decoder(),
                                      self.endpoint_decoder(),
                                      f"dynamic_ram_{number}", size)

    # The fabric manager

    def inject(self, start, length, tag="", more=0, seq=None, shared=False):
        """Offer one extent; returns when the driver is done with it."""
        name = "dc_inject_shared_extent" if shared else "dc_inject_extent"
        tail = "" if seq is None else f":{seq}"
        self.guest.write(f"{self.platform}/{name}",
                         f"{start:#x}:{length:#x}:{tag}:{more}{tail}")

    def delete(self, start, length, tag="", force=False):
        """Ask for one extent, or take it."""
        name = "dc_force_del_extent" if force else "dc_del_extent"
        self.guest.write(f"{self.platform}/{name}",
                         f"{start:#x}:{length:#x}:{tag}")

    def do(self, name, value):
        """Write one of its files in debugfs."""
        self.guest.write(f"{self.dir}/{name}", str(value))

    def chain(self, extents, name="chain"):
        """Send a chain: offers, or "open", "release", "force"."""
        self.do(name, " ".join(str(extent) for extent in extents))

    def fail(self, opcode, code, nth=1, mode="before", times=1):
        """Have the nth next command of an opcode ("4802") fail."""
        self.do("fail", f"0x{opcode} {nth} {code} {mode} {times}")

    def command(self, opcode, extents, more=False, count=None):
        """A 4802h or 4803h as if the host had sent it; the return code."""
        data = (len(extents) if count is None else count).to_bytes(4, "little")
        data += bytes([int(more), 0, 0, 0])
        for start, length in extents:
            data += start.to_bytes(8, "little") + length.to_bytes(8, "little")
            data += bytes(8)
        self.do("command", f"0x{opcode} {data.hex()}")
        return [rc for found, _, rc, _ in self.responses()
                if found == opcode][-1]

    def unbind(self):
        """Unbind its driver."""
        self.guest.write(f"{DRIVER}/unbind", self.name)

    def quirk(self, name, value):
        """Have it lie; reset() makes it honest."""
        self.do(f"quirk/{name}", value)

    def rebind(self):
        """Unbind and bind its driver; the device stays as it is."""
        self.unbind()
        self.bind()

    def set_mailbox(self, size):
        """Give it a mailbox payload of another size, which its driver learns
        of when it is bound anew."""
        self.do("payload_size", size)
        self.rebind()

    def bind(self):
        """Bind its driver; returns when its endpoint has one, too."""
        self.guest.write(f"{DRIVER}/bind", self.name)
        self.guest.until("its endpoint", lambda: self.endpoint() and
                         self.guest.exists(f"{CXL}/{self.endpoint()}/driver"))

    def reset(self):
        """As after power-on."""
        self.do("reset", 1)

    # What it knows

    def lines(self, name):
        """The lines of one of its files."""
        return self.guest.read(f"{self.dir}/{name}").splitlines()

    def account(self):
        """What the host holds."""
        return [parse_held(line) for line in self.lines("account")]

    def ranges(self):
        """What the host holds: [(device address, length)]."""
        return [(held.start, held.length) for held in self.account()]

    def pending(self):
        """What is offered and not answered."""
        return [parse_held(line) for line in self.lines("pending")]

    def counters(self, name):
        """The numbers of `faults`, `commands` or `log`."""
        return {key: int(value) for key, value in
                (line.split() for line in self.lines(name))}

    def fault_kinds(self):
        """Kinds of faults that the host has committed."""
        faults = self.counters("faults")
        del faults["total"]
        return {kind for kind, count in faults.items() if count}

    def responses(self):
        """The trail: [(opcode, more, return code, [(start, length)])]."""
        found = []
        for line in self.lines("responses"):
            words = line.split()
            if words[0].endswith("h"):
                found.append((words[0][:4], int(words[1]), int(words[2]), []))
            elif found:
                found[-1][3].append((int(words[0], 0), int(words[1], 0)))
        return found

    def clear(self):
        """Forget the commands, the faults and the trail so far."""
        self.guest.write_all([(f"{self.dir}/{name}", 0) for name in
                              ("commands", "faults", "responses")])

    def view(self, region):
        """What device and host have, looked at by one command."""
        output = self.guest.sh(
            f"cd {self.dir}; sed 's/^/account /' account; "
            "sed 's/^/pending /' pending; "
            "grep -v -e '^total' -e ' 0$' faults | sed 's/^/fault /'; "
            f"cd {CXL}; echo base $(cat {region.decoder}/dpa_resource); "
            f"cd dax_region{region.number}; for e in extent*; do [ -e $e ] && "
            "read o < $e/offset && read l < $e/length && "
            "echo extent $o $l; done; true", 60)
        view = View()
        for line in output.splitlines():
            view.add(*line.split())
        return view

    def check_agreement(self, region):
        """The account and sysfs must name the same memory in a region."""
        base = region_base(self.guest, region)
        account = [(start - base, length) for start, length in self.ranges()
                   if base <= start < base + region.size]
        check_equal(merge_ranges(account),
                    merge_ranges(self.guest.ranges(region)),
                    f"{self.name}: account and sysfs")

    def check_clean(self, region=None):
        """No offer waits, no fault was committed, both sides agree."""
        problems = self.guest.sh(
            f"cd {self.dir}; grep -H ' [^0]' faults; grep -H . pending; true")
        check_equal(problems, "", self.name)
        if region:
            self.check_agreement(region)


def region_base(guest, region):
    """The device address at which a region starts."""
    return guest.number(f"{CXL}/{region.decoder}/dpa_resource")


def dynamic_regions(guest):
    """Regions of Dynamic Capacity: not the auto region."""
    output = guest.sh(f"grep -Hs dynamic {CXL}/region*/mode; true")
    return re.findall(r"/(region\d+)/mode:", output)


def lent_to(guest):
    """The regions of mock devices that can hold something, those with a driver:
    [(Mock, Region)]."""
    output = guest.sh(
        f"cd {CXL}; for r in $(grep -ls dynamic region*/mode); do r=${{r%/mode}}; "
        "[ -e $r/driver ] || continue; t=$(cat $r/target0); echo $r "
        "$(cat $r/mode) $t $(cat $r/size) $(readlink -f $t/../uport); done; true")
    return [(Mock(guest, int(number)), Region(name, mode, decoder, int(size, 0)))
            for name, mode, decoder, size, number in re.findall(
                r"^(\S+) (\S+) (\S+) (\S+) \S+/cxl_mem\.(\d+)/\S+$", output,
                re.MULTILINE)]


def check_sides_agree(mock, region):
    """Account and host hold the same in a region; a moment is allowed for work
    under way."""
    def agree():
        try:
            mock.check_agreement(region)
        except GuestError:
            return False
        return True

    try:
        mock.guest.until("agreement", agree, 5)
    except GuestError:
        mock.check_agreement(region)


def clean_up_mock(guest):
    """Both sides agree, and no fault was committed; remove the regions, which
    gives back all that they hold; then the devices are as after power-on."""
    if not guest.exists(DEBUGFS):
        return
    mocks = [Mock(guest, number) for number in DEVICES]
    lent = lent_to(guest)
    for mock, region in lent:
        check_sides_agree(mock, region)
    places = [(mock, region_base(guest, region), region) for mock, region in lent]
    for name in sorted(dynamic_regions(guest), key=guest.region_start,
                       reverse=True):
        guest.destroy_region(name)
    for mock, base, region in places:
        check_equal([held for held in mock.ranges()
                     if held[0] < base + region.size and sum(held) > base], [],
                    f"{mock.name}: still lent where {region.name} was")
    problems = guest.sh(
        f"cd {DEBUGFS} && grep -H 'total [^0]' */faults; "
        "grep -H . */pending; true")
    guest.sh("".join(f"echo 1 > {mock.dir}/reset\n" for mock in mocks))
    if problems:
        raise GuestError(f"the devices complain: {problems}")
