"""The table that an experiment leaves: one row for each run and evaluator, read in portions."""

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from typing import Literal

from pydantic import JsonValue

from assay import clock, db, jsontext
from assay.experiments import store
from assay.experiments.model import Experiment, ExperimentRun, Score

Format = Literal["csv", "json"]

COLUMNS = (
    "executionId",
    "exampleId",
    "exampleName",
    "batchId",
    "evaluatorName",
    "evaluatorType",
    "score",
    "passed",
    "label",
    "weight",
    "createdAt",
    "error",
)
PORTION = 500
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def export(
    database: db.Database, automation_id: str, experiments: Sequence[Experiment], form: Format
) -> AsyncGenerator[str]:
    """Yield the rows of the experiments as CSV with a header, or as `{workflowId, exportedAt, results}`.

    A run that ended without a score has one row without an evaluator, so that it is not lost from sight. What a
    person or a model wrote is kept from being read as a formula, in CSV, by an apostrophe before it.
    """
    if form == "csv":
        yield _csv([COLUMNS])
    else:
        head = {"workflowId": automation_id, "exportedAt": clock.iso(clock.now())}
        yield f'{jsontext.dump(head)[:-1]},"results":['
    first = True
    for experiment in experiments:
        async for rows in _rows(database, experiment):
            if form == "csv":
                yield _csv([[_cell(value) for value in row] for row in rows])
                continue
            texts = [jsontext.dump(dict(zip(COLUMNS, row, strict=True))) for row in rows]
            yield ("" if first else ",") + ",".join(texts)
            first = False
    if form == "json":
        yield "]}"


async def _rows(database: db.Database, experiment: Experiment) -> AsyncGenerator[list[list[JsonValue]]]:
    after = -1
    while True:
        async with database.transaction() as tx:
            portion = await store.runs_of(tx, experiment.id, after=after, limit=PORTION)
            ids = [run.id for _, run in portion]
            scores = await store.scores_of(tx, experiment.organization_id, ids)
        rows = [row for _, run in portion for row in _rows_of(experiment, run, scores.get(run.id, []))]
        if rows:
            yield rows
        if len(portion) < PORTION:
            return
        after = portion[-1][0]


def _rows_of(experiment: Experiment, run: ExperimentRun, scores: Sequence[Score]) -> list[list[JsonValue]]:
    head: list[JsonValue] = [run.id, run.example_id, run.example_name, experiment.id]
    if scores:
        return [
            [
                *head,
                score.evaluator_name,
                score.evaluator_type,
                score.score,
                score.passed,
                score.label,
                score.weight,
                clock.iso(score.created_at),
                score.error,
            ]
            for score in scores
        ]
    if run.completed_at is None:
        return []
    return [[*head, None, None, None, run.passed, None, None, clock.iso(run.completed_at), run.error or run.verdict]]


def _cell(value: JsonValue) -> JsonValue:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _csv(rows: Sequence[Sequence[JsonValue]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
