# SPDX-License-Identifier: GPL-2.0-only
"""Something goes away under memory that is held, in each of its states.

What can go is a table. On the emulated device each entry meets one region with
an extent in every state at once; after it nothing is held, whoever had memory
mapped gets SIGBUS and nothing else, and all works again when it is back.
Chains that are open meanwhile are shown on the mock device.
"""

from costs import BLOCK, blocks
from guest import (CXL, DAX, MODULES, PCI_DRIVER, REGION_DRIVER, create_device,
                   seed_device)
from lending import (ask_back, dc_region, device_base, extent_at, lend,
                     take_back)
from test_remembered import HOME, ON_NODE, loan, plug
from testlib import check, check_equal, test
from users import (Keeper, Victim, bind_to, dc_events, forget_ids, listen,
                   unbind_from, wait_in)

BUS = "/sys/bus/cxl/drivers"
PCI = "/sys/bus/pci"
PROCESSOR = "/sys/devices/system/cpu/cpu1/online"
BOUND_SECONDS = 60

MODULE_USERS = {"cxl_mem": ("cxl_pci",), "cxl_port": ("cxl_pci", "cxl_mem")}

AVAILABLE, CLAIMED, MAPPED, ASKED, MAPPED_ASKED = blocks(5, stride=2)


# What goes


def unbind(t, driver, name):
    """Unbind a device of the CXL bus, unless that has happened already."""
    t.guest.vm.run(f"attr {BUS}/{driver}/unbind {name}", BOUND_SECONDS)
    check(not t.guest.exists(f"{CXL}/{name}/driver"), f"{name} is bound")


def region_driver(t):
    """the region's driver"""
    for name in t.guest.names(CXL, "region*"):
        unbind(t, "cxl_region", name)


def region(t):
    """the region"""
    t.guest.destroy_regions()


def target(t):
    """the region's target"""
    for name in t.guest.names(CXL, "region*"):
        decoder = t.guest.read(f"{CXL}/{name}/target0")
        t.guest.write(f"{CXL}/{name}/target0", "\n")
        t.guest.write(f"{CXL}/{decoder}/dpa_size", 0)


def wait_detached(t):
    """An endpoint that goes takes the memory device's driver along, from a
    work queue."""
    t.guest.until("the memory device's driver to go", lambda: t.vm.run(
        f"ls -d {CXL}/mem*/driver")[0])


def endpoint(t):
    """the endpoint's driver"""
    for name in t.guest.names(CXL, "endpoint*"):
        unbind(t, "cxl_port", name)
        wait_detached(t)


def port(t):
    """the driver of the port above the endpoint"""
    for name in t.guest.names(CXL, "port*"):
        unbind(t, "cxl_port", name)
        wait_detached(t)


def memdev(t):
    """the memory device's driver"""
    for name in t.guest.names(CXL, "mem*"):
        unbind(t, "cxl_mem", name)


def pci_driver(t):
    """the driver of the PCI device"""
    for name in t.guest.names(PCI_DRIVER, "0000:*"):
        t.guest.sh(f"echo {name} > {PCI_DRIVER}/unbind", BOUND_SECONDS)


def pci_device(t):
    """the PCI device"""
    for name in t.guest.names(PCI_DRIVER, "0000:*"):
        t.guest.sh(f"echo 1 > {PCI}/devices/{name}/remove", BOUND_SECONDS)


def module(name):
    """What goes is a module, after those that use it."""
    def go(t):
        t.guest.sh("".join(
            f"! grep -q '^{each} ' /proc/modules || rmmod {each} || exit 1\n"
            for each in (*MODULE_USERS.get(name, ()), name)), BOUND_SECONDS)
    go.__name__ = name
    go.__doc__ = f"module {name}"
    return go


GOING = [region_driver, region, endpoint, port, memdev, pci_driver, pci_device,
         *map(module, ("dax_cxl", "cxl_mem", "cxl_port", "cxl_pci",
                       "cxl_acpi"))]


