# SPDX-License-Identifier: GPL-2.0-only
"""Allocations on cxl_test's mock devices: what tags and chains promise.

Each test is named after what it proves: a rule of what is offered, of release, claim
or recovery. The mock is strict: an answer out of order, twice or of what was not
offered is a fault, and any fault fails the test that caused it. So does a difference
between its account and sysfs.
"""

from guest import CXL, DAX, DaxDevice, Refused, create_device, seed_device
from lending import extent_at
from mock import (BASE, INTERNAL_ERROR, INVALID_ADDRESS, POWER_ON_TAG, REFUSAL, TAGGED,
                  UNTAGGED, Held, Mock, region_base)
from testlib import check, check_equal, test
from users import host_base
from vm import MIB

BLOCK = 2 * MIB
HALF = 256 * MIB
GIB = 1 << 30

TAG_A = "aaaaaaaa-0001-4000-8000-000000000001"
TAG_B = "bbbbbbbb-0002-4000-8000-000000000002"
TAG_C = "cccccccc-0003-4000-8000-000000000003"


def at(block, tag="", seq=0, count=1):
    """An extent, placed in blocks of 2 MiB from the start of the partition."""
    extent = Held(BASE + block * BLOCK, count * BLOCK)
    return Held(extent.start, extent.length, tag or extent.tag, seq)


def ranges(extents):
    """[(start, length)] of extents, in their order."""
    return [(extent.start, extent.length) for extent in extents]


def empty(t, number):
    """A device of which the host holds nothing, from power-on or else."""
    mock = Mock(t.guest, number)
    for held in mock.account():
        mock.do("account", f"-{held.start:#x}:{held.length:#x}")
    return mock


def lender(t, number=1):
    """An empty device with a region over its first partition."""
    mock = empty(t, number)
    region = mock.create_region()
    mock.clear()
    return mock, region


def half_regions(t, number=1):
    """An empty device with two regions of 256 MiB in one partition."""
    mock = empty(t, number)
    made = [t.guest.make_region(mock.root_decoder(), mock.endpoint_decoder(),
                                "dynamic_ram_1", HALF) for _ in range(2)]
    mock.clear()
    return mock, made


def expect_held(t, mock, region, extents):
    """Device and host hold just this in the region, and nothing waits."""
    view = mock.view(region)
    check_equal(view.pending, [], "offers not answered")
    check_equal(view.faults, {}, "faults")
    check_equal(sorted(view.account), sorted(ranges(extents)), "the account")
    check_equal(sorted((view.base + offset, length)
                       for offset, length in view.extents),
                sorted(ranges(extents)), "extents in sysfs")


def expect_answer(mock, extents):
    """One response since the last clear(): it names these, in this order."""
    check_equal(mock.responses(), [("4802", 0, 0, ranges(extents))],
                "responses")
    mock.do("responses", 0)


def offer_refused(t, mock, region, chain):
    """A chain of which nothing is accepted; nothing else changes."""
    before = mock.account()
    mock.do("responses", 0)
    mock.chain(chain)
    expect_answer(mock, [])
    expect_held(t, mock, region, before)


def claim(t, device, tag):
    """Claim an allocation by its tag."""
    t.guest.write(device.attribute("uuid"), tag)
    check_equal(t.guest.read(device.attribute("uuid")), tag, "uuid")


def layout(t, mock, region, device):
    """The device addresses of what a DAX device maps, in its order; the ranges
    follow each other without a gap."""
    base = t.guest.number(f"{CXL}/{region.name}/resource")
    found, expected = [], 0
    for name in t.guest.names(device.path, "mapping[0-9]*"):
        start, end, page = (t.guest.number(f"{device.path}/{name}/{field}")
                            for field in ("start", "end", "page_offset"))
        check_equal(page * 4096, expected, f"{name}: offset in the device")
        expected += end + 1 - start
        found.append((start - base + region_base(t.guest, region),
                      end + 1 - start))
    check_equal(device.size(), expected, "size")
    return found


def uuids(t, region):
    """{offset: tag} of the extents in a region, None without a tag."""
    found = {}
    for extent in t.guest.extents():
        if extent.region_id != region.number:
            continue
        path = f"{region.dax_region}/{extent.name}/uuid"
        found[extent.offset] = (t.guest.read(path) if t.guest.exists(path)
                                else None)
    return found


# Add Capacity, 2: each extent


@test(machine="mock")
def offer_sharable_needs_a_tag(t):
    """An extent without a tag is refused in a sharable partition."""
    mock, region = lender(t, 0)
    offer_refused(t, mock, region, [at(0)])
    mock.chain([at(0), at(4, TAG_A, 0)])
    expect_answer(mock, [at(4, TAG_A)])
    expect_held(t, mock, region, [at(4, TAG_A)])


