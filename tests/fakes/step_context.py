"""What a step gets in a test: files and a parser that are given, blocks run by a function, and a record of the rest."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue
from typing_extensions import override

from assay import documents, providers, sandbox
from assay.outgoing import AllowList, Outgoing
from assay.steps import BlockResult, ChildRun, LocalFile, MailServer, ScopeEntry, StepContext, StepError

RunBlock = Callable[[str, Mapping[str, JsonValue]], Awaitable[Mapping[str, JsonValue]]]


async def run_nothing(block: str, variables: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """A block in which every step is skipped."""
    del block, variables
    return {}


@dataclass
class FakeStepContext(StepContext):
    """`files` are found by the path of a reference, `version_files` by their own; the rest is kept to be looked at."""

    files: dict[str, LocalFile] = field(default_factory=dict)
    version_files: dict[str, LocalFile] = field(default_factory=dict)
    run_inner: RunBlock = run_nothing
    document_parser: documents.Parser | None = None
    answering: providers.Model | None = None
    requested_models: list[str | None] = field(default_factory=list)
    script_sandbox: sandbox.Sandbox | None = None
    reaching: Outgoing = field(default_factory=lambda: Outgoing(AllowList.parse("127.0.0.1")))
    mailing: MailServer | None = None
    name: str = "step"
    artifacts: dict[str, bytes] = field(default_factory=dict)
    usage: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    scopes: list[ScopeEntry] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def add_file(self, path: Path, content_type: str, *, filename: str | None = None) -> JsonValue:
        """Make a file of the machine a file of the run; return the reference to it."""
        kept = f"input/{path.name}"
        self.files[kept] = LocalFile(path, filename or path.name, content_type, path.stat().st_size)
        return {"$file": kept}

    @property
    @override
    def step_name(self) -> str:
        return self.name

    @property
    @override
    def idempotency_key(self) -> str:
        return f"run.{self.name}"

    @property
    @override
    def parser(self) -> documents.Parser:
        assert self.document_parser is not None, "this test gave no parser"
        return self.document_parser

    @override
    async def outgoing(self) -> Outgoing:
        return self.reaching

    @property
    @override
    def mail_server(self) -> MailServer | None:
        return self.mailing

    @override
    async def model(self, requested: str | None) -> providers.Model:
        self.requested_models.append(requested)
        if self.answering is None:
            raise providers.ProviderNotConfiguredError
        return self.answering

    @override
    async def open_file(self, reference: JsonValue) -> LocalFile:
        path = reference.get("$file") if isinstance(reference, dict) else None
        if not isinstance(path, str) or path not in self.files:
            raise StepError("file_required", "This is no file of the run.", category="validation")
        return self.files[path]

    @override
    async def open_version_file(self, path: str) -> LocalFile:
        if path not in self.version_files:
            raise StepError("file_required", "This test has no such file.", category="not_found")
        return self.version_files[path]

    @override
    def keep_artifact(self, name: str, content: bytes, *, role: str, content_type: str) -> str:
        path = f"{role}/{self.name}/{name}"
        self.artifacts[path] = content
        return path

    @override
    def add_usage(self, **amounts: float) -> None:
        for name, amount in amounts.items():
            self.usage[name] += amount

    @override
    async def run_block(
        self, block: str, *, scope: ScopeEntry, variables: Mapping[str, JsonValue] | None = None
    ) -> BlockResult:
        self.scopes.append(scope)
        return BlockResult(await self.run_inner(block, variables or {}))

    @property
    @override
    def sandbox(self) -> sandbox.Sandbox:
        assert self.script_sandbox is not None, "this test gave no sandbox"
        return self.script_sandbox

    @property
    @override
    def elapsed(self) -> float:
        return 0.0

    @override
    async def wait(self, seconds: float) -> None:
        self.slept.append(seconds)

    @override
    async def invoke(self, workflow: str, value: JsonValue) -> JsonValue:
        raise StepError("not_found", f"This test has no workflow {workflow}.", category="not_found")

    @override
    async def start_child(self, workflow: str, value: JsonValue, *, waited_for: bool) -> str:
        raise StepError("not_found", f"This test has no workflow {workflow}.", category="not_found")

    @override
    async def child(self, run_id: str) -> ChildRun:
        raise StepError("not_found", f"This test has no run {run_id}.", category="not_found")

    @override
    async def take_over(self, run_id: str, output: JsonValue) -> JsonValue:
        return output
