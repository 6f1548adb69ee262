"""What an example's input becomes when it is run: a run's stored input, and the run's input files."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from pydantic import JsonValue

from assay import files
from assay.datasets.errors import InvalidExampleError
from assay.datasets.model import ExampleVersion
from assay.datasets.references import KEY, named_path, with_references
from assay.errors import Issue


def run_input(version: ExampleVersion) -> tuple[dict[str, JsonValue], list[files.Artifact]]:
    """Return an example's input as a run stores it, and the artifacts the run begins with.

    `{"$file": "input/a/b.pdf"}` below a field `doc` becomes `{"$file": "input/doc/b.pdf", "filename",
    "mimeType", "size"}`; a `filename` and `mimeType` beside `$file` are kept. A file that is referred to twice
    becomes two artifacts of the same bytes; one that nothing refers to becomes none.

    Raises:
        InvalidExampleError: references that name no file of the example; all of them at once.
    """
    of_example = {file.path: file for file in version.files}
    folder = files.InputFolder()
    issues: list[Issue] = []

    def stored(reference: Mapping[str, JsonValue], path: str) -> JsonValue:
        named = named_path(reference[KEY])
        file = of_example.get(named or "")
        if file is None:
            message = f"The example {version.name!r} has no file {str(reference[KEY])[:200]!r}."
            issues.append(Issue(path, message, "file_missing"))
            return None
        name, mime = reference.get("filename"), reference.get("mimeType")
        filename = name if isinstance(name, str) else PurePosixPath(file.path).name
        content_type = mime if isinstance(mime, str) else file.content_type
        return folder.add(field, filename, content_type, files.Blob(file.sha256, file.size))

    values: dict[str, JsonValue] = {}
    for field, value in (version.input if isinstance(version.input, dict) else {}).items():
        values[field] = with_references(value, field, stored)
    if issues:
        raise InvalidExampleError(issues)
    return values, list(folder.artifacts.values())
