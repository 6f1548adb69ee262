"""How a file that a step made is kept and named to later steps, and which failure a refused document is."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from pydantic import JsonValue

from assay.errors import AssayError
from assay.steps.base import FailureCategory, StepContext, StepError

_CATEGORIES: Mapping[str, FailureCategory] = {
    "document_timeout": "timeout",
    "document_parser_unavailable": "temporarily_unavailable",
    "sheet_not_found": "not_found",
    "column_not_found": "not_found",
}

_ENDINGS = frozenset({".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".docx", ".xlsx", ".xls", ".csv"})


def kept_file(context: StepContext, name: str, content: bytes, *, content_type: str) -> dict[str, JsonValue]:
    """Keep bytes as an output of the run; return the reference that later steps take as their input."""
    path = context.keep_artifact(name, content, role="output", content_type=content_type)
    return {"$file": path, "filename": PurePosixPath(path).name, "mimeType": content_type, "size": len(content)}


def with_ending(name: str, ending: str) -> str:
    """Return a file name that ends so, `.pdf` for one, instead of in the ending of another kind of document."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix == ending:
        return name
    # What follows the last dot of `Invoice no. 5` is none.
    return f"{path.stem if suffix in _ENDINGS else name}{ending}"


def refused(error: AssayError) -> StepError:
    """Return what the step fails with where a document is refused."""
    return StepError(error.code, error.message, category=_CATEGORIES.get(error.code, "validation"), hint=error.hint)
