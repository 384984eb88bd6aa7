# SPDX-License-Identifier: GPL-2.0-only
"""The command dcd: every subcommand, what it prints, and what it says when it
can't."""

import json

from command import Dcd, Watcher
from costs import BLOCK
from guest import CXL, DAX, DaxDevice, seed_device
from lending import ask_back, device_base, lend
from mock import POWER_ON_TAG, TAGGED, UNTAGGED, Held, Mock
from testlib import check, check_equal, test
from test_allocations import TAG_A, TAG_B, at, lender
from users import POLICY, Keeper, unbind_from
from vm import MIB

GIB = 1 << 30
HOME = (128 * MIB, 128 * MIB)
SMALL = (0, BLOCK)
COMMANDS = ("list", "create-region", "destroy-region", "claim", "free",
            "online", "offline", "watch")


def lent(t, *ranges, words=""):
    """The command, and a region that it made, with extents in it."""
    dcd = Dcd(t.guest)
    region = dcd.region(words)
    lend(t, region, list(ranges))
    return dcd, region


def holder(device):
    """A process that has the first MiB of a device mapped."""
    return device.hold(BLOCK)


# list -----------------------------------------------------------------------

@test()
def dcd_help(t):
    """Each command has a help; what is no command, no option and no name is
    refused, with a word about what to do."""
    dcd = Dcd(t.guest)
    usage = dcd.ok("help")
    for command in COMMANDS:
        check(command in usage, f"no {command} in the usage")
        check(f"dcd {command}" in dcd.ok(f"help {command}"), "help")
        check_equal(dcd.ok(f"{command} --help"), dcd.ok(f"help {command}"),
                    "--help")
    check_equal(dcd.ok("--version").split(".")[0], "7", "version")
    dcd.fails("", "usage: dcd COMMAND")
    dcd.fails("borrow", "there is no command 'borrow'", "dcd help")
    dcd.fails("list --color", "color")
    dcd.fails("list everything", "it takes no argument", "dcd help list")
    dcd.fails("free", "it takes one argument", "dcd help free")
    dcd.fails("list -m ../mem0", "'../mem0' is no name like mem0")
    dcd.fails("list -d dax0", "'dax0' is no name like dax0.0")
    dcd.fails("watch -c 0", "'0' is no number from 1 to")
    dcd.fails("watch -t 1x", "'1x' is no number from 1 to 1000000000")
    dcd.fails("create-region -s 16777216T", "no number")


@test("none", loaded=False)
def dcd_without_device(t):
    """Without modules, and without a device, it says so."""
    dcd = Dcd(t.guest)
    t.guest.unload_all()
    dcd.fails("list", "the kernel has no CXL bus", "modprobe")
    t.guest.load()
    check_equal(dcd.ok("list"), "", "dcd list")
    check("no Dynamic Capacity Device" in dcd.said, dcd.said)
    check_equal(dcd.json("list"), {"memdevs": [], "regions": []}, "JSON")
    dcd.fails("create-region", "no Dynamic Capacity Device",
              "created 0 regions")
    check_equal(dcd.ok("destroy-region all"), "", "destroy-region all")


@test()
def dcd_list_partitions(t):
    """A device with its partitions, before there is a region: as a table, in
    JSON, and in JSON for people."""
    dcd = Dcd(t.guest)
    memdev = t.guest.memdev()
    check_equal(dcd.table("list", "MEMDEV"),
                [[memdev, f"dynamic_ram_{number}", "1 GiB", "2 MiB", "-", "-"]
                 for number in (1, 2)], "table")
    partitions = [{"partition": f"dynamic_ram_{number}", "size": GIB,
                   "block_size": BLOCK, "sharable": False, "read_only": False}
                  for number in (1, 2)]
    check_equal(dcd.json("list"), {"memdevs": [{
        "memdev": memdev, "serial": 1234, "host": t.guest.pci_name(),
        "partitions": partitions}], "regions": []}, "JSON")
    first = dcd.json(f"list -u -m {memdev}")["memdevs"][0]
    check_equal(first["serial"], "0x4d2", "serial for people")
    check_equal(first["partitions"][0]["size"], "1.00 GiB (1.07 GB)",
                "size for people")
    dcd.fails("list -m mem99", "mem99 is no Dynamic Capacity Device")
    dcd.fails("list -r region0", "region0 is no region", "dcd list")
    dcd.fails("list -d dax0.0", "dax0.0 is no DAX device", "dcd list")


