"""The examples of a dataset, one by one, with their files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Literal

from assay_client.transport import Transport, segment, segments
from assay_client.uploads import FileSource, Part

Folder = Literal["input", "expected"]

PAGE = 100


class Examples:
    """Everything below `/automations/{id}/examples`. An example is named by its id or its name."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.examples`."""
        self._transport = transport

    def list(
        self,
        automation: str,
        *,
        search: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        include: Literal["full", "metadata"] | None = None,
    ) -> dict[str, Any]:
        """Return a page `{data, total, limit, offset}` in the dataset's order; *metadata* leaves out what is large.

        `search` looks into name and annotation.
        """
        query = {"search": search, "limit": limit, "offset": offset, "include": include}
        return self._transport.request("GET", _path(automation), query=query)

    def iterate(self, automation: str, *, search: str | None = None, page: int = PAGE) -> Iterator[dict[str, Any]]:
        """Yield all examples, or those that `search` finds, asking for the next page when it is needed."""
        offset = 0
        while True:
            found = self.list(automation, search=search, limit=page, offset=offset)
            yield from found["data"]
            offset += page
            if offset >= found["total"]:
                return

    def get(self, automation: str, example: str) -> dict[str, Any]:
        """Return an example."""
        return self._transport.request("GET", _path(automation, example))

    def create(self, automation: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Add an example and return it. Keys are `name`, `input`, `expected`, `metadata`, `annotation`, `rowOrder`.

        Raises:
            InvalidRequestError: `issues` lists everything that is wrong.
            ConflictError: there is an example of this name.
        """
        return self._transport.request("POST", _path(automation), body=values)

    def versions(
        self, automation: str, example: str, *, limit: int | None = None, offset: int | None = None
    ) -> dict[str, Any]:
        """Return a page `{data, total, limit, offset}` of what the example was, newest first."""
        query = {"limit": limit, "offset": offset}
        return self._transport.request("GET", f"{_path(automation, example)}/versions", query=query)

    def version(self, automation: str, example: str, version_id: str) -> dict[str, Any]:
        """Return the example as it was in one of its `versions`."""
        return self._transport.request("GET", f"{_path(automation, example)}/versions/{segment(version_id)}")

    def update(
        self, automation: str, example: str, values: Mapping[str, Any], *, override: str | None = None
    ) -> dict[str, Any]:
        """Change an example and return it: what `values` lacks stays, None clears.

        `override` is the reason to give another input or expectation to an example that a miss rests on; so it is for
        its files.

        Raises:
            ConflictError: `example_unresolved`: a miss rests on it, and there is no reason.
        """
        query = {"overrideReason": override}
        return self._transport.request("PATCH", _path(automation, example), body=values, query=query)

    def delete(self, automation: str, example: str) -> dict[str, Any]:
        """Take an example out of the dataset and return what it was; earlier revisions keep it."""
        return self._transport.request("DELETE", _path(automation, example))

    def run(self, automation: str, example: str, *, version: str | None = None) -> dict[str, Any]:
        """Run an example, which grades it; return `{id, type, finished: false}` of the run."""
        return self._transport.request("POST", f"{_path(automation, example)}/run", query={"sourceRef": version})

    def files(self, automation: str, example: str, folder: Folder) -> Sequence[str]:
        """Return the paths of the files in one of an example's folders."""
        return self._transport.request("GET", f"{_path(automation, example)}/{folder}")["files"]

    def add_files(
        self,
        automation: str,
        example: str,
        folder: Folder,
        sources: Sequence[FileSource],
        *,
        override: str | None = None,
    ) -> Sequence[str]:
        """Put files into a folder of an example, over those of the same names; return their paths in it.

        Raises:
            OSError: a file cannot be read.
        """
        path, query = f"{_path(automation, example)}/{folder}", {"overrideReason": override}
        parts = [Part("file", source) for source in sources]
        return self._transport.request("POST", path, parts=parts, query=query, repeatable=True)["uploaded"]

    def download_file(self, automation: str, example: str, folder: Folder, path: str, to: IO[bytes]) -> int:
        """Write a file of an example to an open file; return its size in bytes."""
        return self._transport.download(_file(automation, example, folder, path), to)

    def rename_file(
        self, automation: str, example: str, folder: Folder, path: str, filename: str, *, override: str | None = None
    ) -> dict[str, Any]:
        """Give a file another name in the same folder, also where the example refers to it; return its new `path`."""
        place, query = _file(automation, example, folder, path), {"overrideReason": override}
        return self._transport.request("PATCH", place, body={"newFilename": filename}, query=query, repeatable=False)

    def delete_file(
        self, automation: str, example: str, folder: Folder, path: str, *, override: str | None = None
    ) -> None:
        """Take a file out of an example; what refers to it stays."""
        query = {"overrideReason": override}
        self._transport.request("DELETE", _file(automation, example, folder, path), query=query)


def _path(automation: str, example: str | None = None) -> str:
    path = f"/automations/{segment(automation)}/examples"
    return path if example is None else f"{path}/{segment(example)}"


def _file(automation: str, example: str, folder: Folder, path: str) -> str:
    return f"{_path(automation, example)}/{folder}/{segments(path)}"
