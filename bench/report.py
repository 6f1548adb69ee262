"""One table for all that was measured: what, how much, what was aimed at, and whether that was met."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measure:
    """One line. `aim` is a bound in the measure's own unit: the most, or with `at_least` the least."""

    area: str
    what: str
    value: float
    unit: str
    aim: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the aim was met, None where there is none."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.at_least else self.value <= self.aim

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the line as it is shown."""
        aim = "" if self.aim is None else f"{'≥' if self.at_least else '≤'} {self.aim:g} {self.unit}"
        verdict = {True: "met", False: "missed", None: ""}[self.met]
        return self.area, self.what, f"{_number(self.value)} {self.unit}", aim, verdict


HEADS = ("", "measured", "value", "aim", "")


def show(measures: Sequence[Measure]) -> None:
    """Print the table."""
    table = Table(*HEADS)
    last = None
    for measure in measures:
        area, what, value, aim, verdict = measure.cells()
        style = "red" if measure.met is False else None
        table.add_row(area if area != last else "", what, value, aim, verdict, style=style)
        last = area
    Console(width=120).print(table)


def write_markdown(measures: Sequence[Measure], path: Path, conditions: str) -> None:
    """Write the table to a file, or between the marks `<!-- bench -->` and `<!-- /bench -->` of one that has them."""
    lines = ["|".join(("", *cells, "")) for cells in (HEADS, ("---",) * 5, *(m.cells() for m in measures))]
    text = "\n".join(["<!-- bench -->", conditions, "", *lines, "<!-- /bench -->"])
    known = path.read_text() if path.exists() else ""
    before, mark, rest = known.partition("<!-- bench -->")
    after = rest.partition("<!-- /bench -->")[2] if mark else "\n"
    path.write_text(before + text + after)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
