"""What a run looks like on the wire."""

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from assay import clock, files, reviews, rollouts, runs, traces
from assay.api import feedback_bodies
from assay.clock import iso

Json = dict[str, Any]


def accepted(run: runs.RunSummary) -> Json:
    """A run that was started and has not ended."""
    return {"id": run.id, "type": run.kind, "finished": run.status.finished, "source": source(run)}


def summary(run: runs.RunSummary, review: reviews.ReviewSummary | None = None) -> Json:
    """A run as lists show it, with what is said of it."""
    body: Json = {
        "id": run.id,
        "type": run.kind,
        "finished": run.status.finished,
        "timing": {
            "createdAt": iso(run.created_at),
            "startedAt": run.started_at and iso(run.started_at),
            "completedAt": run.completed_at and iso(run.completed_at),
            "durationMs": run.duration_ms,
            "cancelRequestedAt": run.cancel_requested_at and iso(run.cancel_requested_at),
        },
        "source": source(run),
        "trigger": trigger(run),
        "execution": slim_execution(run, review),
        "error": run.error,
        "mode": run.mode,
        "reviewState": run.review_state,
        "sampled": run.sampled,
        "sampleRank": run.sample_rank,
        "tags": [],
        "versionReason": run.version_reason,
        "parentRunId": run.parent_run_id,
        "rootRunId": run.root_run_id,
    }
    if run.example_id is not None or run.batch_id is not None:
        body["eval"] = {
            "example": run.example_name,
            "exampleId": run.example_id,
            "score": run.score,
            "passed": run.passed,
        }
    return body


def source(run: runs.RunSummary) -> Json:
    """Which automation and version made the run."""
    return {
        "id": run.automation_id,
        "name": run.automation_name or run.automation_slug,
        "version": run.version_label,
        "versionId": run.version_id,
        "slug": run.automation_slug,
        "requestedRef": run.requested_ref,
        "currentVersion": run.current_version,
        **_FOUND,
    }


def queued(run_id: str, choice: rollouts.Choice) -> Json:
    """A run that this request has just queued: the same as `accepted`, without reading it again."""
    automation, chosen = choice.automation, choice.chosen
    of_run: Json = {
        "id": automation.id,
        "name": automation.name or automation.slug,
        "version": chosen.version_label,
        "versionId": chosen.version_id,
        "slug": automation.slug,
        "requestedRef": chosen.requested_ref,
        "currentVersion": automation.current_version_label,
        **_FOUND,
    }
    return {"id": run_id, "type": automation.kind, "finished": False, "source": of_run}


_FOUND: Json = {"model": None, "git": None, "implementationAvailable": True, "automationFound": True}


def trigger(run: runs.RunSummary) -> Json:
    """Who or what started the run."""
    person = run.triggered_by
    by = None if person is None else {"id": person.id, "name": person.name, "email": person.email}
    return {"type": run.trigger_type, "by": by, "email": None}


def slim_execution(run: runs.RunSummary, review: reviews.ReviewSummary | None) -> Json:
    """Where the run stands, and the runs it repeats or is repeated by."""
    following = None if run.next_run_id is None else {"id": run.next_run_id, "status": run.next_run_status or "pending"}
    return {
        "status": run.status.value,
        "schemaValid": run.schema_valid,
        "batchId": run.batch_id,
        "retry": {"number": run.retry_number, "previousRunId": run.previous_run_id, "nextRun": following},
        **({} if review is None else {"review": feedback_bodies.review_summary(review)}),
    }


def detail(run: runs.RunDetail, review: reviews.ReviewSummary | None = None) -> Json:
    """A run with what it left; what only a finished run has is there from the start, as null or empty."""
    body = summary(run.summary, review)
    body["output"] = run.output
    body["files"] = [artifact(found) for found in run.output_files]
    if run.failure is not None:
        body["execution"]["failure"] = {
            "code": run.failure.code,
            "message": run.failure.message,
            "step": run.failure.step,
            "category": run.failure.category,
            "statusCode": run.failure.status_code,
        }
    return body


def artifact(found: files.Artifact) -> Json:
    """A file of a run."""
    body: Json = {
        "name": found.name,
        "role": found.role,
        "path": found.path,
        "contentType": found.content_type,
        "size": found.size,
    }
    return body if found.step_name is None else {**body, "stepName": found.step_name}


def run_input(given: runs.RunInput, artifacts: Sequence[files.Artifact]) -> Json:
    """What the run was given."""
    body: Json = {"args": given.input, "metadata": given.metadata}
    inputs = [{"name": found.path.removeprefix("input/")} for found in artifacts if found.role == "input"]
    return {**body, "files": inputs}


