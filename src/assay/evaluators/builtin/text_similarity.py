"""`text-similarity`: how alike texts are to the expected ones, letter by letter or word by word."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field, JsonValue
from rapidfuzz import fuzz
from typing_extensions import override

from assay.evaluators.base import Evaluator, EvaluatorError, Grade, GradingContext, Subject
from assay.evaluators.comparison_rules import Weight
from assay.evaluators.field_scores import ComparedField, Likeness, field_problems, score_fields

MAX_CHARACTERS = 100_000

Measure = Literal["characters", "words"]
_MEASURES: dict[Measure, Callable[[str, str], float]] = {"characters": fuzz.ratio, "words": fuzz.token_sort_ratio}


class TextTooLongError(EvaluatorError):
    """A text is longer than texts that can be compared."""

    code = "text_too_long"
    hint = "Compare a shorter field, or let an llm-judge read it."


class TextSimilarity(Evaluator):
    """Measure how alike texts are to the expected ones.

    The score of two texts is the share of their characters that are the same in the same order. Blanks and line breaks
    count as one blank each. The score is the mean of the paths, by weight; paths at which nothing is expected do not
    count, and a number or boolean is compared as it is written.
    """

    type_name = "text-similarity"
    example: ClassVar[str] = """\
passThreshold: 0.9
evaluators:
  - name: wording
    description: Names and descriptions are nearly as printed.
    type: text-similarity
    config:
      fields:
        supplier.name: 2
        lineItems[].description: 1
"""

    fields: dict[str, Weight] = Field(
        min_length=1,
        max_length=200,
        description="What is compared: paths like `title` or `lines[].text`, each with how much it counts.",
    )
    measure: Measure = Field(
        default="characters", description="`words` compares the words in alphabetical order, so that theirs is free."
    )
    ignore_case: bool = Field(
        default=True, alias="ignoreCase", description="Whether capital and small letters are the same."
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        return list(field_problems(self.fields))

    @override
    async def grade(self, subject: Subject, context: GradingContext) -> Grade:
        fields = [ComparedField(path, weight, partial(self._compare, path)) for path, weight in self.fields.items()]
        return await asyncio.to_thread(score_fields, subject, fields)

    def _compare(self, path: str, expected: JsonValue, actual: JsonValue) -> Likeness:
        wanted, found = self._text(path, expected), self._text(path, actual)
        if wanted is None:
            message = f"What is expected at {path} is no text."
            raise EvaluatorError(message)
        if found is None:
            return 0.0, "no text"
        likeness = _MEASURES[self.measure](wanted, found) / 100
        return likeness, None if likeness == 1 else f"{likeness:.0%} alike"

    def _text(self, path: str, value: JsonValue) -> str | None:
        if not isinstance(value, str | int | float):
            return None
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if len(text) > MAX_CHARACTERS:
            message = f"The text at {path} has {len(text):,} characters; {MAX_CHARACTERS:,} can be compared."
            raise TextTooLongError(message)
        text = " ".join(text.split())
        return text.casefold() if self.ignore_case else text
