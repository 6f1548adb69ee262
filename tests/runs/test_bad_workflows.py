"""Workflows that are wrong, greedy or hostile: each is refused with a code, and the worker goes on."""

import asyncio
import contextlib
import re
import zipfile
from base64 import b64encode
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.documents import samples
from tests.runs.conftest import Desk

from assay import automations, runs
from assay.runs import payload_limits
from assay.steps import patterns

SET = "transform.set"
ANY = [{"name": "value", "type": "any"}]


def step(step_type: str, /, name: str = "s", **config: Any) -> dict[str, Any]:
    return {"name": name, "type": step_type, "with": config}


async def issues_of(desk: Desk, *steps: dict[str, Any], **document: Any) -> list[tuple[str | None, str]]:
    with pytest.raises(automations.InvalidWorkflowError) as refused:
        await desk.push(list(steps), **document)
    return [(issue.field, issue.code) for issue in refused.value.issues if issue.severity == "error"]


async def failure(desk: Desk, *steps: dict[str, Any], given: dict[str, Any] | None = None) -> runs.Failure:
    """Run the steps and return how they failed; what a healthy run does next is asserted too."""
    run = await desk.run(await desk.push(list(steps), inputs=ANY), given or {"value": None})
    assert run.failure is not None
    healthy = await desk.run(await desk.push([step(SET, fields={"v": 1})], output="{{ steps.s.output.v }}"))
    assert healthy.output == 1
    return run.failure


# --- configuration


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (step(SET, fields=["no", "object"]), "steps.0.with.fields"),
        (step("transform.regex-extract", input="x", fields={"f": {"pattern": 5}}), "steps.0.with.fields.f.pattern"),
        (step("ai.extract", input="x", schema="a string"), "steps.0.with.schema"),
        ({"name": "s", "type": "control.wait", "duration": "soon"}, "steps.0.duration"),
        ({"name": "s", "type": "control.wait", "duration": -1}, "steps.0.duration"),
        (
            {"name": "s", "type": "control.parallel_map", "items": [], "as": "n", "concurrency": 51, "steps": []},
            "steps.0.concurrency",
        ),
    ],
)
async def test_a_wrong_configuration_is_refused_when_it_is_pushed(desk: Desk, bad: dict[str, Any], field: str) -> None:
    found = [place for place, code in await issues_of(desk, bad) if code == "invalid_value"]
    assert field in found


@pytest.mark.parametrize(
    "bad",
    [
        step(SET, fields="{{ input.value }}"),
        step("transform.regex-extract", input="{{ input.value }}", fields={"f": {"pattern": "(a)"}}),
        {"name": "s", "type": "control.foreach", "items": "{{ input.value }}", "as": "n", "steps": [step(SET, "i")]},
    ],
)
async def test_a_configuration_that_is_wrong_only_when_it_runs_fails_its_step(desk: Desk, bad: dict[str, Any]) -> None:
    if "steps" in bad:
        bad["steps"] = [step(SET, "i", fields={"v": 1})]
    found = await failure(desk, bad, given={"value": 17})
    assert (found.code, found.step, found.category) == ("validation_failed", "s", "validation")


async def test_an_unknown_filter_is_refused_wherever_it_stands(desk: Desk) -> None:
    inner = step(SET, "i", fields={"v": "{{ n | nope }}"})
    loop = {"name": "s", "type": "control.foreach", "items": "{{ input.value }}", "as": "n", "steps": [inner]}
    condition = {**step(SET, "c", fields={"v": 1}), "if": "{{ input.value | nope }}"}
    found = await issues_of(desk, loop, condition, inputs=ANY, output={"x": "{{ input.value | nope }}"})
    assert {code for _, code in found} == {"template_syntax"}
    assert len(found) == 3


# --- schemas


@pytest.fixture
async def silent_host() -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A URL that nobody should ask for, and what was asked all the same."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        body = b'{"type": "object"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}/schema.json", heard


def schemas_with(url: str) -> list[dict[str, Any]]:
    return [
        {"type": "object", "properties": {"a": {"$ref": url}}},
        {"type": "object", "properties": {"a": {"$ref": "/schema.json"}}, "$id": url},
        {"type": "object", "properties": {"a": {"$dynamicRef": f"{url}#x"}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "$schema": url},
        {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}},
    ]


async def test_nothing_that_a_schema_refers_to_is_fetched(desk: Desk, silent_host: tuple[str, list[bytes]]) -> None:
    url, heard = silent_host
    for schema in schemas_with(url):
        remote = "$schema" not in schema
        for kind, given in (("ai.extract", "input"), ("ai.vision", "document")):
            if remote:
                bad = step(kind, "s", **{given: "x", "schema": schema})
                assert {code for _, code in await issues_of(desk, bad)} == {"schema_ref_refused"}
            flow = await desk.push([step(kind, "s", **{given: "x", "schema": "{{ input.value }}"})], inputs=ANY)
            run = await desk.run(flow, {"value": schema}, overrides={"steps": {"s": {"a": "b"}}})
            assert run.failure is not None
            assert run.failure.code == ("schema_ref_refused" if remote else "provider_not_configured")
        declared = [{"name": "value", "type": "object", "schema": schema}]
        with contextlib.suppress(automations.InvalidWorkflowError):
            flow = await desk.push([step(SET, fields={"v": 1})], inputs=declared)
            with contextlib.suppress(automations.InvalidInputError):
                await desk.run(flow, {"value": {"a": "b"}})
    assert heard == []


