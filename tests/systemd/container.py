"""A machine with a real systemd as its first process: Debian 12 in systemd-nspawn, over an overlay that is the test's own.

Rules:
1. It offers what the stand-in's `Box` offers, so that the stand-in runs a unit's hooks in it. Nothing in it is a recorder.
2. It shares the network of the thread that starts it: there, loopback is the test's loopback.
3. Its disk is in memory, and outlives a reboot; `release` gives it back. /run, and what is mounted by hand, goes with a reboot.
4. It ends with the process that made it: nspawn gets SIGKILL then, and takes everything inside with it; what holds the disk waits on
   a pipe.

systemd-nspawn expects a systemd on the machine that it runs on. Where there is none (containers, most runners of CI), its control
groups have another layout, so it gets a mount namespace in which they are as it wants them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cloud.rig.waiting import until
from tests.juju.standin.errors import JujuError

# Program -> Debian's package.
NEEDS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
# A mount namespace of its own: what is mounted in it is seen by nobody else, and goes with its last process.
APART = ("unshare", "--mount", "--propagation", "private")
START_SECONDS = 60
STOP_SECONDS = 90
RUN_SECONDS = 120
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}
# What the stand-in's agent keeps on the unit's machine; its tools too.
JUJU = "var/lib/juju"

# $1 the root file system, $2 the machine's folder, $3 its name.
DISK = r"""
set -eu
base=$1 folder=$2 name=$3
mount -t tmpfs -o mode=755 tmpfs "$folder/disk"
mkdir "$folder/disk/upper" "$folder/disk/work" "$folder/disk/upper/etc"
echo "$name" > "$folder/disk/upper/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s.maas %s\n::1 localhost\n' "$name" "$name" > "$folder/disk/upper/etc/hosts"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$folder/disk/upper,workdir=$folder/disk/work" "$folder/root"
echo ready
exec cat
"""

# $1 the machine's folder, $2 its name.
BOOT = r"""
set -eu
folder=$1 name=$2
umount -l /sys/fs/cgroup || true
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$name"
echo $$ > "/sys/fs/cgroup/$name/cgroup.procs"
mkdir -p /run/systemd
mount -t tmpfs -o mode=755 tmpfs /run/systemd
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec setpriv --pdeathsig KILL systemd-nspawn --quiet --boot --directory="$folder/root" --machine="$name" --hostname="$name" \
  --register=no --keep-unit --resolv-conf=off --timezone=off --link-journal=no --console=pipe \
  --bind="$folder/agent:/run/standin" --bind="$folder/juju:/var/lib/juju"
