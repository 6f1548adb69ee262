"""Evaluators: who judges runs, and what their scores amount to. A new type is one new file in `builtin/`."""

from assay.evaluators.base import Evaluator, EvaluatorError, Grade, GradedFile, GradingContext, Subject
from assay.evaluators.catalogue import catalogue
from assay.evaluators.description import Description, describe
from assay.evaluators.errors import InvalidEvaluatorsError, StoredEvaluatorsError
from assay.evaluators.grading import aggregate, grade_all, judge
from assay.evaluators.json_difference import Difference
from assay.evaluators.model import (
    DEFAULT_THRESHOLD,
    Entry,
    EvaluatorSet,
    Judgement,
    Outcome,
    Result,
    StoredSet,
    Verdict,
)
from assay.evaluators.parsing import parse
from assay.evaluators.reading import set_of
from assay.evaluators.replacing import replace
from assay.evaluators.side_by_side import side_by_side
from assay.evaluators.store import by_id, current

__all__ = [
    "DEFAULT_THRESHOLD",
    "Description",
    "Difference",
    "Entry",
    "Evaluator",
    "EvaluatorError",
    "EvaluatorSet",
    "Grade",
    "GradedFile",
    "GradingContext",
    "InvalidEvaluatorsError",
    "Judgement",
    "Outcome",
    "Result",
    "StoredEvaluatorsError",
    "StoredSet",
    "Subject",
    "Verdict",
    "aggregate",
    "by_id",
    "catalogue",
    "current",
    "describe",
    "grade_all",
    "judge",
    "parse",
    "replace",
    "set_of",
    "side_by_side",
]
