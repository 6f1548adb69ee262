"""What can be wrong with examples, their files and archives, and the codes of an archive's issues."""

import zipfile
import zlib
from collections.abc import Sequence
from enum import StrEnum

from assay.errors import ConflictError, InvalidValueError, Issue, NotFoundError, TooLargeError

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""What reading a ZIP file that is none, or damaged, raises."""


class ArchiveIssue(StrEnum):
    """What an issue of an archive is about. Stable: tools and people match on them."""

    NOT_A_ZIP = "invalid_archive"
    UNSAFE_PATH = "unsafe_path"
    SYMLINK = "symlink"
    ENCRYPTED = "encrypted_entry"
    COMPRESSION = "unsupported_compression"
    DUPLICATE = "duplicate_entry"
    DAMAGED = "damaged_entry"
    UNEXPECTED = "unexpected_entry"
    MANIFEST = "manifest_not_supported"
    EMPTY = "no_examples"
    NAME = "invalid_name"
    NAME_EXISTS = "name_exists"
    TOO_LARGE = "dataset-too-large"
    INPUT_MISSING = "input_missing"
    INVALID_INPUT = "invalid_input"
    INVALID_EXPECTED = "invalid_expected_output"
    INVALID_ERROR = "invalid_expected_error"
    INVALID_META = "invalid_meta"
    ARGUMENT_COLLISION = "argument_name_collision"
    UNREFERENCED = "file_not_referenced"
    MISSING_FILE = "file_missing"
    LEGACY = "legacy-dataset-format"
    MORE = "more_issues"


class InvalidExampleError(InvalidValueError):
    """The example is not acceptable."""

    code = "invalid_example"

    def __init__(self, issues: Sequence[Issue]) -> None:
        """Keep every issue; the message is the first one's."""
        super().__init__(issues[0].message, field=issues[0].field, hint=issues[0].hint, issues=issues)


class InvalidArchiveError(InvalidValueError):
    """The archive cannot be imported; nothing was."""

    code = "invalid_dataset_archive"

    def __init__(self, issues: Sequence[Issue]) -> None:
        """Keep every issue; the message is the first one's."""
        super().__init__(issues[0].message, field=issues[0].field, hint=issues[0].hint, issues=issues)


class ArchiveTooLargeError(TooLargeError):
    """The archive is larger than one import takes."""

    code = ArchiveIssue.TOO_LARGE
    hint = "Split it, and import the parts one after the other with mode append."


class ExampleNotFoundError(NotFoundError):
    """The dataset has no such example."""


class ExampleFileNotFoundError(NotFoundError):
    """The example has no such file."""


class RevisionNotFoundError(NotFoundError):
    """The dataset has no such revision."""


class ExampleNameExistsError(ConflictError):
    """The dataset has an example of this name."""

    code = "example_name_exists"


class ExampleFileExistsError(ConflictError):
    """The example has a file of this name."""

    code = "example_file_exists"


class DatasetFullError(ConflictError):
    """The dataset holds as many examples as one may."""

    code = "dataset_full"
