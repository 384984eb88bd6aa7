# SPDX-License-Identifier: GPL-2.0-only
"""The mock DCD of cxl_test: that it is what it says, and strict."""

import re
import time
import uuid

from guest import CXL, REGION_DRIVER, Refused, parse_counters, seed_device
from lending import dc_region, extent_at, take_back
from mock import (ADD, BASE, DEBUGFS, DEVICES, INTERNAL_ERROR,
                  INVALID_ADDRESS, INVALID_INPUT, INVALID_LENGTH,
                  INVALID_LIST, NULL_TAG, ONE_RECORD, POWER_ON_TAG, RECORD, REFUSAL,
                  RELEASE, RETRY, TAGGED, UNTAGGED, Held, Mock, dynamic_regions,
                  event_record, load_mock)
from test_forced import check_dead
from test_interfaces import TRACING
from test_regions import offers_of_root_decoders, target_refused
from testlib import check, check_equal, test
from users import dc_events, listen
from vm import MIB, SLOWNESS

BLOCK = 2 * MIB
NO_REGION = "refused (no region maps it)"

# Of the driver: so many Get Event Records in a row, then so many seconds of rest.
DRAIN_MAX, DRAIN_REST = 256, 1


def with_region(t, number=1, partition=1):
    """A device with a region; what it had to give back is not counted."""
    mock = Mock(t.guest, number)
    region = mock.create_region(partition)
    mock.check_clean(region)
    mock.clear()
    return mock, region


def unbound(t):
    """A device without a driver, of which the host holds nothing."""
    mock = Mock(t.guest, 2)
    mock.unbind()
    mock.do("account", f"-{BASE:#x}:{512 * MIB:#x}")
    return mock


def blocks(count, stride=2, start=BASE):
    """Extents of one block each, apart."""
    return [Held(start + i * stride * BLOCK, BLOCK) for i in range(count)]


def ranges(extents):
    """[(start, length)] of extents."""
    return [(extent.start, extent.length) for extent in extents]


def rc_of(opcode, mock):
    """Return codes of the commands of an opcode, in order."""
    return [rc for found, _, rc, _ in mock.responses() if found == opcode]


# What is there


@test(machine="mock")
def mock_modules_load_and_unload(t):
    """cxl_test goes and comes back; its devices are as after power-on."""
    mock = Mock(t.guest, 1)
    mock.do("account", "-0x80000000:0x20000000")
    check_equal(mock.account(), [], "account")
    t.guest.sh("rmmod cxl_test && rmmod cxl_mock_mem cxl_dc_record", 60)
    check(not t.guest.exists(DEBUGFS), "debugfs files are left behind")
    t.guest.sh("modprobe cxl_mock_mem && modprobe cxl_test && "
               "modprobe cxl_dc_record", 60)
    t.guest.until("the device", lambda: t.guest.exists(mock.dir), 30)
    check_equal(len(mock.account()), 2, "extents after power-on")
    t.guest.until("all devices", lambda: int(t.guest.sh(
        f"ls -d {CXL}/endpoint*/driver 2>/dev/null | wc -l")) >= 11, 30)


@test(machine="mock")
def mock_other_modules(t):
    """The other modules of cxl_test load and go, and cxl_test itself works in
    its other arrangement, without Dynamic Capacity's window."""
    for name in ("cxl_translate", "cxl_mock_accel"):
        t.guest.sh(f"modprobe {name} && rmmod {name}", 60)
    t.guest.sh("rmmod cxl_test && modprobe cxl_test interleave_arithmetic=1",
               60)
    t.guest.until("all devices", lambda: int(t.guest.sh(
        f"ls -d {CXL}/endpoint*/driver 2>/dev/null | wc -l")) >= 11, 30)
    check_equal(t.guest.read(f"{Mock(t.guest, 0).partition()}/sharable"), "1",
                "sharable")
    t.guest.sh("rmmod cxl_test", 60)
    load_mock(t.guest)


@test(machine="mock")
def mock_geometry(t):
    """Partitions, block sizes, flags, serial and first extents are as
    documented."""
    for number in DEVICES:
        mock = Mock(t.guest, number)
        part = mock.partition()
        check_equal(t.guest.number(f"{part}/size"), 512 * MIB, "size")
        check_equal(t.guest.number(f"{part}/block_size"), 512, "block size")
        check_equal(t.guest.read(f"{part}/sharable"), str(int(number == 0)),
                    "sharable")
        check_equal(t.guest.read(f"{part}/qos_class"), "42", "QoS class")
        check(mock.lines("partition")[0].startswith(
            "0 0x80000000 0x20000000 0x200 0xfa"), "the first partition")
        count = {3: 3, 5: 4, 7: 8}.get(number, 1)
        check_equal(len(t.guest.names(f"{CXL}/{mock.memdev()}",
                                      "dynamic_ram_*")), count, "partitions")
        expected = [] if number == 0 else [
            Held(*UNTAGGED), Held(*TAGGED, POWER_ON_TAG)]
        check_equal(mock.account(), expected, f"{mock.name}: first extents")
    sharer = Mock(t.guest, 0)
    check_equal(t.guest.number(f"{CXL}/{sharer.memdev()}/serial"), 0xDCDC,
                "serial")
    gap = Mock(t.guest, 3)
    check(gap.lines("partition")[2].startswith("2 0xc0000000"), "the gap")


