# SPDX-License-Identifier: GPL-2.0-only
"""What user space is told, and what it may not do; machines without DC."""

import re
from contextlib import contextmanager

from costs import BLOCK, blocks
from guest import CXL, MODULES, seed_device
from lending import ask_back, dc_region, lend, take_back
from mock import (BASE, EVENT_UUID, NULL_TAG, POWER_ON_TAG, RECORD, Held, Mock,
                  event_record)
from testlib import check, check_equal, test
from users import dc_events, listen
from vm import MIB

TRACING = "/sys/kernel/tracing"
RAW_ALLOW_ALL = "/sys/kernel/debug/cxl/mbox/raw_allow_all"


def check_events(t, expected):
    """User space has heard of just these, each with a tag and who is waited for."""
    t.guest.until("the last uevent",
                  lambda: len(dc_events(t.guest)) >= len(expected))
    check_equal(dc_events(t.guest, "UUID", "WAITS_FOR"), expected, "uevents")


@test()
def uevents(t):
    """User space hears when capacity comes, is asked for, and goes."""
    listen(t.guest)
    region = dc_region(t)
    extent = (4 * BLOCK, 2 * BLOCK)
    lend(t, region, [extent])
    device = seed_device(t.guest, region)
    name = device.claim()
    ask_back(t, region, [extent])
    t.guest.wait_state(name, "release-pending")
    device.give_back()
    t.guest.wait_ranges(region, [])
    check_events(t, [("add", *extent, NULL_TAG, None),
                     ("release-request", *extent, NULL_TAG, device.name),
                     ("released", *extent, NULL_TAG, None)])


@contextmanager
def traced(t):
    """What cxl_dynamic_capacity traces meanwhile: lines, all there at the end."""
    lines = []
    event = f"{TRACING}/events/cxl/cxl_dynamic_capacity/enable"
    t.guest.write(event, "1")
    t.guest.sh(f"echo > {TRACING}/trace")
    yield lines
    t.guest.write(event, "0")
    lines += re.findall(r"cxl_dynamic_capacity: (.*)",
                        t.guest.read(f"{TRACING}/trace"))
    t.guest.sh(f"echo > {TRACING}/trace")


@test()
def trace_event_for_each_record(t):
    """The trace event cxl_dynamic_capacity is one line a record."""
    region = dc_region(t)
    with traced(t) as lines:
        lend(t, region, blocks(5, stride=2))
        take_back(t, region, blocks(5, stride=2))
    for line in lines[:1] + lines[-1:]:
        t.note(line)
    check_equal(len(lines), 10, "trace lines of 5 adds and 5 releases")


def trace_fields(line):
    """A line of the trace in its three parts, the device, the record's header and
    the rest: [{name: value}]."""
    return [{name: value.strip("'") for name, value in
             re.findall(r"(\w+)=(.*?)(?= \w+=|$)", part)}
            for part in line.split(" : ")]


# What a record has beside its type, its extent and flags: name in the trace, offset,
# length, value, and how it is shown.
HEADER = (
    ("len", 0x10, 1, 128, "128"),
    ("flags", 0x11, 3, 0x184,
     "PERMANENT_CONDITION | LD_ID_VALID | HEAD_ID_VALID"),
    ("handle", 0x14, 2, 0xa1b2, "a1b2"),
    ("related_handle", 0x16, 2, 0xc3d4, "c3d4"),
    ("time", 0x18, 8, 0x1122334455667788, str(0x1122334455667788)),
    ("maint_op_class", 0x20, 1, 201, "201"),
    ("maint_op_sub_class", 0x21, 1, 202, "202"),
    ("ld_id", 0x22, 2, 0xe5f6, "e5f6"),
    ("head_id", 0x24, 1, 0xab, "ab"),
)
REST = (
    ("host_id", 0x32, 2, 54321, "54321"),
    ("region_id", 0x34, 1, 203, "203"),
    ("extents_available", 0x78, 4, 0xfedcba98, str(0xfedcba98)),
    ("tags_available", 0x7c, 4, 0x89abcdef, str(0x89abcdef)),
)


def shown(fields):
    """The fields as the trace has them: {name: text}."""
    return {name: text for name, _, _, _, text in fields}


def filled_record(kind, validity):
    """A record of which every field has a value of its own, in hexadecimal."""
    record = bytearray.fromhex(event_record(kind, Held(BASE, BLOCK)))
    for _, offset, length, value, _ in HEADER + REST:
        record[offset:offset + length] = value.to_bytes(length, "little")
    record[0x31] = validity
    return record.hex()


