"""What a workbook is as text: one page a sheet, one line a row, cells separated by tabs."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from assay.documents.characters import clean
from assay.documents.errors import DocumentEncryptedError, DocumentTooLargeError, DocumentUnreadableError
from assay.documents.model import Limits
from assay.documents.protocol import PageReading

Cell = float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta


def read_workbook(path: Path, limits: Limits) -> Iterator[PageReading]:
    """Read each sheet of a workbook as a page; rows without a value are left out.

    Raises:
        DocumentEncryptedError: It needs a password.
        DocumentTooLargeError: Its filled areas span more cells than allowed.
        DocumentUnreadableError: It is damaged.
    """
    try:
        with path.open("rb") as file:
            workbook = CalamineWorkbook.from_filelike(file)
        cells = 0
        for index, name in enumerate(workbook.sheet_names):
            sheet = workbook.get_sheet_by_name(name)
            # Iterating begins at the first row of the sheet, and at the first column that has a value.
            cells += (sheet.end[0] + 1 if sheet.end else 0) * sheet.width
            if cells > limits.cells:
                raise DocumentTooLargeError(f"The workbook spans more than {limits.cells:,} cells.")
            rows = (_row(row) for row in sheet.iter_rows())
            yield PageReading(index, clean("\n".join(row for row in rows if row)), name=clean(name))
    except PasswordError as error:
        raise DocumentEncryptedError from error
    except (CalamineError, OSError, ValueError) as error:
        raise DocumentUnreadableError("The workbook is damaged.") from error


def _row(cells: list[Cell]) -> str:
    return "\t".join(cell_text(cell) for cell in cells).rstrip("\t")


def cell_text(value: Cell) -> str:
    """Write a value in one line, much as a reader of the sheet sees it."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return " ".join(str(value).splitlines())