@test()
def dcd_list_extents(t):
    """Regions, extents, allocations and claims, as sysfs has them."""
    dcd, region = lent(t, SMALL, HOME)
    device = seed_device(t.guest, region)
    claimed = device.claim()
    other, = {extent.name for extent in t.guest.extents()} - {claimed}
    expected = [[region.name, extent.name,
                 "0" if not extent.offset else "128 MiB",
                 f"{extent.length // MIB} MiB", extent.state,
                 device.name if extent.name == claimed else "-", "-"]
                for extent in t.guest.extents()]
    found = dcd.table("list", "REGION")
    check_equal(found, [[region.name, t.guest.memdev(), "dynamic_ram_1",
                         "1 GiB", "130 MiB",
                         f"{t.guest.available(region) // MIB} MiB"]],
                "table of regions")
    lines = dcd.ok(f"list -r {region.name}").split("\n\n")[1].splitlines()
    check_equal([line.split() for line in lines[1:]],
                [" ".join(row).split() for row in expected],
                "table of extents")

    listed, = dcd.json(f"list -r {region.name}")["regions"]
    check_equal(listed["resource"],
                t.guest.number(f"{CXL}/{region.name}/resource"), "resource")
    check_equal([(entry["offset"], entry["length"], entry["extent"],
                  entry["state"]) for entry in listed["extents"]],
                [(extent.offset, extent.length, extent.name, extent.state)
                 for extent in t.guest.extents()], "extents")
    check_equal({entry["extents"][0]: (entry["state"], entry.get("chardev"))
                 for entry in listed["allocations"]},
                {claimed: ("claimed", device.name),
                 other: ("available", None)}, "allocations")
    check_equal([(entry["chardev"], entry["size"], entry["extent"],
                  entry["state"]) for entry in listed["devices"]],
                [(device.name, device.size(), claimed, "disabled")], "devices")
    check_equal(dcd.json(f"list -d {device.name} -r {region.name}")["devices"],
                listed["devices"], "list --dev")
    other = dcd.region()
    dcd.fails(f"list -d {device.name} -r {other.name}",
              f"{device.name} is on {region.name}, not on {other.name}")


# Regions --------------------------------------------------------------------

@test()
def dcd_create_region(t):
    """Regions over the partitions one after the other, and over a part; then
    nothing is left."""
    dcd = Dcd(t.guest)
    check_equal(dcd.ok("create-region",
                       said="dcd create-region: created 1 region"),
                f"region0: dynamic_ram_1 of {t.guest.memdev()}, 1 GiB",
                "create-region")
    second = dcd.region(f"-m {t.guest.memdev()} -t dynamic_ram_2 -s 256M "
                        f"-d {t.guest.root_decoder()}")
    check_equal((second.mode, second.size), ("dynamic_ram_2", 256 * MIB),
                "region by name and size")
    third = dcd.region()
    check_equal((third.mode, third.size), ("dynamic_ram_2", 768 * MIB),
                "what was left")
    check_equal(dcd.table("list", "MEMDEV")[1][4],
                f"{second.name},{third.name}", "regions of a partition")
    for region in (second, third):
        check_equal(t.guest.read(f"{CXL}/{region.name}/mode"), region.mode,
                    "mode")
        check(t.guest.exists(f"{DAX}/{region.seed}"), "no seed device")
    t.fabric.add(1, [(512 * MIB, BLOCK)])
    t.guest.wait_ranges(third, [(256 * MIB, BLOCK)])
    dcd.fails("create-region", "has no partition without a region",
              "created 0 regions")
    dcd.fails("create-region -t dynamic_ram_1", "without a region", "dcd list")


