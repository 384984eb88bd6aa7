# SPDX-License-Identifier: GPL-2.0-only
"""Something goes away on a mock device, with chains open and releases waiting.

The mock keeps the account: whatever goes, in the end it has its answers, once
each, and holds of this host what sysfs shows.
"""

from costs import BLOCK
from guest import CXL, create_device, seed_device
from lending import extent_at
from mock import (ADD, BASE, INTERNAL_ERROR, INVALID_INPUT, RELEASE, TAGGED,
                  UNTAGGED, Held, event_record, load_mock)
from test_allocations import at, empty, expect_held, lender, ranges
from test_forced import check_dead as check_device_dead
from test_mock import counted, statistics
from test_surprise import bind_rest, unbind
from test_system import check_security_refused
from testlib import check_equal, test
from users import dc_events, listen

TIMEOUT = -110

FREE, CLAIMED, ASKED, FAILED, HALF_ASKED = (at(block, count=1) for block in
                                            range(0, 10, 2))
OPEN, CLOSING = [at(20), at(22)], at(24)


# What goes; what cannot have been answered before it comes back is no fault


def region_driver(mock, region):
    """the region's driver"""
    unbind(mock, "cxl_region", region.name)


def region_itself(mock, region):
    """the region"""
    mock.guest.destroy_region(region.name)


def endpoint(mock, _region):
    """the endpoint's driver"""
    unbind(mock, "cxl_port", mock.endpoint())
    mock.guest.until("the memory device's driver to go", lambda: not
                     mock.guest.exists(f"{CXL}/{mock.memdev()}/driver"))


def memdev(mock, _region):
    """the memory device's driver"""
    unbind(mock, "cxl_mem", mock.memdev())


def device_driver(mock, _region):
    """the device's driver"""
    mock.unbind()


def dax_cxl(mock, _region):
    """module dax_cxl"""
    mock.guest.sh("rmmod dax_cxl", 60)


GOING = (region_driver, region_itself, endpoint, memdev, device_driver,
         dax_cxl)


def bring_back(mock):
    """Bind and load what has gone, and remove what is left of the region."""
    guest = mock.guest
    if not guest.exists(f"{mock.platform}/driver"):
        mock.bind()
    guest.until("its driver", lambda: bind_rest(guest, mock.memdev()) == "")
    guest.until("its endpoint", lambda: mock.endpoint() and guest.exists(
        f"{CXL}/{mock.endpoint()}/driver"))
    guest.sh("modprobe dax_cxl", 60)


# The states of the memory


def in_every_state(t, mock, region):
    """Extents that are free, claimed, asked back in use, and refused when they
    were released; then a chain of either kind is left open. The devices that
    have claimed one."""
    mock.chain([FREE, CLAIMED, ASKED, FAILED, HALF_ASKED])
    devices = seed_device(t.guest, region), create_device(t.guest, region)
    for device, held in zip(devices, (CLAIMED, ASKED)):
        device.claim_extent(extent_at(t, region, held.start - BASE))
    mock.chain([ASKED], "release")
    mock.fail("4803", INTERNAL_ERROR)
    mock.chain([FAILED], "release")
    mock.do("record", event_record(RELEASE, HALF_ASKED, more=True))
    mock.chain(OPEN, "open")
    return devices


def only_open(_t, mock, _region):
    """An open chain, and nothing else."""
    mock.chain(OPEN, "open")


def check_chain_ends(t, mock):
    """The open chain has been answered when the device's driver went; else it
    is closed now, and answered now. Without a region nothing is taken."""
    if t.guest.exists(f"{mock.platform}/driver"):
        mock.chain([CLOSING])
    check_equal(mock.lines("pending"), [], "offers not answered")
    check_equal(mock.fault_kinds(), set(), "faults")
    check_equal(len([answer for answer in mock.responses()
                     if answer[0] == "4802"]), 1, "answers to the chain")


def check_works(t, mock):
    """A new region takes over what there is, is lent more, gives it back."""
    region = mock.create_region()
    mock.check_agreement(region)
    mock.chain([at(40), at(42)])
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, 40 * BLOCK))
    mock.check_clean(region)
    device.give_back()
    t.guest.destroy_region(region.name)
    check_equal(mock.account(), [], "the account")
    mock.check_clean()


def one_goes(t, go, prepare):
    """Prepare, let something go, close the chain, bring it back."""
    mock, region = lender(t)
    prepare(t, mock, region)
    held = mock.account()
    mock.clear()
    go(mock, region)
    check_equal(mock.account(), [], f"of {held} still held")
    check_chain_ends(t, mock)
    if go is dax_cxl:
        expect_held(t, mock, region, [*OPEN, CLOSING])
    else:
        check_equal(mock.account(), [], "the account")
    bring_back(mock)
    if go is not region_itself:
        t.guest.destroy_region(region.name)
    check_works(t, mock)


def surprise(go):
    """A test: one thing goes."""
    def run(t):
        for prepare in (only_open, in_every_state):
            one_goes(t, go, prepare)
    run.__name__ = f"surprise_mock_{go.__name__}"
    run.__doc__ = f"With chains open, {go.__doc__} goes and comes back."
    test(machine="mock")(run)


