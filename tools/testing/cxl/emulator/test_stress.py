# SPDX-License-Identifier: GPL-2.0-only
"""Many at once on three devices: two mock DCDs, and the emulated one with memory.

Most of the work is done by guest/stress*.c: managers, users and disturbers, each a
process. The emulated device's fabric manager is here: it talks to QEMU. Every ten
seconds all stand still, and what each device thinks that this host holds must be what
sysfs shows. STRESS_SEED, STRESS_SECONDS and STRESS_FORCE (0: nothing is taken by
force) in the environment choose others than the default.
"""

import os
import random
import time

from costs import BLOCK
from guest import CXL, REGION_DRIVER, merge_ranges, parse_counters
from mock import FORCED_RELEASE, RECORD, Held, Mock, event_record
from testlib import check, test
from users import POLICY
from vm import MIB, SLOWNESS, GuestError, QMPError

SEED = "20260719"
OUTPUT, STATUS, QUIET = (f"/tmp/stress.{name}"
                         for name in ("output", "status", "quiet"))

# Two minutes, and on a slow kernel so much longer that as much happens.
SECONDS = int(120 * max(1, SLOWNESS))

# Of each kind so many must succeed in that time: less is no test. A third of what
# was seen; what is rare and needs luck (a memory device rebound, memory gone under a
# reader) is counted only.
LEAST = {
    "add": 60, "add-held": 30, "release": 25, "release-part": 2,
    "open-chain": 2, "misbehave": 5, "claim-any": 4, "claim-tag": 2,
    "claim-extent": 12, "give-up": 40, "bind": 30, "unbind": 12, "open": 12,
    "map": 12, "read": 12, "create": 10, "delete": 1, "write-data": 8,
    "verify-data": 40, "seen-pending": 1, "kmem-bind": 2, "kmem-online": 2,
    "kmem-touch": 1, "kmem-unplug": 2, "kmem-unbind": 2, "region-create": 6,
    "region-destroy": 6, "region-unbind": 6, "region-bind": 6,
    "dax-unload": 1, "dax-load": 1, "real-add": 10, "real-release": 10,
}
LEAST_BY_FORCE = {"force": 4, "real-force": 1}

PARTITION = 1024 * MIB
KMEM_EXTENT = 128 * MIB

# Extents that the emulated device lends; then it asks rather than offers.
MOST_HELD = 20