@test()
def dcd_create_region_refused(t):
    """What can't be made leaves nothing behind, and the reason is said."""
    dcd = Dcd(t.guest)
    dcd.fails("create-region -m mem99", "mem99 is no Dynamic Capacity Device")
    dcd.fails("create-region -t dynamic_ram_3", "no partition dynamic_ram_3")
    dcd.fails("create-region -t ram", "no name like dynamic_ram_0")
    dcd.fails("create-region -s 100M", "multiple of 256M")
    dcd.fails("create-region -s 0400M", "multiple of 256M")     # not octal
    dcd.fails("create-region -s 2G", "has no room", "smaller --size")
    dcd.fails("create-region -s 64G", "has no room", "smaller --size")
    dcd.fails("create-region -d decoder0.99", "decoder0.99 is no root decoder")
    check_equal(t.guest.names(CXL, "region*"), [], "regions")
    later = dcd.region("-t dynamic_ram_2")
    dcd.fails("create-region -t dynamic_ram_1", "has no room",
              "in ascending order of partitions")
    check_equal(t.guest.names(CXL, "region*"), [later.name], "regions")
    dcd.ok(f"destroy-region {later.name}")
    dcd.region()


@test()
def dcd_create_region_without_dax(t):
    """dcd loads dax_cxl. Without it a region holds memory that nobody can claim:
    dcd says which module to load."""
    t.guest.sh("rmmod dax_cxl")
    dcd = Dcd(t.guest)
    dcd.ok("create-region", said="dcd create-region: created 1 region")
    check(t.guest.exists(f"{DAX}/dax0.0"), "no device")
    dcd.ok("destroy-region all")
    t.guest.sh("rmmod dax_cxl")
    dcd.ok("create-region", environment="PATH=/nowhere")
    check("modprobe dax_cxl" in dcd.said, dcd.said)
    t.fabric.add(0, [SMALL])
    t.guest.until("the extent", t.guest.extents)
    check_equal(dcd.table("list", "REGION")[0][-1], "-", "available")
    dcd.fails("claim 0", "has no DAX driver", "modprobe dax_cxl")
    t.guest.load(["dax_cxl"])
    t.guest.until("the device", lambda: t.guest.exists(f"{DAX}/dax0.0"))
    dcd.ok("claim 0")


@test()
def dcd_destroy_region(t):
    """The last region goes first, claims are in the way; what is held goes back
    to the device."""
    dcd, first = lent(t, SMALL, HOME)
    second = dcd.region()
    dcd.ok(f"claim -r {first.name} 0")
    dcd.fails("destroy-region region99", "region99 is no region")
    dcd.fails(f"destroy-region {first.name}",
              f"{second.name} lies behind {first.name}",
              f"'dcd destroy-region {second.name}'", "destroyed 0 regions")
    dcd.ok(f"destroy-region {second.name}",
           said="dcd destroy-region: destroyed 1 region")
    dcd.fails(f"destroy-region {first.name}", f"'dcd free {first.seed}' first",
              "--force", "destroyed 0 regions")
    check_equal(len(t.guest.ranges(first)), 2, "extents")
    dcd.ok(f"free {first.seed}")
    decoder = t.guest.free_endpoint_decoder()
    t.guest.write_all([(f"{CXL}/{decoder}/mode", "dynamic_ram_2"),
                       (f"{CXL}/{decoder}/dpa_size", 256 * MIB)])
    dcd.fails(f"destroy-region {first.name}",
              f"{decoder} has capacity behind {first.name}",
              f"'echo 0 > {CXL}/{decoder}/dpa_size'")
    t.guest.write(f"{CXL}/{decoder}/dpa_size", 0)
    dcd.ok(f"destroy-region {first.name}")
    check_equal(t.guest.device_ranges(), [], "the device's list")
    check_equal(t.guest.names(CXL, "region*"), [], "regions")


@test()
def dcd_destroy_region_by_force(t):
    """With --force, a process that has the memory mapped gets SIGBUS, and
    system RAM goes offline first; all regions in one go."""
    dcd, region = lent(t, SMALL, HOME)
    other = dcd.region()
    for extent in t.guest.extents():
        dcd.ok(f"claim {extent.name}")
    mapped, ram = [entry["chardev"] for extent in t.guest.extents()
                   for entry in dcd.json("list")["regions"][0]["devices"]
                   if entry["extent"] == extent.name]
    dcd.ok(f"online {ram}")
    keeper = Keeper(t.guest, f"/dev/{mapped}", BLOCK)
    dcd.fails("destroy-region all", "has memory of", "destroyed 1 region")
    check(not t.guest.exists(f"{CXL}/{other.name}"), "the last one is there")
    dcd.ok("destroy-region --force all",
           said="dcd destroy-region: destroyed 1 region")
    check_equal(keeper.look(), "SIGBUS", "the mapping")
    keeper.end()
    check("kmem" not in t.guest.read("/proc/iomem"), "system RAM is left")
    check_equal(t.guest.device_ranges(), [], "the device's list")
    check(not t.guest.exists(f"{CXL}/{region.name}"), "the region is there")
    t.guest.sh("rmmod kmem")


