# SPDX-License-Identifier: GPL-2.0-only
"""The administrator's guide and the ABI files: what they say is tried.

The guide's commands are run as they stand there, with the names that things have here,
and must print what the guide shows. Those of cxl and daxctl are in test_tools.py.
"""

import re

from command import Watcher
from guest import CXL, DAX, Region, seed_device
from lending import dc_region, lend
from testlib import check, check_equal, test
from users import POLICY
from vm import MIB, build_directory

DOCUMENTATION = build_directory() / "linux" / "Documentation"
GUIDE = DOCUMENTATION / "admin-guide/mm/cxl-dynamic-capacity.rst"
LENT = [(0, 256 * MIB), (512 * MIB, 256 * MIB)]
TOOLS = {"dcd", "cxl", "daxctl"}


def blocks(section):
    """The literal blocks of a section with commands: [[(command, output), ...]]."""
    text = GUIDE.read_text()
    begin = re.search(rf"^{re.escape(section)}\n=+\n", text, re.MULTILINE)
    check(begin, f"no section '{section}' in {GUIDE.name}")
    end = re.search(r"^.+\n={4,}\n", text[begin.end():], re.MULTILINE)
    body = text[begin.end():][:end.start() if end else None]
    return [[(part.split("\n")[0], part.split("\n")[1:])
             for part in re.sub("^  ", "", block.rstrip(), flags=re.MULTILINE)[2:]
             .split("\n# ")]
            for block in re.findall(r"::\n\n((?:  # .*\n)(?:  .*\n|\n(?=  ))*)", body)]


def block(section, word, tool=None):
    """The one block of a section that has a word in its commands, and uses this tool,
    or none."""
    wanted = {tool} - {None}
    found = [entry for entry in blocks(section)
             if any(word in command for command, _ in entry)
             and TOOLS & {command.split()[0] for command, _ in entry} == wanted]
    check_equal(len(found), 1, f"blocks with '{word}' in '{section}'")
    return found[0]


class Reader:
    """Somebody who types what the guide says."""

    def __init__(self, t):
        self.t = t
        self.directory = "/"
        root = f"{CXL}/{t.guest.root_decoder()}"
        self.region = Region(
            t.guest.read(f"{root}/create_dynamic_ram_1_region"), "dynamic_ram_1",
            t.guest.free_endpoint_decoder(), 0)
        number = self.region.number
        self.names = {"mem0": t.guest.memdev(), "region0": self.region.name,
                      "dax_region0": f"dax_region{number}",
                      "decoder2.0": self.region.decoder,
                      "dax0.0": f"dax{number}.0", "dax0.1": f"dax{number}.1",
                      "extent0.0": f"extent{number}.0", "extent0.1": f"extent{number}.1"}

    def translate(self, text):
        """The names of here for those of the guide."""
        words = sorted(map(re.escape, self.names), key=len, reverse=True)
        return re.sub(rf"\b(?:{'|'.join(words)})\b",
                      lambda word: self.names[word[0]], text)

    def watch(self, command, expected, happen):
        """Run `dcd watch` and have something happen; compare what it prints."""
        watcher = Watcher(self.t.guest, command.removeprefix("dcd watch "))
        happen()
        check_equal(watcher.status(), 0, f"status of {command}")
        check_equal([watcher.said(), *watcher.lines()],
                    [self.translate(line) for line in expected], command)

    def type(self, command, expected):
        """Run a command; compare what it prints, if the guide shows anything."""
        command = self.translate(command)
        output = self.t.guest.sh(
            f"cd {self.directory} && {command} && pwd >/tmp/guide.directory")
        self.directory = self.t.guest.read("/tmp/guide.directory")
        if expected:
            check_equal(output, self.translate("\n".join(expected)).rstrip(), command)

    def follow(self, section, word, tool=None):
        """Run a block."""
        for command, expected in block(section, word, tool):
            self.type(command, expected)


