"""Monitoring: how an automation fares in production, and alerts."""

from collections.abc import Mapping
from typing import Any

from assay_client.transport import Transport, segment


class Monitoring:
    """`/automations/{id}/reviews/health` and `/automations/{id}/alerts`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.monitoring`."""
        self._transport = transport

    def health(self, automation: str, **query: Any) -> dict[str, Any]:
        """Return `{summary, buckets, rolling, quality, debt, queue, drift, judges, reviewers, …}`.

        `query` takes `from_` and `to` (or how long ago: `7d`), `bucket`, `rollingWindow`, and filters of runs.
        """
        asked = {name.rstrip("_"): value for name, value in query.items()}
        return self._transport.request("GET", f"{_path(automation)}/reviews/health", query=asked)

    def operations(self, automation: str, **query: Any) -> dict[str, Any]:
        """Return `{overall, failures, buckets, …}`; `query` takes `from_` and `to` as `health` does, and `bucket`."""
        asked = {name.rstrip("_"): value for name, value in query.items()}
        return self._transport.request("GET", f"{_path(automation)}/operations", query=asked)

    def lifecycle(self, automation: str) -> dict[str, Any]:
        """Return `{stages, nextStage, beforeYouShip, mayShip}`; each line is `{key, title, done, evidence, action}`."""
        return self._transport.request("GET", f"{_path(automation)}/lifecycle")

    def alerts(self, automation: str) -> dict[str, Any]:
        """Return `{data, total}`, the oldest first."""
        return self._transport.request("GET", f"{_path(automation)}/alerts")

    def add_alert(self, automation: str, rule: Mapping[str, Any]) -> dict[str, Any]:
        """Watch something: `{metric, threshold, windowMinutes, minimum, renotifyMinutes, name}`.

        Raises:
            InvalidRequestError: it is not valid; `issues` lists everything that is wrong.
        """
        return self._transport.request("POST", f"{_path(automation)}/alerts", body=dict(rule))

    def preview_alert(self, automation: str, rule: Mapping[str, Any], *, days: int = 7) -> dict[str, Any]:
        """Try a rule out on the past: `{fired, firingNow, points}`; nothing is written."""
        path = f"{_path(automation)}/alerts/preview"
        return self._transport.request("POST", path, body={**rule, "days": days}, repeatable=True)

    def remove_alert(self, automation: str, alert_id: str) -> dict[str, Any]:
        """Watch it no longer."""
        return self._transport.request("DELETE", f"{_path(automation)}/alerts/{segment(alert_id)}")


def _path(automation: str) -> str:
    return f"/automations/{segment(automation)}"