# Claims ---------------------------------------------------------------------

@test()
def dcd_claim_untagged(t):
    """Any extent, or a certain one: it can be mapped at once, and what is
    written through it is read back."""
    dcd, region = lent(t, SMALL, (4 * BLOCK, BLOCK), HOME)
    names = [extent.name for extent in t.guest.extents()]
    made = dcd.json(f"claim {names[2]}")
    check_equal(dcd.said, "dcd claim: claimed 1 device", "said")
    check_equal(made, {"chardev": region.seed, "size": HOME[1],
                       "target_node": 1, "align": BLOCK, "mode": "devdax",
                       "extent": names[2]}, "claim by name")
    device = DaxDevice(t.guest, made["chardev"])
    check_equal(device.mem("write", 0, 4 * BLOCK, 7), "written", "write")
    check_equal(device.mem("verify", 0, 4 * BLOCK, 7), "verified", "verify")
    output = dcd.ok(f"claim -r {region.name} 0")
    second = output.split(":")[0]
    check(second != region.seed, "the same device again")
    check(output.endswith(f", /dev/{second}"), output)
    check_equal(t.guest.available(region), BLOCK, "available")
    dcd.ok("claim --no-bind 00000000-0000-0000-0000-000000000000")
    check_equal(len([entry for entry in dcd.json("list")["regions"][0]
                     ["devices"] if entry.get("state") == "disabled"]), 1,
                "devices without a driver")
    check_equal(t.guest.available(region), 0, "available")


@test()
def dcd_claim_refused(t):
    """What can't be claimed, with the way out."""
    dcd, region = lent(t, SMALL, HOME)
    other = dcd.region()
    for what in ("12", "extent0", "dax0.0", "../0",
                 "deadbeef-cafe-baad-f00d-fedcba98765"):
        dcd.fails(f"claim {what}", f"'{what}' is no UUID", "like extent0.0")
    dcd.fails(f"claim {POWER_ON_TAG}", f"no memory named {POWER_ON_TAG}",
              "dcd watch")
    dcd.fails("claim extent0.999", "no memory named extent0.999")
    dcd.fails(f"claim -r {other.name} 0",
              f"no untagged memory is available in {other.name}")
    dcd.fails("claim -r region99 0", "region99 is no region")
    dcd.fails(f"claim -r {other.name} -d {region.seed} 0",
              f"{region.seed} is on {region.name}, not on {other.name}")
    dcd.fails("claim -d dax99.0 0", "dax99.0 is no DAX device")
    t.fabric.add(1, [SMALL])
    t.guest.wait_ranges(other, [SMALL])
    dcd.fails("claim 0", f"{region.name} and {other.name}", "--region")

    small, home = [extent.name for extent in t.guest.extents()
                   if extent.region_id == region.number]
    dcd.ok(f"claim -d {region.seed} {home}")
    dcd.fails(f"claim {home}", f"claimed already, by {region.seed}",
              f"'dcd free {region.seed}'")
    dcd.fails(f"claim -d {region.seed} {small}", "has memory or a driver",
              "leave out --dev")
    t.guest.write(f"{DAX}/{other.seed}/align", GIB)
    extent, = [extent.name for extent in t.guest.extents()
               if extent.region_id == other.number]
    dcd.fails(f"claim -d {other.seed} {extent}",
              f"alignment of {other.seed}", "write a smaller one to")
    ask_back(t, region, [HOME])
    t.guest.wait_state(home, "release-pending")
    dcd.fails(f"claim {home}", "claimed already")


