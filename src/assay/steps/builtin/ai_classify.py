"""`ai.classify`: lets a model choose one of several labels for a text."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.answer_form import fixed_form
from assay.steps.asking import Task, answer_to, model_for
from assay.steps.base import Effect, Step, StepContext
from assay.steps.labels import Label, listed, repeated_name
from assay.steps.source_text import beginning, source_text


class AiClassify(Step):
    """Let a model choose one of several labels for a text.

    A text that is too long for the model is judged by its beginning.
    """

    type_name = "ai.classify"
    effect = Effect.PAID
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "label": {"type": "string", "description": "The name of the chosen label."},
            "confidence": {"enum": ["low", "medium", "high"]},
            "reason": {"type": "string", "description": "Why, in the model's words."},
        },
        "required": ["label", "confidence", "reason"],
    }
    example: ClassVar[str] = """\
name: sort-mail
version: 1.0.0
inputs:
  - { name: text, type: string, required: false, default: 'Please find our invoice attached.' }
steps:
  - name: sort
    type: ai.classify
    with:
      input: '{{ input.text }}'
      labels:
        - { name: invoice, description: Somebody wants money. }
        - { name: complaint, description: Somebody is unhappy. }
output:
  label: '{{ steps.sort.output.label }}'
"""

    input: JsonValue = Field(description="The text, or the output of ai.parse.")
    labels: list[Label] = Field(min_length=2, max_length=200, description="The labels to choose from.")
    prompt: str = Field(default="", max_length=100_000, description="What the model should know beside the labels.")
    provider: str | None = Field(default=None, max_length=200, description="Name of a provider of the organization.")
    model: str | None = Field(
        default=None, max_length=400, description="Name of a model, or provider/model; else the workflow's default."
    )
    max_input_tokens: int | None = Field(
        default=None, ge=100, alias="maxInputTokens", description="Read only so much of the beginning."
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        repeated = repeated_name([label.name for label in self.labels])
        return [("labels", f"The label {repeated!r} stands there twice.", "duplicate_label")] if repeated else ()

    @override
    async def run(self, context: StepContext) -> JsonValue:
        source = source_text(self.input)
        model = await model_for(context, provider=self.provider, model=self.model)
        instructions = ["Choose the label that fits the document best.", listed(self.labels), self.prompt]
        budget = min(self.max_input_tokens or model.context_tokens, model.context_tokens // 2)
        task = Task("\n\n".join(filter(None, instructions)), beginning(source.text, budget))
        schema = {
            "type": "object",
            "properties": {
                "reason": {"type": "string", "description": "Why, in one sentence."},
                "label": {"type": "string", "enum": [label.name for label in self.labels]},
                "confidence": {"type": "string", "enum": ["low", "medium", "high"]},
            },
            "required": ["reason", "label", "confidence"],
            "additionalProperties": False,
        }
        answer = await answer_to(context, model, task, fixed_form(schema))
        return {name: answer[name] for name in ("label", "confidence", "reason")}
