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
from assay.cli.values import EVERYTHING, Block, Known, Layout, Limits
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
    "waiting": "…",
}
FAINT = "bright_black"
SHOWN_STEPS = 100
"""Of a run with more steps, so many are shown in short, and those that did not succeed."""


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
        shown = _shown(trace.steps, limits)
        parts += [_overview(trace, shown), *(_step(step, layout) for _, step in shown)]
        if len(shown) < len(trace.steps):
            left = len(trace.steps) - len(shown)
            parts.append(Text(f"\n  {left:,} more steps succeeded; --full shows them.", FAINT))
    parts += [_section("Events"), _events(trace)]
    return Group(*parts)


def _shown(steps: Sequence[Json], limits: Limits) -> list[tuple[int, Json]]:
    numbered = list(enumerate(steps, 1))
    if limits == EVERYTHING or len(steps) <= SHOWN_STEPS:
        return numbered
    return [
        (number, step) for number, step in numbered if number <= SHOWN_STEPS or step["status"] in {"failure", "waiting"}
    ]


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
        (usage.get("visionPagesProcessed"), "pages looked at"),
    ]
    return _in_words(amounts, usage)


def _used_by(step: Json) -> str:
    usage = part(step, "usage")
    amounts = [
        (usage.get("llmCallCount"), "model calls"),
        (usage.get("inputTokens"), "tokens in"),
        (usage.get("outputTokens"), "tokens out"),
        (usage.get("ocrPagesProcessed"), "pages by OCR"),
        (usage.get("visionPagesProcessed"), "pages looked at"),
    ]
    return _in_words(amounts, usage)


def _in_words(amounts: Sequence[tuple[float | None, str]], usage: Json) -> str:
    words = [f"{number:,g} {what}" if number % 1 else f"{int(number):,} {what}" for number, what in amounts if number]
    if usage.get("costUsd") is not None:
        words.append(f"{usage['costUsd']:.6f}".rstrip("0").rstrip(".") + " USD")
    if usage.get("unpricedCallCount"):
        words.append(f"{usage['unpricedCallCount']:g} calls of unknown price")
    return ", ".join(words)


def _overview(trace: Trace, shown: Sequence[tuple[int, Json]]) -> RenderableType:
    start, total = _span(trace)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style=FAINT)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style=FAINT)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, style="blue")
    for number, step in shown:
        name = Text.assemble("  " * _depth(step), (_mark(step["status"]), STYLES.get(step["status"], "")), " ")
        bar = _bar(_ms(step["startedAt"]) - start, step["durationMs"] or 0, total)
        skipped = step["status"] == "skipped"
        place = _place(step)
        table.add_row(
            str(number),
            name
            + Text(formats.visible(step["stepName"]), FAINT if skipped else "bold")
            + Text(f"  {place[-1]}" if place else "", FAINT),
            step["stepType"],
            Text("skipped", FAINT) if skipped else _took(step),
            "" if skipped else bar,
        )
    return Group(_section("Steps"), _indented(table))


def _step(step: Json, layout: Layout) -> RenderableType:
    status = step["status"]
    title = Text.assemble(
        "\n",
        (f"{_mark(status)} {formats.visible(step['stepName'])}", f"bold {STYLES.get(status, '')}"),
        (f"  {step['stepType']}", FAINT),
        (f"  {_took(step)}" if status != "skipped" else f"  {_why(step)}", FAINT),
    )
    place = _place(step)
    if place:
        title.append(f"  in {' > '.join(place)}", FAINT)
    attempts = items(step, "attempts")
    if len(attempts) > 1:
        title.append(f"  {len(attempts)} attempts", "yellow")
    if step.get("overrideMode"):
        title.append("  output was given" if step["overrideMode"] == "skipped" else "  output was changed", "yellow")
    if status == "skipped":
        return title
    config = step["resolvedConfig"] if step["resolvedConfig"] is not None else step["input"]
    parts: list[RenderableType] = [title]
    if step.get("error"):
        failure = part(step, "failure")
        code, hint = failure.get("code"), failure.get("hint")
        text = formats.visible(step["error"]) + (f"  [{code}]" if code else "")
        parts.append(Block([Text(text, "red"), *([Text(formats.visible(hint), FAINT)] if hint else [])], 2))
    if any(attempt["status"] != "success" for attempt in attempts):
        parts.append(Block([_attempt(attempt) for attempt in attempts], 2))
    used = _used_by(step)
    if used:
        parts.append(Block([Text(f"used {used}", FAINT)], 2))
    parts += [*_value("with", config or None, layout), *_value("output", step["output"], layout)]
    layout.known.add(f"steps.{step['stepName']}.output", step["output"])
    return Group(*parts)


def _took(step: Json) -> str:
    return "waiting" if step["status"] == "waiting" else formats.duration(step["durationMs"])


def _attempt(attempt: Json) -> Text:
    failure, decision = part(attempt, "failure"), part(attempt, "retryDecision")
    words = Text(f"attempt {attempt['attemptNumber']}: {attempt['status']}", "yellow" if failure else "green")
    if failure:
        words.append(f"  [{failure['code']}] {formats.visible(formats.one_line(failure['message']))}")
    if decision.get("delayMs") is not None:
        words.append(f"  again after {formats.duration(decision['delayMs'])}", FAINT)
    elif decision:
        words.append(f"  not again: {decision['reason'].replace('_', ' ')}", FAINT)
    return words


def _place(step: Json) -> list[str]:
    """Name the way down to the step, one word a scope."""
    return [_scope(scope) for scope in _scopes(step)]


def _scope(scope: Json) -> str:
    if "iterationIndex" in scope:
        return f"{formats.visible(str(scope['step']))}[{scope['iterationIndex']}]"
    detail = next((scope[name] for name in ("branchName", "workflow", "when") if name in scope), None)
    word = scope["type"].removeprefix("if-") if detail is None else str(detail)
    return f"{formats.visible(str(scope['step']))}:{formats.visible(word)}"


def _scopes(step: Json) -> list[Json]:
    return [scope for scope in items(step, "scopeStack") if scope.get("type") != "root"]


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
    return len(_scopes(step))


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
