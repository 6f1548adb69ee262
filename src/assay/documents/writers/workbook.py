"""How rows of JSON values become a workbook."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, cast

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from assay.documents.characters import REPLACEMENT
from assay.documents.errors import DocumentTooLargeError
from assay.documents.protocol import Reading, Request
from assay.documents.writers.saving import workbook_bytes

if TYPE_CHECKING:
    from pydantic import JsonValue

_CELL_CHARACTERS: Final = 32_767
# A spreadsheet keeps 15 digits of a number.
_EXACT: Final = 10**15


class _Column(TypedDict):
    header: str | None
    width: float | None
    format: str | None


class _Sheet(TypedDict):
    name: str
    columns: list[_Column]
    rows: "list[list[JsonValue]]"


def write_workbook(_path: Path, request: Request) -> Reading:
    """Write a workbook as `making` describes; no text becomes a formula.

    Raises:
        DocumentTooLargeError: A text is longer than a cell may hold.
    """
    sheets = cast("list[_Sheet]", json.loads(request.arguments)["sheets"])
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for sheet in sheets:
        _fill(workbook.create_sheet(sheet["name"]), sheet)
    return Reading("office", [], content=workbook_bytes(workbook))


def put_value(cell: Cell, value: "JsonValue") -> None:
    """Put a JSON value into a cell: lists and objects as JSON text, numbers that would lose digits as text."""
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT:
        value = str(value)
    if not isinstance(value, str):
        cell.value = value
        return
    if len(value) > _CELL_CHARACTERS:
        place = f"{cell.coordinate} of {cell.parent.title}"
        message = f"The text for {place} has {len(value):,} characters; a cell holds {_CELL_CHARACTERS:,}."
        raise DocumentTooLargeError(message)
    cell.value = ILLEGAL_CHARACTERS_RE.sub(REPLACEMENT, value)
    # A text that begins with = is still a text.
    cell.data_type = "s"


def _fill(worksheet: Worksheet, sheet: _Sheet) -> None:
    columns = sheet["columns"]
    first = 1
    if any(column["header"] is not None for column in columns):
        for number, column in enumerate(columns, 1):
            cell = _cell(worksheet, 1, number)
            put_value(cell, column["header"])
            cell.font = Font(bold=True)
        worksheet.freeze_panes = "A2"
        first = 2
    for number, column in enumerate(columns, 1):
        if column["width"] is not None:
            worksheet.column_dimensions[get_column_letter(number)].width = column["width"]
    formats = [column["format"] for column in columns]
    for number, row in enumerate(sheet["rows"], first):
        _fill_row(worksheet, number, row, formats)


def _fill_row(worksheet: Worksheet, number: int, row: "Sequence[JsonValue]", formats: Sequence[str | None]) -> None:
    for position, value in enumerate(row):
        if value is None:
            continue
        cell = _cell(worksheet, number, position + 1)
        put_value(cell, value)
        style = formats[position] if position < len(formats) else None
        if style is not None:
            cell.number_format = style


def _cell(worksheet: Worksheet, row: int, column: int) -> Cell:
    return cast("Cell", worksheet.cell(row, column))
