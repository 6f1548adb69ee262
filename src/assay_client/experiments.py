"""Experiments: starting one, following it through lost connections, and reading what came of it."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any, Literal, cast

from assay_client.errors import ConnectionFailedError, ServerError, WaitTimeoutError
from assay_client.transport import Query, Transport, segment

Format = Literal["csv", "json"]

RECONNECTIONS = 8
"""How often in a row the stream may be lost without anything new coming."""
RECONNECT_SECONDS = 0.5


class Experiments:
    """Everything below `/automations/{id}/experiments`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.experiments`."""
        self._transport = transport

    def start(
        self,
        automation: str,
        *,
        version: str | None = None,
        examples: Sequence[str] | None = None,
        repeats: int = 1,
        required_passes: int | None = None,
        concurrency: int | None = None,
    ) -> dict[str, Any]:
        """Start an experiment and return `{id, runs: [{id, exampleId}], total}`.

        Without a version it is the current one, without examples (ids or names) the whole dataset. An
        example passes when `required_passes` of its repeats do, by default all. A second call starts
        another one, so it is repeated only where the server has surely not acted.

        Raises:
            ConflictError: `dataset_empty`.
            InvalidRequestError: examples do not exist, or numbers are out of range; `issues` lists all.
        """
        body = {
            "sourceRef": version,
            "examples": None if examples is None else list(examples),
            "repeats": repeats,
            "requiredPasses": required_passes,
            "batchConcurrency": concurrency,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return self._transport.request("POST", _path(automation), body=given)

    def list(
        self,
        automation: str,
        *,
        limit: int = 50,
        offset: int = 0,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> dict[str, Any]:
        """Return one page `{data, total, limit, offset}`, newest first."""
        query: Query = {"limit": limit, "offset": offset, "fromDate": created_from, "toDate": created_to}
        return self._transport.request("GET", _path(automation), query=query)

    def automation_of(self, experiment_id: str) -> str:
        """Return the id of the automation that an experiment belongs to."""
        return str(self._transport.request("GET", f"/experiments/{segment(experiment_id)}")["automationId"])

    def get(self, automation: str, experiment_id: str, *, results: bool = True) -> dict[str, Any]:
        """Return an experiment with its `runs`, and unless `results` is false with `resultsByRun`, their scores."""
        return self._transport.request("GET", _path(automation, experiment_id), query={"results": results})

    def follow(
        self, automation: str, experiment_id: str, *, timeout: float | None = None
    ) -> Iterator[dict[str, Any] | None]:
        """Yield each run's end once, from the beginning of the experiment on, and at last the experiment's own.

        Events are `{type: example_completed, run, scores, experiment}` and `{type: experiment_completed,
        experiment}`; None comes now and then when nothing happens. A lost connection is made again.

        Raises:
            WaitTimeoutError: the experiment is not finished after `timeout` seconds, or up to ten more.
            ConnectionFailedError: the connection was lost many times in a row.
        """
        told: set[str] = set()
        deadline = None if timeout is None else time.monotonic() + timeout
        lost = 0
        while True:
            problem: ConnectionFailedError | ServerError
            try:
                for event in self._events(_path(automation, experiment_id), _left(deadline)):
                    if event is not None and event["type"] == "example_completed":
                        if event["run"]["id"] in told:
                            continue
                        told.add(event["run"]["id"])
                    lost = 0
                    yield event
                    if event is not None and event["type"] == "experiment_completed":
                        return
                    _check(deadline, experiment_id)
                problem = ConnectionFailedError(f"{self._transport.base_url} ended the stream too early.")
            except (ConnectionFailedError, ServerError) as error:
                problem = error
            _check(deadline, experiment_id)
            lost += 1
            if lost > RECONNECTIONS:
                raise problem
            time.sleep(RECONNECT_SECONDS * lost)

    def cancel(self, automation: str, experiment_id: str) -> dict[str, Any]:
        """Stop an experiment, and return it: runs that ended stay. Safe to repeat."""
        return self._transport.request("POST", f"{_path(automation, experiment_id)}/cancel", repeatable=True)

    def export(self, automation: str, to: IO[bytes], *, experiment_id: str | None = None, form: Format = "csv") -> int:
        """Write the scores of one experiment, or of the newest of an automation, to an open file; return its size."""
        return self._transport.download(f"{_path(automation, experiment_id)}/export", to, query={"format": form})

    def run_example(self, automation: str, example: str, *, version: str | None = None) -> dict[str, Any]:
        """Run one example outside of any experiment, graded; return `{id, …, finished: false}`."""
        path = f"/automations/{segment(automation)}/examples/{segment(example)}/run"
        return self._transport.request("POST", path, query={"sourceRef": version})

    def _events(self, path: str, patience: float | None) -> Iterator[dict[str, Any] | None]:
        for line in self._transport.lines(f"{path}/stream", patience=patience):
            if not line.strip():
                yield None
                continue
            try:
                yield cast("dict[str, Any]", json.loads(line))
            except ValueError:
                return  # the connection broke within the line


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _check(deadline: float | None, experiment_id: str) -> None:
    if _left(deadline) == 0.0:
        raise WaitTimeoutError(f"The experiment {experiment_id} is not finished yet; it goes on.", {})


def _path(automation: str, experiment_id: str | None = None) -> str:
    below = "" if experiment_id is None else f"/{segment(experiment_id)}"
    return f"/automations/{segment(automation)}/experiments{below}"
