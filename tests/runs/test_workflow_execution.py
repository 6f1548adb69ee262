"""Workflows as a worker executes them: order, branches, failures, limits, output."""

import base64
import json
from typing import Any

import pytest
from tests.documents import samples
from tests.fakes.openai_server import OpenAiServer
from tests.runs.conftest import Desk
from tests.runs.step_types import ALL, Gate

from assay import automations, documents, files, runs, steps, traces
from assay.runs import payload_limits

Named = tuple[str, Gate]

BUILTIN = sorted(set(steps.catalogue()) - {kind.type_name for kind in ALL})
LETTER = {"$inline": {"filename": "letter.txt", "mimeType": "text/plain", "base64": "RGVhciBBZGEK"}}


def set_step(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "transform.set", "with": {"fields": fields}}


def marked(found: list[traces.StepTrace]) -> list[tuple[str, str]]:
    return [(step.name, step.status) for step in found]


async def test_steps_run_in_the_order_of_the_file_and_see_what_came_before(desk: Desk) -> None:
    flow = await desk.push(
        [
            set_step("a", n=1),
            set_step("b", n="{{ steps.a.output.n | plus: 1 }}"),
            set_step("c-d", s="{{ steps.b.status }}"),
        ],
        output={"n": "{{ steps.b.output.n }}", "s": "{{ steps.c-d.output.s }}"},
    )
    run = await desk.run(flow)
    assert run.output == {"n": 2, "s": "success"}
    found = await desk.steps(run)
    assert [(step.name, step.execution_order, step.step_key) for step in found] == [
        ("a", 0, "a"),
        ("b", 1, "b"),
        ("c-d", 2, "c-d"),
    ]
    assert found[0].completed_at <= found[1].started_at


async def test_a_step_whose_if_is_false_is_skipped_and_leaves_null(desk: Desk) -> None:
    flow = await desk.push(
        [
            {**set_step("a", n="{{ input.given.such.thing }}"), "if": "{{ input.given.deep }}"},
            {**set_step("b", n=1), "if": True},
        ],
        inputs=[{"name": "given", "type": "object", "required": False}],
        output={"a": "{{ steps.a.output }}", "status": "{{ steps.a.status }}", "b": "{{ steps.b.output.n }}"},
    )
    run = await desk.run(flow)
    assert run.output == {"a": None, "status": "skipped", "b": 1}
    skipped, ran = await desk.steps(run)
    assert (skipped.status, skipped.skipped_reason, skipped.output) == ("skipped", "condition", None)
    assert ran.status == "success"


@pytest.mark.parametrize(
    ("total", "branch", "ran"),
    [(5, "then", [("big", "success")]), (1, "else", [("small", "success"), ("more", "success")])],
)
async def test_the_steps_of_a_branch_are_seen_by_later_steps(
    desk: Desk, total: int, branch: str, ran: list[tuple[str, str]]
) -> None:
    flow = await desk.push(
        [
            {
                "name": "check",
                "type": "control.if",
                "condition": "{{ input.total > 2 }}",
                "then": [set_step("big", v="B")],
                "else": [set_step("small", v="S"), set_step("more", v="{{ steps.small.output.v }}!")],
            },
            set_step("after", v='{{ steps.big.output.v | default: "none" }}'),
        ],
        inputs=[{"name": "total", "type": "number"}],
        output={"check": "{{ steps.check.output }}", "after": "{{ steps.after.output.v }}"},
    )
    run = await desk.run(flow, {"total": total})
    last = {"v": "B" if branch == "then" else "S!"}
    assert run.output == {
        "check": {"condition": total > 2, "branch": branch, "result": last},
        "after": "B" if branch == "then" else "none",
    }
    found = await desk.steps(run)
    assert marked(found) == [("check", "success"), *ran, ("after", "success")]
    assert found[1].scope == [{"type": "root", "step": None}, {"type": f"if-{branch}", "step": "check"}]


async def test_a_false_if_without_else_goes_on_with_null(desk: Desk) -> None:
    flow = await desk.push(
        [{"name": "check", "type": "control.if", "condition": False, "then": [set_step("a", v=1)]}],
        output="{{ steps.check.output }}",
    )
    assert (await desk.run(flow)).output == {"condition": False, "branch": "else", "result": None}


