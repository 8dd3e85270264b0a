"""Two MariaDB servers: Nova's and its neighbours', and the HA service's own."""

import dataclasses
import getpass
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.cloud.rig import layout
from tests.cloud.rig.errors import RigError
from tests.cloud.rig.process import Daemon
from tests.cloud.rig.settings import ADDRESS, PASSWORD, Settings
from tests.cloud.rig.waiting import until


@dataclasses.dataclass(frozen=True, slots=True)
class DatabaseServer:
    """One MariaDB server and what is created in it on the first start."""

    settings: Settings
    name: str
    databases: tuple[str, ...]
    buffer_pool: str
    # Whether a commit survives the loss of the machine: the HA service counts on it, OpenStack's schemas
    # are only created twice as fast without.
    durable: bool
    charset: str

    def daemon(self) -> Daemon:
        """Describe the server process."""
        return layout.daemon(self.settings, self.name, ("/usr/sbin/mariadbd", f"--defaults-file={self._config()}"))

    def start(self) -> None:
        """Start the server, creating its data on the first run; return when it answers."""
        layout.write(self._config(), self._render())
        (self.settings.data / f"{self.name}-tmp").mkdir(parents=True, exist_ok=True)
        if not (self.settings.data / self.name / "mysql").exists():
            self._create_data()
        daemon = self.daemon()
        daemon.start()
        until(lambda: self._answers(daemon), self.name, timeout_seconds=240, hint=str(daemon.log))
        self._create_databases()

    def sql(self, statements: str) -> str:
        """Run SQL as the server's root and return the rows as tab-separated lines."""
        return self._client("mariadb", "--skip-column-names", statements=statements)

    def dump(self, names: Iterable[str], *, without_rows_of: Iterable[str] = ()) -> str:
        """Return the SQL that makes these databases anew, with their rows but for those of some tables."""
        left_out = [f"--ignore-table-data={table}" for table in without_rows_of]
        return self._client("mariadb-dump", "--skip-comments", *left_out, "--databases", *names)

    def _client(self, program: str, *options: str, statements: str = "") -> str:
        access = ["--no-defaults", f"--socket={self._socket()}", "--user=root"]
        finished = subprocess.run(
            [f"/usr/bin/{program}", *access, *options], input=statements, capture_output=True, text=True, check=False
        )
        if finished.returncode:
            raise RigError(f"{self.name} refused {program}: {finished.stderr.strip()}")
        return finished.stdout

    def _answers(self, daemon: Daemon) -> bool:
        daemon.expect_alive()
        ping = [
            "/usr/bin/mariadb-admin",
            "--no-defaults",
            f"--socket={self._socket()}",
            "--user=root",
            "ping",
        ]
        return subprocess.run(ping, capture_output=True, check=False).returncode == 0

    def _create_data(self) -> None:
        command = [
            "/usr/bin/mariadb-install-db",
            f"--defaults-file={self._config()}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        (self.settings.data / "run").mkdir(parents=True, exist_ok=True)
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode:
            raise RigError(f"cannot create the data of {self.name}: {finished.stderr[-800:]}")

    def _create_databases(self) -> None:
        create = [
            f"CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET {self.charset};" for database in self.databases
        ]
        user = f"'rig'@'{ADDRESS}'"
        self.sql(
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{PASSWORD}';GRANT ALL ON *.* TO {user};" + "".join(create)
        )

    def _render(self) -> str:
        return layout.fill(
            self.settings,
            "mariadb.cnf",
            name=self.name,
            port=self.settings.port(self.name),
            os_user=getpass.getuser(),
            buffer_pool=self.buffer_pool,
            flush_at_commit=1 if self.durable else 2,
            flush_method="O_DIRECT" if self.durable else "nosync",
            charset=self.charset,
        )

    def _config(self) -> Path:
        return layout.config_file(self.settings, f"{self.name}.cnf")

    def _socket(self) -> str:
        return str(self.settings.data / "run" / f"{self.name}.sock")


def cloud_database(settings: Settings) -> DatabaseServer:
    """Return the server that Keystone, Placement, Glance and Nova share."""
    names = ("keystone", "placement", "glance", "nova_api", "nova", "nova_cell0")
    return DatabaseServer(settings, "cloud-database", names, "512M", durable=False, charset="utf8mb3")


def ha_database(settings: Settings) -> DatabaseServer:
    """Return the HA service's own server, durable as in production."""
    return DatabaseServer(settings, "ha-database", ("masakari",), "128M", durable=True, charset="utf8mb4")
