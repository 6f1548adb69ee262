"""How a workbook becomes bytes in a process that may not write files."""

# openpyxl offers no other way to its parts.
# ruff: noqa: SLF001

import io
import zipfile
from typing import Any, cast

from openpyxl import Workbook
from openpyxl.drawing.spreadsheet_drawing import SpreadsheetDrawing
from openpyxl.worksheet._writer import WorksheetWriter
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.writer.excel import ExcelWriter
from typing_extensions import override


class _InMemory(ExcelWriter):
    @override
    def write_worksheet(self, ws: Worksheet) -> None:
        # As openpyxl does it, except that each sheet would pass through a temporary file.
        inner = cast("Any", ws)
        inner._drawing = SpreadsheetDrawing()
        inner._drawing.charts = inner._charts
        inner._drawing.images = inner._images
        sheet = io.BytesIO()
        writer = cast("Any", WorksheetWriter(ws, out=sheet))
        writer.write()
        inner._rels = writer._rels
        archive = cast("Any", self)
        archive._archive.writestr(ws.path[1:], sheet.getvalue())
        archive.manifest.append(ws)


def workbook_bytes(workbook: Workbook) -> bytes:
    """Return the workbook as XLSX."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        _InMemory(workbook, archive).save()
    return content.getvalue()