@test()
def dcd_free(t):
    """A claim is given up: the memory can be claimed again, or goes back if the
    device has asked for it. A process that has it mapped is named."""
    dcd, region = lent(t, SMALL, HOME)
    small, home = [extent.name for extent in t.guest.extents()]
    device = DaxDevice(t.guest, dcd.json(f"claim {home}")["chardev"])
    second = DaxDevice(t.guest, dcd.json(f"claim {small}")["chardev"])
    node = f"/tmp/node.{device.name}"
    major, minor = t.guest.read(device.attribute("dev")).split(":")
    t.guest.sh(f"mknod {node} c {major} {minor}")
    for path in (node, device.node):
        pid = device.hold(BLOCK, path)
        dcd.fails(f"free {device.name}", f"process {pid} has /dev/{device.name}",
                  "end it first", "freed 0 devices")
        check(t.guest.exists(f"/proc/{pid}"), "the process is gone")
        device.let_go(pid)
    pid = holder(device)
    ask_back(t, region, [HOME])
    t.guest.wait_state(home, "release-pending")
    device.let_go(pid)
    dcd.ok(f"free {device.name}")
    check(f"{home} goes back to the device" in dcd.said, dcd.said)
    t.guest.wait_ranges(region, [SMALL])

    # a file of the same name, held by somebody, is no use of the device
    t.guest.sh(f"cd /tmp; : >{second.name}; sleep 1000 <{second.name} "
               ">/dev/null 2>&1 & echo $! >/tmp/sleep.pid")
    dcd.ok(f"free {second.name}", said="dcd free: freed 1 device")
    t.guest.sh("kill $(cat /tmp/sleep.pid)")
    check_equal(t.guest.available(region), BLOCK, "available")
    check(not t.guest.exists(second.path), "a spare device is left")
    check(t.guest.exists(device.path), "the first device is gone")
    dcd.fails(f"free {device.name}", "has no memory", "dcd list")
    dcd.fails("free dax99.0", "dax99.0 is no DAX device")
    dcd.ok("claim 0")
    keeper = Keeper(t.guest, device.node, BLOCK)
    dcd.ok(f"free --force {device.name}")
    check_equal(keeper.look(), "SIGBUS", "the mapping")
    keeper.end()


@test()
def dcd_claim_at_once(t):
    """Three who claim and free all the time never miss what is there: a device may
    go that one of them has just chosen."""
    dcd, region = lent(t, SMALL, (4 * BLOCK, BLOCK), (8 * BLOCK, BLOCK))
    rounds = ("i=0; while [ $i -lt 30 ]; do dev=$(dcd claim -N 0) && "
              "dcd free ${dev%%:*} || exit 1; i=$((i+1)); done")
    t.guest.sh(f"cd /tmp; for who in 1 2 3; do ({rounds}) >at-once.$who 2>&1 & "
               "all=\"$all $!\"; done; "
               "for pid in $all; do wait $pid || { cat at-once.*; exit 1; }; done",
               120)
    check_equal(t.guest.available(region), 3 * BLOCK, "available")
    check_equal(dcd.table("list", "DEVICE"),
                [[region.seed, region.name, "0", "-", "free", "-"]], "devices")


# System RAM -----------------------------------------------------------------

@test()
def dcd_online(t):
    """Claimed memory becomes system RAM in which a process can live, and stops
    to be; the claim stays."""
    dcd, region = lent(t, HOME)
    dcd.fails(f"online {region.seed}", "has no memory", "dcd claim")
    dcd.ok("claim 0")
    dcd.fails(f"offline {region.seed}", "is no system RAM", "dcd free")
    dcd.ok(f"online {region.seed}",
           said="dcd online: onlined memory for 1 device")
    made, = dcd.json(f"list -d {region.seed}")["devices"]
    check_equal((made["mode"], made["memory"], made["movable"]),
                ("system-ram", "online_movable", True), "JSON")
    dcd.ok(f"online {region.seed}")
    keeper = Keeper(t.guest, f"node:{made['target_node']}", BLOCK)
    dcd.fails(f"free {region.seed}", "is system RAM", "dcd offline")
    dcd.fails(f"destroy-region {region.name}", "dcd offline")
    check_equal(keeper.pin(), "pinned", "pin")
    dcd.fails(f"offline -t 2 {region.seed}", "can't be moved", "try again",
              "offlined memory for 0 devices")
    check_equal(keeper.pin(), "unpinned", "unpin")
    dcd.ok(f"offline {region.seed}",
           said="dcd offline: offlined memory for 1 device")
    check_equal(keeper.look(), "intact", "the process's memory, moved")
    keeper.end()
    made, = dcd.json(f"list -d {region.seed}")["devices"]
    check_equal((made["mode"], made["size"]), ("devdax", HOME[1]), "after it")
    dcd.ok(f"free {region.seed}")
    t.guest.sh("rmmod kmem")


