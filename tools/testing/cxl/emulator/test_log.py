# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel's log says: each thing that goes wrong once, with what is needed
to act on it, and no flood.

What is not here: "taken, and still in use when its region goes" takes system RAM
that can't be removed, and the machine is of no use after that; see test_forced.py.
"""

import re
import time
import uuid

from guest import REGION_DRIVER
from mock import (BASE, INTERNAL_ERROR, NULL_TAG, ONE_RECORD, REFUSAL, RELEASE, Mock,
                  event_record)
from test_allocations import TAG_A, at, empty, expect_held, lender
from test_mock import (BLOCK, blocks, counted, ranges, statistics, uptime,
                       with_region)
from testlib import check, check_equal, test
from vm import GuestError

# Of the kernel: so many lines from one place in so many seconds.
BURST, INTERVAL = 10, 5

TIMEOUT = -110
PRINTK_TIME = "/sys/module/printk/parameters/time"

LENT, OTHER = blocks(2)
UNKNOWN = uuid.UUID(int=7)


def line_of(extent, reason):
    """The line that tells of an extent."""
    return (f"extent DPA {extent.start:#x} length {extent.length:#x} "
            f"tag {NULL_TAG}: {reason}")


def said(t, begin, end):
    """What the driver has said between two marks of the log, of the mock devices
    and their regions."""
    return re.findall(r"(?:cxl_mem\.|dax_region)\d+: (.*)",
                      t.vm.log()[begin:end].replace("\r", ""))


def wait_for_silence(t):
    """Wait until the kernel's limit counts no line of the tests before."""
    t.vm.mark_log("the time")
    output = t.guest.sh(
        f"echo Y >{PRINTK_TIME}; (echo '[-{INTERVAL}.0] never'; "
        r"dmesg | grep ' cxl_mem\.[0-9]*: ') | tail -n 1; dmesg | tail -n 1; "
        f"echo N >{PRINTK_TIME}")
    last, now = map(float, re.findall(r"^\[ *([-\d.]+)\]", output, re.MULTILINE))
    time.sleep(max(0, last + INTERVAL + 0.5 - now))


# What a device or its log comes to, or goes through, when a command fails; LENT is
# held, and nothing else


def asks_back(mock, _region):
    """What is lent is asked back."""
    mock.chain([LENT], "release")


def asks_for_another(mock, _region):
    """What is not lent is asked back."""
    mock.chain([OTHER], "release")


def offers(mock, _region):
    """Something is offered."""
    mock.chain([OTHER])


def forgets(mock, region):
    """The device has forgotten what it has lent, and loses a record."""
    mock.do("account", f"-{LENT.start:#x}:{LENT.length:#x}")
    mock.do("lose", 1)
    asks_for_another(mock, region)


def region_goes(mock, region):
    """The region's driver goes."""
    mock.guest.write(f"{REGION_DRIVER}/unbind", region.name)


def region_comes(mock, region):
    """The region's driver goes, and can't come back."""
    region_goes(mock, region)
    check_equal(mock.guest.refusal(f"{REGION_DRIVER}/bind", region.name),
                "ETIMEDOUT", "binding")


def sends_unknown_records(mock, _region):
    """Records that nobody knows."""
    mock.do("record", event_record(RELEASE, OTHER, event_uuid=UNKNOWN))
    mock.do("event", f"77 {OTHER}")


