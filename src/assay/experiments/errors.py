"""What can be wrong with an experiment or with starting one."""

from assay.errors import ConflictError, InvalidValueError, NotFoundError


class ExperimentNotFoundError(NotFoundError):
    """There is no such experiment."""


class EmptyDatasetError(ConflictError):
    """The dataset has no examples."""

    code = "dataset_empty"
    hint = "Add examples: assay workflow dataset push, or POST …/examples."


class InvalidPlanError(InvalidValueError):
    """The experiment cannot be run like that."""

    code = "invalid_experiment"
