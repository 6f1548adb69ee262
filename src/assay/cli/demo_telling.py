"""How the demo's story reads: chapters, sentences with numbers, and small tables."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from assay.cli import formats, output
from assay.cli.answers import Json, items, part
from assay.cli.demo_story import Result, Reviewed
from assay.cli.preferences import preferences

_INDENT = "   "
_WORST = 3


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells on stdout, or on stderr where that is for JSON."""

    as_json: bool

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._print(Text(f"\n{title}", "bold"))

    def say(self, *sentences: str) -> None:
        """Say something, a line each."""
        for sentence in sentences:
            self._print(Text(f"{_INDENT}{sentence}"))

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        for title in (_INDENT, *titles):
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row("", *row)
        output.print_rich(table, sys.stderr if self.as_json else None)

    def _print(self, text: Text) -> None:
        output.print_rich(text, sys.stderr if self.as_json else None)


def progress() -> Progress:
    """Return a bar that is shown on terminals only."""
    return Progress(
        TextColumn("   {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.console(sys.stderr),
        transient=True,
        disable=preferences.quiet or not sys.stderr.isatty(),
    )


def outcome(experiment: Json) -> str:
    """Say what came of an experiment."""
    passed, total = experiment["passedCount"], experiment["runCount"]
    return f"{experiment['version']}: {passed} of {total} examples pass ({experiment['id']})."


def agreement_rows(agreement: Json) -> Sequence[Sequence[str]]:
    """Lay out where workflow and people agree least, and who was right where somebody looked."""
    return [
        (
            one["field"],
            _share(one["agreed"], one["compared"], one),
            _right(part(one, "judged"), "run"),
            _right(part(one, "judged"), "incumbent"),
        )
        for one in items(agreement, "fields")[:_WORST]
    ]


def review_rows(reviewed: Sequence[Reviewed]) -> Sequence[Sequence[str]]:
    """Lay out verdicts, the misses first."""
    ordered = sorted(reviewed, key=lambda one: not one.result.misses)
    return [
        (
            one.result.invoice.path.name,
            one.reason,
            "fail" if one.result.misses else "pass",
            "; ".join(miss(one.result, field) for field in one.result.misses),
            one.result.run_id,
        )
        for one in ordered
    ]


def step_rows(steps: Sequence[Json], field: str) -> Sequence[Sequence[str]]:
    """Lay out the steps of a run, with what each made of a field."""
    return [
        (
            step["stepName"],
            step["stepType"],
            output.duration_cell(step["durationMs"]).shown or "",
            str(part(step, "output").get(field, "")),
        )
        for step in steps
    ]


def miss(result: Result, field: str) -> str:
    """Say what is wrong with a field."""
    found = result.found(field)
    shown = "nothing" if found is None else formats.one_line(str(found))
    return f"{field}: {shown} for {result.invoice.truth[field]}"


def health_row(title: str, health: Json, mode: str) -> Sequence[str]:
    """Lay out how a version fares: the estimate from the sample, and what is still to be done."""
    quality = part(part(health, "quality"), mode)
    interval = quality.get("interval")
    estimate = "unmeasured"
    if quality.get("estimate") is not None and interval:
        estimate = f"{quality['estimate']:.0%} ({interval['lower']:.0%} to {interval['upper']:.0%})"
    summary = part(health, "summary")
    return (
        title,
        str(summary["totalRuns"]),
        str(summary["reviewedRuns"]),
        estimate,
        str(part(health, "debt")["count"]),
    )


def _right(judged: Json, side: str) -> str:
    return "" if not judged else _share(judged[side]["right"], judged["runs"], judged[side])


def _share(count: int, total: int, rate: Json) -> str:
    bounds = rate["interval"]
    return f"{count} of {total} ({bounds['lower']:.0%} to {bounds['upper']:.0%})"