@test(machine="mock")
def offer_no_sequence_where_not_sharable(t):
    """A sequence number is refused in a partition that is not sharable, with
    all extents of the tag."""
    mock, region = lender(t)
    offer_refused(t, mock, region, [at(0, TAG_A, 1)])
    offer_refused(t, mock, region, [at(0, TAG_A), at(2, TAG_A, 1)])
    offer_refused(t, mock, region, [at(0, "", 1)])


@test(machine="mock")
def offer_again_is_named(t):
    """What is held and offered again is named in the response; the device
    that does not want to hear of it gets one without it."""
    mock, region = lender(t)
    held = [at(0, TAG_A), at(2, TAG_A)]
    mock.chain(held)
    expect_answer(mock, held)
    mock.chain([held[1], at(8), held[0]])
    check_equal([(rc, named) for _, _, rc, named in mock.responses()],
                [(INVALID_ADDRESS, ranges([held[1], at(8), held[0]])),
                 (0, ranges([at(8)]))], "responses")
    expect_held(t, mock, region, held + [at(8)])


@test(machine="mock")
def offer_forgotten_and_offered_again(t):
    """A device that has forgotten is answered as if it were the first time:
    alone (a chain of duplicates only), and mixed with new ones."""
    mock, region = lender(t)
    held = [at(0, TAG_A), at(2, TAG_A), at(6)]
    mock.chain(held)
    for chain in ([held[0]], [held[2], held[0]], [at(20), held[1], at(24)]):
        for extent in chain:
            if extent in held:
                mock.do("account", f"-{extent.start:#x}:{extent.length:#x}")
        mock.clear()
        mock.chain(chain)
        expect_answer(mock, chain)
    expect_held(t, mock, region, held + [at(20), at(24)])


# Add Capacity, 3: each allocation


@test(machine="mock")
def offer_all_or_nothing(t):
    """One bad extent refuses all of its tag, wherever it stands in the chain,
    and nothing else."""
    mock, region = lender(t)
    good = [at(0, TAG_A), at(2, TAG_A), at(4, TAG_A)]
    for bad in (Held(BASE + 16 * BLOCK + 512, BLOCK, TAG_A),
                Held(BASE + 16 * BLOCK, 0, TAG_A),
                Held(BASE + 16 * BLOCK, 2**64 - BLOCK, TAG_A),
                Held(BASE + 511 * MIB, 2 * MIB, TAG_A),
                Held(0, BLOCK, TAG_A),
                at(2, TAG_A)):
        for place in range(4):
            chain = good[:place] + [bad] + good[place:] + [at(30, TAG_B)]
            mock.clear()
            mock.chain(chain)
            expect_answer(mock, [at(30, TAG_B)])
            expect_held(t, mock, region, [at(30, TAG_B)])
            mock.chain([at(30, TAG_B)], "release")
    mock.clear()
    mock.chain(good)
    expect_answer(mock, good)


@test(machine="mock")
def offer_one_region(t):
    """A tag in two regions is refused, not put under the first;
    each region takes a tag of its own."""
    mock, (low, high) = half_regions(t)
    spread = [at(0, TAG_A), at(128, TAG_A)]
    mock.chain(spread)
    mock.chain(spread[::-1])
    check_equal(mock.responses(), [REFUSAL, REFUSAL], "responses")
    mock.clear()
    mock.chain([at(0, TAG_A), at(128, TAG_B), at(2, TAG_A), at(130, TAG_B)])
    expect_answer(mock, [at(0), at(128), at(2), at(130)])
    check_equal(uuids(t, low), {0: TAG_A, 2 * BLOCK: TAG_A}, "low region")
    check_equal(uuids(t, high), {0: TAG_B, 2 * BLOCK: TAG_B}, "high region")
    mock.check_clean(low)
    mock.check_clean(high)


@test(machine="mock")
def offer_one_partition(t):
    """A tag in two partitions is refused, with a region in both."""
    mock, first = lender(t, 3)
    second = mock.create_region(2)
    mock.clear()
    mock.chain([at(0, TAG_A), at(256, TAG_A), at(8, TAG_B)])
    expect_answer(mock, [at(8)])
    mock.chain([at(256, TAG_A), at(258, TAG_A)])
    expect_answer(mock, [at(256), at(258)])
    check_equal(uuids(t, second), {0: TAG_A, 2 * BLOCK: TAG_A}, "partition 2")
    mock.check_clean(first)
    mock.check_clean(second)