# --- patterns


@pytest.mark.parametrize("pattern", [r"(?=((a+)+b))c", r"^((a|aa)+)\2$"])
async def test_a_pattern_that_explodes_is_interrupted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr(patterns, "_SANDBOX_LIMITS", replace(patterns._SANDBOX_LIMITS, seconds=0.5))
    bad = step("transform.regex-extract", input="a" * 60 + "!", fields={"f": {"pattern": pattern}})
    found = await failure(desk, bad)
    assert (found.code, found.step) == ("pattern_timeout", "s")


async def test_look_around_and_back_references_run(desk: Desk) -> None:
    fields = {
        "sum": {"pattern": r"(?<=caf\u00e9: )(\d+)"},
        "twice": {"pattern": r"\b(\w)\1\b"},
    }
    found = await desk.push(
        [step("transform.regex-extract", input="caf\u00e9: 7 xx", fields=fields)],
        output={"sum": "{{ steps.s.output.sum }}", "twice": "{{ steps.s.output.twice }}"},
    )
    assert (await desk.run(found)).output == {"sum": "7", "twice": "x"}


# --- large values


def peak_memory() -> int:
    """Most bytes this process ever had in memory since `forget_peak`."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


LARGE = step("test.return", "big", way="half")  # 20 MB
MANY = 400


@pytest.mark.parametrize(
    ("bad", "code", "at"),
    [
        (step(SET, fields={"a": "{{ steps.big.output }}", "b": "{{ steps.big.output }}"}), "output_too_large", "s"),
        (step(SET, fields={f"f{i}": "{{ steps.big.output }}" for i in range(MANY)}), "input_too_large", "s"),
        (
            step(SET, fields={"deep": [{"x": ["{{ steps.big.output }}" for _ in range(MANY)]}]}),
            "input_too_large",
            "s",
        ),
        (
            step(
                "transform.script",
                language="javascript",
                function="function script(a, b) { return 1 }",
                inputs={"a": "{{ steps.big.output }}", "b": "{{ steps.big.output }}"},
            ),
            "script_memory_limit",
            "s",
        ),
    ],
)
async def test_a_value_of_many_megabytes_is_refused_before_it_is_written(
    desk: Desk, bad: dict[str, Any], code: str, at: str
) -> None:
    forget_peak()
    before = peak_memory()
    flow = await desk.push([LARGE, bad])
    run = await desk.run(flow)
    assert run.failure is not None
    assert (run.failure.code, run.failure.step) == (code, at)
    assert peak_memory() - before < 400 * 1024**2
    found = (await desk.steps(run))[-1]
    assert isinstance(found.config, dict)
    assert list(found.config) in (["$shortened", "start"], [])
    assert len(str(found.config)) < 10_000


async def test_the_output_of_a_run_that_names_a_large_value_often_is_refused(desk: Desk) -> None:
    flow = await desk.push([LARGE], output={f"f{i}": "{{ steps.big.output }}" for i in range(MANY)})
    forget_peak()
    before = peak_memory()
    run = await desk.run(flow)
    assert run.failure is not None
    assert (run.failure.code, run.failure.step) == ("output_too_large", None)
    assert peak_memory() - before < 400 * 1024**2


def echo(name: str) -> dict[str, Any]:
    return step(SET, name, fields={"v": "{{ input.value }}"})


def loop_over(*inner: dict[str, Any], kind: str = "control.foreach") -> dict[str, Any]:
    return {"name": "each", "type": kind, "items": [1, 2, 3, 4, 5], "as": "n", "steps": list(inner)}


SMALL = step(SET, "small", fields={"v": 1})
TEXT = {"value": "x" * 30_000}


@pytest.mark.parametrize(
    "steps",
    [
        [echo(f"s{i}") for i in range(5)],
        [loop_over(echo("inner"))],
        [loop_over(echo("inner"), kind="control.parallel_map")],
        [{"name": "if", "type": "control.if", "condition": True, "then": [echo(f"s{i}") for i in range(5)]}],
    ],
)
async def test_the_outputs_of_a_run_have_a_limit_together(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, steps: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(payload_limits, "MAX_HELD", 100_000)
    assert (await failure(desk, *steps, given=TEXT)).code == "output_too_large"


async def test_what_nobody_can_see_any_more_does_not_count(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload_limits, "MAX_HELD", 200_000)
    inner = {"name": "if", "type": "control.if", "condition": True, "then": [echo("inner")]}
    nested = {**loop_over(echo("deep"), {**SMALL, "name": "tiny"}), "name": "nested"}
    for kind in ("control.foreach", "control.parallel_map"):
        loops = [loop_over(inner, nested, SMALL, kind=kind), {**loop_over(echo("last")), "name": "kept"}]
        run = await desk.run(await desk.push(loops, inputs=ANY), TEXT)
        assert run.failure is None


# --- calls


@pytest.mark.parametrize("execution", ["inline", "child"])
async def test_workflows_that_call_each_other_in_a_circle_are_stopped(desk: Desk, execution: str) -> None:
    given = {"one": "{{ input.other }}", "other": "{{ input.one }}"}
    call = step("action.invoke-workflow", workflow="{{ input.other }}", input=given, execution=execution)
    inputs = [{"name": name, "type": "string"} for name in given]
    one, other = await desk.push([call], inputs=inputs), await desk.push([call], inputs=inputs)
    run = await desk.run(one, {"one": one.slug, "other": other.slug})
    assert run.failure is not None
    assert run.failure.code == ("recursive_invoke" if execution == "inline" else "child_failed")
    async with desk.database.transaction() as tx:
        started = await tx.fetch("SELECT error FROM runs WHERE root_run_id = $1 ORDER BY created_at", run.summary.id)
    assert len(started) == (1 if execution == "inline" else 2)
    assert "would call itself" in started[-1]["error"]


# --- documents

SHEET = "xl/worksheets/sheet1.xml"
ROWS = 1_048_576
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def workbook_of_rows(folder: Path, *, last_cell: bool) -> dict[str, Any]:
    """A workbook that says it has all the rows that can be, and has nothing in them, or only in the last."""
    rows = "".join(f'<row r="{number}"/>' for number in range(1, ROWS))
    cell = f'<c r="A{ROWS}"><v>7</v></c>' if last_cell else ""
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f'<dimension ref="A1:A{ROWS}"/><sheetData>{rows}<row r="{ROWS}">{cell}</row></sheetData></worksheet>'
    )
    plain, target = folder / "plain.xlsx", folder / "rows.xlsx"
    plain.write_bytes(samples.workbook({"Sheet1": {"A1": "x"}}))
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name in source.namelist():
            made.writestr(name, sheet if name == SHEET else source.read(name))
    return {"$inline": {"filename": "rows.xlsx", "mimeType": XLSX, "base64": b64encode(target.read_bytes()).decode()}}


@pytest.mark.parametrize(("last_cell", "text", "rows"), [(False, "", []), (True, "7", [{"A": 7}])])
async def test_a_workbook_of_a_million_empty_rows_is_read_as_what_is_in_it(
    desk: Desk, tmp_path: Path, *, last_cell: bool, text: str, rows: list[Any]
) -> None:
    file = workbook_of_rows(tmp_path, last_cell=last_cell)
    given = "{{ input.value }}"
    flow = await desk.push(
        [step("ai.parse", "text", input=given), step("transform.xlsx-to-json", "rows", input=given, headerRow=0)],
        inputs=[{"name": "value", "type": "file"}],
        output={"text": "{{ steps.text.output.text }}", "rows": "{{ steps.rows.output.rows }}"},
    )
    forget_peak()
    before = peak_memory()
    run = await desk.run(flow, {"value": file})
    assert (run.failure, run.output) == (None, {"text": text, "rows": rows})
    assert peak_memory() - before < 100 * 1024**2


# --- scripts

HOSTILE = {
    "javascript": [
        ("function script() { for (;;) {} }", "script_timeout"),
        ("function script() { return 'x'.repeat(100_000_000) }", "script_memory_limit"),
        ("function script() { return 'x'.repeat(2_000_000) }", "script_output_limit"),
        ("function script() { const a = []; a.push(a); return a }", "script_result_invalid"),
        ("function script() { return require('fs').readFileSync('/etc/passwd') }", "script_error"),
        ("function script() { return fetch('http://127.0.0.1') }", "script_error"),
        ("function script() { return process.env }", "script_error"),
    ],
    "python": [
        ("def script():\n    while True: pass", "script_timeout"),
        ("def script():\n    return 'x' * 100_000_000", "script_memory_limit"),
        ("def script():\n    return open('/etc/passwd').read()", None),
        ("def script():\n    import os\n    return os.environ['HOME']", None),
        ("def script():\n    return ().__class__.__base__.__subclasses__()", None),
    ],
}


@pytest.mark.parametrize(
    ("language", "source", "code"),
    [(language, *script) for language, scripts in HOSTILE.items() for script in scripts],
)
async def test_a_hostile_script_fails_its_step_and_nothing_else(
    desk: Desk, language: str, source: str, code: str | None
) -> None:
    found = await failure(desk, step("transform.script", language=language, function=source, timeout=500))
    assert found.step == "s"
    assert found.code.startswith("script_")
    assert code in {None, found.code}