def bind_rest(guest, names="port* mem* endpoint*"):
    """Bind what has no driver, ports first; the names of what has none yet."""
    guest.flush_bus()
    return guest.sh(
        f"cd {CXL}; for d in {names}; do "
        "[ -e $d ] && [ ! -e $d/driver ] || continue; "
        "case $d in mem*) m=cxl_mem;; *) m=cxl_port;; esac; "
        f"attr {BUS}/$m/bind $d >/dev/null || echo $d; done", BOUND_SECONDS)


def bring_back(t):
    """Load what is not loaded, find and bind what is not bound."""
    t.guest.modprobe(MODULES)
    # A scan with one processor: vm.py says why.
    t.guest.sh(f"cd {PCI}/devices; grep -q 0x050210 */class || {{ "
               f"echo 0 > {PROCESSOR}; echo 1 > {PCI}/rescan; "
               f"echo 1 > {PROCESSOR}; }}; for d in *; do "
               "[ $(cat $d/class) = 0x050210 ] && [ ! -e $d/driver ] && "
               f"echo $d > {PCI_DRIVER}/bind; done; true", BOUND_SECONDS)
    t.guest.until("a memory device", lambda: t.guest.names(CXL, "mem*"))
    t.guest.until("all drivers", lambda: bind_rest(t.guest) == "")
    t.guest.wait_memdev()


# The states of the memory


def claim(t, lent, device, extent):
    """Have a device claim the extent at its place."""
    device.claim_extent(extent_at(t, lent, extent[0]))
    return device


def in_every_state(t):
    """A region with an extent in each state; returns those who have one
    mapped."""
    lent = dc_region(t)
    lend(t, lent, [AVAILABLE, CLAIMED, MAPPED, ASKED, MAPPED_ASKED])
    devices = [seed_device(t.guest, lent)]
    devices += [create_device(t.guest, lent) for _ in range(3)]
    forget_ids(devices)
    keepers = []
    for device, extent in zip(devices, (CLAIMED, ASKED, MAPPED, MAPPED_ASKED)):
        claim(t, lent, device, extent)
        if extent in (MAPPED, MAPPED_ASKED):
            bind_to(device, "device_dax")
            keepers.append(Keeper(t.guest, device.node, BLOCK))
    ask_back(t, lent, [ASKED, MAPPED_ASKED])
    for extent in (ASKED, MAPPED_ASKED):
        t.guest.wait_state(extent_at(t, lent, extent[0]), "release-pending")
    return keepers


def check_nothing_left(t):
    """No extent is shown, no device of a region is there; the device, if there
    is a driver to ask it by, lists nothing."""
    t.guest.until("the extents to go", lambda: not t.guest.extents())
    t.guest.until("the DAX devices to go", lambda: not t.guest.names(DAX, "*"))
    if t.guest.names(CXL, "mem*"):
        t.guest.until("the device's list to be empty",
                      lambda: not t.guest.device_ranges())


def check_works(t):
    """A new region can be lent memory, which is claimed and written."""
    t.guest.destroy_regions()
    lent = dc_region(t)
    check_equal(t.guest.ranges(lent), [], "extents of a new region")
    lend(t, lent, [MAPPED, MAPPED_ASKED])
    for extent, device in zip((MAPPED, MAPPED_ASKED),
                              (seed_device(t.guest, lent),
                               create_device(t.guest, lent))):
        claim(t, lent, device, extent)
        device.bind()
        check_equal(device.mem("write", 0, BLOCK, 8), "written", "write")


def check_end(t, keepers):
    """What went is brought back, the memory lent and written anew. Those who
    had it mapped see nothing of that."""
    for keeper in keepers:
        check(keeper.look() in ("SIGBUS", "intact"), "data changed")
    bring_back(t)
    check_equal(t.guest.device_ranges(), [], "the device's list")
    check_equal(t.guest.extents(), [], "extents")
    check_works(t)
    for keeper in keepers:
        check_equal(keeper.look(), "SIGBUS", "memory of a dead device")
        keeper.end()


def surprise(go):
    """A test: one thing goes."""
    def run(t):
        keepers = in_every_state(t)
        go(t)
        check_nothing_left(t)
        check_end(t, keepers)
    run.__name__ = f"surprise_{go.__name__}"
    run.__doc__ = (f"Memory in every state, and {go.__doc__} goes and comes "
                   "back.")
    test()(run)


