"""Charts as SVG, drawn on the server: numbers in, shapes out; no style attribute, so the content policy holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a series with its band; None where there is nothing to show."""

    label: str
    value: float | None
    lower: float | None = None
    upper: float | None = None


def sparkline(values: Sequence[float], label: str, *, width: int = 140, height: int = 32) -> Markup:
    """Draw bars for counts over time; `label` says it to who cannot see it."""
    most = max([*values, 1])
    step = width / max(len(values), 1)
    bars = "".join(
        f'<rect class="accent" x="{index * step + 1:.1f}" y="{height - value / most * (height - 2):.1f}" '
        f'width="{max(step - 2, 1):.1f}" height="{max(value / most * (height - 2), 1):.1f}" rx="1"/>'
        for index, value in enumerate(values)
    )
    return Markup(  # noqa: S704 # numbers alone, and the label is escaped
        f'<svg class="chart spark" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{bars}</svg>'
    )


def interval(value: float | None, lower: float, upper: float, label: str, *, width: int = 220) -> Markup:
    """Draw a share from 0 to 1 with its interval on one line."""
    inner = width - 8
    mark = "" if value is None else f'<circle class="accent" cx="{4 + value * inner:.1f}" cy="10" r="4"/>'
    return Markup(  # noqa: S704 # numbers alone, and the label is escaped
        f'<svg class="chart" viewBox="0 0 {width} 20" role="img" aria-label="{escape(label)}">'
        f'<line class="axis" x1="4" x2="{width - 4}" y1="10" y2="10"/>'
        f'<rect class="band" x="{4 + lower * inner:.1f}" y="6" width="{max((upper - lower) * inner, 1):.1f}" '
        f'height="8" rx="4"/>{mark}</svg>'
    )


def line(points: Sequence[Point], label: str, *, width: int = 640, height: int = 180) -> Markup:
    """Draw shares from 0 to 1 over time with their band; gaps stay gaps."""
    left, right, top, bottom = 36, 8, 8, 22
    inner_width, inner_height = width - left - right, height - top - bottom
    step = inner_width / max(len(points) - 1, 1)

    def place(index: int, share: float) -> str:
        return f"{left + index * step:.1f},{top + (1 - share) * inner_height:.1f}"

    parts = [
        f'<line class="axis" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        for share in (0.0, 0.5, 1.0)
        for y in [top + (1 - share) * inner_height]
    ]
    for run in _runs_of_values(points):
        banded = [(index, point) for index, point in run if point.lower is not None and point.upper is not None]
        if len(banded) > 1:
            there = [place(index, point.upper or 0.0) for index, point in banded]
            back = [place(index, point.lower or 0.0) for index, point in reversed(banded)]
            parts.append(f'<polygon class="band" points="{" ".join([*there, *back])}"/>')
        spots = [place(index, point.value or 0.0) for index, point in run]
        parts.append(f'<polyline class="line" points="{" ".join(spots)}"/>')
        parts += [
            f'<circle class="accent" cx="{spot.split(",")[0]}" cy="{spot.split(",")[1]}" r="3">'
            f"<title>{escape(point.label)}: {point.value:.1%}</title></circle>"
            for spot, (_, point) in zip(spots, run, strict=True)
        ]
    if points:
        parts.append(f'<text x="{left}" y="{height - 4}">{escape(points[0].label)}</text>')
        parts.append(f'<text x="{width - right}" y="{height - 4}" text-anchor="end">{escape(points[-1].label)}</text>')
    return Markup(  # noqa: S704 # numbers alone, and the labels are escaped
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _runs_of_values(points: Sequence[Point]) -> list[list[tuple[int, Point]]]:
    runs: list[list[tuple[int, Point]]] = [[]]
    for index, point in enumerate(points):
        if point.value is None:
            runs.append([])
        else:
            runs[-1].append((index, point))
    return [run for run in runs if run]


def difference(value: float, lower: float, upper: float, label: str, *, width: int = 480) -> Markup:
    """Draw a change of a share, from -1 to 1, with its interval around a line at no change."""
    reach = next(step for step in (0.05, 0.1, 0.25, 0.5, 1.0) if step >= max(abs(lower), abs(upper), abs(value)) - 1e-9)
    half = (width - 60) / 2

    def place(change: float) -> float:
        return width / 2 + max(-1.0, min(1.0, change / reach)) * half

    ticks = "".join(
        f'<line class="axis" x1="{place(at):.1f}" x2="{place(at):.1f}" y1="2" y2="30"/>'
        f'<text x="{place(at):.1f}" y="44" text-anchor="middle">{f"{at * 100:+g}" if at else "0"}</text>'
        for at in (-reach, -reach / 2, 0.0, reach / 2, reach)
    )
    kind = "bad" if upper < 0 else "good" if lower > 0 else "accent"
    return Markup(  # noqa: S704 # numbers alone, and the label is escaped
        f'<svg class="chart change" viewBox="0 0 {width} 50" role="img" aria-label="{escape(label)}">{ticks}'
        f'<line class="zero" x1="{width / 2:.1f}" x2="{width / 2:.1f}" y1="0" y2="32"/>'
        f'<rect class="band" x="{place(lower):.1f}" y="12" width="{max(place(upper) - place(lower), 2):.1f}" '
        f'height="8" rx="4"/><circle class="{kind}" cx="{place(value):.1f}" cy="16" r="5"/></svg>'
    )
