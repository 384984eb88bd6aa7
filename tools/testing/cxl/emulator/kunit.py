# SPDX-License-Identifier: GPL-2.0-only
"""Run the KUnit suites with the kernel's own kunit.py.

kunit.py configures, builds and parses. It would boot x86_64 under KVM, which
many machines cannot do; so the image is booted here.
"""

import subprocess
import sys

from initramfs import SetupError
from vm import SLOWNESS, build_directory, die_with_parent

SECONDS = 600


def kunit_py(build, *arguments, **options):
    """Run the kernel's kunit.py."""
    return subprocess.run(
        [sys.executable, "tools/testing/kunit/kunit.py", *arguments],
        cwd=build / "linux", check=False, **options)


def build_image(build):
    """Configure and build a kernel with the suites built in."""
    # `build` configures once more: without the option it would take its own.
    options = ("--arch", "x86_64", "--build_dir", str(build / "kunit"),
               "--kunitconfig", "drivers/cxl/core/tests/.kunitconfig")
    for step in ("config", "build"):
        if kunit_py(build, step, *options).returncode:
            raise SetupError(f"kunit.py {step} failed")


def boot(build, log):
    """Boot the image without a root file system: the suites run before the
    kernel would look for one; then it reboots, and QEMU ends."""
    command = ["qemu-system-x86_64", "-M", "q35,accel=tcg", "-cpu", "max",
               "-m", "1G", "-smp", "2", "-nodefaults", "-display", "none",
               "-no-reboot", "-serial", f"file:{log}", "-kernel",
               str(build / "kunit" / "arch/x86/boot/bzImage"), "-append",
               "console=ttyS0 kunit.enable=1 kunit.filter_glob=cxl_* "
               "kunit_shutdown=reboot panic=-1"]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True,
                       preexec_fn=die_with_parent, timeout=SECONDS * SLOWNESS)
    except subprocess.TimeoutExpired:
        raise SetupError(f"the suites did not end in {SECONDS} s: see {log}"
                         ) from None


def main(_arguments):
    """Configure, build, boot, parse; the parser's status is the result."""
    build = build_directory()
    if not (build / "linux").exists():
        raise SetupError(f"no kernel tree at {build / 'linux'}: run "
                         "`make tree`")
    build_image(build)
    log = build / "kunit" / "test.log"
    boot(build, log)
    if "# Subtest: cxl_extent" not in log.read_text(errors="replace"):
        raise SetupError(f"the suites did not run: see {log}")
    return kunit_py(build, "parse", str(log)).returncode
