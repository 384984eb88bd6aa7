# SPDX-License-Identifier: GPL-2.0-only
"""One QEMU machine with an emulated CXL Dynamic Capacity Device.

The guest's kernel log goes to a file (ttyS0), scripts run in the guest over a
second serial port (ttyS1), and QMP plays the fabric manager. Everything has a
time limit, and no QEMU outlives this process.
"""

import atexit
import ctypes
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from flavour import SUFFIX, flavour
from initramfs import SetupError, append_kernel, build_initramfs

MIB = 1 << 20
BOOT_SECONDS = 120
DEVICE = "/machine/peripheral/dcd0"

# Slower hosts, and kernels with KASAN, scale every limit with one number.
SLOWNESS = float(os.environ.get("HARNESS_SLOWNESS", "1")) * flavour().slowness


class VMError(Exception):
    """The machine died, hung, or did not answer in time."""


class QMPError(Exception):
    """QEMU refused a command; the text is its own."""


class GuestError(Exception):
    """A script in the guest failed."""


def build_directory():
    """The build directory: $BUILD, else build/ at the repository's top."""
    top = Path(__file__).resolve().parents[4]
    return Path(os.environ.get("BUILD", top / "build")).resolve()


def qmp_socket_link(build):
    """Where `run.py inject` finds the socket of a running machine.

    The link is there because a socket's own path may not exceed 108 bytes.
    """
    return build / "run" / "qmp.sock"


class QMP:
    """The machine protocol, one connection a command.

    QEMU serves one client at a time, so nobody keeps it: a second terminal can
    inject while this process waits for the guest.
    """

    def __init__(self, path):
        self.path = os.path.realpath(path)

    def command(self, name, **arguments):
        """Send one command and return its result, or raise QMPError."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20 * SLOWNESS)
            sock.connect(self.path)
            with sock.makefile("rw", encoding="utf-8") as stream:
                stream.readline()
                self._exchange(stream, {"execute": "qmp_capabilities"})
                return self._exchange(stream, {"execute": name,
                                               "arguments": arguments})

    @staticmethod
    def _exchange(stream, request):
        stream.write(json.dumps(request) + "\n")
        stream.flush()
        for line in stream:
            reply = json.loads(line)
            if "error" in reply:
                raise QMPError(reply["error"]["desc"])
            if "return" in reply:
                return reply["return"]
        raise VMError("QEMU closed the QMP connection")


class FabricManager:
    """Lends and asks back memory, as a fabric manager would.

    Offsets are relative to the partition (region 0 is dynamic_ram_1); one call
    is one chain of records.
    """

    def __init__(self, qmp):
        self._qmp = qmp

    def _inject(self, verb, policy, region, extents):
        self._qmp.command(
            f"cxl-{verb}-dynamic-capacity", path=DEVICE, region=region,
            extents=[{"offset": offset, "len": length}
                     for offset, length in extents],
            **{"host-id": 0, policy: "prescriptive"})

    def add(self, region, extents):
        """Offer extents, a list of (offset, length)."""
        self._inject("add", "selection-policy", region, extents)

    def release(self, region, extents):
        """Ask for extents back."""
        self._inject("release", "removal-policy", region, extents)

    def media_event(self, address):
        """Have the device report something about its static memory, in another
        log."""
        self._qmp.command(
            "cxl-inject-general-media-event", path=DEVICE,
            log="informational", flags=1, dpa=address, descriptor=3, type=3,
            **{"transaction-type": 1})


# What every kernel is told. QEMU 10.0 may give one processor's write to a device to
# another device while a second one moves a PCI BAR, as a boot does to learn its size. An
# end of interrupt that is lost so leaves the first without its timer, for good. So the
# others come when the bus has been scanned (guest/init). The time-stamp counters of QEMU
# are one: without the word a kernel on two sockets asks the HPET for each time.
ARGUMENTS = "console=ttyS0 loglevel=7 printk.devkmsg=on maxcpus=1 tsc=reliable "

# What the kernel of a kind of machine is told besides. Without ASPM it asks for no control
# of PCIe, and is not given that of CXL's errors either.
KERNEL_ARGUMENTS = {
    "firmware": " pcie_aspm=off memory_hotplug.memmap_on_memory=1",
}


def memory_arguments(kind):
    """QEMU's arguments for ordinary memory: cxl_test wants more of it, and two
    NUMA nodes."""
    more = flavour().memory
    if kind != "mock":
        return ["-m", f"{more}G,maxmem={8 * more}G,slots=4", "-smp", "2"]
    size = 2 * more
    nodes = ["-m", f"{2 * size}G,maxmem={6 * size}G,slots=4",
             "-smp", "2,sockets=2"]
    for node in (0, 1):
        nodes += ["-object", f"memory-backend-ram,id=ram{node},size={size}G",
                  "-numa", f"node,nodeid={node},memdev=ram{node},cpus={node}"]
    return nodes


def machine_arguments(kind):
    """QEMU's arguments for a machine with a "dcd", a "plain" memory device,
    or "none"; a "mock" machine has a DCD, and cxl_test's modules; on a
    "firmware" machine with a DCD the other event logs are firmware's."""
    if kind == "none":
        return ["-M", "q35,accel=tcg"]
    device = "cxl-type3,bus=rp0,volatile-memdev=vmem,id=dcd0,sn=1234"
    backends = ["-object",
                "memory-backend-ram,id=vmem,size=512M,share=on"]
    if kind in ("dcd", "mock", "firmware"):
        device += ",volatile-dc-memdev=dcmem,num-dc-regions=2"
        backends += ["-object",
                     "memory-backend-ram,id=dcmem,size=2G,share=on"]
    return ["-M", "q35,cxl=on,accel=tcg,cxl-fmw.0.targets.0=cxl.1,"
                  "cxl-fmw.0.size=4G",
            *backends,
            "-device", "pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.1,"
                       "hdm_for_passthrough=true",
            "-device", "cxl-rp,port=0,bus=cxl.1,id=rp0,chassis=0,slot=2",
            "-device", device]


