"""The shape of the fencing inventory: what the charm refuses, in words without a value, and that it agrees with the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from masakari_charm import inventory
from unit_tests.charm.rig import INVENTORY
from vmha.adapters.fencing.inventory import load_inventory
from vmha.errors import ConfigurationError

SECRET = "hunter2"
GOOD = {"address": "10.0.0.7", "user": "admin", "password": SECRET}


def text(hosts: Any, **more: Any) -> str:
    """Return an inventory as YAML."""
    return yaml.safe_dump({"hosts": hosts, **more})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        ("just words", "it must be a mapping"),
        ("hosts: [a, b]", "hosts must be a mapping"),
        ("hosts: {}", "hosts must be a mapping"),
        ("hosts: {c1: {ipmi: {address: [", "it is not YAML at line 1"),
        ("hosts:\n\tc1: hunter2", "it is not YAML at line 2"),
        ("hosts: {c1: {ipmi: {password: !vault hunter2}}}", "it is not YAML"),
        (text({"c1": {"redfish": {}}}), "host c1 has no ipmi section"),
        (text({"c1": {"ipmi": {**GOOD, "pasword": SECRET}}}), "host c1 has the unknown key pasword"),
        (text({"c1": {"ipmi": {**GOOD, "hunter2 with space": 1}}}), "host c1 has the unknown key (not a name)"),
        (text({"c1": {"ipmi": {"address": "10.0.0.7", "user": "a"}}}), "host c1 has no password"),
        (text({"c1": {"ipmi": {**GOOD, "address": "10.0.0.777"}}}), "address is neither an IP address nor a name"),
        (text({"c1": {"ipmi": {**GOOD, "port": 70000}}}), "port must be a number"),
        (text({"c1": {"ipmi": GOOD}, "c2": {"ipmi": GOOD}}), "host c2 has the same BMC as host c1"),
        (text({"c1": {"ipmi": {**GOOD, "password": "env:SECRET"}}}), "env:"),
        (
            text({"c1": {"ipmi": GOOD}}, defaults={"ipmi": {"address": "10.0.0.1"}}),
            "defaults has the unknown key address",
        ),
        (text({"c1": {"ipmi": GOOD}}, default={}), "the file has the unknown key default"),
        (text({"c1": {"ipmi": GOOD}}, segments="rack-1"), "segments must be a mapping"),
        (text({"c1": {"ipmi": GOOD}}, segments={"rack-1": "detector"}), "segment rack-1 must be a mapping"),
        (text({"c1": {"ipmi": GOOD}}, segments={"rack-1": {}}), "segment rack-1: policy must be proof or detector"),
        (text({"c1": {"ipmi": GOOD}}, segments={"rack-1": {"polcy": "x"}}), "segment rack-1 has the unknown key polcy"),
    ],
)
def test_each_fault_is_named(content: str, words: str) -> None:
    """A fault is named by host and key, and no value stands in the words."""
    found = inventory.faults(content)
    assert any(words in fault for fault in found)
    assert SECRET not in " ".join(found)


def test_a_right_one_has_no_fault() -> None:
    """Defaults fill in, and digits stay as they are written."""
    assert inventory.faults(INVENTORY) == ()
    assert (
        inventory.faults("hosts: {c1: {ipmi: {address: bmc-1.example, user: 0123, password: 007, port: 6230}}}") == ()
    )
    assert inventory.faults(text({"c1": {"ipmi": GOOD}}, defaults={})) == ()
    believed = {"the rack in Zürich": {"policy": "detector"}, "rack-2": {"policy": "proof"}}
    assert inventory.faults(text({"c1": {"ipmi": GOOD}}, segments=believed)) == ()
    assert inventory.faults(yaml.safe_dump({"segments": believed})) == ()


KEYS = st.sampled_from(["address", "user", "password", "port", "system_guid", "extra"])
VALUES = st.sampled_from(["10.0.0.7", "bmc-1", "admin", SECRET, "623", "0", "", "value:x", None, 5, {}, []])
SECTIONS = st.dictionaries(KEYS, VALUES, max_size=6)
HOSTS = st.dictionaries(
    st.sampled_from(["c1", "c2", "c3"]),
    st.fixed_dictionaries({"ipmi": SECTIONS}) | st.just({}) | st.just("text"),
    max_size=3,
)
POLICIES = st.fixed_dictionaries({}, optional={"policy": st.sampled_from(["proof", "detector", "other", None, 1])})
SEGMENTS = st.none() | st.dictionaries(st.sampled_from(["rack-1", "rack 2"]), POLICIES | st.just("text"), max_size=2)
FILES = st.fixed_dictionaries(
    {}, optional={"hosts": HOSTS, "defaults": st.fixed_dictionaries({"ipmi": SECTIONS}), "segments": SEGMENTS}
)


@given(content=FILES)
def test_what_the_service_takes_is_not_refused(
    content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing that the engine would use is kept from it, but an inventory without a host."""
    file = tmp_path_factory.getbasetemp() / "fencing.yaml"
    written = yaml.safe_dump(content)
    file.write_text(written)
    file.chmod(0o600)
    try:
        found = load_inventory(Path(file))
    except ConfigurationError:
        return
    assert not (found.devices or found.detector_segments) or not inventory.faults(written)


@given(st.text(max_size=200))
def test_no_text_breaks_the_check(content: str) -> None:
    """Whatever the secret holds, there is an answer in words."""
    assert isinstance(inventory.faults(content), tuple)
