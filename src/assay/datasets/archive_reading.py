"""What an example in an archive says, in either layout, and everything that is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast
from zipfile import ZipFile, ZipInfo

from pydantic import JsonValue
from pydantic_core import from_json

from assay import jsontext
from assay.datasets.archive_findings import Findings
from assay.datasets.archive_plan import ARGUMENTS, ERROR, EXPECTED, INPUT, META, OUTPUT, PlannedExample
from assay.datasets.checking import EMPTY, examined
from assay.datasets.errors import ArchiveIssue
from assay.datasets.model import Content
from assay.datasets.references import find_references, named_path
from assay.datasets.zip_guard import read_entry
from assay.errors import Issue

_META_KEYS = {"rowOrder", "annotation", "overrides", "metadata"}


def read_example(archive: ZipFile, example: PlannedExample, findings: Findings) -> Content:
    """Read an example without its files' bytes; for a thread. If anything is found, the content is good for nothing."""
    reading = _Reading(archive, example, findings)
    values = reading.canonical() if example.layout == "canonical" else reading.legacy()
    # What a document that cannot be read would refer to, nobody can say.
    return EMPTY if reading.unreadable else reading.checked(values)


@dataclass(slots=True)
class _Reading:
    archive: ZipFile
    example: PlannedExample
    findings: Findings
    unreadable: bool = False

    def canonical(self) -> dict[str, JsonValue]:
        values = self._meta()
        values["input"] = self._object(INPUT, ArchiveIssue.INVALID_INPUT)
        if EXPECTED in self.example.documents:
            was_read, values["expected"] = self._read(EXPECTED, ArchiveIssue.INVALID_EXPECTED)
            if was_read and values["expected"] is None:
                self._wrong(EXPECTED, "null expects nothing; leave the file out.", ArchiveIssue.INVALID_EXPECTED)
        return values

    def legacy(self) -> dict[str, JsonValue]:
        values = self._meta()
        arguments = self._object(ARGUMENTS, ArchiveIssue.INVALID_INPUT) if ARGUMENTS in self.example.documents else {}
        values["input"] = {**arguments, **self._by_folder("input", arguments, ArchiveIssue.ARGUMENT_COLLISION)}
        expected = self._legacy_expected()
        if expected is not None:
            values["expected"] = expected
        return values

    def checked(self, values: Mapping[str, JsonValue]) -> Content:
        content, issues = examined(replace(EMPTY, name=self.example.name), values, strict=True)
        for issue in issues:
            self._located(issue)
        if content.expected_error is not None and any(path.startswith("expected/") for path in self.example.files):
            message = "An example that expects an error has no expected files."
            self._wrong(self._document_of("expected", error=True), message, ArchiveIssue.INVALID_ERROR)
        self._check_references(content)
        return content

    def _meta(self) -> dict[str, JsonValue]:
        if META not in self.example.documents:
            return {}
        meta = self._object(META, ArchiveIssue.INVALID_META)
        for key in meta.keys() - _META_KEYS:
            message = f"`meta.json` holds only {', '.join(sorted(_META_KEYS))}."
            self._wrong(f"{META}:{key[:100]}", message, ArchiveIssue.INVALID_META)
        return {key: value for key, value in meta.items() if key in _META_KEYS}

    def _legacy_expected(self) -> JsonValue:
        documents = self.example.documents
        _, output = self._read(OUTPUT, ArchiveIssue.INVALID_EXPECTED) if OUTPUT in documents else (False, None)
        of_files = self._by_folder(
            "expected", output if isinstance(output, dict) else {}, ArchiveIssue.INVALID_EXPECTED
        )
        if ERROR in documents:
            error = self._object(ERROR, ArchiveIssue.INVALID_ERROR)
            if output is not None or of_files:
                message = "An example expects an output or an error, not both."
                self._wrong(ERROR, message, ArchiveIssue.INVALID_ERROR)
            return cast("JsonValue", error if "$error" in error else {"$error": error})
        if of_files and output is not None and not isinstance(output, dict):
            message = "Beside expected files, the expected output is an object."
            self._wrong(OUTPUT, message, ArchiveIssue.INVALID_EXPECTED)
        if not of_files:
            return output
        return {**(output if isinstance(output, dict) else {}), **of_files}

    def _by_folder(self, side: str, beside: Mapping[str, JsonValue], code: ArchiveIssue) -> dict[str, JsonValue]:
        """Return a reference for each folder of files, a list where there are several in one."""
        found: dict[str, list[JsonValue]] = {}
        for path in self.example.files:
            parts = path.split("/")
            if parts[0] == side:
                found.setdefault(parts[1], []).append({"$file": path})
        for key in found.keys() & beside.keys():
            self._wrong(f"{side}/{key}", f"{key[:100]!r} is both a folder of files and a key of the JSON.", code)
        return {key: references if len(references) > 1 else references[0] for key, references in found.items()}

    def _check_references(self, content: Content) -> None:
        for side, value in (("input", content.input), ("expected", content.expected)):
            held = {path for path in self.example.files if path.startswith(f"{side}/")}
            document = self._document_of(side)
            referred: set[str] = set()
            for path, reference in find_references(value, side):
                named = named_path(reference)
                if named in held:
                    referred.add(named or "")
                else:
                    message = f"There is no file {str(reference)[:200]!r} in the example's folder `{side}/`."
                    self._wrong(f"{document}:{path[:100]}", message, ArchiveIssue.MISSING_FILE)
            for path in sorted(held - referred):
                message = f'Nothing refers to this file; `{document}` needs {{"$file": "{path[:200]}"}} somewhere.'
                self._wrong(path, message, ArchiveIssue.UNREFERENCED)

    def _located(self, issue: Issue) -> None:
        head = issue.field.partition(".")[0]
        if head in {"input", "expected"}:
            error = "$error" in issue.field
            code = ArchiveIssue.INVALID_INPUT if head == "input" else ArchiveIssue.INVALID_EXPECTED
            code = ArchiveIssue.INVALID_ERROR if error else code
            self._wrong(f"{self._document_of(head, error=error)}:{issue.field}", issue.message, code)
        elif issue.code == "too_large":
            self._wrong(INPUT, issue.message, ArchiveIssue.TOO_LARGE)
        else:
            self._wrong(f"{META}:{issue.field}", issue.message, ArchiveIssue.INVALID_META)

    def _document_of(self, side: str, *, error: bool = False) -> str:
        if self.example.layout == "canonical":
            return INPUT if side == "input" else EXPECTED
        if side == "input":
            return ARGUMENTS
        return ERROR if error else OUTPUT

    def _object(self, path: str, code: ArchiveIssue) -> dict[str, JsonValue]:
        was_read, value = self._read(path, code)
        if isinstance(value, dict):
            return value
        if was_read:
            self.unreadable = True
            self._wrong(path, "This is a JSON object.", code)
        return {}

    def _read(self, path: str, code: ArchiveIssue) -> tuple[bool, JsonValue]:
        """Tell whether there is JSON at a path, and return it."""
        info = self.example.documents.get(path)
        content = None if info is None else self._bytes(path, info)
        if content is None:
            self.unreadable = True
            return False, None
        try:
            # PowerShell writes a byte order mark.
            value: Any = from_json(content.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
            jsontext.dump(value)
        except ValueError as error:
            self.unreadable = True
            self._wrong(path, f"This is no JSON: {error}", code)
            return False, None
        return True, value

    def _bytes(self, path: str, info: ZipInfo) -> bytes | None:
        with self.findings.damage(self.example.place(path)):
            return read_entry(self.archive, info)
        return None

    def _wrong(self, path: str, message: str, code: ArchiveIssue) -> None:
        self.findings.add(self.example.place(path), message, code)