def die_with_parent():
    """Have the kernel kill QEMU when this process goes, however it goes."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def one_line(script):
    """A script as `printf %b` takes it."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7f and byte != ord("\\") else
                   f"\\0{byte:03o}" for byte in script.encode())


class Agent:
    """Runs scripts in the guest over its second serial port (guest/init)."""

    def __init__(self, path, alive):
        self._alive = alive
        self._buffer = b""
        self._socket = self._connect(path)

    def _connect(self, path):
        deadline = time.monotonic() + 20 * SLOWNESS
        while True:
            self._alive()
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(path)
                return sock
            except OSError:
                sock.close()
                if time.monotonic() > deadline:
                    raise VMError("QEMU opened no agent socket") from None
                time.sleep(0.02)

    def close(self):
        """Hang up."""
        self._socket.close()

    def _read_until(self, pattern, timeout):
        """Return the match of pattern in what the guest sends from here on."""
        deadline = time.monotonic() + timeout * SLOWNESS
        while True:
            match = re.search(pattern, self._buffer, re.DOTALL)
            if match:
                self._buffer = self._buffer[match.end():]
                return match
            if time.monotonic() > deadline:
                raise VMError(f"the guest did not answer in {timeout} s")
            self._receive()

    def _receive(self):
        self._socket.settimeout(0.5)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            self._alive()
            return
        if not data:
            self._alive()
            raise VMError("the guest's serial port was closed")
        self._buffer += data

    def wait_ready(self):
        """Wait for the greeting of a guest that has booted."""
        self._read_until(rb"AGENT-READY\r?\n", BOOT_SECONDS)

    def forget(self):
        """Drop what an earlier boot left unread."""
        self._buffer = b""

    def run(self, script, timeout):
        """Run script in the guest; return its exit status and its output."""
        mark = secrets.token_hex(6)
        self._socket.settimeout(timeout * SLOWNESS)
        self._socket.sendall(f"{mark}\n{one_line(script)}\n".encode())
        match = self._read_until(
            rb"<%b>\r?\n(.*)\n<%b (\d+)>\r?\n" % ((mark.encode(),) * 2),
            timeout)
        output = match[1].decode(errors="replace").replace("\r\n", "\n")
        return int(match[2]), output.rstrip("\n")


