"""Into which stratum a run falls: the first one whose condition is true of it.

A condition is one `{{ expression }}` over what is known when the run ends:

| name | what it is |
| --- | --- |
| `run` | `{id, mode, triggerType, createdAt, startedAt, fileType, fileSize}` |
| `input`, `output`, `metadata` | of the run, as they are |
| `confidence` | the lowest that a step gave one of its values: `low`, `medium`, `high`; nil where none did |
| `version` | `{id, age, runs, firstRuns}`: days since it first became current (else was pushed), how many live and |
| | shadow runs of it had completed (up to 1,000, and up to ten seconds ago), whether those were fewer than 100 |

What is missing is nil. A condition that cannot be evaluated is not true, so its runs fall into what follows it.
"""

import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictStr

from assay import clock, engine, expressions, jsontext, runs
from assay.errors import Issue

log = logging.getLogger(__name__)

MAX_STRATA = 20
MAX_CONDITION = 1_000
FIRST_RUNS = 100
MOST_RUNS_COUNTED = 1_000
KNOWN: Set[str] = {"run", "input", "output", "metadata", "confidence", "version"}

Rate = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]


class Stratum(BaseModel):
    """Runs that are drawn with a rate of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StrictStr = Field(
        min_length=1, max_length=64, pattern=r"^\S(.*\S)?$", description="What the runs of it remember it as."
    )
    when: StrictStr = Field(
        min_length=1,
        max_length=MAX_CONDITION,
        description="A condition as one {{ expression }} over run, input, output, metadata, confidence, version;"
        " `{{ confidence == 'low' }}`, `{{ version.firstRuns }}`, `{{ metadata.customer == 'new' }}`.",
    )
    rate: Rate = Field(description="Share of its runs that is drawn.")


@dataclass(frozen=True, slots=True)
class VersionAge:
    """How new a version is: days since it first became current, and runs of it that completed, up to 1,000."""

    days: float
    runs: int


def condition_problems(condition: str, field: str) -> list[Issue]:
    """List what is wrong with how a condition is written."""
    bare = condition.strip()
    if bare in {"true", "false"}:
        return []
    if not (bare.startswith("{{") and bare.endswith("}}")) or bare.count("{{") > 1 or "{%" in bare:
        message = "A condition is one {{ expression }}, as {{ confidence == 'low' }}."
        return [Issue(field, message, "invalid_condition")]
    found = expressions.check(condition)
    if found:
        return [Issue(field, issue.message, issue.code, hint=issue.hint) for issue in found]
    unknown = sorted(_roots(condition) - KNOWN)
    if unknown:
        message = f"A condition knows nothing of {', '.join(unknown)}; known are {', '.join(sorted(KNOWN))}."
        return [Issue(field, message, "unknown_name")]
    return []


def reads(strata: Sequence[Stratum]) -> frozenset[str]:
    """Name what the conditions look at."""
    found: set[str] = set()
    for stratum in strata:
        try:
            found |= _roots(stratum.when)
        except expressions.TemplateError:
            continue  # it was written for another assay, and will not be true
    return frozenset(found)


def stratum_of(
    strata: Sequence[Stratum],
    wanted: Set[str],
    claim: engine.Claim,
    ended: engine.Completed,
    confidence: runs.Confidence | None,
    version: VersionAge | None,
) -> Stratum | None:
    """Return the first stratum whose condition is true of a run. `wanted` is what `reads` gave for the strata."""
    scope: dict[str, JsonValue] = {"input": claim.input, "metadata": claim.metadata, "confidence": confidence}
    # These cost something, so they are there for those who look at them.
    if "run" in wanted:
        scope["run"] = _run(claim)
    if "version" in wanted:
        scope["version"] = _version(claim, version)
    if "output" in wanted:
        scope["output"] = jsontext.load(ended.output)
    return next((stratum for stratum in strata if _is_true(stratum, scope, claim)), None)


def _is_true(stratum: Stratum, scope: Mapping[str, JsonValue], claim: engine.Claim) -> bool:
    try:
        return expressions.is_true(stratum.when, scope)
    except expressions.TemplateError as error:
        log.info("Stratum %r of %s: %s", stratum.name, claim.automation_id, error.message[:200])
        return False


def _roots(condition: str) -> set[str]:
    return {str(reference.path[0]) for reference in expressions.references(condition)}


def _run(claim: engine.Claim) -> dict[str, JsonValue]:
    return {
        "id": claim.run_id,
        "mode": claim.mode,
        "triggerType": claim.trigger_type,
        "createdAt": clock.iso(claim.created_at),
        "startedAt": clock.iso(claim.started_at),
        "fileType": claim.file_type,
        "fileSize": claim.file_size,
    }


def _version(claim: engine.Claim, version: VersionAge | None) -> dict[str, JsonValue]:
    if version is None:
        return {"id": claim.version_id}
    return {
        "id": claim.version_id,
        "age": version.days,
        "runs": version.runs,
        "firstRuns": version.runs < FIRST_RUNS,
    }
