"""`ai.extract`: lets a model fill in the fields of a JSON Schema from a text, and says where each value stands."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from assay import providers
from assay.jsonschemas import first_errors
from assay.steps.answer_form import answer_form, fixed_form, form_of, schema_problem, without_nulls
from assay.steps.asking import Task, all_answers, answer_to, model_for
from assay.steps.base import Effect, Step, StepContext, StepError
from assay.steps.grounding import EVIDENCE_SCHEMA, Evidence, evidence_of, grounding, shifted
from assay.steps.merging import merged
from assay.steps.source_text import SourceText, beginning, estimated_tokens, source_text, text_windows

_EVIDENCE = "_evidence"
_AT_ONCE = 4
_LEAST_WINDOW = 500
_MAX_WORDS_BYTES = 64 * 1024**2


class QuotedField(BaseModel):
    """A value of an example."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(description="Path of the field, such as `total` or `lines[0].price`.")
    text: str = Field(description="The words of the example's text that give the value.")


class GroundingExample(BaseModel):
    """A text, and which of its words give which field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(max_length=20_000, description="A short text such as the documents hold.")
    extractions: list[QuotedField] = Field(max_length=100, description="Which of its words give which field.")


@dataclass(frozen=True, slots=True)
class _Part:
    values: dict[str, JsonValue]
    evidence: list[Evidence]


class AiExtract(Step):
    """Let a model fill in the fields of a schema from a text.

    A field that the document does not give is null or left out, never made up. Under `_grounding` stands for every
    value how sure it is, whether a person should look at it, and which part of the text (and, with the whole output
    of `ai.parse` as input, which box on which page) gives it. `_degraded` and `_reason` say what is wanting.
    """

    type_name = "ai.extract"
    effect = Effect.PAID
    example: ClassVar[str] = """\
name: read-invoice
version: 1.0.0
inputs:
  - { name: text, type: string, required: false, default: 'Invoice 2024-117, total 99.50 EUR' }
steps:
  - name: extract
    type: ai.extract
    with:
      input: '{{ input.text }}'
      schema:
        type: object
        properties:
          invoice_number: { type: string, description: As printed. }
          total: { type: number, description: With tax. }
        required: [total]
output:
  total: '{{ steps.extract.output.total }}'