@test(machine="mock")
def mock_partitions_without_regions(t):
    """Read-only and non-volatile partitions are shown; a region over one is
    refused, and one line says why; decoder and device are good for others."""
    mock = Mock(t.guest, 5)
    for name, expected in (("read_only", [0, 1, 0, 0]), ("sharable", [0, 0, 0, 1]),
                           ("size", [512 * MIB] + 3 * [256 * MIB])):
        check_equal([t.guest.number(f"{mock.partition(n)}/{name}")
                     for n in range(1, 5)], expected, name)
    root, decoder = mock.root_decoder(), mock.endpoint_decoder()
    for mode, obstacle in (("dynamic_ram_2", "read-only"),
                           ("dynamic_ram_3", "non-volatile")):
        name = t.guest.start_region(root, mode, 256 * MIB)
        begin = t.vm.mark_log(f"a region over {mode}")
        check_equal(target_refused(t.guest, name, decoder, mode, 256 * MIB),
                    "EOPNOTSUPP", obstacle)
        end = t.vm.mark_log("refused")
        lines = re.findall(r"(\S+: \S+ of .* is not supported)",
                           t.vm.log()[begin:end])
        check_equal(lines, [f"{name}: {mode} of {mock.name}, {obstacle}, "
                            "is not supported"], "the log")
        t.guest.write(f"{CXL}/{root}/delete_region", name)
    region = mock.create_region(4)
    check_equal(region.decoder, decoder, "the decoder of the next region")
    mock.chain([Held(0xc0000000, BLOCK, POWER_ON_TAG)])
    check_equal(t.guest.ranges(region), [(0, BLOCK)], "held")
    mock.check_clean(region)


@test(machine="mock")
def mock_ordinary_device_is_none(t):
    """A device that is no DCD has no partition, file or command of one."""
    for name in ("cxl_mem.8", "cxl_mem.9", "cxl_rcd.10"):
        path = f"/sys/bus/platform/devices/{name}"
        memdev = t.guest.names(path, "mem*")[0]
        check(not t.guest.exists(f"{CXL}/{memdev}/dynamic_ram_1"), "partition")
        check(not t.guest.exists(f"{path}/dc_inject_extent"), "inject file")
        check(not t.guest.exists(f"{DEBUGFS}/{name}"), "debugfs")
        check_equal(t.guest.number(f"{CXL}/{memdev}/ram/size"),
                    2048 * MIB if "rcd" in name else 1024 * MIB, "ram")


@test(machine="mock")
def mock_root_decoders(t):
    """Dynamic Capacity is offered by the root decoders that offer regions of
    ordinary memory, and by no other."""
    offers = offers_of_root_decoders(t.guest)
    t.note(f"root decoders, and whether they offer it: {offers}")
    check_equal(set(offers.values()), {True, False}, "offered, and not offered")


def check_static_only(t, mock):
    """Nothing of Dynamic Capacity is to be seen of a device, and its static memory
    is there."""
    memdev = mock.memdev()
    check_equal(t.guest.names(f"{CXL}/{memdev}", "dynamic_ram_*"), [],
                "partitions")
    check(not t.guest.exists(statistics_file(mock)), "statistics are there")
    check_equal(t.guest.number(f"{CXL}/{memdev}/ram/size"), 1024 * MIB, "ram")


def bound_anew(t, mock):
    """Bind a driver anew; what it says of Dynamic Capacity."""
    begin = t.vm.mark_log("to be bound anew")
    mock.rebind()
    end = t.vm.mark_log("bound anew")
    return re.findall(rf"{mock.name}: Dynamic Capacity (.*\))",
                      t.vm.log()[begin:end])


@test(machine="mock")
def mock_fault_disables_nothing_else(t):
    """A configuration that can't be read, and an interrupt that can't be had,
    disable Dynamic Capacity, with one line that says why, and nothing else: a region
    of static memory can be made. Bound anew without the fault, the device lends
    memory."""
    mock = Mock(t.guest, 3)
    for name, fault, mended, reason in (
            ("fail", f"4800h 1 {RETRY} before 2", "none",
             "can't use its configuration (-6)"),
            ("quirk/no_irq", 1, 0, "no interrupt for its event log (-19)")):
        mock.do(name, fault)
        check_equal(bound_anew(t, mock), [f"disabled: {reason}"], "the log")
        check_equal(mock.lines("fail"), [], "commands that are still to fail")
        check_static_only(t, mock)
        region = t.guest.make_region(mock.root_decoder(), mock.endpoint_decoder(),
                                     "ram", 256 * MIB)
        t.guest.destroy_region(region.name)
        mock.do(name, mended)
    mock.rebind()
    mock.check_clean(mock.create_region())


@test(machine="mock")
def mock_lists_not_all_commands(t):
    """A device whose Command Effects Log lacks some of the four commands is no
    DCD: none of them is sent, and nothing is said."""
    mock = Mock(t.guest, 3)
    for listed in range(4):
        mock.quirk("commands_listed", listed)
        mock.clear()
        check_equal(bound_anew(t, mock), [], f"{listed} commands: the log")
        check_static_only(t, mock)
        check_equal([opcode for opcode in mock.counters("commands")
                     if opcode.startswith("48")], [], f"{listed} commands: sent")
    mock.quirk("commands_listed", 4)
    mock.rebind()
    check(t.guest.exists(mock.partition(3)), "no DCD with all commands")


@test(machine="mock")
def mock_two_regions_at_once(t):
    """Two devices below the same window, and one below the other, have
    regions at the same time."""
    for number in (1, 3, 0):
        mock = Mock(t.guest, number)
        mock.check_clean(mock.create_region())


@test(machine="mock")
def mock_partition_behind_a_gap(t):
    """Extents of a partition behind a gap are offered and taken."""
    mock, region = with_region(t, 3, 3)
    extents = blocks(3, start=0xc0000000)
    mock.chain(extents)
    check_equal(t.guest.ranges(region),
                [(held.start - 0xc0000000, BLOCK) for held in extents], "held")
    mock.check_clean(region)


# Account


