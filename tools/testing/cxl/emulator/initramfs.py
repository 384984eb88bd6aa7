# SPDX-License-Identifier: GPL-2.0-only
"""Build the test guest's root file system.

The archive is written here, byte by byte, so that neither root nor cpio nor a
distribution image is needed: busybox, the kernel's modules, the test programs,
the command dcd and one init script are all there is in the guest. The usual one has
cxl and daxctl besides, of this machine or as scripts/unpack-tools has them.
"""

import gzip
import io
import os
import re
import shutil
import stat
import struct
import subprocess
from pathlib import Path

GUEST_SOURCES = Path(__file__).resolve().parent / "guest"
SHARED = re.compile(r'#include "shared/(\w+)\.h"')

# What modprobe reads, and libkmod; everything else below lib/modules/VERSION but
# the modules themselves stays out.
MODULE_INDEXES = ("modules.dep", "modules.alias", "modules.symbols",
                  "modules.softdep", "modules.builtin", "modules.dep.bin",
                  "modules.alias.bin", "modules.symbols.bin",
                  "modules.builtin.bin", "modules.builtin.alias.bin")

OTHER_TOOLS = ("cxl", "daxctl")


class SetupError(Exception):
    """Something outside the tests is missing; the text says what to do."""


class Cpio:
    """A cpio archive of the "newc" kind, the one that the kernel unpacks."""

    def __init__(self):
        self._out = io.BytesIO()
        self._inode = 0
        self._directories = set()

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self._inode += 1
        raw = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev,
                  len(raw), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self._out.write(header + raw)
        self._pad()
        self._out.write(data)
        self._pad()

    def _pad(self):
        self._out.write(b"\0" * (-self._out.tell() % 4))

    def directory(self, name):
        """Add a directory and those above it, each once."""
        if not name or name in self._directories:
            return
        self.directory(os.path.dirname(name))
        self._directories.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        """Add a regular file with its directories."""
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def console(self):
        """Add /dev/console: init has no standard output without it."""
        self.directory("dev")
        self._entry("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))

    def finish(self):
        """Return the compressed archive."""
        self._entry("TRAILER!!!", 0)
        return gzip.compress(self._out.getvalue(), compresslevel=1, mtime=0)


def compile_tool(sources, target):
    """Compile one static guest program, unless the result is up to date."""
    newest = max(source.stat().st_mtime for source in sources)
    if target.exists() and target.stat().st_mtime > newest:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-static", "-O1", "-Wall", "-Wextra", "-o", str(target),
               *(str(source) for source in sources if source.suffix == ".c")]
    result = subprocess.run(command, capture_output=True, text=True,
                            check=False)
    if result.returncode:
        raise SetupError(f"{' '.join(command)}\n{result.stderr}")


def shared_sources(sources):
    """The files of guest/shared/ that these include, and what they declare."""
    text = "".join(source.read_text() for source in sources)
    return [GUEST_SOURCES / "shared" / f"{name}.{suffix}"
            for name in sorted(set(SHARED.findall(text))) for suffix in "ch"]


def add_tools(archive, build):
    """Compile and add the programs of guest/: NAME.c, with NAME_*.c and NAME.h
    where there are such, and of shared/ what they include."""
    tools = {}
    for source in sorted(GUEST_SOURCES.glob("*.[ch]")):
        tools.setdefault(source.stem.split("_")[0], []).append(source)
    for name, sources in tools.items():
        sources += shared_sources(sources)
        target = build / "run" / "tools" / name
        compile_tool(sources, target)
        archive.file(f"tools/{name}", target.read_bytes(), 0o755)


