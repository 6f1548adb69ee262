"""What a running workflow step gets from the run it is part of."""

import asyncio
import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from pydantic import JsonValue

from assay import automations, clock, db, documents, engine, files, providers, sandbox, steps
from assay.outgoing import Outgoing
from assay.runs.children import Chooser, read_child, start_child, take_over
from assay.runs.features import Confidence

Invoke = Callable[[str, JsonValue], Awaitable[JsonValue]]
Reaching = Callable[[], Awaitable[Outgoing]]
RunBlock = Callable[[str, steps.ScopeEntry, Mapping[str, JsonValue]], Awaitable[steps.BlockResult]]

Ended = engine.Completed | engine.Failed | engine.Cancelled
Grader = Callable[[engine.Claim, Ended], Awaitable[engine.Attachment | None]]
"""Judges how the run of an example ended; what it returns is written together with that end."""

Sampler = Callable[[engine.Claim, Ended, Confidence | None], Awaitable[engine.Draw | None]]
"""Draws whether a run that ended is in the review sample; None where there is nothing to draw.

It is told the lowest confidence that a step of the run had in one of its values.
"""

MAX_ARTIFACT_BYTES = 256 * 1024**2
HELD_WAIT_SECONDS = 1.0
"""So long a step may wait in its worker's hands, over all its waits: a run that waited for its child there for longer
would keep the place that the child needs."""
HELD_REST_SECONDS = 0.05
"""A rest that costs less than giving the run back to the queue."""


class RunCancelledError(Exception):
    """Somebody asked the run to stop."""


@dataclass(frozen=True, slots=True)
class Services:
    """What executing steps needs from the process they run in."""

    database: db.Database
    blobs: files.Blobs
    parser: documents.Parser
    sandbox: sandbox.Sandbox
    models: providers.Models
    chooser: Chooser
    outgoing: Outgoing = field(default_factory=Outgoing)
    mail_server: steps.MailServer | None = None
    grader: Grader | None = None
    sampler: Sampler | None = None


