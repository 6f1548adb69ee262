"""Step types: what a workflow can do. A new type is one new file in `builtin/`."""

from assay.steps.base import (
    Block,
    BlockResult,
    BlockShape,
    Effect,
    FailureCategory,
    LocalFile,
    ScopeEntry,
    Step,
    StepContext,
    StepError,
    StepSpec,
)
from assay.steps.catalogue import catalogue

__all__ = [
    "Block",
    "BlockResult",
    "BlockShape",
    "Effect",
    "FailureCategory",
    "LocalFile",
    "ScopeEntry",
    "Step",
    "StepContext",
    "StepError",
    "StepSpec",
    "catalogue",
]
