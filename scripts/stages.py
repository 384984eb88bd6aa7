# SPDX-License-Identifier: GPL-2.0-only
"""Run checks stage by stage. The last line is `N passed, N failed[, N skipped]`.

A stage that counts ends with such a line itself; one that does not is one check.
A stage that dies without counting a failure is one failure.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD") or ROOT / "build").resolve()
SCRIPTS = ROOT / "scripts"
GUEST = [sys.executable, ROOT / "tools/testing/cxl/emulator/run.py"]
SUMMARY = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")


class Stage:
    """A command that runs, with a session of its own: nothing of it outlives the block.

    One that is beside others has what they leave of the processors, and is shown when it
    has ended.
    """

    def __init__(self, command, beside=False):
        self._output = tempfile.TemporaryFile("w+", errors="replace") if beside else None
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output or subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", cwd=ROOT,
            env={**os.environ, "BUILD": str(BUILD), "PYTHONUNBUFFERED": "1"},
            start_new_session=True, preexec_fn=be_idle if beside else None)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self._signal(signal.SIGTERM)
        self._process.wait()
        self._signal(signal.SIGKILL)        # whatever a stage left behind

    def _signal(self, number):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def ended(self):
        """Whether it has ended."""
        return self._process.poll() is not None

    def _lines(self):
        if not self._output:
            return self._process.stdout
        self._process.wait()
        self._output.seek(0)
        return self._output

    def show(self):
        """Print what it prints, to its end; return (exit status, counts or None)."""
        counts = None
        for line in self._lines():
            match = SUMMARY.match(line)
            counts = [int(n or 0) for n in match.groups()] if match else None
            # Only one line of this form may end the whole.
            print(("# " if match else "") + line, end="", flush=True)
        return self._process.wait(), counts


def be_idle():
    """Run when nobody else wants to."""
    os.nice(19)
    with suppress(OSError):     # where a session as a whole has its share
        Path("/proc/self/autogroup").write_text("19", encoding="ascii")


def count(name, counting, code, counts):
    """What a stage adds to passed, failed and skipped."""
    if not counting:
        print(f"{'not ok' if code else 'ok'} - {name}")
        return [int(code == 0), int(code != 0), 0]
    counts = counts or [0, 0, 0]
    if not counts[1] and (code or not sum(counts)):
        print(f"not ok - {name} ended with status {code} and counted no failure")
        counts[1] = 1
    return counts


def play(name, stage, counting, total, more=""):
    """Show a stage to its end, and add to TOTAL; return the exit status."""
    print(f"== {name}", flush=True)
    start = time.monotonic()
    code, counts = stage.show()
    counts = count(name, counting, code, counts)
    total[:] = [a + b for a, b in zip(total, counts)]
    print(f"== {name}: {time.monotonic() - start:.0f} s{more}", flush=True)
    return code


def main(stages, beside=()):
    """Run stages: (name, command, does it count, do the later ones need it).

    Those whose names are in BESIDE run beside those that follow, which can't need them,
    and are shown when one of those ends and they have, or last.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    total = [0, 0, 0]
    with ExitStack() as later:
        hidden = []
        for name, command, counting, needed in stages:
            if name in beside:
                print(f"== {name}: begins, and is shown later", flush=True)
                hidden.append((name, later.enter_context(Stage(command, True)), counting))
                continue
            with Stage(command) as stage:
                code = play(name, stage, counting, total)
            if code and needed:
                print("the later stages need this one")
                break
            for entry in [entry for entry in hidden if entry[1].ended()]:
                hidden.remove(entry)
                play(*entry, total, " more")
        for entry in hidden:
            play(*entry, total, " more")
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] else 0