@test()
def guide_to_mapped_memory(t):
    """What the guide says, from the device to mapped memory and back."""
    reader = Reader(t)
    reader.follow("Is the device a DCD?", "grep")
    reader.follow("Make a region", "commit")
    t.guest.wait_dax(reader.region)
    lend(t, reader.region, LENT)
    reader.follow("Make a region", "available_size")
    reader.follow("Claim memory", "uuid")
    reader.follow("Map memory", "new_id")
    device = seed_device(t.guest, reader.region)
    t.guest.until(device.node, lambda: t.guest.exists(device.node))
    check_equal(device.mem("write", 0, 4 * MIB, 36), "written", "write")
    check_equal(device.mem("verify", 0, 4 * MIB, 36), "verified", "verify")
    reader.follow("Give it back", "device_dax/unbind")
    check_equal(t.guest.read(device.attribute("size")), "0", "size")
    reader.follow("Destroy the region", "unbind")
    check(not t.guest.exists(f"{CXL}/{reader.region.name}"), "the region is there")


@test()
def guide_to_system_ram(t):
    """What the guide says, from an extent to system RAM and back."""
    reader = Reader(t)
    region = dc_region(t)
    lend(t, region, LENT[:1])
    t.guest.sh("modprobe kmem")
    reader.directory = DAX
    seed_device(t.guest, region).claim()
    reader.follow("Have it as system RAM", "kmem/bind")
    reader.follow("Have it as system RAM", "echo unplugged")
    check_equal(t.guest.read(f"{DAX}/{region.seed}/state"), "online_movable", "state")
    reader.follow("Give it back", "kmem/unbind")
    check_equal(t.guest.read(f"{DAX}/{region.seed}/size"), "0", "size")
    t.guest.write(POLICY, "offline")
    t.guest.sh("rmmod kmem")


@test()
def guide_in_short(t):
    """The guide's summary, told by dcd."""
    reader = Reader(t)
    t.guest.sh("modprobe kmem")
    summary, = blocks("In short")
    for command, expected in summary:
        if command.startswith("dcd watch"):
            reader.watch(command, expected,
                         lambda: lend(t, reader.region, LENT[:1]))
        else:
            reader.type(command, expected)
    t.guest.sh("rmmod kmem")


def described():
    """What the ABI files describe: {path: "RO", "RW" or "WO"}."""
    found, paths = {}, []
    for name in ("sysfs-bus-cxl", "sysfs-bus-dax"):
        for line in (DOCUMENTATION / "ABI/testing" / name).read_text().splitlines():
            access = re.match(r"(?:Description:)?\s+\((RO|RW|WO)\b", line)
            if line.startswith("What:"):
                paths.append(line.split(None, 1)[1])
            elif line.startswith("Description:"):
                found.update(dict.fromkeys(paths))
            if access and paths:
                found.update(dict.fromkeys(paths, access[1]))
            if access or not line.strip():
                paths = []
    return found


def attributes(t, directory, pattern="*"):
    """The attributes in a directory, and who may use them: {name: "RO", ...}."""
    modes = {"444": "RO", "400": "RO", "644": "RW", "600": "RW", "200": "WO"}
    lines = t.guest.sh(f"cd {directory}; for f in {pattern}; do "
                       "[ -f $f ] && stat -c '%a %n' $f; done; true").splitlines()
    return {name: modes[mode] for mode, name in map(str.split, lines)
            if name not in ("dev", "modalias", "uevent")}


@test()
def every_attribute_is_described(t):
    """Each attribute of what Dynamic Capacity brings, and of a DAX device, is in the
    ABI files, as readable and writable as it is."""
    region = dc_region(t)
    lend(t, region, LENT[:1])
    extent, = t.guest.extents()
    known = described()
    for directory, pattern, what in (
            (t.guest.partition("dynamic_ram_1"), "*",
             "/sys/bus/cxl/devices/memX/dynamic_ram_N"),
            (f"{CXL}/{t.guest.root_decoder()}", "*dynamic_ram*",
             "/sys/bus/cxl/devices/decoderX.Y"),
            (f"{region.dax_region}/{extent.name}", "*",
             "/sys/bus/cxl/devices/dax_regionX/extentX.Y"),
            (f"{DAX}/{region.seed}", "*", "/sys/bus/dax/devices/daxX.Y")):
        found = attributes(t, directory, pattern)
        check(found, f"no attribute in {directory}")
        for name, access in found.items():
            path = f"{what}/" + re.sub(r"ram_\d", "ram_N", name)
            check_equal(known.get(path), access, path)