@test(machine="mock")
def offer_tag_alive_on_this_device(t):
    """The tag of a living allocation is refused in a later chain, until the
    allocation is gone."""
    mock, region = lender(t)
    mock.chain([at(0, TAG_A)])
    mock.clear()
    offer_refused(t, mock, region, [at(4, TAG_A)])
    offer_refused(t, mock, region, [at(4, TAG_A), at(6, TAG_A)])
    device = seed_device(t.guest, region)
    claim(t, device, TAG_A)
    mock.chain([at(0, TAG_A)], "release")
    offer_refused(t, mock, region, [at(4, TAG_A)])
    device.give_back()
    t.guest.wait_ranges(region, [])
    mock.clear()
    mock.chain([at(4, TAG_A)])
    expect_answer(mock, [at(4)])
    expect_held(t, mock, region, [at(4)])


@test(machine="mock")
def offer_tag_alive_on_another_device(t):
    """A tag names one allocation on all of the host; when it is gone, another
    device may use it."""
    first, low = lender(t, 1)
    second, high = lender(t, 3)
    first.chain([at(0, TAG_A)])
    offer_refused(t, second, high, [at(8, TAG_A), at(10, TAG_A)])
    second.chain([at(8, TAG_A), at(12, TAG_B), at(10, TAG_A)])
    expect_answer(second, [at(12)])
    first.chain([at(0, TAG_A)], "release")
    second.chain([at(8, TAG_A), at(10, TAG_A)])
    expect_answer(second, [at(8), at(10)])
    expect_held(t, first, low, [])
    expect_held(t, second, high, [at(8), at(10), at(12)])


@test(machine="mock")
def offer_tag_race(t):
    """Two devices that offer the same tag at once: one wins, every time."""
    first, low = lender(t, 1)
    second, high = lender(t, 3)
    for _ in range(8):
        t.guest.sh("".join(
            f"echo {at(4, TAG_A)} > {mock.dir}/chain & "
            for mock in (first, second)) + "wait")
        winners = [mock for mock in (first, second) if mock.account()]
        check_equal(len(winners), 1, "winners")
        winners[0].chain([at(4, TAG_A)], "release")
    expect_held(t, first, low, [])
    expect_held(t, second, high, [])


@test(machine="mock")
def offer_sequence_is_dense(t):
    """Sharable: exactly 0 to n-1, each once; holes, repeats and a start at 1
    refuse all of the tag."""
    mock, region = lender(t, 0)
    for numbers in ((1,), (0, 2), (0, 0), (1, 2), (0, 1, 1), (3, 0, 1),
                    (0, 1, 65535)):
        offer_refused(t, mock, region, [
            at(4 * i, TAG_A, seq) for i, seq in enumerate(numbers)])
    mock.chain([at(4 * i, TAG_A, seq) for i, seq in enumerate((2, 0, 1))])
    expect_answer(mock, [at(0), at(4), at(8)])


# Add Capacity, 5 and 6: the response, and what appears


@test(machine="mock")
def offer_response_in_delivery_order(t):
    """Offers A B A are answered A B A, shared ones 1, 0 as 1, 0, whatever
    order they are laid out in."""
    mock, region = lender(t)
    chain = [at(30, TAG_B), at(4, TAG_A), at(20, TAG_B), at(2), at(0, TAG_A),
             at(10, TAG_B)]
    mock.chain(chain)
    expect_answer(mock, chain)
    expect_held(t, mock, region, chain)
    sharer, shared = lender(t, 0)
    chain = [at(8, TAG_C, 1), at(0, POWER_ON_TAG, 2), at(4, TAG_C, 0),
             at(20, POWER_ON_TAG, 0), at(12, POWER_ON_TAG, 1)]
    sharer.chain(chain)
    expect_answer(sharer, chain)
    expect_held(t, sharer, shared, chain)


@test(machine="mock")
def offer_order_across_split_responses(t):
    """Where the payload is small, the parts of a response go on in the order
    of delivery, and so do the parts of a release."""
    mock = Mock(t.guest, 7)
    mock.set_mailbox(256)
    mock, region = lender(t, 7)
    chain = [at(100 - 4 * i, (TAG_A, TAG_B, "")[i % 3]) for i in range(24)]
    mock.chain(chain)
    parts = mock.responses()
    check_equal([more for _, more, _, _ in parts], [1, 1, 0], "More")
    check_equal(sum((named for *_, named in parts), []), ranges(chain),
                "order of delivery")
    mock.clear()
    mock.chain([chain[0], chain[1]], "release")
    check_equal([(opcode, more, len(named))
                 for opcode, more, _, named in mock.responses()],
                [("4803", 1, 10), ("4803", 0, 6)], "one Release in two parts")
    mock.check_clean(region)
    t.guest.destroy_region(region.name)
    mock.reset()
    mock.rebind()


