"""A machine for a unit: mount, network and host name of its own, over the root of the machine that runs the test.

Rules:
1. What the unit writes lies in an overlay in memory and is gone with it. `/opt`, `/tmp`, `/run`, `/home`, `/var/lib/juju`,
   `/var/log` and `/srv` begin empty and lie on disk, in the unit's folder.
2. Its network is an `eth0` with the unit's addresses and a loopback. It reaches nobody; nobody reaches it.
3. A hook runs in a process namespace of its own: killing the hook leaves nothing of it.
4. The box ends with the process that made it, however that ends: its first process waits on a pipe.
5. It calls itself Ubuntu 24.04, which is what the charm is for. Its programs are those of the test's machine.
6. It needs root, namespaces and overlayfs. `why_not` says what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.juju.standin.errors import JujuError

OWN = ("opt", "tmp", "run", "home", "srv", "var/lib/juju", "var/log")
NEEDS = ("unshare", "nsenter", "ip", "mount", "chroot", "perl")
START_SECONDS = 30
OS_RELEASE = """\
PRETTY_NAME="Ubuntu 24.04 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
"""

# $1 the box's folder, $2 its host name, then address/prefix after address/prefix.
SCRIPT = r"""
set -eu
folder=$1 host=$2; shift 2
mount -t tmpfs -o mode=755 tmpfs "$folder/layers"
mkdir "$folder/layers/upper" "$folder/layers/work"
root=$folder/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/layers/upper,workdir=$folder/layers/work" "$root"
mount --rbind /dev "$root/dev"
mount --bind /sys "$root/sys"
mount -t proc proc "$root/proc"
(cd "$folder/own" && find . -mindepth 1 -name '*.own' -type d) | while read -r name; do
  target=$root/$(echo "${name#./}" | sed 's/\.own$//; s/\.\./\//g')
  mkdir -p "$target"; mount --bind "$folder/own/${name#./}" "$target"
