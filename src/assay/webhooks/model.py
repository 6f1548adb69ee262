"""What an endpoint, a delivery and an attempt are, and how patient a delivery is."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

State = Literal["pending", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of an organization that is told of events; its secrets are sealed.

    `events` are types, families (`run.*`) or `*`. `automation_id` None: of all automations. `disabled_reason` None
    while it is disabled: a person did it. `failures` counts the attempts that failed since the last that did not.
    """

    id: str
    organization_id: str
    url: str
    description: str | None
    events: tuple[str, ...]
    automation_id: str | None
    enabled: bool
    disabled_reason: str | None
    failures: int
    failing_since: datetime | None
    encrypted_secret: bytes = field(repr=False)
    encrypted_old_secret: bytes | None = field(repr=False)
    old_secret_until: datetime | None
    created_by: str | None
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with a secret just made; the only place where it can ever be read."""

    endpoint: Endpoint
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint. `attempts` were begun; `is_test`: somebody tries the endpoint out."""

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    is_test: bool
    state: State
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request. Without `duration_ms` it goes on, or was lost with its worker; without `error` it was accepted."""

    number: int
    started_at: datetime
    duration_ms: int | None
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in a worker's hands, with all that its request needs. `tries` includes the one to be made."""

    delivery_id: str
    attempt: int
    tries: int
    endpoint: Endpoint
    event_id: str
    event_type: str
    is_test: bool
    payload: str
    emitted_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt; `error` None: the endpoint accepted the event. `status` 410: it wants no more."""

    duration_ms: int
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what, in seconds.

    After each of `delays` (varied by a fifth) a failed delivery is tried again: ten attempts within about a day. An
    endpoint is disabled after `most_failures` in a row, the first of them `failing_seconds` ago. An attempt that is
    not recorded after `lease_seconds` was lost with its worker.
    """

    attempt_seconds: float = 15.0
    delays: tuple[float, ...] = (5, 60, 300, 900, 3600, 7200, 14400, 28800, 28800)
    most_failures: int = 20
    failing_seconds: float = 24 * 3600
    lease_seconds: float = 60.0
    look_again_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Hold that no attempt is taken for lost while it still goes on."""
        assert self.lease_seconds > self.attempt_seconds

    def disables(self, failures: int, failing_for: timedelta) -> bool:
        """Tell whether so many failures in a row, over that time, are enough to disable an endpoint."""
        return failures >= self.most_failures and failing_for.total_seconds() >= self.failing_seconds