@test(machine="mock")
def offer_every_chain_is_answered_once(t):
    """An allocation refused as a whole, and a chain of several of them, get
    one response each."""
    mock, region = lender(t)
    mock.chain([at(0, TAG_A), at(0, TAG_A), at(4, TAG_B), at(5, TAG_B, 1)])
    mock.chain([at(8, TAG_A), at(8, TAG_A)])
    mock.chain([at(12, TAG_A)])
    check_equal(mock.responses(), [
        REFUSAL, REFUSAL, ("4802", 0, 0, ranges([at(12)]))], "responses")
    expect_held(t, mock, region, [at(12)])


@test(machine="mock")
def offer_tail_of_a_refused_chain(t):
    """A chain that is too long is swallowed to its end and answered there,
    once; the next chain is a new one."""
    mock, region = lender(t)
    limit = 512 // 2
    mock.do("emit", f"{limit + 20} {BASE:#x} {BLOCK:#x}")
    check_equal(mock.responses(), [], "answers while the chain is open")
    mock.inject(BASE, BLOCK, TAG_A)
    check_equal(mock.responses(), [REFUSAL], "answers")
    mock.clear()
    mock.chain([at(0, TAG_A)])
    expect_answer(mock, [at(0)])
    expect_held(t, mock, region, [at(0)])


@test(machine="mock")
def offer_nothing_of_a_refused_response(t):
    """A response that fails, in the first part or in a later one, leaves
    nothing in sysfs or DAX, no matter what the device has processed; the tags are
    free again."""
    mock = Mock(t.guest, 7)
    mock.set_mailbox(256)
    mock, region = lender(t, 7)
    chain = [at(4 * i, (TAG_A, TAG_B)[i % 2]) for i in range(16)]
    for nth, mode, releases in ((1, "drop", 0), (2, "drop", 0),
                                (2, "after", 2)):
        mock.fail("4802", INTERNAL_ERROR, nth=nth, mode=mode)
        mock.chain(chain)
        check_equal(t.guest.available(region), 0, "available")
        check_equal(mock.counters("commands").get("4803h", 0), releases,
                    f"releases after part {nth} failed, {mode} processing")
        expect_held(t, mock, region, [])
        mock.clear()
    mock.chain(chain)
    expect_held(t, mock, region, chain)
    t.guest.destroy_region(region.name)
    mock.reset()
    mock.rebind()


@test(machine="mock")
def offer_not_seen_before_the_device_agrees(t):
    """While a chain is open nothing of it is shown, or can be claimed."""
    mock, region = lender(t)
    device = seed_device(t.guest, region)
    mock.chain([at(0, TAG_A), at(2, TAG_A)], "open")
    check_equal(t.guest.ranges(region), [], "extents of an open chain")
    check_equal(t.guest.refusal(device.attribute("uuid"), TAG_A), "ENOENT",
                "claim")
    mock.inject(BASE + 4 * BLOCK, BLOCK, TAG_A)
    expect_held(t, mock, region, [at(0), at(2), at(4)])
    claim(t, device, TAG_A)
    check_equal(layout(t, mock, region, device), ranges([at(0), at(2), at(4)]),
                "layout")
    device.give_back()


# Untagged extents


@test(machine="mock")
def untagged_of_one_chain_are_apart(t):
    """Untagged extents of one chain are allocations of their own, over
    partitions and regions; one bad one, and one in use, are their own
    business."""
    mock, first = lender(t, 3)
    second = mock.create_region(2)
    mock.clear()
    mock.chain([at(0), at(256), Held(BASE + 8 * BLOCK + 512, BLOCK), at(4),
                at(0, TAG_A)])
    expect_answer(mock, [at(0), at(256), at(4)])
    device = seed_device(t.guest, first)
    device.claim_extent(extent_at(t, first, 0))
    check_equal(device.size(), BLOCK, "size of the claim")
    mock.chain([at(0), at(256), at(4)], "release")
    check_equal(sorted(mock.ranges()), ranges([at(0)]), "what waits")
    device.give_back()
    t.guest.wait_ranges(first, [])
    mock.check_clean(first)
    mock.check_clean(second)


# Release Capacity


@test(machine="mock")
def release_is_never_of_a_part(t):
    """A record that touches a tagged allocation, by part of an extent or one
    extent of several, asks for all of it, in one command."""
    mock, region = lender(t)
    allocation = [at(20, TAG_A, count=4), at(4, TAG_A), at(12, TAG_A, count=2)]
    for asked in (at(21, TAG_A), at(4, TAG_A), at(12, TAG_A),
                  at(0, TAG_A, count=64)):
        mock.chain([*allocation, at(40), at(42, TAG_B)])
        mock.clear()
        mock.chain([asked], "release")
        check_equal([(opcode, len(named)) for opcode, _, _, named
                     in mock.responses()], [("4803", 3)], "commands")
        expect_held(t, mock, region, [at(40), at(42)])
        mock.chain([at(40), at(42, TAG_B)], "release")