"""

    input: JsonValue = Field(description="The text, or the whole output of ai.parse, which lets boxes be found.")
    form: dict[str, JsonValue] = Field(
        alias="schema", description="JSON Schema of an object: what to extract. Descriptions of fields guide the model."
    )
    prompt: str = Field(default="", max_length=100_000, description="What the model should know beside the schema.")
    provider: str | None = Field(default=None, max_length=200, description="Name of a provider of the organization.")
    model: str | None = Field(
        default=None, max_length=400, description="Name of a model, or provider/model; else the workflow's default."
    )
    max_input_tokens: int | None = Field(
        default=None,
        ge=100,
        alias="maxInputTokens",
        description="Read only so much of the beginning; the output then says `_degraded`.",
    )
    grounded: bool | None = Field(
        default=None, description="Say where each value stands (the default); false saves the tokens for it."
    )
    grounding_model: str | None = Field(
        default=None,
        max_length=400,
        alias="groundingModel",
        description="Another model that looks for the words behind the values; else the extracting model names them.",
    )
    grounding_examples: list[GroundingExample] = Field(
        default_factory=list,
        max_length=20,
        alias="groundingExamples",
        description="Examples that show which words give which field.",
    )
    review_on: Literal["medium_or_low", "low_only"] = Field(
        default="medium_or_low", alias="reviewOn", description="Which confidence asks for a person."
    )

    @classmethod
    @override
    def output_schema_of(cls, config: Mapping[str, JsonValue]) -> Mapping[str, Any] | None:
        return form_of(config)

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        problem = schema_problem(self.form)
        return [("schema", *problem)] if problem else ()

    @override
    async def run(self, context: StepContext) -> JsonValue:
        source = source_text(self.input)
        remarks: list[str] = []
        if self.max_input_tokens is not None:
            source = self._cut(source, self.max_input_tokens, remarks)
        model = await model_for(context, provider=self.provider, model=self.model)
        parts = await self._read(context, model, source)
        values, shifts = merged([part.values for part in parts])
        output = cast("dict[str, JsonValue]", without_nulls(values, self.form, self.form))
        remarks += await asyncio.to_thread(first_errors, self.form, output)
        if self.grounded is not False:
            evidence = [
                Evidence(shifted(said.field, shift), said.quote, said.confidence, said.reason, said.window)
                for part, shift in zip(parts, shifts, strict=True)
                for said in part.evidence
            ]
            boxes = await _word_boxes(context, source.words)
            required = [name for name in cast("list[str]", self.form.get("required") or []) if name in output]
            output["_grounding"] = await asyncio.to_thread(
                grounding, dict(output), required, evidence, source, boxes=boxes, review_on=self.review_on
            )
        if remarks:
            output["_degraded"] = True
            output["_reason"] = "; ".join(remarks)
        return output

    @staticmethod
    def _cut(source: SourceText, budget: int, remarks: list[str]) -> SourceText:
        text = beginning(source.text, budget)
        if len(text) == len(source.text):
            return source
        remarks.append(f"Only the first {len(text):,} of {len(source.text):,} characters were read (maxInputTokens).")
        pages = [page for page in source.pages if page.start < len(text)]
        return SourceText(text, pages or source.pages[:1], source.words)

    async def _read(self, context: StepContext, model: providers.Model, source: SourceText) -> list[_Part]:
        other = None
        if self.grounding_model is not None and self.grounded is not False:
            other = await model_for(context, provider=None, model=self.grounding_model)
        asked = estimated_tokens(json.dumps(self.form)) + estimated_tokens(self.prompt)
        room = min(model.context_tokens, other.context_tokens if other else model.context_tokens)
        # Half of the room is for the answer, and the answer once more where it has to be mended.
        windows = text_windows(source, max(_LEAST_WINDOW, room // 2 - asked))

        async def read(window: tuple[int, int], number: int) -> _Part:
            text = source.text[window[0] : window[1]]
            part = f"This is part {number + 1} of {len(windows)} of the document." if len(windows) > 1 else ""
            found = await self._extract(context, model, text, part, window, evidence=other is None)
            if other is None or not found.values:
                return found
            return _Part(found.values, await self._quotes(context, other, text, found.values, window))

        return await all_answers(
            [lambda window=window, number=number: read(window, number) for number, window in enumerate(windows)],
            at_once=_AT_ONCE,
        )

    async def _extract(
        self,
        context: StepContext,
        model: providers.Model,
        text: str,
        part: str,
        window: tuple[int, int],
        *,
        evidence: bool,
    ) -> _Part:
        quoting = evidence and self.grounded is not False
        schema: dict[str, Any] = dict(self.form)
        if quoting:
            schema["properties"] = {**schema["properties"], _EVIDENCE: EVIDENCE_SCHEMA}
        instructions = ["Extract the fields of the answer's schema from the document.", part, self.prompt]
        if quoting:
            instructions += [f"Under {_EVIDENCE}, give for each value the words of the document.", self._examples()]
        task = Task("\n\n".join(filter(None, instructions)), text)
        answer = await answer_to(context, model, task, answer_form(schema))
        said = evidence_of(answer.pop(_EVIDENCE, None), window) if quoting else []
        return _Part(answer, said)

    async def _quotes(
        self,
        context: StepContext,
        model: providers.Model,
        text: str,
        values: Mapping[str, JsonValue],
        window: tuple[int, int],
    ) -> list[Evidence]:
        schema = {
            "type": "object",
            "properties": {"evidence": EVIDENCE_SCHEMA},
            "required": ["evidence"],
            "additionalProperties": False,
        }
        given = json.dumps(values, ensure_ascii=False)
        instructions = [f"These values were read from the document: {given}", "Say which words give each of them."]
        task = Task("\n\n".join(filter(None, [*instructions, self._examples()])), text)
        answer = await answer_to(context, model, task, fixed_form(schema))
        return evidence_of(answer["evidence"], window)

    def _examples(self) -> str:
        return "\n\n".join(
            f"Example: in the text {json.dumps(example.text, ensure_ascii=False)}, "
            + "; ".join(f"{found.field} is given by {found.text!r}" for found in example.extractions)
            for example in self.grounding_examples
        )


async def _word_boxes(context: StepContext, words: JsonValue) -> Sequence[Mapping[str, Any]]:
    """Read the boxes that `ai.parse` kept; where they are gone or never were, values have no box."""
    if not isinstance(words, dict) or "$file" not in words:
        return ()
    try:
        file = await context.open_file(words)
    except StepError:
        return ()
    if file.size > _MAX_WORDS_BYTES:
        return ()
    return cast("list[dict[str, Any]]", json.loads(await asyncio.to_thread(file.path.read_bytes)))
