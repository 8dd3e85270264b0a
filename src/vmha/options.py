"""Every option of masakari.conf as plain data: name, group, kind, default, unit, bounds, help. Imports nothing of the service.

The charm reads this table too. Upstream Masakari's names and groups are kept where they mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option. `kind` is one of str, int, float, bool, port, choice, list; `low` and `high` are inclusive bounds.

    `known_as` is what the service calls its value where another group has an option of the same name.
    """

    name: str
    group: str
    kind: str
    help: str
    default: str | int | float | bool | tuple[str, ...] | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    known_as: str = ""

    @property
    def field(self) -> str:
        """Return the name of its value in the settings."""
        return self.known_as or self.name


def _seconds(group: str, name: str, default: float, help: str, *, low: float = 0.1, high: float = 86400) -> Option:
    return Option(name=name, group=group, kind="float", default=default, unit="seconds", low=low, high=high, help=help)


def _count(group: str, name: str, default: int, help: str, *, low: int = 1, high: int = 100_000) -> Option:
    return Option(name=name, group=group, kind="int", default=default, low=low, high=high, help=help)


def _text(
    group: str, name: str, help: str, *, default: str | None = None, secret: bool = False, known_as: str = ""
) -> Option:
    return Option(name=name, group=group, kind="str", default=default, secret=secret, help=help, known_as=known_as)


def _port(group: str, name: str, default: int, help: str) -> Option:
    return Option(name=name, group=group, kind="port", default=default, help=help)


def _flag(group: str, name: str, default: bool, help: str) -> Option:
    return Option(name=name, group=group, kind="bool", default=default, help=help)