for thing in GOING:
    surprise(thing)


@test(machine="mock")
def surprise_mock_reload(t):
    """cxl_test goes with all that is held and open, and comes back."""
    mock, region = lender(t)
    in_every_state(t, mock, region)
    t.guest.sh("rmmod cxl_test", 60)
    load_mock(t.guest)
    check_works(t, empty(t, 1))


def check_dead(t, go):
    """The device does not answer when memory is given back: what it holds of
    this host, it holds still, and a new region takes it over."""
    mock, region = lender(t)
    mock.chain([FREE, CLAIMED])
    mock.clear()
    mock.fail("4803", TIMEOUT, times=2)
    go(mock, region)
    check_equal(len(mock.account()), 2, "extents of the account")
    check_equal(mock.counters("commands")["4803h"], 2,
                "attempts: when DAX goes, and when the region goes")
    bring_back(mock)
    if go is not region_itself:
        t.guest.destroy_region(region.name)
    region = mock.create_region()
    expect_held(t, mock, region, [FREE, CLAIMED])
    t.guest.destroy_region(region.name)
    check_equal(mock.account(), [], "the account")


@test(machine="mock")
def surprise_mock_region_comes(t):
    """A region comes while a chain is open: it takes over what the device
    lists, the chain goes on, and is taken when it ends."""
    mock = empty(t, 1)
    for held in (FREE, CLAIMED):
        mock.do("account", f"+{held}")
    mock.clear()
    mock.chain(OPEN, "open")
    region = mock.create_region()
    mock.check_agreement(region)
    mock.chain([CLOSING])
    expect_held(t, mock, region, [FREE, CLAIMED, *OPEN, CLOSING])
    check_equal(len(mock.responses()), 1, "commands")


def check_taken(t, mock, before, extents):
    """The driver has found that the device has taken these, and nothing else; user
    space has heard of each, as of what is taken by force."""
    found = counted(mock, before)
    check_equal([found.get(name) for name in ("vanished", "killed")],
                [len(extents)] * 2, "counted as vanished, and as killed")
    expected = sorted(("forced-release", held.start - BASE, held.length)
                      for held in extents)
    t.guest.until("the uevents", lambda: sorted(
        event for event in dc_events(t.guest) if event[0] != "add") == expected)


def chain_goes_on(mock):
    """The end of the open chain was on its way when the device was reset: that is
    told of an answer to nothing, the one fault that comes of a reset."""
    mock.do("event", f"{ADD} {CLOSING}")
    check_equal(mock.responses(), [
        ("4802", 0, INVALID_INPUT, ranges([*OPEN, CLOSING])),
        ("4803", 0, 0, [TAGGED])], "the answers")
    check_equal(mock.fault_kinds(), {"none-pending"}, "faults")
    mock.do("faults", 0)


def records_are_lost(mock, offered):
    """The device offers something, and its log loses what came before that."""
    mock.do("lose", 1)
    mock.chain([at(30), offered])
    check_equal(mock.responses(), [("4802", 0, 0, ranges([offered])),
                                   ("4803", 0, 0, [TAGGED])], "the answers")


@test(machine="mock")
def surprise_mock_reset(t):
    """The device is reset under a region, and again: it has forgotten all offers,
    and lists what it has after power-on. By that list the host goes, when an answer
    is refused or records were lost: what is not in it is gone as by force, what is
    in it alone goes back, and the device lends as before."""
    mock, region = lender(t)
    kept, offered = Held(*UNTAGGED), at(32)
    mock.chain([kept])
    claimed, asked = in_every_state(t, mock, region)
    claimed.bind()

    listen(t.guest)
    before = statistics(mock)
    mock.reset()
    chain_goes_on(mock)
    expect_held(t, mock, region, [kept])
    taken = [FREE, CLAIMED, ASKED, FAILED, HALF_ASKED]
    check_taken(t, mock, before, taken)
    check_device_dead(t, claimed)
    check_equal(asked.size(), 0, "size of the device without a driver")

    mock.chain([CLAIMED, ASKED])
    expect_held(t, mock, region, [kept, CLAIMED, ASKED])
    claimed.claim_extent(extent_at(t, region, CLAIMED.start - BASE))
    mock.reset()
    records_are_lost(mock, offered)
    expect_held(t, mock, region, [kept, offered])
    check_taken(t, mock, before, [*taken, CLAIMED, ASKED])
    check_equal(claimed.size(), 0, "size")

    t.guest.destroy_region(region.name)
    check_equal(mock.account(), [], "the account")
    check_works(t, mock)


@test(machine="mock")
def surprise_mock_dead_device(t):
    """The mailbox is dead while things go: nothing hangs, nothing is lost."""
    for go in (device_driver, memdev, region_itself):
        check_dead(t, go)


@test(machine="mock")
def mock_sanitize_is_refused(t):
    """Nor is a mock device erased; it answers afterwards."""
    mock, region = lender(t)
    mock.chain([at(0), at(2)])
    check_security_refused(t, mock.memdev())
    mock.chain([at(4)])
    mock.chain([at(0)], "release")
    check_equal(len(t.guest.ranges(region)), 2, "extents")
    mock.check_clean(region)
