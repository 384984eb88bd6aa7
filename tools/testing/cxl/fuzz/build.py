# SPDX-License-Identifier: GPL-2.0-only
"""Build the fuzzers: the kernel's own source files, its own headers where they go."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
BUILD = Path(os.environ.get("BUILD") or ROOT / "build").resolve()
LINUX = BUILD / "linux"
OUT = BUILD / "fuzz"
CORE = LINUX / "drivers/cxl/core"

# The kernel's headers that are taken as they are; include/ here replaces others.
HEADERS = """
    linux/align.h linux/args.h linux/array_size.h linux/build_bug.h linux/cleanup.h
    linux/compiler_attributes.h linux/const.h linux/container_of.h linux/err.h
    linux/interval_tree_generic.h linux/limits.h linux/list.h linux/list_sort.h
    linux/log2.h linux/minmax.h linux/overflow.h linux/poison.h linux/range.h
    linux/rbtree.h linux/rbtree_augmented.h linux/rbtree_types.h linux/sizes.h
    linux/uuid.h cxl/dcd.h cxl/event.h vdso uapi
""".split()

# Parts of files that are too entangled to be taken whole: (file, first line, last line)
PARTS = {
    "cxlmem-parts.h": (
        ("include/cxl/mailbox.h", "struct cxl_mbox_cmd {", "};"),
        ("drivers/cxl/cxlmem.h", "#define CMD_CMD_RC_TABLE", "#undef C"),
        ("drivers/cxl/cxlmem.h", "#define C(a, b, c) CXL_MBOX_CMD_RC_##a", "#undef C"),
        ("drivers/cxl/cxlmem.h", "#define C(a, b, c) { b, c }", "#undef C"),
        ("drivers/cxl/cxlmem.h", "static inline int cxl_mbox_cmd_rc2errno", "}"),
        ("drivers/cxl/cxlmem.h", "enum cxl_opcode {", "};"),
    ),
    "mbox-parts.c": (
        ("drivers/cxl/core/mbox.c", "int cxl_internal_send_cmd(", "}"),
    ),
}

COMMON = ["kernel.c", LINUX / "lib/rbtree.c", LINUX / "lib/list_sort.c"]
TARGETS = ("core", "wire")

CFLAGS = """
    -std=gnu11 -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing -fwrapv -D__KERNEL__
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
    -fno-sanitize=alignment,signed-integer-overflow
    -Wall -Werror -Wno-gnu-variable-sized-type-not-at-end -Wno-unused-function
    -Wno-unused-variable -Wno-address-of-packed-member
""".split()
LDFLAGS = ["-fsanitize=fuzzer,address,undefined"]


class Error(Exception):
    """Something that the user is told in one line."""


def sources(target):
    """The source files of a target; a new file of the extent core comes by itself."""
    if target == "core":
        return [*COMMON, *sorted(HERE.glob("core*.c")), *sorted(CORE.glob("extent*.c"))]
    return [*COMMON, HERE / "wire.c", CORE / "dcd_wire.c", CORE / "extent.c",
            OUT / "include/mbox-parts.c"]


def cut(path, first, last):
    """Lines of a file from one that starts with first to one that is last."""
    lines = (LINUX / path).read_text().split("\n")
    start = next((i for i, line in enumerate(lines) if line.startswith(first)), None)
    if start is None:
        raise Error(f"{path} has no line that starts with {first!r}")
    end = lines.index(last, start)
    return lines[start:end + 1]


def write_parts(include):
    for name, parts in PARTS.items():
        lines = ["#include <cxlmem.h>"] if name.endswith(".c") else []
        for part in parts:
            lines += cut(*part)
        (include / name).write_text("\n".join(lines) + "\n")


def link_headers(include):
    for name in HEADERS:
        path = include / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (LINUX / "include" / name).exists():
            raise Error(f"the kernel has no include/{name}")
        path.symlink_to(LINUX / "include" / name)


def compile_one(job):
    source, target = job
    flags = ["-I", HERE / "include", "-I", OUT / "include", "-I", HERE, "-I", CORE]
    done = subprocess.run(["clang", *CFLAGS, *flags, "-c", HERE / source, "-o", target],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def build(name):
    """Build one target: its path."""
    objects = OUT / "objects" / name
    objects.mkdir(parents=True)
    jobs = [(source, objects / (Path(source).stem + ".o")) for source in sources(name)]
    with ThreadPoolExecutor(int(os.environ.get("JOBS") or os.cpu_count())) as pool:
        for code, output in pool.map(compile_one, jobs):
            sys.stdout.write(output)
            if code:
                raise Error("the fuzzers do not build")
    program = OUT / f"fuzz-{name}"
    subprocess.run(["clang", *LDFLAGS, *(target for _, target in jobs), "-o", program],
                   check=True)
    return program


def build_all():
    """Build all targets, from scratch, for that takes seconds: {name: path}."""
    if not CORE.is_dir():
        raise Error(f"no kernel tree in {LINUX}; run: make tree")
    shutil.rmtree(OUT / "include", ignore_errors=True)
    shutil.rmtree(OUT / "objects", ignore_errors=True)
    (OUT / "include").mkdir(parents=True)
    link_headers(OUT / "include")
    write_parts(OUT / "include")
    return {name: build(name) for name in TARGETS}
