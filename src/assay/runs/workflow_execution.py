"""How a workflow's steps are executed: in order, each one once, from wherever an earlier delivery got to."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import jsonschema_rs
from pydantic import JsonValue, ValidationError

from assay import access, automations, clock, engine, expressions, files, jsontext, steps
from assay.errors import AssayError, ErrorKind
from assay.outgoing import Outgoing
from assay.runs.children import MAX_CALLS, checked_input, refuse_call, with_files
from assay.runs.features import DocumentSeen
from assay.runs.overrides import OverrideMode, merged, override_mode
from assay.runs.payload_limits import check_config, check_held, output_text, traced
from assay.runs.retrying import PASSING_CATEGORIES, Decision, decide
from assay.runs.step_context import RunCancelledError, Services, StepRunContext

log = logging.getLogger(__name__)

MAX_KEPT_VALIDATORS = 256
WAITING_TYPES = frozenset({"control.wait", "action.invoke-workflow"})
ROOT = steps.ScopeEntry("root", "")


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds that a run, and a step that says nothing else, may take."""

    run: float = 3600.0
    step: float = 600.0


class _StepFailedError(Exception):
    """A step failed, and with it the run."""

    def __init__(self, step: str, error: steps.StepError) -> None:
        super().__init__(error.message)
        self.step = step
        self.error = error
        self.within = ""

    def of_block(self) -> steps.StepError:
        """Say it of the step around the failed one, naming the branch or item it failed in."""
        message = f"In {self.within}, the step {self.step} failed: {self.error.message}"
        return steps.StepError(self.error.code, message, category=self.error.category, hint=self.error.hint)


@dataclass(slots=True)
class _Place:
    """Where in the workflow execution is: what templates can see, and the way down from the root."""

    definition: automations.WorkflowDefinition
    visible: dict[str, JsonValue]
    stack: tuple[steps.ScopeEntry, ...] = (ROOT,)
    prefix: str = ""
    callers: tuple[str, ...] = ()
    held: int = 0
    """Characters of the outputs in it."""
    last_held: int = 0
    """Those of the last one."""

    def steps_seen(self) -> dict[str, JsonValue]:
        return cast("dict[str, JsonValue]", self.visible["steps"])


@dataclass(slots=True)
class _Attempt:
    """One step while it runs: what its row will say."""

    spec: steps.StepSpec
    key: str
    order: int
    place: _Place
    started_at: datetime = field(default_factory=clock.now)
    config: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    override: OverrideMode | None = None
    effect: steps.Effect = steps.Effect.PURE
    context: StepRunContext | None = None
    tries: list[JsonValue] = field(default_factory=list[JsonValue])
    usage: dict[str, float] = field(default_factory=dict[str, float])
    """Of all its tries."""
    skipped_reason: str | None = None
    recorded: bool = False
    held_inside: int = 0
    """Characters that isolated blocks handed on, and that its own output will stand for."""


