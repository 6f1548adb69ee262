"""How an XLSX template is filled in, and how missing values are highlighted in it."""

# openpyxl offers no other way to the cells that exist.
# ruff: noqa: SLF001

import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from openpyxl import load_workbook
from openpyxl.cell import Cell
from openpyxl.styles import PatternFill

from assay.documents.errors import DocumentUnreadableError, FormInvalidError
from assay.documents.writers.placeholders import BEGIN, END, Placeholders
from assay.documents.writers.saving import workbook_bytes
from assay.documents.writers.workbook import put_value

if TYPE_CHECKING:
    from pydantic import JsonValue

_ONE_EXPRESSION: Final = re.compile(r"\s*\{\{((?:(?!\}\}|\{\{|\{%).)*)\}\}\s*", re.DOTALL)
_OPENINGS: Final = ("{{", "{%")


def fill_workbook(path: Path, placeholders: Placeholders, data: Mapping[str, Any], *, highlight: bool) -> bytes:
    """Return the workbook with the placeholders of its cells filled in; formulas are left as they are.

    A cell that is one placeholder gets the value with its type, every other cell a text.

    Raises:
        FormInvalidError: They are not well written, or do what they may not.
        DocumentUnreadableError: It is damaged.
    """
    try:
        # Of a path openpyxl reads the ending, and files of a run have none.
        with path.open("rb") as file:
            workbook = load_workbook(file)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise DocumentUnreadableError("The workbook is damaged.") from error
    for worksheet in workbook.worksheets:
        # Only cells that exist; iterating over rows would make all others.
        for cell in list(cast("Iterable[Any]", cast("Any", worksheet)._cells.values())):
            if isinstance(cell, Cell) and cell.data_type == "s":
                _fill(cell, placeholders, data, highlight=highlight)
    return workbook_bytes(workbook)


def _fill(cell: Cell, placeholders: Placeholders, data: Mapping[str, Any], *, highlight: bool) -> None:
    source = str(cell.value)
    if not any(opening in source for opening in _OPENINGS):
        return
    alone = _ONE_EXPRESSION.fullmatch(source)
    try:
        value = placeholders.value_of(alone[1], data) if alone else placeholders.text_of(source, data)
    except FormInvalidError as error:
        raise FormInvalidError(f"{cell.coordinate} of {cell.parent.title}: {error.message}") from error
    text = value if isinstance(value, str) else ""
    put_value(cell, text.replace(BEGIN, "").replace(END, "") if text else _json_value(value))
    if BEGIN in text and highlight:
        cell.fill = PatternFill(fill_type="solid", start_color="FFFFFF00")


def _json_value(value: object) -> "JsonValue":
    # What filters make (generators, ranges) is no JSON.
    plain = isinstance(value, str | int | float | bool | list | dict)
    return cast("JsonValue", value) if plain else str(value)
