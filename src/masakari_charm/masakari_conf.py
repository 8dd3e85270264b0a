"""What stands in masakari.conf: only options that the service or its libraries read.

Later sources win over earlier ones: what the charm sets by itself, then the options of the charm, then config-flags. The flags cannot
reach what relations and secrets set; flags.py refuses that.
"""

from __future__ import annotations

from masakari_charm.plan import CONFIG_FILE, FENCING_FILE
from masakari_charm.relations.amqp import Amqp
from masakari_charm.relations.identity_service import Identity
from masakari_charm.relations.shared_db import SharedDb
from masakari_charm.render import render
from masakari_charm.state import State

FOLDER = CONFIG_FILE.rpartition("/")[0]
DATABASE_CA = f"{FOLDER}/database-ca.pem"
DATABASE_CERTIFICATE = f"{FOLDER}/database-cert.pem"
DATABASE_KEY = f"{FOLDER}/database-key.pem"
BROKER_CA = f"{FOLDER}/broker-ca.pem"
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
"""The system's list of CAs, to which the plan's `trusted` are added."""

LOOPBACK = "127.0.0.1"
LOCAL_PORT = 15848
PUBLIC_PORT = 15868
SERVICE_TYPE = "instance-ha"

Groups = dict[str, dict[str, str]]


def masakari_conf(state: State, *, database: SharedDb, identity: Identity) -> str:
    """Return the file."""
    groups = _own(state, database)
    groups["keystone_authtoken"] = _authtoken(state, identity)
    if isinstance(state.amqp, Amqp):
        groups["DEFAULT"]["transport_url"] = state.amqp.url
        if state.amqp.is_tls:
            ca = BROKER_CA if state.amqp.ca else SYSTEM_CA
            groups["oslo_messaging_rabbit"] = {"ssl": "true", "ssl_ca_file": ca}
    for group, name, value in (*state.config.service, *state.config.flags):
        groups.setdefault(group, {})[name] = value
    written = {group: {name: ini(value) for name, value in options.items()} for group, options in groups.items()}
    return render("masakari.conf.j2", groups=written)


def _own(state: State, database: SharedDb) -> Groups:
    chosen = state.config
    interface = "internalURL" if chosen.use_internal_endpoints else "publicURL"
    default = {
        "host": state.unit.replace("/", "-"),
        "debug": str(chosen.debug).lower(),
        "log_dir": "/var/log/masakari",
        "state_path": "/var/lib/masakari",
        "os_region_name": chosen.region,
        "nova_catalog_admin_info": f"compute:nova:{interface}",
        "nova_ca_certificates_file": SYSTEM_CA,
        **_listening(state),
    }
    # The options of the charm count threads, and a unit shares its machine.
    default["masakari_api_workers"] = "1"
    if chosen.threads is not None:
        default["masakari_api_threads"] = str(chosen.threads)
    url = database.url(ca_file=DATABASE_CA, certificate_file=DATABASE_CERTIFICATE, key_file=DATABASE_KEY)
    groups: Groups = {"DEFAULT": default, "database": {"connection": url}, "fencing": {"inventory": FENCING_FILE}}
    if state.needs_haproxy:
        groups["oslo_middleware"] = {"enable_proxy_headers_parsing": "true"}
    return groups


def _listening(state: State) -> dict[str, str]:
    """Say where the API listens: behind haproxy on loopback, alone where clients come."""
    if state.needs_haproxy:
        return {"masakari_api_listen": LOOPBACK, "masakari_api_listen_port": str(LOCAL_PORT)}
    everywhere = "::" if any(":" in address for address in state.networks.addresses) else "0.0.0.0"  # noqa: S104 - as upstream
    return {"masakari_api_listen": everywhere, "masakari_api_listen_port": str(PUBLIC_PORT)}


def _authtoken(state: State, identity: Identity) -> dict[str, str]:
    """Say how tokens are checked; Nova and Placement see the same user."""
    is_internal = state.config.use_internal_endpoints
    return {
        "auth_type": "password",
        "auth_url": (identity.internal_url if is_internal else None) or identity.auth_url,
        "www_authenticate_uri": identity.public_url,
        "username": identity.username,
        "password": identity.password,
        "project_name": identity.project,
        "user_domain_name": identity.domain,
        "project_domain_name": identity.domain,
        "region_name": state.config.region,
        "service_type": SERVICE_TYPE,
        "cafile": SYSTEM_CA,
    }


def ini(value: str) -> str:
    """Return a value so that oslo.config reads exactly this: it takes `$` for a name and drops quotes and space around a value.

    `\\$` is a dollar sign whatever stands before it; `$$` after a backslash would not be.
    """
    escaped = value.replace("$", "\\$")
    needs_quotes = escaped != escaped.strip() or escaped[:1] in ("'", '"')
    return f'"{escaped}"' if needs_quotes else escaped
