"""How a model reads pages that it is shown: how many at once, what it is told, in which form it writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from assay import documents, providers
from assay.steps.answer_form import fixed_form
from assay.steps.asking import Task, all_answers, answer_to
from assay.steps.base import StepContext, StepError
from assay.steps.page_pictures import pages_shown

_PAGES_FORM = fixed_form(
    {
        "type": "object",
        "properties": {
            "pages": {
                "type": "array",
                "description": "One entry for each picture, in their order.",
                "items": {
                    "type": "object",
                    "properties": {"text": {"type": "string", "description": "All text of the page."}},
                    "required": ["text"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["pages"],
        "additionalProperties": False,
    }
)
_READ = (
    "Each picture is a page of a document. Write down all text that stands on it, in reading order, word for word; "
    "leave nothing out and correct nothing."
)
_FORMS: Mapping[documents.TextForm, str] = {
    "plain": "Write plain text; rows of a table stay on one line.",
    "markdown": "Write Markdown, with headings, lists and tables.",
    "djot": "Write Djot, with headings, lists and pipe tables.",
    "html": "Write HTML without a head, with headings, lists and tables.",
    "layout": "Write plain text that looks like the page: each word in its row, columns kept in place by blanks.",
}


@dataclass(frozen=True, slots=True)
class Showing:
    """How pages become pictures, and how many pictures a question has, at how many questions at once."""

    scale: float
    quality: int
    pages_at_once: int
    questions_at_once: int


@dataclass(frozen=True, slots=True)
class PageReader:
    """A model that writes down pages."""

    model: providers.Model
    form: documents.TextForm
    languages: Sequence[str]
    prompt: str

    async def read(
        self, context: StepContext, pictures: documents.PagePictures, pages: Sequence[int], showing: Showing
    ) -> dict[int, str]:
        """Return the text of each page.

        Raises:
            StepError: a page cannot be shown, or the model does not write down every page (`invalid_provider_output`).
        """
        size = showing.pages_at_once
        batches = [pages[at : at + size] for at in range(0, len(pages), size)]

        async def read(batch: Sequence[int]) -> dict[int, str]:
            shown = await pages_shown(context, pictures, batch, scale=showing.scale, quality=showing.quality)
            answer = await answer_to(context, self.model, Task(self._instructions(), pictures=shown), _PAGES_FORM)
            texts = [str(page["text"]) for page in cast("list[dict[str, JsonValue]]", answer["pages"])]
            if len(texts) != len(batch):
                message = f"The model was shown {len(batch)} pages and wrote down {len(texts)}."
                raise StepError("invalid_provider_output", message, category="invalid_provider_output")
            return dict(zip(batch, texts, strict=True))

        jobs = [lambda batch=batch: read(batch) for batch in batches]
        found = await all_answers(jobs, at_once=showing.questions_at_once)
        return {page: text for texts in found for page, text in texts.items()}

    def _instructions(self) -> str:
        languages = f"It is written in: {', '.join(self.languages)}." if self.languages else ""
        return " ".join(filter(None, [_READ, _FORMS[self.form], languages, self.prompt]))
