"""`ai.classify`, `ai.classify-pages`, `ai.split`, `ai.segment`, `ai.vision`, and `ai.parse` with a model's eyes."""

import base64
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from PIL import Image
from pydantic import JsonValue
from reportlab.pdfgen.canvas import Canvas
from tests.fakes.model import ServerModel, server_model
from tests.fakes.openai_server import OpenAiServer, said
from tests.fakes.step_context import FakeStepContext

from assay import documents
from assay.steps import Effect, Step, StepError, catalogue

PAGES: list[JsonValue] = [{"pageIndex": index, "text": f"text of page {index}"} for index in range(5)]
SECTIONS = [{"name": "terms", "description": "Terms."}, {"name": "prices", "description": "Prices."}]
TYPES = [{"name": "invoice"}, {"name": "order", "description": "An order."}]
SCHEMA = {
    "type": "object",
    "properties": {"color": {"type": "string"}, "marks": {"type": "array", "items": {"type": "string"}}},
}


@dataclass
class Desk:
    server: OpenAiServer
    model: ServerModel
    context: FakeStepContext
    folder: Path

    async def run(self, kind: str, **config: Any) -> dict[str, Any]:
        step = step_of(kind, **config)
        assert step.problems() == ()
        output = await step.run(self.context)
        assert isinstance(output, dict)
        if step.output_schema is not None:
            jsonschema_rs.validator_for(dict(step.output_schema)).validate(output)
        return output

    async def failure(self, kind: str, **config: Any) -> StepError:
        with pytest.raises(StepError) as failed:
            await self.run(kind, **config)
        return failed.value

    def pdf(self, pages: int) -> JsonValue:
        path = self.folder / "a.pdf"
        canvas = Canvas(str(path), pagesize=(100, 50))
        for page in range(pages):
            canvas.drawString(10, 10, f"page {page}")
            canvas.showPage()
        canvas.save()
        return self.context.add_file(path, "application/pdf")

    def pictures_shown(self, index: int = -1) -> list[Image.Image]:
        parts = self.server.asked[index]["messages"][1]["content"][1:]
        return [Image.open(BytesIO(base64.b64decode(part["image_url"]["url"].split(",")[1]))) for part in parts]


def step_of(kind: str, **config: Any) -> Step:
    return catalogue()[kind].model_validate(config)


@pytest.fixture(scope="module")
async def answering() -> AsyncGenerator[tuple[OpenAiServer, ServerModel]]:
    async with server_model() as both:
        yield both


@pytest.fixture(scope="module")
async def parser() -> AsyncGenerator[documents.Parser]:
    opened = documents.Parser(native_children=1, ocr_children=0)
    yield opened
    await opened.close()


@pytest.fixture
def desk(answering: tuple[OpenAiServer, ServerModel], parser: documents.Parser, tmp_path: Path) -> Desk:
    server, model = answering
    server.forget()
    own = ServerModel(model.connection)
    return Desk(server, own, FakeStepContext(answering=own, document_parser=parser), tmp_path)


# --- ai.classify


async def test_a_label_is_chosen_among_those_given(desk: Desk) -> None:
    desk.server.will_answer(said({"reason": "it says so", "label": "order", "confidence": "high"}))
    output = await desk.run("ai.classify", input="We order two.", labels=TYPES, prompt="Be strict.")
    assert output == {"label": "order", "confidence": "high", "reason": "it says so"}
    assert desk.server.asked_schema()["properties"]["label"]["enum"] == ["invoice", "order"]
    assert all(words in desk.server.asked_text() for words in ("We order two.", "An order.", "Be strict."))


async def test_a_label_that_was_not_given_is_never_returned(desk: Desk) -> None:
    desk.server.will_answer(*[said({"reason": "", "label": "letter", "confidence": "high"})] * 2)
    assert (await desk.failure("ai.classify", input="x", labels=TYPES)).code == "invalid_provider_output"


async def test_a_text_that_is_too_long_is_judged_by_its_beginning(desk: Desk) -> None:
    desk.model.tokens = 1_000
    await desk.run("ai.classify", input="first " + "word " * 10_000, labels=TYPES)
    assert len(desk.server.asked_text()) < 4_000


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("ai.classify", {"labels": [{"name": "a"}, {"name": "a"}]}),
        ("ai.classify-pages", {"labels": ["a", {"name": "a"}]}),
        ("ai.split", {"sections": [SECTIONS[0], SECTIONS[0]]}),
        ("ai.segment", {"documentTypes": [{"name": "unknown"}]}),
    ],
)
def test_a_name_that_stands_there_twice_is_a_problem(kind: str, config: Any) -> None:
    assert [code for _, _, code in step_of(kind, input="x", **config).problems()] == ["duplicate_label"]


