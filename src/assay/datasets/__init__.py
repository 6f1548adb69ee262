"""Datasets: examples with their files, the revisions they go through, and archives of them.

Whoever passes an `automation_id` has found it in the same organization (`automations.get`).
"""

from assay.datasets.archive_examining import Examination, archived_examples, examine_archive, examine_import
from assay.datasets.archive_import import import_archive
from assay.datasets.archive_writing import export_archive, referenced_files
from assay.datasets.changes import create_example, delete_example, update_example, upsert_by_name
from assay.datasets.errors import (
    ArchiveIssue,
    ArchiveTooLargeError,
    DatasetFullError,
    ExampleFileExistsError,
    ExampleFileNotFoundError,
    ExampleNameExistsError,
    ExampleNotFoundError,
    InvalidArchiveError,
    InvalidExampleError,
    RevisionNotFoundError,
)
from assay.datasets.example_files import add_files, file_of, remove_file, rename_file
from assay.datasets.model import (
    AppendResult,
    Content,
    ExampleChange,
    ExampleFile,
    ExampleGuard,
    ExampleVersion,
    FileUpload,
    Folder,
    ImportMode,
    ReplaceResult,
    Revision,
)
from assay.datasets.reading import (
    count,
    current_revision,
    examples_at,
    get_example,
    get_revision,
    graded_hashes,
    hold,
    list_examples,
    revisions,
    version_of,
)
from assay.datasets.run_form import run_input
from assay.datasets.zip_guard import MAX_ARCHIVE

__all__ = [
    "MAX_ARCHIVE",
    "AppendResult",
    "ArchiveIssue",
    "ArchiveTooLargeError",
    "Content",
    "DatasetFullError",
    "Examination",
    "ExampleChange",
    "ExampleFile",
    "ExampleFileExistsError",
    "ExampleFileNotFoundError",
    "ExampleGuard",
    "ExampleNameExistsError",
    "ExampleNotFoundError",
    "ExampleVersion",
    "FileUpload",
    "Folder",
    "ImportMode",
    "InvalidArchiveError",
    "InvalidExampleError",
    "ReplaceResult",
    "Revision",
    "RevisionNotFoundError",
    "add_files",
    "archived_examples",
    "count",
    "create_example",
    "current_revision",
    "delete_example",
    "examine_archive",
    "examine_import",
    "examples_at",
    "export_archive",
    "file_of",
    "get_example",
    "get_revision",
    "graded_hashes",
    "hold",
    "import_archive",
    "list_examples",
    "referenced_files",
    "remove_file",
    "rename_file",
    "revisions",
    "run_input",
    "update_example",
    "upsert_by_name",
    "version_of",
]
