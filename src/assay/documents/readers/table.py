"""How the cells of a sheet become rows with named values."""

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from assay.documents.archives import check_container
from assay.documents.characters import clean
from assay.documents.detection import detect
from assay.documents.errors import (
    ColumnNotFoundError,
    DocumentEncryptedError,
    DocumentTooLargeError,
    DocumentUnreadableError,
    DocumentUnsupportedError,
    SheetNotFoundError,
)
from assay.documents.making import ColumnArguments, TableArguments
from assay.documents.model import Limits
from assay.documents.protocol import Reading, Request
from assay.documents.readers.workbook import Cell, cell_text

if TYPE_CHECKING:
    from pydantic import JsonValue

_RANGE: Final = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6}):\$?([A-Z]{1,3})\$?([1-9]\d{0,6})", re.IGNORECASE)
_LETTERS: Final = 26
_EXACT: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class _Area:
    """Rows and columns from 0, the last ones included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class _Column:
    key: str
    position: int


def read_table(path: Path, request: Request) -> Reading:
    """Read one sheet as `making` describes.

    Raises:
        SheetNotFoundError: There is no such sheet.
        ColumnNotFoundError: There is no such header, or the range does not reach that column.
        DocumentTooLargeError: It has more rows or cells than asked for.
        DocumentUnsupportedError: It is no workbook.
        DocumentEncryptedError: It needs a password.
        DocumentUnreadableError: It is damaged.
    """
    arguments = cast("TableArguments", json.loads(request.arguments))
    detected = detect(path, request.filename, request.content_type)
    if detected.format not in {"xlsx", "xls"}:
        raise DocumentUnsupportedError("Only a workbook (XLSX or XLS) has sheets.")
    if detected.format == "xlsx":
        check_container(path, request.limits)
    try:
        with path.open("rb") as file:
            return _read(CalamineWorkbook.from_filelike(file), arguments, request.limits)
    except PasswordError as error:
        raise DocumentEncryptedError from error
    except (CalamineError, OSError, ValueError) as error:
        raise DocumentUnreadableError("The workbook is damaged.") from error


def _read(workbook: CalamineWorkbook, arguments: TableArguments, limits: Limits) -> Reading:
    index = _sheet_index(workbook.sheet_names, arguments["sheet"])
    sheet = workbook.get_sheet_by_index(index)
    height, width = _size(sheet)
    if height * width > limits.cells:
        raise DocumentTooLargeError(f"The sheet spans more than {limits.cells:,} cells.")
    area = _area(height, width, arguments["range"])
    rows = list(_cells(sheet, area))
    header_at = _header_position(rows, area, arguments["header_row"])
    headers = _headers(rows[header_at] if header_at is not None else None, area)
    columns = _columns(headers, arguments["columns"])
    body = rows[header_at + 1 :] if header_at is not None else rows
    kept, blank = _kept(body, columns, arguments)
    content = json.dumps({"columns": [column.key for column in columns], "rows": kept}, ensure_ascii=False)
    facts: dict[str, object] = {
        "name": clean(sheet.name),
        "index": index,
        "rowCount": height,
        "columnCount": width,
        "headerRow": None if header_at is None else area.top + header_at + 1,
        "blankRows": blank,
    }
    return Reading("office", [], facts, content.encode())


def _sheet_index(names: Sequence[str], wanted: str | int) -> int:
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    if isinstance(wanted, str):
        for index, name in enumerate(names):
            if name.strip().casefold() == wanted.strip().casefold():
                return index
    known = clean(", ".join(repr(name) for name in names[:20]))
    raise SheetNotFoundError(f"The workbook has no sheet {wanted!r}; it has {known}.")


def _size(sheet: CalamineSheet) -> tuple[int, int]:
    # The library's own totals leave out the last row and column.
    bottom, right = sheet.end or (-1, -1)
    return bottom + 1, right + 1


def _area(height: int, width: int, wanted: str | None) -> _Area:
    bottom, right = height - 1, width - 1
    found = _RANGE.fullmatch(wanted) if wanted else None
    if found is None:
        return _Area(0, 0, bottom, right)
    left, top = _column_number(found[1]), int(found[2]) - 1
    return _Area(top, left, min(bottom, int(found[4]) - 1), min(right, _column_number(found[3])))


def _cells(sheet: CalamineSheet, area: _Area) -> Iterator[list[Cell]]:
    if sheet.start is None:
        return
    # Iterating begins at the first row of the sheet, and at the first column that has a value.
    first = sheet.start[1]
    blanks: list[Cell] = [""] * (min(first, area.right + 1) - area.left)
    for number, row in enumerate(sheet.iter_rows()):
        if area.top <= number <= area.bottom:
            yield blanks + row[max(0, area.left - first) : max(0, area.right + 1 - first)]


def _header_position(rows: Sequence[Sequence[Cell]], area: _Area, wanted: int | None) -> int | None:
    if wanted == 0:
        return None
    if wanted is None:
        return next((position for position, row in enumerate(rows) if not _is_blank(row)), None)
    position = wanted - 1 - area.top
    if not 0 <= position < len(rows):
        raise ColumnNotFoundError(f"Row {wanted}, which should hold the headers, is outside of what is read.")
    return position


def _headers(row: Sequence[Cell] | None, area: _Area) -> list[str]:
    names: list[str] = []
    used: dict[str, int] = {}
    for position in range(area.right - area.left + 1):
        text = cell_text(row[position]).strip() if row is not None and position < len(row) else ""
        name = clean(text) or _column_letters(area.left + position)
        used[name] = used.get(name, 0) + 1
        names.append(name if used[name] == 1 else f"{name}_{used[name]}")
    return names


def _columns(headers: Sequence[str], wanted: Iterable[ColumnArguments] | None) -> list[_Column]:
    if wanted is None:
        return [_Column(name, position) for position, name in enumerate(headers)]
    folded = {name.casefold(): position for position, name in reversed(list(enumerate(headers)))}
    return [_Column(column["key"], _position(column, headers, folded)) for column in wanted]


def _position(column: ColumnArguments, headers: Sequence[str], folded: Mapping[str, int]) -> int:
    header, index = column["header"], column["index"]
    if header is not None:
        position = folded.get(header.strip().casefold())
    else:
        position = index if index is not None and index < len(headers) else None
    if position is None:
        named = repr(header) if header is not None else index
        shown = ", ".join(repr(name) for name in headers[:30])
        raise ColumnNotFoundError(f"The sheet has no column {named}; it has {shown}.")
    return position


def _kept(
    body: Sequence[Sequence[Cell]], columns: Sequence[_Column], arguments: TableArguments
) -> "tuple[list[dict[str, JsonValue]], int]":
    kept: list[dict[str, JsonValue]] = []
    blank = 0
    for row in body:
        if _is_blank(row):
            blank += 1
            if not arguments["keep_blank_rows"]:
                continue
        kept.append(_row(row, columns, arguments))
        if len(kept) > arguments["max_rows"]:
            raise DocumentTooLargeError(f"The sheet has more than {arguments['max_rows']:,} rows.")
        if len(kept) * len(columns) > arguments["max_cells"]:
            raise DocumentTooLargeError(f"The sheet has more than {arguments['max_cells']:,} cells.")
    return kept, blank


def _row(row: Sequence[Cell], columns: Sequence[_Column], arguments: TableArguments) -> "dict[str, JsonValue]":
    values: dict[str, JsonValue] = {}
    for column in columns:
        cell = row[column.position] if column.position < len(row) else ""
        if cell != "":
            values[column.key] = clean(cell_text(cell)) if arguments["displayed"] else _value(cell)
        elif arguments["blank_cells"] != "omit":
            values[column.key] = "" if arguments["blank_cells"] == "empty" else None
    return values


def _value(cell: Cell) -> "JsonValue":
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return int(cell)
    if isinstance(cell, dt.datetime | dt.date | dt.time | dt.timedelta):
        return cell_text(cell)
    return clean(cell) if isinstance(cell, str) else cell


def _is_blank(row: Iterable[Cell]) -> bool:
    return all(cell == "" for cell in row)


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number - 1


def _column_letters(position: int) -> str:
    letters = ""
    number = position + 1
    while number:
        number, rest = divmod(number - 1, _LETTERS)
        letters = chr(ord("A") + rest) + letters
    return letters