@test()
def trace_event_shows_all(t):
    """The trace has of a record what the driver makes no use of, too: the header,
    the host and the region that it is about, and how much is left."""
    kinds = ((3, 1, "Region Configuration Updated", "EXTENTS AVAILABLE"),
             (4, 2, "Add capacity response", "TAGS AVAILABLE"),
             (5, 3, "Capacity released", "EXTENTS AVAILABLE|TAGS AVAILABLE"),
             (77, 0, "0x4d", ""))
    t.guest.sh("modprobe cxl_dc_record")
    records = " ".join(filled_record(kind, valid) for kind, valid, _, _ in kinds)
    with traced(t) as lines:
        t.guest.write(f"{RECORD}/record", f"{t.guest.memdev()} {records}")
    check_equal(len(lines), len(kinds), "lines")
    for line, (_, _, event_type, flags) in zip(lines, kinds):
        device, header, rest = trace_fields(line)
        check_equal(device, {"memdev": t.guest.memdev(), "host": t.guest.pci_name(),
                             "serial": "1234", "log": "DCD"},
                    f"{event_type}: device")
        check_equal(header, {"uuid": str(EVENT_UUID), **shown(HEADER)},
                    f"{event_type}: header")
        for name, value in {"event_type": event_type, "validity_flags": flags,
                            **shown(REST)}.items():
            check_equal(rest[name], value, f"{event_type}: {name}")
    t.guest.sh("rmmod cxl_dc_record")


@test()
def raw_mailbox_is_closed(t):
    """Nobody answers offers or releases memory behind the driver's back, not
    even with every raw command allowed."""
    region = dc_region(t)
    lend(t, region, blocks(1))
    node = f"/dev/cxl/{t.guest.memdev()}"
    for allow in ("N", "Y"):
        t.guest.write(RAW_ALLOW_ALL, allow)
        for opcode in ("0x4802", "0x4803"):
            _, answer = t.vm.run(f"mboxraw send {node} {opcode}")
            check_equal(answer, "refused EPERM",
                        f"raw {opcode}, raw_allow_all={allow}")
    t.guest.write(RAW_ALLOW_ALL, "N")
    t.guest.wait_ranges(region, blocks(1))


@test()
def statistics_count(t):
    """The statistics in debugfs count a chain and its commands."""
    before = t.guest.counters()
    check(before, "debugfs dynamic_capacity shows no counter")
    region = dc_region(t)
    lend(t, region, blocks(3))
    after = t.guest.counters()
    changed = {name: after[name] - before.get(name, 0) for name in after
               if after[name] != before.get(name, 0)}
    t.note(f"one chain of 3 counts as {changed}")
    for name, count in {"records": 3, "records add": 3, "accepted": 3,
                        "chains": 1, "command 4802h": 1}.items():
        check_equal(changed.get(name, 0), count, f"the counter '{name}'")


@test("plain")
def plain_device_unchanged(t):
    """A memory device without Dynamic Capacity is what it was: one RAM
    partition, no trace of DC, a region that holds data."""
    guest = t.guest
    check(not guest.exists(guest.partition("dynamic_ram_1")),
          "a partition is shown that the device does not have")
    check_equal(guest.refusal(
        f"{CXL}/{guest.free_endpoint_decoder()}/mode", "dynamic_ram_1"),
        "EINVAL", "decoder mode without the partition")
    region = guest.create_region("ram")
    device = seed_device(guest, region)
    check_equal(device.size(), 512 * MIB, "size")
    device.bind()
    check_equal(device.mem("write", 8 * MIB, 2 * BLOCK, 4), "written", "write")
    check_equal(device.mem("verify", 8 * MIB, 2 * BLOCK, 4), "verified",
                "verify")
    check_equal(device.mem("touch", 512 * MIB), "SIGBUS", "beyond the end")
    device.unbind()


@test("plain")
def plain_region_is_not_sparse(t):
    """An ordinary region's device has nothing to claim, and can't."""
    device = seed_device(t.guest, t.guest.create_region("ram"))
    uuid = device.attribute("uuid")
    check_equal(t.guest.read(uuid), NULL_TAG, "uuid")
    check_equal(t.vm.run(f"attr {uuid} 0"), (2, "open EACCES"), "write to uuid")
    check(not t.guest.exists(device.attribute("extent")), "extent is there")


@test("plain")
def plain_device_kmem(t):
    """An ordinary region still becomes system RAM by itself."""
    region = t.guest.create_region("ram")
    t.guest.load(["kmem"])
    driver = f"/sys/bus/dax/devices/{region.seed}/driver"
    t.guest.until("kmem", lambda: t.guest.exists(driver))
    check_equal(t.guest.sh(f"basename $(readlink {driver})"), "kmem",
                "driver of an ordinary region")
    check("System RAM (kmem)" in t.guest.read("/proc/iomem"), "no system RAM")
    t.guest.sh(f"echo {region.seed} > /sys/bus/dax/drivers/kmem/unbind")
    t.guest.sh("rmmod kmem")


