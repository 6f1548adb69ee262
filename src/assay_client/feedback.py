"""What people say of a run: the verdict, the correction and the corrected files."""

from collections.abc import Mapping, Sequence
from typing import IO, Any

from assay_client.transport import Query, Transport, segment, segments
from assay_client.uploads import FileSource, Part


class Feedback:
    """Everything below `/runs/{id}/feedback`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.feedback`."""
        self._transport = transport

    def get(self, run_id: str) -> dict[str, Any]:
        """Return `{feedback, expected, expectedFiles, …}`; `feedback` is None where nobody has said anything."""
        return self._transport.request("GET", _path(run_id))

    def update(self, run_id: str, values: Mapping[str, Any], *, if_match: str | None = None) -> dict[str, Any]:
        """Change what is said of a finished run and return it: what `values` lacks stays, None clears.

        Keys: `rating`, `status`, `body`, `expected`, `corrections`, `tags`, `reason`, `closedNote`, `override`.
        With `if_match`, an ETag, it changes only what the caller has seen.

        Raises:
            ConflictError: the run has not ended, or the miss is not proven to be fixed; `issues` say what is missing.
            ApiError: status 412: somebody else was quicker.
        """
        headers = {"If-Match": if_match} if if_match else None
        return self._transport.request("PATCH", _path(run_id), body=values, headers=headers, repeatable=True)

    def clear(self, run_id: str) -> dict[str, Any]:
        """Clear it, with its files; history stays, and so does a promoted miss on the board. Safe to repeat."""
        return self._transport.request("DELETE", _path(run_id))

    def promote(
        self, run_id: str, *, name: str | None = None, require_expected: bool = False, override: str | None = None
    ) -> dict[str, Any]:
        """Make a finished run an example, with the correction that is on its feedback now; a second call updates it.

        Returns `{automationId, automationType, exampleId, name, created, gradedHash, status, issues}`; `issues` warn of
        `no_ground_truth`. `override` is the reason to give a promoted miss another expectation.

        Raises:
            ConflictError: `expected_required` with `require_expected`; `example_unresolved` without a reason.
        """
        body: dict[str, Any] = {"requireExpected": require_expected}
        if name is not None:
            body["name"] = name
        if override is not None:
            body["override"] = {"reason": override}
        return self._transport.request("POST", f"/runs/{segment(run_id)}/promote", body=body, repeatable=True)

    def history(self, run_id: str, *, limit: int | None = None, offset: int | None = None) -> dict[str, Any]:
        """Return a page `{data, total, limit, offset}` of who changed what when, newest first."""
        query: Query = {"limit": limit, "offset": offset}
        return self._transport.request("GET", f"{_path(run_id)}/history", query=query)

    def failure_tags(self, automation: str) -> Sequence[dict[str, Any]]:
        """Return how an automation fails, as people tagged it: `{tag, count, lastUsedAt}`, the commonest first."""
        return self._transport.request("GET", f"/automations/{segment(automation)}/failure-tags")["tags"]

    def expected(self, run_id: str) -> dict[str, Any]:
        """Return `{expected, files}`: the corrected output, and the corrected files."""
        return self._transport.request("GET", f"{_path(run_id)}/expected")

    def upload_expected(self, run_id: str, source: FileSource, name: str | None = None) -> str:
        """Add a corrected file, over one of the same name; return its name, which may hold slashes.

        Raises:
            OSError: the file cannot be read.
        """
        parts = [Part("name", name)] if name is not None else []
        parts.append(Part("file", source))
        return self._transport.request("POST", f"{_path(run_id)}/expected", parts=parts, repeatable=True)["name"]

    def copy_output(self, run_id: str, output_file: str, name: str | None = None) -> str:
        """Take an output file of the run, by name or path, as an expected one; return its name."""
        body = (
            {"outputFileName": output_file} if name is None else {"outputFileName": output_file, "expectedName": name}
        )
        return self._transport.request("POST", f"{_path(run_id)}/expected", body=body, repeatable=True)["name"]

    def download_expected(self, run_id: str, name: str, to: IO[bytes]) -> int:
        """Write a corrected file to an open file; return its size in bytes."""
        return self._transport.download(_file(run_id, name), to)

    def rename_expected(self, run_id: str, name: str, new_name: str) -> str:
        """Give a corrected file another name; return it as it is kept."""
        body = {"name": new_name}
        return self._transport.request("PATCH", _file(run_id, name), body=body, repeatable=False)["name"]

    def delete_expected(self, run_id: str, name: str) -> None:
        """Take a corrected file away."""
        self._transport.request("DELETE", _file(run_id, name))


def _path(run_id: str) -> str:
    return f"/runs/{segment(run_id)}/feedback"


def _file(run_id: str, name: str) -> str:
    return f"{_path(run_id)}/expected/{segments(name)}"
