"""Which office documents can be filled in, and by what."""

import json
from pathlib import Path
from typing import Any, Final, TypedDict, cast

from assay.documents.archives import check_container
from assay.documents.detection import detect
from assay.documents.errors import DocumentUnsupportedError
from assay.documents.protocol import Reading, Request
from assay.documents.writers.placeholders import Placeholders, cleaned
from assay.documents.writers.word_form import fill_word
from assay.documents.writers.workbook_form import fill_workbook

_OFFICE: Final = frozenset({"docx", "xlsx"})


class _FormArguments(TypedDict):
    data: dict[str, Any]
    missing: str
    highlight: bool


def fill_form(path: Path, request: Request) -> Reading:
    """Fill in a template as `making` describes.

    Raises:
        FormInvalidError: Its placeholders are not well written, or do what they may not.
        DocumentUnsupportedError: It is no DOCX or XLSX.
        DocumentTooLargeError: Unpacked, it would be too large.
        DocumentUnreadableError: It is damaged.
    """
    arguments = cast("_FormArguments", json.loads(request.arguments))
    detected = detect(path, request.filename, request.content_type)
    if detected.format not in _OFFICE:
        raise DocumentUnsupportedError("Only DOCX and XLSX templates are filled in.")
    check_container(path, request.limits)
    is_word = detected.format == "docx"
    placeholders = Placeholders(cleaned(arguments["missing"]), escape=is_word)
    fill = fill_word if is_word else fill_workbook
    content = fill(path, placeholders, cleaned(arguments["data"]), highlight=arguments["highlight"])
    return Reading("office", [], {"format": detected.format, "missingCount": placeholders.missing}, content)
