"""Trying evaluators out before they are put in force: on what an example's latest run made, and nothing is kept."""

from dataclasses import dataclass

from assay import datasets
from assay.evaluators import EvaluatorSet, Judgement
from assay.experiments.errors import ExampleNeverRanError
from assay.experiments.grading import Grader


@dataclass(frozen=True, slots=True)
class Trial:
    """What evaluators said of an example's latest run, by what the example expected when it ran."""

    example: str
    run_id: str
    judgement: Judgement


async def try_evaluators(
    grader: Grader, organization_id: str, automation_id: str, example: str, evaluator_set: EvaluatorSet
) -> Trial:
    """Let evaluators judge the latest run of an example, named by its id or name. What a judge costs is paid.

    Raises:
        ExampleNotFoundError: there is none.
        ExampleNeverRanError: it has no run.
        RunNotFoundError: its run has not ended.
    """
    async with grader.database.transaction() as tx:
        found = await datasets.get_example(tx, organization_id, automation_id, example)
    if found.latest_run_id is None:
        message = f"The example {found.name} never ran; run it first."
        raise ExampleNeverRanError(message)
    judgement = await grader.try_out(organization_id, found.latest_run_id, evaluator_set)
    return Trial(found.name, found.latest_run_id, judgement)