@test(machine="mock")
def release_by_several_records(t):
    """Several records for one allocation, in a chain and in later ones, are
    one release and no error."""
    mock, region = lender(t)
    allocation = [at(0, TAG_A), at(2, TAG_A), at(4, TAG_A)]
    mock.chain([*allocation, at(8, TAG_B)])
    mock.clear()
    mock.chain([*allocation, at(8, TAG_B)], "release")
    check_equal([(opcode, len(named)) for opcode, _, _, named
                 in mock.responses()], [("4803", 4)], "commands")
    mock.clear()
    mock.chain(allocation, "release")
    check_equal(mock.responses(), [], "answers to a release of nothing")
    expect_held(t, mock, region, [])


@test(machine="mock")
def release_needs_the_right_tag(t):
    """A record of another tag, or of none, changes nothing."""
    mock, region = lender(t)
    mock.chain([at(0, TAG_A), at(4)])
    mock.clear()
    mock.chain([at(0, TAG_B)], "release")
    mock.chain([at(0)], "release")
    mock.chain([at(4, TAG_A)], "release")
    check_equal(mock.responses(), [], "answers")
    expect_held(t, mock, region, [at(0), at(4)])


@test(machine="mock")
def release_without_a_region(t):
    """What the device lists and no region holds is answered at once: whole
    for a tag, in part without one, not at all for another tag."""
    mock = Mock(t.guest, 1)
    for extent in (at(0, TAG_A), at(4, TAG_A), at(8, TAG_B)):
        mock.do("account", f"+{extent}")
    mock.clear()
    start, length = UNTAGGED
    mock.delete(start + BLOCK, BLOCK)
    check_equal(mock.responses(),
                [("4803", 0, 0, [(start + BLOCK, BLOCK)])], "a part")
    mock.clear()
    mock.delete(BASE, BLOCK, TAG_B)
    mock.delete(BASE, BLOCK)
    check_equal(mock.responses(), [], "answers to another tag, and to none")
    mock.delete(BASE + 4 * BLOCK, BLOCK // 2, TAG_A)
    check_equal([(opcode, sorted(named)) for opcode, _, _, named
                 in mock.responses()], [("4803", ranges([at(0), at(4)]))],
                "a whole allocation")
    check_equal(mock.ranges(), [
        *ranges([at(8)]), (start, BLOCK),
        (start + 2 * BLOCK, length - 2 * BLOCK), TAGGED], "the account")
    mock.check_clean()


@test(machine="mock")
def release_waits_for_the_user(t):
    """An allocation in use waits as a whole and goes by itself, once, when its
    user lets go; another asks in vain, and it can't be claimed again."""
    mock, region = lender(t)
    allocation = [at(0, TAG_A), at(2, TAG_A)]
    mock.chain(allocation)
    first, second = seed_device(t.guest, region), create_device(t.guest, region)
    claim(t, first, TAG_A)
    mock.clear()
    for asked in (allocation[0], allocation[1], allocation[0]):
        mock.chain([asked], "release")
    check_equal(mock.responses(), [], "answers while it is in use")
    check_equal({extent.state for extent in t.guest.extents()
                 if extent.region_id == region.number}, {"release-pending"},
                "states")
    check_equal(t.guest.refusal(second.attribute("uuid"), TAG_A), "ENOENT",
                "claim of what is asked back")
    first.give_back()
    t.guest.wait_ranges(region, [])
    check_equal([(opcode, len(named)) for opcode, _, _, named
                 in mock.responses()], [("4803", 2)], "commands")
    expect_held(t, mock, region, [])
    check_equal(t.guest.refusal(first.attribute("uuid"), TAG_A), "ENOENT",
                "claim of what is gone")


@test(machine="mock")
def release_refused_by_the_device(t):
    """A Release that fails leaves the allocation pending, not lost, and not to
    be claimed; the next release takes it along."""
    mock, region = lender(t)
    mock.chain([at(0, TAG_A), at(2, TAG_A), at(8)])
    # once for the allocation, once for each of its extents alone
    mock.fail("4803", INTERNAL_ERROR, times=3)
    mock.chain([at(0, TAG_A)], "release")
    check_equal(sorted(mock.ranges()), ranges([at(0), at(2), at(8)]),
                "the account")
    mock.check_agreement(region)
    device = seed_device(t.guest, region)
    check_equal(t.guest.refusal(device.attribute("uuid"), TAG_A), "ENOENT",
                "claim")
    mock.chain([at(8)], "release")
    expect_held(t, mock, region, [])


@test(machine="mock")
def release_of_one_of_many(t):
    """One extent of 32 that a new region has recovered goes back alone, with
    another of them in use."""
    mock, region = lender(t)
    t.guest.destroy_region(region.name)
    many = [at(2 * i) for i in range(32)]
    for extent in many:
        mock.do("account", f"+{extent.start:#x}:{extent.length:#x}")
    region = mock.create_region()
    mock.clear()
    device = seed_device(t.guest, region)
    device.claim_extent(extent_at(t, region, 0))
    mock.chain([many[5]], "release")
    check_equal(mock.responses(), [("4803", 0, 0, ranges([many[5]]))],
                "commands")
    mock.check_agreement(region)
    check_equal(len(mock.account()), 31, "what is left")
    device.give_back()


@test(machine="mock")
def release_is_one_command(t):
    """All allocations of one chain of records go by one Release."""
    mock, region = lender(t)
    chain = [at(2 * i, (TAG_A, TAG_B, "")[i % 3]) for i in range(9)]
    mock.chain(chain)
    mock.clear()
    mock.chain([chain[0], chain[1], chain[2], chain[5], chain[8]], "release")
    check_equal([(opcode, len(named)) for opcode, _, _, named
                 in mock.responses()], [("4803", 9)], "commands")
    expect_held(t, mock, region, [])


# Claims


@test(machine="mock")
def claim_lays_out_in_delivery_order(t):
    """Not sharable: the ranges of a claim follow the order of delivery, not of
    addresses, and user space finds them without a gap."""
    mock, region = lender(t)
    order = [at(30, TAG_A), at(2, TAG_A, count=3), at(50, TAG_A),
             at(10, TAG_A)]
    mock.chain([order[0], at(0), order[1], at(60, TAG_B), order[2], order[3]])
    device = seed_device(t.guest, region)
    claim(t, device, TAG_A)
    check_equal(layout(t, mock, region, device), ranges(order), "layout")
    check_equal(t.guest.available(region), 2 * BLOCK, "available")
    device.bind()
    device.give_back()


@test(machine="mock")
def claim_lays_out_by_sequence(t):
    """Sharable: the ranges of a claim follow the sequence numbers, in whatever
    order and from whatever chain's place they were delivered."""
    mock, region = lender(t, 0)
    order = [at(20, TAG_A, 0), at(4, TAG_A, 1), at(12, TAG_A, 2)]
    device = seed_device(t.guest, region)
    for delivery in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1),
                     (2, 1, 0)):
        chain = [order[i] for i in delivery]
        mock.clear()
        mock.chain(chain)
        expect_answer(mock, chain)
        claim(t, device, TAG_A)
        check_equal(layout(t, mock, region, device), ranges(order),
                    f"layout after delivery {delivery}")
        device.give_back()
        mock.chain(chain, "release")
    expect_held(t, mock, region, [])


