"""The sample of masakari.conf: every option with its default, by our own verb and by oslo's generator."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmha.cli.checking import print_sample
from vmha.options import OPTIONS
from vmha.settings import load


@pytest.fixture
def sample(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `masakari-manage config sample` prints."""
    assert print_sample() == 0
    return capsys.readouterr().out


def test_every_option_stands_in_it(sample: str) -> None:
    """Each of ours, and those of the libraries that everybody needs, are there, each commented out."""
    groups = dict(re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[\w+\]$|\Z)", sample, flags=re.DOTALL | re.MULTILINE))
    missing = [option for option in OPTIONS if f"\n#{option.name} =" not in groups[option.group]]
    assert not missing
    for group, name in (
        ("database", "connection"),
        ("DEFAULT", "transport_url"),
        ("keystone_authtoken", "www_authenticate_uri"),
        ("oslo_policy", "policy_file"),
        ("cors", "allowed_origin"),
        ("oslo_middleware", "max_request_body_size"),
    ):
        assert f"\n#{name} = " in groups[group]
    assert not [line for line in sample.splitlines() if line and line[0] not in "#["]


def test_it_means_what_an_empty_file_means(sample: str, tmp_path: Path) -> None:
    """With every default of ours written out, the settings are those of no file at all."""
    path, empty = tmp_path / "masakari.conf", tmp_path / "empty.conf"
    names = "|".join(option.name for option in OPTIONS)
    path.write_text(re.sub(rf"^#({names}) = (?!<None>)", r"\1 = ", sample, flags=re.MULTILINE))
    empty.write_text("")
    assert path.read_text().count("\nfence_attempts = 3\n") == 1
    full, none = (load(["--config-file", str(each)], "masakari-engine") for each in (path, empty))
    for part in ("engine", "policy", "api", "server", "cloud", "fencing", "engine_settings", "log", "database_url"):
        assert getattr(full, part) == getattr(none, part)


@pytest.mark.parametrize("space", ["masakari", "masakari.conf"])
def test_oslos_generator_knows_us(space: str) -> None:
    """`oslo-config-generator` finds our options under the names that upstream's generator files have."""
    program = Path(sys.executable).with_name("oslo-config-generator")
    done = subprocess.run([program, "--namespace", space], capture_output=True, text=True, check=True, timeout=50)
    assert "#duplicate_notification_detection_interval = 180" in done.stdout
    assert "# From masakari" in done.stdout
