# SPDX-License-Identifier: GPL-2.0-only
"""An interactive guest, and a fabric manager in a second terminal."""

import re
import sys
import termios

from guest import Guest
from initramfs import SetupError
from vm import MIB, QMP, VM, FabricManager, build_directory, qmp_socket_link

HINT = """\
A machine with a CXL Dynamic Capacity Device of two partitions, 1 GiB each.
There is a region over the first: {region}, with the DAX device {seed}.

In a second terminal, play the fabric manager:
    {program} inject add 0 0 64M         lend 64 MiB of partition 0
    {program} inject release 0 0 64M     ask for it back
Here, for example:
    grep . {dax_region}/extent*/*
    echo 0 > /sys/bus/dax/devices/{seed}/uuid
    echo {seed} > /sys/bus/dax/drivers/device_dax/new_id
    dcdmem write /dev/{seed} 0 0x200000 1
    dcdmem verify /dev/{seed} 0 0x200000 1
    cat /sys/kernel/debug/cxl/mem0/dynamic_capacity
Leave with `poweroff -f`, or with Ctrl-A X.
"""

UNITS = {"": 1, "K": 1 << 10, "M": MIB, "G": 1 << 30}


def size(text):
    """A number of bytes: 2097152, 0x200000 or 2M."""
    match = re.fullmatch(r"(0x[0-9a-fA-F]+|\d+)([KMG]?)", text)
    if not match:
        raise ValueError(text)
    return int(match[1], 0) * UNITS[match[2]]


def add_inject_arguments(parser):
    """The arguments of `run.py inject`."""
    parser.add_argument("verb", choices=("add", "release"))
    parser.add_argument("region", type=int, metavar="REGION",
                        help="the device's partition, 0 or 1")
    parser.add_argument("ranges", type=size, nargs="+", metavar="OFFSET LEN",
                        help="in the partition, e.g. 0 64M; several pairs "
                             "are one chain (at most 8)")


def inject(arguments):
    """Lend memory to a running machine, or ask for it back."""
    link = qmp_socket_link(build_directory())
    if not link.exists():
        raise SetupError("no machine is running: start one with `shell`")
    pairs = list(zip(arguments.ranges[::2], arguments.ranges[1::2]))
    if len(arguments.ranges) % 2 or not 1 <= len(pairs) <= 8:
        raise SetupError("give one to eight pairs of OFFSET and LEN")
    fabric = FabricManager(QMP(link))
    getattr(fabric, arguments.verb)(arguments.region, pairs)
    return 0


def prepare(vm):
    """Load the drivers and make the first region; print what can be done."""
    guest = Guest(vm)
    guest.load()
    region = guest.create_region("dynamic_ram_1")
    print(HINT.format(region=region.name, seed=region.seed,
                      dax_region=region.dax_region, program=sys.argv[0]))


def main(_arguments):
    """Boot with the console on this terminal."""
    if not sys.stdin.isatty():
        raise SetupError("`shell` wants a terminal")
    settings = termios.tcgetattr(sys.stdin)
    try:
        with VM(name="shell", shell=True) as vm:
            prepare(vm)
            vm.sh("touch /tmp/console-ready")
            vm.wait()
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
    return 0