@dataclass(slots=True)
class WorkflowExecution:
    """Executes one claimed run of a workflow. Use once."""

    definition: automations.WorkflowDefinition
    claim: engine.Claim
    journal: engine.Journal
    services: Services
    limits: TimeLimits
    seen: DocumentSeen = field(default_factory=DocumentSeen)
    _order: int = 0
    _usage: dict[str, float] = field(default_factory=dict[str, float])
    _current: _Attempt | None = None
    _held: int = 0
    _taken: frozenset[int] = frozenset()
    _trying: dict[str, _Attempt] = field(default_factory=dict[str, _Attempt])
    """Steps whose failed tries are committed, and that have not ended yet."""
    _made: dict[str, None] | None = None
    """Paths of the run's files, once somebody asked."""
    _outgoing: Outgoing | None = None
    _looking_up: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> engine.Outcome:
        """Execute what is not yet recorded and say how the run ended.

        Raises:
            SupersededError: another worker holds the run now.
        """
        outcome = await self._outcome()
        if not isinstance(outcome, engine.Suspended):
            for left in list(self._trying.values()):
                await self._record(left, "cancelled")
        return outcome

    async def _outcome(self) -> engine.Outcome:
        self._taken = frozenset(record.execution_order for record in self.claim.recorded.values())
        place = _outermost(self.definition, cast("dict[str, JsonValue]", self.claim.input))
        whole = asyncio.timeout(self._time_left())
        try:
            async with whole:
                await self._run_steps(self.definition.steps, place)
                return self._completed(place)
        except steps.SuspendedError as pause:
            return engine.Suspended(pause.until)
        except RunCancelledError:
            return engine.Cancelled(self._usage_text())
        except TimeoutError:
            if not whole.expired():
                raise
            return await self._timed_out()
        except _StepFailedError as failure:
            error = failure.error
            return engine.Failed(
                error.code, error.message, failure.step, error.category, error.status_code, self._usage_text()
            )

    def _time_left(self) -> float:
        """A run that waited on purpose has its whole time again: waiting is not working."""
        if any(record.type in WAITING_TYPES for record in self.claim.recorded.values()):
            return self.limits.run
        return max(0.0, self.limits.run - (clock.now() - self.claim.started_at).total_seconds())

    async def _timed_out(self) -> engine.Outcome:
        error = steps.StepError(
            "run_timeout", f"The run took longer than {self.limits.run:g} seconds.", category="timeout"
        )
        name = None
        if self._current is not None and not self._current.recorded:
            name = self._current.spec.name
            await self._record(self._current, "failure", error=error)
        return engine.Failed(error.code, error.message, name, error.category, usage=self._usage_text())

    def _completed(self, place: _Place) -> engine.Outcome:
        try:
            output = _output_of_workflow(place)
            text = output_text(output)
        except (AssayError, ValueError) as error:
            failure = _as_step_error(error)
            return engine.Failed(
                failure.code, f"output: {failure.message}", category=failure.category, usage=self._usage_text()
            )
        sources = jsontext.dump(dict(self.definition.output_sources))
        valid = _fits(self.claim.version_id, self.definition.output_schema, output)
        return engine.Completed(text, sources, valid, self._usage_text())

    def _usage_text(self) -> str | None:
        return jsontext.dump_or_none(self._usage or None)

    # --- steps in order

    async def _run_steps(self, specs: tuple[steps.StepSpec, ...], place: _Place) -> steps.BlockResult:
        outputs: dict[str, JsonValue] = {}
        for spec in specs:
            if self.claim.cancelled.is_set():
                raise RunCancelledError
            recorded = self.claim.recorded.get(place.prefix + spec.name)
            if recorded is not None and _stands_for_itself(recorded, spec):
                ran, output = self._replayed(recorded)
                self._hold(place, len(recorded.output or ""))
            else:
                ran, output = await self._run_step(spec, place)
            place.steps_seen()[spec.name] = {"output": output, "status": "success" if ran else "skipped"}
            if ran:
                self.seen.notice(spec.type_name, output)
                outputs[spec.name] = output
        return steps.BlockResult(outputs)

    async def _run_block(
        self, specs: tuple[steps.StepSpec, ...], place: _Place, scope: steps.ScopeEntry
    ) -> steps.BlockResult:
        try:
            return await self._run_steps(specs, place)
        except _StepFailedError as failure:
            failure.within = _scope_label(scope)
            raise

    def _replayed(self, recorded: engine.StepRecord) -> tuple[bool, JsonValue]:
        """Take a step's outcome from its row instead of running it again."""
        self._order = max(self._order, recorded.execution_order + 1)
        self._add_usage(jsontext.load(recorded.usage) or {})
        if recorded.status == "failure":
            error = jsontext.load(recorded.error)
            failure = steps.StepError(
                error["code"], error["message"], category=error["category"], status_code=error.get("statusCode")
            )
            raise _StepFailedError(recorded.name, failure)
        return recorded.status != "skipped", jsontext.load(recorded.output)

    async def _run_step(self, spec: steps.StepSpec, place: _Place) -> tuple[bool, JsonValue]:
        attempt = self._current = self._begun(spec, place)
        try:
            if spec.condition is not None and not expressions.is_true(
                cast("str | bool", spec.condition), place.visible
            ):
                attempt.skipped_reason = "condition"
                await self._record(attempt, "skipped")
                return False, None
            output = await self._output_of(attempt)
            text = output_text(output)
            check_held(self._held + len(text) - attempt.held_inside)
            await self._record(attempt, "success", output=text)
        except steps.SkippedError as skip:
            attempt.skipped_reason = skip.reason
            await self._record(attempt, "skipped", output=output_text(skip.output))
            return False, skip.output
        except steps.SuspendedError:
            if not spec.blocks:
                await self._record(attempt, "waiting")
            raise
        except _StepFailedError as failure:
            await self._record(attempt, "failure", error=failure.of_block())
            raise
        except RunCancelledError:
            await self._record(attempt, "cancelled")
            raise
        except engine.SupersededError:
            raise
        except (AssayError, ValueError) as error:
            raise await self._failed(attempt, _as_step_error(error)) from error
        except Exception as error:
            log.exception("The step %r of run %s failed inside assay.", spec.name, self.claim.run_id)
            message = "assay itself failed while it ran this step; the server's log says more."
            raise await self._failed(attempt, steps.StepError("internal_error", message)) from error
        self._hold(place, len(text), instead_of=attempt.held_inside)
        return True, output

    def _hold(self, place: _Place, characters: int, *, instead_of: int = 0) -> None:
        place.held += characters
        place.last_held = characters
        self._held += characters - instead_of

    def _leave_block(self, attempt: _Attempt, place: _Place, *, isolated: bool) -> None:
        """Count what a block made: outputs of an isolated one are gone, but for the last."""
        if not isolated:
            attempt.place.held += place.held
            return
        self._held -= place.held - place.last_held
        attempt.held_inside += place.last_held

    async def _failed(self, attempt: _Attempt, error: steps.StepError) -> _StepFailedError:
        await self._record(attempt, "failure", error=error)
        return _StepFailedError(attempt.spec.name, error)

    def _begun(self, spec: steps.StepSpec, place: _Place) -> _Attempt:
        """Begin a step, or take up one that has a row: it keeps its place in the order and the time it began."""
        key = place.prefix + spec.name
        before = self.claim.recorded.get(key)
        if before is not None:
            self._order = max(self._order, before.execution_order + 1)
            begun = _Attempt(spec, key, before.execution_order, place, before.started_at)
            if before.attempts is not None:
                begun.tries, begun.usage = jsontext.load(before.attempts), jsontext.load(before.usage) or {}
                self._trying[key] = begun
            return begun
        while self._order in self._taken:  # by a step beside this one, that an earlier delivery recorded
            self._order += 1
        self._order += 1
        return _Attempt(spec, key, self._order - 1, place)

    async def _output_of(self, attempt: _Attempt) -> JsonValue:
        kind = steps.catalogue()[attempt.spec.type_name]
        override = self._override_for(attempt.spec.name)
        if override is not None:
            override = kind.completed_stub(override)
            attempt.override = override_mode(override, kind.override_schema_of(attempt.spec.config))
            if attempt.override == "skipped":
                return dict(override)
        attempt.config = _resolved_config(kind, attempt.spec.config, attempt.place.visible)
        check_config(dict(attempt.config))
        step = _configured(kind, attempt.config)
        attempt.effect = step.effect_now()
        if attempt.effect is not steps.Effect.PURE:
            await self.journal.flush()  # it may take long: what came before is seen, and not done again after a crash
        output = await self._tried(step, attempt)
        return output if override is None else merged(output, dict(override))

    async def _tried(self, step: steps.Step, attempt: _Attempt) -> JsonValue:
        """Run the step, again where its failure passes and repeating it is safe."""
        while True:
            began = clock.now()
            try:
                with ExitStack() as resources:
                    attempt.context = self._context(attempt, resources)
                    output = await self._within_limits(step, attempt)
            except steps.StepError as error:
                decision = decide(
                    attempt.spec.retry or attempt.place.definition.settings.retry, step, error, len(attempt.tries) + 1
                )
                attempt.tries.append(_failed_try(len(attempt.tries) + 1, began, error, decision, step))
                if decision.delay is None:
                    raise
                await self._keep_tries(attempt)
                await self._pause(decision.delay)
                continue
            if attempt.tries:
                attempt.tries.append(_try(len(attempt.tries) + 1, began, "success"))
            return output

    async def _keep_tries(self, attempt: _Attempt) -> None:
        """Commit what was tried so far: a delivery after a crash goes on counting."""
        self._trying[attempt.key] = attempt
        await self.journal.record(self._row(attempt, "waiting"), commit=True)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.claim.cancelled.wait(), timeout=seconds)
        except TimeoutError:
            return
        raise RunCancelledError

    def _override_for(self, name: str) -> Mapping[str, JsonValue] | None:
        overrides = self.claim.overrides
        of_steps = overrides.get("steps") if isinstance(overrides, dict) else None
        found = of_steps.get(name) if isinstance(of_steps, dict) else None
        return found if isinstance(found, dict) else None

    def _context(self, attempt: _Attempt, resources: ExitStack) -> StepRunContext:
        async def run_block(
            name: str, scope: steps.ScopeEntry, variables: Mapping[str, JsonValue]
        ) -> steps.BlockResult:
            block, place = attempt.spec.blocks[name], _inner_place(attempt, name, scope, variables)
            result = await self._run_block(block.steps, place, scope)
            self._leave_block(attempt, place, isolated=block.shape.isolated)
            return result

        async def invoke(workflow: str, value: JsonValue) -> JsonValue:
            return await self._invoke(attempt, workflow, value)

        default_model = attempt.place.definition.default_model
        version_id = attempt.place.callers[-1] if attempt.place.callers else self.claim.version_id
        return StepRunContext(
            self.services,
            self.claim,
            attempt.spec,
            attempt.key,
            run_block,
            invoke,
            self._reaching,
            default_model,
            version_id,
            attempt.started_at,
            resources,
            attempt.usage,
        )

    async def _reaching(self) -> Outgoing:
        """Look up once what this run may reach: what the server allows everybody, and its organization's own list."""
        async with self._looking_up:
            if self._outgoing is None:
                own = await self.services.database.when_available(
                    lambda tx: access.allow_list(tx, self.claim.organization_id)
                )
                self._outgoing = self.services.outgoing.allowing(own)
            return self._outgoing

    async def _invoke(self, attempt: _Attempt, workflow: str, value: JsonValue) -> JsonValue:
        """Run another workflow's steps in a scope of their own inside this run."""
        chosen = await self.services.database.when_available(
            lambda tx: self.services.chooser(tx, self.claim.organization_id, workflow)
        )
        callers = (*attempt.place.callers, chosen.version_id)
        if chosen.version_id in {self.claim.version_id, *attempt.place.callers} or len(callers) > MAX_CALLS:
            refuse_call(workflow)
        definition = await self.services.database.when_available(
            lambda tx: automations.definition_of(tx, self.claim.organization_id, chosen.version_id)
        )
        scope = steps.ScopeEntry("inline-invoke", attempt.spec.name, workflow, {"workflow": workflow})
        place = _outermost(definition, checked_input(definition, workflow, value))
        place.stack = (*attempt.place.stack, scope)
        place.prefix = f"{attempt.key}/{_scope_label(scope)}/"
        place.callers = callers
        await self._run_block(definition.steps, place, scope)
        self._leave_block(attempt, place, isolated=True)
        return with_files(_output_of_workflow(place), await self._made_below(attempt.key))

    async def _made_below(self, key: str) -> list[str]:
        """Return the paths of what the steps inside this one made, those of earlier deliveries too."""
        if self._made is None:
            before = await self.services.database.when_available(
                lambda tx: files.list_artifacts(tx, self.claim.organization_id, self.claim.run_id)
            )
            self._made = dict.fromkeys(artifact.path for artifact in before)
        return [path for path in self._made if path.startswith(f"output/{key}/")]

    async def _within_limits(self, step: steps.Step, attempt: _Attempt) -> JsonValue:
        """Run the step under its time limit; a cancellation interrupts it where that leaves nothing half done."""
        assert attempt.context is not None
        milliseconds = attempt.spec.timeout_ms or attempt.place.definition.settings.timeout_ms
        limit = milliseconds / 1000 if milliseconds else self.limits.step
        waits = attempt.spec.type_name.startswith("control.") or attempt.spec.type_name in WAITING_TYPES
        running = asyncio.timeout(None if waits and not milliseconds else limit)
        try:
            async with running:
                if attempt.effect is steps.Effect.READ and not waits:
                    return await self._interruptible(step, attempt.context)
                return await step.run(attempt.context)
        except TimeoutError as error:
            if not running.expired():
                raise
            message = f"The step took longer than {limit:g} seconds."
            raise steps.StepError("step_timeout", message, category="timeout") from error

    async def _interruptible(self, step: steps.Step, context: StepRunContext) -> JsonValue:
        working = asyncio.ensure_future(step.run(context))
        stopped = asyncio.ensure_future(self.claim.cancelled.wait())
        try:
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise RunCancelledError
            return working.result()
        finally:
            stopped.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait({working})

    # --- rows

    async def _record(
        self,
        attempt: _Attempt,
        status: engine.StepStatus,
        *,
        output: str | None = None,
        error: steps.StepError | None = None,
    ) -> None:
        record = self._row(attempt, status, output=output, error=error)
        expensive = attempt.effect is not steps.Effect.PURE and not attempt.spec.blocks and status == "success"
        attachment = attempt.context.attachment() if attempt.context and status == "success" else None
        await self.journal.record(record, commit=expensive, attachment=attachment)
        attempt.recorded = True
        if attachment is not None and attempt.context and self._made is not None:
            self._made |= dict.fromkeys(artifact.path for artifact, _ in attempt.context.kept)
        self._trying.pop(attempt.key, None)
        self._add_usage(attempt.usage)

    def _row(
        self,
        attempt: _Attempt,
        status: engine.StepStatus,
        *,
        output: str | None = None,
        error: steps.StepError | None = None,
    ) -> engine.StepRecord:
        kind = steps.catalogue()[attempt.spec.type_name]
        shown = kind.shown(attempt.config)
        config = {key: value for key, value in shown.items() if key != "input"}
        return engine.StepRecord(
            step_key=attempt.key,
            execution_order=attempt.order,
            name=attempt.spec.name,
            type=attempt.spec.type_name,
            status=status,
            started_at=attempt.started_at,
            completed_at=clock.now(),
            scope=_scope_text(attempt.place.stack),
            config=traced(None if kind.config_beside_type else config),
            input=traced(shown.get("input")),
            output=output,
            error=None if error is None else jsontext.dump(_error_json(error)),
            usage=jsontext.dump_or_none(attempt.usage or None),
            attempts=jsontext.dump_or_none(attempt.tries or None),
            skipped_reason=attempt.skipped_reason,
            override_mode=attempt.override,
        )

    def _add_usage(self, usage: Mapping[str, float]) -> None:
        for name, amount in usage.items():
            self._usage[name] = self._usage.get(name, 0) + amount