@test(fresh=True)
def dcd_online_against_the_policy(t):
    """Where new memory goes online by itself, as Debian has it, the kernel has none
    of it for its own, not even for a moment; and the policy is what it was."""
    dcd, region = lent(t, HOME)
    dcd.ok("claim 0")
    t.guest.write(POLICY, "online")
    begin = len(t.vm.log())
    try:
        dcd.ok(f"online {region.seed}")
        check_equal(t.guest.read(POLICY), "online", "policy")
    finally:
        t.guest.write(POLICY, "offline")
    made, = dcd.json(f"list -d {region.seed}")["devices"]
    check_equal(made["memory"], "online_movable", "memory")
    end = t.vm.mark_log("online")
    # All of the machine's own memory is below: DMA32. No other test made that differ.
    check("Policy zone: Normal" not in t.vm.log()[begin:end],
          "the kernel had the memory for its own")
    dcd.ok(f"offline {region.seed}")
    dcd.ok(f"free {region.seed}")
    t.guest.sh("rmmod kmem")


@test()
def dcd_online_broken_off(t):
    """Who ends 'dcd online' while it has changed the policy finds it as it was."""
    dcd, region = lent(t, HOME)
    dcd.ok("claim 0")
    t.guest.write(POLICY, "online")
    try:
        t.guest.sh("mkdir /tmp/ending; cd /tmp/ending; { echo '#!/bin/sh'; "
                   f"echo 'cat {POLICY} >policy; kill -TERM $PPID'; "
                   "echo exec $(command -v modprobe) '\"$@\"'; } >modprobe; "
                   "chmod +x modprobe; ! PATH=/tmp/ending:$PATH "
                   f"dcd online {region.seed}")
        check_equal(t.guest.read("/tmp/ending/policy"), "online_movable",
                    "policy when it was ended")
        check_equal(t.guest.read(POLICY), "online", "policy")
    finally:
        t.guest.write(POLICY, "offline")
    made, = dcd.json(f"list -d {region.seed}")["devices"]
    check_equal(made["memory"], "online_movable", "memory")
    dcd.ok(f"offline {region.seed}")
    dcd.ok(f"free {region.seed}")
    t.guest.sh("rm -r /tmp/ending; rmmod kmem")


@test()
def dcd_free_by_force(t):
    """--force frees system RAM, too, wherever the system's own policy has put
    it."""
    dcd, region = lent(t, HOME)
    dcd.ok("claim -N 0")
    t.guest.write(POLICY, "online_movable")
    dcd.ok(f"online {region.seed}")
    t.guest.write(POLICY, "offline")
    check_equal(dcd.table(f"list -d {region.seed}", "DEVICE"),
                [[region.seed, region.name, "128 MiB", "system-ram",
                  "online_movable", t.guest.extents()[0].name]], "table")
    dcd.ok(f"free -f {region.seed}")
    check_equal(t.guest.available(region), HOME[1], "available")
    t.guest.sh("rmmod kmem")


@test(fresh=True)
def dcd_online_for_the_kernel(t):
    """With --no-movable the memory is for the kernel, too, which may keep it:
    then it can't go offline. The next boot finds the extent where it was."""
    dcd, region = lent(t, HOME)
    dcd.ok("claim 0")
    dcd.ok(f"online -M {region.seed}")
    made, = dcd.json(f"list -d {region.seed}")["devices"]
    check_equal((made["memory"], made["movable"]), ("online_kernel", False),
                "JSON")
    status, _ = dcd.run(f"offline -t 2 {region.seed}")
    t.note(f"offline says: {dcd.said}")
    check_equal("can't be moved" in dcd.said, bool(status), "error")
    t.guest.restart()
    t.guest.wait_ranges(dcd.region(), [HOME])


