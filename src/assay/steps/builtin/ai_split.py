"""`ai.split`: lets a model find the sections of a document."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from assay.steps.asking import model_for
from assay.steps.base import Effect, Step, StepContext, StepError
from assay.steps.boundaries import DEFAULT_WINDOW, PART_SCHEMA, find_parts
from assay.steps.labels import repeated_name
from assay.steps.source_text import source_text


class Section(BaseModel):
    """A section that a document may have."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(min_length=1, max_length=200, description="Name of the section, as the output gives it.")
    description: str = Field(min_length=1, max_length=5_000, description="What it holds; the model reads it.")
    required: bool = Field(default=False, description="The step fails where it is not found.")
    end_hints: list[str] = Field(
        default_factory=list, max_length=50, alias="endHints", description="Words that tell that the section is over."
    )


class AiSplit(Step):
    """Let a model find the sections of a document.

    Sections may follow each other in any order and occur more than once. Long documents are read in groups of pages.
    """

    type_name = "ai.split"
    effect = Effect.PAID
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "splits": {
                "type": "array",
                "items": {
                    **PART_SCHEMA,
                    "properties": {"name": {"type": "string"}, **PART_SCHEMA["properties"]},
                    "required": ["name", *PART_SCHEMA["required"]],
                },
            },
            "sections": {
                "type": "object",
                "additionalProperties": {"type": "object"},
                "description": "The first split of each name.",
            },
        },
        "required": ["splits", "sections"],
    }
    example: ClassVar[str] = """\
name: split-contract
version: 1.0.0
inputs:
  - { name: pages, type: array, items: { type: string }, required: false, default: [1. Parties, 2. Prices] }
steps:
  - name: split
    type: ai.split
    with:
      input: '{{ input.pages }}'
      sections:
        - { name: parties, description: Who signs. }
        - { name: prices, description: What it costs. }
output:
  splits: '{{ steps.split.output.splits }}'
"""

    input: JsonValue = Field(description="The output of ai.parse, or a list of page texts.")
    sections: list[Section] = Field(min_length=1, max_length=100, description="The sections to look for.")
    rules: str = Field(default="", max_length=100_000, description="What the model should know beside the sections.")
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
        repeated = repeated_name([section.name for section in self.sections])
        return [("sections", f"The section {repeated!r} stands there twice.", "duplicate_label")] if repeated else ()

    @override
    async def run(self, context: StepContext) -> JsonValue:
        source = source_text(self.input)
        model = await model_for(context, provider=self.provider, model=self.model)
        parts = await find_parts(
            context,
            model,
            source,
            instructions=self._instructions(),
            names=[section.name for section in self.sections],
            window_tokens=self.window_token_budget,
        )
        found = {part.name for part in parts}
        missing = [section.name for section in self.sections if section.required and section.name not in found]
        if missing:
            message = f"The document has no section {', '.join(missing)}."
            raise StepError("section_missing", message, category="business")
        splits = [part.output(source) for part in parts]
        sections: dict[str, JsonValue] = {str(split["name"]): split for split in reversed(splits)}
        listed: list[JsonValue] = [*splits]
        return {"splits": listed, "sections": sections}

    def _instructions(self) -> str:
        lines = ["Say where each of these sections of the document begins, in the order of the pages."]
        for section in self.sections:
            ends = f" It ends where it says: {'; '.join(section.end_hints)}." if section.end_hints else ""
            lines.append(f"- {section.name}: {section.description}{ends}")
        return "\n".join([*lines, self.rules]).strip()
