"""What a step type is: a class whose fields are its configuration and whose `run` is its behaviour.

A type is one file in `builtin/`. Everything else about it (catalogue, JSON Schema, validation of
workflow files, CLI listing, reference page, contract tests) is derived from the class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue

from assay import documents, providers, sandbox
from assay.errors import AssayError, ErrorKind
from assay.outgoing import Outgoing
from assay.steps.mail_server import MailServer

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

    def __init__(  # each a fact that a trace shows
        self,
        code: str,
        message: str,
        *,
        category: FailureCategory = "unknown",
        status_code: int | None = None,
        hint: str | None = None,
        retry_after_ms: int | None = None,
        http_status: int | None = None,
        provider: str | None = None,
    ) -> None:
        """Fail with a stable code; `status_code` is what a caller who waits for the run is answered (400-599).

        What the other side said: `http_status`, and how long it asks to be left alone (`retry_after_ms`).
        """
        self.code = code
        super().__init__(message, hint=hint)
        self.category: FailureCategory = category
        self.status_code = status_code
        self.retry_after_ms = retry_after_ms
        self.http_status = http_status
        self.provider = provider


class SuspendedError(Exception):
    """The run goes on later, in whichever worker takes it then; raised by `StepContext.wait`."""

    def __init__(self, until: datetime) -> None:
        """Say when the run may be taken up again."""
        super().__init__(f"until {until}")
        self.until = until


class SkippedError(Exception):
    """There is nothing for the step to do: it counts as skipped, and its output is this one."""

    def __init__(self, reason: str, output: JsonValue) -> None:
        """Say why in one word, and what later steps see."""
        super().__init__(reason)
        self.reason = reason
        self.output = output


ScopeKind = Literal[
    "root",
    "if-then",
    "if-else",
    "switch-case",
    "foreach-iteration",
    "parallel-map-iteration",
    "parallel-branch",
    "inline-invoke",
]


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """One level of nesting a step ran in, as it is shown in a trace.

    `key` tells it from its siblings (the number of an iteration, the name of a branch).
    """

    kind: ScopeKind
    step: str
    key: str = ""
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
class RetryPolicy:
    """How often a failed attempt is repeated, where repeating it is safe."""

    max_attempts: int = 3


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step as its workflow writes it: checked, with templates unresolved."""

    name: str
    type_name: str
    config: Mapping[str, JsonValue]
    condition: JsonValue = None
    timeout_ms: int | None = None
    blocks: Mapping[str, "Block"] = field(default_factory=dict[str, "Block"])
    retry: RetryPolicy | None = None


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


@dataclass(frozen=True, slots=True)
class ChildRun:
    """A run that a step started: `status` is the run's, `output` is there once it completed."""

    id: str
    status: str
    finished: bool
    output: JsonValue = None
    error: str | None = None


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

    @property
    def sandbox(self) -> sandbox.Sandbox:
        """Where scripts of strangers run."""
        ...

    async def outgoing(self) -> Outgoing:
        """Return what sends HTTP requests, to where this run may send them; looked up at a run's first request."""
        ...

    @property
    def mail_server(self) -> MailServer | None:
        """Takes e-mail; None where none is configured."""
        ...

    async def model(self, requested: str | None) -> providers.Model:
        """Return the model that answers: the requested one, else the workflow's, else the organization's default.

        Raises:
            ProviderNotConfiguredError: there is none.
            ModelUnknownError: no provider offers the requested one.
        """
        ...

    async def open_file(self, reference: JsonValue) -> LocalFile:
        """Fetch the file that a `{"$file": path}` value names.

        Raises:
            StepError: `file_required` when the value is no such reference or nothing lies there.
        """
        ...

    async def open_version_file(self, path: str) -> LocalFile:
        """Fetch a file that was pushed beside the workflow's text.

        Raises:
            StepError: `file_required` when the version has no such file.
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

    async def invoke(self, workflow: str, value: JsonValue) -> JsonValue:
        """Run the steps of another workflow's current version inside this run; return its output.

        Raises:
            StepError: there is no such workflow, the input does not fit, it would call itself, or a step failed.
        """
        ...

    async def start_child(self, workflow: str, value: JsonValue, *, waited_for: bool) -> str:
        """Start a run of another workflow, once however often this is asked; return its id.

        `waited_for`: it is cancelled when this run ends without its result.

        Raises:
            StepError: there is no such workflow, or the input does not fit.
        """
        ...

    async def child(self, run_id: str) -> ChildRun:
        """Read how a child run stands."""
        ...

    async def take_over(self, run_id: str, output: JsonValue) -> JsonValue:
        """Make the files of a finished child files of this run; return its output, naming them as they are here."""
        ...

    @property
    def elapsed(self) -> float:
        """Seconds since the step first began, over all repetitions."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when so long has passed since the step first began; holds a worker a second at most, survives it.

        Raises:
            SuspendedError: the time has not come; let it pass.
        """
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
    def invoked_workflow(cls, config: Mapping[str, JsonValue]) -> str | None:
        """Name the workflow that a raw configuration calls, for checks when it is pushed; most types call none."""
        del config
        return None

    @classmethod
    def named_files(cls, config: Mapping[str, JsonValue]) -> Sequence[tuple[str, str]]:
        """List the files beside workflow.yaml that a raw configuration names: (field, path); only paths that may be."""
        del config
        return ()

    @classmethod
    def asked_models(cls, config: Mapping[str, JsonValue]) -> Sequence[Sequence[JsonValue]]:
        """Say which models a raw configuration asks, each by the words that name it (provider, model); may be none."""
        if cls.effect is not Effect.PAID:
            return []
        return [[config.get(name) for name in ("provider", "model", "llmModel")]]

    @classmethod
    def output_schema_of(cls, config: Mapping[str, JsonValue]) -> Mapping[str, Any] | None:
        """Give the JSON Schema of the output of a raw configuration; None where a template leaves it open."""
        del config
        return cls.output_schema

    @classmethod
    def override_schema_of(cls, config: Mapping[str, JsonValue]) -> Mapping[str, Any] | None:
        """Give what an output that comes with a run must satisfy to stand for the whole step; None: it always runs."""
        return cls.output_schema_of(config)

    @classmethod
    def completed_stub(cls, given: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Add to an output that is given instead of running the step what goes without saying; mostly nothing."""
        return given

    @classmethod
    def shown(cls, config: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Give what a trace may show of a resolved configuration: all of it, but for what is secret."""
        return config

    def effect_now(self) -> Effect:
        """Say what running this very step again would mean, where that depends on its configuration."""
        return type(self).effect

    @property
    def replay_safe(self) -> bool:
        """Whether a failed attempt may be repeated automatically."""
        return False

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