for thing in GOING:
    surprise(thing)


# In which order a machine is taken apart. Each begins with another thing, and
# finds that some of what follows has gone with it.
ORDERS = {
    "top_down": (module("dax_cxl"), region_driver, endpoint, memdev,
                 pci_driver, module("cxl_acpi")),
    "bottom_up": (pci_driver, memdev, endpoint, port, region_driver,
                  module("dax_cxl")),
    "inside_out": (endpoint, region_driver, module("dax_cxl"), memdev,
                   pci_device, module("cxl_port")),
    "outside_in": (memdev, module("cxl_acpi"), module("cxl_mem"),
                   module("dax_cxl"), pci_device),
    "modules": (module("cxl_acpi"), module("cxl_pci"), module("cxl_mem"),
                module("cxl_port"), module("dax_cxl")),
    "region_first": (region, module("dax_cxl"), port, pci_driver),
}


def surprise_order(name, order):
    """A test: several things go, one after the other."""
    def run(t):
        keepers = in_every_state(t)
        for go in order:
            go(t)
        check_nothing_left(t)
        check_end(t, keepers)
    run.__name__ = f"surprise_order_{name}"
    run.__doc__ = "The machine is taken apart: " + ", ".join(
        go.__doc__ for go in order) + "."
    test()(run)


for title, things in ORDERS.items():
    surprise_order(title, things)


@test()
def surprise_device_dax(t):
    """device_dax can't be unloaded while a process has memory mapped, which
    stays as it is; then it goes, and the claims stay."""
    keepers = in_every_state(t)
    status, _ = t.vm.run("rmmod device_dax", BOUND_SECONDS)
    check(status, "device_dax was unloaded under a mapping")
    for keeper in keepers:
        check_equal(keeper.look(), "intact", "mapped memory")
        keeper.end()
    before = t.guest.extents()
    t.guest.sh("rmmod device_dax", BOUND_SECONDS)
    check_equal(t.guest.extents(), before, "extents")
    t.guest.check_invariant()
    t.guest.load(["device_dax"])
    t.guest.destroy_regions()
    check_nothing_left(t)
    check_works(t)


def surprise_read(go):
    """A test: one thing goes while memory is read all the time."""
    def run(t):
        lent = dc_region(t)
        lend(t, lent, [MAPPED])
        device = claim(t, lent, seed_device(t.guest, lent), MAPPED)
        device.bind()
        victims = Victim(t, go.__name__, "touch", device.node, BLOCK, 2, 2)
        go(t)
        check_equal(victims.end(60), "4 threads, 4 SIGBUS, 0 wrong", "readers")
        check_nothing_left(t)
        bring_back(t)
    run.__name__ = f"surprise_read_{go.__name__}"
    run.__doc__ = (f"Memory is read while {go.__doc__} goes: never what nobody "
                   "decodes any more.")
    test()(run)


for thing in (target, endpoint, port, memdev):
    surprise_read(thing)


@test()
def surprise_offer_while_away(t):
    """What is offered while the PCI device has no driver is answered when it
    has one again, before anything else can be lent."""
    keepers = in_every_state(t)
    pci_driver(t)
    t.fabric.add(0, [(100 * BLOCK, BLOCK), (102 * BLOCK, BLOCK)])
    bring_back(t)
    t.guest.wait_answered({})
    check_end(t, keepers)