@test(machine="mock")
def mock_inject_and_delete(t):
    """An offer is accepted and shown when the write returns; deleted, it is
    gone from both sides."""
    mock, region = with_region(t)
    before = mock.ranges()
    mock.inject(BASE, 4 * BLOCK)
    check((0, 4 * BLOCK) in t.guest.ranges(region), "not shown")
    check((BASE, 4 * BLOCK) in mock.ranges(), "not in the account")
    mock.check_clean(region)
    mock.delete(BASE, 4 * BLOCK)
    check_equal(mock.ranges(), before, "account")
    mock.check_clean(region)
    check_equal(mock.counters("commands")["4803h"], 1, "releases")


@test(machine="mock")
def mock_chain_through_sysfs(t):
    """Records with more=1 are one group, answered once when it closes."""
    mock, region = with_region(t)
    mock.inject(BASE, BLOCK, more=1)
    mock.inject(BASE + 4 * BLOCK, BLOCK, more=1)
    check_equal(len(mock.pending()), 2, "offers")
    check_equal(mock.responses(), [], "answers to an open group")
    mock.inject(BASE + 2 * BLOCK, BLOCK, more=0)
    check_equal(mock.responses(), [("4802", 0, 0, [
        (BASE, BLOCK), (BASE + 4 * BLOCK, BLOCK), (BASE + 2 * BLOCK, BLOCK)])],
                "answers")
    mock.check_clean(region)


@test(machine="mock")
def mock_refused_and_unknown_write_successfully(t):
    """A refused offer and a delete of what is not held are written without an
    error, and change nothing; nonsense is refused."""
    mock, region = with_region(t)
    before = mock.ranges()
    mock.inject(UNTAGGED[0] - BLOCK, 2 * BLOCK)
    mock.inject(BASE + 600 * MIB, BLOCK)
    mock.inject(BASE + 512, BLOCK)
    check_equal(mock.responses(), [REFUSAL] * 3, "answers")
    mock.clear()
    mock.inject(*UNTAGGED)
    check_equal(mock.responses(), [("4802", 0, INVALID_ADDRESS, [UNTAGGED]),
                                   REFUSAL], "answers to what is held")
    mock.clear()
    event = f"{TRACING}/events/cxl/cxl_dynamic_capacity/enable"
    t.guest.sh(f"echo > {TRACING}/trace; echo 1 > {event}")
    mock.delete(BASE, BLOCK)
    t.guest.write(event, 0)
    check_equal(len(re.findall(r" cxl_dynamic_capacity: ",
                               t.guest.read(f"{TRACING}/trace"))), 1,
                "trace lines of an idle release")
    check_equal(mock.responses(), [], "answer to an idle release")
    for text in ("", "1", "1:2", "x:1::0", "1:2:nonsense:0", "1:2::maybe"):
        check_equal(t.guest.refusal(f"{mock.platform}/dc_inject_extent", text),
                    "EINVAL" if text else None, f"'{text}'")
    check_equal(mock.ranges(), before, "account")
    mock.check_clean(region)


@test(machine="mock")
def mock_rebind_keeps_and_recovers(t):
    """What the host gave back at unbind is gone; what it never took over is
    still held after bind, and a region finds it."""
    mock = Mock(t.guest, 1)
    before = mock.account()
    mock.rebind()
    check_equal(mock.account(), before, "account without a region")
    region = mock.create_region()
    check((UNTAGGED[0] - BASE, UNTAGGED[1]) in t.guest.ranges(region),
          "the first extent was not recovered")
    mock.check_clean(region)


@test(machine="mock")
def mock_small_payload_splits(t):
    """With a payload of 256 bytes, responses, releases and lists come in
    parts; both sides agree."""
    mock = Mock(t.guest, 7)
    mock.set_mailbox(256)
    check_equal(len(t.guest.names(f"{CXL}/{mock.memdev()}", "dynamic_ram_*")),
                8, "partitions read in parts")
    region = mock.create_region()
    mock.clear()
    extents = blocks(25)
    mock.chain(extents)
    parts = mock.responses()
    check_equal([(more, len(named)) for _, more, _, named in parts],
                [(1, 10), (1, 10), (0, 5)], "parts")
    check_equal(sum((named for *_, named in parts), []), ranges(extents),
                "order")
    mock.check_clean(region)
    mock.clear()
    mock.chain(extents, "release")
    check_equal([more for _, more, _, _ in mock.responses()], [1, 1, 0],
                "parts of the release")
    mock.check_clean(region)
    mock.chain(extents)
    t.guest.write(f"{REGION_DRIVER}/unbind", region.name)
    for held in blocks(25):
        mock.do("account", f"+{held}")
    mock.clear()
    t.guest.write(f"{REGION_DRIVER}/bind", region.name)
    check(mock.counters("commands")["4801h"] >= 5, "the list in one part")
    mock.check_clean(region)
    t.guest.destroy_region(region.name)
    mock.reset()
    mock.rebind()


def offer_while_bound(t, mock, region, listed, chain):
    """Bind a region's driver, and offer a chain when so many parts of the list are
    read. How many are read by then."""
    return int(t.guest.sh(f"""
echo {region.name} > {REGION_DRIVER}/bind &
found=0
while [ $found -lt {listed} ]; do
	while read opcode count; do
		[ $opcode != 4801h ] || found=$count
	done < {mock.dir}/commands
done
echo '{chain[0]} {chain[1]}' > {mock.dir}/chain
wait
echo $found""", 60))


