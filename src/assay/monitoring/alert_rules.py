"""What an alert watches, and when it changes its state: one table of transitions, no clock and no database.

| metric | value | fires above |
| --- | --- | --- |
| `failure_rate` | share of failed among the runs that completed or failed in the window | threshold (0 to 1) |
| `error_count` | failed runs of the window | threshold |
| `latency_p95` | milliseconds from a run's creation to its end, 95th percentile of the window | threshold |
| `open_debt_age` | hours since the oldest open feedback was given | threshold |
| `queue_age` | hours that the oldest item has waited for a verdict | threshold |
| `miss_rate` | lower bound of the share of wrong results that holds however often one looks | threshold |
| `drift` | 1 if the inputs have drifted, else 0 | 0 |
| `unlike_dataset` | lower bound of the share of runs of the last 7 days of a kind that no example is | threshold |

Rates and percentiles of fewer than `minimum` runs are no data. So a miss rate fires only when it is shown to be above
the threshold, and by chance in one of twenty automations at most, ever.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Metric = Literal[
    "failure_rate", "error_count", "latency_p95", "open_debt_age", "queue_age", "miss_rate", "drift", "unlike_dataset"
]
State = Literal["ok", "firing", "no_data"]
Told = Literal["alert.firing", "alert.resolved"]

LONGEST_WINDOW = 7 * 24 * 60


class AlertRule(BaseModel):
    """One thing to be told of."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    metric: Metric = Field(description="What is watched.")
    threshold: float = Field(default=0.0, ge=0, description="It fires while the value is above it.")
    window_minutes: int = Field(
        default=60, ge=5, le=LONGEST_WINDOW, alias="windowMinutes", description="Runs that ended in so many minutes."
    )
    minimum: int = Field(default=20, ge=1, le=100_000, description="Fewer runs in the window are no data.")
    renotify_minutes: int | None = Field(
        default=None, ge=5, le=43_200, alias="renotifyMinutes", description="Told again while it fires; null: once."
    )
    name: str | None = Field(default=None, max_length=200, description="What people call it.")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands, since when, and when it was last told of."""

    state: State = "ok"
    changed_at: datetime | None = None
    notified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a look at the value comes to: where the alert stands now, and what is to be told, if anything."""

    standing: Standing
    told: Told | None
    repeated: bool = False


def step(rule: AlertRule, before: Standing, value: float | None, now: datetime) -> Step:
    """Move an alert on. A value of None is no data: it ends what fires, and says so."""
    state: State = "no_data" if value is None else "firing" if value > rule.threshold else "ok"
    if state != before.state:
        told = _TOLD.get((before.state, state))
        return Step(Standing(state, now, now if told else before.notified_at), told)
    if state == "firing" and _is_due(rule, before, now):
        return Step(Standing(state, before.changed_at, now), "alert.firing", repeated=True)
    return Step(before, None)


_TOLD: dict[tuple[State, State], Told] = {
    ("ok", "firing"): "alert.firing",
    ("no_data", "firing"): "alert.firing",
    ("firing", "ok"): "alert.resolved",
    ("firing", "no_data"): "alert.resolved",
}


def _is_due(rule: AlertRule, before: Standing, now: datetime) -> bool:
    if rule.renotify_minutes is None or before.notified_at is None:
        return False
    return now - before.notified_at >= timedelta(minutes=rule.renotify_minutes)