async def test_what_stands_beside_a_false_condition_need_not_make_sense(desk: Desk) -> None:
    fail = {
        "name": "guard",
        "type": "control.fail",
        "condition": "{{ input.bad }}",
        "message": "{{ input.given.here }}",
        "statusCode": "{{ input.given.either }}",
    }
    inputs = [{"name": "bad", "type": "boolean", "default": False}, {"name": "given", "type": "object", "default": {}}]
    flow = await desk.push([fail, set_step("a", v=1)], inputs=inputs)
    run = await desk.run(flow)
    assert run.summary.status is runs.RunStatus.COMPLETED
    assert marked(await desk.steps(run)) == [("guard", "success"), ("a", "success")]
    failed = await desk.run(flow, {"bad": True})
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.step) == ("template_resolution_failed", "guard")


async def test_control_fail_ends_the_run_with_its_own_status(desk: Desk) -> None:
    flow = await desk.push(
        [
            {"name": "guard", "type": "control.fail", "message": "No {{ input.what }}.", "statusCode": 409},
            set_step("a", v=1),
        ],
        inputs=[{"name": "what", "type": "string", "default": "total"}],
    )
    run = await desk.run(flow)
    assert run.failure == runs.Failure("control_fail", "No total.", "guard", "business", 409)
    assert (run.summary.error, run.output) == ("No total.", None)
    assert marked(await desk.steps(run)) == [("guard", "failure")]


async def test_a_failure_inside_a_branch_names_the_inner_step(desk: Desk) -> None:
    inner = {"name": "inner", "type": "test.return", "with": {"way": "hard"}}
    flow = await desk.push([{"name": "outer", "type": "control.if", "condition": True, "then": [inner]}])
    run = await desk.run(flow)
    assert run.failure == runs.Failure("told_to_fail", "It was told to: hard.", "inner", "business", 418)
    assert marked(await desk.steps(run)) == [("outer", "failure"), ("inner", "failure")]
    assert run.usage == {"llmCallCount": 1}


async def test_a_step_that_breaks_fails_with_its_name_and_without_its_secrets(desk: Desk) -> None:
    run = await desk.run(await desk.push([{"name": "a", "type": "test.return", "with": {"way": "crash"}}]))
    assert run.failure is not None
    assert (run.failure.code, run.failure.step, run.failure.category) == ("internal_error", "a", "unknown")
    assert "crash" not in run.failure.message
    assert marked(await desk.steps(run)) == [("a", "failure")]


async def test_a_template_that_cannot_be_resolved_names_step_and_expression(desk: Desk) -> None:
    flow = await desk.push([set_step("a", v=1), set_step("b", v="{{ steps.a.output.nothing.more }}")])
    run = await desk.run(flow)
    assert run.failure is not None
    assert (run.failure.code, run.failure.step) == ("template_resolution_failed", "b")
    assert "steps.a.output.nothing" in run.failure.message


async def test_an_output_that_cannot_be_resolved_fails_the_run(desk: Desk) -> None:
    flow = await desk.push([set_step("a", v=1)], output={"x": "{{ steps.a.output.nothing }}"})
    run = await desk.run(flow)
    assert run.failure is not None
    assert (run.failure.code, run.failure.step, run.failure.category) == (
        "template_resolution_failed",
        None,
        "validation",
    )
    assert run.failure.message.startswith("output: ")


async def test_a_configuration_that_is_wrong_after_templates_fails_the_step(desk: Desk) -> None:
    flow = await desk.push(
        [{"name": "guard", "type": "control.fail", "message": "no", "statusCode": "{{ input.code }}"}],
        inputs=[{"name": "code", "type": "integer"}],
    )
    run = await desk.run(flow, {"code": 200})
    assert run.failure is not None
    assert (run.failure.code, run.failure.step) == ("validation_failed", "guard")
    assert "statusCode" in run.failure.message


# --- output


async def test_without_an_output_the_run_gives_an_empty_object(desk: Desk) -> None:
    run = await desk.run(await desk.push([set_step("a", v=1)]))
    assert (run.output, run.summary.schema_valid, run.output_sources) == ({}, None, {})


async def test_an_output_of_one_expression_keeps_its_type(desk: Desk) -> None:
    run = await desk.run(await desk.push([set_step("a", v=[1, {"b": None}])], output="{{ steps.a.output.v }}"))
    assert run.output == [1, {"b": None}]
    assert run.output_sources == {"<root>": ["a"]}


async def test_the_output_says_which_steps_made_each_field(desk: Desk) -> None:
    flow = await desk.push(
        [set_step("a", v=1), set_step("b", v=2)],
        output={"both": "{{ steps.b.output.v }} {{ steps.a.output.v }}", "none": "x", "order": "{{ steps.a.status }}"},
    )
    run = await desk.run(flow)
    assert run.output_sources == {"both": ["b", "a"], "none": [], "order": ["a"]}
    assert list(run.output) == ["both", "none", "order"]  # type: ignore[arg-type]


