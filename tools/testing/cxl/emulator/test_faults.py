# SPDX-License-Identifier: GPL-2.0-only
"""Every allocation and every mailbox command fails in turn, on cxl_test's mock
devices. What the emulated device adds to that is in test_forced.py.

A scenario is a list of steps, one of which is the one with the failure. The
guest's program failnth (guest/failnth*.c) runs it with the first, the second,
... allocation or command failing, until nothing is left to fail. After each
failure the device and the host must come to agree by themselves, no offer may
be left without an answer, and the mock must not have seen a fault; then all is
given back, so that what was lost is found.

What fails is an allocation of the task that writes (region, claim), one of the
device's worker (records), or a command.
"""

from dataclasses import dataclass

from guest import DAX, DAX_DRIVER, REGION_DRIVER
from mock import (BASE, INTERNAL_ERROR, INVALID_INPUT, RETRY, Held, Mock,
                  load_mock)
from test_allocations import lender
from test_forced import FAILSLAB
from test_surprise_mock import bring_back, check_works, memdev
from testlib import check, check_equal, test
from vm import MIB, GuestError

BLOCK = 2 * MIB
TAG = "aaaaaaaa-0001-4000-8000-000000000001"

# Two untagged extents, one of them large, and one allocation of three.
UNTAGGED = [Held(BASE, 8 * BLOCK), Held(BASE + 16 * BLOCK, BLOCK)]
TAGGED = [Held(BASE + block * BLOCK, BLOCK, TAG) for block in (20, 24, 22)]
CHAIN = [TAGGED[0], UNTAGGED[0], TAGGED[1], UNTAGGED[1], TAGGED[2]]
PART = [Held(BASE + 3 * BLOCK, 2 * BLOCK), TAGGED[1]]
MISTAKEN = [Held(UNTAGGED[1].start, BLOCK, TAG)]

# So many that a response and a list need three parts of the smallest mailbox.
MANY = [Held(BASE + 4 * i * BLOCK, BLOCK, TAG if i % 2 else Held(0, 0).tag)
        for i in range(24)]

# What a command that is not processed comes to: no answer, a refusal, a wish
# that it be sent again. One that is processed all the same: no answer, error.
NO_ANSWER = -110
BEFORE = (NO_ANSWER, INVALID_INPUT, RETRY)
AFTER = (NO_ANSWER, INTERNAL_ERROR)
ALWAYS = "before 99"

# KiB: less than an object of 256 bytes for each failure of two rounds.
LEAK = 128

BUS = "/sys/bus/cxl"
PAGES = "/sys/kernel/debug/fail_page_alloc"

# What a failed command leaves behind by its nature, and nothing else may:
#
# 4802h, not processed: the offer still waits, and to answer it again would be
# to answer another one if it was processed after all;
# 4802h, processed, a part but not the last (ADD_UNFINISHED): the driver hears
# of a failure, and asks for the list in the middle of a response, a fault.
LEAVES_OFFER = {("4802", "before")}

# All is given back by a chain of Release records that names everything.
GIVE_BACK = """
    write {mock}/release {everything}
    empty"""

# After the run without a failure: the device is served as if nothing had happened.
LAST = """
    last
    lend {mock}/chain {chain}""" + GIVE_BACK

LAST_UNBOUND = """
    last
    write {driver}/bind {region}
    lend {mock}/chain {chain}""" + GIVE_BACK + """
    write {driver}/unbind {region}"""

ADD = """
    fail {mock}/chain {chain}
    agree""" + GIVE_BACK

# Split: the middle of an untagged extent, one extent of a tag.
RELEASE = """
    write {mock}/chain {chain}
    fail {mock}/release {part}
    agree""" + GIVE_BACK

# Nothing of it is held by the host, but in the device's opinion.
RELEASE_STRAY = """
    write {mock}/account {accounted}
    fail {mock}/release {everything}
    write {mock}/release {everything}
    empty"""

RELEASE_CLAIMED = """
    write {mock}/chain {chain}
    write {seed}/uuid {tag}
    fail {mock}/release {everything}
    agree
    write {seed}/size 0
    empty"""

