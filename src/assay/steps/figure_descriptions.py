"""Which figures of a document a model is shown, how often it is asked, and what happens to those it cannot be shown."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assay import documents, providers
from assay.errors import AssayError
from assay.steps.answer_form import fixed_form
from assay.steps.asking import Task, all_answers, answer_to, file_error
from assay.steps.base import StepContext

MOST_FIGURES: Final = 50
_MOST_FAILURES: Final = 3
_LEAST_SCALE: Final = 2.0
_FORM = fixed_form(
    {
        "type": "object",
        "properties": {
            "description": {
                "type": ["string", "null"],
                "description": "What is to be seen; null where the picture only decorates.",
            }
        },
        "required": ["description"],
        "additionalProperties": False,
    }
)
_DESCRIBE = (
    "The picture is a figure in a document. Say in a few plain sentences, without markup, what it shows; of a chart, "
    "diagram or table give the labels and values as they stand there. Answer null where it only decorates."
)
# A figure that a hostile file makes too large to paint; the text of the document is as good as without it.
_NOT_SHOWN = (documents.DocumentTooLargeError, documents.DocumentUnreadableError, documents.DocumentTimeoutError)


@dataclass(frozen=True, slots=True)
class DescribedFigures:
    """One description for each figure, None where there is none; `left_out` figures were never shown to the model."""

    descriptions: Sequence[str | None]
    left_out: int


@dataclass(frozen=True, slots=True)
class FigureDescriber:
    """A model that describes figures."""

    model: providers.Model
    instructions: str

    async def describe(
        self,
        context: StepContext,
        pictures: documents.PagePictures,
        figures: Sequence[documents.Figure],
        *,
        scale: float,
        quality: int,
        at_once: int,
    ) -> DescribedFigures:
        """Describe the largest figures; what looks the same is asked about once.

        Raises:
            StepError: the model gives no answer, or the document parser none.
        """
        largest = sorted(range(len(figures)), key=lambda number: figures[number].area, reverse=True)[:MOST_FIGURES]
        scale = max(scale, _LEAST_SCALE)
        shown = await _shown(pictures, {number: figures[number] for number in sorted(largest)}, scale, quality)
        distinct = {_digest(jpeg): jpeg for jpeg in shown.values()}

        async def described(jpeg: bytes) -> str | None:
            instructions = "\n\n".join(filter(None, [_DESCRIBE, self.instructions]))
            task = Task(instructions, pictures=[providers.Picture(jpeg)])
            text = (await answer_to(context, self.model, task, _FORM))["description"]
            return text.strip() or None if isinstance(text, str) else None

        jobs = [lambda jpeg=jpeg: described(jpeg) for jpeg in distinct.values()]
        answers = dict(zip(distinct, await all_answers(jobs, at_once=at_once), strict=True))
        descriptions = [answers[_digest(shown[number])] if number in shown else None for number in range(len(figures))]
        return DescribedFigures(descriptions, len(figures) - len(shown))


async def _shown(
    pictures: documents.PagePictures, figures: dict[int, documents.Figure], scale: float, quality: int
) -> dict[int, bytes]:
    """Paint figures; where a page cannot be painted its others are not tried, after several such pages no more."""
    shown: dict[int, bytes] = {}
    failed: set[int] = set()
    for number, figure in figures.items():
        if figure.page in failed:
            continue
        try:
            shown[number] = await pictures.jpeg(figure.page, scale=scale, quality=quality, box=figure.box)
        except _NOT_SHOWN:
            failed.add(figure.page)
        except AssayError as error:
            raise file_error(error) from error
        if len(failed) == _MOST_FAILURES:
            break
    return shown


def _digest(jpeg: bytes) -> bytes:
    return hashlib.sha256(jpeg).digest()