async def test_schema_valid_tells_whether_the_output_is_what_was_promised(desk: Desk) -> None:
    inputs = [{"name": "total", "type": "number", "required": False}]
    flow = await desk.push([set_step("a", v=1)], inputs=inputs, output={"total": "{{ input.total }}"})
    assert (await desk.run(flow, {"total": 1.5})).summary.schema_valid is True
    assert (await desk.run(flow)).summary.schema_valid is False


# --- values that cannot be kept


async def test_nan_is_refused(desk: Desk) -> None:
    run = await desk.run(await desk.push([{"name": "a", "type": "test.return", "with": {"way": "nan"}}]))
    assert run.failure is not None
    assert (run.failure.code, run.failure.step, run.failure.message) == (
        "invalid_output",
        "a",
        "nan is not a JSON number.",
    )


async def test_what_the_database_cannot_hold_is_replaced(desk: Desk) -> None:
    flow = await desk.push(
        [{"name": "a", "type": "test.return", "with": {"way": "nul"}}], output={"t": "{{ steps.a.output.text }}"}
    )
    run = await desk.run(flow)
    assert run.output == {"t": "a\ufffdb\ufffdc"}
    assert (await desk.steps(run))[0].output == {"text": "a\ufffdb\ufffdc"}


@pytest.mark.parametrize(("way", "code"), [("deep", "invalid_output"), ("large", "output_too_large")])
async def test_what_could_not_be_read_again_is_refused(desk: Desk, way: str, code: str) -> None:
    run = await desk.run(await desk.push([{"name": "a", "type": "test.return", "with": {"way": way}}]))
    assert run.failure is not None
    assert (run.failure.code, run.failure.step) == (code, "a")


async def test_the_output_of_a_run_has_a_limit_too(desk: Desk) -> None:
    flow = await desk.push(
        [{"name": "a", "type": "test.return", "with": {"way": "half"}}],
        output={"one": "{{ steps.a.output }}", "two": "{{ steps.a.output }}"},
    )
    run = await desk.run(flow)
    assert run.failure is not None
    assert (run.failure.code, run.failure.step) == ("output_too_large", None)


async def test_a_huge_input_is_shortened_in_the_trace_and_whole_for_the_step(desk: Desk) -> None:
    text = "ä" * payload_limits.MAX_TRACED_INPUT
    step = {
        "name": "a",
        "type": "transform.set",
        "with": {"input": {"text": "{{ input.text }}"}, "fields": {"n": "{{ input.text | size }}"}},
    }
    flow = await desk.push([step], inputs=[{"name": "text", "type": "string"}], output={"n": "{{ steps.a.output.n }}"})
    run = await desk.run(flow, {"text": text})
    assert run.output == {"n": len(text)}
    (found,) = await desk.steps(run)
    assert isinstance(found.input, dict)
    assert found.input["$shortened"] is True
    assert len(str(found.input["start"])) == 2000
    assert isinstance(found.output, dict)
    assert found.output["text"] == text


# --- overrides


async def test_an_override_of_the_whole_output_stands_for_the_step(desk: Desk) -> None:
    parse = {"name": "parse", "type": "ai.parse", "with": {"input": "{{ input.document }}"}}
    flow = await desk.push(
        [parse], inputs=[{"name": "document", "type": "string"}], output={"text": "{{ steps.parse.output.text }}"}
    )
    given = {"text": "as told", "pages": [{"pageIndex": 0, "text": "as told"}]}
    run = await desk.run(flow, {"document": "no file at all"}, overrides={"steps": {"parse": given}})
    assert run.output == {"text": "as told"}
    (step,) = await desk.steps(run)
    assert (step.override_mode, step.output, step.config) == ("skipped", given, {})


def extract_step(schema: Any) -> dict[str, Any]:
    return {"name": "read", "type": "ai.extract", "with": {"input": "Total 7", "schema": schema}}


TOTAL = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


async def test_an_override_that_satisfies_the_schema_of_a_model_step_asks_no_model(desk: Desk) -> None:
    closed = {**TOTAL, "additionalProperties": False}
    flow = await desk.push([extract_step(closed)], output="{{ steps.read.output }}")
    given = {"total": 7, "_grounding": {"total": {"confidence": "high"}}}
    run = await desk.run(flow, overrides={"steps": {"read": given}})
    assert run.output == given
    assert [(step.override_mode, step.usage) for step in await desk.steps(run)] == [("skipped", None)]


