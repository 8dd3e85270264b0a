"""The boxes: what is a unit's own, what is not, and what stands in for systemd and apt."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.juju.conftest import needs_boxes
from tests.juju.standin.errors import JujuError
from tests.juju.standin.juju import Juju
from tests.juju.standin.running import kill

pytestmark = needs_boxes


@pytest.fixture
def pair(juju: Juju, packed: Path) -> Juju:
    """Two units whose hooks have not run."""
    juju.deploy(packed, units=2, spaces={"": "alpha", "public": "public"})
    return juju


def test_disks_are_apart(pair: Juju) -> None:
    """What one unit writes below /etc, /opt, /usr or /tmp neither the other nor the test's machine has."""
    for folder in ("/etc", "/opt", "/usr/bin", "/tmp", "/var/log", "/var/lib"):
        pair.box("sample/0").run("touch", f"{folder}/written-by-sample-0")
        assert pair.box("sample/0").path(f"{folder}/written-by-sample-0").exists()
        assert not pair.box("sample/1").path(f"{folder}/written-by-sample-0").exists()
        assert not Path(folder, "written-by-sample-0").exists()


def test_networks_are_apart(pair: Juju) -> None:
    """Each unit has its addresses and no other way out; its host name is its own."""
    found = pair.box("sample/1").run("ip", "-brief", "-4", "address")
    assert "10.64.0.11/24" in found
    assert "10.64.1.11/24" in found
    assert pair.box("sample/1").run("ip", "-4", "route", "show", "default") == ""
    assert pair.box("sample/1").run("hostname").strip() == "juju-sample-1"
    assert subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip() != "juju-sample-1"


def test_a_killed_command_leaves_nothing(pair: Juju, tmp_path: Path) -> None:
    """When a hook is killed, whatever it started in the background is gone before anything else happens."""
    box = pair.box("sample/0")
    script = "sleep 1000 & echo $! ; sleep 1000"
    log = tmp_path / "log"
    process = box.popen(("sh", "-c", script), folder="/", environment={"PATH": "/usr/bin:/bin"}, output=log)
    while not log.read_text():
        assert process.poll() is None
    kill(process)
    assert process.returncode == -9
    marker = b"sleep\x001000"
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if read(path).startswith(marker)]


def read(path: Path) -> bytes:
    """Return a process's command line; one that ended meanwhile has none."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_systemctl_has_a_memory(pair: Juju) -> None:
    """A unit is known by its file, starts, is active, is masked and is told so, in systemd's words and exit codes."""
    box, machine = pair.box("sample/0"), pair.machine("sample/0")
    with pytest.raises(JujuError, match=r"ended with 5: .*Unit sample\.service not found"):
        box.run("systemctl", "start", "sample")
    box.path("/etc/systemd/system/sample.service").write_text("[Service]\nExecStart=/bin/cat\n")
    box.run("systemctl", "enable", "--now", "sample.service")
    assert box.run("systemctl", "is-active", "sample") == "active\n"
    assert box.run("systemctl", "is-enabled", "sample") == "enabled\n"
    assert (
        box.run("systemctl", "show", "sample", "-p", "ActiveState,SubState") == "ActiveState=active\nSubState=running\n"
    )
    box.run("systemctl", "start", "sample")
    assert machine.service("sample").starts == 1
    box.run("systemctl", "restart", "sample")
    assert machine.service("sample").starts == 2
    box.run("systemctl", "mask", "--now", "sample")
    with pytest.raises(JujuError, match="ended with 3: inactive"):
        box.run("systemctl", "is-active", "sample")
    with pytest.raises(JujuError, match="ended with 1: masked"):
        box.run("systemctl", "is-enabled", "sample")
    with pytest.raises(JujuError, match="is masked"):
        box.run("systemctl", "start", "sample")
    assert machine.called("systemctl", "restart") == [("systemctl", "restart", "sample")]


def test_a_service_without_its_program_does_not_start(pair: Juju) -> None:
    """A unit file whose program is not there fails to start, through links too."""
    box = pair.box("sample/0")
    file = box.path("/etc/systemd/system/sample.service")
    file.write_text("[Service]\nExecStart=-/opt/current/bin/sample --option\n")
    with pytest.raises(JujuError, match="Failed to locate executable /opt/current/bin/sample"):
        box.run("systemctl", "start", "sample")
    box.run("sh", "-c", "mkdir -p /opt/one/bin && touch /opt/one/bin/sample && ln -s /opt/one /opt/current")
    box.run("systemctl", "start", "sample")


def test_apt_get_notes_packages(pair: Juju) -> None:
    """apt-get installs by noting it; dpkg-query knows those packages, and haproxy is found on disk."""
    box, machine = pair.box("sample/0"), pair.machine("sample/0")
    with pytest.raises(JujuError, match="no packages found matching haproxy"):
        box.run("dpkg-query", "--show", "haproxy")
    box.run("apt-get", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends", "haproxy")
    shown = box.run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", "haproxy")
    assert shown == "haproxy installed\n"
    assert set(machine.packages) == {"haproxy"}
    assert box.run("systemctl", "is-active", "haproxy") == "active\n"
    assert not machine.called("pacman")


def test_a_command_can_be_broken_and_mended(pair: Juju) -> None:
    """A test lets a command fail, for some calls or until it is mended."""
    box, machine = pair.box("sample/0"), pair.machine("sample/0")
    machine.fail("apt-get", "update", errors="E: no archive", code=100, times=1)
    with pytest.raises(JujuError, match="ended with 100: E: no archive"):
        box.run("apt-get", "update")
    box.run("apt-get", "update")
    machine.fail("systemctl")
    with pytest.raises(JujuError, match="broken by the test"):
        box.run("systemctl", "daemon-reload")
    machine.mend()
    box.run("systemctl", "daemon-reload")


def test_a_disk_can_be_full_and_made_larger(pair: Juju) -> None:
    """A folder can have a disk of its own that is too small, until the test makes room."""
    box = pair.box("sample/0")
    box.limit("/opt", "1m")
    with pytest.raises(JujuError, match="No space left on device"):
        box.run("dd", "if=/dev/zero", "of=/opt/large", "bs=1M", "count=2")
    box.limit("/opt", "4m")
    box.run("dd", "if=/dev/zero", "of=/opt/large", "bs=1M", "count=2")
    assert box.path("/opt/large").stat().st_size == 2 * 1024 * 1024