done
mkdir -p "$root/run/standin" && mount --bind "$folder/agent" "$root/run/standin"
cp -a --remove-destination "$folder/seed/." "$root/"
hostname "$host"
echo "$host" > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s.maas %s\n' "$host" "$host" > "$root/etc/hosts"
ip link set lo up
ip link add eth0 type veth peer name cable
for address in "$@"; do ip address add "$address" dev eth0; done
ip link set cable up; ip link set eth0 up
# Said from inside: whoever enters before the root is changed would stand in the root of the test's machine.
exec chroot "$root" /bin/sh -c 'echo ready; exec cat'
"""


def why_not() -> str:
    """Return what keeps boxes from working here, or an empty text."""
    if os.geteuid() != 0:
        return "boxes need root (namespaces and an overlay over the root folder)"
    missing = [tool for tool in NEEDS if not shutil.which(tool)]
    if missing:
        return f"boxes need {', '.join(missing)} (Debian: util-linux, iproute2, mount, perl-base)"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "boxes need overlayfs, and this kernel does not offer it"
    probe = (
        "mkdir -p /tmp/.probe && mount -t tmpfs tmpfs /tmp/.probe && cd /tmp/.probe && mkdir u w r "
        "&& mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w r && ip link add eth0 type veth peer name cable"
    )
    # The folder is made on a file system of the namespace, so that nothing stays behind.
    command = (
        "unshare",
        "--mount",
        "--net",
        "--propagation",
        "private",
        "sh",
        "-c",
        f"mount -t tmpfs x /tmp && {probe}",
    )
    tried = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)
    return "" if tried.returncode == 0 else f"boxes do not start here: {tried.stderr.strip()[-200:]}"


class Box:
    """One machine. `agent` is a folder that both sides see, at /run/standin inside."""

    def __init__(self, folder: Path, host: str, addresses: Sequence[str]) -> None:
        """Lay the folders out; `seed` is copied over the root when it starts."""
        self.folder = folder
        self.agent = folder / "agent"
        self.seed = folder / "seed"
        self._host = host
        self._addresses = tuple(addresses)
        self._holder: subprocess.Popen[str] | None = None
        for name in ("agent", "seed", "root", "layers", "own"):
            (folder / name).mkdir(parents=True)
        for name in OWN:
            self.own(name).mkdir()
        self.own("tmp").chmod(0o1777)
        (self.seed / "etc").mkdir()
        (self.seed / "etc/os-release").write_text(OS_RELEASE)

    def own(self, name: str) -> Path:
        """Return where one of the OWN folders lies outside."""
        return self.folder / "own" / f"{name.replace('/', '..')}.own"

    def start(self) -> None:
        """Make the namespaces and mount everything."""
        command = ("unshare", "--mount", "--net", "--uts", "--propagation", "private", "sh", "-c", SCRIPT)
        self._holder = subprocess.Popen(
            (*command, "sh", str(self.folder), self._host, *self._addresses),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._holder.stdout
        if self._holder.stdout.readline() != "ready\n":
            _, errors = self._holder.communicate(timeout=START_SECONDS)
            raise JujuError(f"cannot start the box of {self._host}: {errors.strip()}")

    @property
    def root(self) -> Path:
        """The unit's root folder, seen from outside."""
        if self._holder is None:
            raise JujuError(f"the box of {self._host} does not run")
        return Path(f"/proc/{self._holder.pid}/root")

    def path(self, inside: str) -> Path:
        """Return a path of the unit as one of ours. A link that is absolute leads astray; resolve it first."""
        return self.root / inside.lstrip("/")

    def read(self, inside: str) -> str:
        """Return a file of the unit."""
        return self.path(inside).read_text()

    def popen(
        self, command: Sequence[str], *, folder: str, environment: Mapping[str, str], output: Path
    ) -> subprocess.Popen[bytes]:
        """Start a command inside, in a process namespace of its own; killing what is returned kills all of it."""
        assert self._holder
        enter = (tool("nsenter"), f"--target={self._holder.pid}", "--mount", "--net", "--uts", "--root", "--wd")
        isolate = (tool("unshare"), "--pid", "--fork", "--kill-child", "--mount-proc")
        go = ("/bin/sh", "-c", 'cd "$0" && exec "$@"', folder)
        with output.open("ab") as stream:
            return subprocess.Popen(
                (*enter, *isolate, *go, *command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command inside and return what it prints; it must succeed."""
        output = self.folder / "run.log"
        output.unlink(missing_ok=True)
        process = self.popen(
            command, folder="/", environment=environment or {"PATH": os.defpath, "LANG": "C.UTF-8"}, output=output
        )
        code = process.wait(timeout=60)
        text = output.read_text()
        if code:
            raise JujuError(f"{' '.join(command)} in the box of {self._host} ended with {code}: {text.strip()}")
        return text

    def limit(self, folder: str, size: str) -> None:
        """Give a folder a small disk of its own, which begins empty, or another size to the one that it has.

        It is done in the box's own namespace, so that every hook sees it.
        """
        assert self._holder
        mounts = Path(f"/proc/{self._holder.pid}/mounts").read_text()
        has_one = f"limited {folder} " in mounts
        options = f"remount,size={size}" if has_one else f"size={size},mode=755"
        enter = (tool("nsenter"), f"--target={self._holder.pid}", "--mount", "--root", "--wd")
        mount = ("mount", "-t", "tmpfs", "-o", options, "limited", folder)
        subprocess.run((*enter, *mount), check=True, capture_output=True, timeout=START_SECONDS)

    def stop(self) -> None:
        """End it; its mounts go with its last process, its folder with the test."""
        if self._holder is None:
            return
        assert self._holder.stdin
        self._holder.stdin.close()
        self._holder.wait(timeout=START_SECONDS)
        for stream in (self._holder.stdout, self._holder.stderr):
            if stream:
                stream.close()
        self._holder = None


def tool(name: str) -> str:
    """Return a program's path, the same inside and outside."""
    found = shutil.which(name)
    if found is None:
        raise JujuError(f"boxes need {name}")
    return found
