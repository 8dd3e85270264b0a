"""The simulated cloud as a process of its own: HTTP, BMCs over IPMI, its record, and its end."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from unit_tests.adapters.fencing.rig import told_once
from unit_tests.ports.power_contract import ENOUGH, failure, silence
from unit_tests.sim.test_served import wait
from vmha.adapters.clock import SystemClock
from vmha.adapters.fencing.inventory import load_inventory
from vmha.adapters.fencing.ipmi import IpmiPowerDevices
from vmha.core.model import Power, PowerTrouble
from vmha.ports import Deadline, PowerError
from vmha.sim.cloud import build, parse
from vmha.sim.record import read_lines
from vmha.sim.world import World

SOURCE = Path(__file__).resolve().parents[2] / "src"


def soon(seconds: float = ENOUGH) -> Deadline:
    """Return a deadline; the one where nothing is said is more than any call should need."""
    return Deadline(at=SystemClock().monotonic() + seconds)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a cloud and wait until it is ready."""
    command = [sys.executable, "-m", "vmha.sim.cloud", "--state-dir", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)
    wait(lambda: (folder / "cloud.json").exists() or process.poll() is not None)
    return process


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The state of a cloud with three hosts and a spare; the process ends with the test."""
    process = start(tmp_path, "--instances", "c1=3,c2=1", "--spare", "1", "--report-interval", "0.5")
    yield tmp_path
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.startswith("SIMULATED cloud at http://127.0.0.1:")
    assert not (tmp_path / "cloud.json").exists()


def description(folder: Path) -> dict[str, Any]:
    """Read cloud.json."""
    answer: dict[str, Any] = json.loads((folder / "cloud.json").read_text())
    return answer


def devices(folder: Path) -> IpmiPowerDevices:
    """Open the inventory that the cloud wrote, as the engine does."""
    return IpmiPowerDevices(load_inventory(folder / "fencing.yaml"), calls=4)


def test_a_host_is_switched_over_ipmi(folder: Path) -> None:
    """A power-off over IPMI stops the guests of that host and no other, and the record has it line by line."""
    power = devices(folder)
    assert power.read("c1", deadline=soon())[0] is Power.ON
    power.off("c1", deadline=soon())
    assert power.read("c1", deadline=soon())[0] is Power.OFF
    state = requests.get(f"{description(folder)['control_url']}/state", timeout=60).json()
    assert (state["hosts"]["c1"]["powered"], state["hosts"]["c1"]["guests"]) == (False, [])
    assert len(state["hosts"]["c2"]["guests"]) == 1
    facts = read_lines(folder / "record.jsonl")
    assert [fact["on"] for fact in facts if fact["what"] == "power"] == [False]
    assert told_once(fact["outcome"] for fact in facts if fact["what"] == "bmc") == ["on", "taken", "off"]
    assert {fact["caller"] for fact in facts if fact["what"] == "bmc"} == {"ipmi"}


@pytest.mark.parametrize(
    ("fault", "trouble", "seconds"),
    [
        ("bmc_silent", PowerTrouble.SILENT, 2.0),
        ("bmc_bad_password", PowerTrouble.BAD_CREDENTIALS, ENOUGH),
        ("bmc_failing", PowerTrouble.ERROR, ENOUGH),
    ],
)
def test_faults_reach_the_wire(folder: Path, fault: str, trouble: PowerTrouble, seconds: float) -> None:
    """A fault that somebody injects shows to whom speaks IPMI, until it is cured."""
    url, power = f"{description(folder)['control_url']}/faults", devices(folder)
    requests.post(url, json={"fault": fault, "host": "c1"}, timeout=60).raise_for_status()
    ends_with = silence if trouble is PowerTrouble.SILENT else failure
    assert ends_with(lambda: power.off("c1", deadline=soon(seconds))).trouble is trouble
    assert power.read("c2", deadline=soon())[0] is Power.ON
    requests.post(url, json={"fault": "bmc_well", "host": "c1"}, timeout=60).raise_for_status()
    assert power.read("c1", deadline=soon())[0] is Power.ON


def test_swapped_bmcs_show_another_identity(folder: Path) -> None:
    """After a swap each BMC has the GUID of the machine that is really behind it."""
    url = f"{description(folder)['control_url']}/faults"
    requests.post(url, json={"fault": "bmc_swapped", "host": "c1", "other": "c2"}, timeout=60).raise_for_status()
    with pytest.raises(PowerError) as error:
        devices(folder).off("c1", deadline=soon())
    assert error.value.trouble is PowerTrouble.WRONG_IDENTITY


def test_the_description_leads_to_everything(folder: Path) -> None:
    """The file names URLs, users, hosts and BMCs, says that it is simulated, and the inventory is for its owner alone."""
    cloud = description(folder)
    assert cloud["simulated"] is True
    assert cloud["hosts"]["c4"]["reserved"] is True
    assert {"auth_url", "control_url", "username", "password", "project_name", "region_name", "pid"} <= set(cloud)
    assert stat.S_IMODE((folder / "fencing.yaml").stat().st_mode) == 0o600
    assert requests.get(cloud["auth_url"], timeout=60).json()["version"]["status"] == "stable"


def test_sigint_ends_it_too(tmp_path: Path) -> None:
    """Ctrl-C is as good as any other end, and frees everything."""
    process = start(tmp_path, "--hosts", "1", "--instances", "0")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.splitlines()[-1]) == (0, "The simulated cloud ends.")


def world(*arguments: str) -> World:
    """Build the world of a command line."""
    return build(parse(["--state-dir", "unused", *arguments]))


def test_the_command_line_builds_the_world() -> None:
    """Hosts, spares, instances, faults and deaths are as the command line says."""
    built = world(
        *("--hosts", "2", "--spare", "1", "--instances", "5", "--image-backed", "--vcpus", "8"),
        *("--dead", "c2@3", "--fault", "bmc_silent:c1", "--fault", "nova_slow"),
    )
    assert built.nova.services["c3"].disabled_reason == "reserved"
    assert [len(built.nova.by_host[host]) for host in built.hosts] == [3, 2, 0]
    assert all(server.image_backed for server in built.nova.servers.values())
    assert (built.bmcs["c1"].faults.silent, built.nova.slowness) == (True, 2.0)
    assert built.hosts["c2"].powered
    built.advance(built.now + 3.5)
    assert not built.hosts["c2"].powered


@pytest.mark.parametrize(
    "wrong",
    [
        ("--instances", "c9=1"),
        ("--instances", "c1=x"),
        ("--dead", "c9"),
        ("--dead", "c1@soon"),
        ("--fault", "bmc_sleepy:c1"),
    ],
)
def test_a_wrong_command_line_is_refused(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be built ends with 2 and a word about it, before anything is served."""
    with pytest.raises(SystemExit) as error:
        world(*wrong)
    assert error.value.code == 2
    assert "error: " in capsys.readouterr().err
