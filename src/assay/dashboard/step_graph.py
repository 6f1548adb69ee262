"""The steps of a workflow as a drawing: one below the other, those of a block indented under the step that holds it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from assay import steps

_INDENT, _ROW, _BOX, _GAP = 28, 56, 40, 8
_WIDTH = 248
_LONGEST = 30


@dataclass(frozen=True, slots=True)
class _Row:
    """One step: how deep it lies, the row of the step it hangs under or follows, and the block that it is first in."""

    spec: steps.StepSpec
    depth: int
    above: int | None
    nested: bool
    block: str | None


def step_graph(specs: Sequence[steps.StepSpec]) -> Markup:
    """Draw the steps; an empty drawing for none."""
    rows = list(_rows(specs))
    deepest = max((row.depth for row in rows), default=0)
    width, height = deepest * _INDENT + _WIDTH + 4, len(rows) * _ROW
    names = ", ".join(row.spec.name for row in rows)
    body = "".join(_edge(index, row, rows) + _box(index, row) for index, row in enumerate(rows))
    return Markup(  # noqa: S704 # numbers alone, and every text is escaped
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(f"{len(rows)} steps: {names}")}">{body}</svg>'
    )


def _rows(
    specs: Sequence[steps.StepSpec], depth: int = 0, start: int = 0, parent: int | None = None, block: str | None = None
) -> Iterator[_Row]:
    index, above, nested = start, parent, parent is not None
    for spec in specs:
        yield _Row(spec, depth, above, nested, block if nested else None)
        above, nested, place = index, False, index
        index += 1
        for name, inner in spec.blocks.items():
            inside = list(_rows(inner.steps, depth + 1, index, place, name))
            yield from inside
            index += len(inside)


def _edge(index: int, row: _Row, rows: Sequence[_Row]) -> str:
    if row.above is None:
        return ""
    x = rows[row.above].depth * _INDENT + 14
    start, end = row.above * _ROW + _GAP + _BOX, index * _ROW + _GAP
    if not row.nested:
        return f'<path d="M{x} {start}V{end}"/>'
    return f'<path d="M{x} {start}V{end + _BOX // 2}H{row.depth * _INDENT + 2}"/>'


def _box(index: int, row: _Row) -> str:
    x, y = row.depth * _INDENT + 2, index * _ROW + _GAP
    kind = row.spec.type_name
    condition = " if …" if row.spec.condition is not None else ""
    block = "" if row.block is None else f"{row.block} · "
    return (
        f"<g><title>{escape(f'{row.spec.name} ({kind})')}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_BOX}" rx="6"/>'
        f'<text x="{x + 12}" y="{y + 17}">{escape(_short(row.spec.name))}</text>'
        f'<text class="type" x="{x + 12}" y="{y + 32}">{escape(_short(f"{block}{kind}{condition}"))}</text></g>'
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
