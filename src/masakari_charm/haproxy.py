"""haproxy.cfg: where clients come (15868), where the other units come (15858), and the units behind, this one over loopback.

haproxy speaks TLS on both, and checks the other units' certificates against the CA; in plaintext nothing leaves the machine once there
is a certificate.
"""

from __future__ import annotations

from masakari_charm.masakari_conf import LOCAL_PORT, LOOPBACK, PUBLIC_PORT, SYSTEM_CA
from masakari_charm.plan import File
from masakari_charm.relations.bags import bracketed
from masakari_charm.relations.certificates import Pair
from masakari_charm.render import render
from masakari_charm.state import State
from masakari_charm.tls import Tls

CONFIG = "/etc/haproxy/haproxy.cfg"
CA = "/etc/haproxy/masakari-ca.pem"
UNIT_PORT = 15858
MOST_PAIRS = 4
"""One for the host's own name, and one for each of the three configured hostnames."""

CERTIFICATES = tuple(f"/etc/haproxy/masakari-{number}.pem" for number in range(MOST_PAIRS))
EVERY_FILE = (CONFIG, CA, *CERTIFICATES)


def files(state: State) -> tuple[File, ...]:
    """Return haproxy's configuration and what it reads; none where the API stands alone."""
    if not state.needs_haproxy:
        return ()
    config = File(path=CONFIG, content=_config(state))
    return (config, *(_tls_files(state.tls, state.hostname) if state.tls else ()))


def _config(state: State) -> str:
    chosen, tls = state.config, state.tls
    is_v6 = any(":" in address for address in (*state.networks.addresses, *chosen.vip))
    others = bool(state.peers) or state.ha.is_related
    crts = "".join(f" crt {path}" for path, _ in _pairs(tls, state.hostname)) if tls else ""
    ca = CA if tls and tls.ca else SYSTEM_CA
    return render(
        "haproxy.cfg.j2",
        timeouts={
            "queue": chosen.queue_timeout,
            "connect": chosen.connect_timeout,
            "client": chosen.client_timeout,
            "server": chosen.server_timeout,
        },
        scheme="https" if tls else "http",
        public_bind=f":::{PUBLIC_PORT} v4v6" if is_v6 else f"*:{PUBLIC_PORT}",
        unit_bind=f"{bracketed(state.networks.address('cluster'))}:{UNIT_PORT}" if others else "",
        tls_bind=f" ssl{crts}" if tls else "",
        tls_server=f" ssl verify required ca-file {ca}" if tls else "",
        unit=state.unit.replace("/", "-"),
        local=f"{LOOPBACK}:{LOCAL_PORT}",
        peers=[
            {"name": peer.unit.replace("/", "-"), "place": f"{bracketed(peer.address)}:{UNIT_PORT}"}
            for peer in state.peers
        ],
    )


def _tls_files(tls: Tls, hostname: str) -> tuple[File, ...]:
    pairs = tuple(
        File(path=path, content=pair.certificate + pair.key, mode=0o600, is_secret=True)
        for path, pair in _pairs(tls, hostname)
    )
    authority = (File(path=CA, content=tls.ca + (tls.chain or "")),) if tls.ca else ()
    return (*pairs, *authority)


def _pairs(tls: Tls, hostname: str) -> tuple[tuple[str, Pair], ...]:
    """Give each pair its file. The first is shown to those who ask for no name that we have: the host's own."""
    ordered = sorted(tls.pairs, key=lambda pair: (pair[0] != hostname, pair[0]))
    return tuple(zip(CERTIFICATES, (pair for _, pair in ordered), strict=False))