@dataclass(slots=True)
class StepRunContext:
    """One step's view of its run; implements `steps.StepContext`."""

    services: Services
    claim: engine.Claim
    step: steps.StepSpec
    step_key: str
    block_runner: RunBlock
    invoker: Invoke
    reaching: Reaching
    default_model: str | None
    version_id: str
    """Of the workflow that the step stands in; another than the run's where that one is called inline."""
    began_at: datetime
    resources: ExitStack
    usage: dict[str, float] = field(default_factory=dict[str, float])
    kept: list[tuple[files.Artifact, bytes]] = field(default_factory=list[tuple[files.Artifact, bytes]])
    _folder: Path | None = None

    @property
    def step_name(self) -> str:
        """Name of the step in its workflow."""
        return self.step.name

    @property
    def idempotency_key(self) -> str:
        """Stable over every repetition of this step of this run."""
        return hashlib.sha256(f"{self.claim.run_id}/{self.step_key}".encode()).hexdigest()

    @property
    def parser(self) -> documents.Parser:
        """The worker's document parser."""
        return self.services.parser

    @property
    def sandbox(self) -> sandbox.Sandbox:
        """Where scripts of strangers run."""
        return self.services.sandbox

    async def outgoing(self) -> Outgoing:
        """Return what sends HTTP requests, to where this run may send them."""
        return await self.reaching()

    @property
    def mail_server(self) -> steps.MailServer | None:
        """Takes e-mail."""
        return self.services.mail_server

    async def model(self, requested: str | None) -> providers.Model:
        """Return the model that answers this step."""
        return await self.services.models.for_step(
            self.claim.organization_id,
            self.claim.run_id,
            self.step_key,
            requested=requested,
            workflow_default=self.default_model,
        )

    async def open_file(self, reference: JsonValue) -> steps.LocalFile:
        """Fetch the file that a `{"$file": path}` value names."""
        path = reference.get("$file") if isinstance(reference, dict) else None
        if not isinstance(path, str):
            message = "This needs a file, such as `{{ input.document }}` of an input of type file."
            raise steps.StepError("file_required", message, category="validation")
        for artifact, content in self.kept:
            if artifact.path == path:
                target = self._local_path(path)
                await asyncio.to_thread(target.write_bytes, content)
                return steps.LocalFile(target, artifact.name, artifact.content_type, artifact.size)
        return await self._fetch(path)

    async def _fetch(self, path: str) -> steps.LocalFile:
        try:
            found = await self.services.database.when_available(
                lambda tx: files.get_artifact(tx, self.claim.organization_id, self.claim.run_id, path)
            )
        except (files.ArtifactNotFoundError, files.InvalidArtifactPathError) as error:
            message = f"The run has no file {path[:200]!r}."
            raise steps.StepError("file_required", message, category="not_found") from error
        target = self._local_path(path)
        await self.services.blobs.fetch_to(found.sha256, target)
        return steps.LocalFile(target, found.name, found.content_type, found.size)

    async def open_version_file(self, path: str) -> steps.LocalFile:
        """Fetch a file that was pushed beside the workflow's text."""
        try:
            found = await self.services.database.when_available(
                lambda tx: automations.version_file(tx, self.claim.organization_id, self.version_id, path)
            )
        except automations.VersionFileNotFoundError as error:
            message = f"This version of the workflow has no file {path[:200]!r} beside it."
            hint = "Push it with the workflow: `assay workflow push` sends every file that the workflow names."
            raise steps.StepError("file_required", message, category="not_found", hint=hint) from error
        target = self._local_path(f"{self.version_id}/{path}")
        await self.services.blobs.fetch_to(found.sha256, target)
        return steps.LocalFile(target, PurePosixPath(found.path).name, found.content_type, found.size)

    def _local_path(self, path: str) -> Path:
        if self._folder is None:
            self._folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory(prefix="assay-step-")))
        return self._folder / hashlib.sha256(path.encode()).hexdigest()

    def keep_artifact(self, name: str, content: bytes, *, role: str, content_type: str) -> str:
        """Keep bytes beside the run; saved in the transaction that commits the step's row."""
        if len(content) > MAX_ARTIFACT_BYTES:
            message = f"The step made a file of {len(content)} bytes; {MAX_ARTIFACT_BYTES} are allowed."
            raise steps.StepError("artifact_too_large", message, category="validation")
        safe = files.safe_filename(name)
        path = f"{role}/{self.step_key}/{safe}"
        digest = hashlib.sha256(content).hexdigest()
        artifact = files.Artifact(path, safe, role, self.step.name, content_type, len(content), digest)
        self.kept.append((artifact, content))
        return path

    def attachment(self) -> engine.Attachment | None:
        """Return what has to be written together with the step's row."""
        if not self.kept:
            return None
        kept, services, claim = list(self.kept), self.services, self.claim

        async def write(tx: db.Transaction) -> None:
            for _, content in kept:
                await services.blobs.keep_bytes(tx, content)
            artifacts = [artifact for artifact, _ in kept]
            await files.add_artifacts(tx, claim.organization_id, claim.run_id, artifacts)

        return write

    def add_usage(self, **amounts: float) -> None:
        """Count what the step used; amounts of one name add up."""
        for name, amount in amounts.items():
            self.usage[name] = self.usage.get(name, 0) + amount

    async def run_block(
        self, block: str, *, scope: steps.ScopeEntry, variables: Mapping[str, JsonValue] | None = None
    ) -> steps.BlockResult:
        """Run the inner steps of the block with that name."""
        return await self.block_runner(block, scope, variables or {})

    async def invoke(self, workflow: str, value: JsonValue) -> JsonValue:
        """Run another workflow's steps inside this run."""
        return await self.invoker(workflow, value)

    async def start_child(self, workflow: str, value: JsonValue, *, waited_for: bool) -> str:
        """Start a run of another workflow, once; none for a run that is to stop."""
        services, claim = self.services, self.claim
        async with services.database.transaction() as tx:
            await self._go_on(tx)
            return await start_child(
                tx, services.blobs, services.chooser, claim, self.step_key, workflow, value, waited_for=waited_for
            )

    async def child(self, run_id: str) -> steps.ChildRun:
        """Read how a child run stands; one that was cancelled together with this run is not looked at."""

        async def look(tx: db.Transaction) -> steps.ChildRun:
            await self._go_on(tx)
            return await read_child(tx, self.claim.organization_id, run_id)

        return await self.services.database.when_available(look)

    async def _go_on(self, tx: db.Transaction) -> None:
        if await engine.hold(tx, self.claim):
            raise RunCancelledError

    async def take_over(self, run_id: str, output: JsonValue) -> JsonValue:
        """Make the files of a finished child files of this run; a second call changes nothing."""
        async with self.services.database.transaction() as tx:
            return await take_over(tx, self.claim, self.step_key, self.step.name, run_id, output)

    @property
    def elapsed(self) -> float:
        """Seconds since the step first began, over all deliveries."""
        return (clock.now() - self.began_at).total_seconds()

    async def wait(self, seconds: float) -> None:
        """Return when so many seconds have passed since the step first began; beyond the first the run is suspended."""
        remaining = seconds - self.elapsed
        if seconds > HELD_WAIT_SECONDS and remaining > HELD_REST_SECONDS:
            raise steps.SuspendedError(self.began_at + timedelta(seconds=seconds))
        if remaining <= 0:
            return
        try:
            await asyncio.wait_for(self.claim.cancelled.wait(), timeout=remaining)
        except TimeoutError:
            return
        raise RunCancelledError
