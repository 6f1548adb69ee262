"""`transform.json-to-xlsx`: writes rows into a workbook."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from assay.errors import AssayError
from assay.steps.base import Effect, Step, StepContext, StepError
from assay.steps.made_files import kept_file, refused, with_ending

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORBIDDEN_IN_NAMES = str.maketrans(dict.fromkeys(r"[]:*?/\\", " "))
_NAME_CHARACTERS = 31

Row = dict[str, JsonValue] | list[JsonValue]


class WorkbookColumn(BaseModel):
    """A column of a sheet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(min_length=1, max_length=200, description="Name of the value in each row.")
    header: str | None = Field(default=None, max_length=1000, description="What its header says. The key if absent.")
    width: float | None = Field(default=None, gt=0, le=255, description="Width in characters.")
    format: str | None = Field(
        default=None, max_length=200, description="Number format of the spreadsheet, such as `0.00` or `#,##0`."
    )


Columns = tuple[Annotated[str, Field(min_length=1, max_length=200)] | WorkbookColumn, ...]


class WorkbookSheet(BaseModel):
    """A sheet of the workbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        min_length=1,
        max_length=200,
        description="Name of the sheet. Spreadsheets allow 31 characters and none of `[ ] : * ? / \\`; it is changed "
        "to fit, and to differ from the others.",
    )
    columns: Columns | None = Field(
        default=None, min_length=1, max_length=1000, description="As for a workbook of one sheet."
    )
    rows: tuple[Row, ...] = Field(description="As for a workbook of one sheet.")


class WorkbookLimits(BaseModel):
    """How much is written before the step fails."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    max_rows: int = Field(default=100_000, ge=1, le=1_000_000, alias="maxRows", description="Rows of all sheets.")
    max_cells: int = Field(
        default=500_000, ge=1, le=1_000_000, alias="maxCells", description="Values of all sheets, headers apart."
    )


class TransformJsonToXlsx(Step):
    """Write rows into a workbook.

    Texts stay texts, those that begin with `=` too; lists and objects become their JSON, and whole numbers of more than
    15 digits texts, because a spreadsheet would round them. `fileId` is a file reference, as an input of type file is.
    `sheets` of the output has `{name, rowCount, columnCount}` of each.
    """

    type_name = "transform.json-to-xlsx"
    # Nothing outside is looked at, but a large workbook takes seconds.
    effect = Effect.READ
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "fileId": {"type": "object", "description": "The workbook, as a file reference."},
            "filename": {"type": "string"},
            "sheetCount": {"type": "integer"},
            "sheets": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "rowCount": {"type": "integer", "description": "Rows, the one of headers apart."},
                        "columnCount": {"type": "integer"},
                    },
                },
            },
        },
    }
    example: ClassVar[str] = """\
name: price-list
version: 1.0.0
inputs:
  - { name: rope, type: number, required: false, default: 20 }
  - { name: hook, type: number, required: false, default: 5.5 }
steps:
  - name: workbook
    type: transform.json-to-xlsx
    with:
      filename: prices.xlsx
      columns:
        - { key: article, header: Article, width: 20 }
        - { key: price, header: Price, format: '0.00' }
      rows:
        - { article: Rope, price: '{{ input.rope }}' }
        - { article: Hook, price: '{{ input.hook }}' }
output:
  file: '{{ steps.workbook.output.fileId }}'
"""

    filename: str = Field(default="workbook.xlsx", min_length=1, max_length=200, description="Name of the file.")
    columns: Columns | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="The columns, in order: keys, or `{key, header, width, format}`. If absent, every key of the rows.",
    )
    rows: tuple[Row, ...] | None = Field(
        default=None,
        description="The rows: objects, whose values go where `columns` says, or lists of values from left to right.",
    )
    sheets: tuple[WorkbookSheet, ...] | None = Field(
        default=None, min_length=1, max_length=100, description="The sheets, instead of `columns` and `rows` of one."
    )
    limits: WorkbookLimits = Field(default=WorkbookLimits(), description="The most that is written.")

    @property
    @override
    def replay_safe(self) -> bool:
        return True

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        if (self.rows is None) == (self.sheets is None):
            return [("", "Give either `rows` or `sheets`.", "invalid_value")]
        if self.sheets is not None and self.columns is not None:
            return [("columns", "With `sheets`, each of them has its own `columns`.", "invalid_value")]
        return []

    @override
    async def run(self, context: StepContext) -> JsonValue:
        for _, message, code in self.problems():
            raise StepError(code, message, category="validation")
        sheets = self.sheets or (WorkbookSheet(name="Sheet1", columns=self.columns, rows=self.rows or ()),)
        self._check_size(sheets)
        written = [{"name": name, **_written(sheet)} for name, sheet in zip(_names(sheets), sheets, strict=True)]
        try:
            made = await context.parser.make("workbook", {"sheets": written})
        except AssayError as error:
            raise refused(error) from error
        file = kept_file(context, with_ending(self.filename, ".xlsx"), made.content, content_type=_XLSX)
        summaries: list[JsonValue] = [
            {"name": sheet["name"], "rowCount": len(sheet["rows"]), "columnCount": len(sheet["columns"])}
            for sheet in written
        ]
        return {"fileId": file, "filename": file["filename"], "sheetCount": len(written), "sheets": summaries}

    def _check_size(self, sheets: Sequence[WorkbookSheet]) -> None:
        rows = sum(len(sheet.rows) for sheet in sheets)
        cells = sum(len(row) for sheet in sheets for row in sheet.rows)
        for size, most, word in ((rows, self.limits.max_rows, "rows"), (cells, self.limits.max_cells, "values")):
            if size > most:
                message = f"The workbook would have {size:,} {word}; {most:,} are allowed."
                raise StepError("workbook_too_large", message, category="validation", hint="Raise `limits`.")


def _written(sheet: WorkbookSheet) -> dict[str, Any]:
    columns = _columns(sheet)
    rows = [row if isinstance(row, list) else [row.get(column.key) for column in columns] for row in sheet.rows]
    if columns:
        return {
            "columns": [
                {"header": c.key if c.header is None else c.header, "width": c.width, "format": c.format}
                for c in columns
            ],
            "rows": rows,
        }
    width = max((len(row) for row in rows), default=0)
    return {"columns": [{"header": None, "width": None, "format": None}] * width, "rows": rows}


def _columns(sheet: WorkbookSheet) -> list[WorkbookColumn]:
    if sheet.columns is None:
        keys = dict.fromkeys(key for row in sheet.rows if isinstance(row, dict) for key in row)
        return [WorkbookColumn.model_construct(key=key) for key in keys]
    return [WorkbookColumn(key=column) if isinstance(column, str) else column for column in sheet.columns]


def _names(sheets: Sequence[WorkbookSheet]) -> Iterator[str]:
    used: set[str] = set()
    for sheet in sheets:
        wanted = " ".join(sheet.name.translate(_FORBIDDEN_IN_NAMES).split()).strip("'") or "Sheet"
        name, number = wanted[:_NAME_CHARACTERS], 1
        while name.casefold() in used:
            number += 1
            ending = f" {number}"
            name = f"{wanted[: _NAME_CHARACTERS - len(ending)]}{ending}"
        used.add(name.casefold())
        yield name