# Which command fails, as Mock.fail() takes it; what happens; the lines that tell of
# it; what is counted, when the driver has tried again what it tries again.
FAILURES = (
    (("4803", INTERNAL_ERROR), asks_back,
     ["Release Dynamic Capacity failed: 4"], {"release failed": 1}),
    (("4803", TIMEOUT), asks_back,
     ["Release Dynamic Capacity failed: -110"], {"release failed": 1}),
    (("4803", INTERNAL_ERROR, 1, "before", 2), region_goes,
     ["Release Dynamic Capacity failed: 4"] * 2 +
     [line_of(LENT, "still held by the device when its region goes")],
     {"release failed": 2}),
    (("4801", INTERNAL_ERROR), asks_for_another,
     ["Get Dynamic Capacity Extent List failed: -6"],
     {"command 4801h": 2}),
    (("4801", TIMEOUT), asks_for_another,
     ["Get Dynamic Capacity Extent List failed: -110"],
     {"command 4801h": 2}),
    (("4801", TIMEOUT), region_comes,
     ["Get Dynamic Capacity Extent List failed: -110",
      "Failed to take over the extents of the device: -110"],
     {"command 4801h": 1}),
    (("4802", INTERNAL_ERROR, 1, "drop"), offers,
     [line_of(OTHER, "acceptance failed")],
     {"refused (acceptance failed)": 1, "accepted": 0, "command 4803h": 0}),
    (("4802", TIMEOUT, 1, "after"), offers,
     [line_of(OTHER, "acceptance failed")],
     {"refused (acceptance failed)": 1, "accepted": 0, "command 4803h": 1}),
    (("0100", TIMEOUT), offers,
     ["Failed to read the DC event log: -110"],
     {"log errors": 1, "accepted": 1, "overflows": 0}),
    (("0101", INTERNAL_ERROR), offers,
     ["Failed to read the DC event log: -6"],
     {"log errors": 1, "accepted": 1, "overflows": 0}),
    (None, forgets,
     [line_of(LENT, "held, but not in the device's list")],
     {"vanished": 1, "killed": 1, "overflows": 1}),
    (None, sends_unknown_records,
     [f"Unknown record in the DC event log: {UNKNOWN}",
      f"DC event type 77 at DPA {OTHER.start:#x} is not supported"],
     {"records unknown": 2}),
)


def check_failure(t, mock, region, failure, happens, lines, counts):
    """One row of the table; nothing is held."""
    what = f"{failure}, {happens.__doc__}"
    mock.chain([LENT])
    before = statistics(mock)
    begin = t.vm.mark_log("a command fails")
    if failure:
        mock.fail(*failure)
    happens(mock, region)

    def found():
        changed = counted(mock, before)
        return {name: changed.get(name, 0) for name in counts}

    try:
        t.guest.until("what is tried again", lambda: found() == counts, 5)
    except GuestError:
        check_equal(found(), counts, what)
    end = t.vm.mark_log("it has failed")
    check_equal(said(t, begin, end), lines, what)


def give_all_back(t, mock, region):
    """Both sides agree, and do so when the device has asked for everything."""
    if not t.guest.exists(f"{REGION_DRIVER}/{region.name}"):
        t.guest.write(f"{REGION_DRIVER}/bind", region.name)
        t.guest.wait_dax(region)
    held = mock.account()
    expect_held(t, mock, region, held)
    if held:
        mock.chain(held, "release")
        expect_held(t, mock, region, [])


@test(machine="mock")
def mock_failures_are_logged(t):
    """Each command that fails, and what comes of it, is told by one line with the
    error, or the extent and the reason, and counted; the device is served after
    that as before."""
    mock, region = with_region(t)
    give_all_back(t, mock, region)
    wait_for_silence(t)
    for row in FAILURES:
        check_failure(t, mock, region, *row)
        give_all_back(t, mock, region)
    check_equal(mock.lines("fail"), [], "commands that are still to fail")


# The device's log: what is read, cleared, and acted on ------------------------

# So many records the driver reads in a row before it takes a rest.
IN_A_ROW = 256


def wait_log_empty(t, mock):
    """Wait until the driver has cleared all records."""
    t.guest.until("the log to be empty",
                  lambda: not mock.counters("log")["records"], 30)


@test(machine="mock")
def mock_clear_refused_amid_a_chain(t):
    """A Clear Event Records that the device refuses loses nothing: a chain stays open
    over it, and is answered once, as a whole."""
    mock, region = lender(t)
    mock.fail("0101", INTERNAL_ERROR)
    chain = [at(0, TAG_A), at(4, TAG_A), at(2, TAG_A)]
    mock.chain(chain[:2], "open")
    wait_log_empty(t, mock)
    mock.chain(chain[2:])
    check_equal(mock.responses(), [("4802", 0, 0, ranges(chain))], "answers")
    expect_held(t, mock, region, chain)


