"""Which documents are made of others, in a child like everything that opens what strangers send, and what they take.

- `table`: the rows of one sheet of a workbook, as JSON `{"columns": [...], "rows": [...]}`. Arguments:
  `TableArguments`. Facts: `name`, `index`, `rowCount`, `columnCount` of the sheet, `headerRow`, `blankRows`.
- `workbook`: an XLSX, of no file. Arguments: `{"sheets": [{"name", "columns": [{"header", "width", "format"}],
  "rows": [[...]]}]}`, where header, width and format may be null; if no column has a header there is no row of them.
- `form`: the DOCX or XLSX with its placeholders filled in. Arguments: `{"data": {...}, "missing": text,
  "highlight": bool}`. Facts: `format`, `missingCount`.
- `text-layer`: a PDF of the PDF or image with its words as text that can be searched. Arguments: `{"words": path of
  what `ParsedDocument.words` holds, "confidence": least}`. Facts: `pageCount`, `wordCount`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from pydantic import JsonValue

MakingTask = Literal["table", "workbook", "form", "text-layer"]


@dataclass(frozen=True, slots=True)
class Made:
    """The bytes that were made, and what is worth knowing of them."""

    content: bytes
    facts: "Mapping[str, JsonValue]"


class ColumnArguments(TypedDict):
    """A column that is wanted: `index` counts from 0 at the first column of the range."""

    key: str
    index: int | None
    header: str | None


class TableArguments(TypedDict):
    """Which cells, and in which form.

    `header_row` counts from 1 as the sheet does; 0 means that there is none, None that it is the first row with a
    value. `range` is like `B2:D20`. Without `columns` all are taken, by their headers or letters.
    """

    sheet: str | int
    range: str | None
    header_row: int | None
    columns: list[ColumnArguments] | None
    displayed: bool
    blank_cells: Literal["null", "omit", "empty"]
    keep_blank_rows: bool
    max_rows: int
    max_cells: int