@test(machine="mock")
def claim_several_side_by_side(t):
    """Several allocations of a region are claimed by several devices, by tag
    or by the name of any extent; each has its own."""
    mock, region = lender(t)
    mock.chain([at(0, TAG_A), at(2, TAG_B), at(4), at(6, TAG_A), at(8, TAG_B)])
    first = seed_device(t.guest, region)
    second = create_device(t.guest, region)
    third = create_device(t.guest, region)
    claim(t, first, TAG_A)
    second.claim_extent(extent_at(t, region, 8 * BLOCK))
    check_equal(t.guest.read(second.attribute("uuid")), TAG_B, "uuid")
    third.claim()
    check_equal(layout(t, mock, region, first), ranges([at(0), at(6)]), "A")
    check_equal(layout(t, mock, region, second), ranges([at(2), at(8)]), "B")
    check_equal(layout(t, mock, region, third), ranges([at(4)]), "untagged")
    check_equal(t.guest.available(region), 0, "available")
    for device in (first, second, third):
        device.give_back()
    check_equal(t.guest.available(region), 5 * BLOCK, "available")


@test(machine="mock")
def claim_errors(t):
    """ENOENT: no such unclaimed allocation here, though it may be elsewhere;
    EBUSY: this device has a claim, or a driver; EINVAL: no tag."""
    mock, region = lender(t)
    other, elsewhere = lender(t, 3)
    mock.chain([at(0, TAG_A), at(2, TAG_A), at(4, TAG_C)])
    other.chain([at(0, TAG_B)])
    device = seed_device(t.guest, region)
    more = create_device(t.guest, region)
    uuid = device.attribute("uuid")
    check_equal(t.guest.refusal(uuid, TAG_B), "ENOENT", "another region's")
    check_equal(t.guest.refusal(uuid, "0"), "ENOENT", "nothing untagged")
    for text in (TAG_A[:-1], TAG_A + "0", "tag", "1"):
        check_equal(t.guest.refusal(uuid, text), "EINVAL", f"'{text}'")
    claim(t, device, TAG_A)
    check_equal(t.guest.refusal(uuid, TAG_C), "EBUSY", "second claim")
    check_equal(t.guest.refusal(more.attribute("uuid"), TAG_A), "ENOENT",
                "claimed by another device")
    device.bind()
    check_equal(t.guest.refusal(uuid, TAG_C), "EBUSY", "claim while bound")
    check_equal(t.guest.refusal(device.attribute("size"), "0"), "EBUSY",
                "given back while bound")
    device.give_back()
    check(elsewhere.name in t.guest.names(CXL, "region*"), "the other region")


