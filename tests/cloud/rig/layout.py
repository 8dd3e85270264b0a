"""Names, places and addresses that several parts of the cloud share, and the templates filled with them."""

import threading
from pathlib import Path
from string import Template

from tests.cloud.rig.process import Daemon
from tests.cloud.rig.settings import ADDRESS, PASSWORD, REGION, Settings

TEMPLATES = Path(__file__).parent / "templates"


def daemon(
    settings: Settings, name: str, command: tuple[str, ...], environment: dict[str, str] | None = None
) -> Daemon:
    """Describe a background process of this cloud, with its pid file and its log in their usual places."""
    return Daemon(
        name=name,
        command=command,
        pid_file=settings.data / "run" / f"{name}.json",
        log=log_file(settings, name),
        environment=environment or {},
    )


def log_file(settings: Settings, name: str) -> Path:
    """Return the log of the daemon `name`."""
    return settings.data / "log" / f"{name}.log"


def access_log(settings: Settings, name: str) -> Path:
    """Return the file to which the HTTP server `name` writes a line per request."""
    return settings.data / "log" / f"{name}.access"


def config_file(settings: Settings, name: str) -> Path:
    """Return where the configuration file `name` stands."""
    return settings.data / "etc" / name


def database_url(settings: Settings, server: str) -> str:
    """Return the SQLAlchemy address of a database server, without the name of a database."""
    return f"mysql+pymysql://rig:{PASSWORD}@{ADDRESS}:{settings.port(server)}"


def broker_url(settings: Settings, server: str) -> str:
    """Return the oslo.messaging address of a broker."""
    return f"rabbit://rig:{PASSWORD}@{ADDRESS}:{settings.port(server)}/"


def authtoken(settings: Settings, user: str, *, is_cached: bool = True) -> str:
    """Return the [keystone_authtoken] section for a service user; `is_cached` says whether there is a memcached."""
    servers = f"{ADDRESS}:{settings.port('memcached')}" if is_cached else ""
    return fill(settings, "authtoken.conf", user=user, memcached_servers=servers)


def session(settings: Settings, user: str) -> str:
    """Return the keystoneauth options with which one service calls another."""
    return "\n".join(
        (
            f"auth_url = {settings.url('keystone')}/v3",
            "auth_type = password",
            "project_domain_name = Default",
            "user_domain_name = Default",
            "project_name = service",
            f"username = {user}",
            f"password = {PASSWORD}",
            f"region_name = {REGION}",
        )
    )


def fill(settings: Settings, template: str, **values: object) -> str:
    """Fill a template; a name that nobody gives a value is an error."""
    common = {
        "address": ADDRESS,
        "broker": broker_url(settings, "cloud-broker"),
        "data": settings.data,
        "database": database_url(settings, "cloud-database"),
        "glance": settings.url("glance"),
        "keystone": settings.url("keystone"),
        "memcached": f"{ADDRESS}:{settings.port('memcached')}",
        "password": PASSWORD,
        "region": REGION,
        "run": settings.data / "run",
    }
    return Template((TEMPLATES / template).read_text()).substitute(common | values)


def write(path: Path, text: str) -> Path:
    """Write a configuration file that only we can read, whole or not at all, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{threading.get_ident()}.new")
    new.touch(mode=0o600)
    new.write_text(text)
    return new.replace(path)
