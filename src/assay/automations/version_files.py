"""Which files a version carries beside its text: how many, how large, how named, and how they are kept and found."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath

from assay import db, files
from assay.automations import store
from assay.automations.errors import IssueCode, VersionFileNotFoundError
from assay.automations.findings import Findings
from assay.automations.model import VersionFile
from assay.errors import Issue

MAX_FILES = 50
MAX_FILE_BYTES = 10 * 1024**2
MAX_BYTES = 25 * 1024**2
"""Of all files of a version together."""

_SHOWN = 200

FileProblem = Callable[[str], str | None]
"""Says what keeps the file of that name, beside a workflow, from being used; None where nothing does."""


@dataclass(slots=True)
class NewFiles:
    """Files that are pushed with a workflow, as `read_files` found them; `issues` is all that is wrong with them."""

    blobs: files.Blobs
    contents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    files: dict[str, VersionFile] = field(default_factory=dict[str, VersionFile])
    issues: list[Issue] = field(default_factory=list[Issue])
    sent: set[str] = field(default_factory=set[str])

    def problem(self, name: str) -> str | None:
        """Say that a file was not sent, if so; what is wrong with one that was stands in `issues`."""
        return None if name in self.sent or files.safe_path(name) in self.sent else _not_sent(name)

    def take(self, name: str, encoded: str) -> None:
        """Decode one file; what is wrong with it becomes an issue."""
        try:
            path = files.safe_path(name)
            # Tools break long lines; white space means nothing.
            content = base64.b64decode("".join(encoded.split()), validate=True)
        except files.InvalidArtifactPathError:
            self._refuse(name, "A file's path is names joined by `/`: relative, none `.` or `..`, no backslash.")
        except ValueError:
            self._refuse(name, "A file is sent as its bytes in standard base64.")
        else:
            self._add(name, path, content)

    def _add(self, name: str, path: str, content: bytes) -> None:
        self.sent.add(path)
        if path in self.files:
            self._refuse(name, "Another file has this path.")
        elif len(content) > MAX_FILE_BYTES:
            self._refuse(name, f"A file has at most {MAX_FILE_BYTES:,} bytes, this one {len(content):,}.")
        else:
            digest, kind = sha256(content).hexdigest(), files.content_type_of(PurePosixPath(path).name, None)
            self.files[path] = VersionFile(path, digest, len(content), kind)
            self.contents[path] = content

    def check_together(self) -> None:
        """Report what is wrong with them as a whole."""
        size = sum(file.size for file in self.files.values())
        if size > MAX_BYTES:
            message = f"The files have at most {MAX_BYTES:,} bytes together, these {size:,}."
            self.issues.append(Issue("files", message, IssueCode.INVALID_FILE))
        for path in self.files:
            for folder in PurePosixPath(path).parents:
                if str(folder) in self.files:
                    self._refuse(path, f"{str(folder)!r} is a file, so nothing can lie in it.")

    async def keep(self, tx: db.Transaction, organization_id: str, version_id: str) -> None:
        """Make the bytes durable, then add the rows that refer to them."""
        for content in self.contents.values():
            await self.blobs.keep_bytes(tx, content)
        await store.insert_version_files(tx, organization_id, version_id, self.files.values())

    def _refuse(self, name: str, message: str) -> None:
        self.issues.append(Issue(f"files.{name[:_SHOWN]}", message, IssueCode.INVALID_FILE))


def read_files(blobs: files.Blobs, given: Mapping[str, str]) -> NewFiles:
    """Decode files that were sent in base64, by path; never raises, see `NewFiles.issues`.

    Takes some tenths of a second for the most there may be: call it off the event loop.
    """
    new = NewFiles(blobs, sent=set(given))
    if len(given) > MAX_FILES:
        message = f"A version has at most {MAX_FILES} files, not {len(given)}."
        new.issues.append(Issue("files", message, IssueCode.INVALID_FILE))
        return new
    for name, encoded in given.items():
        new.take(name, encoded)
    new.check_together()
    return new


async def files_of(blobs: files.Blobs, carried: Iterable[VersionFile]) -> NewFiles:
    """Take the files that a version carries along, to be pushed with another text."""
    found = {file.path: file for file in carried}
    contents = {path: await blobs.read(file.sha256, MAX_FILE_BYTES) for path, file in found.items()}
    return NewFiles(blobs, contents, found, sent=set(found))


def problem_of(new: NewFiles | None) -> FileProblem:
    """Return what tells whether a file was sent; nothing was where there is None."""
    return _not_sent if new is None else new.problem


def check_named(findings: Findings, problem: FileProblem) -> None:
    """Report every file that the workflow names and that cannot be had."""
    for path, name in findings.named_files:
        message = problem(name)
        if message is not None:
            findings.report(path, message, IssueCode.FILE_MISSING)


def content_hash(source: str, carried: Iterable[VersionFile]) -> bytes:
    """Return what two versions share when text and files are the same: the text's SHA-256 where there are no files."""
    text = sha256(source.encode()).digest()
    listing = "".join(f"{file.sha256} {file.path}\n" for file in sorted(carried, key=lambda file: file.path))
    return sha256(text + listing.encode()).digest() if listing else text


async def version_file(tx: db.Transaction, organization_id: str, version_id: str, path: str) -> VersionFile:
    """Return one file of a version.

    Raises:
        VersionFileNotFoundError: the organization has no such version, or the version no such file.
    """
    try:
        found = await store.find_version_file(tx, organization_id, version_id, files.safe_path(path))
    except files.InvalidArtifactPathError as error:
        raise VersionFileNotFoundError from error
    if found is None:
        raise VersionFileNotFoundError
    return found


def _not_sent(name: str) -> str:
    return f"The file {name[:_SHOWN]!r} was not sent along; send it under `files`, as `assay workflow push` does."