@pytest.mark.parametrize(
    ("schema", "given"), [(TOTAL, {"total": "7"}), (TOTAL, {}), ("{{ input.schema }}", {"total": 7})]
)
async def test_an_override_that_may_not_satisfy_the_schema_does_not_skip_the_model(
    desk: Desk, model_server: OpenAiServer, schema: Any, given: dict[str, Any]
) -> None:
    asked = len(model_server.asked)
    flow = await desk.push(
        [extract_step(schema)], inputs=[{"name": "schema", "type": "any"}], output="{{ steps.read.output.total }}"
    )
    run = await desk.run(flow, {"schema": TOTAL}, overrides={"steps": {"read": given}})
    assert run.failure is None
    assert len(model_server.asked) > asked
    assert [step.override_mode for step in await desk.steps(run)] == ["partial"]


async def test_a_body_stands_for_a_whole_http_response(desk: Desk) -> None:
    call = {"name": "call", "type": "action.http", "with": {"url": "http://127.0.0.1:9/", "method": "POST"}}
    flow = await desk.push([call], output="{{ steps.call.output }}")
    run = await desk.run(flow, overrides={"steps": {"call": {"body": {"paid": True}}}})
    assert isinstance(run.output, dict)
    assert (run.output["status"], run.output["body"]) == (200, {"paid": True})
    assert [step.override_mode for step in await desk.steps(run)] == ["skipped"]


async def test_a_partial_override_is_laid_over_what_the_step_gave(desk: Desk) -> None:
    flow = await desk.push([set_step("a", x={"p": 1, "q": [1, 2]}, y=2)], output="{{ steps.a.output }}")
    run = await desk.run(flow, overrides={"steps": {"a": {"x": {"q": [9]}, "z": {"new": None}}}})
    assert run.output == {"x": {"p": 1, "q": [9]}, "y": 2, "z": {"new": None}}
    assert [step.override_mode for step in await desk.steps(run)] == ["partial"]


async def test_an_override_does_not_run_a_step_that_is_skipped(desk: Desk) -> None:
    flow = await desk.push([{**set_step("a", v=1), "if": False}], output="{{ steps.a.output }}")
    run = await desk.run(flow, overrides={"steps": {"a": {"v": 2}}})
    assert run.output is None


# --- time and cancellation


async def test_a_step_that_takes_too_long_fails_with_its_name(desk: Desk, gate: Named) -> None:
    flow = await desk.push([{"name": "slow", "type": "test.gate", "timeout": 50, "with": {"gate": gate[0]}}])
    run = await desk.run(flow)
    assert run.failure is not None
    assert (run.failure.code, run.failure.step, run.failure.category) == ("step_timeout", "slow", "timeout")
    assert marked(await desk.steps(run)) == [("slow", "failure")]


async def test_the_time_limit_of_the_settings_holds_for_steps_that_say_nothing(desk: Desk, gate: Named) -> None:
    flow = await desk.push(
        [{"name": "slow", "type": "test.paid-gate", "with": {"gate": gate[0]}}], settings={"timeout": 50}
    )
    run = await desk.run(flow)
    assert run.failure is not None
    assert run.failure.code == "step_timeout"


async def test_a_cancelled_run_stops_before_its_next_step(desk: Desk, gate: Named) -> None:
    # A paid step is not interrupted: it ends, and its row is kept.
    flow = await desk.push(
        [{"name": "paid", "type": "test.paid-gate", "with": {"gate": gate[0]}}, set_step("after", v=1)]
    )
    run = await cancelled_inside(desk, flow, gate[1], open_gate=True)
    assert run.summary.status is runs.RunStatus.CANCELLED
    assert marked(await desk.steps(run)) == [("paid", "success")]
    assert gate[1].passed == 1


async def test_cancelling_interrupts_a_step_that_leaves_nothing_half_done(desk: Desk, gate: Named) -> None:
    inner = {"name": "slow", "type": "test.gate", "with": {"gate": gate[0]}}
    flow = await desk.push(
        [{"name": "outer", "type": "control.if", "condition": True, "then": [inner]}, set_step("b", v=1)]
    )
    run = await cancelled_inside(desk, flow, gate[1])
    assert (run.summary.status, run.failure, run.summary.error) == (runs.RunStatus.CANCELLED, None, None)
    assert marked(await desk.steps(run)) == [("outer", "cancelled"), ("slow", "cancelled")]
    assert gate[1].passed == 0


async def test_cancelling_interrupts_a_sleep(desk: Desk, gate: Named) -> None:
    flow = await desk.push([{"name": "nap", "type": "test.sleep", "with": {"gate": gate[0]}}])
    run = await cancelled_inside(desk, flow, gate[1])
    assert marked(await desk.steps(run)) == [("nap", "cancelled")]


