"""`date-and-money`: whether dates and amounts are the expected ones, however they are written."""

import re
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from assay.evaluators.amounts import amount, exactly
from assay.evaluators.base import Evaluator, EvaluatorError, Grade, GradingContext, Subject
from assay.evaluators.comparison_rules import Tolerance, Weight
from assay.evaluators.field_scores import ComparedField, Likeness, field_problems, score_fields
from assay.readings import iso_date

_CODE: Final = re.compile(r"\b[A-Z]{3}\b")
_SIGNS: Final = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "Kč": "CZK"}


class UnreadableExpectationError(EvaluatorError):
    """What the example expects there is no date, or no amount."""

    code = "expected_is_unreadable"


class TypedField(BaseModel):
    """What stands at one path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["date", "money"] = Field(description="What it is.")
    tolerance: Tolerance = Field(default=0.005, description="How far amounts may be apart: half a cent.")
    weight: Weight = Field(default=1, description="How much the path counts.")


class DateAndMoney(Evaluator):
    """Compare dates and amounts with the expected ones, however each is written.

    `4.3.2026`, `2026-03-04` and `March 4, 2026` are the same day; of two numbers the first is the day where it can be.
    `1.190,00 €`, `EUR 1,190.00` and the number 1190 are the same amount; where both name a currency it must be the same
    one (`$` alone is USD).
    The score is the mean of the paths, by weight; paths at which nothing is expected do not count.
    """

    type_name = "date-and-money"
    example: ClassVar[str] = """\
evaluators:
  - name: date-and-total
    description: The date and the amounts are right, in whatever form they are printed.
    type: date-and-money
    config:
      fields:
        date: { type: date }
        total: { type: money, weight: 2 }
        lineItems[].total: { type: money }
"""

    fields: dict[str, TypedField] = Field(
        min_length=1, max_length=200, description="What is compared: paths like `date` or `lineItems[].total`."
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


def _compare(path: str, field: TypedField, expected: JsonValue, actual: JsonValue) -> Likeness:
    return _compare_dates(path, expected, actual) if field.type == "date" else _amounts(path, field, expected, actual)


def _compare_dates(path: str, expected: JsonValue, actual: JsonValue) -> Likeness:
    wanted = iso_date(str(expected))
    if wanted is None:
        raise _unreadable(path, expected, "date")
    found = iso_date(str(actual))
    if found is None:
        return 0.0, "no date"
    return (1.0, None) if wanted == found else (0.0, f"{found} is not {wanted}")


def _amounts(path: str, field: TypedField, expected: JsonValue, actual: JsonValue) -> Likeness:
    wanted, found = amount(expected), amount(actual)
    if wanted is None:
        raise _unreadable(path, expected, "amount")
    if found is None:
        return 0.0, "no amount"
    currencies = {_currency(expected), _currency(actual)} - {None}
    if len(currencies) > 1:
        return 0.0, "another currency"
    off = abs(wanted - found)
    return (1.0, None) if off <= exactly(field.tolerance) else (0.0, f"off by {float(off):g}")


def _currency(value: JsonValue) -> str | None:
    if not isinstance(value, str):
        return None
    if code := _CODE.search(value):
        return code[0]
    return next((name for sign, name in _SIGNS.items() if sign in value), None)


def _unreadable(path: str, expected: JsonValue, wanted: str) -> UnreadableExpectationError:
    return UnreadableExpectationError(f"What is expected at {path} is no {wanted}: {str(expected)[:100]!r}.")