ADD_UNFINISHED = """
    allow unfinished
    fail {mock}/chain {chain}
    try {mock}/pending drop
    agree
    write {mock}/faults 0""" + GIVE_BACK

# The last part of the answer counts in spite of its return code: the list tells.
ADD_DOUBTED = """
    write {mock}/fail 0x4802 {parts} 4 after""" + ADD

# No answer to a Release, and none to the question what became of it: the next
# Release names what has gone, and is refused, and then the list can be read.
RELEASE_DOUBTED = """
    allow not-held
    write {mock}/chain {chain}
    write {mock}/fail 0x4803 1 -110 after
    fail {mock}/release {part}""" + GIVE_BACK + """
    write {mock}/faults 0"""

# Asked back while it is claimed; the claim goes, and the worker releases it.
GIVE_UP = """
    write {mock}/chain {chain}
    write {seed}/uuid {tag}
    write {mock}/release {everything}
    fail {seed}/size 0
    agree
    write {seed}/size 0""" + GIVE_BACK

# The same with a part of an untagged extent: the rest is shown again.
GIVE_UP_PART = """
    write {mock}/chain {chain}
    write {seed}/extent {extent}
    write {mock}/release {part}
    fail {seed}/size 0
    agree
    write {seed}/size 0""" + GIVE_BACK

CLAIM_TAG = """
    write {mock}/chain {chain}
    fail {seed}/uuid {tag}
    agree
    write {seed}/size 0
    agree""" + GIVE_BACK

# By the name of the first extent, the large one: numbers begin with 0 only if
# none is lost.
CLAIM_EXTENT = """
    write {mock}/chain {chain}
    fail {seed}/extent {extent}
    agree
    write {seed}/size 0
    agree""" + GIVE_BACK

# A second device is made, and is deleted after its claim.
CREATE = """
    write {mock}/chain {chain}
    fail {dax_region}/dax_region/create 1
    agree
    write {mock}/release {everything}
    empty
    try {dax_region}/dax_region/delete {second}"""

DELETE = """
    write {mock}/chain {chain}
    write {dax_region}/dax_region/create 1
    write {dax}/{second}/uuid {tag}
    write {dax}/{second}/size 0
    fail {dax_region}/dax_region/delete {second}
    try {dax_region}/dax_region/delete {second}
    agree""" + GIVE_BACK

# The region finds in the device's list what it is to take over.
RECOVER = """
    write {mock}/account {accounted}
    fail {driver}/bind {region}
    try {driver}/bind {region}
    agree
    write {driver}/unbind {region}
    empty"""

# The DAX driver comes when the extents are there.
ATTACH = """
    write {mock}/account {accounted}
    write {driver}/bind {region}
    agree
    fail {bus}/drivers_probe {name}
    try {bus}/drivers_probe {name}
    exists {seed}/size
    agree
    write {driver}/unbind {region}
    empty"""

# With one allocation claimed, and asked back in vain. What could not go back
# is found by the next region.
TEARDOWN = """
    write {mock}/account {accounted}
    write {driver}/bind {region}
    write {bus}/drivers_probe {name}
    exists {seed}/size
    write {seed}/uuid {tag}
    write {mock}/release {tagged}
    fail {driver}/unbind {region}
    try {driver}/unbind {region}
    write {driver}/bind {region}
    agree
    write {driver}/unbind {region}
    empty"""

# The DAX driver goes with one allocation claimed, and comes back.
UNLOAD = """
    write {mock}/chain {chain}
    write {seed}/uuid {tag}
    fail unload dax_cxl
    agree
    run modprobe dax_cxl
    exists {seed}/size""" + GIVE_BACK

FORCE = """
    write {mock}/chain {chain}
    fail {mock}/force {part}
    agree""" + GIVE_BACK

# The claim is dead as a whole; what the device has not taken goes when the claim does.
FORCE_CLAIMED = """
    write {mock}/chain {chain}
    write {seed}/uuid {tag}
    fail {mock}/force {part}
    write {seed}/size 0
    agree""" + GIVE_BACK

# First asked for, then taken. Who doesn't hear of it gives back what is gone.
FORCE_PENDING = """
    allow not-held
    write {mock}/chain {chain}
    write {seed}/uuid {tag}
    write {mock}/release {everything}
    fail {mock}/force {part}
    write {seed}/size 0
    agree
    write {mock}/faults 0""" + GIVE_BACK

