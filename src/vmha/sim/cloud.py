"""A simulated cloud as one process: `python -m vmha.sim.cloud --hosts 4 --instances 12 --state-dir DIR`.

It serves Keystone, Nova and Placement over HTTP and one BMC per host over IPMI, all on 127.0.0.1 and without any privilege. When it is
ready it writes DIR/cloud.json (URLs, ports, credentials) and DIR/fencing.yaml (the inventory of its BMCs); while it runs it appends to
DIR/record.jsonl what really happens; it ends on SIGTERM or SIGINT. `control.py` lists how to break it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from vmha.sim.faults import inject
from vmha.sim.record import write_lines
from vmha.sim.served import ServedWorld
from vmha.sim.world import Timing, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmha.sim.http import Body
    from vmha.sim.record import Fact

DESCRIPTION = "Serve a simulated cloud on 127.0.0.1: nothing in it is a real machine."


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until somebody ends it."""
    options = parse(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    state_dir: Path = options.state_dir
    state_dir.mkdir(parents=True, exist_ok=True)
    world = build(options)
    write_lines(world.record.facts, state_dir / "record.jsonl")
    with (state_dir / "record.jsonl").open("a", encoding="utf-8", buffering=1) as record:

        def keep(fact: Fact) -> None:
            record.write(json.dumps(fact) + "\n")

        world.record.listeners.append(keep)
        with ServedWorld(world, port=options.port, instance_ha_url=options.instance_ha_url) as served:
            announce(served, state_dir)
            ended.wait()
            print("The simulated cloud ends.", flush=True)
        world.record.listeners.remove(keep)
    (state_dir / "cloud.json").unlink()
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m vmha.sim.cloud", description=DESCRIPTION)
    timing = Timing()
    parser.add_argument("--state-dir", type=Path, required=True, help="where cloud.json and record.jsonl go")
    parser.add_argument("--hosts", type=int, default=3, help="hosts c1, c2, … (default 3)")
    parser.add_argument("--spare", type=int, default=0, help="more hosts, disabled with the reason reserved")
    parser.add_argument("--instances", default="12", help="12 (dealt out evenly) or c1=12,c2=3 (default 12)")
    parser.add_argument("--image-backed", action="store_true", help="their disks are on the hosts, not on volumes")
    parser.add_argument("--vcpus", type=int, default=64, help="room of each host in instances (default 64)")
    parser.add_argument("--dead", action="append", default=[], metavar="HOST[@SECONDS]", help="loses its power then")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME:HOST", help="something is wrong from the start"
    )
    parser.add_argument("--report-interval", type=float, default=timing.report_seconds, help="of nova-compute")
    parser.add_argument("--service-down-time", type=float, default=timing.service_down_seconds, help="of Nova")
    parser.add_argument("--spawn-seconds", type=float, default=timing.spawn_seconds, help="to start a guest")
    parser.add_argument("--boot-seconds", type=float, default=timing.boot_seconds, help="to start a host")
    parser.add_argument("--seed", type=int, default=0, help="of uuids and latencies")
    parser.add_argument("--port", type=int, default=0, help="of HTTP (default: any free one)")
    parser.add_argument("--instance-ha-url", help="where the catalog says that our API is")
    options = parser.parse_args(arguments)
    try:
        # A world that cannot be built is the command line's fault, and better found before anything is served.
        build(options)
    except (KeyError, ValueError) as error:
        parser.error(str(error))
    return options


def build(options: argparse.Namespace) -> World:
    """Build the world that the command line asks for."""
    timing = Timing(
        report_seconds=options.report_interval,
        service_down_seconds=options.service_down_time,
        spawn_seconds=options.spawn_seconds,
        boot_seconds=options.boot_seconds,
    )
    world = World(options.seed, timing=timing, start=time.time())
    for number in range(1, options.hosts + options.spare + 1):
        reason = None if number <= options.hosts else "reserved"
        world.add_host(f"c{number}", vcpus=options.vcpus, disabled_reason=reason)
    for number, host in enumerate(homes(options.instances, options.hosts), start=1):
        if host not in world.hosts:
            raise ValueError(f"--instances names no host of this cloud: {host}")
        world.add_server(host, name=f"vm{number}", image_backed=options.image_backed)
    for each in options.fault:
        name, _, host = each.partition(":")
        inject(world, name, **({"host": host} if host else {}))
    for each in options.dead:
        host, _, seconds = each.partition("@")
        doomed = world.hosts[host]
        world.after(float(seconds or 0.0), lambda doomed=doomed: doomed.power_off("fault"))  # type: ignore[misc]
    return world


def homes(text: str, hosts: int) -> list[str]:
    """Return the host of each instance: "5" deals them out, "c1=3,c2=2" says where."""
    if text.isdecimal():
        return [f"c{number % hosts + 1}" for number in range(int(text))]
    pairs = (part.partition("=") for part in text.split(","))
    return [host for host, _, count in pairs for _ in range(int(count))]


def announce(served: ServedWorld, state_dir: Path) -> None:
    """Write the inventory, then where everything is, each whole or not at all, and say it."""
    description = {**served.describe(), "pid": os.getpid(), "record": str(state_dir / "record.jsonl")}
    bmcs = {name: {"ipmi": inventory_entry(host)} for name, host in description["hosts"].items()}
    write_whole(state_dir / "fencing.yaml", yaml.safe_dump({"hosts": bmcs}))
    write_whole(state_dir / "cloud.json", json.dumps(description, indent=2) + "\n")
    print(f"SIMULATED cloud at {served.url}: {len(served.world.hosts)} hosts that do not exist.", flush=True)
    for name, host in description["hosts"].items():
        print(f"  {name}: simulated BMC at {host['bmc']['address']}:{host['bmc']['port']}", flush=True)
    print(f"Everything else stands in {state_dir / 'cloud.json'}.", flush=True)


def inventory_entry(host: Body) -> Body:
    """Return what the inventory says of a host's BMC."""
    return {**host["bmc"], "system_guid": host["guid"]}


def write_whole(path: Path, text: str) -> None:
    """Write a file that nobody else may read, and that nobody sees half written."""
    unfinished = path.with_suffix(".new")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.rename(path)


if __name__ == "__main__":
    sys.exit(main())
