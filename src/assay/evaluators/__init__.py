"""Evaluators: who judges runs, and what their scores amount to. A new type is one new file in `builtin/`."""

from assay.evaluators.base import Evaluator, EvaluatorError, Grade, GradedFile, GradingContext, Subject
from assay.evaluators.catalogue import catalogue
from assay.evaluators.description import Description, describe
from assay.evaluators.errors import (
    EvaluatorsNotFoundError,
    EvaluatorsReplacedError,
    InvalidEvaluatorsError,
    StoredEvaluatorsError,
)
from assay.evaluators.grading import aggregate, grade_all, judge
from assay.evaluators.json_difference import Difference
from assay.evaluators.model import (
    DEFAULT_THRESHOLD,
    Entry,
    EvaluatorSet,
    Judgement,
    Outcome,
    PastSet,
    Result,
    StoredSet,
    Verdict,
)
from assay.evaluators.parsing import parse
from assay.evaluators.reading import past_set, past_sets, set_of
from assay.evaluators.replacing import replace
from assay.evaluators.side_by_side import side_by_side
from assay.evaluators.store import by_id, current
from assay.evaluators.writing import Draft, DraftEntry, draft_of, has_comments, written

__all__ = [
    "DEFAULT_THRESHOLD",
    "Description",
    "Difference",
    "Draft",
    "DraftEntry",
    "Entry",
    "Evaluator",
    "EvaluatorError",
    "EvaluatorSet",
    "EvaluatorsNotFoundError",
    "EvaluatorsReplacedError",
    "Grade",
    "GradedFile",
    "GradingContext",
    "InvalidEvaluatorsError",
    "Judgement",
    "Outcome",
    "PastSet",
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
    "draft_of",
    "grade_all",
    "has_comments",
    "judge",
    "parse",
    "past_set",
    "past_sets",
    "replace",
    "set_of",
    "side_by_side",
    "written",
]
