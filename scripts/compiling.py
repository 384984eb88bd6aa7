# SPDX-License-Identifier: GPL-2.0-only
"""Compile the directories that the series changes with all warnings, and tell those
of the pristine base from new ones."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import patchlib as lib
from patchlib import git

DIRS = ("drivers/cxl/", "drivers/dax/")     # what W=1 and sparse build
SPARSE = f"sparse -include {lib.ROOT}/scripts/sparse.h"
JOBS = os.environ.get("JOBS") or str(os.cpu_count())
COMPILER = os.environ.get("COMPILER") or "gcc"


def run(command, log=None, **options):
    """Run a command, return (exit status, output); the output goes to a log, too."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **options)
    output = lib.text(done.stdout)
    if log:
        path = lib.BUILD / "log" / log
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(done.stdout)
    return done.returncode, output


WARNING = re.compile(r"^(?:\.\./|\./)*(\S+?):(?:\d+:)*\s*(?:\w+ )?((?:warning|error): .*)")


def warnings(output, source):
    """Each warning as 'file: text', line numbers taken out, with how often it came."""
    found = {}
    for line in output.replace(str(source) + "/", "").split("\n"):
        match = WARNING.match(line)
        if match:
            words = re.sub(r"\b(line )?\d+\b", "N", match[2])
            found.setdefault(f"{match[1]}: {words}", []).append(line)
    return found


def make(source, out, *words):
    """The command that builds in a tree. Where the tree lies makes no difference to
    ccache."""
    return ["make", "-C", str(source), f"O={out}", f"CC=ccache {COMPILER}", "-j" + JOBS, *words]


def make_env():
    return {**os.environ, "CCACHE_DIR": str(lib.BUILD / "ccache"), "CCACHE_DEPEND": "1",
            "CCACHE_BASEDIR": str(lib.BUILD), "CCACHE_NOHASHDIR": "1", "LC_ALL": "C",
            "LOCALVERSION": "", "KBUILD_BUILD_TIMESTAMP": "2024-01-01"}


def configure(source, out, name):
    """Configure a tree and build what compiling needs; return what went wrong."""
    code, output = run([lib.ROOT / "scripts/configure", out, source])
    if not code:
        code, output = run(make(source, out, "modules_prepare"), f"{name}-prepare.log",
                           env=make_env())
    return output.split("\n")[-20:] if code else None


def compile_dirs(source, out, log, *words):
    """Compile DIRS at W=1; return (failure, warnings)."""
    code, output = run(make(source, out, "-k", "W=1", f"CHECK={SPARSE}", *words, *DIRS),
                       log, env=make_env())
    if "is not available or not up to date" in output:
        code = 1                            # kbuild goes on without sparse
    return output.split("\n")[-20:] if code else None, warnings(output, source)


def compile_tree(source, out, name):
    """Compile DIRS of a tree with all warnings; return (failure, warnings)."""
    failure = configure(source, out, name)
    if failure:
        return failure, {}
    for directory in DIRS:                  # compiled files are warned of but once
        for path in (out / directory).rglob("*.o"):
            path.unlink()
    return compile_dirs(source, out, f"{name}.log", "C=2")


def symbols(paths, *options):
    """Names in object files, by nm."""
    if not paths:
        return set()
    done = subprocess.run(["nm", "-P", *options, *map(str, paths)], check=True,
                          capture_output=True, text=True)
    return {line.split()[0] for line in done.stdout.splitlines()
            if line and not line.endswith(":")}


def objects(out):
    """The linked modules of DIRS, and what is built in."""
    archives = [out / name / "built-in.a" for name in DIRS]
    modules = [path for name in DIRS for path in (out / name).rglob("*.o")
               if path.with_suffix(".mod").exists()]
    return modules + [path for path in archives if path.exists()]


def link_base_tree(target):
    """The pristine base as links into the kernel tree: seconds and no space."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    changed = set(git("diff", "--name-only", "--no-renames", "base").split("\n"))
    changed |= set(git("diff", "--name-only", "--no-renames", "base", "dcd").split("\n"))
    names = git("ls-tree", "-r", "-z", "--name-only", "base").split("\0")[:-1]
    for directory in {os.path.dirname(name) for name in names}:
        (target / directory).mkdir(parents=True, exist_ok=True)
    for name in names:
        if name in changed:
            (target / name).write_bytes(lib.raw(git("cat-file", "blob", "base:" + name)))
        else:
            (target / name).symlink_to(lib.LINUX / name)


def base_warnings(keep=None):
    """What the base gives by itself; worked out once and kept. If it has to be, `keep`
    is where the tree and its objects stay, as linux and out."""
    config = (lib.ROOT / "tools/testing/cxl/emulator/kernel.config").read_bytes()
    tools = run(["sparse", "--version"])[1] + run([COMPILER, "--version"])[1]
    key = hashlib.sha256(config + lib.raw(tools + git("rev-parse", "base^{tree}"))
                         + (lib.ROOT / "scripts/sparse.h").read_bytes()
                         + repr(DIRS).encode()).hexdigest()
    path = lib.BUILD / "lint-base.txt"
    if path.is_file():
        lines = path.read_text().split("\n")
        if lines[0] == key:
            return None, set(lines[1:])
    print("# lint: the pristine base first, once")
    source, out = ((keep or lib.BUILD / "lint-base") / name for name in ("linux", "out"))
    shutil.rmtree(source.parent, ignore_errors=True)
    link_base_tree(source)
    failure, found = compile_tree(source, out, "lint-base")
    if not failure:
        path.write_text("\n".join([key, *sorted(found)]))
    if not keep:
        shutil.rmtree(source.parent)
    return failure, set(found)
