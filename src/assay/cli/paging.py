"""How a long list is asked for and printed: a page at a time, and how many are left."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from assay.cli import output
from assay.cli.answers import Json, items
from assay.cli.output import Value

PageSize = Annotated[int, typer.Option("--limit", min=1, max=100, help="How many at most.")]
Offset = Annotated[int, typer.Option("--offset", min=0, help="How many to pass over.")]


def print_page(
    page: Json,
    titles: Sequence[str],
    row: Callable[[Json], Sequence[Value]],
    *,
    offset: int,
    as_json: bool,
    print_rows: Callable[[Sequence[str], Sequence[Sequence[Value]]], None] = output.print_rows,
) -> None:
    """Print a page `{data, total}` that begins after `offset`: as it is, or as a table and how many come after it."""
    if as_json:
        output.print_json(page)
        return
    rows = [row(one) for one in items(page, "data")]
    print_rows(titles, rows)
    left = page["total"] - offset - len(rows)
    if left > 0:
        output.say(f"{left:,} more: --offset and --limit show them.")
