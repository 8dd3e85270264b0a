"""[taskflow_driver_recovery_flows]: upstream's own tasks are accepted, others keep the engine from starting."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from vmha.config_files import open_config
from vmha.errors import ConfigurationError
from vmha.upstream_flows import FLOWS, GROUP, check_flows

LISTS = Path(__file__).parent
MINE = "pre:[disable_compute_service_task],main:[prepare_HA_enabled_instances_task,page_ann_task],post:[evacuate_instances_task]"


def checked(folder: Path, option: str, value: str) -> None:
    """Check a file with this option."""
    path = folder / "masakari.conf"
    path.write_text(f"[{GROUP}]\n{option} = {value}\n")
    check_flows(open_config(["--config-file", str(path)], "masakari-engine"))


@pytest.mark.parametrize("release", ["14.0.2", "19.0.0", "22.0.0"])
@pytest.mark.parametrize("quote", ["", "'"])
def test_upstreams_defaults_are_accepted(tmp_path: Path, release: str, quote: str) -> None:
    """What upstream has by default, written as its sample writes it, with quotes or without."""
    known = [line for line in (LISTS / f"upstream-{release}.txt").read_text().splitlines() if line.startswith(GROUP)]
    assert [line.split()[1] for line in known] == list(FLOWS)
    for line in known:
        option, _, default = line.removeprefix(f"{GROUP} ").partition(" = ")
        flow = ast.literal_eval(default)
        parts = (f"{part}:[{','.join(f'{quote}{task}{quote}' for task in tasks)}]" for part, tasks in flow.items())
        checked(tmp_path, option, ",".join(parts))


def test_less_than_the_defaults_is_accepted(tmp_path: Path) -> None:
    """Upstream's tasks in another composition are accepted as well, and named as ignored at start."""
    checked(tmp_path, FLOWS[0], "pre:[no_op],main:[],post:[evacuate_instances_task]")


@pytest.mark.parametrize("option", FLOWS)
def test_a_task_of_somebody_elses_is_named(tmp_path: Path, option: str) -> None:
    """Option, task, and what to do."""
    with pytest.raises(ConfigurationError) as refused:
        checked(tmp_path, option, MINE)
    assert str(refused.value).startswith(f"[{GROUP}] {option} names the task page_ann_task, which is not upstream's")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("disable_compute_service_task", "it must be like pre:"),
        ("pre:no_op", "it must be like pre:"),
        ("before:[no_op]", "has a part before; known are pre, main, post"),
    ],
)
def test_what_is_no_flow_is_named(tmp_path: Path, value: str, says: str) -> None:
    """A value that upstream could not read either."""
    with pytest.raises(ConfigurationError) as refused:
        checked(tmp_path, FLOWS[0], value)
    assert says in str(refused.value)
