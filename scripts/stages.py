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
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD") or ROOT / "build").resolve()
SCRIPTS = ROOT / "scripts"
GUEST = [sys.executable, ROOT / "tools/testing/cxl/emulator/run.py"]
SUMMARY = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")


def run(command):
    """Run a stage, show what it prints, return (exit status, counts or None)."""
    counts = None
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", cwd=ROOT,
                          env={**os.environ, "BUILD": str(BUILD), "PYTHONUNBUFFERED": "1"},
                          start_new_session=True) as stage:
        try:
            for line in stage.stdout:
                match = SUMMARY.match(line)
                counts = [int(n or 0) for n in match.groups()] if match else None
                # Only one line of this form may end the whole.
                print(("# " if match else "") + line, end="", flush=True)
        except BaseException:
            os.killpg(stage.pid, signal.SIGTERM)
            raise
        finally:
            stage.wait()
            try:                    # whatever a stage left behind
                os.killpg(stage.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    return stage.returncode, counts


def main(stages):
    """Run stages: (name, command, does it count, do the later ones need it)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    total = [0, 0, 0]
    for name, command, counting, needed in stages:
        print(f"== {name}", flush=True)
        start = time.monotonic()
        code, counts = run(command)
        if not counting or counts is None:
            counts = [0, 0, 0] if counting else [int(code == 0), int(code != 0), 0]
        if counting and not counts[1] and (code or not sum(counts)):
            counts[1] = 1
            print(f"not ok - {name} ended with status {code} and counted no failure")
        elif not counting:
            print(f"{'not ok' if code else 'ok'} - {name}")
        print(f"== {name}: {time.monotonic() - start:.0f} s", flush=True)
        total = [a + b for a, b in zip(total, counts)]
        if code and needed:
            print("the later stages need this one")
            break
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] else 0

