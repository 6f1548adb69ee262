"""`transform.xlsx-to-json`: reads the rows of a sheet."""

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from assay import documents, jsontext
from assay.errors import AssayError
from assay.steps.base import Effect, Step, StepContext
from assay.steps.made_files import kept_file, refused, with_ending

_CSV = "text/csv"


class TableColumn(BaseModel):
    """A column that is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(min_length=1, max_length=200, description="Name of the value in each row.")
    index: int | None = Field(
        default=None, ge=0, le=16_383, description="Which column it is, from 0 at the first one that is read."
    )
    header: str | None = Field(
        default=None, max_length=1000, description="Which column it is, by its header; upper and lower case are equal."
    )


class TableLimits(BaseModel):
    """How much of a sheet is read before it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    max_rows: int = Field(
        default=50_000, ge=1, le=1_048_576, alias="maxRows", description="Rows of the output; more fail the step."
    )
    max_cells: int = Field(
        default=500_000, ge=1, le=2_000_000, alias="maxCells", description="Values of the output; more fail the step."
    )


class TransformXlsxToJson(Step):
    """Read the rows of a sheet.

    XLSX and XLS are read; of a formula the value that was computed last. Each row is an object with one entry a column,
    named by the header row. Numbers and booleans keep their type, dates become `yyyy-mm-dd` or
    `yyyy-mm-ddThh:mm:ss`, errors are texts such as `#REF!`. `fileId` is a file reference, as an input of type file is.
    """

    type_name = "transform.xlsx-to-json"
    # Nothing outside is looked at, but a large sheet takes seconds.
    effect = Effect.READ
    example: ClassVar[str] = """\
name: prices-of-a-sheet
version: 1.0.0
inputs:
  - name: prices
    type: array
    required: false
    default: [{ Article: Rope, Price: 20 }, { Article: Hook, Price: 5.5 }]
steps:
  - name: workbook
    type: transform.json-to-xlsx
    with:
      filename: prices.xlsx
      rows: '{{ input.prices }}'
  - name: table
    type: transform.xlsx-to-json
    with:
      input: '{{ steps.workbook.output.fileId }}'
      columns:
        - { key: name, header: article }
        - { key: price, index: 1 }
output:
  articles: '{{ steps.table.output.rows }}'
"""

    input: JsonValue = Field(description="The workbook: a file input of the workflow or a file that a step made.")
    sheet: int | str = Field(default=0, description="Name of the sheet, or its number from 0.")
    output_csv: bool = Field(
        default=False, alias="outputCsv", description="Whether the rows are kept as a CSV file too, named by `fileId`."
    )
    output_filename: str | None = Field(
        default=None,
        alias="outputFilename",
        max_length=200,
        description="Name of the CSV file. That of the workbook, with `.csv`, if absent.",
    )
    include_metadata: bool = Field(
        default=False,
        alias="includeMetadata",
        description="Whether the output has `sheet` (name, index, rowCount, columnCount) and `diagnostics` (columns, "
        "headerRow, blankRows).",
    )
    header_row: int | None = Field(
        default=None,
        ge=0,
        le=1_048_576,
        alias="headerRow",
        description="Number of the row with the headers, from 1 as the sheet counts; 0 means that there are none and "
        "columns are named by their letters. If absent, the first row that has a value. Rows above it are left out.",
    )
    columns: tuple[TableColumn, ...] | None = Field(
        default=None, min_length=1, max_length=1000, description="The columns to read. If absent, all of them."
    )
    value_mode: Literal["raw", "displayed"] = Field(
        default="raw",
        alias="valueMode",
        description="`raw`: values keep their type. `displayed`: each is a text in one line; number formats of the "
        "sheet are not applied.",
    )
    range: str | None = Field(
        default=None,
        pattern=r"^\$?[A-Za-z]{1,3}\$?[1-9]\d{0,6}:\$?[A-Za-z]{1,3}\$?[1-9]\d{0,6}$",
        description="The cells to read, such as `B2:D20`. If absent, all of the sheet.",
    )
    blank_cells: Literal["null", "omit", "empty"] = Field(
        default="null",
        alias="blankCells",
        description="What an empty cell is: null, no entry at all, or an empty text.",
    )
    blank_rows: Literal["skip", "keep"] = Field(
        default="skip", alias="blankRows", description="Whether rows without a value are left out."
    )
    limits: TableLimits = Field(default=TableLimits(), description="How much is read before the sheet is refused.")

    @property
    @override
    def replay_safe(self) -> bool:
        return True

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        return [
            (f"columns.{position}", "Name the column either by `index` or by `header`.", "invalid_value")
            for position, column in enumerate(self.columns or ())
            if (column.index is None) == (column.header is None)
        ]

    @override
    async def run(self, context: StepContext) -> JsonValue:
        file = await context.open_file(self.input)
        try:
            made = await context.parser.make(
                "table", self._arguments(), path=file.path, filename=file.filename, content_type=file.content_type
            )
        except AssayError as error:
            raise refused(error) from error
        table = await asyncio.to_thread(jsontext.load, made.content.decode())
        output: dict[str, JsonValue] = {"rows": table["rows"]}
        if self.output_csv:
            content = await asyncio.to_thread(_csv, table["columns"], table["rows"])
            name = with_ending(self.output_filename or file.filename, ".csv")
            output["fileId"] = kept_file(context, name, content, content_type=_CSV)
        return {**output, **self._metadata(made, table["columns"])} if self.include_metadata else output

    def _arguments(self) -> documents.TableArguments:
        return {
            "sheet": self.sheet,
            "range": self.range,
            "header_row": self.header_row,
            "columns": [{"key": c.key, "index": c.index, "header": c.header} for c in self.columns]
            if self.columns
            else None,
            "displayed": self.value_mode == "displayed",
            "blank_cells": self.blank_cells,
            "keep_blank_rows": self.blank_rows == "keep",
            "max_rows": self.limits.max_rows,
            "max_cells": self.limits.max_cells,
        }

    def _metadata(self, made: documents.Made, columns: list[JsonValue]) -> dict[str, JsonValue]:
        facts = made.facts
        sheet: JsonValue = {name: facts[name] for name in ("name", "index", "rowCount", "columnCount")}
        diagnostics: JsonValue = {"columns": columns, "headerRow": facts["headerRow"], "blankRows": facts["blankRows"]}
        return {"sheet": sheet, "diagnostics": diagnostics}


def _csv(columns: list[str], rows: list[dict[str, JsonValue]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