@test(machine="mock")
def mock_offer_while_extents_are_listed(t):
    """A chain that comes while the driver reads what the device lists for a region
    waits for its turn and is accepted; one that comes before is accepted or
    refused. Both sides agree each time."""
    mock = Mock(t.guest, 7)
    mock.set_mailbox(256)
    region = mock.create_region()
    listed, parts = " ".join(f"+{extent}" for extent in blocks(30)), 5
    mock.quirk("list_delay", int(10 * SLOWNESS))
    meanwhile, after = 0, statistics(mock)
    for number in range(2 * parts):
        before, part = after, number % parts
        t.guest.write_all([(f"{REGION_DRIVER}/unbind", region.name),
                           (f"{mock.dir}/account", listed),
                           (f"{mock.dir}/responses", 0),
                           (f"{mock.dir}/commands", 0)])
        chain = blocks(2, start=BASE + (2 * number + 1) * BLOCK)
        found = offer_while_bound(t, mock, region, part, chain)
        after = statistics(mock)
        (_, _, code, named), = mock.responses()
        check_equal(code, 0, "return code")
        check_equal(named if part else named or ranges(chain), ranges(chain),
                    f"accepted when {found} parts were read")
        check_equal({name: after[name] - before[name]
                     for name in ("chains", "accepted", NO_REGION)},
                    {"chains": 1, "accepted": len(named),
                     NO_REGION: 2 - len(named)}, "statistics")
        check_equal(after["recovered"] - before["recovered"], 30, "recovered")
        check_equal(mock.counters("commands")["4801h"], parts, "parts of the list")
        mock.check_clean(region)
        meanwhile += 0 < found < parts
    t.note(f"{meanwhile} of {2 * parts} chains came while the list was read")
    check(meanwhile >= parts, "too few chains came while the list was read")
    t.guest.destroy_region(region.name)
    mock.reset()
    mock.rebind()


# Strictness: the driver does none of this, so the test takes its place.


@test(machine="mock")
def mock_is_strict(t):
    """Responses and releases that break a rule get the return code that the
    rule has, count as a fault, and change nothing."""
    mock = unbound(t)
    first, second, third, *_ = offers = [(held.start, held.length)
                                         for held in blocks(4)]
    for add, extents, expected, kind in (
            (True, [first], INVALID_INPUT, "none-pending"),
            (None, [], 0, None),
            (True, [third], INVALID_INPUT, "order"),
            (True, [second, first], INVALID_INPUT, "order"),
            (True, [first, first], INVALID_LIST, "list"),
            (True, [(BASE + 100, 512)], INVALID_LIST, "list"),
            (True, [first, offers[3]], INVALID_ADDRESS, "not-offered"),
            (True, [(16, 512)], INVALID_ADDRESS, "not-offered"),
            (True, [first, second], 0, None),
            (True, [first], INVALID_ADDRESS, "double"),
            (False, [third], INVALID_ADDRESS, "not-held"),
            (False, [first, third], INVALID_ADDRESS, "not-held"),
            (False, [], INVALID_INPUT, "list"),
            (False, [first], 0, None),
            (False, [first], INVALID_ADDRESS, "not-held"),
            (True, [], 0, None)):
        if add is None:
            mock.chain(blocks(2))
            mock.chain(blocks(1, start=third[0]))
            continue
        found = mock.command("4802" if add else "4803", extents)
        check_equal((found, mock.fault_kinds()),
                    (expected, {kind} if kind else set()), f"{add} {extents}")
        mock.do("faults", 0)
    check_equal(mock.ranges(), [second], "account")
    check_equal(mock.command("4803", [second], count=2), INVALID_LENGTH,
                "return code")
    check_equal(mock.fault_kinds(), {"length"}, "faults")
    mock.reset()
    mock.bind()


@test(machine="mock")
def mock_answers_in_parts(t):
    """A response in parts takes effect with the last; a part that fails ends
    it; another command in between is a fault."""
    mock = unbound(t)
    extents = blocks(3)
    first, second, third = ranges(extents)
    mock.chain(extents)
    check_equal(mock.command("4802", [first], more=True), 0, "first part")
    check_equal(mock.ranges(), [], "account")
    check_equal(mock.command("4802", [first]), INVALID_INPUT, "once more")
    mock.do("faults", 0)
    check_equal(mock.command("4802", [first], more=True), 0, "first part")
    check_equal(mock.command("4802", [third]), 0, "last part")
    check_equal(mock.ranges(), [first, third], "account")
    mock.chain([extents[1]])
    check_equal(mock.command("4802", [second], more=True), 0, "first part")
    mock.command("4803", [first])
    check_equal(mock.fault_kinds(), {"unfinished"}, "faults")
    mock.reset()
    mock.bind()


@test(machine="mock")
def mock_counts_faults(t):
    """A response with no offer pending, an answer to what was not offered, and
    a release of what is not held are refused and counted."""
    mock, region = with_region(t)
    mock.do("open", f"{BASE:#x}:{BLOCK:#x}")
    mock.do("pending", "drop")
    mock.do("event", f"{ADD} {BASE + 8 * BLOCK:#x}:{BLOCK:#x}")
    check_equal(mock.fault_kinds(), {"none-pending"}, "faults")
    mock.do("faults", 0)
    mock.inject(BASE, BLOCK)
    mock.do("account", f"-{BASE:#x}:{BLOCK:#x}")
    mock.delete(BASE, BLOCK)
    check_equal(mock.fault_kinds(), {"not-held"}, "faults")
    mock.do("faults", 0)
    t.guest.destroy_region(region.name)
    mock.do("faults", 0)


# Misbehaviour


