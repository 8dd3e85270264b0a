"""Every option of upstream Masakari 14, 19 and 22, and what becomes of it here. Plain data; imports nothing of the service.

Rules:
1. An option is honoured (it means what it means upstream, here or in the library that reads it), mapped (an option of ours with
   another name takes its value) or ignored, with the reason. `unit_tests/config/upstream-22.0.0.txt` and its siblings are
   upstream's own lists; tests compare.
2. What upstream takes for a value, ours takes too: a file that starts upstream starts this service.
3. What a file sets and nobody reads is named in one line of the log at start.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What becomes of an option of upstream's."""

    HONOURED = "honoured"
    MAPPED = "mapped"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamOption:
    """One option, or with the name `*` all of a group.

    `note` names the reader of what is honoured where that is a library, our option for what is mapped, and else says why it is ignored.
    """

    group: str
    name: str
    fate: Fate
    note: str = ""

    def covers(self, group: str, name: str) -> bool:
        """Tell whether this row is about the option; groups are compared as oslo.config does, whatever their case."""
        return self.group.lower() == group.lower() and self.name in ("*", name)


def fate_of(group: str, name: str) -> UpstreamOption | None:
    """Return the row about an option, None where upstream has none of that name."""
    return next((row for row in UPSTREAM if row.covers(group, name)), None)


def _honoured(group: str, names: str, note: str = "") -> tuple[UpstreamOption, ...]:
    return tuple(UpstreamOption(group=group, name=name, fate=Fate.HONOURED, note=note) for name in names.split())


def _mapped(group: str, name: str, ours: str) -> tuple[UpstreamOption, ...]:
    return (UpstreamOption(group=group, name=name, fate=Fate.MAPPED, note=ours),)


def _ignored(group: str, names: str, why: str) -> tuple[UpstreamOption, ...]:
    return tuple(UpstreamOption(group=group, name=name, fate=Fate.IGNORED, note=why) for name in names.split())


