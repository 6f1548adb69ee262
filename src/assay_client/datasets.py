"""A dataset as a whole: archives of it, in and out, and the revisions it went through."""

from collections.abc import Callable, Sequence
from typing import IO, Any, Literal

from assay_client.transport import Transport, segment
from assay_client.uploads import FileSource, Part

Mode = Literal["append", "replace"]


class Datasets:
    """Everything below `/automations/{id}/dataset`. An automation is named by its id or `workflows.<slug>`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.datasets`."""
        self._transport = transport

    def import_archive(
        self,
        automation: str,
        archive: FileSource,
        *,
        mode: Mode = "append",
        override: str | None = None,
        sent: Callable[[int], None] | None = None,
    ) -> dict[str, Any]:
        """Import a ZIP file of examples; return `{mode, created, expectedSet, …}`.

        *append* passes over examples whose names exist, *replace* makes the archive all there is. A second call with
        the same archive changes nothing. `override` is the reason to change examples that misses rest on. `sent` is
        called with the number of bytes of each piece of a file that is sent, once more from its beginning if the
        request is repeated.

        Raises:
            InvalidRequestError: something in it is wrong; `issues` names everything, and nothing was imported.
            ConflictError: `example_unresolved`: misses rest on examples that would change or go.
            TooLargeError: it is larger than one import takes.
            OSError: the file cannot be read.
        """
        return self._send("import", automation, archive, mode, sent, override)

    def validate(
        self,
        automation: str,
        archive: FileSource,
        *,
        mode: Mode = "append",
        sent: Callable[[int], None] | None = None,
    ) -> dict[str, Any]:
        """Return `{valid, examples, expectedSet, files, skipped, issues}` of a ZIP file; nothing is imported.

        Raises:
            TooLargeError: it is larger than one import takes.
            OSError: the file cannot be read.
        """
        return self._send("validate", automation, archive, mode, sent)

    def export(
        self, automation: str, to: IO[bytes], *, revision: int | None = None, examples: Sequence[str] = ()
    ) -> int:
        """Write the dataset as a ZIP file to an open file; return its size in bytes.

        All examples or some (ids or names), of the current revision or an earlier one.

        Raises:
            NotFoundError: there is no such revision, or it lacks some of the examples.
        """
        query = {"revision": revision, "exampleIds": list(examples) or None}
        return self._transport.download(_path(automation, "export"), to, query=query)

    def revisions(self, automation: str, *, limit: int | None = None, offset: int | None = None) -> dict[str, Any]:
        """Return a page `{data, total, limit, offset}` of revisions, the newest first."""
        return self._transport.request("GET", _path(automation, "revisions"), query={"limit": limit, "offset": offset})

    def coverage(
        self, automation: str, *, from_: str | None = None, to: str | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """Return `{share, interval, uncovered, …}`: how many live runs have an example like them, and which have none.

        Of the newest `limit` runs that were started from `from_` up to `to`: ISO 8601, or how long ago (`7d`).
        """
        query = {"from": from_, "to": to, "limit": limit}
        return self._transport.request("GET", _path(automation, "coverage"), query=query)

    def _send(
        self,
        what: str,
        automation: str,
        archive: FileSource,
        mode: Mode,
        sent: Callable[[int], None] | None,
        override: str | None = None,
    ) -> dict[str, Any]:
        parts = [Part("mode", mode), Part("file", archive, "application/zip", sent)]
        query = {"overrideReason": override}
        return self._transport.request("POST", _path(automation, what), parts=parts, query=query, repeatable=True)


def _path(automation: str, what: str) -> str:
    return f"/automations/{segment(automation)}/dataset/{what}"