# Whose it is says the device's list.
FORCE_DOUBTED = """
    write {mock}/chain {chain}
    fail {mock}/force {mistaken}
    agree""" + GIVE_BACK

# The same with a driver, and a page that a process has pinned: who can't make the
# thread that sees to it makes it later.
FORCE_PINNED = """
    write {mock}/chain {chain}
    write {seed}/uuid {tag}
    write {device_dax}/bind {first}
    run sh -c '{pin}'
    fail {mock}/force {tagged_part}
    run killall -KILL victim
    agree
    write {device_dax}/unbind {first}
    write {seed}/size 0
    agree""" + GIVE_BACK

# Returns when the page is pinned.
PIN = ("rm -f /tmp/pinned; victim pin /dev/{first} 1 </dev/null >/tmp/pinned & "
       "until grep -qs ready /tmp/pinned; do sleep 0.02; done")

FORCED = {"force": FORCE, "force claimed": FORCE_CLAIMED,
          "force pending": FORCE_PENDING, "force doubted": FORCE_DOUBTED}


@dataclass
class Bench:
    """A device, its region, and what the steps call things."""

    t: object
    mock: Mock
    region: object
    chain: list
    bound: bool = True

    def names(self):
        """What stands in braces in the steps."""
        region, number = self.region, self.region.number
        tagged = [extent for extent in self.chain if extent.tag == TAG]
        return {
            "mock": self.mock.dir, "region": region.name,
            "dax_region": region.dax_region, "dax": DAX, "bus": BUS,
            "driver": REGION_DRIVER, "name": f"dax_region{number}", "tag": TAG,
            "seed": f"{DAX}/{region.seed}", "second": f"dax{number}.1",
            "first": region.seed, "device_dax": DAX_DRIVER,
            "pin": PIN.format(first=region.seed),
            "extent": f"extent{number}.0",
            "parts": 1 if self.chain is CHAIN else 3,
            "chain": spell(self.chain), "part": spell(PART),
            "tagged_part": spell(PART[1:]), "mistaken": spell(MISTAKEN),
            "tagged": spell(tagged), "everything": spell(sorted(self.chain)),
            "accounted": spell(self.chain, "+"),
        }

    def run(self, victim, steps):
        """Run a scenario; returns how many failures there were."""
        steps += LAST if self.bound else LAST_UNBOUND
        text = "\n".join((
            f"mock {self.mock.dir}", f"memdev {self.mock.memdev()}",
            f"region {self.region.dax_region} {BASE:#x} "
            f"{self.region.size:#x}", f"victim {victim}",
            steps.format(**self.names())))
        status, output = self.t.vm.run(f"failnth <<'END'\n{text}\nEND", 60)
        if status:
            raise GuestError(f"{victim}: {output}\n{text}")
        return int(output.split()[0])

    def run_commands(self, scenarios, opcode, mode="before", codes=None):
        """Let commands of an opcode fail in every way that makes sense."""
        if codes is None:
            codes = BEFORE if mode == "before" else AFTER
        return sum(self.run_all(f"command {opcode} {code} {mode}",
                                forgive(scenarios, opcode, mode))
                   for code in codes)

    def run_all(self, victim, scenarios):
        """Run several scenarios; returns the number of failures."""
        count = 0
        for name, steps in scenarios.items():
            found = self.run(victim, steps)
            self.t.note(f"{name}, {victim}: {found} failures")
            check(found, f"{name}: nothing has failed")
            count += found
        return count


def spell(extents, sign=""):
    """Extents as the mock's files take them."""
    return ",".join(f"{sign}{extent}" for extent in extents)


def forgive(scenarios, opcode, mode):
    """The device forgets the offer that it waits for, where it must."""
    if (opcode, mode) not in LEAVES_OFFER:
        return scenarios
    return {name: steps.replace("agree", "try {mock}/pending drop\n    agree",
                                1) for name, steps in scenarios.items()}


