"""How a run is judged: every evaluator is asked and none can end the others, then one verdict comes of it all.

A run that was expected to fail is judged by how it ended, and no evaluator is asked about an output. A run that failed
although nobody expected that has failed, again without asking; where assay or a provider is to blame it is an error.
"""

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from assay import jsontext
from assay.errors import AssayError
from assay.evaluators.base import Grade, GradingContext, Subject
from assay.evaluators.expected_error import is_infrastructure, match_error
from assay.evaluators.model import Entry, EvaluatorSet, Judgement, Result, Verdict

MAX_DETAIL_CHARACTERS = 256 * 1024
MAX_LABEL_CHARACTERS = 200
MAX_ERROR_CHARACTERS = 2000
# Sums of weights and scores are off by less than this.
_ROUNDING = 1e-9

_log = logging.getLogger(__name__)


async def judge(evaluator_set: EvaluatorSet, subject: Subject, context: GradingContext) -> Judgement:
    """Judge a run that has ended. Nothing that an evaluator does is raised; a cancellation is."""
    without_asking = _without_asking(evaluator_set, subject)
    if without_asking is not None:
        return Judgement((), without_asking)
    results = await grade_all(evaluator_set, subject, context)
    return Judgement(tuple(results), aggregate(evaluator_set, results))


async def grade_all(evaluator_set: EvaluatorSet, subject: Subject, context: GradingContext) -> list[Result]:
    """Ask every evaluator about a run that completed, or that was expected to fail; results in the set's order.

    An evaluator that fails, takes too long or gives no score from 0 to 1 is a result with an error. A cancellation
    passes through.
    """
    if subject.expected_error is not None:
        grade = match_error(subject).as_grade()
        return [_result(evaluator_set, entry, grade) for entry in evaluator_set.entries]
    if len(evaluator_set.entries) == 1:
        return [await _asked(evaluator_set, evaluator_set.entries[0], subject, context)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_asked(evaluator_set, entry, subject, context)) for entry in evaluator_set.entries]
    return [task.result() for task in tasks]


def aggregate(evaluator_set: EvaluatorSet, results: Sequence[Result]) -> Verdict:
    """Make one verdict of all results.

    The score is the mean by weight of those that have one and a weight above 0; without any, the run is ungraded. It
    passes when the score reaches the threshold, with `require: all` when each of them does. Where evaluators failed,
    the verdict stands only if no score of theirs could have changed it; else it is `error`, and the score is that of
    the others.
    """
    counted = [result for result in results if result.entry.weight > 0]
    scored = [(result.entry.weight, result.score) for result in counted if result.score is not None]
    failed = [result for result in counted if result.error is not None]
    score = _mean(scored)
    if not scored and not failed:
        return Verdict("ungraded", reason="No evaluator that counts had anything to judge.")
    unknown = math.fsum(result.entry.weight for result in failed)
    if _reaches(evaluator_set, [*scored, (unknown, 0.0)]) and scored:
        return Verdict("pass", score)
    if not _reaches(evaluator_set, [*scored, (unknown, 1.0)]):
        return Verdict("fail", score)
    names = ", ".join(result.entry.name for result in failed)
    return Verdict("error", score, f"Evaluators failed that could decide: {names}.")


def _without_asking(evaluator_set: EvaluatorSet, subject: Subject) -> Verdict | None:
    expects_error = subject.expected_error is not None
    if subject.status == "cancelled":
        return Verdict("cancelled", reason="The run was cancelled.")
    if subject.status == "completed" or (expects_error and match_error(subject).outcome == "matched"):
        return None
    why = _failure_text(subject)
    if subject.status not in {"failed", "rejected"} or is_infrastructure(subject.failure):
        return Verdict("error", reason=why)
    if expects_error:
        return None
    if not any(entry.weight > 0 for entry in evaluator_set.entries):
        return Verdict("ungraded", reason=why)
    return Verdict("fail", reason=why)


def _failure_text(subject: Subject) -> str:
    failure = subject.failure
    if failure is None:
        return f"The run is {subject.status}."
    place = f" in step {failure['step']}" if failure.get("step") else ""
    return f"The run failed{place}: {failure.get('message')} ({failure.get('code')})"[:MAX_ERROR_CHARACTERS]


async def _asked(evaluator_set: EvaluatorSet, entry: Entry, subject: Subject, context: GradingContext) -> Result:
    try:
        async with asyncio.timeout(entry.evaluator.seconds):
            grade = await entry.evaluator.grade(subject, context)
        return _result(evaluator_set, entry, grade)
    except AssayError as error:
        return _failed(entry, f"{error.message} ({error.code})")
    except TimeoutError:
        return _failed(entry, f"It took longer than {entry.evaluator.seconds:g} seconds (evaluator_timeout)")
    except Exception as error:  # noqa: BLE001 # whatever one evaluator does, the experiment goes on
        _log.exception("evaluator %s of type %s failed", entry.name, entry.type_name)
        return _failed(entry, f"The evaluator itself failed: {type(error).__name__} (internal_error)")


def _failed(entry: Entry, error: str) -> Result:
    return Result(entry, None, None, error=jsontext.storable_text(error)[:MAX_ERROR_CHARACTERS])


def _result(evaluator_set: EvaluatorSet, entry: Entry, grade: Grade) -> Result:
    score = grade.score
    if score is not None and (isinstance(score, bool) or not 0 <= score <= 1):  # also false for NaN
        return _failed(entry, f"{score} is no score from 0 to 1 (score_out_of_range)")
    return Result(
        entry,
        None if score is None else float(score),
        None if score is None else _enough(evaluator_set, score),
        None if grade.label is None else jsontext.storable_text(grade.label)[:MAX_LABEL_CHARACTERS],
        _storable(grade.details),
    )


def _storable(details: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    try:
        size = len(jsontext.dump(details))
    except ValueError as error:
        return {"omitted": f"The details cannot be kept: {error}"}
    if size > MAX_DETAIL_CHARACTERS:
        return {"omitted": f"The details have {size:,} characters; {MAX_DETAIL_CHARACTERS:,} are kept at most."}
    return details


def _mean(scored: Sequence[tuple[float, float]]) -> float | None:
    total = math.fsum(weight for weight, _ in scored)
    if not total:
        return None
    return min(1.0, max(0.0, math.fsum(weight * score for weight, score in scored) / total))


def _reaches(evaluator_set: EvaluatorSet, scored: Sequence[tuple[float, float]]) -> bool:
    present = [(weight, score) for weight, score in scored if weight > 0]
    if evaluator_set.require_all:
        return all(_enough(evaluator_set, score) for _, score in present)
    mean = _mean(present)
    return mean is not None and _enough(evaluator_set, mean)


def _enough(evaluator_set: EvaluatorSet, score: float) -> bool:
    return score >= evaluator_set.pass_threshold - _ROUNDING
