# SPDX-License-Identifier: GPL-2.0-only
"""Discovery, and regions over the partitions."""

from costs import BLOCK, blocks
from guest import CXL, DAX, Region, seed_device
from lending import (ask_back, claimed_device, dc_region, device_base, lend,
                     offer_refused)
from testlib import check, check_equal, test
from vm import MIB

GIB = 1 << 30

# Who may use what: modes of attributes, None: there is no such attribute.
PARTITION_MODES = {"size": "444", "block_size": "444", "sharable": "444",
                   "read_only": "444"}
EXTENT_MODES = {"offset": "444", "length": "444", "state": "444", "uuid": None}
CLAIMED_MODES = {"uuid": "644", "extent": "644", "size": "644", "align": "644",
                 "mapping": None, "resource": "400", "mapping0/start": "400",
                 "mapping0/end": "400", "mapping0/page_offset": "400"}
ORDINARY_MODES = {"uuid": "444", "extent": None, "size": "644", "align": "644",
                  "mapping": "200", "resource": "400"}
DAX_REGION_MODES = {"available_size": "444", "seed": "444", "create": "644",
                    "delete": "200"}


@test()
def discovery_partitions(t):
    """The memory device shows the two partitions that it has, with their
    properties, and no third; its static memory is as before."""
    guest = t.guest
    for mode in ("dynamic_ram_1", "dynamic_ram_2"):
        path = guest.partition(mode)
        check_equal(guest.number(f"{path}/size"), GIB, f"{mode} size")
        check_equal(guest.number(f"{path}/block_size"), BLOCK,
                    f"{mode} block_size")
        check_equal(guest.number(f"{path}/sharable"), 0, f"{mode} sharable")
        check_equal(guest.number(f"{path}/read_only"), 0, f"{mode} read_only")
        check(not guest.exists(f"{path}/qos_class"),
              f"{mode}: a QoS class that the device does not have is shown")
    check(not guest.exists(guest.partition("dynamic_ram_3")),
          "a partition that does not exist is shown")
    check_equal(guest.number(f"{guest.partition('ram')}/size"), 512 * MIB,
                "static memory")


def offers_of_root_decoders(guest):
    """Every root decoder has the attributes of all eight modes where regions of
    ordinary memory can be made, and none of them elsewhere. Which is the case:
    {name: whether it has them}."""
    output = guest.sh(
        f"cd {CXL}; for d in root*/decoder*.*; do echo $d $(cd $d; ls -d "
        "create_ram_region *_dynamic_ram_* 2>/dev/null); done")
    every = {name for number in range(1, 9) for name in (
        f"cap_dynamic_ram_{number}", f"create_dynamic_ram_{number}_region")}
    offers = {}
    for line in output.splitlines():
        decoder, *names = line.split()
        offers[decoder] = "create_ram_region" in names
        check_equal(set(names) - {"create_ram_region"},
                    every if offers[decoder] else set(), decoder)
    return offers


@test()
def discovery_decoders(t):
    """The root decoder offers all eight modes, since it is made before any
    device is known; an endpoint decoder takes only the modes that its device
    has."""
    guest = t.guest
    check_equal(list(offers_of_root_decoders(guest).values()), [True],
                "root decoders, and whether they have all modes")
    root = f"{CXL}/{guest.root_decoder()}"
    for number in range(1, 9):
        mode = f"dynamic_ram_{number}"
        check_equal(guest.read(f"{root}/cap_{mode}"), "1", f"cap_{mode}")
        check(guest.read(f"{root}/create_{mode}_region").startswith("region"),
              f"create_{mode}_region names no region")
    decoder = f"{CXL}/{guest.free_endpoint_decoder()}"
    for mode in ("dynamic_ram_1", "dynamic_ram_2"):
        guest.write(f"{decoder}/mode", mode)
        check_equal(guest.read(f"{decoder}/mode"), mode, "decoder mode")
    check_equal(guest.refusal(f"{decoder}/mode", "dynamic_ram_3"), "EINVAL",
                "mode of no partition")
    check_equal(guest.refusal(f"{decoder}/mode", "dynamic_ram_9"), "EINVAL",
                "mode that is none")