def let_fail(t):
    """Allocations that may sleep fail, too, and such of one page."""
    t.guest.write_all([
        (f"{FAILSLAB}/ignore-gfp-wait", "N"), (f"{FAILSLAB}/verbose", "0"),
        (f"{PAGES}/ignore-gfp-wait", "N"), (f"{PAGES}/verbose", "0"),
        (f"{PAGES}/min-order", "0")])


def bench(t, number=1, chain=None, payload=4096):
    """An empty device with a region over its first partition."""
    let_fail(t)
    mock = Mock(t.guest, number)
    if payload != 4096:
        mock.set_mailbox(payload)
    mock.do("account", f"-{BASE:#x}:{512 * MIB:#x}")
    region = mock.create_region()
    mock.clear()
    return Bench(t, mock, region, chain or CHAIN)


def without_driver(bench_):
    """The region is unbound, and its DAX driver comes when it is called."""
    bench_.t.guest.write_all([
        (f"{REGION_DRIVER}/unbind", bench_.region.name),
        (f"{BUS}/drivers_autoprobe", "0")])
    bench_.bound = False


def end_without_driver(bench_):
    """Undo without_driver()."""
    bench_.t.guest.write_all([
        (f"{BUS}/drivers_autoprobe", "1"),
        (f"{REGION_DRIVER}/bind", bench_.region.name)])
    bench_.t.guest.wait_dax(bench_.region)
    bench_.bound = True


@test(machine="mock")
def faults_memory_of_the_worker(t):
    """Records: every allocation of the device's worker fails in turn."""
    scenarios = {"add": ADD, "release": RELEASE,
                 "release what is not held": RELEASE_STRAY,
                 "release claimed": RELEASE_CLAIMED, "give up": GIVE_UP,
                 "give up a part": GIVE_UP_PART} | FORCED
    bench(t).run_all("worker", scenarios)


@test(machine="mock")
def faults_memory_of_who_kills(t):
    """Memory is taken that a process has pinned: every allocation of the device's
    worker fails in turn, that of the thread for its users among them."""
    made = bench(t)
    begin = len(t.vm.log())
    t.guest.write(f"{DAX_DRIVER}/new_id", made.region.seed)
    made.run_all("worker", {"force pinned": FORCE_PINNED})
    t.guest.write(f"{DAX_DRIVER}/remove_id", made.region.seed)
    t.vm.mark_log("all have failed")
    check("no memory for a thread" in t.vm.log()[begin:],
          "the thread was never without memory")


@test(machine="mock")
def faults_memory_of_a_user(t):
    """Claims and DAX devices: every allocation of the task fails in turn."""
    bench(t).run_all("task", {
        "claim a tag": CLAIM_TAG, "claim an extent": CLAIM_EXTENT,
        "give up": GIVE_UP, "create": CREATE, "delete": DELETE})


@test(machine="mock")
def faults_memory_of_a_region(t):
    """A region comes, is served, and goes: every allocation of the task fails
    in turn."""
    made = bench(t)
    without_driver(made)
    made.run_all("task", {"recover": RECOVER, "attach": ATTACH,
                          "teardown": TEARDOWN})
    end_without_driver(made)
    made.run_all("task", {"unload": UNLOAD})


@test(machine="mock")
def faults_commands_of_the_log(t):
    """Reading and clearing the event log fails."""
    made = bench(t)
    scenarios = {"add": ADD, "release": RELEASE} | FORCED
    made.run_commands(scenarios, "0100")
    made.run_commands(scenarios, "0101")
    made.run_commands(scenarios, "0101", "after")


@test(machine="mock")
def faults_commands_of_extents(t):
    """Responses, releases and lists fail: not processed, processed all the
    same, or with the offer forgotten."""
    made = bench(t)
    for mode in ("before", "after", "drop"):
        made.run_commands({"add": ADD}, "4802", mode)
    releases = {"release": RELEASE, "release claimed": RELEASE_CLAIMED,
                "give up a part": GIVE_UP_PART, "force": FORCE}
    made.run_commands(releases, "4803")
    made.run_commands(releases, "4803", "after")
    made.run_commands(releases, "4803", ALWAYS)
    made.run_commands({"not held": RELEASE_STRAY}, "4803")
    made.run_commands({"not held": RELEASE_STRAY}, "4803", "after",
                      (NO_ANSWER,))
    made.run_commands({
        "not held": RELEASE_STRAY, "add": ADD_DOUBTED,
        "release": RELEASE_DOUBTED, "force": FORCE_DOUBTED}, "4801")


