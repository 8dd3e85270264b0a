"""A unit of the charm in a test: ops.testing plays Juju, `FakeSystem` the machine, and between them runs the real charm.

What the relations hold is what the other charms really write; `facts` of one relation are changed with `dataclasses.replace`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from ops import testing

from charm import MasakariCharm
from masakari_charm.plan import Plan, Report
from masakari_charm.workload.machine import Machine
from unit_tests.charm.workload.fake_system import FakeSystem, put_wheels

ROOT = Path(__file__).resolve().parents[2]
METADATA: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text())
ACTIONS: dict[str, Any] = yaml.safe_load((ROOT / "actions.yaml").read_text())

INVENTORY = """\
defaults:
  ipmi: {user: admin, password: hunter2-of-the-bmc}
hosts:
  compute-1:
    ipmi: {address: 10.9.0.1}
  compute-2:
    ipmi: {address: 10.9.0.2}
"""
BMC_PASSWORD = "hunter2-of-the-bmc"

IDENTITY_ANSWER = {
    "auth_host": "10.0.0.50",
    "auth_port": "35357",
    "auth_protocol": "http",
    "service_host": "10.0.0.51",
    "service_port": "5000",
    "service_protocol": "http",
    "internal_host": "10.0.0.52",
    "internal_port": "5000",
    "internal_protocol": "http",
    "service_username": "masakari",
    "service_password": "keystone-password",
    "service_tenant": "services",
    "service_tenant_id": "4f1c",
    "service_domain": "service_domain",
    "service_type": "instance-ha",
    "api_version": "3",
    "ca_cert": "__null__",
    "https_keystone": "__null__",
}
DATABASE_ANSWER = {
    "db_host": "127.0.0.1",
    "db_port": "3306",
    "password": "database-password",
    "allowed_units": "masakari/0",
    "ssl_ca": "",
    "wait_timeout": "3600",
}
AMQP_ANSWER = {"hostname": "10.0.0.61", "private-address": "10.0.0.61", "password": "broker-password"}


class Rig:
    """One unit, `masakari/0` unless another number is given, with a machine in a folder. `machine_report` replaces the machine."""

    def __init__(self, folder: Path, *, unit: int = 0, machine_report: Report | None = None) -> None:
        self.system = FakeSystem(folder / "machine")
        release = self.system.root / "etc" / "os-release"
        release.parent.mkdir(parents=True)
        release.write_text("VERSION_CODENAME=noble\n")
        self._no_release = folder / "no-release"
        self.plans: list[Plan] = []
        self.context = testing.Context(
            self._charm(machine_report), meta=METADATA, config=CONFIG, actions=ACTIONS, unit_id=unit
        )

    def _charm(self, machine_report: Report | None) -> type[MasakariCharm]:
        rig = self
        real = MasakariCharm.converge

        def converge(plan: Plan, machine: Machine) -> Report:
            rig.plans.append(plan)
            return machine_report or real(plan, machine)

        class CharmInFolder(MasakariCharm):
            """The charm, with its machine below a folder."""

            def make_machine(self) -> Machine:
                put_wheels(rig.system, folder=str(self.charm_dir / "wheels"))
                return rig.system.machine

        CharmInFolder.converge = staticmethod(converge)  # type: ignore[misc]
        return CharmInFolder

    @property
    def plan(self) -> Plan:
        """Return the last plan that was made."""
        return self.plans[-1]

    def run(self, state: testing.State, event: Callable[[testing.Context[Any]], Any] | None = None) -> testing.State:
        """Run one hook: config-changed, unless another is asked for. Where the state has no release attached, it is the empty file."""
        chosen = event(self.context) if event else self.context.on.config_changed()
        if not state.resources:
            state = replace(state, resources=[testing.Resource(name="wheels", path=self.empty_file())])
        return self.context.run(chosen, state)

    def empty_file(self) -> Path:
        """Return the empty file that stands for no release."""
        self._no_release.touch()
        return self._no_release

    def text(self, path: str) -> str:
        """Return a file of the last plan."""
        return next(file.content for file in self.plan.files if file.path == path)

    def paths(self) -> set[str]:
        """Return the paths of the last plan's files."""
        return {file.path for file in self.plan.files}


def network(binding: str, address: str, subnet: str = "10.0.0.0/24", interface: str = "eth0") -> testing.Network:
    """Return a binding with one address."""
    bound = testing.BindAddress([testing.Address(address, cidr=subnet)], interface_name=interface)
    return testing.Network(binding, bind_addresses=[bound], ingress_addresses=[address], egress_subnets=[subnet])


NETWORKS = frozenset(
    network(name, "10.0.0.5") for name in ("public", "internal", "admin", "shared-db", "amqp", "cluster")
)


def shared_db(answer: Mapping[str, str] = DATABASE_ANSWER) -> testing.Relation:
    """Return the relation to mysql-router."""
    return testing.Relation(
        "shared-db", remote_app_name="router", local_unit_data={}, remote_units_data={0: dict(answer)}
    )


def amqp(*answers: Mapping[str, str]) -> testing.Relation:
    """Return the relation to rabbitmq-server, a unit per answer."""
    data = {number: dict(answer) for number, answer in enumerate(answers or (AMQP_ANSWER,))}
    return testing.Relation("amqp", remote_app_name="rabbitmq", local_unit_data={}, remote_units_data=data)


def identity(answer: Mapping[str, str] = IDENTITY_ANSWER) -> testing.Relation:
    """Return the relation to keystone."""
    return testing.Relation(
        "identity-service", remote_app_name="keystone", local_unit_data={}, remote_units_data={0: dict(answer)}
    )


def hacluster(answer: Mapping[str, str] | None = None) -> testing.SubordinateRelation:
    """Return the relation to hacluster, clustered."""
    data = {"clustered": "yes"} if answer is None else dict(answer)
    return testing.SubordinateRelation("ha", remote_app_name="hacluster", local_unit_data={}, remote_unit_data=data)


def peers(*addresses: str) -> testing.PeerRelation:
    """Return the relation of the units; the others are numbered from 1."""
    data = {number: {"private-address": address} for number, address in enumerate(addresses, start=1)}
    return testing.PeerRelation("cluster", local_unit_data={}, peers_data=data)


def vault(answer: Mapping[str, str] | None = None) -> testing.Relation:
    """Return the relation to vault."""
    return testing.Relation(
        "certificates", remote_app_name="vault", local_unit_data={}, remote_units_data={0: dict(answer or {})}
    )


def vault_answer(pairs: Mapping[str, tuple[str, str]], *, ca: str, unit: str = "masakari_0") -> dict[str, str]:
    """Return what vault writes: pairs of certificate and key by common name."""
    processed = {common: {"cert": certificate, "key": key} for common, (certificate, key) in pairs.items()}
    return {"ca": ca, "chain": ca, f"{unit}.processed_requests": json.dumps(processed)}


def complete(*more: testing.RelationBase, **changes: Any) -> testing.State:
    """Return the state of a unit whose relations have all answered, with more relations, or other fields."""
    fields: dict[str, Any] = {"leader": True, "networks": NETWORKS}
    relations = [shared_db(), amqp(), identity(), *more]
    return testing.State(relations=relations, **fields | changes)


def bag(state: testing.State, endpoint: str) -> dict[str, str]:
    """Return what our unit wrote to a relation."""
    (relation,) = state.get_relations(endpoint)
    return dict(relation.local_unit_data)