def add_dcd(archive, build):
    """Build and add the command dcd of the kernel tree, static."""
    source = build / "linux" / "tools" / "cxl"
    target = build / "run" / "tools-cxl"
    if not (source / "Makefile").exists():
        if os.environ.get("OLD_TREE"):
            return
        raise SetupError(f"no dcd in {source}: run `make tree`")
    target.mkdir(parents=True, exist_ok=True)
    command = ["make", "-s", "-C", str(source), f"O={target}",
               "LDFLAGS=-static"]
    # Not what the make that runs this was told.
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("MAKE", "MFLAGS", "GNUMAKE"))}
    result = subprocess.run(command, capture_output=True, text=True, env=env,
                            check=False)
    if result.returncode:
        raise SetupError(f"{' '.join(command)}\n{result.stdout}"
                         f"{result.stderr}")
    archive.file("tools/dcd", (target / "dcd").read_bytes(), 0o755)


def is_static(program):
    """Whether an x86-64 ELF program asks for no dynamic loader."""
    pt_interp = 3
    table, = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    return all(struct.unpack_from("<I", program, table + i * size)[0] !=
               pt_interp for i in range(count))


def installed(name, advice, more=""):
    """The path of a program of this machine, or of another directory."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/bin:/usr/bin:{more}")
    if not path:
        raise SetupError(f"no {name} found: {advice}")
    return path


def add_busybox(archive):
    """Add the static busybox; init makes the links to its applets."""
    busybox = installed("busybox", "install busybox-static")
    program = Path(busybox).read_bytes()
    if not is_static(program):
        raise SetupError(f"{busybox} is not static: install busybox-static")
    archive.file("bin/busybox", program, 0o755)


def libraries(program, unpacked):
    """What the dynamic loader maps for a program, itself included; first from what was
    unpacked."""
    path = ":".join(str(found) for found in unpacked.glob("**/lib/*-linux-gnu"))
    result = subprocess.run(["ldd", program], capture_output=True, text=True,
                            check=False, env={**os.environ, "LD_LIBRARY_PATH": path})
    if result.returncode or "not found" in result.stdout:
        raise SetupError(f"ldd {program}: {result.stdout}{result.stderr}")
    return re.findall(r"^\t(?:\S+ => )?(/\S+) \(", result.stdout, re.MULTILINE)


def add_other_tools(archive, unpacked):
    """Add the tools of other packages, for test_tools.py."""
    needed = set()
    for name in OTHER_TOOLS:
        program = installed(name, "run `make setup`", unpacked / "usr/bin")
        archive.file(f"tools/{name}", Path(program).read_bytes(), 0o755)
        needed.update(libraries(program, unpacked))
    for path in sorted(needed):
        archive.file(path.removeprefix(str(unpacked)).lstrip("/"),
                     Path(path).read_bytes(), 0o755)


def add_modules(archive, modroot):
    """Add every module of the one kernel version below modroot."""
    versions = sorted((modroot / "lib" / "modules").glob("*/modules.dep"))
    if len(versions) != 1:
        raise SetupError(f"expected one kernel's modules in {modroot}, found "
                         f"{len(versions)}: run `make kernel`")
    top = versions[0].parent
    for path in sorted(top.rglob("*.ko")):
        archive.file(str(path.relative_to(modroot)), path.read_bytes())
    for index in MODULE_INDEXES:
        if (top / index).exists():
            archive.file(str((top / index).relative_to(modroot)),
                         (top / index).read_bytes())


def build_initramfs(build, modroot, target, others=False):
    """Write the guest's initramfs, with the modules in modroot, to target; others:
    with the tools of other packages."""
    archive = Cpio()
    for name in ("proc", "sys", "tmp", "sbin", "usr/bin"):
        archive.directory(name)
    archive.console()
    add_busybox(archive)
    add_tools(archive, build)
    add_dcd(archive, build)
    if others:
        add_other_tools(archive, build / "tools")
    add_modules(archive, build / modroot)
    archive.file("init", (GUEST_SOURCES / "init").read_bytes(), 0o755)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(archive.finish())


def append_kernel(kernel, target):
    """Give an initramfs, in a second archive, what kexec starts: a kernel, and
    the initramfs as it was."""
    before = target.read_bytes()
    archive = Cpio()
    archive.file("kexec/kernel", kernel.read_bytes())
    archive.file("kexec/initramfs", before)
    target.write_bytes(before + archive.finish())
