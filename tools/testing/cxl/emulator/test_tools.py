# SPDX-License-Identifier: GPL-2.0-only
"""cxl and daxctl, as this machine has them: they know nothing of Dynamic Capacity.

What the administrator's guide says of them is tried, and so is what they can't do: it
must fail in the way that the guide says, and change nothing.
"""

import json

from guest import CXL, seed_device
from lending import dc_region, lend
from test_guide import LENT, Reader
from testlib import check, check_equal, test
from users import POLICY, host_base
from vm import MIB

ERRORS = "/tmp/tool.errors"


def tool(t, words):
    """Run a command; returns its status, what it prints and what it says."""
    status, output = t.vm.run(f"{words} 2>{ERRORS}", 60)
    return status, output, t.guest.read(ERRORS)


def listed(t, words):
    """What a listing prints, which is JSON, and all that it says."""
    status, output, said = tool(t, words)
    check_equal((status, said), (0, ""), words)
    return json.loads(output)


def fails(t, words, text):
    """A command fails, prints nothing, and says this."""
    status, output, said = tool(t, words)
    check(status and not output, f"{words}: {status}, {output}")
    check(text in said, f"{words} said '{said}', not '{text}'")


def objects(value, kind):
    """The objects of a kind in a listing, at any depth: it is their first key."""
    if isinstance(value, dict):
        found = [value] if next(iter(value), None) == kind else []
        return found + objects(list(value.values()), kind)
    if isinstance(value, list):
        return [found for entry in value for found in objects(entry, kind)]
    return []


def check_has(found, what, **expected):
    """Compare some keys of an object; None: it must not have that one."""
    check_equal({key: found.get(key) for key in expected}, expected, what)


def check_dax(t, device, size, **more):
    """daxctl lists a DAX device like this, with nothing else said of it."""
    entry, = [entry for entry in listed(t, "daxctl list -D -i")
              if entry["chardev"] == device.name]
    node = t.guest.number(device.attribute("target_node"))
    check_equal(entry, {"chardev": device.name, "size": size, "target_node": node,
                        "align": 2 * MIB, **more}, device.name)


@test()
def other_tools_list(t):
    """cxl and daxctl list the device, a region of Dynamic Capacity, and what is
    claimed in it. Of the region they say no type, of its decoder "mixed"."""
    region = dc_region(t)
    lend(t, region, LENT)
    device = seed_device(t.guest, region)
    device.claim()
    check(listed(t, "cxl list -M -D -R -i -u"), "nothing is listed")
    listing = listed(t, "cxl list -M -D -R -i")
    memdev, = objects(listing, "memdev")
    check_has(memdev, "memory device", memdev=t.guest.memdev(), ram_size=512 * MIB)
    found, = objects(listing, "region")
    check_has(found, "region", region=region.name, size=region.size, interleave_ways=1,
              resource=host_base(t.guest, region), type=None, state=None)
    decoders = {entry["decoder"]: entry for entry in objects(listing, "decoder")}
    check_has(decoders[region.decoder], "decoder", region=region.name, mode="mixed",
              dpa_size=region.size, state=None)
    free = decoders[t.guest.free_endpoint_decoder()]
    check_has(free, "free decoder", region=None, state="disabled")
    check_dax(t, device, LENT[0][1], mode="devdax", state="disabled")
    found, = objects(listed(t, "daxctl list -R -i"), "path")
    check_has(found, "DAX region", id=region.number, size=region.size,
              available_size=LENT[1][1])


@test()
def guide_by_other_tools(t):
    """What the guide says of cxl and daxctl, from claimed memory to system RAM, back,
    and to the end of the region."""
    reader = Reader(t)
    region = dc_region(t)
    lend(t, region, LENT[:1])
    device, size = seed_device(t.guest, region), LENT[0][1]
    device.claim()
    reader.follow("Map memory", "devdax", "daxctl")
    check_dax(t, device, size, mode="devdax")
    check_equal(device.mem("write", 0, 4 * MIB, 37), "written", "write")
    check_equal(device.mem("verify", 0, 4 * MIB, 37), "verified", "verify")
    reader.follow("Have it as system RAM", "system-ram", "daxctl")
    check_dax(t, device, size, mode="system-ram", online_memblocks=2,
              total_memblocks=2, movable=True)
    # daxctl has switched the blocks, not the device
    check_equal(t.guest.read(device.attribute("state")), "offline", "state")
    reader.follow("Give it back", "disable-device", "daxctl")
    check_dax(t, device, 0, mode="devdax", state="disabled")
    check_equal(t.guest.available(region), size, "available")
    device.claim()
    check(not device.bound(), "device_dax has not forgotten the name")
    reader.follow("Destroy the region", "destroy-region", "cxl")
    check(not t.guest.exists(f"{CXL}/{region.name}"), "the region is there")
    check_equal(t.guest.device_ranges(), [], "the device's list")
    t.guest.sh("rmmod kmem")


