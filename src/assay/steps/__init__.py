"""Step types: what a workflow can do. A new type is one new file in `builtin/`."""

from assay.steps.base import (
    Block,
    BlockResult,
    BlockShape,
    ChildRun,
    Effect,
    FailureCategory,
    LocalFile,
    RetryPolicy,
    ScopeEntry,
    SkippedError,
    Step,
    StepContext,
    StepError,
    StepSpec,
    SuspendedError,
)
from assay.steps.catalogue import catalogue
from assay.steps.description import Description, describe
from assay.steps.mail_server import MailServer

__all__ = [
    "Block",
    "BlockResult",
    "BlockShape",
    "ChildRun",
    "Description",
    "Effect",
    "FailureCategory",
    "LocalFile",
    "MailServer",
    "RetryPolicy",
    "ScopeEntry",
    "SkippedError",
    "Step",
    "StepContext",
    "StepError",
    "StepSpec",
    "SuspendedError",
    "catalogue",
    "describe",
]
