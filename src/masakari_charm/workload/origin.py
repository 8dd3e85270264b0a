"""The grammar of `openstack-origin`: charmhelpers' own, which this module alone asks, and imports only when it must.

charmhelpers on the package index stops at the release of 2022 and needs a module that Python 3.12 has no more. Both are made up for
here, so that what it knows is left to it: `distro`, `proposed`, `ppa:`, `deb`, URLs, `cloud-archive:`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from masakari_charm.workload.machine import Trouble

NO_CHANGE = "distro"

OWN_RELEASE = {"jammy": "yoga", "noble": "caracal"}
"""The OpenStack that a series of Ubuntu carries itself; asking for it changes nothing."""

CUT_OFF = "cloud-archive:"
"""What charmhelpers takes away before it gives the rest to add-apt-repository."""

_CLOUD = re.compile(r"(?:cloud(?:-archive)?:)?(?:(?P<series>[a-z]+)-)?(?P<release>[a-z]+)")
_OTHERS = ("distro", "proposed", "distro-proposed")
FIX = "correct the option openstack-origin: distro, or cloud:SERIES-RELEASE with this unit's own series"


def resolve(archive: str, os_release: str) -> str:
    """Say what is to be added for this value on this series: `distro` for nothing, else something that charmhelpers knows."""
    found = _CLOUD.fullmatch(archive)
    if found is None or archive in _OTHERS:
        return archive
    here = re.search(r'^VERSION_CODENAME="?(\w+)"?$', os_release, flags=re.MULTILINE)
    series = here[1] if here else ""
    if found["series"] not in (None, series):
        raise Trouble(f"openstack-origin {archive} is not for {series or 'this system'}", FIX)
    if OWN_RELEASE.get(series) == found["release"]:
        return NO_CHANGE
    # Ubuntu's own add-apt-repository takes cloud-archive:RELEASE, with the system's list of releases.
    return f"{CUT_OFF}cloud-archive:{found['release']}"


def add(archive: str) -> None:
    """Add an archive to the system. Raises `Trouble`."""
    shown = archive.removeprefix(CUT_OFF)
    _lend_distutils()
    try:
        fetch = import_module("charmhelpers.fetch")
    except (ImportError, RuntimeError) as error:
        raise Trouble(f"openstack-origin {shown} cannot be used here: {error}", FIX) from error
    try:
        fetch.add_source(archive, fail_invalid=True)
    except (fetch.SourceConfigError, subprocess.CalledProcessError, OSError) as error:
        raise Trouble(f"cannot add the archive {shown}: {error}", FIX) from error


def _lend_distutils() -> None:
    """Let charmhelpers import the one name of distutils that it wants for Juju's version, which nothing here asks about."""
    if "distutils" in sys.modules or find_spec("distutils") is not None:
        return
    version = ModuleType("distutils.version")
    vars(version)["LooseVersion"] = str
    sys.modules |= {"distutils": ModuleType("distutils"), "distutils.version": version}
