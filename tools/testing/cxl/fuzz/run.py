#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Fuzz the extent core and the wire in user space.

    run.py runs              FUZZ_RUNS executions, split over the targets
    run.py check             FUZZ_SECONDS seconds, likewise; what `make check` does
    run.py replay INPUT      run one input of a target, and print what it means
    run.py merge             minimise what was found into the corpus of the repository

The last line of the first two is `N passed, N failed`.
"""

import os
import signal
import shutil
import subprocess
import sys
from pathlib import Path

from build import HERE, OUT, TARGETS, Error, build_all

CRASHES = OUT / "crashes"
MAX_LEN = 400
# A hang, a leak of memory and a runaway allocation are failures, too.
LIMITS = ["-timeout=10", "-rss_limit_mb=1024", f"-max_len={MAX_LEN}", "-seed=1"]
ENVIRONMENT = {"ASAN_OPTIONS": "quarantine_size_mb=16:detect_leaks=1"}
PROGRESS = ("pulse", "INITED", "DONE")


def corpus_file(name):
    return HERE / f"corpus/{name}.hex"


def unpack(name):
    """The corpus of the repository, one file an input, next to what was found here."""
    directory = OUT / "corpus" / name
    directory.mkdir(parents=True, exist_ok=True)
    lines = corpus_file(name).read_text().split("\n")
    inputs = [bytes.fromhex(line) for line in lines if line and not line.startswith("#")]
    for number, data in enumerate(inputs):
        (directory / f"seed-{number:03}").write_bytes(data)
    return directory


def is_progress(line):
    return line.startswith("#") and any(word in line for word in PROGRESS)


def forget(line, tail):
    """Keep the end of what is printed, without progress and notes of the fuzzer."""
    if not line.startswith(("#", "INFO:", "\tNEW_FUNC")):
        tail.append(line)
        del tail[:-60]


def fuzz(name, program, bound):
    """Run a target until it fails or has done enough: did it pass?"""
    corpus, tail = unpack(name), []
    # What is new in this run is not needed by the next one: it starts as this one did.
    scratch = OUT / "found" / name
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    CRASHES.mkdir(exist_ok=True)
    command = [program, *LIMITS, bound, f"-artifact_prefix={CRASHES}/{name}-", scratch,
               corpus]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={**os.environ, **ENVIRONMENT}) as running:
        try:
            for line in running.stdout:
                forget(line, tail)
                if is_progress(line):
                    print(f"# {name} {line}", end="", flush=True)
        except BaseException:
            running.kill()
            raise
    if running.returncode:
        print("".join(f"# {line}" for line in tail), end="")
    return not running.returncode


def newest_crash(name):
    found = sorted(CRASHES.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def fuzz_all(bounds):
    failed = 0
    for number, (name, program) in enumerate(build_all().items(), 1):
        passed = fuzz(name, program, bounds[name])
        print(f"{'ok' if passed else 'not ok'} {number} - fuzz {name}", flush=True)
        if not passed:
            failed += 1
            print(f"# to see it again: make fuzz-replay INPUT={newest_crash(name)}")
    print(f"{len(TARGETS) - failed} passed, {failed} failed")
    return 1 if failed else 0


def share(total, option):
    """Most of the work goes to the extent core: it has more states than the wire."""
    core = total * 3 // 4
    return {"core": f"{option}={core}", "wire": f"{option}={total - core}"}


def number(variable, default):
    value = os.environ.get(variable) or default
    if not str(value).isdigit() or int(value) < 8:
        raise Error(f"{variable}={value} is not a number from 8 on")
    return int(value)


def replay(path):
    """The name of the file says which target it is for."""
    path = Path(path)
    name = next((name for name in TARGETS if path.name.startswith(name)
                 or path.parent.name == name), None)
    if not name or not path.is_file():
        raise Error(f"{path} is no file whose name or directory tells its target")
    program = build_all()[name]
    return subprocess.run([program, "-timeout=10", path], check=False,
                          env={**os.environ, **ENVIRONMENT, "FUZZ_TRACE": "1"}).returncode


def merge(name, program):
    found, least = [OUT / "found" / name, unpack(name)], OUT / "least" / name
    shutil.rmtree(least, ignore_errors=True)
    least.mkdir(parents=True)
    # Without counters of how often: one input for each edge is a small corpus.
    subprocess.run([program, *LIMITS, "-merge=1", "-use_counters=0", least,
                    *(path for path in found if path.is_dir())], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, **ENVIRONMENT})
    inputs = sorted((path.read_bytes() for path in least.iterdir()),
                    key=lambda data: (len(data), data))
    header = "# SPDX-License-Identifier: GPL-2.0-only\n# An input a line; run.py merge\n"
    corpus_file(name).write_text(header + "".join(data.hex() + "\n" for data in inputs))
    shutil.rmtree(OUT / "corpus" / name)
    print(f"{corpus_file(name).name}: {len(inputs)} inputs")


def main(arguments):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments == ["runs"]:
        return fuzz_all(share(number("FUZZ_RUNS", 1000000), "-runs"))
    if arguments == ["check"]:
        return fuzz_all(share(number("FUZZ_SECONDS", 60), "-max_total_time"))
    if len(arguments) == 2 and arguments[0] == "replay":
        return replay(arguments[1])
    if arguments == ["merge"]:
        for name, program in build_all().items():
            merge(name, program)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


try:
    sys.exit(main(sys.argv[1:]))
except Error as error:
    sys.exit(f"error: {error}")