@test(machine="mock")
def faults_commands_of_a_region(t):
    """Lists and releases fail when a region comes and goes."""
    made = bench(t)
    made.run_commands({"unload": UNLOAD}, "4803", ALWAYS)
    without_driver(made)
    made.run_commands({"recover": RECOVER}, "4801")
    made.run_commands({"teardown": TEARDOWN}, "4803")
    made.run_commands({"teardown": TEARDOWN}, "4803", "after")
    made.run_commands({"teardown": TEARDOWN}, "4803", ALWAYS)
    end_without_driver(made)


@test(machine="mock")
def faults_commands_in_parts(t):
    """Where a response, a release and a list come in parts, any of the parts
    fails."""
    made = bench(t, 7, MANY, 256)
    made.run_commands({"add": ADD}, "4802", "before",
                      (NO_ANSWER, INVALID_INPUT))
    made.run_commands({"add": ADD}, "4802", "drop")
    made.run_commands({"add": ADD_UNFINISHED}, "4802", "after")
    made.run_commands({"not held": RELEASE_STRAY}, "4803", "before",
                      (NO_ANSWER, RETRY))
    made.run_commands({"not held": RELEASE_STRAY}, "4803", "after",
                      (NO_ANSWER,))
    made.run_commands({"add": ADD_DOUBTED}, "4801", codes=(NO_ANSWER,))
    without_driver(made)
    made.run_commands({"recover": RECOVER}, "4801", codes=(NO_ANSWER,))
    made.run_commands({"teardown": TEARDOWN}, "4803")
    made.run_commands({"teardown": TEARDOWN}, "4803", "after")
    end_without_driver(made)
    t.guest.destroy_region(made.region.name)
    made.mock.reset()
    made.mock.rebind()


def unreclaimable(t):
    """KiB of kernel memory that only its owner can give back."""
    return int(t.guest.sh("grep SUnreclaim /proc/meminfo").split()[1])


@test(machine="mock")
def faults_leave_nothing_behind(t):
    """The third round of failures takes no memory that the first has not
    taken; the modules go, and come back."""
    made = bench(t)
    sizes = []
    for _ in range(3):
        made.run_all("worker", {"add": ADD, "release": RELEASE})
        sizes.append(unreclaimable(t))
    t.note(f"slab memory: {sizes} KiB")
    check(sizes[2] - sizes[0] < LEAK, f"slab memory grows: {sizes} KiB")
    t.guest.destroy_region(made.region.name)
    t.guest.sh("rmmod dax_cxl cxl_test && rmmod cxl_mock_mem cxl_dc_record",
               60)
    load_mock(t.guest)


# What a memory device's driver may ask for.
COMMANDS = ("0100", "0101", "4801", "4802", "4803")


def go_dead(mock, opcodes):
    """A device that has lent memory does not answer some commands any more, offers
    more, and its memory device goes. Then it answers again."""
    mock.chain(UNTAGGED)
    mock.clear()
    for opcode in opcodes:
        mock.fail(opcode, NO_ANSWER, times=99)
    mock.chain(TAGGED)
    memdev(mock, None)
    mock.do("fail", "none")


@test(machine="mock")
def faults_of_a_dead_device(t):
    """The mailbox does not answer some commands, or none, while the memory device
    goes: that ends all the same. What could not be given back is found by the next
    region, what could not be read is read by the next driver."""
    lent = {("4803",): sorted(CHAIN), COMMANDS: UNTAGGED}
    for opcodes in (*((opcode,) for opcode in COMMANDS), COMMANDS):
        mock, region = lender(t)
        go_dead(mock, opcodes)
        check_equal(sorted(mock.account()), lent.get(opcodes, []),
                    f"{opcodes}: lent")
        bring_back(mock)
        t.guest.destroy_region(region.name)
        if opcodes == ("4802",):
            mock.do("pending", "drop")
        t.guest.until(f"{opcodes}: an answer", lambda: mock.pending() == [])
        check_works(t, mock)
