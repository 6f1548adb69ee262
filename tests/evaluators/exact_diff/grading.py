"""How these tests let exact-diff judge: a configuration, what is expected, what came."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue
from typing_extensions import override

from assay import documents, providers, sandbox
from assay.evaluators import Grade, GradedFile, GradingContext, Subject
from assay.evaluators.builtin.exact_diff import ExactDiff


@dataclass
class FilesContext(GradingContext):
    """Has a parser and files, and neither models nor a sandbox."""

    document_parser: documents.Parser | None = None
    folder: Path | None = None
    contents: dict[str, bytes] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def file(self, name: str, content: bytes, content_type: str = "application/octet-stream") -> GradedFile:
        """Keep content as a file."""
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return GradedFile(name, content_type, len(content), digest)

    @property
    @override
    def sandbox(self) -> sandbox.Sandbox:
        raise AssertionError

    @property
    @override
    def parser(self) -> documents.Parser:
        assert self.document_parser is not None, "this test gave no parser"
        return self.document_parser

    @override
    async def model(self, requested: str | None) -> providers.Model:
        raise providers.ProviderNotConfiguredError

    @override
    async def open(self, file: GradedFile) -> Path:
        assert self.folder is not None, "this test gave no folder"
        self.opened.append(file.name)
        path = self.folder / file.sha256
        path.write_bytes(self.contents[file.sha256])
        return path

    @override
    def add_usage(self, **amounts: float) -> None:
        raise AssertionError


def configured(**config: Any) -> ExactDiff:
    """Build the evaluator as it is built of a file; it must have no problems."""
    evaluator = ExactDiff.model_validate(config)
    assert not evaluator.problems()
    return evaluator


async def grade(expected: JsonValue, actual: JsonValue, **config: Any) -> Grade:
    """Compare two values."""
    subject = Subject(input={}, output=actual, status="completed", has_expected=True, expected=expected)
    return await configured(**config).grade(subject, FilesContext())


async def matches(expected: JsonValue, actual: JsonValue, **config: Any) -> bool:
    """Say whether everything that was expected is there."""
    return (await grade(expected, actual, **config)).score in {1.0, None}


def mismatches(result: Grade) -> list[dict[str, Any]]:
    """Return what the details list."""
    return cast("list[dict[str, Any]]", result.details["mismatches"])