OPTIONS: tuple[Option, ...] = (
    # --- API, as upstream has it
    Option(
        name="auth_strategy",
        group="DEFAULT",
        kind="choice",
        default="keystone",
        choices=("keystone", "noauth2"),
        help="How callers of the API prove who they are; noauth2 makes every caller an administrator and is for tests only.",
    ),
    Option(
        name="masakari_api_listen",
        group="DEFAULT",
        kind="str",
        default="0.0.0.0",  # noqa: S104 - upstream's default; an API is there to be reached
        help="Address the API listens on.",
    ),
    _port("DEFAULT", "masakari_api_listen_port", 15868, "Port the API listens on."),
    _count("DEFAULT", "masakari_api_threads", 16, "Threads that serve API requests.", high=512),
    _count("DEFAULT", "osapi_max_limit", 1000, "Most rows that one list answers with."),
    _text(
        "DEFAULT", "osapi_masakari_link_prefix", "Base URL for links in answers, where it differs from what was called."
    ),
    _seconds(
        "DEFAULT",
        "duplicate_notification_detection_interval",
        180,
        "A notification equal to one generated less than this before it is a duplicate, unless that one is over and this is another failure.",
        low=0,
        high=100 * 365 * 86400,
    ),
    _text("DEFAULT", "host", "Name of this engine, unique among the engines of one database."),
    _flag("DEFAULT", "debug", False, "Log at debug level."),
    _text("DEFAULT", "log_file", "File to log to; without it the log goes to standard error."),
    _text("DEFAULT", "os_region_name", "Region of the Nova and Placement to use."),
    _text("DEFAULT", "state_path", "Folder for the service's own files.", default="/var/lib/masakari"),
    _text(
        "DEFAULT",
        "nova_catalog_admin_info",
        "Catalog entry of Nova as service_type:service_name:endpoint_type.",
        default="compute:nova:publicURL",
    ),
    _text("DEFAULT", "nova_ca_certificates_file", "CA file for Nova and Keystone."),
    _flag("DEFAULT", "nova_api_insecure", False, "Do not check Nova's certificate."),
    # --- Nova's credentials: [keystone_authtoken] as upstream reads them
    _text(
        "host_failure",
        "service_disable_reason",
        "Reason that Nova shows for a compute service that we disabled.",
        default="Masakari detected host failed.",
    ),
    _flag("host_failure", "ignore_instances_in_error_state", False, "Leave instances alone whose vm_state is error."),
    _flag(
        "host_failure",
        "add_reserved_host_to_aggregate",
        False,
        "Add a reserved host that is used to those of the failed host's aggregates that are not of another availability zone.",
    ),
    _flag(
        "host_failure",
        "evacuate_all_instances",
        True,
        "Evacuate all instances of a host, those first that ha_enabled_instance_metadata_key marks; otherwise only these.",
    ),
    _text(
        "host_failure",
        "ha_enabled_instance_metadata_key",
        "Key of an instance's metadata that marks it, with a value like True, as one to evacuate first, or alone.",
        default="HA_Enabled",
    ),
    _flag(
        "instance_failure",
        "process_all_instances",
        False,
        "Restart every instance that is reported failed; otherwise only those that ha_enabled_instance_metadata_key marks.",
    ),
    _text(
        "instance_failure",
        "ha_enabled_instance_metadata_key",
        "Key of an instance's metadata that marks it, with a value like True, as one to restart.",
        default="HA_Enabled",
        known_as="instance_ha_key",
    ),
    _seconds(
        "DEFAULT", "verify_interval", 1, "Time between two looks at an instance that is stopped or started.", low=0.1
    ),
    _seconds(
        "DEFAULT", "wait_period_after_power_off", 180, "Time that Nova has to stop an instance that failed.", low=1
    ),
    _seconds("DEFAULT", "wait_period_after_power_on", 60, "Time that Nova has to start it again.", low=1),
    _text(
        "process_failure",
        "service_disable_reason",
        "Reason that Nova shows for a compute service that we disabled because nova-compute stopped. One that we disabled, and that "
        "still has this reason, is enabled when the process is back.",
        default="Masakari detected process failed.",
        known_as="process_disable_reason",
    ),
    # --- fencing
    _text(
        "fencing",
        "inventory",
        "File with the BMC of each host; its mode must be 0600.",
        default="/etc/masakari/fencing.yaml",
    ),
    _seconds(
        "fencing",
        "power_read_spacing_seconds",
        2.0,
        "Least time between two readings of OFF that make a proof.",
        low=2.0,
    ),
    _count("fencing", "fence_attempts", 3, "Power-off orders in one round of fencing a host.", high=20),
    _seconds(
        "fencing",
        "fence_retry_seconds",
        10.0,
        "Time after which a power-off that left the host ON is ordered again.",
        low=2,
    ),
    _seconds(
        "fencing",
        "fence_seconds",
        45.0,
        "Time after which a round of fencing that proved nothing waits for a human.",
        low=5,
    ),
    _count(
        "fencing",
        "fence_rounds",
        3,
        "Rounds of fencing that begin by themselves, for a BMC that was away and came back.",
        high=20,
    ),
    _seconds(
        "fencing",
        "unproven_read_seconds",
        10.0,
        "Time between readings of power while a recovery waits for a proof.",
        low=2,
    ),
    _seconds(
        "fencing",
        "proof_valid_seconds",
        30.0,
        "Age at which a proof no longer allows an order. Must exceed proof_refresh_seconds plus power_call_seconds.",
        low=5,
        high=600,
    ),
    _seconds(
        "fencing", "proof_refresh_seconds", 10.0, "Time between readings of power while instances are moved.", low=2
    ),
    _seconds(
        "fencing", "human_word_valid_seconds", 3600.0, "Time for which a human's confirm proves a host off.", low=60
    ),
    _seconds(
        "fencing",
        "detector_word_valid_seconds",
        3600.0,
        "Time for which a monitor's word is acted on in a segment with policy = detector, where there is no proof.",
        low=60,
    ),
    _seconds(
        "fencing",
        "power_call_seconds",
        8.0,
        "Hard deadline of one call to a BMC; its process is killed then.",
        low=2,
        high=60,
    ),
    _count("fencing", "power_calls", 32, "Calls to different BMCs at the same time.", high=512),
    # --- recovery
    _seconds(
        "recovery",
        "witness_interval_seconds",
        2.0,
        "Time between readings of Nova's heartbeats while a witness is sought.",
        low=1,
    ),
    _seconds(
        "recovery",
        "heartbeat_silence_seconds",
        30.0,
        "A heartbeat that did not change for so long under our eyes is silent, even if Nova still says up. "
        "At least three times Nova's report_interval.",
        low=3,
    ),
    _seconds(
        "recovery",
        "reconnect_seconds",
        90.0,
        "After an outage of Nova's message bus a host that is still silent counts as silent only once Nova has heard the others for so "
        "long: clients of the bus may take a minute and a half to come back.",
        low=2,
    ),
    _seconds(
        "recovery",
        "off_silence_seconds",
        12.0,
        "A host that already reads OFF is believed once its heartbeat did not change for so long. More than Nova's report_interval.",
        low=2,
    ),
    _seconds(
        "recovery",
        "dispute_seconds",
        300.0,
        "Time after which a report that Nova keeps contradicting is closed.",
        low=30,
    ),
    _seconds(
        "recovery", "alert_interval_seconds", 300.0, "Time between alerts of a recovery that waits for a human.", low=10
    ),
    _count(
        "recovery",
        "orders_at_once",
        1,
        "Evacuations of one host that Nova is asked for at a time. With more its scheduler picks the same host for many of them, and "
        "the claims there wait for each other.",
        high=64,
    ),
    _count(
        "recovery", "moves_in_flight", 128, "Evacuations of one host that Nova may be working on at a time.", high=1000
    ),
    _count(
        "recovery",
        "move_attempts",
        3,
        "Evacuations of an instance that may fail; orders that Nova never took do not count.",
        high=20,
    ),
    _seconds(
        "recovery", "move_retry_seconds", 10.0, "Time before a failed move is tried again; doubles each time.", low=1
    ),
    _seconds(
        "recovery",
        "move_seconds",
        300.0,
        "Time after which a move that Nova took and did not end is called stalled.",
        low=10,
    ),
    _seconds(
        "recovery",
        "no_capacity_seconds",
        300.0,
        "Time for which an instance is tried again that finds no room on any host; then it fails, with what is missing. Such tries do not "
        "count as move_attempts.",
        low=0,
    ),
    _seconds(
        "recovery",
        "no_capacity_pause_seconds",
        60.0,
        "Longest pause between two such tries; the first is move_retry_seconds, then they grow.",
        low=1,
        high=3600,
    ),
    _seconds(
        "recovery",
        "answer_settle_seconds",
        20.0,
        "Time before an order without an answer that Nova shows no trace of is repeated.",
        low=1,
    ),
    _seconds("recovery", "progress_seconds", 4.0, "Time between readings of Nova's migration records.", low=1),
    _seconds("recovery", "progress_end_seconds", 1.0, "The same when few moves are left.", low=0.2),
    _count("recovery", "progress_end_moves", 3, "What 'few' means there.", high=100),
    _seconds("recovery", "nova_retry_seconds", 5.0, "Time before a call that Nova did not answer is repeated.", low=1),
    _seconds("recovery", "verify_seconds", 30.0, "Longest time between two looks at where the instances are.", low=5),
    Option(
        name="local_disk",
        group="recovery",
        kind="choice",
        default="wait",
        choices=("wait", "rebuild"),
        help="What to do with an instance whose disk may exist on the dead host only: wait for the host, or rebuild it from its "
        "image on another host, which loses what was written since.",
    ),
    _text(
        "recovery",
        "policy_file",
        "File that says what is done about a failed host, instance or process, and in which segment; without it everything is recovered.",
        default="/etc/masakari/recovery.yaml",
    ),
    _flag(
        "recovery",
        "shared_storage",
        False,
        "The disks of all instances are on storage that all hosts share (Ceph, NFS): evacuating loses nothing.",
    ),
    _count(
        "recovery",
        "instance_restarts_per_hour",
        3,
        "Starts of one instance within an hour; when it fails once more it is left as it is, and a human is told.",
        high=1000,
    ),
    _seconds(
        "recovery",
        "instance_settle_seconds",
        180.0,
        "Time that an instance which failed is looked at for while it is busy, or its host not up, before a human is asked.",
        low=5,
    ),
    # --- the order of moves
    _text(
        "recovery",
        "priority_key",
        "Key of a flavor's extra specs, of an image's properties and, with trust_tenant_metadata, of an instance's metadata that says how "
        "soon an instance is evacuated: a whole number from 0 to 1000, a higher one first.",
        default="ha_priority",
    ),
    _count(
        "recovery",
        "default_priority",
        100,
        "Priority of an instance of which nothing says one, or a text that is no such number.",
        low=0,
        high=1000,
    ),
    _flag(
        "recovery",
        "trust_tenant_metadata",
        False,
        "Take the priority of an instance from its metadata too, before all else: its owner may then go before all others.",
    ),
    _flag(
        "recovery",
        "read_images",
        True,
        "Ask Glance, for at most 5 seconds, for the properties of the images that the instances of a failed host boot from.",
    ),
    # --- what upstream left
    Option(
        name="connection",
        group="taskflow",
        kind="str",
        secret=True,
        help="URL of the database in which upstream's engine kept its task flows, where that is not [database] connection; the progress "
        "of its old recoveries is read there, and nothing written.",
    ),
    # --- guards
    _count(
        "guards",
        "brake_hosts",
        2,
        "Hosts of one segment that may fail within brake_window_seconds before power-offs stop.",
        low=1,
    ),
    _count(
        "guards",
        "brake_percent",
        30,
        "The same as a percentage of the segment's hosts; the larger of the two counts.",
        low=0,
        high=100,
    ),
    _seconds("guards", "brake_window_seconds", 300.0, "Time over which failures of a segment are counted.", low=30),
    _count(
        "guards",
        "power_offs_at_once",
        8,
        "Hosts that may be in a round of fencing at a time, over all segments and engines; others wait for their turn.",
        high=1000,
    ),
    _count(
        "guards",
        "power_offs_per_hour",
        60,
        "Hosts that are powered off within an hour without a human, over all segments; 0: each one waits for a human.",
        low=0,
    ),
    _count("guards", "segment_power_offs_per_hour", 30, "The same for the hosts of one segment.", low=0),
    _count(
        "guards",
        "quarantine_failures",
        3,
        "Failures of a host within quarantine_window_seconds after which its next one waits for a human.",
    ),
    _seconds(
        "guards",
        "quarantine_window_seconds",
        86400.0,
        "Time over which failures of one host are counted.",
        low=60,
        high=2592000,
    ),
    # --- engine
    _seconds(
        "engine", "lease_seconds", 8.0, "Time for which an engine owns a recovery without renewing.", low=2, high=60
    ),
    _seconds(
        "engine",
        "order_seconds",
        12.0,
        "Age at which an order must have left, and an order to Nova must have ended. Must not be shorter than power_call_seconds.",
        low=2,
        high=60,
    ),
    _seconds(
        "engine",
        "takeover_margin_seconds",
        3.0,
        "What a successor waits beyond lease and longest order.",
        low=0.5,
        high=60,
    ),
    _seconds("engine", "read_seconds", 60.0, "Deadline of a reading of Nova or Placement.", low=5, high=600),
    _seconds("engine", "poll_seconds", 1.0, "Longest sleep between two looks at the database.", low=0.1, high=60),
    _count("engine", "evacuate_threads", 4, "Orders to Nova that are under way at the same time.", high=64),
    _count(
        "engine",
        "recoveries_at_once",
        64,
        "Recoveries that one engine works on at a time; those that wait for a fact or a human do not count.",
        high=10_000,
    ),
    # --- alerts
    Option(
        name="webhooks",
        group="alerts",
        kind="list",
        secret=True,
        help="URLs, divided by commas, that alerts are posted to; the same on all engines. A comma within one is written %2C.",
    ),
    _text(
        "alerts",
        "secret_file",
        "File with the secret that alerts are signed with, mode 0600; with a second line both sign, so that a secret can be changed. "
        "Without it they are not signed.",
    ),
    _text("alerts", "ca_file", "CA file for the webhooks' certificates; without it the system's."),
    _text(
        "alerts",
        "proxy",
        "Proxy to the webhooks, like http://proxy:3128; none is taken from the environment.",
        secret=True,
    ),
    _seconds("alerts", "post_seconds", 10.0, "Time in which a webhook must take an alert.", low=1, high=60),
    _seconds("alerts", "retry_seconds", 5.0, "Time before an alert is sent again; doubles each time.", low=1),
    _seconds("alerts", "longest_retry_seconds", 300.0, "The longest of these times.", low=1),
    _seconds("alerts", "give_up_seconds", 21600.0, "Age at which an alert is given up.", low=60, high=604800),
    # --- metrics
    _port("metrics", "engine_port", 0, "Port of an engine's metrics for Prometheus, without a password; 0 is none."),
    _text("metrics", "engine_listen", "Address of that port.", default="127.0.0.1"),
    _flag("metrics", "api_enabled", False, "Show at /metrics of the API, without a token, what the database tells."),
    _count(
        "engine",
        "incidents_at_once",
        8,
        "Incidents of instances and processes that one engine works on at a time, beside recoveries of hosts.",
        high=1000,
    ),
    # --- names of upstream that were missing above
    _text("DEFAULT", "log_dir", "Folder to log to, in a file named after the program; log_file goes before it."),
    _text(
        "DEFAULT",
        "os_privileged_user_name",
        "User for Nova and Placement; without it they see the user of [keystone_authtoken].",
    ),
    _text("DEFAULT", "os_privileged_user_password", "Password of os_privileged_user_name.", secret=True),
    _text("DEFAULT", "os_privileged_user_tenant", "Project of os_privileged_user_name."),
    _text(
        "DEFAULT",
        "os_privileged_user_auth_url",
        "Keystone of os_privileged_user_name; without it the one of [keystone_authtoken].",
    ),
    _text("DEFAULT", "os_user_domain_name", "Domain of os_privileged_user_name.", default="default"),
    _text("DEFAULT", "os_project_domain_name", "Domain of os_privileged_user_tenant.", default="default"),
    _text("DEFAULT", "os_system_scope", "Scope of os_privileged_user_name where it is the system and no project: all."),
    # --- the server that masakari-api starts
    _count(
        "DEFAULT",
        "masakari_api_workers",
        0,
        "Processes that serve the API, each with masakari_api_threads; 0 is one per processor, but not more than 4.",
        low=0,
        high=1024,
    ),
    _seconds(
        "DEFAULT",
        "graceful_shutdown_timeout",
        10.0,
        "Time that requests under way have to end when the API is stopped; 0 is as long as they take.",
        low=0,
    ),
    _flag("DEFAULT", "use_ssl", False, "Serve the API over TLS, with the certificate and key of [wsgi]."),
    _text("wsgi", "ssl_cert_file", "File with the API's certificate, and those that lead to its CA."),
    _text("wsgi", "ssl_key_file", "File with the key of ssl_cert_file."),
    _text("wsgi", "ssl_ca_file", "CA file; with it only clients with a certificate of that CA are served."),
    _count(
        "wsgi",
        "max_header_line",
        16384,
        "Most bytes of one header of a request; all of them may have four times as many.",
        low=0,
        high=100_000_000,
    ),
    _flag("wsgi", "keep_alive", True, "Keep a client's connection open for its next request."),
    _seconds("wsgi", "tcp_keepidle", 600, "Time before the kernel asks whether a silent client is still there.", low=1),
)
