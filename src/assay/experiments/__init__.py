"""Experiments: a version run over a dataset, its runs graded, compared with others, and gates on the outcome."""

from assay.experiments.cancelling import cancel
from assay.experiments.conductor import Conductor, advance
from assay.experiments.errors import EmptyDatasetError, ExperimentNotFoundError, InvalidPlanError
from assay.experiments.exporting import export
from assay.experiments.following import ExampleEnded, ExperimentEnded, follow
from assay.experiments.grading import Grader
from assay.experiments.model import Counts, Experiment, ExperimentRun, Plan, Score
from assay.experiments.planning import Started, create, run_example
from assay.experiments.reading import get, list_experiments, runs_in_portions, scores_of_run

__all__ = [
    "Conductor",
    "Counts",
    "EmptyDatasetError",
    "ExampleEnded",
    "Experiment",
    "ExperimentEnded",
    "ExperimentNotFoundError",
    "ExperimentRun",
    "Grader",
    "InvalidPlanError",
    "Plan",
    "Score",
    "Started",
    "advance",
    "cancel",
    "create",
    "export",
    "follow",
    "get",
    "list_experiments",
    "run_example",
    "runs_in_portions",
    "scores_of_run",
]
