"""How a comparison is written as JSON: as the published client computes it, and the statistics beside that."""

from collections.abc import Iterable

from pydantic import JsonValue

from assay import statistics
from assay.experiments.comparing import (
    POWER,
    SIGNIFICANCE,
    Comparison,
    Flip,
    Row,
    RowOrder,
    RowStatus,
    Slice,
    mean,
    sentence,
    sort_rows,
)


def comparison_json(comparison: Comparison, order: RowOrder = "abs-delta-desc") -> dict[str, JsonValue]:
    """Write the comparison as the API answers it: batchA, batchB, rows, summary; then the statistics."""
    rates = comparison.rates
    return {
        "batchA": comparison.a,
        "batchB": comparison.b,
        "rows": [_row_json(row) for row in sort_rows(comparison.rows, order)],
        "summary": _summary_json(comparison),
        "conclusion": comparison.conclusion,
        "sentence": sentence(comparison),
        "notes": list(comparison.notes),
        "pairs": rates.pairs,
        "leftOut": [
            {"example": out.example, "exampleId": out.example_id, "reason": out.reason} for out in comparison.left_out
        ],
        "leftOutCounts": {
            reason: sum(out.reason == reason for out in comparison.left_out)
            for reason in ("changed", "error", "ungraded", "cancelled")
        },
        "passRateA": _rate_json(rates.both + rates.only_a, rates.pairs),
        "passRateB": _rate_json(rates.both + rates.only_b, rates.pairs),
        "difference": {
            "value": rates.difference,
            **_interval_json(comparison.interval),
            "confidence": 0.95,
            "method": "paired bootstrap" if rates.flips else "score (Tango)",
        },
        "test": {
            "method": "exact McNemar, two-sided",
            "passedOnlyInA": rates.only_a,
            "passedOnlyInB": rates.only_b,
            "pValue": rates.p_value,
        },
        "smallestChange": {"value": comparison.smallest_change, "power": POWER, "significance": SIGNIFICANCE},
        "regressed": [_flip_json(flip) for flip in comparison.regressed],
        "improved": [_flip_json(flip) for flip in comparison.improved],
        "evaluators": [
            {
                "evaluator": one.evaluator,
                "pairs": one.pairs,
                "meanA": one.mean_a,
                "meanB": one.mean_b,
                "delta": one.delta,
                **_interval_json(one.interval),
            }
            for one in comparison.evaluators
        ],
        "slices": [_slice_json(one) for one in comparison.slices],
    }


def _summary_json(comparison: Comparison) -> dict[str, JsonValue]:
    by_evaluator: dict[str, list[Row]] = {}
    for row in sort_rows(comparison.rows, "name"):
        by_evaluator.setdefault(row.evaluator, []).append(row)
    return {
        "regressions": _count(comparison.rows, "regression"),
        "improvements": _count(comparison.rows, "improvement"),
        "meanDelta": _mean_delta(comparison.rows),
        "sharedExamples": comparison.shared,
        "onlyInA": list(comparison.only_in_a),
        "onlyInB": list(comparison.only_in_b),
        "regressionThreshold": comparison.threshold,
        "byEvaluator": [
            {
                "evaluator": evaluator,
                "comparable": sum(row.delta is not None for row in rows),
                "meanDelta": _mean_delta(rows),
                "regressions": _count(rows, "regression"),
                "improvements": _count(rows, "improvement"),
                "unchanged": _count(rows, "unchanged"),
            }
            for evaluator, rows in by_evaluator.items()
        ],
    }


def _count(rows: Iterable[Row], status: RowStatus) -> int:
    return sum(row.status == status for row in rows)


def _mean_delta(rows: Iterable[Row]) -> float | None:
    return mean([row.delta for row in rows if row.delta is not None])


def _row_json(row: Row) -> dict[str, JsonValue]:
    return {
        "example": row.example,
        "exampleId": row.example_id,
        "evaluator": row.evaluator,
        "scoreA": row.score_a,
        "scoreB": row.score_b,
        "delta": row.delta,
        "status": row.status,
        "exampleChanged": row.changed,
    }


def _flip_json(flip: Flip) -> dict[str, JsonValue]:
    return {"example": flip.example, "exampleId": flip.example_id, "scoreA": flip.score_a, "scoreB": flip.score_b}


def _rate_json(passed: int, graded: int) -> dict[str, JsonValue]:
    interval = statistics.wilson(passed, graded) if graded else None
    return {
        "passed": passed,
        "graded": graded,
        "value": passed / graded if graded else None,
        **_interval_json(interval),
        "confidence": 0.95,
        "method": "Wilson",
    }


def _slice_json(one: Slice) -> dict[str, JsonValue]:
    rates = one.rates
    return {
        "slice": one.name,
        "pairs": rates.pairs,
        "passRateA": (rates.both + rates.only_a) / rates.pairs,
        "passRateB": (rates.both + rates.only_b) / rates.pairs,
        "difference": rates.difference,
        **_interval_json(rates.score_interval),
        "regressed": rates.only_a,
        "improved": rates.only_b,
        "pValueAdjusted": one.p_value,
    }


def _interval_json(interval: statistics.Interval | None) -> dict[str, JsonValue]:
    return {"lower": None, "upper": None} if interval is None else {"lower": interval.lower, "upper": interval.upper}
