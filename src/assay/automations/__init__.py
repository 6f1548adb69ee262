"""Automations: workflow files and what they mean, their versions, and who may start them."""

from assay.automations.addressing import get, resolve_target, version_by_ref
from assay.automations.archiving import set_archived
from assay.automations.asked_models import AskedModel, asked_models, asks_a_model, model_issues
from assay.automations.compiled import definition_of
from assay.automations.definition import ParsedWorkflow, TriggerDefaults, WorkflowDefinition, WorkflowSettings
from assay.automations.errors import (
    AutomationNotFoundError,
    InvalidInputError,
    InvalidTargetError,
    InvalidWorkflowError,
    IssueCode,
    NameMismatchError,
    NoCurrentVersionError,
    StoredVersionError,
    VersionExistsError,
    VersionFileNotFoundError,
    VersionNotFoundError,
    VersionNotIncreasingError,
    WorkflowNameConflictError,
)
from assay.automations.inputs import FILE_MARK, FILE_REFERENCES, InputContract
from assay.automations.limits import all_limits, set_limits
from assay.automations.listing import list_automations, list_versions
from assay.automations.model import (
    Automation,
    GateRecord,
    Kind,
    Limits,
    Promoted,
    Pushed,
    RunTarget,
    Triggers,
    Version,
    VersionFile,
    VersionText,
)
from assay.automations.triggers import set_triggers
from assay.automations.validation import parse_workflow
from assay.automations.version_files import FileProblem, NewFiles, files_of, read_files, version_file
from assay.automations.versions import check_workflow, hold, promote, push, read_version, was_current

__all__ = [
    "FILE_MARK",
    "FILE_REFERENCES",
    "AskedModel",
    "Automation",
    "AutomationNotFoundError",
    "FileProblem",
    "GateRecord",
    "InputContract",
    "InvalidInputError",
    "InvalidTargetError",
    "InvalidWorkflowError",
    "IssueCode",
    "Kind",
    "Limits",
    "NameMismatchError",
    "NewFiles",
    "NoCurrentVersionError",
    "ParsedWorkflow",
    "Promoted",
    "Pushed",
    "RunTarget",
    "StoredVersionError",
    "TriggerDefaults",
    "Triggers",
    "Version",
    "VersionExistsError",
    "VersionFile",
    "VersionFileNotFoundError",
    "VersionNotFoundError",
    "VersionNotIncreasingError",
    "VersionText",
    "WorkflowDefinition",
    "WorkflowNameConflictError",
    "WorkflowSettings",
    "all_limits",
    "asked_models",
    "asks_a_model",
    "check_workflow",
    "definition_of",
    "files_of",
    "get",
    "hold",
    "list_automations",
    "list_versions",
    "model_issues",
    "parse_workflow",
    "promote",
    "push",
    "read_files",
    "read_version",
    "resolve_target",
    "set_archived",
    "set_limits",
    "set_triggers",
    "version_by_ref",
    "version_file",
    "was_current",
]
