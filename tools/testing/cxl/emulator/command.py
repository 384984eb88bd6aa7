# SPDX-License-Identifier: GPL-2.0-only
"""The command dcd in the guest, as a user types it."""

import json

from guest import Region, GuestError
from testlib import check, check_equal

ERRORS = "/tmp/dcd.errors"


class Dcd:
    """Runs dcd, and keeps apart what it prints and what it says."""

    def __init__(self, guest):
        self.guest = guest
        self.said = ""

    def run(self, words, timeout=60, environment=""):
        """Run it; returns (status, standard output)."""
        status, output = self.guest.vm.run(
            f"{environment} $(which dcd) {words} 2>{ERRORS}", timeout)
        self.said = self.guest.read(ERRORS)
        return status, output

    def ok(self, words, said=None, environment=""):
        """What it prints when it succeeds; `said` must be what it says."""
        status, output = self.run(words, environment=environment)
        if status:
            raise GuestError(f"dcd {words}: {status}, {self.said}")
        if said is not None:
            check_equal(self.said, said, f"dcd {words} said")
        return output

    def json(self, words):
        """The JSON that it prints."""
        return json.loads(self.ok(f"{words} --json"))

    def fails(self, words, *texts, timeout=60):
        """It ends with 1, prints nothing, and says each of these texts."""
        status, output = self.run(words, timeout)
        check_equal((status, output), (1, ""), f"dcd {words}")
        for text in texts:
            check(text in self.said, f"dcd {words} said '{self.said}', "
                                     f"not '{text}'")

    def table(self, words, column):
        """The rows of the table of that heading, each a list of columns."""
        found = []
        for line in self.ok(words).splitlines():
            cells = line.split("  ")
            cells = [cell.strip() for cell in cells if cell]
            if found and not line:
                break
            if found or cells[:1] == [column]:
                found.append(cells)
        return found[1:]

    def region(self, words=""):
        """Make a region; returns it as the other tests know it."""
        made = self.json(f"create-region {words}")
        check_equal(self.said.split(": ", 1)[1], "created 1 region", "said")
        return Region(made["region"], made["mode"], made["decoder"],
                      made["size"])


class Watcher:
    """A `dcd watch` that runs beside the test."""

    def __init__(self, guest, words=""):
        self.guest = guest
        self.output = f"/tmp/watch.{words.replace(' ', '')}"
        guest.sh(f"(dcd watch {words} >{self.output} 2>{self.output}.said; "
                 f"echo $? >{self.output}.status) &")
        guest.until("dcd watch", lambda: "watching" in self.said())

    def said(self):
        """What it has said besides: on standard error."""
        return self.guest.read(f"{self.output}.said")

    def wait(self, count):
        """The first lines, when there are so many."""
        self.guest.until(f"{count} events", lambda: len(self.lines()) >= count)
        return self.lines()

    def lines(self):
        """What it has printed so far."""
        return self.guest.read(self.output).splitlines()

    def status(self):
        """Its exit status, when it has ended."""
        path = f"{self.output}.status"
        self.guest.until("the end of dcd watch",
                         lambda: self.guest.exists(path))
        return self.guest.number(path)
