# SPDX-License-Identifier: GPL-2.0-only
"""Register, run and report guest tests.

A test is a function that takes a Test and raises when something is wrong. It
leaves the guest clean; whatever happens, the runner compares the device's view
with sysfs, removes the regions, and reads what the kernel has logged
meanwhile. A machine on which a test failed is thrown away.
"""

import time
import traceback
from dataclasses import dataclass, field

from checks import check, check_equal, shorten  # noqa: F401
from guest import Guest
from initramfs import SetupError
from klog import complaints, foreign_races
from leaks import FOUND, leaks
from mock import clean_up_mock, load_mock
from vm import VM, GuestError, VMError

TESTS = []


@dataclass(frozen=True)
class Registered:
    """A test in the list: what to call, and which machine it wants.

    loaded: whether the CXL modules are loaded before it starts.
    fresh: whether the machine must be a new one, since the test starts it again
        and what the tests before have leaked would be forgotten.
    """

    name: str
    function: object
    machine: str
    loaded: bool
    fresh: bool


class Skip(Exception):
    """The test cannot be run here; the text says why."""


def test(machine="dcd", loaded=True, fresh=False):
    """Register a test; its name is the function's, with dashes."""
    def register(function):
        name = function.__name__.replace("_", "-")
        TESTS.append(Registered(name, function, machine, loaded, fresh))
        return function
    return register


@dataclass
class Report:
    """TAP lines on standard output, and what they add up to."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)

    def result(self, name, problem, seconds=None, skip=None):
        """Print one result; problem is None if the test passed."""
        number = self.passed + self.failed + self.skipped + 1
        comment = f" # {seconds:.1f} s" if seconds is not None else ""
        if skip is not None:
            comment = f" # SKIP {skip}"
            self.skipped += 1
        elif problem is None:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(name)
        word = "ok" if problem is None else "not ok"
        print(f"{word} {number} - {name}{comment}", flush=True)
        if problem is not None:
            self.note(problem)

    @staticmethod
    def note(text):
        """Print a TAP comment."""
        for line in text.splitlines():
            print(f"# {line}", flush=True)

    def close(self):
        """Print the closing lines; return the exit status."""
        if self.failures:
            self.note("failed: " + " ".join(self.failures))
        print(f"1..{self.passed + self.failed + self.skipped}")
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}",
              flush=True)
        return 1 if self.failed or not self.passed else 0


class Test:
    """What a test works with."""

    def __init__(self, vm, report):
        self.vm = vm
        self.guest = Guest(vm)
        self.fabric = vm.fabric
        self.note = report.note
        self.result = report.result


class Machines:
    """Keeps the running machine from test to test while it is good."""

    def __init__(self, report):
        self._vm = None
        self._report = report

    def get(self, kind, fresh=False):
        """A clean machine of this kind, not yet started if it is new."""
        if self._vm and (fresh or self._vm.kind != kind):
            self.retire()
        if not self._vm:
            self._vm = VM(kind)
        return self._vm

    def retire(self):
        """End a machine that did well, unless it leaked, or complains when the
        modules go."""
        if self._vm and self._vm.running():
            self.look_for_leaks()
        self.discard()

    def look_for_leaks(self):
        """One more result for a machine whose kernel has kmemleak: what that
        finds, and what the kernel says meanwhile."""
        begin = time.monotonic()
        try:
            found = leaks(Guest(self._vm))
            if found is None:
                return
            found += "".join(f"the kernel complained: {line}\n"
                             for line in self.new_complaints()
                             if not FOUND.search(line))
        except (GuestError, VMError) as error:
            found = describe(error, self._vm)
        self._report.result(f"no-leaks-on-{self._vm.kind}", found or None,
                            time.monotonic() - begin)

    def discard(self):
        """End the machine."""
        if self._vm:
            self._vm.stop()
            self._vm = None

    def new_complaints(self):
        """What the kernel has complained of since this was last asked; the
        boot counts for the first test on a machine."""
        vm = self._vm
        if not vm.running():
            return complaints(vm.log()[vm.scanned:])
        end = vm.mark_log("end of test")
        log = vm.log()[vm.scanned:end]
        for race in foreign_races(log):
            self._report.note(f"not ours: {race}")
        vm.scanned = end
        return complaints(log)


def clean_up(guest):
    """Leave no process, region or extent to the next test."""
    guest.sh("killall dcd dcdmem keep uevents victim 2>/dev/null; true")
    if guest.vm.kind == "mock":
        clean_up_mock(guest)
    elif guest.names("/sys/bus/cxl/devices", "root0"):
        guest.check_invariant()
        guest.destroy_regions()
        guest.check_invariant()


def run_on(vm, registered, report):
    """Run one test on a machine, booted if need be, and clean up."""
    if not vm.running():
        vm.start()
    vm.mark_log(f"start of {registered.name}")
    context = Test(vm, report)
    if registered.loaded and vm.kind == "mock":
        load_mock(context.guest)
    elif registered.loaded:
        context.guest.load()
    registered.function(context)
    clean_up(context.guest)


def describe(error, vm):
    """An exception, with the end of the kernel's log, for the report."""
    text = shorten(str(error), 4000)
    if not isinstance(error, (GuestError, VMError)):
        text = traceback.format_exc()
    log = vm.log().replace("\r", "").splitlines()
    tail = "\n".join(complaints(vm.log()) + log[-15:])
    return f"{text}\nthe kernel's log has:\n{tail}"


def problem_of(registered, machines, report):
    """Run one test; return what was wrong, None if nothing was."""
    vm = machines.get(registered.machine, registered.fresh)
    try:
        run_on(vm, registered, report)
        lines = machines.new_complaints()
    except (Skip, SetupError):
        raise
    except Exception as error:  # a test may fail in any way
        return describe(error, vm)
    if lines:
        return "the kernel complained:\n" + "\n".join(lines)
    return None


def run_test(registered, machines, report):
    """Run one test and print its result."""
    begin = time.monotonic()
    problem = skip = None
    try:
        problem = problem_of(registered, machines, report)
    except Skip as reason:
        skip = str(reason)
    report.result(registered.name, problem, time.monotonic() - begin, skip)
    if problem:
        keep_log(machines.get(registered.machine), registered.name)
        machines.discard()


def keep_log(vm, name):
    """Keep a failed test's log from being overwritten by the next boot."""
    target = vm.log_path.with_name(f"failed-{name}.log")
    target.write_text(vm.log(), encoding="utf-8")


def run_tests(selected):
    """Run tests in their order; return the exit status."""
    report = Report()
    machines = Machines(report)
    print("TAP version 13", flush=True)
    try:
        for registered in selected:
            run_test(registered, machines, report)
        machines.retire()
    finally:
        machines.discard()
    return report.close()