@test()
def surprise_open_across_binds(t):
    """Processes have a DAX device open, and memory of it mapped, while it is
    unbound, bound again and used by others. The mapping has ended with the bind,
    and so has the use of the file; what is closed at last harms nobody."""
    lent = dc_region(t)
    lend(t, lent, [MAPPED])
    device = claim(t, lent, seed_device(t.guest, lent), MAPPED)
    device.bind()
    owner = t.guest.sh(f"sleep 600 <>{device.node} >/dev/null 2>&1 & echo $!")
    keeper = Keeper(t.guest, device.node, BLOCK)
    mapper = t.guest.begin(f"dcdmem remap {device.node}", "/tmp/mapper")
    t.guest.until("a mapper", lambda: t.guest.read("/tmp/mapper") == "held")
    device.unbind()
    check_equal(keeper.look(), "SIGBUS", "a mapping without a driver")
    device.bind()
    check_equal(device.mem("write", 0, BLOCK, 3), "written", "write")
    check_equal(keeper.look(), "SIGBUS", "a mapping of the bind before")
    t.guest.sh(f"kill -USR1 {mapper}")
    t.guest.wait_end("the mapper's end", mapper)
    check_equal(t.guest.read("/tmp/mapper").split("\n"),
                ["held", "refused", "SIGBUS"], "a file of the bind before")
    keeper.end()
    t.guest.sh(f"kill {owner}")
    t.guest.wait_end("the owner's end", owner)
    check_equal(device.mem("verify", 0, BLOCK, 3), "verified", "data")
    device.unbind()
    device.bind()
    check_equal(device.mem("write", 0, BLOCK, 4), "written", "write")


@test()
def surprise_open_across_drivers(t):
    """The node of a device is that of the driver that has it, whoever has it
    open from the time of another; without a driver it can't be opened."""
    lent = dc_region(t)
    lend(t, lent, [MAPPED])
    device = claim(t, lent, seed_device(t.guest, lent), MAPPED)
    t.guest.sh("modprobe fsdev_dax")
    bind_to(device, "device_dax")
    owner = t.guest.sh(f"sleep 600 <>{device.node} >/dev/null 2>&1 & echo $!")
    unbind_from(device, "device_dax")
    check("No such device" in device.mem("write", 0, BLOCK, 1), "no driver")
    bind_to(device, "fsdev_dax")
    check("mmap" in device.mem("write", 0, BLOCK, 1), "fsdev_dax maps nothing")
    unbind_from(device, "fsdev_dax")
    bind_to(device, "device_dax")
    check_equal(device.mem("write", 0, BLOCK, 2), "written", "write")
    t.guest.sh(f"kill {owner}; rmmod fsdev_dax")


def unbind_while_pinned(t, region, device):
    """Bind a device, pin a page of it, and unbind its region, which waits for the
    page. Returns who has pinned it, and the process that unbinds."""
    device.bind()
    # writing new_id waits for every device that the driver would take
    forget_ids([device])
    keeper = Keeper(t.guest, device.node, BLOCK)
    check_equal(keeper.pin(), "pinned", "pin")
    unbinding = t.guest.begin_write(f"{REGION_DRIVER}/unbind", region.name)
    wait_in(t, unbinding, "dev_dax_wait_for_pages")
    return keeper, unbinding


def end_wait(t, keeper, unbinding):
    """Let go of the page: the region goes."""
    check_equal(keeper.pin(), "unpinned", "unpin")
    t.guest.wait_end("the end", unbinding)
    keeper.end()


@test()
def surprise_youngest_while_pinned(t):
    """A region goes, its first DAX device waits for a pinned page, and the one that
    was made last is gone already: the region does not name it any more."""
    region = dc_region(t)
    lend(t, region, [MAPPED, AVAILABLE])
    device = claim(t, region, seed_device(t.guest, region), MAPPED)
    youngest = create_device(t.guest, region)
    named = [f"{region.dax_region}/dax_region/{name}" for name in ("create", "seed")]
    check_equal([t.guest.read(name) for name in named], 2 * [youngest.name],
                "youngest and next device")
    keeper, unbinding = unbind_while_pinned(t, region, device)
    check(not t.guest.exists(youngest.path), "the youngest device is there")
    check_equal([t.guest.read(name) for name in named], ["", ""],
                "youngest and next device, afterwards")
    end_wait(t, keeper, unbinding)


@test()
def surprise_others_while_one_is_pinned(t):
    """A region goes, and waits for a pinned page of one DAX device: nobody has the
    memory of the other one any more meanwhile."""
    region = dc_region(t)
    lend(t, region, [MAPPED, AVAILABLE])
    other = claim(t, region, seed_device(t.guest, region), MAPPED)
    device = claim(t, region, create_device(t.guest, region), AVAILABLE)
    other.bind()
    forget_ids([other])
    user = Keeper(t.guest, other.node, BLOCK)
    keeper, unbinding = unbind_while_pinned(t, region, device)
    check_equal(user.look(), "SIGBUS", "memory of the other device")
    end_wait(t, keeper, unbinding)
    user.end()