async def test_cancelling_interrupts_the_parsing_of_a_document(
    desk: Desk, gate: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = await desk.push(
        [{"name": "parse", "type": "ai.parse", "with": {"input": "{{ input.document }}"}}],
        inputs=[{"name": "document", "type": "file"}],
    )
    parse = documents.Parser.parse

    async def announced(self: documents.Parser, *arguments: Any, **named: Any) -> documents.ParsedDocument:
        gate[1].reached.set()
        await gate[1].opened.wait()
        return await parse(self, *arguments, **named)

    monkeypatch.setattr(documents.Parser, "parse", announced)
    run = await cancelled_inside(desk, flow, gate[1], {"document": LETTER})
    assert run.summary.status is runs.RunStatus.CANCELLED
    assert marked(await desk.steps(run)) == [("parse", "cancelled")]


async def cancelled_inside(
    desk: Desk, flow: automations.Automation, gate: Gate, given: Any = None, *, open_gate: bool = False
) -> runs.RunDetail:
    run_id = runs.new_run_id()
    with desk.waiting_room.place(run_id) as waiter:
        await desk.start(flow, given, run_id=run_id)
        await gate.reached.wait()
        assert (await desk.cancel(run_id)).status is runs.RunStatus.RUNNING
        if open_gate:
            gate.opened.set()
        assert await waiter.wait(60)
    return await desk.read(run_id)


# --- documents and files


async def test_a_document_becomes_text_and_its_words_an_artifact(desk: Desk) -> None:
    flow = await desk.push(
        [{"name": "parse", "type": "ai.parse", "with": {"input": "{{ input.document }}"}}],
        inputs=[{"name": "document", "type": "file"}],
        output={"text": "{{ steps.parse.output.text }}", "words": "{{ steps.parse.output.words }}"},
    )
    page = samples.pdf([samples.text_at(50, 700, "Invoice 4711")])
    inline = {"filename": "invoice.pdf", "base64": base64.b64encode(page).decode()}
    run = await desk.run(flow, {"document": {"$inline": inline}})
    assert run.failure is None
    assert isinstance(run.output, dict)
    assert "Invoice 4711" in str(run.output["text"])
    assert run.output["words"] == {"$file": "debug/parse/words.json"}
    (page_words,) = json.loads(await desk.artifact(run, "debug/parse/words.json"))
    assert "4711" in json.dumps(page_words)


async def test_a_value_that_is_no_file_of_the_run_fails_the_step(desk: Desk) -> None:
    flow = await desk.push(
        [{"name": "parse", "type": "ai.parse", "with": {"input": "{{ input.document }}"}}],
        inputs=[{"name": "document", "type": "string"}],
    )
    run = await desk.run(flow, {"document": "/etc/passwd"})
    assert run.failure is not None
    assert (run.failure.code, run.failure.step) == ("file_required", "parse")


async def test_a_step_reads_the_file_that_an_earlier_one_made(desk: Desk) -> None:
    flow = await desk.push(
        [
            {"name": "one", "type": "test.file", "with": {"content": "hello"}},
            {"name": "two", "type": "test.file", "with": {"content": "x", "input": "{{ steps.one.output.file }}"}},
        ],
        output={"read": "{{ steps.two.output.read }}"},
    )
    run = await desk.run(flow)
    assert (run.failure, run.output) == (None, {"read": "hello"})
    assert [file.path for file in run.output_files] == ["output/one/note.txt", "output/two/note.txt"]
    assert run.usage == {"tokensInput": 6}


async def test_a_step_whose_file_cannot_be_kept_fails_and_the_run_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full_disk(*_: object) -> None:
        raise files.StorageUnavailableError

    flow = await desk.push([{"name": "one", "type": "test.file", "with": {"content": "hello"}}, set_step("b", v=1)])
    monkeypatch.setattr(files.Blobs, "keep_bytes", full_disk)
    run = await desk.run(flow)
    assert run.failure is not None
    assert (run.failure.code, run.failure.category) == ("storage_unavailable", "temporarily_unavailable")
    assert marked(await desk.steps(run)) == [("one", "failure")]
    assert run.usage == {"tokensInput": 3}
    assert run.output_files == []


# --- the catalogue


@pytest.mark.usefixtures("model_server")
@pytest.mark.parametrize("name", BUILTIN)
async def test_the_example_of_every_step_type_runs(desk: Desk, name: str) -> None:
    run = await desk.run(await desk.push_text(steps.catalogue()[name].example))
    assert (run.failure, run.summary.status) == (None, runs.RunStatus.COMPLETED)
    assert run.summary.schema_valid in {True, None}
    assert name in {step.type for step in await desk.steps(run)}