# --- ai.classify-pages


def on_page(page: int, *labels: str) -> dict[str, Any]:
    return {"page": page, "labels": list(labels), "confidence": "high"}


async def test_every_page_and_every_label_is_in_the_output(desk: Desk) -> None:
    desk.server.will_answer(said({"pages": [on_page(0, "a", "b", "a"), on_page(1), on_page(2, "b")]}))
    output = await desk.run("ai.classify-pages", input={"pages": PAGES}, labels=["a", "b", {"name": "c"}])
    assert [page["labels"] for page in output["pages"]] == [["a", "b"], [], ["b"], [], []]
    assert output["pages"][4]["confidence"] == "low"
    assert output["byLabel"] == {"a": [0], "b": [0, 2], "c": []}


async def test_pages_of_a_long_document_are_asked_for_in_groups(desk: Desk) -> None:
    pages = [f"page-{index} " + "word " * 500 for index in range(3)]
    output = await desk.run("ai.classify-pages", input=pages, labels=["a"], windowTokenBudget=1_000)
    assert len(desk.server.asked) == 3
    assert output["byLabel"] == {"a": [0, 1, 2]}


# --- ai.split and ai.segment


def part(name: str, start: int, end: int | None = None, confidence: str = "high") -> dict[str, Any]:
    return {
        "name": name,
        "start_page": start,
        "start_heading_text": f"heading of {name}",
        "end_page": end,
        "confidence": confidence,
        "notes": "",
    }


async def test_a_section_lasts_until_the_next_begins(desk: Desk) -> None:
    desk.server.will_answer(said({"parts": [part("prices", 3, 3), part("terms", 0)]}))
    output = await desk.run("ai.split", input={"pages": PAGES}, sections=SECTIONS)
    terms, prices = output["splits"]
    assert (terms["name"], terms["page_range"], prices["name"], prices["page_range"]) == (
        "terms",
        [0, 2],
        "prices",
        [3, 3],
    )
    assert (terms["pages_anchored"], terms["pages_inferred"]) == ([0], [1, 2])
    assert terms["text"] == "text of page 0\n\ntext of page 1\n\ntext of page 2"
    assert terms["evidence"] == {"start_heading_text": "heading of terms", "start_page": 0}
    assert "end_evidence" not in terms
    assert prices["end_evidence"]["end_page"] == 3
    assert output["sections"]["terms"] == terms


async def test_sections_may_begin_on_one_page_and_occur_again(desk: Desk) -> None:
    desk.server.will_answer(said({"parts": [part("terms", 1), part("prices", 1), part("terms", 4)]}))
    output = await desk.run("ai.split", input={"pages": PAGES}, sections=SECTIONS)
    assert [(found["name"], found["page_range"]) for found in output["splits"]] == [
        ("terms", [1, 1]),
        ("prices", [1, 3]),
        ("terms", [4, 4]),
    ]
    assert output["sections"]["terms"]["page_range"] == [1, 1]


async def test_a_section_goes_on_over_the_windows(desk: Desk) -> None:
    pages = [f"page-{index} " + "word " * 500 for index in range(3)]
    desk.server.will_answer(
        said({"parts": [part("terms", 0)]}), said({"parts": []}), said({"parts": [part("prices", 2)]})
    )
    output = await desk.run("ai.split", input=pages, sections=SECTIONS, windowTokenBudget=1_000)
    assert [found["page_range"] for found in output["splits"]] == [[0, 1], [2, 2]]
    assert "'terms'" in desk.server.asked_text(1)


async def test_a_required_section_that_is_missing_fails_the_step(desk: Desk) -> None:
    desk.server.will_answer(said({"parts": [part("terms", 0)]}))
    failure = await desk.failure(
        "ai.split", input={"pages": PAGES}, sections=[SECTIONS[0], {**SECTIONS[1], "required": True}]
    )
    assert (failure.code, failure.category) == ("section_missing", "business")


async def test_every_page_belongs_to_one_document(desk: Desk) -> None:
    desk.server.will_answer(said({"parts": [part("invoice", 1, 4), part("order", 2, 3, "low")]}))
    output = await desk.run("ai.segment", input={"pages": PAGES}, documentTypes=TYPES)
    assert [(found["index"], found["type"], found["page_range"]) for found in output["documents"]] == [
        (0, "unknown", [0, 0]),
        (1, "invoice", [1, 1]),
        (2, "order", [2, 3]),
        (3, "unknown", [4, 4]),
    ]
    summary = output["summary"]
    assert (summary["total"], summary["labelled"], summary["unlabelled"], summary["lowConfidence"]) == (4, 2, 2, 3)
    assert summary["byType"] == {"invoice": 1, "order": 1}
    reasons = [(found["index"], found["reason"]) for found in summary["needsReview"]]
    assert reasons == [(0, "unlabelled"), (2, "low_confidence"), (3, "unlabelled")]