@test(machine="mock")
def mock_clear_fails_and_clears(t):
    """The head of a chain is cleared by a command that fails all the same: nothing is
    lost, and what follows is not taken for the whole of the chain."""
    mock = empty(t, 1)
    mock.set_mailbox(ONE_RECORD)
    region = mock.create_region()
    mock.clear()
    mock.fail("0101", INTERNAL_ERROR, 1, "after")
    chain = [at(0, TAG_A), at(4, TAG_A), at(2, TAG_A)]
    mock.chain(chain)
    t.guest.until("an answer", mock.responses)
    check_equal(mock.responses(), [("4802", 0, 0, ranges(chain))], "answers")
    expect_held(t, mock, region, chain)


@test(machine="mock")
def mock_clear_fails_and_the_driver_goes(t):
    """The head of an offer is cleared by a command that fails all the same, and the
    driver is unbound before it looks again: the offer is answered nevertheless."""
    mock = empty(t, 1)
    mock.set_mailbox(ONE_RECORD)
    region = mock.create_region()
    mock.clear()
    mock.fail("0101", INTERNAL_ERROR, 1, "after")
    mock.chain([at(0), at(2)], "open")
    mock.unbind()
    check_equal(mock.responses(), [REFUSAL], "answers")
    mock.bind()
    t.guest.destroy_region(region.name)
    mock.check_clean()


@test(machine="mock")
def mock_overflow_behind_a_long_log(t):
    """A chain is longer than what is read in a row, and the log has overflowed behind
    it: its end is in the log, so it is answered there, once."""
    mock = empty(t, 1)
    mock.do("payload_size", ONE_RECORD)
    mock.unbind()
    mock.clear()
    mock.do("emit", f"{IN_A_ROW + 4} {BASE:#x} {BLOCK:#x} {BLOCK:#x}")
    mock.chain([at(0)])
    mock.do("lose", 1)
    mock.do("event", f"1 {at(0)}")
    check_equal(mock.counters("log"), {"records": IN_A_ROW + 5, "overflow": 1},
                "the log")
    mock.bind()
    wait_log_empty(t, mock)
    t.guest.until("an answer", lambda: REFUSAL in mock.responses())
    check_equal(mock.responses(), [REFUSAL], "answers")
    mock.check_clean()


@test(machine="mock")
def mock_log_without_a_status_bit(t):
    """A log is longer than what one Get returns, and neither its bit nor an event
    tells of it when the driver is bound: it is read to its end all the same."""
    mock = Mock(t.guest, 1)
    mock.do("payload_size", ONE_RECORD)
    mock.unbind()
    mock.chain(blocks(3))
    mock.quirk("no_status", 1)
    mock.clear()
    mock.bind()
    t.guest.until("an answer", lambda: mock.responses() == [REFUSAL])
    check_equal(mock.counters("log"), {"records": 0, "overflow": 0}, "log")
    mock.quirk("no_status", 0)
    mock.set_mailbox(4096)


@test(machine="mock")
def log_is_rate_limited(t):
    """300 offers are refused one after the other: each is answered and counted, some
    lines say why, and the next offer is taken."""
    mock, region = with_region(t)
    wait_for_silence(t)
    before, start = statistics(mock), uptime(t)
    begin = t.vm.mark_log("misaligned offers")
    t.guest.sh(f"for i in $(seq 300); do echo {BASE + 512:#x}:{BLOCK:#x}::0 "
               f">{mock.platform}/dc_inject_extent || exit 1; done", 60)
    end = t.vm.mark_log("refused")
    intervals = 1 + (uptime(t) - start) // INTERVAL
    found = counted(mock, before)
    check_equal([found.get(name) for name in ("refused (misaligned)", "chains")],
                [300, 300], "counted as misaligned, and as chains")
    check_equal(mock.responses(), [REFUSAL] * 300, "answers")
    lines = said(t, begin, end)
    t.note(f"{len(lines)} lines in {intervals} intervals")
    check_equal(set(lines), {f"extent DPA {BASE + 512:#x} length {BLOCK:#x} "
                             f"tag {NULL_TAG}: misaligned"}, "the log")
    check(len(lines) <= BURST * (intervals + 1), f"{len(lines)} lines")
    mock.clear()
    mock.chain([LENT, OTHER])
    check_equal(mock.responses(), [("4802", 0, 0, ranges([LENT, OTHER]))],
                "the answer to what is good")
    mock.check_clean(region)
