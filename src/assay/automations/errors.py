"""What can be wrong with an automation, and the codes of all issues a workflow file can have."""

from collections.abc import Sequence
from enum import StrEnum

from assay.errors import AssayError, ConflictError, ErrorKind, InvalidValueError, Issue, NotFoundError
from assay.yamltext import YamlCode


class IssueCode(StrEnum):
    """What an issue in a workflow file is about. Stable: tools and people match on them."""

    YAML_SYNTAX = YamlCode.YAML_SYNTAX
    YAML_TAG = YamlCode.YAML_TAG
    YAML_LIMIT = YamlCode.YAML_LIMIT
    DUPLICATE_KEY = YamlCode.DUPLICATE_KEY
    UNKNOWN_KEY = YamlCode.UNKNOWN_KEY
    MISSING_KEY = YamlCode.MISSING_KEY
    INVALID_VALUE = YamlCode.INVALID_VALUE
    INVALID_NAME = "invalid_name"
    INVALID_VERSION = "invalid_version"
    INVALID_DEFAULT = "invalid_default"
    DUPLICATE_STEP_NAME = "duplicate_step_name"
    DUPLICATE_INPUT_NAME = "duplicate_input_name"
    DUPLICATE_TRIGGER = "duplicate_trigger"
    STEP_TYPE_UNKNOWN = "step_type_unknown"
    INPUT_TYPE_UNKNOWN = "input_type_unknown"
    UNKNOWN_REFERENCE = "unknown_reference"
    TEMPLATE_SYNTAX = "template_syntax"
    UNKNOWN_WORKFLOW = "unknown_workflow"
    CIRCULAR_CALL = "circular_call"
    FILE_MISSING = "file_missing"
    INVALID_FILE = "invalid_file"
    NO_EFFECT = "no_effect"


class InvalidWorkflowError(AssayError):
    """The workflow file is not valid."""

    code = "invalid_workflow"

    def __init__(self, issues: Sequence[Issue]) -> None:
        """Keep every issue; the message is the first error's."""
        first = next(issue for issue in issues if issue.severity == "error")
        super().__init__(first.message, field=first.field, hint=first.hint, issues=issues)


class InvalidInputError(InvalidValueError):
    """The input does not fit the workflow."""

    code = "invalid_input"


class InvalidTargetError(InvalidValueError):
    """The target does not name an automation."""

    code = "invalid_target"
    hint = "Write workflows.<name>, or the id of the workflow (wf_…)."


class NameMismatchError(InvalidValueError):
    """The name in the file is not the name of this automation."""

    code = "name_mismatch"


class AutomationNotFoundError(NotFoundError):
    """There is no such automation."""


class VersionNotFoundError(NotFoundError):
    """This automation has no such version."""


class VersionFileNotFoundError(NotFoundError):
    """This version has no such file."""


class NoCurrentVersionError(ConflictError):
    """No version of this automation is current yet."""

    code = "no_current_version"
    hint = "Promote one of its versions, or name the version to run."


class WorkflowNameConflictError(ConflictError):
    """A workflow of this name exists already."""

    code = "workflow_name_conflict"
    hint = "Push a new version to the existing workflow, or choose another name."

    def __init__(self, slug: str, conflicting_workflow_id: str) -> None:
        """Say which workflow has the name."""
        super().__init__(f"A workflow named {slug!r} exists already ({conflicting_workflow_id}).", field="name")
        self.conflicting_workflow_id = conflicting_workflow_id


class VersionExistsError(ConflictError):
    """This version exists already, and versions never change."""

    code = "version_exists"


class VersionNotIncreasingError(ConflictError):
    """A new version must be higher than every one before it."""

    code = "version_not_increasing"


class StoredVersionError(AssayError):
    """This version was stored by an assay that accepted it; this one does not."""

    kind = ErrorKind.CONFLICT
    code = "version_invalid"