@test(machine="mock")
def mock_failures_on_demand(t):
    """The n-th next command fails, before or after it is processed; the
    driver and the device agree in the end."""
    mock, region = with_region(t)
    mock.fail("4803", RETRY)
    mock.inject(BASE, BLOCK)
    mock.delete(BASE, BLOCK)
    check_equal(rc_of("4803", mock), [RETRY, 0], "a release tried again")
    mock.check_clean(region)
    mock.fail("4802", INTERNAL_ERROR, nth=2, mode="drop")
    mock.inject(BASE, BLOCK)
    mock.inject(BASE + 2 * BLOCK, BLOCK)
    check_equal(rc_of("4802", mock)[-2:], [0, INTERNAL_ERROR], "responses")
    check((2 * BLOCK, BLOCK) not in t.guest.ranges(region), "shown")
    mock.check_clean(region)
    mock.clear()
    mock.fail("4802", INTERNAL_ERROR, mode="after")
    mock.inject(BASE + 4 * BLOCK, BLOCK)
    check((4 * BLOCK, BLOCK) not in t.guest.ranges(region), "shown")
    mock.check_clean(region)


@test(machine="mock")
def mock_lists_that_lie(t):
    """Wrong counts, and a generation that never settles while a long list is
    read: the region's driver is not bound, and nothing worse."""
    mock = Mock(t.guest, 1)
    mock.do("account", f"-{BASE:#x}:{512 * MIB:#x} " + " ".join(
        f"+{extent}" for extent in blocks(110)))
    before = mock.account()
    for name, lie, honest, errno in (
            ("list_returned", 1000, 0xffffffff, "EPROTO"),
            ("list_total", 3, 0xffffffff, "EPROTO"),
            ("list_total", 0x7fffffff, 0xffffffff, "EPROTO"),
            ("list_unsettled", 1, 0, "EBUSY")):
        mock.quirk(name, lie)
        try:
            refused = f"no write for {mock.create_region().name}"
        except Refused as error:
            refused = str(error)
        check(refused.endswith(f" to {REGION_DRIVER}/bind: {errno}"),
              f"{name}={lie}: refused {refused}, expected {errno} of bind")
        mock.quirk(name, honest)
        for region in dynamic_regions(t.guest):
            t.guest.destroy_region(region)
        check_equal(mock.account(), before, f"{name}={lie}: account")
    region = mock.create_region()
    check_equal(len(t.guest.ranges(region)), 110, "extents, honestly listed")
    mock.check_clean(region)


@test(machine="mock")
def mock_configurations_that_lie(t):
    """Wrong counts in the configuration disable Dynamic Capacity and nothing
    else; without the trailer it works."""
    mock = Mock(t.guest, 3)
    for name, lie, works in (("config_returned", 9, False),
                             ("config_available", 200, False),
                             ("config_available", 4, False),
                             ("config_short", 1, True)):
        mock.quirk(name, lie)
        mock.rebind()
        check_equal(t.guest.exists(mock.partition()), works, f"{name}={lie}")
        check(t.guest.exists(f"{CXL}/{mock.memdev()}/ram/size"),
              "static memory")
        mock.quirk(name, 0 if works else 0xffffffff)
        mock.do("faults", 0)
    mock.rebind()
    check(t.guest.exists(mock.partition(3)), "an honest configuration")


@test(machine="mock")
def mock_unknown_records(t):
    """Records of another UUID, and of types that are not for hosts, are
    counted; the next offer is accepted."""
    mock, region = with_region(t)
    before = statistics(mock)["records unknown"]
    record = event_record(ADD, Held(BASE, BLOCK), event_uuid=uuid.UUID(int=7))
    mock.do("record", record)
    for kind in (4, 5, 77):
        mock.do("event", f"{kind} {BASE:#x}:{BLOCK:#x}")
    check_equal(mock.responses(), [], "answers")
    check_equal(statistics(mock)["records unknown"] - before, 4, "counted")
    mock.do("record", event_record(ADD, Held(BASE, BLOCK)))
    check((0, BLOCK) in t.guest.ranges(region), "the next offer")
    mock.check_clean(region)


@test(machine="mock")
def mock_shared_offers_through_sysfs(t):
    """Shared extents take their sequence numbers from the file, or count up."""
    mock = Mock(t.guest, 0)
    region = mock.create_region()
    tag = "12345678-aaaa-4bbb-8ccc-1234567890ab"
    mock.inject(BASE, BLOCK, tag, more=1, seq=1, shared=True)
    mock.inject(BASE + 4 * BLOCK, BLOCK, tag, more=0, seq=0, shared=True)
    check_equal(mock.account(), [Held(BASE, BLOCK, tag, 1),
                                 Held(BASE + 4 * BLOCK, BLOCK, tag, 0)],
                "account with numbers given")
    mock.delete(BASE, BLOCK, tag)
    check_equal(mock.account(), [], "account after the release of one")
    for block, more in ((8, 1), (2, 1), (6, 0)):
        mock.inject(BASE + block * BLOCK, BLOCK, tag, more, shared=True)
    check_equal({held.start: held.seq for held in mock.account()},
                {BASE + 8 * BLOCK: 0, BASE + 2 * BLOCK: 1,
                 BASE + 6 * BLOCK: 2}, "numbers counted up")
    mock.check_clean(region)


@test(machine="mock")
def mock_log_that_lies(t):
    """A log that says it returned more than fits is not read past its end, and
    read again later; a status bit that never falls does not spin."""
    mock, region = with_region(t)
    mock.quirk("status", 1)
    mock.inject(BASE, BLOCK)
    check((0, BLOCK) in t.guest.ranges(region), "status bit: not shown")
    time.sleep(DRAIN_REST + 0.5)
    check_equal(mock.counters("commands")["0100h"], 2,
                "status bit: Get Event Records, the last of an empty log")
    mock.quirk("status", 0)
    mock.quirk("record_count", 5000)
    mock.inject(BASE + 4 * BLOCK, BLOCK)
    check((4 * BLOCK, BLOCK) not in t.guest.ranges(region), "count: shown")
    mock.quirk("record_count", 0xffffffff)
    t.guest.until("the record", lambda: (4 * BLOCK, BLOCK) in
                  t.guest.ranges(region))
    mock.check_clean(region)