@test()
def dcd_online_refused(t):
    """Less than a memory block is no system RAM; nor is what is mapped, or what
    the device wants back."""
    dcd, region = lent(t, SMALL, HOME)
    small, home = [extent.name for extent in t.guest.extents()]
    device = DaxDevice(t.guest, dcd.json(f"claim {small}")["chardev"])
    dcd.fails(f"online {device.name}", "kmem does not take",
              "block of 0x8000000 bytes", "onlined memory for 0 devices")
    made, = dcd.json(f"list -d {device.name}")["devices"]
    check_equal(made["mode"], "devdax", "mode after a refusal")
    device = DaxDevice(t.guest, dcd.json(f"claim {home}")["chardev"])
    pid = holder(device)
    dcd.fails(f"online {device.name}", f"process {pid} has")
    device.let_go(pid)
    ask_back(t, region, [HOME])
    t.guest.wait_state(home, "release-pending")
    dcd.fails(f"online {device.name}", "the device wants the memory",
              f"'dcd free {device.name}'")
    dcd.ok("free dax0.0")
    t.guest.sh("rmmod kmem")


# watch ----------------------------------------------------------------------

@test()
def dcd_watch(t):
    """Each event is a line, or an object of JSON; it ends after as many as it
    was told to wait for."""
    dcd, region = lent(t)
    other = dcd.region()
    people = Watcher(t.guest, "--count=3")
    programs = Watcher(t.guest, f"--json -r {region.name}")
    lend(t, region, [HOME])
    name = region.name
    dcd.ok("claim 0")
    ask_back(t, region, [HOME])
    t.guest.wait_state(t.guest.extents()[0].name, "release-pending")
    dcd.ok(f"free {region.seed}")
    check_equal(people.wait(3), [
        f"{name}: add 128 MiB at 128 MiB",
        f"{name}: release-request 128 MiB at 128 MiB, waits for {region.seed}",
        f"{name}: released 128 MiB at 128 MiB"], "lines")
    check_equal(people.status(), 0, "status")
    t.fabric.add(1, [SMALL])
    t.guest.wait_ranges(other, [SMALL])
    place = {"offset": HOME[0], "length": HOME[1]}
    check_equal([json.loads(line) for line in programs.wait(3)], [
        {"region": name, "event": "add", **place},
        {"region": name, "event": "release-request", **place,
         "waits_for": region.seed},
        {"region": name, "event": "released", **place}], "JSON")
    check_equal(dcd.ok("watch -t 1", said="dcd watch: watching"), "",
                "watch for a second")
    dcd.fails("watch -t 1 -c 2", "0 of 2 events came in 1 s")


@test(fresh=True)
def dcd_watch_names_system_ram(t):
    """Memory that kmem has left online: dcd says why it can't be given up. Without
    a DAX device that has it the event says who is waited for."""
    dcd, region = lent(t, HOME)
    dcd.ok("claim 0")
    dcd.ok(f"online {region.seed}")
    device = DaxDevice(t.guest, region.seed)
    keeper = Keeper(t.guest, f"node:{t.guest.read(device.attribute('target_node'))}",
                    BLOCK)
    check_equal(keeper.pin(), "pinned", "pin")
    unbind_from(device, "kmem")
    dcd.fails(f"free {device.name}", "kmem has left it online",
              "until the machine starts again")
    people, programs = Watcher(t.guest, "-c 1"), Watcher(t.guest, "-j -c 1")
    t.guest.sh("rmmod dax_cxl")
    check_equal(people.wait(1), [f"{region.name}: release-request 128 MiB at "
                                 "128 MiB, waits for system-ram"], "line")
    check_equal(json.loads(programs.wait(1)[0])["waits_for"], "system-ram", "JSON")
    t.guest.restart()
    t.guest.wait_ranges(dcd.region(), [HOME])


# cxl_test's devices: tags ---------------------------------------------------

@test("mock")
def dcd_list_mock(t):
    """Several devices, sharable partitions, what is held after power-on."""
    dcd = Dcd(t.guest)
    mocks = [Mock(t.guest, number) for number in range(2)]
    rows = dcd.table("list", "MEMDEV")
    check([mocks[0].memdev(), "dynamic_ram_1", "512 MiB", "512 B", "-",
           "sharable"] in rows, f"the sharable partition: {rows}")
    dcd.fails("create-region", "Dynamic Capacity Devices: name one",
              "--memdev")
    expected = mocks[1].root_decoder()
    region = dcd.region(f"-m {mocks[1].memdev()}")
    check(t.guest.sh(f"readlink -f {CXL}/{region.name}").endswith(
        f"/{expected}/{region.name}"), f"not below {expected}")
    base = device_base(t, region)
    listed, = dcd.json(f"list -r {region.name}")["regions"]
    check_equal(sorted((base + entry["offset"], entry["length"],
                        entry.get("uuid")) for entry in listed["extents"]),
                [(*UNTAGGED, None), (*TAGGED, POWER_ON_TAG)], "extents")
    mocks[1].check_clean(region)
    made = dcd.json(f"claim {POWER_ON_TAG.upper()}")
    check_equal((made["uuid"], made["size"], made["mode"]),
                (POWER_ON_TAG, TAGGED[1], "devdax"), "claim by tag")
    dcd.fails(f"destroy-region {region.name}", "dcd free")
    dcd.ok(f"free {made['chardev']}")
    dcd.ok(f"destroy-region {region.name}")