"""

# The control groups of a machine that is down; nobody else would take them away.
CLEAN = r"""
umount -l /sys/fs/cgroup || true
mount -t cgroup2 none /sys/fs/cgroup && find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} +
"""


class Container:
    """One machine. `folder` is where its parts lie; `agent` is what both sides see, at /run/standin inside."""

    def __init__(self, folder: Path, name: str, root: Path) -> None:
        """Lay the folders out; `root` is the file system below, which stays as it is."""
        self.folder = folder
        self.agent = folder / "agent"
        self.name = name
        self._base = root
        self._disk: subprocess.Popen[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        for part in ("agent", "disk", "juju", "root"):
            (folder / part).mkdir(parents=True)

    def own(self, name: str) -> Path:
        """Return where Juju's folder lies outside."""
        if name != JUJU:
            raise JujuError(f"only {JUJU} lies outside of the machine")
        return self.folder / "juju"

    def start(self) -> None:
        """Boot, and return when systemd has started everything."""
        disk = self._disk = self._disk or self._make_disk()
        command = (
            "nsenter",
            f"--target={disk.pid}",
            "--mount",
            *APART,
            "sh",
            "-c",
            BOOT,
            "sh",
            str(self.folder),
            self.name,
        )
        with (self.folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )
        until(self._is_up, f"systemd in {self.name}", timeout_seconds=START_SECONDS, hint=f"{self.folder}/console.log")

    def _make_disk(self) -> subprocess.Popen[str]:
        """Start what holds the disk, and return when it is there."""
        holder = subprocess.Popen(
            (*APART, "sh", "-c", DISK, "sh", str(self._base), str(self.folder), self.name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert holder.stdout
        if holder.stdout.readline() != "ready\n":
            raise JujuError(f"cannot make a disk for {self.name}: it ended with {holder.wait()}")
        return holder

    def stop(self) -> None:
        """Shut it down in good order, and kill it where it does not end. Its disk stays."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.ask("systemctl", "poweroff")
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        subprocess.run((*APART, "sh", "-c", CLEAN, "sh", self.name), check=False, timeout=STOP_SECONDS)

    def reboot(self) -> None:
        """Shut it down, and boot it from the same disk."""
        self.stop()
        self.start()

    def release(self) -> None:
        """Give the disk back."""
        if self._disk is not None:
            self._disk.communicate()
            self._disk = None

    @property
    def disk(self) -> Path:
        """What the machine wrote to its disk, seen from outside, also while it is off."""
        if self._disk is None:
            raise JujuError(f"{self.name} has no disk")
        return Path(f"/proc/{self._disk.pid}/root") / str(self.folder / "disk" / "upper").lstrip("/")

    @property
    def root(self) -> Path:
        """The machine's root folder, seen from outside."""
        return Path(f"/proc/{self._leader()}/root")

    def path(self, inside: str) -> Path:
        """Return a path of the machine as one of ours. A link that is absolute leads astray; resolve it first."""
        return self.root / inside.lstrip("/")

    def read(self, inside: str) -> str:
        """Return a file of the machine."""
        return self.path(inside).read_text()

    def popen(
        self, command: Sequence[str], *, folder: str, environment: Mapping[str, str], output: Path
    ) -> subprocess.Popen[bytes]:
        """Start a command inside, beside systemd's own processes, as Juju's agent does."""
        with output.open("ab") as stream:
            return subprocess.Popen(
                (*self._enter(), "/bin/sh", "-c", 'cd "$0" && exec "$@"', folder, *command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root and return how it ended, with what it printed."""
        return subprocess.run(
            (*self._enter(), *command),
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_SECONDS,
        )

    def run(self, *command: str) -> str:
        """Run a command inside that has to succeed, and return what it printed."""
        done = self.ask(*command)
        if done.returncode:
            words = (done.stderr or done.stdout).strip()[-2000:]
            raise JujuError(f"{' '.join(command)} on {self.name} ended with {done.returncode}: {words}")
        return done.stdout

    def _enter(self) -> tuple[str, ...]:
        spaces = ("--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd")
        return ("nsenter", f"--target={self._leader()}", *spaces)

    def _leader(self) -> int:
        """Return the process that is systemd inside: nspawn's only child."""
        if self._process is None:
            raise JujuError(f"{self.name} does not run")
        pid = self._process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not found:
            raise JujuError(f"{self.name} has no first process (yet); see {self.folder}/console.log")
        return int(found[0])

    def _is_up(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            last = (self.folder / "console.log").read_text(errors="replace")[-2000:]
            raise JujuError(f"{self.name} ended while it booted:\n{last}")
        try:
            state = self.ask("systemctl", "is-system-running").stdout.strip()
        except (JujuError, FileNotFoundError):
            return False
        return state in ("running", "degraded")


def why_not() -> str:
    """Return what keeps such a machine from working here, or an empty text."""
    if os.geteuid() != 0:
        return "a machine with systemd needs root (systemd-nspawn, an overlay, a network of its own)"
    missing = {package for program, package in NEEDS.items() if not shutil.which(program)}
    if missing:
        return f"a machine with systemd needs {', '.join(sorted(missing))}: apt-get install {' '.join(sorted(missing))}"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "a machine with systemd needs overlayfs, and this kernel does not offer it"
    return ""