@test(machine="mock")
def delete_of_an_extent_is_refused(t):
    """Extents and DAX devices have the same parent; `delete` is for DAX
    devices only."""
    mock, region = lender(t)
    mock.chain([at(0, TAG_A), at(2)])
    name = extent_at(t, region, 0)
    check_equal(t.guest.refusal(f"{region.dax_region}/dax_region/delete", name),
                "ENXIO", f"delete of {name}")
    expect_held(t, mock, region, [at(0), at(2)])


# Recovery


@test(machine="mock")
def recovery_takes_whole_allocations(t):
    """A new region takes over the tagged allocations that the device lists,
    whole and in order, without an acceptance."""
    mock = Mock(t.guest, 1)
    for extent in (at(40, TAG_A), at(2, TAG_A), at(20, TAG_A)):
        mock.do("account", f"+{extent.start:#x}:{extent.length:#x}:{TAG_A}")
    before = mock.account()
    mock.clear()
    region = mock.create_region()
    check_equal(mock.responses(), [], "answers")
    expect_held(t, mock, region, before)
    device = seed_device(t.guest, region)
    claim(t, device, TAG_A)
    check_equal(sorted(layout(t, mock, region, device)),
                ranges([at(2), at(20), at(40)]), "ranges of the claim")
    device.give_back()
    claim(t, device, POWER_ON_TAG)
    check_equal(layout(t, mock, region, device), [TAGGED], "power-on tag")
    device.give_back()


@test(machine="mock")
def recovery_by_sequence(t):
    """Shared allocations are recovered in the order of their sequence; one
    with a hole is given back, and nothing else."""
    mock = Mock(t.guest, 0)
    listed = [at(0, TAG_A, 2), at(4, TAG_A, 0), at(8, TAG_A, 1),
              at(12, TAG_B, 0), at(16, TAG_B, 2)]
    for extent in listed:
        mock.do("account", f"+{extent}")
    region = mock.create_region()
    expect_held(t, mock, region, listed[:3])
    device = seed_device(t.guest, region)
    claim(t, device, TAG_A)
    check_equal(layout(t, mock, region, device),
                ranges([listed[1], listed[2], listed[0]]), "layout")
    device.give_back()


@test(machine="mock")
def recovery_of_a_part_is_none(t):
    """A tag that lies partly outside of the new region is given back whole;
    what no region covers, and is whole, stays with the device."""
    mock = Mock(t.guest, 1)
    for extent in (at(0, TAG_A), at(200, TAG_A), at(202, TAG_B), at(204)):
        tag = "" if extent == at(204) else f":{extent.tag}"
        mock.do("account", f"+{extent.start:#x}:{extent.length:#x}{tag}")
    mock.clear()
    region = t.guest.make_region(mock.root_decoder(), mock.endpoint_decoder(),
                                 "dynamic_ram_1", HALF)
    check_equal(t.guest.ranges(region),
                [(UNTAGGED[0] - BASE, UNTAGGED[1])], "recovered")
    check_equal(sorted(mock.ranges()),
                [UNTAGGED, TAGGED, *ranges([at(202), at(204)])],
                "the account")
    check_equal([(opcode, len(named)) for opcode, _, _, named
                 in mock.responses()], [("4803", 2)], "commands")
    mock.check_clean(region)


@test(machine="mock")
def recovery_in_a_second_region(t):
    """A second region takes what is its own, and does not look at the first
    one's."""
    mock = Mock(t.guest, 1)
    regions = [t.guest.make_region(mock.root_decoder(),
                                   mock.endpoint_decoder(), "dynamic_ram_1",
                                   HALF) for _ in range(2)]
    check_equal(uuids(t, regions[0]), {128 * MIB: None}, "first")
    check_equal(uuids(t, regions[1]), {0: POWER_ON_TAG}, "second")
    log = t.vm.log()
    start = log.rindex("start of recovery-in-a-second-region")
    check("overlaps a held extent" not in log[start:], "complaints")
    for region in regions:
        mock.check_clean(region)