@test("plain")
def plain_device_reload(t):
    """Unloading and loading everything brings an ordinary device back."""
    t.guest.unload_all()
    t.guest.load()
    t.guest.create_region("ram")


@test("none", loaded=False)
def no_cxl_device(t):
    """A machine without any CXL device boots, loads and unloads all the
    modules, and shows no device."""
    t.guest.load(MODULES + ("kmem", "fsdev_dax"))
    check_equal(t.guest.names(CXL, "mem*"), [], "memory devices")
    t.guest.unload_all()


def kunit_cases(results):
    """The cases of one suite's results: [(name, passed, skip reason)]."""
    return [(match[2], match[1] == "ok", match[3]) for match in re.finditer(
        r"^    (ok|not ok) \d+ (\S+)(?: # SKIP ?(.*))?", results,
        re.MULTILINE)]


def kunit_suites(tree):
    """The names of the suites that a kernel tree has."""
    return sorted(name for path in
                  (tree / "drivers/cxl/core/tests").glob("*_kunit.c")
                  for name in re.findall(
                      r"struct kunit_suite \w+ = {\s+\.name = \"(\w+)\"",
                      path.read_text(encoding="utf-8")))


def check_suite(suite, results):
    """Every case of a suite that was planned ran, and the suite ended well."""
    plan = re.search(r"^    1\.\.(\d+)$", results, re.MULTILINE)
    check(plan, f"{suite} has no plan")
    check_equal(len(kunit_cases(results)), int(plan[1]), f"cases of {suite}")
    check(results.splitlines()[-1].startswith("ok "), f"{suite} failed")


@test("none", loaded=False)
def kunit(t):
    """The KUnit suites of the tree run as modules, with every case that they
    have; each case is counted."""
    t.vm.sh("modprobe cxl_dcd_kunit", 300)
    directory = "/sys/kernel/debug/kunit"
    found = {suite: t.guest.read(f"{directory}/{suite}/results")
             for suite in t.guest.names(directory, "*")}
    for suite, results in found.items():
        for name, passed, skip in kunit_cases(results):
            t.result(f"kunit.{suite}.{name}", None if passed else results,
                     skip=skip)
    check(found, "no KUnit suite ran")
    check_equal(sorted(found), kunit_suites(t.vm.build / "linux"), "suites")
    for suite, results in found.items():
        check_suite(suite, results)
    t.guest.sh("rmmod cxl_dcd_kunit")


def traced_record(line):
    """A record in the trace, as the mock would name it: (memory device, kind,
    extent, flags)."""
    device, _, rest = trace_fields(line)
    return (device["memdev"], rest["event_type"],
            Held(int(rest["starting_dpa"], 16), int(rest["length"], 16),
                 rest["tag"], int(rest["shared_extent_sequence"])),
            rest["flags"])


@test("mock")
def trace_event_fields(t):
    """The trace has each record as the device sent it: its kind, the extent with
    tag and sequence number, and whether the chain goes on."""
    mock, other = Mock(t.guest, 0), "12345678-9abc-4def-8123-456789abcdef"
    mock.create_region()
    last, taken, first = (Held(BASE + 8 * BLOCK, 2 * BLOCK, other, 1),
                          Held(BASE + 4 * BLOCK, BLOCK, POWER_ON_TAG, 0),
                          Held(BASE, BLOCK, other, 0))
    with traced(t) as lines:
        mock.chain([last, taken, first])
        mock.chain([first, last], "release")
        mock.chain([taken], "force")
    check_equal([traced_record(line) for line in lines],
                [(mock.memdev(), kind, extent, flags) for kind, extent, flags in (
                    ("Add capacity", last, "More"),
                    ("Add capacity", taken, "More"),
                    ("Add capacity", first, ""),
                    ("Release capacity", first, "More"),
                    ("Release capacity", last, ""),
                    ("Forced capacity release", taken, ""))], "records")


@test("mock")
def uevents_of_an_allocation(t):
    """Each extent of a tag has uevents of its own, which name the tag, and the
    device that has all of them."""
    mock, tag = Mock(t.guest, 1), "12345678-9abc-4def-8123-456789abcdef"
    region = mock.create_region()
    listen(t.guest)
    extents = [Held(BASE + 4 * BLOCK, 2 * BLOCK, tag), Held(BASE, BLOCK, tag)]
    mock.chain(extents)
    device = seed_device(t.guest, region)
    t.guest.write(device.attribute("uuid"), tag)
    mock.chain(extents[:1], "release")
    device.give_back()
    check_events(t, [(event, extent.start - BASE, extent.length, tag, waits_for)
                     for event, waits_for in (("add", None),
                                              ("release-request", device.name),
                                              ("released", None))
                     for extent in extents])
