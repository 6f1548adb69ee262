"""`numeric-tolerance`: whether numbers are near enough to the expected ones, each field by a tolerance of its own."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from assay.evaluators.amounts import amount, exactly
from assay.evaluators.base import Evaluator, EvaluatorError, Grade, GradingContext, Subject
from assay.evaluators.comparison_rules import Tolerance, Weight
from assay.evaluators.field_scores import ComparedField, Likeness, field_problems, score_fields


class NoNumberExpectedError(EvaluatorError):
    """What the example expects there is no number."""

    code = "expected_is_no_number"


class NumberField(BaseModel):
    """How near the numbers at one path must be; the wider of both tolerances counts, without any they must be equal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    absolute: Tolerance = Field(default=0, description="How far they may be apart.")
    relative: Tolerance = Field(default=0, description="The same, as a share of the expected number: 0.01 is 1 %.")
    weight: Weight = Field(default=1, description="How much the path counts.")


class NumericTolerance(Evaluator):
    """Compare numbers with the expected ones, each path with a tolerance of its own.

    Texts that are amounts count as numbers, however they are written (`1.190,00 €`). Where a path leads to several
    values (`lineItems[].total`), its score is the share of the expected ones that are met. The score is the mean of the
    paths, by weight; paths at which nothing is expected do not count.
    """

    type_name = "numeric-tolerance"
    example: ClassVar[str] = """\
evaluators:
  - name: amounts
    description: Amounts are right to the cent, quantities within one percent.
    type: numeric-tolerance
    config:
      fields:
        total: { absolute: 0.01, weight: 3 }
        lineItems[].quantity: { relative: 0.01 }
"""

    fields: dict[str, NumberField] = Field(
        min_length=1, max_length=200, description="What is compared: paths like `total` or `lineItems[].total`."
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        return list(field_problems(self.fields))

    @override
    async def grade(self, subject: Subject, context: GradingContext) -> Grade:
        fields = [
            ComparedField(path, field.weight, partial(_compare, path, field)) for path, field in self.fields.items()
        ]
        return score_fields(subject, fields)


def _compare(path: str, field: NumberField, expected: JsonValue, actual: JsonValue) -> Likeness:
    wanted, found = amount(expected), amount(actual)
    if wanted is None:
        message = f"What is expected at {path} is no number: {str(expected)[:100]!r}."
        raise NoNumberExpectedError(message)
    if found is None:
        return 0.0, "no number"
    off = abs(wanted - found)
    allowed = max(exactly(field.absolute), exactly(field.relative) * abs(wanted))
    return (1.0, None) if off <= allowed else (0.0, f"off by {float(off):g}")
