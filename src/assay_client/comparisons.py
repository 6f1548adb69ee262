"""Two experiments side by side."""

from typing import Any, Literal

from assay_client.transport import Transport, segment

Order = Literal["abs-delta-desc", "delta-asc", "delta-desc", "name"]


class Comparisons:
    """Everything below `/experiments/{id}/compare`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.comparisons`."""
        self._transport = transport

    def get(
        self, baseline_id: str, experiment_id: str, *, threshold: float | None = None, sort: Order | None = None
    ) -> dict[str, Any]:
        """Hold an experiment (B) against a baseline (A): `{rows, summary, conclusion, sentence, …}`.

        Raises:
            InvalidRequestError: they are experiments of different automations.
            ConflictError: one of them has not ended (`experiment_not_finished`).
        """
        query = {"threshold": None if threshold is None else repr(threshold), "sort": sort}
        path = f"/experiments/{segment(baseline_id)}/compare/{segment(experiment_id)}"
        return self._transport.request("GET", path, query=query)