@test()
def surprise_node_outlives_the_device(t):
    """A node that was made by hand is opened, outlives the device, and is opened
    again: its inode does not refer to the device any more."""
    region = dc_region(t)
    lend(t, region, [MAPPED])
    device = claim(t, region, seed_device(t.guest, region), MAPPED)
    device.bind()
    major, minor = t.guest.read(device.attribute("dev")).split(":")
    node = "/tmp/outlives"
    t.guest.sh(f"mknod {node} c {major} {minor}")
    check_equal(t.vm.run(f": < {node}")[0], 0, "open")
    device.give_back()
    t.guest.destroy_region(region.name)
    # what was freed is not read by chance before it is gone: a grace period of RCU
    t.guest.sh("sleep 1")
    status, said = t.vm.run(f": < {node}")
    check(status and "No such device" in said, f"open afterwards: {said}")
    t.guest.sh(f"rm {node}")


@test()
def surprise_region_while_pinned(t):
    """A region goes, and waits for a pinned page. Meanwhile another region is
    lent memory, which is used and asked back, and to delete a DAX device of
    the region that goes ends, too."""
    going, other = dc_region(t), dc_region(t, 2)
    lend(t, going, [MAPPED])
    # it goes first, and the seed device is there until then
    device = claim(t, going, create_device(t.guest, going), MAPPED)
    keeper, unbinding = unbind_while_pinned(t, going, device)
    deleting = t.guest.begin_write(f"{going.dax_region}/dax_region/delete", going.seed)
    wait_in(t, deleting, "delete_store")

    lend(t, other, [MAPPED])
    user = claim(t, other, seed_device(t.guest, other), MAPPED)
    user.bind()
    check_equal(user.mem("write", 0, BLOCK, 5), "written", "write")
    user.give_back()
    take_back(t, other, [MAPPED])
    check_equal(len(t.guest.device_ranges()), 1, "ranges the device lists")

    check_equal(keeper.pin(), "unpinned", "unpin")
    t.guest.wait_end("the region to go", unbinding)
    t.guest.wait_end("the deletion to end", deleting)
    t.guest.until("release", lambda: not t.guest.device_ranges())
    keeper.end()


@test(fresh=True)
def surprise_region_with_system_ram(t):
    """The region's driver goes while memory of the region is system RAM that a
    process uses: that keeps its data, the device its extent, and there is no
    way back before the machine starts again. Then it is found where it was."""
    lent = loan(t)
    node = plug(t, lent.device, "online_movable")
    keeper = Keeper(t.guest, f"node:{node}", ON_NODE)
    place = device_base(t, lent.region) + HOME[0]
    begin = len(t.vm.log())
    listen(t.guest)
    unbind(t, "cxl_region", lent.region.name)
    check_equal([event for event, *extent in dc_events(t.guest)
                 if extent == list(HOME)], ["release-request"], "events of it")
    check_equal(keeper.look(), "intact", "the process's memory")
    check_equal(t.guest.extents(), [], "extents")
    check_equal(t.guest.device_ranges(), [(place, HOME[1])],
                "the device's list")
    check_refused(t, lent.region, begin)
    check_equal(keeper.look(), "intact", "the process's memory")
    t.guest.restart()
    t.guest.wait_ranges(dc_region(t), [HOME])


def check_refused(t, region, begin):
    """The log, from where it began, names what is left of a region; which can't be
    bound again, nor loses it by the attempt."""
    end = t.vm.mark_log("unbound")
    check("still held by the device when its region goes" in
          t.vm.log()[begin:end], "the log does not name what is left")
    check_equal(t.guest.refusal(f"{BUS}/cxl_region/bind", region.name), "EBUSY",
                "binding again")
    t.vm.mark_log("refused")
    check("still in use as System RAM: reboot" in t.vm.log()[end:],
          "the log does not say why")
    check_equal(len(t.guest.device_ranges()), 1, "ranges the device lists")
