#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Test, show and try the CXL Dynamic Capacity driver on an emulated device.

The kernel is $BUILD/kernel/arch/x86/boot/bzImage, its modules are in
$BUILD/modroot; BUILD defaults to build/ at the top of the repository. With
KERNEL_FLAVOUR=kasan they are in kernel-kasan and modroot-kasan (flavour.py).
"""

import argparse
import fnmatch
import os
import signal
import subprocess
import sys

# Nothing is to be written into the source tree.
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import bench
import demo
import kunit
import shell
from initramfs import SetupError
from testlib import TESTS, run_tests
from vm import QMPError, VMError

# Importing a test file registers its tests; this is their order.
import test_regions      # noqa: F401 pylint: disable=unused-import
import test_extents      # noqa: F401 pylint: disable=unused-import
import test_lifecycle    # noqa: F401 pylint: disable=unused-import
import test_remembered   # noqa: F401 pylint: disable=unused-import
import test_surprise     # noqa: F401 pylint: disable=unused-import
import test_system       # noqa: F401 pylint: disable=unused-import
import test_interfaces   # noqa: F401 pylint: disable=unused-import
import test_guide        # noqa: F401 pylint: disable=unused-import
import test_forced       # noqa: F401 pylint: disable=unused-import
import test_dcd          # noqa: F401 pylint: disable=unused-import
import test_tools        # noqa: F401 pylint: disable=unused-import
import test_order        # noqa: F401 pylint: disable=unused-import
import test_mock         # noqa: F401 pylint: disable=unused-import
import test_allocations  # noqa: F401 pylint: disable=unused-import
import test_faults       # noqa: F401 pylint: disable=unused-import
import test_surprise_mock  # noqa: F401 pylint: disable=unused-import
import test_log          # noqa: F401 pylint: disable=unused-import
import test_concurrent   # noqa: F401 pylint: disable=unused-import
import test_random       # noqa: F401 pylint: disable=unused-import
import test_stress       # noqa: F401 pylint: disable=unused-import


def first_line(text):
    """The first sentence of a docstring, on one line."""
    return " ".join(text.split()).split(". ")[0].rstrip(".")


def list_tests(_arguments):
    """Print the tests and what they prove."""
    for entry in TESTS:
        print(f"{entry.name:44} {first_line(entry.function.__doc__)}")
    return 0


def check_all(_arguments):
    """Run every test."""
    return run_tests(TESTS)


def run_named(arguments):
    """Run the tests whose names match; all, if none is named."""
    if not arguments.names:
        return run_tests(TESTS)
    found = {pattern: fnmatch.filter([entry.name for entry in TESTS], pattern)
             for pattern in arguments.names}
    unknown = [pattern for pattern, names in found.items() if not names]
    if unknown:
        print(f"no test matches {' or '.join(unknown)}; see `run.py list`",
              file=sys.stderr)
        return 2
    return run_tests([entry for entry in TESTS if any(
        entry.name in names for names in found.values())])


def parser():
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=function)
        return sub

    command("check", check_all, "run all tests")
    named = command("test", run_named, "run tests by name")
    named.add_argument("names", nargs="*", metavar="NAME",
                       help="a test's name or a shell pattern; none: all")
    command("list", list_tests, "list the tests")
    command("demo", demo.main, "watch memory being lent and given back")
    command("shell", shell.main, "boot, and hand over a console")
    inject = command("inject", shell.inject,
                     "play the fabric manager for a running machine")
    shell.add_inject_arguments(inject)
    command("kunit", kunit.main, "build and run the KUnit suites (kunit.py)")
    command("bench", bench.main, "count mailbox commands and seconds")
    return top


def main():
    """Run one command; say plainly what is missing."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = parser().parse_args()
    try:
        return arguments.function(arguments)
    except (SetupError, QMPError, VMError) as error:
        print(f"error: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


if __name__ == "__main__":
    sys.exit(main())
