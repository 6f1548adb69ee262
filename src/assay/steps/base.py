"""What a step type is: a class whose fields are its configuration and whose `run` is its behaviour.

A type is one file in `builtin/`. Everything else about it (catalogue, JSON Schema, validation of
workflow files, CLI listing, reference page, contract tests) is derived from the class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue

from assay import documents
from assay.errors import AssayError, ErrorKind

FailureCategory = Literal[
    "timeout",
    "rate_limited",
    "temporarily_unavailable",
    "invalid_provider_output",
    "validation",
    "authentication",
    "authorization",
    "not_found",
    "business",
    "cancelled",
    "unknown",
]


class Effect(StrEnum):
    """What running a step again would mean, and so when its row must be committed."""

    PURE = "pure"
    """Nothing outside the run sees it; its row may be written together with the next one."""
    READ = "read"
    """It looks at the outside world; running it again is harmless but may see something else."""
    PAID = "paid"
    """It costs money; its row is committed before the run goes on."""
    WRITE = "write"
    """It changes something elsewhere; its row is committed before the run goes on, and it sends an idempotency key."""


class StepError(AssayError):
    """The step failed."""

    kind = ErrorKind.INVALID

    def __init__(
        self,
        code: str,
        message: str,
        *,
        category: FailureCategory = "unknown",
        status_code: int | None = None,
        hint: str | None = None,
    ) -> None:
        """Fail with a stable code; `status_code` is what a caller who waits for the run is answered (400-599)."""
        self.code = code
        super().__init__(message, hint=hint)
        self.category: FailureCategory = category
        self.status_code = status_code


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """One level of nesting a step ran in, as it is shown in a trace."""

    kind: Literal["root", "if-then", "if-else"]
    step: str
    detail: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class BlockShape:
    """Where a control step keeps inner steps.

    `path` leads from the step's configuration to the list of raw steps (`("then",)`,
    `("branches", 0, "steps")`); `variables` are names its steps may use beside the outer ones;
    with `isolated`, steps outside never see what happened inside.
    """

    path: tuple[str | int, ...]
    variables: tuple[str, ...] = ()
    isolated: bool = False

    @property
    def name(self) -> str:
        """The path as one word, `branches.0.steps`."""
        return ".".join(str(part) for part in self.path)


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step as its workflow writes it: checked, with templates unresolved."""

    name: str
    type_name: str
    config: Mapping[str, JsonValue]
    condition: JsonValue = None
    timeout_ms: int | None = None
    blocks: Mapping[str, "Block"] = field(default_factory=dict[str, "Block"])


@dataclass(frozen=True, slots=True)
class Block:
    """Inner steps of a control step."""

    shape: BlockShape
    steps: tuple[StepSpec, ...]


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What the steps of a block left: outputs by name, in order; skipped steps are absent."""

    outputs: Mapping[str, JsonValue]

    @property
    def last(self) -> JsonValue:
        """Output of the last step that ran, or None."""
        return list(self.outputs.values())[-1] if self.outputs else None


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the run, readable at `path` until the step ends."""

    path: Path
    filename: str
    content_type: str
    size: int


class StepContext(Protocol):
    """What a running step may ask for."""

    @property
    def step_name(self) -> str:
        """Name of the step in its workflow."""
        ...

    @property
    def idempotency_key(self) -> str:
        """Stable over every repetition of this step of this run."""
        ...

    @property
    def parser(self) -> documents.Parser:
        """The worker's document parser."""
        ...

    async def open_file(self, reference: JsonValue) -> LocalFile:
        """Fetch the file that a `{"$file": path}` value names.

        Raises:
            StepError: `file_required` when the value is no such reference or nothing lies there.
        """
        ...

    def keep_artifact(self, name: str, content: bytes, *, role: str, content_type: str) -> str:
        """Keep bytes beside the run under `<role>/<step>/<name>`; return that path. Saved with the step's row."""
        ...

    def add_usage(self, **amounts: float) -> None:
        """Count what the step used (`ocrPagesProcessed`, tokens…); amounts of one name add up."""
        ...

    async def run_block(
        self, block: str, *, scope: ScopeEntry, variables: Mapping[str, JsonValue] | None = None
    ) -> BlockResult:
        """Run the inner steps of the block with that name.

        Raises:
            StepError: an inner step failed.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a cancellation of the run ends it at once."""
        ...


class Step(BaseModel):
    """A configured step. Fields are what stands under `with:` (or beside `type:`), after templates."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    type_name: ClassVar[str]
    effect: ClassVar[Effect] = Effect.PURE
    config_beside_type: ClassVar[bool] = False
    """Control steps keep their configuration at step level, all others under `with`."""
    conditions: ClassVar[frozenset[str]] = frozenset()
    """Fields that are conditions: evaluated for truth, where an undefined value is false."""
    literals: ClassVar[frozenset[str]] = frozenset()
    """Fields that are handed over as written, without resolving templates."""
    output_schema: ClassVar[Mapping[str, Any] | None] = None
    """JSON Schema of the output, where it is the same for every configuration."""
    example: ClassVar[str]
    """A whole workflow in YAML that uses the type and runs; shown in the reference and executed by the tests."""

    @classmethod
    def blocks(cls, config: Mapping[str, JsonValue]) -> Sequence[BlockShape]:
        """Say where in a raw configuration inner steps are; most types have none."""
        del config
        return ()

    def problems(self) -> Sequence[tuple[str, str, str]]:
        """Check what the field types cannot: (path below the configuration, message, code) for each problem."""
        return ()

    async def run(self, context: StepContext) -> JsonValue:
        """Do the work and return the output.

        Raises:
            StepError: the step failed, and so does the run.
        """
        raise NotImplementedError