@test(machine="mock")
def mock_log_that_never_empties(t):
    """A log in which a record that was cleared is again: the driver reads it so
    often, then takes a rest; its lines for the kernel's log are bounded; when the
    log is mended, the next offer is accepted."""
    mock, region = with_region(t)
    unknown = statistics(mock)["records unknown"]
    log = t.vm.mark_log("a log that never empties")
    begin = uptime(t)
    mock.quirk("refill", 1)
    mock.do("event", f"77 {BASE:#x}:{BLOCK:#x}")
    t.guest.until("the driver to read again", lambda:
                  mock.counters("commands")["0100h"] > 2 * DRAIN_MAX, 20)
    gets = mock.counters("commands")["0100h"]
    passed = uptime(t) - begin
    t.note(f"{gets} Get Event Records in {passed:.1f} s")
    check(gets <= DRAIN_MAX * (1 + passed / DRAIN_REST),
          f"{gets} Get Event Records in {passed} s")
    mock.quirk("refill", 0)
    t.guest.until("the log to be empty", lambda:
                  mock.counters("log")["records"] == 0)
    found = statistics(mock)
    check_equal(found["records unknown"] - unknown,
                mock.counters("commands")["0100h"], "records")
    end = t.vm.mark_log("a log that is empty")
    lines = t.vm.log()[log:end].count(f"{mock.name}: DC event type 77 ")
    t.note(f"{lines} lines of {found['records unknown'] - unknown} records")
    check(0 < lines <= 10 * (2 + passed / 5), f"{lines} lines in the log")
    mock.inject(BASE, BLOCK)
    check((0, BLOCK) in t.guest.ranges(region), "the next offer")
    mock.check_clean(region)


@test(machine="mock")
def mock_overflow(t):
    """Lost records are told of: the chain is refused, and the next is
    accepted."""
    mock, region = with_region(t)
    mock.do("log_max", 4)
    mock.chain(blocks(8))
    check_equal(mock.responses()[0], REFUSAL, "answer to a broken chain")
    mock.check_agreement(region)
    mock.inject(BASE, BLOCK)
    check((0, BLOCK) in t.guest.ranges(region), "the next offer")
    mock.check_clean(region)


@test(machine="mock")
def overflow_makes_both_sides_equal(t):
    """When records were lost the device's list decides: what it does not have any
    more is gone as by force, what only it has goes back by one command, and the
    rest is as it was."""
    mock, region = with_region(t)
    free, used, stays, unknown, lost, offered = blocks(6)
    mock.chain([free, used, stays])
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, used.start - BASE))
    device.bind()
    listen(t.guest)
    mock.do("account", f"-{free.start:#x}:{BLOCK:#x} -{used.start:#x}:{BLOCK:#x} "
            f"+{unknown}")
    mock.clear()
    before = statistics(mock)
    mock.do("lose", 1)
    mock.chain([lost, offered])
    check_equal(mock.responses(), [("4802", 0, 0, ranges([offered])),
                                   ("4803", 0, 0, ranges([unknown]))], "answers")
    check_equal(mock.account(), [stays, offered, Held(*UNTAGGED),
                                 Held(*TAGGED, POWER_ON_TAG)], "account")
    mock.check_clean(region)
    found = counted(mock, before)
    check_equal({name: found.get(name) for name in
                 ("overflows", "vanished", "killed", "accepted", "release failed")},
                {"overflows": 1, "vanished": 2, "killed": 2, "accepted": 1,
                 "release failed": None}, "statistics")
    expected = [("add", offered.start - BASE, BLOCK)] + [
        ("forced-release", held.start - BASE, BLOCK) for held in (free, used)]
    t.guest.until("the uevents", lambda: len(dc_events(t.guest)) >= len(expected))
    check_equal(dc_events(t.guest), expected, "uevents")
    check_dead(t, device)
    device.claim_extent(extent_at(t, region, stays.start - BASE))
    device.give_back()
    mock.check_clean(region)


@test(machine="mock")
def mock_endless_chain(t):
    """A chain that never ends is refused, at the latest when it closes."""
    mock, region = with_region(t)
    before = mock.ranges()
    mock.do("emit", f"300 {BASE:#x} {BLOCK:#x}")
    check_equal(mock.ranges(), before, "account")
    mock.inject(BASE, BLOCK)
    check_equal(mock.responses(), [REFUSAL], "answers")
    mock.check_clean(region)


def statistics_file(mock):
    """Where the driver shows what it counts of a device."""
    return f"/sys/kernel/debug/cxl/{mock.memdev()}/dynamic_capacity"


def statistics(mock):
    """What the driver counts of a device."""
    return parse_counters(mock.guest.read(statistics_file(mock)))


def counted(mock, before):
    """What the driver has counted since, without what is as it was."""
    return {name: count - before[name] for name, count
            in statistics(mock).items() if count != before[name]}


def uptime(t):
    """The guest's clock, in seconds."""
    return float(t.guest.read("/proc/uptime").split()[0])


def open_and_stuck(t):
    """A device with a chain open of which the head was cleared, and nothing can be
    cleared any more; it has no region."""
    mock = Mock(t.guest, 2)
    mock.set_mailbox(ONE_RECORD)
    mock.clear()
    mock.fail("0101", INTERNAL_ERROR, 1, "after")
    mock.fail("0101", INTERNAL_ERROR, times=100)
    mock.fail("0100", INTERNAL_ERROR, times=2)  # both are there when one is read
    offered, asked = blocks(2, start=BASE + 16 * BLOCK)
    mock.chain([offered], "open")
    mock.chain([asked], "release")
    return mock