class VM:
    """A machine that runs from start() to stop(); use it in a `with`."""

    def __init__(self, kind="dcd", build=None, name=None, shell=False):
        self.kind = kind
        self.build = build or build_directory()
        self.shell = shell

        # Whether /kexec has what `kexec` needs, from the next start() on.
        self.kexec = False
        self.log_path = self.build / "run" / f"{name or kind}.log"

        # How much of the log has been looked at.
        self.scanned = 0
        self._process = None
        self._agent = None
        self._lock = None
        self._sockets = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception):
        self.stop()

    def _take_lock(self):
        """One machine a build directory: they share files, and two cores."""
        path = self.build / "run" / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = open(path, "w", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError("another test machine of this build directory "
                             "is running") from None

    def _kernel(self):
        kernel = (self.build / f"kernel{SUFFIX}" / "arch" / "x86" / "boot" /
                  "bzImage")
        if not kernel.exists():
            raise SetupError(f"no kernel at {kernel}: run `make kernel`")
        return kernel

    def _initramfs(self):
        modroot, target = "modroot", "initramfs.gz"
        if self.kind == "mock":
            modroot, target = "modroot-mock", "initramfs-mock.gz"
        path = self.build / "run" / target
        build_initramfs(self.build, modroot + SUFFIX, path, self.kind == "dcd")
        if self.kexec:
            append_kernel(self._kernel(), path)
        return path

    def _serial_arguments(self):
        """ttyS0: the log, or the terminal in shell mode; ttyS1: the agent."""
        if self.shell:
            console = ["-chardev", f"stdio,id=console,mux=on,signal=off,"
                                   f"logfile={self.log_path}"]
        else:
            console = ["-chardev", f"file,id=console,path={self.log_path}"]
        agent = (f"socket,id=agent,path={self._sockets}/agent,"
                 "server=on,wait=off")
        return [*console, "-serial", "chardev:console",
                "-chardev", agent, "-serial", "chardev:agent",
                "-qmp", f"unix:{self._sockets}/qmp,server=on,wait=off"]

    def command_line(self):
        """QEMU's whole command line."""
        quiet = " quiet" if self.shell else ""
        mode = " harness_mode=shell" if self.shell else ""
        return ["qemu-system-x86_64", *machine_arguments(self.kind),
                *memory_arguments(self.kind), "-cpu", "max",
                "-nodefaults", "-display", "none", "-monitor", "none",
                *self._serial_arguments(), "-kernel", str(self._kernel()),
                "-initrd", str(self._initramfs()), "-append",
                ARGUMENTS + flavour().arguments + KERNEL_ARGUMENTS.get(self.kind, "")
                + quiet + mode]

    def start(self):
        """Boot, and return when the guest answers."""
        self._take_lock()
        self._sockets = tempfile.mkdtemp(prefix="dcd-")
        self.log_path.unlink(missing_ok=True)
        self.scanned = 0
        atexit.register(self.stop)
        self._process = subprocess.Popen(
            self.command_line(), preexec_fn=die_with_parent,
            stdin=None if self.shell else subprocess.DEVNULL)
        self._agent = Agent(f"{self._sockets}/agent", self.check_alive)
        self._publish_qmp()
        self._agent.wait_ready()

    def _publish_qmp(self):
        link = qmp_socket_link(self.build)
        link.unlink(missing_ok=True)
        link.symlink_to(f"{self._sockets}/qmp")

    def stop(self):
        """Kill QEMU, by its own process id, and remove what it used."""
        atexit.unregister(self.stop)
        if self._agent:
            self._agent.close()
            self._agent = None
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._sockets:
            qmp_socket_link(self.build).unlink(missing_ok=True)
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def running(self):
        """Whether the machine has been started and QEMU lives."""
        return self._process is not None and self._process.poll() is None

    def wait(self):
        """Wait until the user ends the machine (shell mode)."""
        return self._process.wait()

    def check_alive(self):
        """Raise VMError if QEMU is gone or the guest's kernel has panicked."""
        status = self._process.poll()
        if status is not None:
            raise VMError(f"QEMU ended with status {status}")
        if "Kernel panic" in self.log():
            raise VMError("the guest's kernel panicked")

    @property
    def qmp(self):
        """The machine protocol."""
        return QMP(f"{self._sockets}/qmp")

    @property
    def fabric(self):
        """The fabric manager of the emulated device."""
        return FabricManager(self.qmp)

    def reset(self):
        """Pull the reset line: the guest starts again, the device keeps what
        it has lent. Returns when the guest answers."""
        self._agent.forget()
        self.qmp.command("system_reset")
        self._agent.wait_ready()

    def reboot(self, command="reboot -f"):
        """Reboot from inside, as a user would."""
        self._agent.forget()
        self._agent.run(f"(sleep 0.2; {command}) >/dev/kmsg 2>&1 &", 10)
        self._agent.wait_ready()

    def run(self, script, timeout=30):
        """Run a shell script in the guest; return (status, output)."""
        return self._agent.run(script, timeout)

    def sh(self, script, timeout=30):
        """Run a shell script in the guest that must succeed; return output."""
        status, output = self.run(script, timeout)
        if status:
            raise GuestError(f"`{script}` ended with {status}: {output}")
        return output

    def log(self):
        """The kernel's log so far."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def mark_log(self, text):
        """Write a line into the kernel's log and wait until it is in the file:
        all that the kernel said before is in it too. Returns the file's
        length."""
        mark = f"harness: {text} {secrets.token_hex(4)}"
        self.sh(f"echo '<5>{mark}' > /dev/kmsg")
        deadline = time.monotonic() + 20 * SLOWNESS
        while mark not in self.log():
            if time.monotonic() > deadline:
                raise VMError("the kernel's log does not reach the file")
            time.sleep(0.01)
        return len(self.log())
