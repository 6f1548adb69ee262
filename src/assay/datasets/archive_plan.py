"""Which entries of an archive belong to which example, and in which of the two layouts it is written.

Canonical, written and read: `examples/<name>/` with `input.json`, `input/<file…>`, `expected.json`,
`expected/<file…>`, `meta.json`. Legacy, only read: `input/arguments.json`, `input/<argument>/<file>`,
`expected/output.json`, `expected/<key>/<file>`, `expected/error.json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from zipfile import ZipInfo

from assay.datasets.archive_findings import Findings
from assay.datasets.checking import MAX_FILE, MAX_FILES, MAX_JSON, NAME_RULE, is_name
from assay.datasets.errors import ArchiveIssue

Layout = Literal["canonical", "legacy"]

INPUT, EXPECTED, META = "input.json", "expected.json", "meta.json"
ARGUMENTS, OUTPUT, ERROR = "input/arguments.json", "expected/output.json", "expected/error.json"
FOLDER = "examples"

_DOCUMENTS: Mapping[Layout, frozenset[str]] = {
    "canonical": frozenset({INPUT, EXPECTED, META}),
    "legacy": frozenset({ARGUMENTS, OUTPUT, ERROR, META}),
}
# What operating systems leave in archives that people make.
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}
_DEPTH_IN_LEGACY = 3


@dataclass(slots=True)
class PlannedExample:
    """An example of an archive: its JSON documents and its files, by their paths below its folder."""

    name: str
    layout: Layout
    documents: dict[str, ZipInfo] = field(default_factory=dict[str, ZipInfo])
    files: dict[str, ZipInfo] = field(default_factory=dict[str, ZipInfo])

    @property
    def documents_fit(self) -> bool:
        """Whether its JSON may be read at all."""
        return all(info.file_size <= MAX_JSON for info in self.documents.values())

    def place(self, path: str) -> str:
        """Return the path in the archive."""
        return f"{FOLDER}/{self.name}/{path}"


def planned_examples(entries: Mapping[str, ZipInfo], findings: Findings) -> list[PlannedExample]:
    """Sort the entries of an archive into examples, by name; note what is wrong besides."""
    folders: dict[str, dict[str, ZipInfo]] = {}
    for path, info in entries.items():
        first, _, below = path.partition("/")
        name, _, rest = below.partition("/")
        if first == FOLDER and rest:
            folders.setdefault(name, {})[rest] = info
        elif not _is_litter(path):
            _note_unexpected(path, findings)
    planned: list[PlannedExample] = []
    for name, inside in sorted(folders.items()):
        if not is_name(name):
            findings.add(f"{FOLDER}/{name}", NAME_RULE, ArchiveIssue.NAME)
            continue
        planned.append(PlannedExample(name, _layout(inside)))
        _fill(planned[-1], inside, findings)
    if not folders and not findings.total:
        message = "The archive has no examples: they are folders below `examples/`, each with an `input.json`."
        findings.add("file", message, ArchiveIssue.EMPTY)
    return planned


def _layout(inside: Mapping[str, ZipInfo]) -> Layout:
    if INPUT in inside:
        return "canonical"
    in_folders = any(path.startswith("input/") and path.count("/") >= _DEPTH_IN_LEGACY - 1 for path in inside)
    return "legacy" if in_folders or {ARGUMENTS, OUTPUT, ERROR} & inside.keys() else "canonical"


def _fill(example: PlannedExample, inside: Mapping[str, ZipInfo], findings: Findings) -> None:
    for path, info in sorted(inside.items()):
        kept, limit = example.files, MAX_FILE
        if path in _DOCUMENTS[example.layout]:
            kept, limit = example.documents, MAX_JSON
        elif _is_litter(path):
            continue
        elif not _is_file(example.layout, path):
            message = f"An example in the {example.layout} layout has no such entry."
            findings.add(example.place(path), message, ArchiveIssue.UNEXPECTED)
            continue
        kept[path] = info
        if info.file_size > limit:
            message = f"The entry has {info.file_size:,} bytes; {limit:,} are allowed."
            findings.add(example.place(path), message, ArchiveIssue.TOO_LARGE)
    if example.layout == "canonical" and INPUT not in example.documents:
        message = "An example needs an `input.json`; it may hold {}."
        findings.add(example.place(INPUT), message, ArchiveIssue.INPUT_MISSING)
    if len(example.files) > MAX_FILES:
        message = f"An example has at most {MAX_FILES:,} files."
        findings.add(example.place("input"), message, ArchiveIssue.TOO_LARGE)


def _is_file(layout: Layout, path: str) -> bool:
    parts = path.split("/")
    if parts[0] not in {"input", "expected"}:
        return False
    return len(parts) > 1 if layout == "canonical" else len(parts) == _DEPTH_IN_LEGACY


def _is_litter(path: str) -> bool:
    return path.startswith("__MACOSX/") or path.rpartition("/")[2] in _LITTER


def _note_unexpected(path: str, findings: Findings) -> None:
    if path == "manifest.json":
        message = "Archives with a `manifest.json` are of a kind that is not read any more."
        hint = "Export the dataset again, and import that archive."
        findings.add(path, message, ArchiveIssue.MANIFEST, hint=hint)
        return
    message = "Everything in an archive lies below `examples/<name>/`."
    findings.add(path, message, ArchiveIssue.UNEXPECTED, hint="Pack the folder `examples` itself.")
