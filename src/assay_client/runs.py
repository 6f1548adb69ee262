"""Runs: starting one so that it is started once, waiting for it, and reading what it left."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Literal

from assay_client.errors import ApiError, WaitTimeoutError
from assay_client.transport import Query, Transport, json_body, segment, segments
from assay_client.uploads import FileSource, Part

Objects = list[dict[str, Any]]

PAGE = 100
FIRST_POLL_SECONDS = 0.1


class Runs:
    """Everything below `/runs`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.runs`."""
        self._transport = transport

    def start(
        self,
        target: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002 (the word of the API)
        *,
        files: Mapping[str, FileSource | Sequence[FileSource]] | None = None,
        version: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        wait_seconds: int | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Start a run of `workflows.<slug>`, and hold the answer up to `wait_seconds` for its end.

        Files are streamed. Each call makes a new idempotency key, so its own repetitions start no
        second run; give a key of your own where the caller of this function repeats. Returns the
        run where it finished (also one that failed), else `{id, type, finished: false}`.

        Raises:
            ForbiddenError: `api_trigger_disabled`, or the key lacks a scope.
            InvalidRequestError: the target or the input is not valid; `issues` lists every field.
            ConflictError: the idempotency key was used with another body.
            OSError: a file cannot be read.
        """
        body = {"target": target, "input": input or {}, "overrides": overrides, "metadata": metadata}
        body = {name: value for name, value in body.items() if value is not None}
        return self._started(
            "/runs",
            query={"version": version, "wait_for_completion": wait_seconds},
            body=None if files else body,
            parts=_parts(body, files) if files else (),
            idempotency_key=idempotency_key or str(uuid.uuid4()),
        )

    def rerun(self, run_id: str, *, version: str | None = None, wait_seconds: int | None = None) -> dict[str, Any]:
        """Start a new run from the stored input of another; `version` is `latest` (default), `original` or any other.

        Answers like `start`. It is repeated only where the server has surely not acted.
        """
        query: Query = {"version": version, "wait_for_completion": wait_seconds}
        return self._started(f"{_path(run_id)}/rerun", query=query)

    def wait(
        self,
        run_id: str,
        *,
        timeout: float = 1800,
        interval: float = 2,
        seen: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Ask until the run is finished, quickly at first and then every `interval` seconds; return the run.

        `seen` is called with every state that was read.

        Raises:
            WaitTimeoutError: it is not finished after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        delay = min(FIRST_POLL_SECONDS, interval)
        while True:
            run = self.get(run_id)
            if seen:
                seen(run)
            if run.get("finished"):
                return run
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError(f"The run {run_id} is not finished after {timeout:g} seconds.", run)
            time.sleep(min(delay, left))
            delay = min(delay * 1.5, interval)

    def get(self, run_id: str, *, expand: Sequence[str] = ()) -> dict[str, Any]:
        """Return a run; `expand` adds `input`, `usage`, `execution`, `debug`."""
        return self._transport.request("GET", _path(run_id), query={"expand": expand or None})

    def list(self, filters: Query | None = None) -> dict[str, Any]:
        """Return one page `{runs, nextCursor}`, newest first.

        Filters have the names of the API: `source`, `status`, `trigger`, `createdAfter`, `limit`, `cursor`…
        """
        return self._transport.request("GET", "/runs", query=filters)

    def iterate(self, filters: Query | None = None, *, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield runs, newest first, asking for the next page when it is needed."""
        left, cursor = limit, None
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = self.list({**(filters or {}), "limit": size, **({"cursor": cursor} if cursor else {})})
            yield from page["runs"][:size]
            left = None if left is None else left - size
            cursor = page["nextCursor"]
            if cursor is None:
                return

    def cancel(self, run_id: str) -> dict[str, Any]:
        """Ask for a cancellation; `cancellation.state` says what became of it. Safe to repeat."""
        return self._transport.request("POST", f"{_path(run_id)}/cancel", repeatable=True)

    def act_on_many(
        self, action: Literal["cancel", "delete"], filters: Query, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Cancel or delete what the filters of `list` find, a thousand at once: `{count, kept, more, …}`.

        `dry_run` counts and does nothing.
        """
        body = {"action": action, "dryRun": dry_run}
        return self._transport.request("POST", "/runs/bulk", query=filters, body=body, repeatable=True)

    def delete(self, run_id: str) -> dict[str, Any]:
        """Delete a finished run with everything it left."""
        return self._transport.request("DELETE", _path(run_id))

    def steps(self, run_id: str) -> Objects:
        """Return the steps, in the order they ran."""
        return self._transport.request("GET", f"{_path(run_id)}/steps")["steps"]

    def events(self, run_id: str) -> Objects:
        """Return what happened to the run, in order."""
        return self._transport.request("GET", f"{_path(run_id)}/events")["events"]

    def trace(self, run_id: str) -> Objects:
        """Return phases and steps as one sequence."""
        return self._transport.request("GET", f"{_path(run_id)}/trace")["events"]

    def usage(self, run_id: str) -> dict[str, Any] | None:
        """Return what the run used; None where nothing was counted."""
        return self._transport.request("GET", f"{_path(run_id)}/usage")["usage"]

    def scores(self, run_id: str) -> Objects:
        """Return what each evaluator said of the run; nothing of one that was not graded."""
        return self._transport.request("GET", f"{_path(run_id)}/scores")["scores"]

    def artifacts(self, run_id: str) -> Objects:
        """Return the files that went into the run and came out of it: `{name, role, path, …}`."""
        return self._transport.request("GET", f"{_path(run_id)}/artifacts")["artifacts"]

    def download_artifact(self, run_id: str, path: str, to: IO[bytes]) -> int:
        """Write an artifact to an open file; return its size in bytes."""
        return self._transport.download(f"{_path(run_id)}/artifacts/{segments(path)}", to)

    def download_zip(self, run_id: str, to: IO[bytes]) -> int:
        """Write a ZIP of the run's output files to an open file; return its size in bytes."""
        return self._transport.download(f"{_path(run_id)}/artifacts", to, query={"zip": 1})

    def compare(self, run_id: str, other_id: str) -> dict[str, Any]:
        """Return how two runs differ, step by step and in their output."""
        return self._transport.request("GET", f"{_path(run_id)}/compare/{segment(other_id)}")

    def _started(
        self,
        path: str,
        *,
        query: Query,
        body: object = None,
        parts: Sequence[Part] = (),
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        try:
            return self._transport.request(
                "POST",
                path,
                query=query,
                body=body,
                parts=parts,
                headers={"Idempotency-Key": idempotency_key} if idempotency_key else None,
                repeatable=idempotency_key is not None,
            )
        except ApiError as error:
            # A waited run may choose the status of its own failure; it is a run all the same.
            if isinstance(error.body.get("run"), dict):
                return error.body["run"]
            raise


def _parts(body: Mapping[str, Any], files: Mapping[str, FileSource | Sequence[FileSource]]) -> Sequence[Part]:
    parts = [Part("target", body["target"])]
    for field, sources in files.items():
        many = sources if isinstance(sources, Sequence) else [sources]
        parts += [Part(f"files.{field}", source) for source in many]
    for name in ("input", "overrides", "metadata"):
        if name in body:
            parts.append(Part(name, json_body(body[name]).decode(), "application/json"))
    return parts


def _path(run_id: str) -> str:
    return f"/runs/{segment(run_id)}"
