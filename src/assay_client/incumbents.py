"""Shadow comparison: what the process before made of the same inputs, held against runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from assay_client.transport import Query, Transport, segment


class Incumbents:
    """The old process beside the new one."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.incumbents`."""
        self._transport = transport

    def import_outputs(self, automation: str, outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Attach up to 10,000 of `{runId | match: {key, value}, output, source?}`; all or none. Safe to repeat.

        Returns `{added, replaced, runIds}`.

        Raises:
            InvalidRequestError: `issues` lists everything that is wrong.
        """
        path = f"/automations/{segment(automation)}/runs/import"
        return self._transport.request("POST", path, body={"outputs": list(outputs)}, repeatable=True)

    def set(self, run_id: str, output: Any, *, source: str | None = None) -> dict[str, Any]:
        """Attach one output to a run, over what it had. Returns `{runId, diff}`; `diff` is None until the run ends."""
        body = {"output": output, **({} if source is None else {"source": source})}
        return self._transport.request("PUT", f"/runs/{segment(run_id)}/incumbent", body=body, repeatable=True)

    def diff(self, run_id: str) -> dict[str, Any]:
        """Return `{runId, same, fields, differences, run, incumbent, source, judged, …}`.

        Raises:
            NotFoundError: there is no such run, or nothing to compare it with.
            ConflictError: the run has not ended.
        """
        return self._transport.request("GET", f"/runs/{segment(run_id)}/incumbent-diff")

    def agreement(
        self,
        automation: str,
        *,
        since: str | None = None,
        until: str | None = None,
        mode: Literal["live", "shadow"] | None = None,
    ) -> dict[str, Any]:
        """Return `{runs, identical, fields: [{field, compared, agreed, rate, interval, judged}], judgedRuns, …}`."""
        query: Query = {"from": since, "to": until, "mode": mode}
        return self._transport.request("GET", f"/automations/{segment(automation)}/incumbent-agreement", query=query)