_output_validators: dict[str, jsonschema_rs.Draft202012Validator] = {}


def _fits(version_id: str, schema: Mapping[str, Any] | None, output: JsonValue) -> bool | None:
    """Tell whether the output is what the version promises; None if it promises nothing."""
    if schema is None:
        return None
    validator = _output_validators.get(version_id)
    if validator is None:
        if len(_output_validators) >= MAX_KEPT_VALIDATORS:
            _output_validators.clear()
        validator = _output_validators[version_id] = jsonschema_rs.Draft202012Validator(dict(schema))
    return validator.is_valid(output)


def _outermost(definition: automations.WorkflowDefinition, value: Mapping[str, JsonValue]) -> _Place:
    """Enter a workflow: its steps see its inputs, absent ones as null, and nothing else."""
    missing: dict[str, JsonValue] = dict.fromkeys(definition.inputs.names)
    return _Place(definition, {"input": missing | dict(value), "steps": {}, "env": {}})


def _output_of_workflow(place: _Place) -> JsonValue:
    output = place.definition.output
    if output is None:
        return {}
    return expressions.resolve(output if isinstance(output, str) else dict(output), place.visible)


def _stands_for_itself(recorded: engine.StepRecord, spec: steps.StepSpec) -> bool:
    """Whether a recorded row is all that later steps need.

    A block that shares its scope is walked through again, and one that failed too: the step in it says why.
    """
    if recorded.status == "waiting" or (recorded.status == "failure" and spec.blocks):
        return False
    return all(block.shape.isolated for block in spec.blocks.values())


