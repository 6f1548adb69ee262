"""Gates: what a version must have shown before it may become current, and whether it has."""

from collections.abc import Mapping
from typing import Any

from assay_client.transport import Transport, segment


class Gates:
    """Everything below `/automations/{id}/gate`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.gates`."""
        self._transport = transport

    def policy(self, automation: str) -> dict[str, Any]:
        """Return `{automationId, policy, updatedBy, updatedAt}`; `policy` is None where nothing is asked."""
        return self._transport.request("GET", _path(automation))

    def set_policy(self, automation: str, policy: Mapping[str, Any]) -> dict[str, Any]:
        """Put a policy in force: `{mustPass, minPassRate, nonInferiorityMargin, minExamples}`, each optional.

        Raises:
            InvalidRequestError: it is not valid; `issues` lists everything that is wrong.
        """
        return self._transport.request("PUT", _path(automation), body=policy, repeatable=True)

    def remove_policy(self, automation: str) -> dict[str, Any]:
        """Ask nothing of versions any more. A second call changes nothing."""
        return self._transport.request("DELETE", _path(automation))

    def examine(self, automation: str, version: str, *, results: bool = False) -> dict[str, Any]:
        """Say how a version (label, id or `latest`) stands: `{status, missing, examplesToRun, …}`.

        `status` is `passed`, `failed` or `cannot_tell`. What `examplesToRun` names is to be run with this version, and
        `currentVersionToRun` with the current one, by `Client.experiments`. With `results`, the results that the
        decision rests on come along.
        """
        query = {"results": True} if results else None
        return self._transport.request("GET", f"{_path(automation)}/{segment(version)}", query=query)


def _path(automation: str) -> str:
    return f"/automations/{segment(automation)}/gate"
