"""Experiments: a version run over a dataset, its runs graded, compared with others, and gates on the outcome."""

from assay.experiments.baselines import DEFAULT_ORDER, compare_experiments, compare_with_baseline
from assay.experiments.cancelling import cancel
from assay.experiments.comparing import DEFAULT_THRESHOLD, RowOrder
from assay.experiments.conductor import Conductor, OnConcluded, advance
from assay.experiments.coverage import Coverage, ExampleGroup, coverage
from assay.experiments.errors import (
    DifferentAutomationsError,
    EmptyDatasetError,
    ExampleNeverRanError,
    ExperimentNotFinishedError,
    ExperimentNotFoundError,
    InvalidPlanError,
)
from assay.experiments.exporting import export
from assay.experiments.following import ExampleEnded, ExperimentEnded, follow
from assay.experiments.gate import (
    Examined,
    GateNotPassedError,
    LetThrough,
    OverrideReasonError,
    PushedThrough,
    StoredPolicy,
    examine,
    gated_versions,
    policy_of,
    promote,
    push,
    remove_policy,
    set_policy,
)
from assay.experiments.gate_rules import InvalidGatePolicyError, decision_json, policy_json, policy_schema, read_policy
from assay.experiments.grading import Grader
from assay.experiments.grid import Cell, Grid, GridFilter, GridOrder, GridRow, grid, runs_of_example
from assay.experiments.model import Counts, Experiment, ExperimentRun, Plan, Score
from assay.experiments.planning import Started, create, run_example
from assay.experiments.reading import get, list_experiments, runs_in_portions, scores_of_run
from assay.experiments.reporting import Case, comparison_markdown, gate_markdown, junit_xml, mismatch_words
from assay.experiments.result_store import GatedVersion
from assay.experiments.store import example_features
from assay.experiments.trials import Trial, try_evaluators

__all__ = [
    "DEFAULT_ORDER",
    "DEFAULT_THRESHOLD",
    "Case",
    "Cell",
    "Conductor",
    "Counts",
    "Coverage",
    "DifferentAutomationsError",
    "EmptyDatasetError",
    "Examined",
    "ExampleEnded",
    "ExampleGroup",
    "ExampleNeverRanError",
    "Experiment",
    "ExperimentEnded",
    "ExperimentNotFinishedError",
    "ExperimentNotFoundError",
    "ExperimentRun",
    "GateNotPassedError",
    "GatedVersion",
    "Grader",
    "Grid",
    "GridFilter",
    "GridOrder",
    "GridRow",
    "InvalidGatePolicyError",
    "InvalidPlanError",
    "LetThrough",
    "OnConcluded",
    "OverrideReasonError",
    "Plan",
    "PushedThrough",
    "RowOrder",
    "Score",
    "Started",
    "StoredPolicy",
    "Trial",
    "advance",
    "cancel",
    "compare_experiments",
    "compare_with_baseline",
    "comparison_markdown",
    "coverage",
    "create",
    "decision_json",
    "examine",
    "example_features",
    "export",
    "follow",
    "gate_markdown",
    "gated_versions",
    "get",
    "grid",
    "junit_xml",
    "list_experiments",
    "mismatch_words",
    "policy_json",
    "policy_of",
    "policy_schema",
    "promote",
    "push",
    "read_policy",
    "remove_policy",
    "run_example",
    "runs_in_portions",
    "runs_of_example",
    "scores_of_run",
    "set_policy",
    "try_evaluators",
]
