"""`ai.vision`: lets a model look at the pages of a document and fill in the fields of a JSON Schema."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.jsonschemas import first_errors
from assay.steps.answer_form import answer_form, form_of, schema_problem, without_nulls
from assay.steps.asking import Task, all_answers, answer_to, model_for
from assay.steps.base import Effect, Step, StepContext, StepError
from assay.steps.merging import merged
from assay.steps.page_pictures import open_pictures, pages_shown

_AT_ONCE = 2
_RED_DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"


class AiVision(Step):
    """Let a model look at the pages of a PDF or image and fill in the fields of a schema.

    What the pages do not show is null or left out. Under `_vision` stands which pages were shown, and what is wanting.
    """

    type_name = "ai.vision"
    effect = Effect.PAID
    example: ClassVar[str] = f"""\
name: look-at-picture
version: 1.0.0
inputs:
  - name: picture
    type: file
    required: false
    default:
      $inline: {{ filename: dot.png, mimeType: image/png, base64: {_RED_DOT} }}
steps:
  - name: look
    type: ai.vision
    with:
      document: '{{{{ input.picture }}}}'
      schema: {{ type: object, properties: {{ color: {{ type: string, description: The color of the dot. }} }} }}
output:
  seen: '{{{{ steps.look.output }}}}'
"""

    document: JsonValue = Field(description="A PDF or an image: a file input, or a file that a step made.")
    form: dict[str, JsonValue] = Field(
        alias="schema",
        description="JSON Schema of an object: what to look for. Descriptions of fields guide the model.",
    )
    page_from: int | None = Field(default=None, ge=0, alias="pageFrom", description="First page, counted from 0.")
    page_to: int | None = Field(default=None, ge=0, alias="pageTo", description="Last page; it is looked at too.")
    page_indices: list[int] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        alias="pageIndices",
        description="The pages to look at, counted from 0; goes before pageFrom and pageTo.",
    )
    prompt: str = Field(default="", max_length=100_000, description="What the model should know beside the schema.")
    provider: str | None = Field(default=None, max_length=200, description="Name of a provider of the organization.")
    model: str | None = Field(
        default=None, max_length=400, description="Name of a model, or provider/model; else the workflow's default."
    )
    render_scale: float = Field(
        default=2.0, ge=0.5, le=6, alias="renderScale", description="How large pages of a PDF are shown; 1 is 72 dpi."
    )
    image_quality: int = Field(
        default=85, ge=1, le=100, alias="imageQuality", description="Quality of the JPEG pictures."
    )
    max_pages: int = Field(
        default=20,
        ge=1,
        le=100,
        alias="maxPages",
        description="How many pages one question shows; what several questions find is merged.",
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
        model = await model_for(context, provider=self.provider, model=self.model)
        pictures = await open_pictures(context, self.document)
        pages = self._pages(pictures.page_count)
        groups = [pages[at : at + self.max_pages] for at in range(0, len(pages), self.max_pages)]
        form = answer_form(self.form)

        async def look(group: Sequence[int]) -> dict[str, JsonValue]:
            shown = await pages_shown(context, pictures, group, scale=self.render_scale, quality=self.image_quality)
            instructions = [
                "Fill in the fields of the answer's schema from the pictures, which are pages of a document.",
                f"They are pages {', '.join(str(page + 1) for page in group)} of {pictures.page_count}.",
                self.prompt,
            ]
            task = Task("\n\n".join(filter(None, instructions)), pictures=shown)
            return await answer_to(context, model, task, form)

        answers = await all_answers([lambda group=group: look(group) for group in groups], at_once=_AT_ONCE)
        output = cast("dict[str, JsonValue]", without_nulls(merged(answers)[0], self.form, self.form))
        remarks = await asyncio.to_thread(first_errors, self.form, output)
        seen: dict[str, JsonValue] = {"model": model.name, "pageIndices": [*pages], "pageCount": pictures.page_count}
        return {**output, "_vision": {**seen, **({"degraded": "; ".join(remarks)} if remarks else {})}}

    def _pages(self, count: int) -> list[int]:
        if self.page_indices is not None:
            wanted = list(dict.fromkeys(self.page_indices))
        else:
            last = count - 1 if self.page_to is None else self.page_to
            wanted = list(range(self.page_from or 0, min(last, count - 1) + 1))
        outside = [page for page in wanted if not 0 <= page < count]
        if outside or not wanted:
            first = outside[0] if outside else self.page_from
            message = f"The document has {count} pages, counted from 0; there is no page {first}."
            raise StepError("page_out_of_range", message, category="validation")
        return wanted
