"""What masakari.conf says of alerts and metrics: two parts of `vmha.settings`, by the same rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmha.core.alerting import RetryTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Where alerts go, and for how long that is tried."""

    webhooks: tuple[str, ...] = field(repr=False)
    secret_file: str | None
    ca_file: str | None
    proxy: str | None = field(repr=False)
    post_seconds: float
    retry_seconds: float
    longest_retry_seconds: float
    give_up_seconds: float

    @property
    def retry_terms(self) -> RetryTerms:
        """Say when an alert that was not taken is sent again."""
        return RetryTerms(
            retry_seconds=self.retry_seconds,
            longest_retry_seconds=self.longest_retry_seconds,
            give_up_seconds=self.give_up_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Where metrics are shown."""

    engine_port: int
    engine_listen: str
    api_enabled: bool
