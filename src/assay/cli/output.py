"""What goes where and in which form: data to stdout, words to stderr, tables for people, plain lines for programs."""

import json
import re
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import IO, Any, TextIO

import typer
from rich.console import Console, RenderableType
from rich.status import Status
from rich.table import Table
from rich.text import Text

from assay import clock
from assay.cli import formats
from assay.cli.failure import ExitCode, Failure
from assay.cli.preferences import preferences

# Legal in JSON, but terminals obey some of them.
_C1 = re.compile(r"[\x7f-\x9f]")

UNBROKEN = 10_000
COLUMN_GAP = 2
NARROWEST_COLUMN = 6

STYLES = {
    "completed": "green",
    "success": "green",
    "pass": "green",
    "failed": "bold red",
    "failure": "bold red",
    "fail": "bold red",
    "rejected": "red",
    "cancelled": "yellow",
    "inconclusive": "yellow",
    "skipped": "bright_black",
    "running": "cyan",
    "waiting": "cyan",
    "pending": "blue",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as programs get it, and as people see it where that differs."""

    plain: str | float | bool | None
    shown: str | None = None
    style: str | None = None


Value = Cell | str | float | bool | None


def is_terminal() -> bool:
    """Tell whether a person reads stdout."""
    return sys.stdout.isatty()


def console(file: TextIO | None = None, *, width: int | None = None) -> Console:
    """Return a console for stdout, or another stream; only a terminal gets colours and escape codes."""
    stream = file or sys.stdout
    return Console(
        file=stream,
        width=width,
        force_terminal=stream.isatty(),
        no_color=True if preferences.no_color else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def print_rows(titles: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    """Print a table with titles, or on a pipe one line a row with tabs between its values and no titles."""
    cells = [[value if isinstance(value, Cell) else Cell(value) for value in row] for row in rows]
    if not is_terminal():
        for row in cells:
            sys.stdout.write("\t".join(_plain(cell) for cell in row) + "\n")
        return
    shown = [[_shown(cell) for cell in row] for row in cells]
    target = console()
    widths = [max(len(text) for text in column) for column in zip(map(Text, titles), *shown, strict=True)]
    table = Table(box=None, padding=(0, COLUMN_GAP, 0, 0), pad_edge=False, header_style="bold")
    for title, width in zip(titles, _fitting(widths, target.width - COLUMN_GAP * len(titles)), strict=True):
        table.add_column(title, overflow="ellipsis", no_wrap=True, width=width)
    for row in shown:
        table.add_row(*row)
    target.print(table)


def print_wrapped(titles: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    """Print a table as `print_rows` does, but let long values take several lines on a terminal."""
    if not is_terminal():
        print_rows(titles, rows)
        return
    table = Table(*titles, box=None, padding=(0, COLUMN_GAP, 0, 0), pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*[_shown(value if isinstance(value, Cell) else Cell(value)) for value in row])
    console().print(table)


def print_prose(text: str) -> None:
    """Print paragraphs; on a pipe each on one line."""
    print_rich(Text(formats.visible("\n\n".join(part.replace("\n", " ") for part in text.split("\n\n")))))


def print_heading(text: str) -> None:
    """Print a title above what follows."""
    print_rich(Text(formats.visible(text), "bold underline"))


def print_fields(fields: Mapping[str, Value]) -> None:
    """Print one thing, a line for each field; on a pipe with a tab between name and value."""
    cells = {name: value if isinstance(value, Cell) else Cell(value) for name, value in fields.items()}
    if not is_terminal():
        for name, cell in cells.items():
            sys.stdout.write(f"{name}\t{_plain(cell)}\n")
        return
    grid = Table.grid(padding=(0, 2))
    for name, cell in cells.items():
        grid.add_row(Text(name, "bold"), _shown(cell))
    console().print(grid)


def print_value(text: str) -> None:
    """Print one value alone on its line."""
    sys.stdout.write(f"{formats.visible(text)}\n")


def print_line(*values: str | None) -> None:
    """Print values on one line: with tabs between them on a pipe, with blanks on a terminal. It comes out at once."""
    separator = "  " if is_terminal() else "\t"
    sys.stdout.write(separator.join(formats.one_line(value or "") for value in values).rstrip() + "\n")
    sys.stdout.flush()


def print_text(text: str) -> None:
    """Print text as it is; on a terminal, with nothing in it that the terminal would obey."""
    sys.stdout.write(formats.visible(text) if is_terminal() else text)


def print_json(value: object) -> None:
    """Print JSON, indented; in colour on a terminal."""
    text = json_text(value)
    if is_terminal():
        console().print_json(text, ensure_ascii=False)
    else:
        sys.stdout.write(text + "\n")


def json_text(value: object) -> str:
    """Write JSON as people read it, with nothing in it that a terminal would obey."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _C1.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_rich(renderable: RenderableType, file: TextIO | None = None) -> None:
    """Print something laid out; on a pipe and to a file the same without colours, and no line is broken."""
    stream = file or sys.stdout
    if stream.isatty():
        console().print(renderable)
        return
    text = StringIO()
    console(text, width=UNBROKEN).print(renderable)
    stream.writelines(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def compact_json(value: object) -> str:
    """Write JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def say(text: str) -> None:
    """Say something to the person; nothing with `--quiet`."""
    if not preferences.quiet:
        console(sys.stderr).print(Text(formats.visible(text)), soft_wrap=True)


@contextmanager
def working(text: str) -> Generator[Status | None]:
    """Show that work goes on, on a terminal; yields what shows it, so that its words can change."""
    if preferences.quiet or not sys.stderr.isatty():
        yield None
        return
    with console(sys.stderr).status(Text(formats.visible(text))) as status:
        yield status


def confirm(question: str, *, yes: bool) -> None:
    """Return if the person agrees; `yes` is an answer given in advance.

    Raises:
        Failure: there is nobody to ask, or the person does not agree.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Failure(f"{question} Nobody can be asked here.", hint="Say --yes.", exit_code=ExitCode.MISUSED)
    if not typer.confirm(formats.visible(question), err=True):
        raise Failure("Nothing was done.")


def status_cell(status: str) -> Cell:
    """Return the status of a run or a step in its colour."""
    return Cell(status, style=STYLES.get(status))


def moment_cell(iso: str | None) -> Cell:
    """Return a moment: exact for programs, local and short for people."""
    return Cell(iso, formats.short_moment(iso, clock.now().astimezone().date()))


def duration_cell(milliseconds: float | None) -> Cell:
    """Return a duration: milliseconds for programs."""
    return Cell(milliseconds, formats.duration(milliseconds))


def write_json(file: IO[str], value: Any) -> None:
    """Write JSON to an open file, as `print_json` does."""
    file.write(json_text(value) + "\n")


def _fitting(widths: Sequence[int], room: int) -> Sequence[int]:
    """Take width from the widest columns until all fit; the first, an id or a name, stays whole to be copied."""
    first, *others = widths
    while first + sum(others) > room and others and max(others) > NARROWEST_COLUMN:
        others[others.index(max(others))] -= 1
    return [first, *others]


def _plain(cell: Cell) -> str:
    if cell.plain is None:
        return ""
    if isinstance(cell.plain, bool):
        return str(cell.plain).lower()
    return formats.one_line(str(cell.plain))


def _shown(cell: Cell) -> Text:
    if cell.shown is None and isinstance(cell.plain, bool):
        return Text("yes", "green") if cell.plain else Text("no", "bright_black")
    shown = _plain(cell) if cell.shown is None else formats.one_line(cell.shown)
    return Text(shown, cell.style or "")
