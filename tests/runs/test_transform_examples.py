"""The examples of the transforms, as a worker runs them: what they put out, and that their files are the run's."""

import io
from typing import Any

import openpyxl
import pytest
from tests.runs.conftest import Desk

from assay import steps

OUTPUTS: dict[str, Any] = {
    "transform.remove": {"name": "Ada"},
    "transform.combine": {"name": "Ada", "address": {"city": "London", "zip": "N1"}},
    "transform.split": {"addresses": ["ada@example.org", "bob@example.org"]},
    "transform.merge": {"all": ["London", "Cambridge"], "by_kind": {"home": "London", "work": "Cambridge"}},
    "transform.script": {"total": 810, "doubled": 1620},
    "transform.xlsx-to-json": {"articles": [{"name": "Rope", "price": 20}, {"name": "Hook", "price": 5.5}]},
}


async def output_of(desk: Desk, step_type: str) -> tuple[Any, Any]:
    run = await desk.run(await desk.push_text(steps.catalogue()[step_type].example))
    assert run.summary.status == "completed", run.summary
    return run, run.output


@pytest.mark.parametrize("step_type", OUTPUTS)
async def test_an_example_puts_out_what_its_reader_expects(desk: Desk, step_type: str) -> None:
    _, output = await output_of(desk, step_type)
    assert output == OUTPUTS[step_type]


async def test_a_text_is_cut_at_its_headings(desk: Desk) -> None:
    _, output = await output_of(desk, "transform.text-chunker")
    assert [part.partition("\n")[0] for part in output["parts"]] == ["# Scope", "# Price"]


async def test_a_workbook_lies_among_the_files_of_its_run(desk: Desk) -> None:
    run, output = await output_of(desk, "transform.json-to-xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(await desk.artifact(run, output["file"]["$file"]))).worksheets[0]
    assert [list(row) for row in sheet.iter_rows(values_only=True)] == [
        ["Article", "Price"],
        ["Rope", 20],
        ["Hook", 5.5],
    ]


async def test_a_step_fills_in_what_a_step_before_it_made(desk: Desk) -> None:
    run, output = await output_of(desk, "transform.template")
    sheet = openpyxl.load_workbook(io.BytesIO(await desk.artifact(run, output["file"]["$file"]))).worksheets[0]
    assert [list(row) for row in sheet.iter_rows(values_only=True)] == [
        ["Customer", "Ada"],
        ["Total", 800],
        ["Order", "NOT FOUND"],
    ]
    assert output["missing"] == 1


async def test_a_scan_gets_its_text(desk: Desk) -> None:
    run, output = await output_of(desk, "transform.pdf-embed")
    assert output["text"] == "40 ropes"
    assert (await desk.artifact(run, output["file"]["$file"])).startswith(b"%PDF")
