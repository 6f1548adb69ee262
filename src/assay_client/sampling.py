"""Sampling: which runs are drawn for review, the rates there were, and what rate is needed."""

from collections.abc import Mapping
from typing import Any, Literal

from assay_client.transport import Transport, segment


class Sampling:
    """Everything below `/automations/{id}/sampling`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.sampling`."""
        self._transport = transport

    def policy(self, automation: str) -> dict[str, Any]:
        """Return `{automationId, policy, isDefault, updatedBy, updatedAt}`."""
        return self._transport.request("GET", _path(automation))

    def set_policy(self, automation: str, policy: Mapping[str, Any], *, reason: str | None = None) -> dict[str, Any]:
        """Put a policy in force: `{rate, floor, strata, doubleReviewShare, judgeShare, minimumPerDay, auto, …}`.

        What is left out has its default. `reason` is kept with a change of the rate.

        Raises:
            InvalidRequestError: it is not valid; `issues` lists everything that is wrong.
        """
        body = {**policy, **({} if reason is None else {"reason": reason})}
        return self._transport.request("PUT", _path(automation), body=body, repeatable=True)

    def advice(self, automation: str, *, mode: Literal["live", "shadow"] = "live") -> dict[str, Any]:
        """Say what rate is needed: `{action, rate, recommendedRate, measured, sentence, missRate, nextStep, …}`.

        `action` is `keep`, `lower` or `raise`. It rests on the reviews of the random sample alone.
        """
        return self._transport.request("GET", f"{_path(automation)}/advice", query={"mode": mode})

    def history(self, automation: str, *, limit: int = 50, offset: int = 0) -> dict[str, Any]:
        """Return a page `{data, total}` of the changes of the rate, newest first."""
        query = {"limit": limit, "offset": offset}
        return self._transport.request("GET", f"{_path(automation)}/history", query=query)


def _path(automation: str) -> str:
    return f"/automations/{segment(automation)}/sampling"