def _inner_place(attempt: _Attempt, block: str, scope: steps.ScopeEntry, variables: Mapping[str, JsonValue]) -> _Place:
    """Enter a block: its steps see everything outside; an isolated block keeps its own results to itself."""
    outer = attempt.place
    seen = outer.steps_seen()
    isolated = attempt.spec.blocks[block].shape.isolated
    inner_steps: JsonValue = dict(seen) if isolated else seen
    visible: dict[str, JsonValue] = {**outer.visible, **variables, "steps": inner_steps}
    prefix = f"{attempt.key}/{_scope_label(scope)}/" if isolated or variables else outer.prefix
    return _Place(outer.definition, visible, (*outer.stack, scope), prefix, outer.callers)


def _scope_label(scope: steps.ScopeEntry) -> str:
    return f"{scope.kind}:{scope.key}" if scope.key else scope.kind


def _resolved_config(
    kind: type[steps.Step], config: Mapping[str, JsonValue], visible: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Fill in the templates. What stands beside a false condition is not looked at: it need not make sense."""
    resolved: dict[str, JsonValue] = {
        name: expressions.is_true(cast("str | bool", config[name]), visible)
        for name in kind.conditions
        if name in config
    }
    as_written = False in resolved.values()
    for name, value in config.items():
        if name in resolved:
            continue
        literal = as_written or name in kind.literals
        resolved[name] = value if literal else expressions.resolve(value, visible)
    return resolved


def _configured(kind: type[steps.Step], config: Mapping[str, JsonValue]) -> steps.Step:
    if any(config.get(name) is False for name in kind.conditions):
        return kind.model_construct(None, **config)
    try:
        step = kind.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        message = f"{path}: {first['msg']}"
        raise steps.StepError("validation_failed", message, category="validation") from error
    for path, message, code in step.problems():
        raise steps.StepError(code, f"{path}: {message}", category="validation")
    return step


def _as_step_error(error: AssayError | ValueError) -> steps.StepError:
    if isinstance(error, steps.StepError):
        return error
    if isinstance(error, AssayError):
        category = "temporarily_unavailable" if error.kind is ErrorKind.UNAVAILABLE else "validation"
        return steps.StepError(error.code, error.message, category=category, hint=error.hint)
    return steps.StepError("invalid_output", str(error), category="validation")


def _try(number: int, began: datetime, status: str) -> dict[str, JsonValue]:
    return {
        "attemptNumber": number,
        "status": status,
        "startedAt": clock.iso(began),
        "completedAt": clock.iso(clock.now()),
    }


def _failed_try(
    number: int, began: datetime, error: steps.StepError, decision: Decision, step: steps.Step
) -> dict[str, JsonValue]:
    failure: dict[str, JsonValue] = {
        "code": error.code,
        "category": error.category,
        "message": error.message,
        "transient": error.category in PASSING_CATEGORIES,
        "retryAfterMs": error.retry_after_ms,
        "httpStatus": error.http_status,
        "provider": error.provider,
    }
    decided: dict[str, JsonValue] = {"reason": decision.reason, "delayMs": decision.delay and decision.delay * 1000}
    return {
        **_try(number, began, "failure"),
        "failure": {name: value for name, value in failure.items() if value is not None},
        "retryDecision": decided,
        "replaySafe": step.replay_safe,
    }


def _error_json(error: steps.StepError) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"code": error.code, "message": error.message, "category": error.category}
    if error.hint is not None:
        found["hint"] = error.hint
    if error.status_code is not None:
        found["statusCode"] = error.status_code
    return found


def _scope_text(stack: tuple[steps.ScopeEntry, ...]) -> str:
    return jsontext.dump([{"type": entry.kind, "step": entry.step or None, **entry.detail} for entry in stack])