@test(machine="mock")
def mock_open_chain_times_out(t):
    """A chain that stays open is refused 20 s after its last record, though no
    other comes: one answer, one line, counted once; the next chain is taken. So is
    one whose device does not let its records be cleared."""
    stuck = open_and_stuck(t)
    mock, region = with_region(t)
    before, held = statistics(mock), mock.account()
    log = t.vm.mark_log("a chain that stays open")
    begin = uptime(t)
    mock.chain(blocks(2), "open")
    t.guest.until("the answer", mock.responses, 40)
    passed = uptime(t) - begin
    t.note(f"answered after {passed:.1f} s")
    check(20 <= passed <= 20 + 15 * SLOWNESS, f"answered after {passed} s")
    check_equal(mock.responses(), [REFUSAL], "answers")
    check_equal(counted(mock, before),
                {"records": 2, "records add": 2, "chains": 1,
                 "refused (chain timed out)": 1, "command 0100h": 1,
                 "command 0101h": 1, "command 4802h": 1}, "statistics")
    end = t.vm.mark_log("answered")
    check_equal(re.findall(rf"cxl_mem\.\d: (extent DPA {BASE:#x} .*: chain timed out)",
                           t.vm.log()[log:end]),
                [f"extent DPA {BASE:#x} length {BLOCK:#x} tag {NULL_TAG}: "
                 "chain timed out"], "the log")
    check_equal(mock.account(), held, "account")
    mock.check_clean(region)
    extents = blocks(2, start=BASE + 8 * BLOCK)
    mock.chain(extents)
    check_equal(mock.responses(), [REFUSAL, ("4802", 0, 0, ranges(extents))],
                "answers")
    mock.check_clean(region)
    t.guest.until("the other's answer", lambda: stuck.responses() == [REFUSAL], 20)
    check_equal(stuck.counters("log")["records"], 1, "records in its log")
    stuck.do("fail", "none")
    stuck.set_mailbox(4096)


@test(machine="mock")
def mock_resources_exhausted(t):
    """A device whose table of extents is full refuses the response."""
    mock, region = with_region(t)
    mock.do("extents_max", len(mock.account()))
    mock.do("open", f"{BASE:#x}:{BLOCK:#x}")
    mock.inject(BASE + 2 * BLOCK, BLOCK)
    check_equal(rc_of("4802", mock)[0], 0x1d, "return code")
    mock.do("pending", "drop")
    mock.check_clean(region)


@test(machine="mock")
def mock_updated_and_forced_are_sent(t):
    """Records of these types reach the driver."""
    mock, _ = with_region(t)
    before = statistics(mock)["records"]
    mock.do("updated", 0)
    mock.delete(BASE + 400 * MIB, BLOCK, force=True)
    check_equal(statistics(mock)["records"], before + 2, "records")


# Raw records


@test(machine="mock")
def raw_records_reach_the_worker(t):
    """A record that the device never sent is handled by the driver; its
    answer is a fault that the device counts."""
    mock, region = with_region(t)
    record = event_record(ADD, Held(BASE, BLOCK))
    t.guest.write(f"{RECORD}/record", f"{mock.memdev()} {record}")
    check_equal(mock.fault_kinds(), {"none-pending"}, "faults")
    mock.do("faults", 0)
    mock.inject(BASE, BLOCK)
    record = event_record(RELEASE, Held(BASE, BLOCK))
    t.guest.write(f"{RECORD}/record", f"{mock.memdev()} {record}")
    check((0, BLOCK) not in t.guest.ranges(region), "still held")
    mock.check_clean(region)
    for text in ("nodevice " + record, "mem0", "mem0 00", "root0 " + record):
        check(t.guest.refusal(f"{RECORD}/record", text), text[:20])


@test(machine="mock")
def held_log_is_not_read(t):
    """While the log is held, the driver reads no record; what was read past it
    and handed over counts as if the device had sent it."""
    mock, region = with_region(t)
    memdev = mock.memdev()
    t.guest.write(f"{RECORD}/hold", memdev)
    check_equal(t.guest.read(f"{RECORD}/hold"), memdev, "held devices")
    mock.chain(blocks(2))
    check_equal(mock.counters("log")["records"], 2, "records in the log")
    check_equal(mock.responses(), [], "answers")
    records = t.guest.sh(f"mboxraw events /dev/cxl/{memdev}").split()
    check_equal([(len(record), record[2 * 0x35 + 1]) for record in records],
                [(256, "1"), (256, "0")], "lengths and More")
    t.guest.write(f"{RECORD}/record", f"{memdev} {' '.join(records)}")
    check((0, BLOCK) in t.guest.ranges(region), "the record in its place")
    t.guest.write(f"{RECORD}/unhold", memdev)
    check_equal(t.guest.read(f"{RECORD}/hold"), "", "held devices")
    mock.inject(BASE + 8 * BLOCK, BLOCK)
    check((8 * BLOCK, BLOCK) in t.guest.ranges(region), "the next offer")
    mock.check_clean(region)


@test()
def raw_records_on_the_emulated_device(t):
    """The same on the emulated device, with the usual modules: what it offers
    while its log is held is taken over when it is handed to the driver."""
    t.guest.sh("modprobe cxl_dc_record")
    memdev = t.guest.memdev()
    region = dc_region(t)
    t.guest.write(f"{RECORD}/hold", memdev)
    t.fabric.add(0, [(0, BLOCK), (4 * BLOCK, BLOCK)])
    time.sleep(1)
    check_equal(t.guest.ranges(region), [], "read in spite of the hold")
    records = t.guest.sh(f"mboxraw events /dev/cxl/{memdev}").split()
    check_equal(len(records), 2, "records")
    t.guest.write(f"{RECORD}/record", f"{memdev} {' '.join(records)}")
    check_equal(t.guest.ranges(region), [(0, BLOCK), (4 * BLOCK, BLOCK)],
                "handed over")
    t.guest.write(f"{RECORD}/unhold", memdev)
    take_back(t, region, [(0, BLOCK)])
    t.guest.check_invariant()
    t.guest.sh("rmmod cxl_dc_record")


