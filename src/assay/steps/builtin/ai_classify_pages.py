"""`ai.classify-pages`: lets a model put labels on every page of a document."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from pydantic import Field, JsonValue
from typing_extensions import override

from assay import providers
from assay.steps.answer_form import fixed_form
from assay.steps.asking import Task, all_answers, answer_to, model_for
from assay.steps.base import Effect, Step, StepContext
from assay.steps.boundaries import DEFAULT_WINDOW, marked
from assay.steps.labels import Label, listed, repeated_name
from assay.steps.source_text import SourcePage, page_windows, source_text

_AT_ONCE = 4


class AiClassifyPages(Step):
    """Let a model put labels on every page of a document.

    A page may have several labels or none. Long documents are read in groups of pages.
    """

    type_name = "ai.classify-pages"
    effect = Effect.PAID
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "pages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "pageIndex": {"type": "integer", "minimum": 0, "description": "Counts from 0."},
                        "labels": {"type": "array", "items": {"type": "string"}},
                        "confidence": {"enum": ["low", "medium", "high"]},
                    },
                    "required": ["pageIndex", "labels", "confidence"],
                },
            },
            "byLabel": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "integer"}},
                "description": "The pages of every label, of labels on no page too.",
            },
        },
        "required": ["pages", "byLabel"],
    }
    example: ClassVar[str] = """\
name: find-signatures
version: 1.0.0
inputs:
  - { name: pages, type: array, items: { type: string }, required: false, default: [Contract, 'Signed: Ada'] }
steps:
  - name: look
    type: ai.classify-pages
    with:
      input: '{{ input.pages }}'
      labels: [terms, { name: signature, description: A signature or a line for one. }]
output:
  signed: '{{ steps.look.output.byLabel.signature }}'
"""

    input: JsonValue = Field(description="The output of ai.parse, or a list of page texts.")
    labels: list[str | Label] = Field(
        min_length=1, max_length=200, description="Labels: names, or names with descriptions."
    )
    prompt: str = Field(default="", max_length=100_000, description="What the model should know beside the labels.")
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
        repeated = repeated_name([label.name for label in self._labels()])
        return [("labels", f"The label {repeated!r} stands there twice.", "duplicate_label")] if repeated else ()

    @override
    async def run(self, context: StepContext) -> JsonValue:
        source = source_text(self.input)
        model = await model_for(context, provider=self.provider, model=self.model)
        budget = min(self.window_token_budget, model.context_tokens // 2)
        groups = page_windows(source, budget)
        answers = await all_answers(
            [lambda pages=pages: self._ask(context, model, pages, budget) for pages in groups], at_once=_AT_ONCE
        )
        found = {int(cast("int", entry["page"])): entry for answer in answers for entry in answer}
        pages = [self._page(page.index, found.get(page.index)) for page in source.pages]
        by_label: dict[str, JsonValue] = {
            label.name: [page["pageIndex"] for page in pages if label.name in cast("list[str]", page["labels"])]
            for label in self._labels()
        }
        return {"pages": cast("JsonValue", pages), "byLabel": by_label}

    def _labels(self) -> list[Label]:
        return [Label(name=label) if isinstance(label, str) else label for label in self.labels]

    async def _ask(
        self, context: StepContext, model: providers.Model, pages: Sequence[SourcePage], budget: int
    ) -> list[dict[str, JsonValue]]:
        instructions = [
            "Put labels on every page of the document: those that fit, or none.",
            listed(self._labels()),
            self.prompt,
        ]
        entry = {
            "type": "object",
            "properties": {
                "page": {"type": "integer", "enum": [page.index for page in pages]},
                "labels": {
                    "type": "array",
                    "items": {"type": "string", "enum": [label.name for label in self._labels()]},
                },
                "confidence": {"type": "string", "enum": ["low", "medium", "high"]},
            },
            "required": ["page", "labels", "confidence"],
            "additionalProperties": False,
        }
        schema = {
            "type": "object",
            "properties": {"pages": {"type": "array", "items": entry}},
            "required": ["pages"],
            "additionalProperties": False,
        }
        task = Task("\n\n".join(filter(None, instructions)), marked(pages, budget))
        answer = await answer_to(context, model, task, fixed_form(schema))
        return cast("list[dict[str, JsonValue]]", answer["pages"])

    @staticmethod
    def _page(index: int, entry: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
        """A page that the model passed over has no label, and that is not sure."""
        if entry is None:
            return {"pageIndex": index, "labels": [], "confidence": "low"}
        labels = list(dict.fromkeys(cast("list[str]", entry["labels"])))
        return {"pageIndex": index, "labels": cast("JsonValue", labels), "confidence": entry["confidence"]}