@test()
def region_over_each_partition(t):
    """A region can be made over either partition alone; it starts with a seed
    device of size 0 and with no extent."""
    for number in (1, 2):
        region = dc_region(t, number)
        check_equal(t.guest.read(f"{CXL}/{region.name}/mode"), region.mode,
                    "region mode")
        seed = seed_device(t.guest, region)
        check_equal(seed.size(), 0, "size of the seed device")
        check_equal(t.guest.ranges(region), [], "extents of a new region")
        check_equal(t.guest.available(region), 0, "available_size")
        lend(t, region, [(BLOCK, BLOCK)])
        t.guest.check_invariant()
        t.guest.destroy_regions()


@test()
def regions_over_both_partitions(t):
    """Both partitions and the static memory are used at once, and an extent
    appears in the region of its own partition, at its own place."""
    ram = t.guest.create_region("ram")
    first, second = dc_region(t, 1), dc_region(t, 2)
    lend(t, first, [(0, 2 * BLOCK)])
    lend(t, second, [(4 * BLOCK, BLOCK)])
    check_equal(t.guest.ranges(first), [(0, 2 * BLOCK)], "first region")
    check_equal(t.guest.ranges(second), [(4 * BLOCK, BLOCK)], "second region")
    check_equal(sorted(t.guest.device_ranges()),
                [(device_base(t, first), 2 * BLOCK),
                 (device_base(t, second) + 4 * BLOCK, BLOCK)],
                "the device's list")
    static = seed_device(t.guest, ram)
    static.bind()
    for seed, device in enumerate((static, claimed_device(t, first),
                                   claimed_device(t, second))):
        check_equal(device.mem("write", 0, BLOCK, seed), "written", "write")
    for seed, name in enumerate((ram, first, second)):
        device = seed_device(t.guest, name)
        check_equal(device.mem("verify", 0, BLOCK, seed), "verified", "verify")


@test()
def region_has_one_way(t):
    """Interleaving of Dynamic Capacity is refused."""
    root = f"{CXL}/{t.guest.root_decoder()}"
    name = t.guest.read(f"{root}/create_dynamic_ram_1_region")
    t.guest.write(f"{root}/create_dynamic_ram_1_region", name)
    t.guest.write(f"{CXL}/{name}/interleave_granularity", "256")
    check_equal(t.guest.refusal(f"{CXL}/{name}/interleave_ways", "2"),
                "EINVAL", "two ways")
    t.guest.write(f"{root}/delete_region", name)


@test()
def add_without_region_is_refused(t):
    """No region, no acceptance; the answer is sent all the same, and the same
    memory can be lent once there is a region."""
    offer_refused(t, 0, blocks(2))
    check_equal(t.guest.device_ranges(), [], "the device's list")
    region = dc_region(t)
    check_equal(t.guest.ranges(region), [], "extents of a new region")
    lend(t, region, blocks(2))


@test()
def add_to_partition_without_region_is_refused(t):
    """A region over one partition is none for the other."""
    region = dc_region(t, 1)
    offer_refused(t, 1, blocks(1))
    lend(t, region, blocks(1))


@test()
def region_destroy_releases(t):
    """Destroying a region gives back all that it holds: the device lists
    nothing, and the same ranges can be lent to a new region."""
    ranges = blocks(8, stride=3)
    for _ in range(2):
        region = dc_region(t)
        lend(t, region, ranges)
        t.guest.destroy_regions()
        check_equal(t.guest.device_ranges(), [], "the device's list")


@test()
def region_destroy_with_claim(t):
    """The region goes while its seed device has a claim on an extent that
    arrived at run time, first without, then with a driver."""
    for bind in (False, True):
        region = dc_region(t)
        lend(t, region, [(0, 4 * BLOCK), (8 * BLOCK, BLOCK)])
        device = seed_device(t.guest, region)
        device.claim()
        if bind:
            device.bind()
            check_equal(device.mem("write", 0, BLOCK, 1), "written", "write")
        t.guest.destroy_regions()
        check_equal(t.guest.device_ranges(), [], "the device's list")


