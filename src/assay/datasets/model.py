"""What an example, its files and a dataset's revisions are, and in which order examples stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pydantic import JsonValue

from assay import access, db, files
from assay.errors import Issue

Folder = Literal["input", "expected"]
ImportMode = Literal["append", "replace"]
Expects = Literal["output", "error", "files", "nothing"]

LAST = 2_147_483_647
"""Stands for the row order of an example that has none."""


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """A file of an example; `path` begins with `input/` or `expected/`, `size` in bytes."""

    path: str
    sha256: str
    size: int
    content_type: str

    @property
    def folder(self) -> Folder:
        """Which side of the example it belongs to."""
        return "input" if self.path.startswith("input/") else "expected"


@dataclass(frozen=True, slots=True)
class ExampleVersion:
    """An example as it stands in some revisions of its dataset; this content never changes.

    `input` is an object. `expected` is the expected output, None where there is none (`has_expected` tells
    apart what a reading without payloads leaves out); `expected_error` excludes it. `graded_hash` is what a
    verdict rests on. `created_at` and `updated_at` are the example's, `latest_run_id` its newest run.
    """

    id: str
    example_id: str
    automation_id: str
    name: str
    row_order: int | None
    input: JsonValue
    has_expected: bool
    expected: JsonValue
    expected_error: JsonValue
    metadata: JsonValue
    annotation: str | None
    overrides: JsonValue
    graded_hash: str
    files: Sequence[ExampleFile]
    promoted_run_id: str | None
    created_at: datetime
    updated_at: datetime | None
    latest_run_id: str | None

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in its dataset: by row order, those without one last, then by name."""
        return (LAST if self.row_order is None else self.row_order, self.name)

    @property
    def stated_expectation(self) -> JsonValue:
        """What `expected.json` and the API say: the expected output, or `{"$error": {…}}`; None where neither is."""
        return self.expected if self.expected_error is None else {"$error": self.expected_error}


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """An example as a table shows it. `input` is None where all its JSON has more than 2,000 characters (`json_size`).

    `expects` says what should come out; `files` counts both sides.
    """

    example_id: str
    name: str
    row_order: int | None
    input: JsonValue
    json_size: int
    expects: Expects
    files: int
    annotation: str | None
    has_overrides: bool
    promoted_run_id: str | None
    changed_at: datetime
    latest_run_id: str | None


@dataclass(frozen=True, slots=True)
class PastVersion:
    """A version of an example, without what it holds: the revision that made it, by what action, and the one it ended.

    `created_by` is a user id; `graded_hash` tells whether a verdict on it means the same as one on another.
    """

    id: str
    name: str
    from_revision: int
    to_revision: int | None
    action: str
    graded_hash: str
    created_by: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a dataset. Numbers count from 1 without gaps; `action` is what made it.

    `with_expected` of the `examples` expect an output or an error; `created_by` is a user id.
    """

    number: int
    content_hash: str
    action: str
    examples: int
    with_expected: int
    created_by: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FileUpload:
    """A file on its way into an example: its name, what it is said to be, its bytes."""

    filename: str
    content_type: str | None
    spool: files.Spool


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What an import added. `skipped` of the archive's examples have names that exist; `issues` name them."""

    created: int
    expected_set: int
    skipped: int
    issues: Sequence[Issue]
    mode: Literal["append"] = "append"


@dataclass(frozen=True, slots=True)
class ReplaceResult:
    """What an import put in the place of what: `created` examples for `deleted` ones with `files_deleted` files."""

    created: int
    expected_set: int
    deleted: int
    files_deleted: int
    mode: Literal["replace"] = "replace"


@dataclass(frozen=True, slots=True)
class ExampleChange:
    """What is about to become of an example that is there: its name and graded hash then, None where it goes.

    `expected_anything` tells whether it said so far what should come out.
    """

    example_id: str
    name: str
    graded_hash: str
    expected_anything: bool
    name_then: str | None
    graded_hash_then: str | None


class ExampleGuard(Protocol):
    """Who has a say in what becomes of examples: `reviews.ExampleGuard`, where a miss depends on one."""

    async def __call__(self, tx: db.Transaction, caller: access.Caller, changes: Sequence[ExampleChange]) -> None:
        """Let the changes pass, and note what follows from them, or raise; the dataset is locked."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """All of an example that a revision keeps, checked and as the database gives it back."""

    name: str
    row_order: int | None
    input: JsonValue
    expected: JsonValue
    expected_error: JsonValue
    metadata: JsonValue
    annotation: str | None
    overrides: JsonValue
    files: Sequence[ExampleFile] = ()
