# SPDX-License-Identifier: GPL-2.0-only
"""Many operations by chance on two mock DCDs at once, against a model.

The work is done by guest/random*.c: after each operation the device's account, the
host's and the model's must be equal. RANDOM_SEED and RANDOM_OPERATIONS in the
environment choose others than the default.
"""

import os

from mock import Mock
from testlib import check, test
from vm import GuestError

SEED = "20260718"
OPERATIONS = "10000"

# Ten times what it takes on an idle machine.
SECONDS_EACH = 0.1

# A sharable one, and one with two regions: number of the device, partitions.
DEVICES = ((0, "1"), (3, "1,2"))

# Responses and lists of this one come in parts: the smallest mailbox.
SMALL = 3


@test(machine="mock")
def random(t):
    """Device, host and model agree after each of 10,000 operations by
    chance."""
    seed = os.environ.get("RANDOM_SEED", SEED)
    operations = os.environ.get("RANDOM_OPERATIONS", OPERATIONS)
    devices = " ".join(f"{Mock(t.guest, number).name}:{partitions}"
                       for number, partitions in DEVICES)
    t.note(f"random {seed} {operations} {devices}")
    small = Mock(t.guest, SMALL)
    small.set_mailbox(256)
    status, output = t.vm.run(f"random {seed} {operations} {devices}",
                              60 + int(operations) * SECONDS_EACH)
    if status:
        t.note(output)
        raise GuestError(f"random ended with {status}")
    check(f"{operations} operations, " in output, output)
    t.note(output.splitlines()[-1])
    small.set_mailbox(4096)
