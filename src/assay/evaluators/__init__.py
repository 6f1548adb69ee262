"""Evaluators: who judges runs, and what their scores amount to. A new type is one new file in `builtin/`."""

from assay.evaluators.base import Evaluator, EvaluatorError, Grade, GradedFile, GradingContext, Subject
from assay.evaluators.catalogue import catalogue
from assay.evaluators.errors import InvalidEvaluatorsError
from assay.evaluators.grading import aggregate, grade_all, judge
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
from assay.evaluators.replacing import replace
from assay.evaluators.store import by_id, current

__all__ = [
    "DEFAULT_THRESHOLD",
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
    "StoredSet",
    "Subject",
    "Verdict",
    "aggregate",
    "by_id",
    "catalogue",
    "current",
    "grade_all",
    "judge",
    "parse",
    "replace",
]
