"""`make juju-demo`: deploy, integrate and run the packed charm under the stand-in for Juju, with its status in between."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.juju import masakari, release
from tests.juju.peers import hacluster
from tests.juju.release import Database
from tests.juju.standin.box import why_not
from tests.juju.standin.juju import Juju

WHAT_IT_IS = """\
This is no Juju. There is no controller: a stand-in in one Python process keeps the model, and runs the hooks of the packed
masakari charm in Juju's order. Each unit has mount, network and process namespaces of its own on this machine. In them
systemctl and apt-get are recorders, and the release is a small one that only answers: nothing is served, no host is fenced.
keystone, mysql-router, rabbitmq-server, hacluster and vault are scripts that speak those charms' relation data."""


def main() -> int:
    """Play the demo; 0 when three units ended active."""
    print(WHAT_IT_IS, end="\n\n")
    if reason := why_not():
        print(f"It cannot run here: {reason}. On a machine of your own: sudo make juju-demo", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="juju-demo-") as folder:
        print("Packing the charm, where that was not done yet ...", flush=True)
        charm, where = masakari.find_charm(Path(folder))
        print(f"The charm: {where}\n", flush=True)
        with masakari.make(Path(folder) / "units", Database()) as juju:
            return play(juju, charm, release.pack(Path(folder) / "wheels.tar"))


def play(juju: Juju, charm: Path, wheels: Path) -> int:
    """Deploy, integrate, pause and resume."""
    say("juju deploy keystone; juju deploy rabbitmq-server; juju deploy vault; ... (scripted)")
    masakari.deploy_cloud(juju)
    say(f"juju deploy ./{charm.name} masakari -n 3 --config vip={masakari.VIP} --resource wheels=./{wheels.name}")
    masakari.deploy_masakari(juju, charm, wheels, config={"vip": masakari.VIP})
    settle(juju)
    for application, endpoint in masakari.RELATIONS.items():
        say(f"juju integrate masakari:{endpoint} {application}:{endpoint}")
    masakari.integrate(juju)
    settle(juju)
    ha = next(r for r in juju.model.relations_of("masakari") if r.ends["masakari"] == "ha")
    crm = hacluster.parse(ha.bags["masakari/0"])
    print(f"hacluster was asked for the virtual IP {' '.join(crm.virtual_ips())}, as {', '.join(crm.resources)}\n")
    for action in ("pause", "resume"):
        say(f"juju run masakari/1 {action}")
        outcome = juju.run("masakari/1", action)
        print(f"  {outcome.failure or outcome.results.get('outcome', 'done')}")
        print(f"  masakari/1 is {juju.model.unit('masakari/1').status.word}\n")
    words = [unit.status.word for unit in juju.model.units_of("masakari")]
    print(f"In the end: {', '.join(words)}. This was the stand-in, not Juju.")
    return 0 if words == ["active"] * 3 else 1


def say(command: str) -> None:
    """Print what an operator would type."""
    print(f"$ {command}", flush=True)


def settle(juju: Juju) -> None:
    """Let the hooks run, and show the status."""
    count = juju.settle()
    print(f"  {count} hooks ran\n")
    say("juju status --relations")
    print(juju.status(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
