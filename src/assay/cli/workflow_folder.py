"""How the files that a workflow names are read from beside it, once, and what is said of those that are not there."""

from collections.abc import Mapping
from pathlib import Path

from assay.cli.failure import Failure
from assay_client import FileBesideError, read_beside, write_beside


class FilesBeside:
    """The files beside a workflow file; `contents` has those that were asked about and can be had, by path."""

    def __init__(self, workflow_file: Path) -> None:
        """Read nothing yet."""
        self._folder = workflow_file.parent
        self.contents: dict[str, bytes] = {}

    def problem(self, path: str) -> str | None:
        """Read a file; say what is wrong where that fails."""
        if path in self.contents:
            return None
        try:
            self.contents[path] = read_beside(self._folder, path)
        except FileBesideError as error:
            return error.message
        return None


def write_pulled(workflow_file: Path, text: str, files: Mapping[str, bytes]) -> None:
    """Write a workflow file and, beside it, the files of its version, over what is there.

    Raises:
        Failure: one of them has the name of the workflow file.
        FileBesideError: one cannot lie there.
    """
    if workflow_file.name in files:
        raise Failure(f"The version has a file {workflow_file.name!r} beside it.", hint="Give --out another name.")
    for path, content in files.items():
        write_beside(workflow_file.parent, path, content)
    workflow_file.write_text(text, encoding="utf-8")
