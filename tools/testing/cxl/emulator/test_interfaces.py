# SPDX-License-Identifier: GPL-2.0-only
"""What user space is told, and what it may not do; machines without DC."""

import re

from costs import BLOCK, blocks
from guest import CXL, MODULES, seed_device
from lending import ask_back, dc_region, lend, take_back
from mock import BASE, POWER_ON_TAG, Held, Mock
from testlib import check, check_equal, test
from users import dc_events, listen
from vm import MIB

TRACING = "/sys/kernel/tracing"
RAW_ALLOW_ALL = "/sys/kernel/debug/cxl/mbox/raw_allow_all"


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
    expected = [(event, *extent)
                for event in ("add", "release-request", "released")]
    t.guest.until("the last uevent", lambda: len(dc_events(t.guest)) >= 3)
    check_equal(dc_events(t.guest), expected, "uevents")


@test()
def trace_event_for_each_record(t):
    """The trace event cxl_dynamic_capacity is one line a record."""
    event = f"{TRACING}/events/cxl/cxl_dynamic_capacity/enable"
    t.guest.write(event, "1")
    t.guest.sh(f"echo > {TRACING}/trace")
    region = dc_region(t)
    lend(t, region, blocks(5, stride=2))
    take_back(t, region, blocks(5, stride=2))
    t.guest.write(event, "0")
    lines = re.findall(r"cxl_dynamic_capacity: .*",
                       t.guest.read(f"{TRACING}/trace"))
    t.guest.sh(f"echo > {TRACING}/trace")
    for line in lines[:1] + lines[-1:]:
        t.note(line)
    check_equal(len(lines), 10, "trace lines of 5 adds and 5 releases")


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
def plain_device_kmem(t):
    """An ordinary region still becomes system RAM by itself."""
    region = t.guest.create_region("ram")
    t.guest.load(["kmem"])
    driver = f"/sys/bus/dax/devices/{region.seed}/driver"
    t.guest.until("kmem", lambda: t.guest.exists(driver))
    check_equal(t.guest.sh(f"basename $(readlink {driver})"), "kmem",
                "driver of an ordinary region")
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


def traced_records(text):
    """The records in a trace, as the mock would name them: [(memory device, kind,
    extent, flags)]."""
    return [(match[1], match[2], Held(int(match[3], 16), int(match[4], 16),
                                      match[5], int(match[6])), match[7])
            for match in re.finditer(
                r"cxl_dynamic_capacity: memdev=(\S+) .* : event_type='(.*?)' .*"
                r"starting_dpa=(\w+) length=(\w+) tag=(\S+) "
                r"shared_extent_sequence=(\d+) flags='(.*?)' ", text)]


@test("mock")
def trace_event_fields(t):
    """The trace has each record as the device sent it: its kind, the extent with
    tag and sequence number, and whether the chain goes on."""
    mock, other = Mock(t.guest, 0), "12345678-9abc-4def-8123-456789abcdef"
    mock.create_region()
    last, taken, first = (Held(BASE + 8 * BLOCK, 2 * BLOCK, other, 1),
                          Held(BASE + 4 * BLOCK, BLOCK, POWER_ON_TAG, 0),
                          Held(BASE, BLOCK, other, 0))
    event = f"{TRACING}/events/cxl/cxl_dynamic_capacity/enable"
    t.guest.write(event, "1")
    t.guest.sh(f"echo > {TRACING}/trace")
    mock.chain([last, taken, first])
    mock.chain([first, last], "release")
    mock.chain([taken], "force")
    t.guest.write(event, "0")
    found = traced_records(t.guest.read(f"{TRACING}/trace"))
    t.guest.sh(f"echo > {TRACING}/trace")
    check_equal(found, [(mock.memdev(), kind, extent, flags)
                        for kind, extent, flags in (
                            ("Add capacity", last, "More"),
                            ("Add capacity", taken, "More"),
                            ("Add capacity", first, ""),
                            ("Release capacity", first, "More"),
                            ("Release capacity", last, ""),
                            ("Forced capacity release", taken, ""))], "records")