@test("mock")
def dcd_claim_tagged(t):
    """A tag is claimed with all its extents; what is claimed, asked for or not
    there is not."""
    dcd = Dcd(t.guest)
    mock, region = lender(t)
    mock.chain([at(0, TAG_A), at(8), at(4, TAG_A), at(2, TAG_B)])
    listed, = dcd.json(f"list -r {region.name}")["regions"]
    check_equal(sorted((entry.get("uuid", ""), entry["size"],
                        len(entry["extents"]))
                       for entry in listed["allocations"]),
                [("", BLOCK, 1), (TAG_A, 2 * BLOCK, 2), (TAG_B, BLOCK, 1)],
                "allocations")
    made = dcd.json(f"claim {TAG_A}")
    check_equal((made["uuid"], made["size"]), (TAG_A, 2 * BLOCK), "claim")
    listed, = dcd.json(f"list -r {region.name}")["regions"]
    check_equal([(entry["uuid"], entry["chardev"])
                 for entry in listed["allocations"] if "chardev" in entry],
                [(TAG_A, made["chardev"])], "claims")
    dcd.fails(f"claim {TAG_A}", "claimed already", "dcd free")
    second = dcd.ok("claim 0").split(":")[0]
    dcd.fails("claim 0", "no untagged memory is available", "dcd watch")
    watcher = Watcher(t.guest, "-j")
    mock.delete(at(0).start, BLOCK, TAG_A)
    check_equal(json.loads(watcher.wait(2)[0]), {
        "region": region.name, "event": "release-request", "offset": 0,
        "length": BLOCK, "uuid": TAG_A, "waits_for": made["chardev"]}, "event")
    dcd.ok(f"free {made['chardev']}")
    check(f"{TAG_A} goes back" in dcd.said, dcd.said)
    t.guest.until("the release", lambda: TAG_A not in [
        held.tag for held in mock.account()])
    dcd.fails(f"claim {TAG_A}", f"no memory named {TAG_A}")
    extent, = [entry["extent"] for entry in listed["extents"]
               if entry.get("uuid") == TAG_B]
    check_equal(dcd.json(f"claim {extent}")["uuid"], TAG_B, "claim by name")
    dcd.ok(f"free {second}")
    mock.check_clean(region)


@test("mock")
def dcd_pending_is_not_claimed(t):
    """What waits to go back, since the device has refused it, can't be
    claimed."""
    dcd = Dcd(t.guest)
    mock, region = lender(t)
    mock.chain([at(0, TAG_A)])
    mock.fail("4803", 3)
    mock.delete(at(0).start, BLOCK, TAG_A)
    check_equal([extent.state for extent in t.guest.extents()
                 if extent.region_id == region.number], ["release-pending"],
                "state")
    dcd.fails(f"claim {TAG_A}", "is release-pending", "goes back")


@test("mock")
def dcd_forced(t):
    """Memory that was taken by force: an event says so, and the dead device is
    free again after 'dcd free'."""
    dcd = Dcd(t.guest)
    mock, region = lender(t)
    mock.chain([at(0, TAG_A), Held(at(64).start, 4 * BLOCK)])
    device = dcd.json(f"claim {TAG_A}")["chardev"]
    watcher = Watcher(t.guest, "--count=1")
    mock.delete(at(0).start, BLOCK, TAG_A, force=True)
    check_equal(watcher.wait(1), [f"{region.name}: forced-release 2 MiB at 0, "
                                  f"uuid {TAG_A}"], "event")
    dcd.fails(f"claim {TAG_A}", "no memory named")
    dcd.ok(f"free {device}")
    dcd.ok(f"claim -d {device} 0")
    check_equal(t.guest.number(f"{DAX}/{device}/size"), 4 * BLOCK, "size")
