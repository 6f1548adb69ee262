"""Steps open the files of the version that they stand in, in whichever worker and however often."""

import io
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import openpyxl
from tests.documents.samples import workbook
from tests.runs.conftest import Desk
from tests.runs.test_redelivery import deliver, die_after

from assay import automations, runs

SHEET = "templates/sheet.xlsx"


def fill(template: str, **data: Any) -> dict[str, Any]:
    return {"name": "fill", "type": "transform.template", "with": {"template": template, "data": data}}


def sheet(text: str) -> bytes:
    return workbook({"Sheet": {"A1": text}})


async def push(desk: Desk, document: Mapping[str, Any], contents: Mapping[str, bytes]) -> automations.Automation:
    given = automations.read_files(desk.blobs, {path: b64encode(data).decode() for path, data in contents.items()})
    async with desk.database.transaction() as tx:
        known, _ = await automations.list_automations(tx, desk.organization_id, search=str(document["name"]))
        target = known[0].id if known else None
        pushed = await automations.push(tx, desk.caller, source=json.dumps(document), files=given, automation=target)
    return pushed.automation


def letters(name: str, version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    output = "{{ steps.fill.output.fileId }}"
    return {"name": name, "version": version, "steps": [fill(SHEET, who="Ada")], "output": {"file": output}, **more}


async def executed(
    desk: Desk, flow: automations.Automation, given: Mapping[str, Any] | None = None, **more: Any
) -> runs.RunDetail:
    return await deliver(desk, await desk.start(flow, given, **more))


async def filled(desk: Desk, run: runs.RunDetail) -> Any:
    assert run.summary.status == "completed", run.summary
    output: Any = run.output
    content = await desk.artifact(run, output["file"]["$file"])
    return openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]["A1"].value


async def test_a_template_beside_the_workflow_is_filled_in(idle_desk: Desk) -> None:
    flow = await push(idle_desk, letters("beside"), {SHEET: sheet("Dear {{ who }}")})
    run = await executed(idle_desk, flow)
    assert await filled(idle_desk, run) == "Dear Ada"
    assert [file.name for file in run.output_files] == ["sheet.xlsx"]


async def test_each_version_has_its_own_files(idle_desk: Desk) -> None:
    await push(idle_desk, letters("own"), {SHEET: sheet("Dear {{ who }}")})
    flow = await push(idle_desk, letters("own", "2.0.0"), {SHEET: sheet("Hello {{ who }}")})
    old = await executed(idle_desk, flow, version="1.0.0")
    assert await filled(idle_desk, old) == "Dear Ada"
    assert await filled(idle_desk, await executed(idle_desk, flow)) == "Hello Ada"
    assert (
        await filled(idle_desk, await deliver(idle_desk, await idle_desk.queue_again(old.summary.id, "original")))
        == "Dear Ada"
    )


async def test_a_workflow_called_inline_opens_its_own_files(idle_desk: Desk) -> None:
    await push(idle_desk, letters("called"), {SHEET: sheet("Dear {{ who }}")})
    call = {"name": "call", "type": "action.invoke-workflow", "with": {"workflow": "called"}}
    steps = [call, {**fill(SHEET, who="Ada"), "name": "again"}]
    outer = letters("outer", steps=steps, output={"file": "{{ steps.call.output.file }}"})
    flow = await push(idle_desk, outer, {SHEET: sheet("Hello {{ who }}")})
    assert await filled(idle_desk, await executed(idle_desk, flow)) == "Dear Ada"


async def test_a_template_may_be_chosen_by_the_input(idle_desk: Desk) -> None:
    inputs = [{"name": "language", "type": "string"}]
    steps = [fill("templates/{{ input.language }}.xlsx", who="Ada")]
    contents = {f"templates/{language}.xlsx": sheet(f"{language}: {{{{ who }}}}") for language in ("de", "en")}
    flow = await push(idle_desk, letters("chosen", inputs=inputs, steps=steps), contents)
    assert await filled(idle_desk, await executed(idle_desk, flow, {"language": "de"})) == "de: Ada"
    for language in ("fr", "../templates/de"):
        failed = await executed(idle_desk, flow, {"language": language})
        assert (failed.summary.status, failed.failure and failed.failure.code) == ("failed", "file_required")


async def test_after_a_crash_another_worker_has_the_file_too(idle_desk: Desk) -> None:
    first = {"name": "first", "type": "transform.set", "with": {"fields": {"a": 1}}}
    document = letters("survives", steps=[first, fill(SHEET, who="Ada")])
    flow = await push(idle_desk, document, {SHEET: sheet("Dear {{ who }}")})
    run_id = await idle_desk.start(flow)
    await die_after(idle_desk, run_id, "first")
    assert await filled(idle_desk, await deliver(idle_desk, run_id)) == "Dear Ada"
