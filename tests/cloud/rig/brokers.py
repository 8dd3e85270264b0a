"""Two RabbitMQ brokers: Nova's, and the HA service's own."""

import dataclasses
import glob
import socket

from tests.cloud.rig import layout
from tests.cloud.rig.errors import RigError
from tests.cloud.rig.process import Daemon
from tests.cloud.rig.settings import ADDRESS, Settings
from tests.cloud.rig.waiting import tcp_port_answers, until

AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


def port_mapper(settings: Settings) -> Daemon:
    """Describe Erlang's port mapper; a broker without one would start a daemon that nobody remembers."""
    programs = glob.glob("/usr/lib/erlang/erts-*/bin/epmd") + glob.glob("/usr/bin/epmd")
    if not programs:
        raise RigError("Erlang's epmd is not installed; run `install`")
    port = str(settings.port("epmd"))
    return layout.daemon(settings, "epmd", (programs[0], "-address", ADDRESS, "-port", port))


def start_port_mapper(settings: Settings) -> None:
    """Start the port mapper and return when it answers."""
    daemon = port_mapper(settings)
    daemon.start()
    port = settings.port("epmd")
    until(lambda: tcp_port_answers(ADDRESS, port), "epmd", timeout_seconds=20, hint=str(daemon.log))


@dataclasses.dataclass(frozen=True, slots=True)
class Broker:
    """One RabbitMQ node with a data folder of its own."""

    settings: Settings
    name: str

    def daemon(self) -> Daemon:
        """Describe the broker process. Debian's own wrapper would insist on another user and other folders."""
        return layout.daemon(self.settings, self.name, ("/usr/lib/rabbitmq/bin/rabbitmq-server",), self._environment())

    def start(self) -> None:
        """Start the broker and return when it speaks AMQP."""
        (self.settings.data / self.name).mkdir(parents=True, exist_ok=True)
        config = layout.fill(
            self.settings,
            "rabbitmq.conf",
            port=self.settings.port(self.name),
            cluster_port=self.settings.port(f"{self.name}-cluster"),
        )
        layout.write(layout.config_file(self.settings, f"{self.name}.conf"), config)
        layout.write(layout.config_file(self.settings, f"{self.name}.plugins"), "[].\n")
        daemon = self.daemon()
        daemon.start()
        until(lambda: self._answers(daemon), self.name, timeout_seconds=240, hint=str(daemon.log))

    def _answers(self, daemon: Daemon) -> bool:
        """Say whether the broker begins an AMQP connection: its port alone may belong to a broker that boots."""
        daemon.expect_alive()
        try:
            with socket.create_connection((ADDRESS, self.settings.port(self.name)), timeout=2) as connection:
                connection.sendall(AMQP_GREETING)
                # A method frame on channel 0: connection.start.
                return connection.recv(3) == b"\x01\x00\x00"
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        data = self.settings.data / self.name
        config = self.settings.data / "etc" / self.name
        return {
            "HOME": str(data),
            "RABBITMQ_NODENAME": f"{self.name}@localhost",
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_LOG_BASE": str(data),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{config}.plugins",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": str(data / "own-pid"),
            "RABBITMQ_DIST_PORT": str(self.settings.port(f"{self.name}-cluster")),
            "ERL_EPMD_PORT": str(self.settings.port("epmd")),
            "ERL_EPMD_ADDRESS": ADDRESS,
            # One scheduler that does not spin: two brokers share two cores with the whole of OpenStack.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        }


def cloud_broker(settings: Settings) -> Broker:
    """Return Nova's broker."""
    return Broker(settings, "cloud-broker")


def ha_broker(settings: Settings) -> Broker:
    """Return the HA service's own broker."""
    return Broker(settings, "ha-broker")
