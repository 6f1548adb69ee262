"""How what an evaluator said of a run is shown in a table."""

from collections.abc import Sequence

from assay.cli import output
from assay.cli.answers import Json


def score_row(score: Json) -> Sequence[output.Value]:
    """Return the cells: evaluator, type, score, passed, label, weight, error."""
    shown = None if score["score"] is None else f"{score['score']:.3f}"
    return (
        score["evaluatorName"],
        score["evaluatorType"],
        output.Cell(score["score"], shown),
        score["passed"],
        score["label"],
        score["weight"],
        score["error"],
    )
