"""What can be wrong with an experiment or with starting one."""

from assay.errors import ConflictError, InvalidValueError, NotFoundError


class ExperimentNotFoundError(NotFoundError):
    """There is no such experiment."""


class ExampleNeverRanError(ConflictError):
    """This example never ran, so there is nothing to judge."""

    code = "example_never_ran"
    hint = "Run it first: assay examples run, or POST …/examples/{example}/run."


class EmptyDatasetError(ConflictError):
    """The dataset has no examples."""

    code = "dataset_empty"
    hint = "Add examples: assay workflow dataset push, or POST …/examples."


class DifferentAutomationsError(InvalidValueError):
    """These are experiments of different automations, so there is nothing to compare."""

    code = "different_automations"


class ExperimentNotFinishedError(ConflictError):
    """An experiment can be compared once it has ended."""

    code = "experiment_not_finished"


class InvalidPlanError(InvalidValueError):
    """The experiment cannot be run like that."""

    code = "invalid_experiment"
