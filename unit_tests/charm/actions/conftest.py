"""A unit that runs, and on its machine the real masakari-manage with a database of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from masakari_charm.workload.machine import Answer
from unit_tests.charm.actions.acting import ASKED, Acting
from unit_tests.charm.rig import Rig, complete
from unit_tests.cli.conftest import cloud as cloud
from unit_tests.cli.conftest import installed as installed
from unit_tests.cli.conftest import own_logging as own_logging
from unit_tests.cli.conftest import own_signals as own_signals
from unit_tests.cli.conftest import programs as programs
from unit_tests.cli.rig import Programs


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Give a unit that runs."""
    made = Rig(tmp_path / "unit")
    made.run(complete())
    made.system.forget()
    return made


@pytest.fixture
def unit(rig: Rig, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Acting:
    """Give a unit whose masakari-manage is the real one, as far as actions ask it; its masakari.conf is that of the service's tests."""

    played = rig.system._manage

    def manage(words: list[str]) -> Answer:
        if not ASKED & {*words}:
            return played(words)
        _program, _option, _file, *arguments = rig.system.commands[-1].argv
        code, out, err = programs.manage(*arguments)
        return Answer(code=code, out=out, err=err)

    monkeypatch.setattr(rig.system, "_manage", manage)
    return Acting(rig)
