"""What a trace shows, and in which order: how the run ended, where the time went, then every step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from assay.cli import formats
from assay.cli.answers import Json, items, part
from assay.cli.output import STYLES
from assay.cli.values import Block, Known, Layout, Limits
from assay_client import Client

BAR_WIDTH = 24
MARKS = {
    "completed": "✔",
    "success": "✔",
    "failed": "✘",
    "failure": "✘",
    "rejected": "✘",
    "cancelled": "■",
    "skipped": "·",
}
FAINT = "bright_black"


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything the server knows of one run."""

    run: Json
    steps: Sequence[Json]
    events: Sequence[Json]
    artifacts: Sequence[Json]

    def as_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {"run": self.run, "steps": self.steps, "events": self.events, "artifacts": self.artifacts}


def read_trace(client: Client, run_id: str) -> Trace:
    """Ask the server for everything it knows of a run.

    Raises:
        NotFoundError: there is no such run.
    """
    return Trace(
        client.runs.get(run_id, expand=("input", "usage")),
        client.runs.steps(run_id),
        client.runs.events(run_id),
        client.runs.artifacts(run_id),
    )


def render(trace: Trace, limits: Limits) -> RenderableType:
    """Lay a trace out for reading, in full or with long values shortened."""
    layout = Layout(limits, Known())
    parts: list[RenderableType] = [_head(trace, layout)]
    if trace.steps:
        parts += [_overview(trace), *(_step(step, layout) for step in trace.steps)]
    parts += [_section("Events"), _events(trace)]
    return Group(*parts)


def _head(trace: Trace, layout: Layout) -> RenderableType:
    run = trace.run
    status, failure = run["execution"]["status"], part(run["execution"], "failure")
    title = Text.assemble(
        (f"{_mark(status)} {status}", STYLES.get(status, "")),
        "  ",
        (run["id"], "bold"),
        ("  " + formats.duration(run["timing"]["durationMs"]), FAINT),
    )
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(run):
        facts.add_row(Text(name, FAINT), Text(formats.visible(value)))
    parts: list[RenderableType] = [title, _indented(facts)]
    if run.get("error"):
        code = f"  [{failure['code']}]" if failure.get("code") else ""
        parts += [Text(), Block([Text(f"{formats.visible(run['error'])}{code}", "red")], 2)]
    given = part(run, "input").get("args")
    parts += [*_value("input", given, layout), *_value("output", run.get("output"), layout)]
    layout.known.add("input", given)
    return Group(*parts)


def _facts(run: Json) -> Iterator[tuple[str, str]]:
    source, trigger, timing = run["source"], run["trigger"], run["timing"]
    version = f"@{source['version']}" if source.get("version") else ""
    yield "automation", f"{source.get('slug') or source['name']}{version}  ({source['id']})"
    person = f" by {trigger['by']['email']}" if trigger.get("by") else ""
    mode = run.get("mode", "live")
    yield "started", f"{formats.moment(timing['createdAt'])} through {trigger['type']}{person}"
    if mode != "live":
        yield "mode", mode
    retry = run["execution"]["retry"]
    if retry.get("previousRunId"):
        yield "repeats", retry["previousRunId"]
    if retry.get("nextRun"):
        yield "repeated by", retry["nextRun"]["id"]
    used = _used(part(run, "usage"))
    if used:
        yield "used", used


def _used(usage: Json) -> str:
    tokens = part(usage, "tokens")
    amounts = [
        (usage.get("llmCallCount"), "model calls"),
        (tokens.get("input"), "tokens in"),
        (tokens.get("output"), "tokens out"),
        (usage.get("ocrPagesProcessed"), "pages by OCR"),
    ]
    return ", ".join(f"{number:,} {what}" for number, what in amounts if number)


def _overview(trace: Trace) -> RenderableType:
    start, total = _span(trace)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style=FAINT)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style=FAINT)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, style="blue")
    for number, step in enumerate(trace.steps, 1):
        name = Text.assemble("  " * _depth(step), (_mark(step["status"]), STYLES.get(step["status"], "")), " ")
        bar = _bar(_ms(step["startedAt"]) - start, step["durationMs"] or 0, total)
        skipped = step["status"] == "skipped"
        table.add_row(
            str(number),
            name + Text(formats.visible(step["stepName"]), FAINT if skipped else "bold"),
            step["stepType"],
            Text("skipped", FAINT) if skipped else formats.duration(step["durationMs"]),
            "" if skipped else bar,
        )
    return Group(_section("Steps"), _indented(table))


def _step(step: Json, layout: Layout) -> RenderableType:
    status = step["status"]
    title = Text.assemble(
        "\n",
        (f"{_mark(status)} {formats.visible(step['stepName'])}", f"bold {STYLES.get(status, '')}"),
        (f"  {step['stepType']}", FAINT),
        (f"  {formats.duration(step['durationMs'])}" if status != "skipped" else f"  {_why(step)}", FAINT),
    )
    attempts = step.get("attempts") or 1
    if attempts > 1:
        title.append(f"  {attempts} attempts", "yellow")
    if status == "skipped":
        return title
    config = step["resolvedConfig"] if step["resolvedConfig"] is not None else step["input"]
    parts: list[RenderableType] = [title]
    if step.get("error"):
        code = part(step, "failure").get("code")
        text = formats.visible(step["error"]) + (f"  [{code}]" if code else "")
        parts.append(Block([Text(text, "red")], 2))
    parts += [*_value("with", config or None, layout), *_value("output", step["output"], layout)]
    layout.known.add(f"steps.{step['stepName']}.output", step["output"])
    return Group(*parts)


def _why(step: Json) -> str:
    return f"skipped: {formats.visible(step['skippedReason'])}" if step.get("skippedReason") else "skipped"


def _value(name: str, value: object, layout: Layout) -> list[RenderableType]:
    return [] if value is None else [Text(f"  {name}", "bold"), Block(layout.lines(value), 4)]


def _indented(table: Table) -> RenderableType:
    return Padding(table, (0, 0, 0, 2), expand=False)


def _events(trace: Trace) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, justify="right", style=FAINT)
    table.add_column(no_wrap=True)
    table.add_column()
    start = _ms(trace.run["timing"]["createdAt"])
    for event in trace.events:
        about = part(event, "metadata")
        said = event.get("message") or about.get("step") or about.get("version") or ""
        table.add_row(
            f"+{formats.duration(_ms(event['timestamp']) - start)}",
            Text(event["type"], STYLES.get(event["type"].split(".")[-1], "")),
            Text(formats.one_line(str(said))),
        )
    return _indented(table)


def _section(title: str) -> RenderableType:
    return Text(f"\n{title}", "bold underline")


def _mark(status: str) -> str:
    return MARKS.get(status, "●")


def _depth(step: Json) -> int:
    return sum(1 for scope in items(step, "scopeStack") if scope.get("kind") != "root")


def _span(trace: Trace) -> tuple[float, float]:
    """Return when the first step began, and how long it is from there to the end of the last, in milliseconds."""
    start = min(_ms(step["startedAt"]) for step in trace.steps)
    return start, max(_ms(step["startedAt"]) + (step["durationMs"] or 0) for step in trace.steps) - start


def _bar(offset: float, length: float, total: float) -> str:
    if total <= 0:
        return ""
    begin = min(int(offset / total * BAR_WIDTH), BAR_WIDTH - 1)
    filled = max(round(length / total * BAR_WIDTH), 0)
    return " " * begin + ("━" * min(filled, BAR_WIDTH - begin) or "╸")


def _ms(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp() * 1000
