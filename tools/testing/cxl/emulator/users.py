# SPDX-License-Identifier: GPL-2.0-only
"""Those who use memory: a process that keeps it, the drivers of DAX devices,
and user space that listens."""

from guest import CXL
from testlib import check, check_equal

DAX_DRIVERS = "/sys/bus/dax/drivers"
MEMORY = "/sys/devices/system/memory"
POLICY = f"{MEMORY}/auto_online_blocks"
UEVENTS = "/tmp/uevents"


class Keeper:
    """A process that has memory, and looks at it when it is told to."""

    def __init__(self, guest, what, length):
        """what: a device node, or "node:1" for memory of a NUMA node."""
        self.guest = guest
        self.output = f"/tmp/keep.{what.replace('/', '.')}"
        self.pid = guest.begin(f"keep {what} {length}", self.output)
        guest.until(f"a user of {what}", lambda: self._said() == ["kept"])

    def _said(self):
        return self.guest.read(self.output).split("\n")

    def _signal(self, name):
        """Send a signal; return what it says to that."""
        before = len(self._said())
        self.guest.sh(f"kill -{name} {self.pid}")
        self.guest.until("the keeper's word",
                         lambda: len(self._said()) > before)
        return self._said()[-1]

    def look(self):
        """What it finds in its mapping: "intact", "changed..." or "SIGBUS"."""
        return self._signal("USR1")

    def pin(self):
        """Have it pin its first page, or unpin it."""
        return self._signal("USR2")

    def end(self):
        """End it; returns when its memory is free."""
        self.guest.sh(f"kill {self.pid}")
        self.guest.wait_end("the keeper's end", self.pid)


class Victim:
    """A process that uses memory while that is taken away."""

    def __init__(self, t, name, *arguments):
        self.guest, self.path = t.guest, f"/tmp/victim.{name}"
        words = " ".join(str(argument) for argument in arguments)
        self.pid = t.guest.begin(f"victim {words}", self.path)
        t.guest.until(f"victim {words}", lambda: "ready" in self.said(), 60)

    def said(self):
        """All that it has printed."""
        return self.guest.read(self.path)

    def signal(self, name):
        """Send it a signal."""
        self.guest.sh(f"kill -{name} {self.pid}")

    def end(self, timeout=20):
        """Wait for its end; what it said last."""
        self.guest.wait_end("the victim's end", self.pid, timeout)
        return self.said().splitlines()[-1]


def bind_to(device, driver):
    """Have a driver take a DAX device: kmem takes any, the others the ones
    they are told of."""
    path = f"{DAX_DRIVERS}/{driver}"
    if driver != "kmem":
        device.guest.write(f"{path}/new_id", device.name)
    if not device.bound():
        device.guest.write(f"{path}/bind", device.name)
    check_equal(device.guest.sh(f"basename $(readlink {device.path}/driver)"),
                driver, "driver")


def unbind_from(device, driver):
    """Take a DAX device from its driver."""
    path = f"{DAX_DRIVERS}/{driver}"
    device.guest.write(f"{path}/unbind", device.name)
    if driver != "kmem":
        device.guest.write(f"{path}/remove_id", device.name)


def memory_blocks(guest, start, length):
    """The directories of the memory blocks of a range of host addresses."""
    size = int(guest.read(f"{MEMORY}/block_size_bytes"), 16)
    return [f"{MEMORY}/memory{number}"
            for number in range(start // size, (start + length) // size)]


def host_base(guest, region):
    """The host address at which a region starts."""
    return guest.number(f"{CXL}/{region.name}/resource")


def forget_ids(devices):
    """device_dax takes these no more by itself: a name outlives its device."""
    for device in devices:
        device.guest.write(f"{DAX_DRIVERS}/device_dax/remove_id", device.name)


def wait_in(t, pid, function):
    """Wait until a task sleeps in a function of the kernel."""
    t.guest.until(f"process {pid} to wait in {function}", lambda: function in
                  t.vm.run(f"cat /proc/{pid}/stack")[1])


def listen(guest):
    """Start to listen to uevents."""
    guest.sh(f": >{UEVENTS}; uevents >{UEVENTS} 2>&1 &")
    guest.until("the listener", lambda: "listening" in guest.read(UEVENTS))


def dc_events(guest, *more):
    """The Dynamic Capacity events among the uevents so far: [(event, offset,
    length)], and the values of more keys, None for one that is not there."""
    events = []
    for line in guest.read(UEVENTS).splitlines():
        words = line.split()
        event = dict(word.split("=", 1) for word in words if "=" in word)
        if "CXL_DC_EVENT" in event:
            check(words[0].startswith("change@"), f"uevent {words[0]}")
            events.append((event["CXL_DC_EVENT"], int(event["OFFSET"], 0),
                           int(event["LENGTH"], 0), *map(event.get, more)))
    return events


