"""Where the parts of a document begin and end: asked window by window, decided for the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from assay import providers
from assay.steps.answer_form import fixed_form
from assay.steps.asking import Task, answer_to
from assay.steps.base import StepContext
from assay.steps.source_text import PAGE_GAP, SourcePage, SourceText, beginning, page_windows

DEFAULT_WINDOW = 20_000
MAX_PARTS = 2_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the document, as the model found it. Pages are counted from 0, both ends belong to it."""

    name: str
    first: int
    last: int
    confidence: str
    notes: str
    heading: str
    end_given: bool

    def output(self, source: SourceText) -> dict[str, JsonValue]:
        """Write it as the steps give it; pages that the model named are anchored, those between them inferred."""
        pages = [page for page in source.pages if self.first <= page.index <= self.last]
        anchored = {self.first, self.last} if self.end_given else {self.first}
        found: dict[str, JsonValue] = {
            "name": self.name,
            "page_range": [self.first, self.last],
            "confidence": self.confidence,
            "notes": self.notes,
            "evidence": {"start_heading_text": self.heading, "start_page": self.first},
            "text": PAGE_GAP.join(page.text for page in pages),
            "pages": [_page(page, anchored=page.index in anchored) for page in pages],
            "pages_anchored": [page.index for page in pages if page.index in anchored],
            "pages_inferred": [page.index for page in pages if page.index not in anchored],
        }
        if self.end_given:
            end: JsonValue = {"end_page": self.last, "confidence": self.confidence, "notes": self.notes}
            found["end_evidence"] = end
        return found


PART_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "page_range": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "First and last page, counted from 0; both belong to it.",
        },
        "confidence": {"enum": ["low", "medium", "high"]},
        "notes": {"type": "string", "description": "What the model remarks."},
        "evidence": {
            "type": "object",
            "properties": {"start_heading_text": {"type": "string"}, "start_page": {"type": "integer"}},
        },
        "end_evidence": {
            "type": "object",
            "properties": {
                "end_page": {"type": "integer"},
                "confidence": {"type": "string"},
                "notes": {"type": "string"},
            },
            "description": "Where the model saw the end itself; else the next part's begin is taken for it.",
        },
        "text": {"type": "string"},
        "pages": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pageIndex": {"type": "integer"},
                    "text": {"type": "string"},
                    "pageName": {"type": "string"},
                    "source": {"enum": ["anchored", "inferred"], "description": "Named by the model, or in between."},
                },
            },
        },
        "pages_anchored": {"type": "array", "items": {"type": "integer"}},
        "pages_inferred": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["page_range", "confidence", "notes", "text", "pages"],
}


async def find_parts(
    context: StepContext,
    model: providers.Model,
    source: SourceText,
    *,
    instructions: str,
    names: Sequence[str],
    window_tokens: int,
) -> list[Part]:
    """Let the model say where parts begin; a part lasts until the next begins, or until the end that was seen.

    The windows are read one after the other: each question says what the pages before ended in.

    Raises:
        StepError: there is no usable answer.
    """
    budget = min(window_tokens, model.context_tokens // 2)
    starts: list[dict[str, JsonValue]] = []
    for pages in page_windows(source, budget):
        before = ""
        if starts:
            before = (
                f"The page before these belongs to {starts[-1]['name']!r}. Where that goes on, it does not begin anew."
            )
        task = Task("\n\n".join(filter(None, [instructions, before])), marked(pages, budget))
        answer = await answer_to(context, model, task, fixed_form(_schema(names, pages)))
        found = cast("list[dict[str, JsonValue]]", answer["parts"])
        starts += sorted(found, key=lambda part: cast("int", part["start_page"]))
    return _closed(starts[:MAX_PARTS], source.pages[-1].index)


def marked(pages: Sequence[SourcePage], budget: int) -> str:
    """Write pages with their numbers; a page longer than `budget` tokens is shown by its beginning."""
    return "\n\n".join(f"[page {page.index}]\n{beginning(page.text, budget)}" for page in pages)


def _schema(names: Sequence[str], pages: Sequence[SourcePage]) -> dict[str, Any]:
    numbers = [page.index for page in pages]
    part = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": list(names)},
            "start_page": {"type": "integer", "enum": numbers},
            "start_heading_text": {"type": "string", "description": "The words it begins with, copied exactly."},
            "end_page": {
                "type": ["integer", "null"],
                "enum": [*numbers, None],
                "description": "Its last page if the end is seen on these pages, else null.",
            },
            "confidence": {"type": "string", "enum": ["low", "medium", "high"]},
            "notes": {"type": "string", "description": "Doubts, in a few words; else empty."},
        },
        "required": ["name", "start_page", "start_heading_text", "end_page", "confidence", "notes"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"parts": {"type": "array", "items": part}},
        "required": ["parts"],
        "additionalProperties": False,
    }


def _closed(starts: Sequence[dict[str, JsonValue]], last_page: int) -> list[Part]:
    parts: list[Part] = []
    for number, start in enumerate(starts):
        first = cast("int", start["start_page"])
        following = cast("int", starts[number + 1]["start_page"]) - 1 if number + 1 < len(starts) else last_page
        given = cast("int | None", start["end_page"])
        usable = given is not None and given >= first
        parts.append(
            Part(
                name=cast("str", start["name"]),
                first=first,
                last=given if usable and given is not None else max(first, following),
                confidence=cast("str", start["confidence"]),
                notes=cast("str", start["notes"]),
                heading=cast("str", start["start_heading_text"]),
                end_given=usable,
            )
        )
    return parts


def _page(page: SourcePage, *, anchored: bool) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {
        "pageIndex": page.index,
        "text": page.text,
        "source": "anchored" if anchored else "inferred",
    }
    if page.name is not None:
        found["pageName"] = page.name
    return found