@test(machine="mock")
def recovery_of_a_tag_that_lives_elsewhere(t):
    """A tag that is alive on another device is given back at recovery."""
    first, low = lender(t, 1)
    first.chain([at(0, POWER_ON_TAG)])
    second = Mock(t.guest, 3)
    region = second.create_region()
    expect_held(t, second, region, [Held(*UNTAGGED)])
    expect_held(t, first, low, [at(0)])


@test(machine="mock")
def lists_are_bounded(t):
    """A list that says it returned more than there is room for is not read
    past its end; the region is refused, the device untouched."""
    mock = Mock(t.guest, 1)
    before = mock.account()
    for lie in (1000, 0xfffffffe):
        mock.quirk("list_returned", lie)
        refused = None
        try:
            mock.create_region()
        except Refused as error:
            refused = error.errno
        check_equal(refused, "EPROTO", f"a region, with {lie} returned")
        for name in t.guest.names(CXL, "region*"):
            if "dynamic" in t.guest.read(f"{CXL}/{name}/mode"):
                t.guest.destroy_region(name)
        mock.quirk("list_returned", 0xffffffff)
    check_equal(mock.account(), before, "the account")


@test(machine="mock")
def all_partitions_at_once(t):
    """A region in each of eight partitions, made in ascending order; one chain
    brings an allocation to each, all are claimed at once."""
    mock = Mock(t.guest, 7)
    regions = [mock.create_region(number) for number in range(1, 9)]
    bases = [region_base(t.guest, region) for region in regions]
    tags = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(1, 9)]
    chain = [Held(base + k * 4 * BLOCK, BLOCK, tag)
             for k in (1, 0) for base, tag in zip(bases, tags)]
    mock.clear()
    mock.chain(chain)
    expect_answer(mock, chain)
    for region, base, tag in zip(regions, bases, tags):
        device = seed_device(t.guest, region)
        claim(t, device, tag)
        check_equal(layout(t, mock, region, device),
                    [(base + 4 * BLOCK, BLOCK), (base, BLOCK)], region.mode)
        mock.check_agreement(region)
    for region in regions:
        seed_device(t.guest, region).give_back()


@test(machine="mock")
def claims_when_the_driver_goes(t):
    """dax_cxl is unloaded with an allocation claimed: all goes back, the device
    node is gone with it, and nothing points anywhere."""
    mock, region = lender(t)
    mock.chain([at(0, TAG_A), at(2, TAG_A), at(8)])
    device = seed_device(t.guest, region)
    claim(t, device, TAG_A)
    device.bind()
    t.guest.sh("rmmod dax_cxl", 60)
    check(not t.guest.exists(f"{DAX}/{device.name}"), "the DAX device is there")
    expect_held(t, mock, region, [])
    mock.chain([at(4, TAG_A), at(6, TAG_A)])
    expect_held(t, mock, region, [at(4), at(6)])
    t.guest.sh("modprobe dax_cxl", 60)
    t.guest.wait_dax(region)
    claim(t, DaxDevice(t.guest, region.seed), TAG_A)
    check_equal(seed_device(t.guest, region).size(), 2 * BLOCK, "size")
    expect_held(t, mock, region, [at(4), at(6)])
    seed_device(t.guest, region).give_back()


@test(machine="mock")
def claim_another_that_fits(t):
    """Any untagged extent is claimed that fits the device's alignment, wherever it
    stands among those that don't."""
    mock = empty(t, 1)
    mock.do("partition", f"0:{BASE:#x}:{3 * GIB:#x}:0x200")
    mock.rebind()
    region = mock.create_region()
    aligned = -host_base(t.guest, region) % GIB
    small = Held(BASE + (aligned + GIB) % (2 * GIB), BLOCK)
    mock.chain([small, Held(BASE + aligned, GIB)])
    device = seed_device(t.guest, region)
    t.guest.write(device.attribute("align"), GIB)
    t.guest.write(device.attribute("uuid"), 0)
    check_equal(device.size(), GIB, "size")
    other = create_device(t.guest, region)
    t.guest.write(other.attribute("align"), GIB)
    check_equal(t.guest.refusal(other.attribute("uuid"), 0), "EINVAL",
                "when none fits")
    t.guest.write(other.attribute("align"), BLOCK)
    t.guest.write(other.attribute("uuid"), 0)
    check_equal(other.size(), BLOCK, "size of the other")