# --- ai.vision


async def test_pages_are_shown_and_fields_come_back(desk: Desk) -> None:
    desk.server.will_answer(said({"color": "red", "marks": None}))
    output = await desk.run("ai.vision", document=desk.pdf(2), schema=SCHEMA, renderScale=1)
    assert output == {"color": "red", "_vision": {"model": "tiny", "pageIndices": [0, 1], "pageCount": 2}}
    assert [picture.size for picture in desk.pictures_shown()] == [(100, 50)] * 2
    assert desk.context.usage["visionPagesProcessed"] == 2


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"pageFrom": 1}, [1, 2]),
        ({"pageTo": 1}, [0, 1]),
        ({"pageFrom": 1, "pageTo": 1}, [1]),
        ({"pageIndices": [2, 0, 2], "pageFrom": 1}, [2, 0]),
    ],
)
async def test_only_the_wanted_pages_are_shown(desk: Desk, wanted: Any, shown: list[int]) -> None:
    output = await desk.run("ai.vision", document=desk.pdf(3), schema=SCHEMA, **wanted)
    assert output["_vision"]["pageIndices"] == shown
    assert len(desk.pictures_shown()) == len(shown)


async def test_many_pages_are_shown_in_groups_and_merged(desk: Desk) -> None:
    desk.server.will_answer(said({"color": None, "marks": ["x"]}), said({"color": "red", "marks": ["y"]}))
    output = await desk.run("ai.vision", document=desk.pdf(3), schema=SCHEMA, maxPages=2)
    assert (output["color"], sorted(output["marks"])) == ("red", ["x", "y"])
    assert sorted(len(desk.pictures_shown(index)) for index in (0, 1)) == [1, 2]


async def test_pages_that_are_not_there_are_refused_before_anything_is_paid(desk: Desk) -> None:
    for wanted in ({"pageIndices": [3]}, {"pageFrom": 3}, {"pageFrom": 2, "pageTo": 1}):
        failure = await desk.failure("ai.vision", document=desk.pdf(3), schema=SCHEMA, **wanted)
        assert failure.code == "page_out_of_range"
    assert not desk.server.asked


async def test_a_text_file_cannot_be_looked_at(desk: Desk) -> None:
    path = desk.folder / "a.txt"
    path.write_text("hello")
    failure = await desk.failure("ai.vision", document=desk.context.add_file(path, "text/plain"), schema=SCHEMA)
    assert failure.code == "document_unsupported"


# --- ai.parse


async def test_a_model_writes_down_what_stands_on_the_pages(desk: Desk) -> None:
    desk.server.will_answer(said({"pages": [{"text": "one"}, {"text": "two"}]}))
    output = await desk.run("ai.parse", input=desk.pdf(2), parseMode="vision", outputFormat="markdown")
    assert (output["text"], output["pageCount"]) == ("one\n\ntwo", 2)
    assert [page["pageIndex"] for page in output["pages"]] == [0, 1]
    assert (output["parserType"], output["processingStrategy"], output["model"]) == ("llm-vision", "vision", "tiny")
    assert "Markdown" in desk.server.asked_text()


async def test_pages_are_shown_in_batches_and_stay_in_order(desk: Desk) -> None:
    desk.server.will_answer(said({"pages": [{"text": "a"}, {"text": "b"}]}), said({"pages": [{"text": "c"}]}))
    output = await desk.run("ai.parse", input=desk.pdf(3), parseMode="vision", pagesPerBatch=2, maxConcurrency=1)
    assert output["text"] == "a\n\nb\n\nc"


async def test_a_page_that_the_model_passed_over_is_an_error(desk: Desk) -> None:
    desk.server.will_answer(said({"pages": [{"text": "one"}]}))
    failure = await desk.failure("ai.parse", input=desk.pdf(2), parseMode="vision")
    assert failure.code == "invalid_provider_output"


def test_looking_is_paid_for_and_reading_is_not() -> None:
    assert step_of("ai.parse", input={}, parseMode="vision").effect_now() is Effect.PAID
    assert step_of("ai.parse", input={}).effect_now() is Effect.READ