@test()
def region_destroy_with_release_pending(t):
    """What was asked for and still in use goes with the region."""
    region = dc_region(t)
    lend(t, region, [(0, 2 * BLOCK)])
    device = seed_device(t.guest, region)
    name = device.claim()
    ask_back(t, region, [(0, 2 * BLOCK)])
    t.guest.wait_state(name, "release-pending")
    t.guest.destroy_regions()
    check_equal(t.guest.device_ranges(), [], "the device's list")


@test()
def region_mode_stays_with_its_capacity(t):
    """A decoder that has capacity of one partition can't be made one of another:
    a region would reach memory that nobody has lent."""
    decoder = f"{CXL}/{t.guest.free_endpoint_decoder()}"
    t.guest.write_all([(f"{decoder}/mode", "dynamic_ram_1"),
                       (f"{decoder}/dpa_size", 256 * MIB)])
    for mode in ("ram", "dynamic_ram_2"):
        check_equal(t.guest.refusal(f"{decoder}/mode", mode), "EBUSY", mode)
    t.guest.write_all([(f"{decoder}/mode", "dynamic_ram_1"),
                       (f"{decoder}/dpa_size", 0), (f"{decoder}/mode", "ram")])


def target_refused(guest, name, decoder, mode, size):
    """Give a decoder some of a partition, and make it the target of a region,
    which must refuse it; the decoder is free again. The error's name."""
    path = f"{CXL}/{decoder}"
    guest.write_all([(f"{path}/mode", mode), (f"{path}/dpa_size", size)])
    errno = guest.refusal(f"{CXL}/{name}/target0", decoder)
    check_equal(guest.read(f"{CXL}/{name}/target0"), "", f"{name}: target0")
    guest.write(f"{path}/dpa_size", 0)
    return errno


@test()
def region_takes_no_other_target(t):
    """A decoder of another mode than the region's, or with less or more capacity,
    is refused with EINVAL; the right one is taken after that."""
    guest, size = t.guest, 512 * MIB
    decoder = guest.free_endpoint_decoder()
    name = guest.start_region(guest.root_decoder(), "dynamic_ram_1", size)
    for mode, capacity in (("ram", size), ("dynamic_ram_2", size),
                           ("dynamic_ram_1", size // 2),
                           ("dynamic_ram_1", size + size // 2)):
        check_equal(target_refused(guest, name, decoder, mode, capacity), "EINVAL",
                    f"{capacity:#x} of {mode}")
    region = guest.complete_region(Region(name, "dynamic_ram_1", decoder, size))
    lend(t, region, blocks(2))


def check_modes(guest, directory, expected):
    """Compare the modes of attributes; None: there must be none."""
    output = guest.sh(f"cd {directory}; for f in {' '.join(expected)}; do "
                      "stat -c '%a' $f 2>/dev/null || echo None; done")
    found = dict(zip(expected, output.split()))
    check_equal(found, {name: str(mode) for name, mode in expected.items()},
                f"modes in {directory}")


@test()
def attributes_have_their_modes(t):
    """Only root may change anything, and see addresses of the host or the
    statistics; what a kind of region does not have is hidden."""
    guest = t.guest
    ordinary, region = guest.create_region("ram"), dc_region(t)
    lend(t, region, blocks(1))
    device = claimed_device(t, region)
    extent, = guest.extents()
    check_modes(guest, guest.partition("dynamic_ram_1"), PARTITION_MODES)
    check_modes(guest, f"{CXL}/{guest.root_decoder()}", {
        "start": "400", "cap_dynamic_ram_1": "444",
        "create_dynamic_ram_1_region": "644", "delete_region": "200"})
    check_modes(guest, f"{region.dax_region}/{extent.name}", EXTENT_MODES)
    check_modes(guest, f"{region.dax_region}/dax_region", DAX_REGION_MODES)
    check_modes(guest, device.path, CLAIMED_MODES)
    check_modes(guest, f"{DAX}/{ordinary.seed}", ORDINARY_MODES)
    check_modes(guest, f"/sys/kernel/debug/cxl/{guest.memdev()}",
                {"dynamic_capacity": "400"})