class Emulated:
    """The fabric manager of the emulated device.

    The device knows what this host holds; what of it was taken by force, a
    raw record that the device knows nothing of, it still lists until it is
    asked for.
    """

    def __init__(self, t, memdev, seed, force):
        self.guest, self.fabric = t.guest, t.fabric
        self.memdev = memdev
        self.random = random.Random(seed)
        self.force = force
        self.counts = {"real-add": 0, "real-release": 0, "real-force": 0}
        self.refused = 0
        self.taken = set()

    def held(self):
        """What the device lists: [(device address, length)]."""
        output = self.guest.sh(f"mboxraw extents /dev/cxl/{self.memdev}", 60)
        return [tuple(int(word, 0) for word in line.split())
                for line in output.splitlines()]

    def base(self):
        """Where its partitions start: behind the static memory."""
        return self.guest.number(f"{CXL}/{self.memdev}/ram/size")

    def records(self):
        """Records that the driver has read, None while it has no driver."""
        status, output = self.guest.vm.run(
            f"cat /sys/kernel/debug/cxl/{self.memdev}/dynamic_capacity")
        return None if status else parse_counters(output)["records"]

    def wait_read(self, before, sent):
        """The log holds 8 records: let the driver read them before more are
        sent."""
        deadline = time.monotonic() + 5 * SLOWNESS
        while time.monotonic() < deadline:
            now = self.records()
            if now is None or now >= before + sent:
                return
            time.sleep(0.02)

    def free_ranges(self, index, held):
        """Ranges to be offered in a partition, as offsets in it."""
        size, start = BLOCK, self.base() + index * PARTITION
        if index == 1:
            size = KMEM_EXTENT
        wanted = self.random.randint(1, 8 if index == 0 else 2)
        found = []
        for _ in range(4 * wanted):
            length = size if index else size * self.random.choice((1, 2, 4))
            offset = self.random.randrange(PARTITION // size) * size
            if len(found) < wanted and offset + length <= PARTITION and all(
                    offset + length <= other - start or
                    other - start + extent <= offset
                    for other, extent in held):
                found.append((offset, length))
                held = held + [(start + offset, length)]
        return found

    def send(self, kind, index, ranges):
        """One call, one chain; QEMU may refuse what it has by now."""
        before = self.records()
        if before is None or not ranges:
            return
        action = self.fabric.add if kind == "real-add" else self.fabric.release
        try:
            action(index, ranges)
        except QMPError:
            self.refused += 1
            return
        self.counts[kind] += 1
        self.wait_read(before, len(ranges))

    def ask_back(self, held, most=4):
        """Ask for some of what it lends, now and then for a part."""
        start, _ = self.random.choice(held)
        index = int(start >= self.base() + PARTITION)
        first = self.base() + index * PARTITION
        mine = [extent for extent in held
                if first <= extent[0] < first + PARTITION]
        chosen = self.random.sample(mine, min(len(mine), most))
        if index == 0 and len(chosen) == 1:
            chosen = [(chosen[0][0], BLOCK)]
        self.send("real-release", index, [(start - first, length)
                                          for start, length in chosen])

    def take(self, held):
        """A record of a forced release; the device itself cannot do it."""
        start, length = self.random.choice(held)
        record = event_record(FORCED_RELEASE, Held(start, length))
        if self.guest.refusal(f"{RECORD}/record", f"{self.memdev} {record}"):
            return
        self.taken.add((start, length))
        self.counts["real-force"] += 1

    def step(self):
        """One operation."""
        held = self.held()
        chance = self.random.random()
        # at least once, however slow the machine is
        due = not self.counts["real-force"] and self.counts["real-release"] > 2
        if held and self.force and len(self.taken) < 4 and (due or chance < 0.04):
            self.take(held)
        elif held and (chance < 0.4 or len(held) > MOST_HELD):
            self.ask_back(held, self.random.randint(1, 4))
        else:
            index = self.random.choice((0, 0, 1))
            self.send("real-add", index, self.free_ranges(index, held))

    def shown(self):
        """What sysfs shows of it: [(device address, length)]."""
        output = self.guest.sh(
            f"cd {CXL}; for e in endpoint*; do "
            f"case $(readlink $e/uport) in */{self.memdev}) cd $e; "
            "for d in decoder*.*; do r=$(cat $d/region); [ -n \"$r\" ] && "
            f"echo $(cat $d/dpa_resource) {CXL}/dax_$r; done;; esac; done; "
            "true")
        found = []
        for line in output.splitlines():
            base, path = line.split()
            found += [(int(base, 0) + offset, length)
                      for offset, length in self.region_ranges(path)]
        return found

    def region_ranges(self, path):
        """(offset, length) of the extents below a dax_regionX."""
        output = self.guest.sh(
            f"cd {path} 2>/dev/null || exit 0; for e in extent*; do "
            "[ -e $e ] && echo $(cat $e/offset $e/length); done; true")
        return [tuple(int(word, 0) for word in line.split())
                for line in output.splitlines()]

    def ask_for_taken(self):
        """What was taken by force is still listed: the driver, asked for what
        it does not hold, gives that back."""
        taken, self.taken = self.taken, set()
        for start, length in self.held():
            # some of it may have been asked for meanwhile
            if not any(start < other + size and other < start + length
                       for other, size in taken):
                continue
            index = int(start >= self.base() + PARTITION)
            first = self.base() + index * PARTITION
            self.send("real-release", index, [(start - first, length)])

    def compare(self):
        """All stand still: the device's list is what sysfs shows."""
        self.ask_for_taken()
        deadline = time.monotonic() + 30 * SLOWNESS
        while (device := merge_ranges(self.held())) != (
                host := merge_ranges(self.shown())):
            if time.monotonic() > deadline:
                raise GuestError(f"the device lists {device}, sysfs {host}")
            time.sleep(0.1)


def prepare(t):
    """Load what is wanted; return the memory device with real memory.

    The region that cxl_test assembles goes: kmem would take its memory, and
    there is none.
    """
    guest = t.guest
    for region in guest.names(CXL, "region*"):
        guest.vm.run(f"echo {region} > {REGION_DRIVER}/unbind")
    guest.sh("modprobe kmem && modprobe cxl_pci && modprobe cxl_dc_record", 60)
    guest.sh(f"echo offline > {POLICY}")
    path = "/sys/bus/pci/drivers/cxl_pci/*/mem*"
    guest.until("the emulated device", lambda: guest.vm.run(
        f"ls -d {path} && ls /sys/kernel/debug/cxl/$(basename {path})/"
        "dynamic_capacity")[0] == 0)
    memdev = guest.sh(f"basename {path}")
    guest.until("its endpoint", lambda: guest.sh(
        f"ls -l {CXL}/endpoint*/uport | grep -c '/{memdev}$'; true") != "0")
    return memdev


def clean_up(t):
    """As load_mock() left it."""
    t.guest.sh("rmmod kmem; rmmod cxl_pci", 60)
    regions = t.guest.names(CXL, "region*")
    for region in regions:
        t.guest.write(f"{REGION_DRIVER}/bind", region)


def follow(t, emulated, seconds):
    """Play the fabric manager as long as the guest's part runs; return its
    exit status."""
    deadline = time.monotonic() + seconds * 3 + 300 * SLOWNESS
    while time.monotonic() < deadline:
        state = t.guest.sh(f"cat {STATUS} 2>/dev/null || "
                           f"{{ [ -e {QUIET} ] && echo quiet; }}; true")
        if state == "quiet":
            emulated.compare()
            t.guest.sh(f"rm {QUIET}")
        elif state:
            return int(state)
        else:
            emulated.step()
    raise GuestError("stress does not end")


def read_counts(output):
    """What succeeded, by kind."""
    lines = [line.split() for line in output.splitlines()
             if line.startswith("count ")]
    return {words[1]: int(words[3]) for words in lines}


def check_counts(counts, seconds, force):
    """Enough of each kind has happened."""
    least = {**LEAST, **(LEAST_BY_FORCE if force else {})}
    few = [f"{kind} {counts.get(kind, 0)} of {number}" for kind, number in
           ((kind, number * seconds // SECONDS)
            for kind, number in least.items())
           if counts.get(kind, 0) < number]
    check(not few, f"too few succeeded: {', '.join(few)}")


def run(t, emulated, seed, seconds, force):
    """Start the guest's part, follow it, show what it printed."""
    small, sharable = Mock(t.guest, 3), Mock(t.guest, 0)
    small.set_mailbox(256)
    command = (f"stress {seed} {seconds} {int(force)} {sharable.name}:1 "
               f"{small.name}:1,2 {emulated.memdev}:1,2")
    t.note(command)
    t.guest.sh(f"rm -f {OUTPUT} {STATUS} {QUIET}; "
               f"({command} > {OUTPUT} 2>&1; echo $? > {STATUS}.new; "
               f"mv {STATUS}.new {STATUS}) > /dev/null 2>&1 &")
    try:
        status = follow(t, emulated, seconds)
    finally:
        output = t.guest.sh(f"cat {OUTPUT}", 60)
        t.note(output)
    check(status == 0, f"stress ended with {status}")
    small.set_mailbox(4096)
    return output


@test(machine="mock")
def stress(t):
    """Devices and host agree, and data stays what it is, while managers, users
    and those who take drivers away work at once."""
    seed = int(os.environ.get("STRESS_SEED", SEED), 0)
    seconds = int(os.environ.get("STRESS_SECONDS", SECONDS))
    force = os.environ.get("STRESS_FORCE", "1") != "0"
    emulated = Emulated(t, prepare(t), seed, force)
    output = run(t, emulated, seed, seconds, force)
    check(not emulated.held(), "the emulated device still lends")
    t.note(f"{emulated.counts}, {emulated.refused} refused by QEMU")
    check_counts({**read_counts(output), **emulated.counts}, seconds, force)
    clean_up(t)