@test()
def held_log_keeps_no_thread_busy(t):
    """The DC log's bit is set and nobody drains that log: the thread of the other
    logs reads what there is for it, and sleeps again."""
    event = f"{TRACING}/events/cxl/cxl_general_media/enable"
    t.guest.sh("modprobe cxl_dc_record")
    memdev = t.guest.memdev()
    region = dc_region(t)
    t.guest.write(f"{RECORD}/hold", memdev)
    t.fabric.add(0, [(0, BLOCK)])
    t.guest.write(event, 1)
    t.fabric.media_event(0x1000)
    t.guest.until("the other event", lambda: "cxl_general_media" in
                  t.guest.read(f"{TRACING}/trace"))
    t.guest.write(event, 0)
    t.guest.sh(f"echo > {TRACING}/trace")
    threads = t.guest.sh("grep -l ^irq/.*:0d:00.0 /proc/[0-9]*/comm").split()
    check(threads, "no interrupt thread")
    for comm in threads:
        status = comm.replace("comm", "status")
        t.guest.until(f"the thread of {comm} to sleep", lambda path=status:
                      "S (sleeping)" in t.guest.read(path))
    t.guest.write(f"{RECORD}/unhold", memdev)
    t.guest.wait_ranges(region, [(0, BLOCK)])
    t.guest.sh("rmmod cxl_dc_record")


# The partitions of the device that tells of changes.
UNCHANGED = [f"0:0x80000000:{512 * MIB:#x}", f"1:0xa0000000:{256 * MIB:#x}",
             f"2:0xc0000000:{256 * MIB:#x}"]

# Which partition is said to have changed, what has changed, why that is no use.
# The last change stays: there is no way to have fewer partitions but a reset.
NOT_RESIZED = (
    (0, [f"0:0x80000000:{256 * MIB:#x}"], "decoders have some of it"),
    (1, [f"1:0xa0000000:{640 * MIB:#x}"], "can't use it (-22)"),
    (1, [f"1:0xa0000000:{640 * MIB:#x}", f"2:0xd0000000:{256 * MIB:#x}"],
     "it reaches into its neighbours"),
    (2, [f"2:0xd0000000:{256 * MIB:#x}"], "it is another one"),
    (9, [], "can't use it (0)"),
    (2, ["2:0xc0000000:0x10000001"], "can't use it (-22)"),
    (1, [f"3:0xd0000000:{256 * MIB:#x}"], "there are more partitions, or fewer"))


def config_log(t, begin, end):
    """What the driver has said of updated partitions."""
    return [line for line in t.vm.log()[begin:end].splitlines()
            if " of partition " in line and " updated: " in line]


def partition_sizes(mock):
    """Bytes of each partition that a device shows."""
    output = mock.guest.sh(f"cat {CXL}/{mock.memdev()}/dynamic_ram_*/size")
    return [int(size, 0) for size in output.split()]


@test(machine="mock")
def mock_partition_resized(t):
    """Region Configuration Updated: a partition that nothing is made of is resized
    in place, at the end of the device and between others; what it has then can be
    lent."""
    mock = Mock(t.guest, 3)
    for index, base, size, block in ((1, 0xa0000000, 384 * MIB, 0x1000),
                                     (2, 0xc0000000, 256 * MIB, 0x200000),
                                     (1, 0xa0000000, 256 * MIB, 0x200)):
        mock.do("partition", f"{index}:{base:#x}:{size:#x}:{block:#x}")
        mock.do("updated", index)
        part = mock.partition(index + 1)
        check_equal(t.guest.number(f"{part}/size"), size, "size")
        check_equal(t.guest.number(f"{part}/block_size"), block, "block size")
    mock.do("partition", f"1:0xa0000000:{512 * MIB:#x}:0x200")
    mock.do("updated", 1)
    region = mock.create_region(2)
    check_equal(region.size, 512 * MIB, "region")
    mock.chain([Held(0xa0000000 + 400 * MIB, 2 * MIB)])
    check_equal(t.guest.ranges(region), [(400 * MIB, 2 * MIB)], "extents")
    t.guest.destroy_region(region.name)
    mock.reset()
    mock.rebind()


@test(machine="mock")
def mock_partition_not_resized(t):
    """A partition of which decoders have some, that reaches into the next one,
    that moves or that is none at all, and one more partition: one line that says
    why, and nothing changes. The one more is there when the driver is bound anew."""
    mock, region = with_region(t, 3)
    sizes = partition_sizes(mock)
    updates = statistics(mock)["records configuration updated"]
    for index, changed, reason in NOT_RESIZED:
        begin = len(t.vm.log())
        t.guest.write_all([(f"{mock.dir}/partition", partition)
                           for partition in changed])
        mock.do("updated", index)
        end = t.vm.mark_log("updated")
        check_equal([line.rsplit(": ", 1)[1] for line
                     in config_log(t, begin, end)], [reason], f"{index} {changed}")
        check_equal(partition_sizes(mock), sizes, "sizes")
        t.guest.write_all([(f"{mock.dir}/partition", partition)
                           for partition in UNCHANGED])
    check_equal(statistics(mock)["records configuration updated"] - updates,
                len(NOT_RESIZED), "records")
    mock.inject(BASE, BLOCK)
    check((0, BLOCK) in t.guest.ranges(region), "an offer after that")
    t.guest.destroy_region(region.name)
    mock.rebind()
    check_equal(partition_sizes(mock), [*sizes, 256 * MIB], "sizes, bound anew")
    mock.reset()
    mock.rebind()
    check_equal(partition_sizes(mock), sizes, "sizes after a reset")