UPSTREAM: tuple[UpstreamOption, ...] = (
    # --- the API
    *_honoured(
        "DEFAULT",
        "auth_strategy osapi_max_limit osapi_masakari_link_prefix duplicate_notification_detection_interval "
        "masakari_api_listen masakari_api_listen_port masakari_api_workers use_ssl graceful_shutdown_timeout",
    ),
    *_honoured("wsgi", "ssl_ca_file ssl_cert_file ssl_key_file tcp_keepidle max_header_line keep_alive"),
    *_ignored("DEFAULT", "notification_delay_max", "the database decides what is a duplicate, without a delay"),
    *_ignored("coordination", "backend_url", "the database decides what is a duplicate, without a lock service"),
    *_ignored(
        "DEFAULT",
        "use_forwarded_for",
        "nothing here reads the client's address; [oslo_middleware] enable_proxy_headers_parsing is for links",
    ),
    *_ignored("DEFAULT", "fatal_exception_format_errors", "it is a switch for upstream's own tests"),
    *_ignored("wsgi", "api_paste_config", "the layers around the API are fixed; no api-paste.ini is read"),
    *_ignored("wsgi", "wsgi_log_format", "requests are not logged; a proxy or another WSGI server logs them"),
    *_ignored(
        "wsgi", "secure_proxy_ssl_header", "deprecated upstream; set [oslo_middleware] enable_proxy_headers_parsing"
    ),
    *_ignored("wsgi", "default_pool_size", "threads serve requests; see [DEFAULT] masakari_api_threads"),
    *_ignored("wsgi", "client_socket_timeout", "a connection holds a thread, and is closed after 10 silent seconds"),
    *_ignored("osapi_v1", "extensions_blacklist extensions_whitelist", "upstream does not read it either"),
    *_ignored(
        "osapi_v1", "project_id_regex", "deprecated upstream; ids of projects are hexadecimal, with or without -"
    ),
    *_ignored(
        "ssl", "ca_file cert_file key_file version ciphers", "upstream does not read it either; see [wsgi] ssl_*"
    ),
    # --- Nova and Keystone
    *_honoured(
        "DEFAULT",
        "nova_catalog_admin_info os_region_name nova_ca_certificates_file nova_api_insecure os_privileged_user_name "
        "os_privileged_user_password os_privileged_user_tenant os_privileged_user_auth_url os_user_domain_name "
        "os_project_domain_name os_system_scope",
    ),
    *_honoured("keystone_authtoken", "*", "keystonemiddleware"),
    # --- the engine
    *_honoured("DEFAULT", "host"),
    *_honoured(
        "host_failure",
        "evacuate_all_instances ha_enabled_instance_metadata_key ignore_instances_in_error_state service_disable_reason "
        "add_reserved_host_to_aggregate",
    ),
    *_honoured("instance_failure", "process_all_instances ha_enabled_instance_metadata_key"),
    *_honoured("process_failure", "service_disable_reason"),
    *_ignored(
        "DEFAULT",
        "masakari_topic",
        "an order on upstream's topic would be acted on by an engine of upstream's; only masakari-status asks there whether one lives",
    ),
    *_ignored("DEFAULT", "notification_driver engine_manager", "there is one engine"),
    *_ignored(
        "DEFAULT",
        "wait_period_after_service_update",
        "the proof that a host is off, and Nova's own answers, take the place of the wait",
    ),
    *_ignored(
        "DEFAULT",
        "wait_period_after_evacuation",
        "Nova's records say when an evacuation has ended; see [recovery] move_seconds",
    ),
    *_honoured("DEFAULT", "verify_interval wait_period_after_power_off wait_period_after_power_on"),
    *_ignored(
        "DEFAULT",
        "process_unfinished_notifications_interval retry_notification_new_status_interval "
        "check_expired_notifications_interval",
        "engines look at the database each [engine] poll_seconds",
    ),
    *_ignored("DEFAULT", "notifications_expired_interval", "a recovery does not expire: it ends, or waits for a human"),
    *_ignored(
        "DEFAULT",
        "host_failure_recovery_threads",
        "evacuations are followed, not waited for; see [recovery] orders_at_once and moves_in_flight",
    ),
    *_ignored(
        "DEFAULT",
        "report_interval service_down_time periodic_enable periodic_interval_max periodic_fuzzy_delay "
        "run_external_periodic_tasks",
        "engines need no periodic tasks: they hold leases in the database",
    ),
    *_honoured("taskflow", "connection"),
    *_ignored(
        "taskflow_driver_recovery_flows",
        "host_auto_failure_recovery_tasks host_rh_failure_recovery_tasks instance_failure_recovery_tasks "
        "process_failure_recovery_tasks",
        "the order of steps is what keeps a recovery safe, and fixed; a task that is not upstream's keeps the engine from starting; see "
        "[recovery] policy_file",
    ),
    # --- places, and what the interpreter is told
    *_honoured("DEFAULT", "state_path"),
    *_ignored("DEFAULT", "tempdir pybasedir bindir", "nothing is looked for there"),
    *_ignored("DEFAULT", "monkey_patch monkey_patch_modules", "it decorates modules of upstream's"),
    *_ignored("DEFAULT", "backdoor_port backdoor_socket", "there is no back door"),
    *_ignored("DEFAULT", "log_options", "masakari-manage config check prints what would be used"),
    *_ignored("oslo_concurrency", "*", "there are no lock files"),
    # --- the log
    *_honoured("DEFAULT", "debug log_file log_dir"),
    *_mapped("DEFAULT", "logfile", "log_file"),
    *_mapped("DEFAULT", "logdir", "log_dir"),
    *_ignored("DEFAULT", "log_config_append log_config", "the log has one form, and goes to a file or standard error"),
    *_ignored(
        "DEFAULT",
        "use_syslog use_journal use_json use_stderr syslog_log_facility log_color log_date_format "
        "logging_context_format_string logging_default_format_string logging_debug_format_suffix logging_exception_prefix "
        "logging_user_identity_format default_log_levels publish_errors instance_format instance_uuid_format "
        "rate_limit_interval rate_limit_burst rate_limit_except_level fatal_deprecations",
        "the log has one form, and goes to a file or standard error",
    ),
    *_ignored(
        "DEFAULT",
        "log_rotate_interval log_rotate_interval_type max_logfile_count max_logfile_size_mb log_rotation_type",
        "logrotate may move the file away; it is opened again",
    ),
    # --- what libraries read
    *_honoured(
        "database",
        "connection connection_recycle_time max_pool_size max_overflow pool_timeout mysql_wsrep_sync_wait connection_parameters",
        "oslo.db",
    ),
    *_ignored("database", "slave_connection", "decisions need what was written last, and a replica may lag behind"),
    *_ignored("database", "backend asyncio_connection asyncio_slave_connection", "the URL says which driver is used"),
    *_ignored("database", "mysql_sql_mode", "the service relies on TRADITIONAL: a text that is cut in silence is none"),
    *_ignored("database", "sqlite_synchronous", "a commit that was acknowledged has to outlive a power cut"),
    *_ignored("database", "connection_debug connection_trace", "statements are not logged"),
    *_ignored(
        "database",
        "mysql_enable_ndb synchronous_reader",
        "the tables are those of InnoDB, and there is one kind of reader",
    ),
    *_ignored(
        "database",
        "sql_connection sql_max_retries reconnect_interval sqlalchemy_max_overflow sqlalchemy_pool_timeout",
        "the name went out of use before 2015; write the one of today",
    ),
    *_ignored(
        "database",
        "max_retries retry_interval use_db_reconnect db_retry_interval db_inc_retry_interval db_max_retry_interval db_max_retries",
        "a database that is away is asked again for ever by an engine, and told at once to a client of the API",
    ),
    *_honoured(
        "DEFAULT",
        "transport_url control_exchange rpc_ping_enabled",
        "oslo.messaging",
    ),
    *_ignored("DEFAULT", "executor_thread_pool_size rpc_thread_pool_size", "one thread hears the doorbell"),
    *_ignored("DEFAULT", "rpc_response_timeout", "nothing waits for an answer over the broker"),
    *_ignored("DEFAULT", "rpc_conn_pool_size conn_pool_min_size conn_pool_ttl", "one connection carries the doorbell"),
    *_honoured("oslo_messaging_amqp", "*", "oslo.messaging"),
    *_honoured("oslo_messaging_rabbit", "*", "oslo.messaging"),
    *_honoured("oslo_messaging_kafka", "*", "oslo.messaging"),
    *_honoured("oslo_messaging_notifications", "*", "oslo.messaging"),
    *_honoured("oslo_policy", "*", "oslo.policy"),
    *_honoured("oslo_middleware", "*", "oslo.middleware"),
    *_honoured("cors", "*", "oslo.middleware"),
    *_ignored("healthcheck", "*", "the health check is upstream's: 503 while /etc/masakari/healthcheck_disable exists"),
    *_ignored("oslo_middleware_tracing", "*", "requests are not traced"),
)
