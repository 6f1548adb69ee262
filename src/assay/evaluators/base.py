"""What an evaluator type is: a class whose fields are its configuration and whose `grade` is its judgement.

A type is one file in `builtin/`. Everything else about it (catalogue, JSON Schema, validation of
`evaluators.yaml`, reference page, contract tests) is derived from the class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from assay import documents, providers, sandbox
from assay.errors import AssayError, ErrorKind


class EvaluatorError(AssayError):
    """The evaluator could not judge: its result has an error and no score."""

    kind = ErrorKind.INVALID
    code = "evaluator_failed"


@dataclass(frozen=True, slots=True)
class GradedFile:
    """A file of the run's output or of the example's expected output; `name` without its folder."""

    name: str
    content_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: how a run ended, beside what its example expects.

    `output` is None unless the run completed, `failure` is `{code, message, step, category, statusCode}` when it
    failed. `has_expected` tells an example without expected data from one that expects JSON null.
    Files that `expected` refers to (`{"$file": "expected/<path>"}`) are in `expected_files`.
    """

    input: JsonValue
    output: JsonValue
    status: str
    failure: Mapping[str, JsonValue] | None = None
    has_expected: bool = False
    expected: JsonValue = None
    expected_error: Mapping[str, JsonValue] | None = None
    output_files: Sequence[GradedFile] = ()
    expected_files: Sequence[GradedFile] = ()


@dataclass(frozen=True, slots=True)
class Grade:
    """A judgement: `score` from 0 to 1, None where there is nothing to judge."""

    score: float | None
    label: str | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


class GradingContext(Protocol):
    """What a judging evaluator may ask for."""

    @property
    def sandbox(self) -> sandbox.Sandbox:
        """Where scripts of strangers run."""
        ...

    @property
    def parser(self) -> documents.Parser:
        """The worker's document parser."""
        ...

    async def model(self, requested: str | None) -> providers.Model:
        """Return the model that judges: the requested one, else the organization's default.

        Raises:
            ProviderNotConfiguredError: there is none.
            ModelUnknownError: no provider offers the requested one.
        """
        ...

    async def open(self, file: GradedFile) -> Path:
        """Fetch a file of the subject; readable at the path until grading ends."""
        ...

    def add_usage(self, **amounts: float) -> None:
        """Count what judging used; amounts of one name add up."""
        ...


class Evaluator(BaseModel):
    """A configured evaluator. Fields are what stands under `config:`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    type_name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same configuration would judge differently than before."""
    seconds: ClassVar[float] = 120.0
    """Longest that judging one run may take, waiting included."""
    example: ClassVar[str]
    """An `evaluators.yaml` that uses the type; shown in the reference and tried by the tests."""

    pass_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        alias="passThreshold",
        description="Older way to write a threshold: without one at the top of the file, the weighted mean of those "
        "written here holds for the whole set.",
    )

    def problems(self) -> Sequence[tuple[str, str, str]]:
        """Check what the field types cannot: (path below the configuration, message, code) for each problem."""
        return ()

    async def grade(self, subject: Subject, context: GradingContext) -> Grade:
        """Judge.

        Raises:
            AssayError: it could not, and the message says why. `EvaluatorError` where no other area says so already.
        """
        raise NotImplementedError