def usage(run: runs.RunDetail) -> Json | None:
    """What the run used; null until it ended."""
    if not run.summary.status.finished:
        return None
    counted = run.usage if isinstance(run.usage, dict) else {}

    def amount(name: str, default: float | None = None) -> JsonValue:
        value = counted.get(name, default)
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return {
        "tokens": {name: amount(f"{name}Tokens", 0) for name in ("input", "output", "cacheRead", "cacheWrite")},
        "creditsCharged": None,
        "durationMs": run.summary.duration_ms,
        "llmCallCount": amount("llmCallCount", 0),
        "ocrPagesProcessed": amount("ocrPagesProcessed", 0),
        "visionPagesProcessed": amount("visionPagesProcessed", 0),
        "costUsd": amount("costUsd"),
        "unpricedCallCount": amount("unpricedCallCount", 0),
        "agentTurns": None,
    }


def full_execution(
    run: runs.RunDetail, steps: Sequence[traces.StepTrace], definition: JsonValue, overrides: JsonValue
) -> Json:
    """The execution with its steps."""
    body = detail(run)["execution"]
    return {
        **body,
        "steps": [step(found) for found in steps],
        "definitionSnapshot": definition,
        "overrides": overrides,
        "outputSources": run.output_sources,
    }


def step(found: traces.StepTrace) -> Json:
    """One executed step."""
    error = found.error if isinstance(found.error, dict) else None
    control = found.type.startswith("control.")
    config = {**found.config} if isinstance(found.config, dict) else {}
    if found.input is not None:
        config["input"] = found.input
    return {
        "id": f"step_{found.run_id}_{found.step_key}",
        "stepKey": found.step_key,
        "stepName": found.name,
        "stepType": found.type,
        "status": found.status,
        "skippedReason": found.skipped_reason,
        "input": found.input,
        "resolvedConfig": None if control else config,
        "output": found.output,
        "error": error and error.get("message"),
        "failure": error,
        "durationMs": found.duration_ms,
        "startedAt": iso(found.started_at),
        "completedAt": iso(found.completed_at),
        "executionOrder": found.execution_order,
        "overrideMode": found.override_mode,
        "scopeStack": found.scope,
        "attempts": _attempts(found, config),
        "usage": found.usage,
    }


def _attempts(found: traces.StepTrace, config: Json) -> list[Json]:
    """What was tried, where that was more than one success; a step is configured once for all its attempts."""
    tried = found.attempts if isinstance(found.attempts, list) else []
    return [{**attempt, "resolvedConfig": config} for attempt in tried if isinstance(attempt, dict)]


def event(found: runs.Event) -> Json:
    """One moment of the run's life."""
    return {
        "type": found.type,
        "timestamp": iso(found.at),
        "status": found.status,
        "message": found.message,
        "metadata": dict(found.metadata),
    }


def trace(run: runs.RunDetail, steps: Sequence[traces.StepTrace]) -> list[Json]:
    """The run's phases and steps, each with its beginning and end."""
    moment = run.summary
    waited: Json = {
        "type": "phase",
        "phase": "queued",
        "status": "completed" if moment.started_at else "running",
        "startedAt": iso(moment.created_at),
        "completedAt": moment.started_at and iso(moment.started_at),
    }
    if moment.started_at is None:
        return [waited]
    worked: Json = {
        "type": "phase",
        "phase": "running",
        "status": moment.status.value,
        "startedAt": iso(moment.started_at),
        "completedAt": iso(moment.completed_at or clock.now()) if moment.status.finished else None,
        "message": moment.error,
    }
    return [waited, worked, *(_traced(found) for found in steps)]


def _traced(found: traces.StepTrace) -> Json:
    body = step(found)
    return {
        **body,
        "type": "step",
        "phase": "running",
        "status": found.status,
        "message": body["error"] or found.skipped_reason,
    }


def comparison(before: runs.RunDetail, after: runs.RunDetail, compared: Sequence[runs.StepComparison]) -> Json:
    """Two runs side by side."""
    output = runs.differences(before.output, after.output)
    same_status = before.summary.status == after.summary.status
    settled = before.summary.status.finished and after.summary.status.finished
    verdict = "inconclusive" if not settled else "pass" if same_status and not output else "fail"
    return {
        "status": verdict,
        "before": {
            "id": before.summary.id,
            "status": before.summary.status.value,
            "version": before.summary.version_label,
        },
        "after": {"id": after.summary.id, "status": after.summary.status.value, "version": after.summary.version_label},
        "durationDeltaMs": _delta(before.summary.duration_ms, after.summary.duration_ms),
        "output": [_difference(found) for found in output],
        "steps": [
            {
                "stepKey": found.step_key,
                "stepName": found.name,
                "same": found.same,
                "beforeStatus": found.before_status,
                "afterStatus": found.after_status,
                "durationDeltaMs": found.duration_delta_ms,
                "output": [_difference(one) for one in found.differences],
            }
            for found in compared
        ],
    }


def _difference(found: runs.Difference) -> Json:
    return {"path": found.path, "kind": found.kind, "before": found.before, "after": found.after}


def _delta(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before
