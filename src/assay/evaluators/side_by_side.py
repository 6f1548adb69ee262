"""Two outputs for one input held against each other, neither of them known to be right, as `exact-diff` would do it."""

from collections.abc import Sequence

from pydantic import JsonValue

from assay.evaluators.builtin.exact_diff import ExactDiff
from assay.evaluators.comparison_rules import Path, Place
from assay.evaluators.json_difference import Difference, difference
from assay.evaluators.model import EvaluatorSet


def side_by_side(reference: JsonValue, other: JsonValue, evaluators: EvaluatorSet | None) -> Difference:
    """Compare two outputs field by field, by the rules of the first `exact-diff` of a set, else by its defaults.

    Fields that the reference does not have are not compared. Where it says that there is nothing (null, or an empty
    text), the other has to say so, too. It may take seconds for the largest values, and is for threads.

    Raises:
        EvaluatorError: the values are too large, or too deep, to be compared.
    """
    place = _place(evaluators)
    return difference(reference, other, place, must_be_empty=_empty(reference, place))


def _place(evaluators: EvaluatorSet | None) -> Place:
    for entry in evaluators.entries if evaluators else ():
        if isinstance(entry.evaluator, ExactDiff):
            return entry.evaluator.place
    return Place()


def _empty(reference: JsonValue, place: Place) -> Sequence[Path]:
    if not isinstance(reference, dict):
        return ()
    return [(name,) for name, value in reference.items() if value in (None, "") and place.at_field(name).compared]
