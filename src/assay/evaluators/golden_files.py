"""Which output file answers an expected one, and what makes their contents the same."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Final, cast

from pydantic import JsonValue

from assay import documents
from assay.errors import AssayError
from assay.evaluators.base import EvaluatorError, GradedFile, GradingContext
from assay.evaluators.comparison_rules import Place
from assay.evaluators.json_difference import expected_file
from assay.evaluators.leaf_values import same_leaf
from assay.evaluators.mismatch import MAX_MISMATCHES, MISSING, mismatch

_MOST_ROWS: Final = 1_048_576
_MOST_CELLS: Final = 5_000_000
_AS_WRITTEN: Final = frozenset({"plaintext", "csv"})

Row = Mapping[str, JsonValue]
_EMPTY_ROW: Final[Row] = {}


class GoldenFileError(EvaluatorError):
    """A file could not be compared with the expected one."""

    code = "golden_file_unreadable"


class _OutputUnreadableError(Exception):
    """The workflow made a file that cannot be read."""


@dataclass(frozen=True, slots=True)
class GoldenFile:
    """An expected file; `field` is the name that stands before the reference to it, `top_field` the top-level one."""

    file: GradedFile
    field: str | None = None
    top_field: str | None = None


@dataclass(frozen=True, slots=True)
class _Reference:
    name: str
    field: str | None
    top_field: str | None
    reached: bool


def golden_files(expected: JsonValue, files: Sequence[GradedFile], place: Place) -> list[GoldenFile]:
    """Return the expected files that are compared: all but those that only left out places refer to."""
    references: dict[str, _Reference] = {}
    for reference in _references(expected, place, None, None):
        if reference.name not in references or reference.reached:
            references[reference.name] = reference
    found: list[GoldenFile] = []
    for file in files:
        reference = references.get(file.name)
        if reference is None:
            found.append(GoldenFile(file))
        elif reference.reached:
            found.append(GoldenFile(file, reference.field, reference.top_field))
    return found


async def compare_files(
    golden: Sequence[GoldenFile], output: Sequence[GradedFile], context: GradingContext
) -> list[list[JsonValue]]:
    """Compare each golden file with its output file; return the mismatches of each, none where they are the same.

    The output file has the same name, else the same stem, else the name or stem of the field. Each is
    compared with one golden file only. Text, the text of PDF and DOCX and the cells of XLSX count,
    of other files all bytes.

    Raises:
        GoldenFileError: the golden file, or either for no fault of the workflow, cannot be read.
    """
    return [
        await _compare(one.file, answer, context) if answer else [mismatch(_path(one.file), one.file.name, MISSING)]
        for one, answer in zip(golden, _pair(golden, output), strict=True)
    ]


def _references(value: JsonValue, place: Place, field: str | None, top_field: str | None) -> Iterator[_Reference]:
    name = expected_file(value)
    if name is not None:
        yield _Reference(name, field, top_field, place.reached)
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _references(below, place.at_field(key), key, top_field or key)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _references(below, place.at_item(index), field, top_field)


def _pair(golden: Sequence[GoldenFile], output: Sequence[GradedFile]) -> list[GradedFile | None]:
    remaining = list(output)
    pairs: list[GradedFile | None] = [None] * len(golden)
    for answers in (_same_name, _same_stem, _named_like_the_field):
        for index, one in enumerate(golden):
            if pairs[index] is None:
                pairs[index] = chosen = _choose(one, remaining, answers)
                if chosen:
                    remaining.remove(chosen)
    return pairs


def _choose(
    golden: GoldenFile, remaining: Sequence[GradedFile], answers: Callable[[GoldenFile, GradedFile], bool]
) -> GradedFile | None:
    suitable = [file for file in remaining if answers(golden, file)]
    return next((file for file in suitable if file.sha256 == golden.file.sha256), suitable[0] if suitable else None)


def _same_name(golden: GoldenFile, file: GradedFile) -> bool:
    return file.name == golden.file.name


def _same_stem(golden: GoldenFile, file: GradedFile) -> bool:
    return PurePosixPath(file.name).stem == PurePosixPath(golden.file.name).stem


def _named_like_the_field(golden: GoldenFile, file: GradedFile) -> bool:
    return golden.field is not None and golden.field in (file.name, PurePosixPath(file.name).stem)


async def _compare(golden: GradedFile, output: GradedFile, context: GradingContext) -> list[JsonValue]:
    if golden.sha256 == output.sha256:
        return []
    path = _path(golden)
    try:
        left = await _read(golden, context)
        right = await _read(output, context, made_by_workflow=True)
        if left is None or right is None:
            return [mismatch(path, golden.sha256, output.sha256, "the bytes differ")]
        if _is_workbook(left) and _is_workbook(right):
            cells = (
                await _sheets(golden, left, context),
                await _sheets(output, right, context, made_by_workflow=True),
            )
            return await asyncio.to_thread(_cell_mismatches, path, *cells)
        return await asyncio.to_thread(_text_mismatches, path, left, right)
    except _OutputUnreadableError as error:
        return [mismatch(path, golden.name, output.name, f"cannot be read: {error}")]


async def _read(
    file: GradedFile, context: GradingContext, *, made_by_workflow: bool = False
) -> documents.ParsedDocument | None:
    """Read a file that has text; None stands for any other."""
    if not file.size:
        return None
    try:
        local = await context.open(file)
        document = await context.parser.parse(local, filename=file.name, content_type=file.content_type, mode="native")
    except documents.DocumentUnsupportedError:
        return None
    except AssayError as error:
        raise _blamed(file, error, made_by_workflow=made_by_workflow) from error
    return document if document.text.strip() else None


def _blamed(file: GradedFile, error: AssayError, *, made_by_workflow: bool) -> Exception:
    damaged = isinstance(error, documents.DocumentUnreadableError | documents.DocumentEncryptedError)
    if damaged and made_by_workflow:
        return _OutputUnreadableError(error.message)
    whose = "output" if made_by_workflow else "expected"
    return GoldenFileError(f"The {whose} file {file.name} could not be compared: {error.message}", hint=error.hint)


def _is_workbook(document: documents.ParsedDocument) -> bool:
    return bool(document.pages) and all(page.name is not None for page in document.pages)


async def _sheets(
    file: GradedFile, document: documents.ParsedDocument, context: GradingContext, *, made_by_workflow: bool = False
) -> dict[str, list[Row]]:
    """Read all cells that have a value: a row is `{letter of the column: value}`, the first is row 1."""
    sheets: dict[str, list[Row]] = {}
    try:
        local = await context.open(file)
        for page in document.pages:
            arguments = documents.TableArguments(
                sheet=page.index,
                range=None,
                header_row=0,
                columns=None,
                displayed=False,
                blank_cells="omit",
                keep_blank_rows=True,
                max_rows=_MOST_ROWS,
                max_cells=_MOST_CELLS,
            )
            made = await context.parser.make(
                "table", arguments, path=local, filename=file.name, content_type=file.content_type
            )
            sheets[page.name or ""] = await asyncio.to_thread(_rows, made.content)
    except AssayError as error:
        raise _blamed(file, error, made_by_workflow=made_by_workflow) from error
    return sheets


def _rows(table: bytes) -> list[Row]:
    return cast("list[Row]", json.loads(table)["rows"])


def _cell_mismatches(
    path: str, expected: Mapping[str, Sequence[Row]], actual: Mapping[str, Sequence[Row]]
) -> list[JsonValue]:
    found: list[JsonValue] = []
    for sheet in dict.fromkeys([*expected, *actual]):
        if sheet not in actual:
            found.append(mismatch(f"{path}!{sheet}", sheet, MISSING, "no such sheet"))
        elif sheet not in expected:
            found.append(mismatch(f"{path}!{sheet}", MISSING, sheet, "not expected"))
        else:
            found.extend(_row_mismatches(f"{path}!{sheet}", expected[sheet], actual[sheet]))
        if len(found) >= MAX_MISMATCHES:
            break
    return found[:MAX_MISMATCHES]


def _row_mismatches(path: str, expected: Sequence[Row], actual: Sequence[Row]) -> list[JsonValue]:
    found: list[JsonValue] = []
    for number, (left, right) in enumerate(zip_longest(expected, actual, fillvalue=_EMPTY_ROW), start=1):
        for column in dict.fromkeys([*left, *right]):
            value, other = left.get(column), right.get(column)
            if not same_leaf(value, other, None):
                found.append(mismatch(f"{path}!{column}{number}", value, other))
        if len(found) >= MAX_MISMATCHES:
            break
    return found


def _text_mismatches(
    path: str, expected: documents.ParsedDocument, actual: documents.ParsedDocument
) -> list[JsonValue]:
    # In a text file blanks inside a line can mean something; in a document they come from its layout.
    as_written = expected.kind in _AS_WRITTEN and actual.kind in _AS_WRITTEN
    left, right = _lines(expected.text, as_written=as_written), _lines(actual.text, as_written=as_written)
    for number, (line, other) in enumerate(zip_longest(left, right), start=1):
        if line != other:
            reason = f"line {number} is the first that differs"
            return [mismatch(path, MISSING if line is None else line, MISSING if other is None else other, reason)]
    return []


def _lines(text: str, *, as_written: bool) -> list[str]:
    if as_written:
        return [line.rstrip() for line in text.strip().splitlines()]
    return [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]


def _path(file: GradedFile) -> str:
    return f"files/{file.name}"
