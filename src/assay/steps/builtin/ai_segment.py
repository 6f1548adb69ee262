"""`ai.segment`: lets a model tell the documents in a pile of pages apart."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.asking import model_for
from assay.steps.base import Effect, Step, StepContext
from assay.steps.boundaries import DEFAULT_WINDOW, PART_SCHEMA, Part, find_parts
from assay.steps.labels import Label, listed, repeated_name
from assay.steps.source_text import source_text

UNKNOWN = "unknown"
_TASK = (
    "The pages are a pile of documents. Say where each document begins, in the order of the pages, and of which type "
    "it is. The first page begins a document."
)


class AiSegment(Step):
    """Let a model tell the documents in a pile of pages apart.

    Every page belongs to one document; what is none of the given types is `unknown`.
    """

    type_name = "ai.segment"
    effect = Effect.PAID
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "summary": {
                "type": "object",
                "properties": {
                    "total": {"type": "integer"},
                    "labelled": {"type": "integer", "description": "Documents of a given type."},
                    "unlabelled": {"type": "integer", "description": "Documents that are unknown."},
                    "lowConfidence": {"type": "integer"},
                    "byType": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "needsReview": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "index": {"type": "integer"},
                                "type": {"type": "string"},
                                "page_range": {"type": "array", "items": {"type": "integer"}},
                                "reason": {"enum": ["unlabelled", "low_confidence"]},
                                "notes": {"type": "string"},
                            },
                        },
                    },
                },
                "required": ["total", "labelled", "unlabelled", "lowConfidence", "byType", "needsReview"],
            },
            "documents": {
                "type": "array",
                "items": {
                    **PART_SCHEMA,
                    "properties": {
                        "index": {"type": "integer", "description": "Counts from 0."},
                        "type": {"type": "string", "description": "One of the given types, or `unknown`."},
                        **PART_SCHEMA["properties"],
                    },
                    "required": ["index", "type", *PART_SCHEMA["required"]],
                },
            },
        },
        "required": ["summary", "documents"],
    }
    example: ClassVar[str] = """\
name: sort-pile
version: 1.0.0
inputs:
  - { name: pages, type: array, items: { type: string }, required: false, default: [Invoice 1, Page 2 of 2, Order] }
steps:
  - name: sort
    type: ai.segment
    with:
      input: '{{ input.pages }}'
      documentTypes: [{ name: invoice }, { name: order, description: Somebody orders something. }]
output:
  total: '{{ steps.sort.output.summary.total }}'
"""

    input: JsonValue = Field(description="The output of ai.parse, or a list of page texts.")
    document_types: list[Label] = Field(
        min_length=1, max_length=200, alias="documentTypes", description="The types of documents in the pile."
    )
    rules: str = Field(default="", max_length=100_000, description="What the model should know beside the types.")
    provider: str | None = Field(default=None, max_length=200, description="Name of a provider of the organization.")
    model: str | None = Field(
        default=None, max_length=400, description="Name of a model, or provider/model; else the workflow's default."
    )
    window_token_budget: int = Field(
        default=DEFAULT_WINDOW,
        ge=500,
        alias="windowTokenBudget",
        description="How many tokens of pages are read at once.",
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        names = [label.name for label in self.document_types]
        repeated = repeated_name([*names, UNKNOWN])
        if repeated is None:
            return ()
        message = f"The type {repeated!r} stands there twice, or is the word for what has no type."
        return [("documentTypes", message, "duplicate_label")]

    @override
    async def run(self, context: StepContext) -> JsonValue:
        source = source_text(self.input)
        model = await model_for(context, provider=self.provider, model=self.model)
        instructions = [
            f"{_TASK} What is of no type is {UNKNOWN}.",
            listed(self.document_types),
            self.rules,
        ]
        parts = await find_parts(
            context,
            model,
            source,
            instructions="\n\n".join(filter(None, instructions)),
            names=[*(label.name for label in self.document_types), UNKNOWN],
            window_tokens=self.window_token_budget,
        )
        parts = _without_gaps(parts, source.pages[0].index, source.pages[-1].index)
        documents: list[JsonValue] = []
        for index, part in enumerate(parts):
            shown = part.output(source)
            documents.append({"index": index, "type": shown.pop("name"), **shown})
        return {"summary": self._summary(parts), "documents": documents}

    def _summary(self, parts: Sequence[Part]) -> dict[str, JsonValue]:
        types = Counter(part.name for part in parts)
        by_type: dict[str, JsonValue] = {label.name: types[label.name] for label in self.document_types}
        return {
            "total": len(parts),
            "labelled": len(parts) - types[UNKNOWN],
            "unlabelled": types[UNKNOWN],
            "lowConfidence": sum(1 for part in parts if part.confidence == "low"),
            "byType": by_type,
            "needsReview": [
                {
                    "index": index,
                    "type": part.name,
                    "page_range": [part.first, part.last],
                    "reason": "unlabelled" if part.name == UNKNOWN else "low_confidence",
                    "notes": part.notes,
                }
                for index, part in enumerate(parts)
                if part.name == UNKNOWN or part.confidence == "low"
            ],
        }


def _without_gaps(parts: Sequence[Part], first: int, last: int) -> list[Part]:
    """Give every page to a document: what the model passed over is unknown, where it overlaps the later one holds."""
    whole: list[Part] = []
    at = first
    for number, part in enumerate(parts):
        end = min([part.last, *(later.first - 1 for later in parts[number + 1 :])])
        if part.first > at:
            whole.append(_unknown(at, part.first - 1))
        whole.append(part if end == part.last else _ended(part, max(part.first, end)))
        at = whole[-1].last + 1
    if at <= last:
        whole.append(_unknown(at, last))
    return whole


def _unknown(first: int, last: int) -> Part:
    return Part(UNKNOWN, first, last, "low", "The model says nothing about these pages.", "", end_given=False)


def _ended(part: Part, last: int) -> Part:
    return Part(part.name, part.first, last, part.confidence, part.notes, part.heading, end_given=False)