def check_regions_not_made(t):
    """cxl makes no region of Dynamic Capacity, and destroys none that is not
    complete."""
    root = t.guest.root_decoder()
    fails(t, f"cxl create-region -d {root} -m {t.guest.memdev()} -t dynamic_ram_1",
          "unsupported type: dynamic_ram_1")
    check_equal(t.guest.names(CXL, "region*"), [], "regions")
    name = t.guest.start_region(root, "dynamic_ram_1", 256 * MIB)
    fails(t, f"cxl destroy-region -f {name}", "destroyed 0 regions")
    t.guest.write(f"{CXL}/{root}/delete_region", name)


def check_no_size(t, device):
    """daxctl claims nothing, as it would set a size; but it gives up a claim."""
    region = device.name.removeprefix("dax").split(".")[0]
    fails(t, f"daxctl create-device -r {region}", "failed to set size")
    chardevs = [entry["chardev"] for entry in listed(t, "daxctl list -D -i")]
    check_equal(sorted(chardevs), [f"dax{region}.0", f"dax{region}.1"], "devices")
    t.guest.sh(f"daxctl destroy-device -f dax{region}.1")
    device.claim()
    fails(t, f"daxctl reconfigure-device -s 128M {device.name}", "failed to set size")
    check_equal(device.size(), LENT[0][1], "size")
    t.guest.sh(f"daxctl reconfigure-device -s 0 {device.name}")
    check_equal(device.size(), 0, "size")
    device.claim()


def check_online_policy(t, device):
    """Where the kernel puts memory online itself, daxctl wants to be forced; system
    RAM that is online is no devdax without force. dcd undoes what daxctl did."""
    reconfigure = f"daxctl reconfigure-device {device.name} -m"
    t.guest.write(POLICY, "online_movable")
    fails(t, f"{reconfigure} system-ram", "kernel policy will auto-online memory")
    check(not device.bound(), "there is a driver")
    t.guest.sh(f"{reconfigure} system-ram -f")
    t.guest.write(POLICY, "offline")
    check_equal(t.guest.read(device.attribute("state")), "online_movable", "state")
    fails(t, f"daxctl disable-device {device.name}", "only applicable in devdax mode")
    fails(t, f"{reconfigure} devdax", "Device or resource busy")
    t.guest.sh(f"daxctl offline-memory {device.name}")
    t.guest.sh(f"daxctl online-memory {device.name}")
    t.guest.sh(f"dcd offline {device.name} && daxctl disable-device {device.name}")
    check("kmem" not in t.guest.read("/proc/iomem"), "system RAM is left")
    t.guest.sh("rmmod kmem")


@test()
def other_tools_fail(t):
    """What cxl and daxctl can't do with Dynamic Capacity fails and changes nothing;
    a region is disabled and enabled as any other, and gives back what it held."""
    check_regions_not_made(t)
    region = dc_region(t)
    lend(t, region, LENT[:1])
    device = seed_device(t.guest, region)
    check_no_size(t, device)
    check_online_policy(t, device)
    name = region.name
    fails(t, f"cxl destroy-region {name}", "active. Disable it or use --force")
    t.guest.sh(f"cxl disable-region {name}")
    check_equal(t.guest.device_ranges(), [], "the device's list")
    found, = objects(listed(t, "cxl list -R -i"), "region")
    check_has(found, "region", region=name, state="disabled")
    t.guest.sh(f"cxl enable-region {name}")
    t.guest.wait_dax(region)
    lend(t, region, LENT[:1])
    t.guest.sh(f"cxl destroy-region -f {name}")
    check(not t.guest.exists(f"{CXL}/{name}"), "the region is there")
