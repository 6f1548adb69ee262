"""Shadow comparison: what the process before made of the same input stands beside a run, and is compared with it.

A difference says that the two are not the same, and nothing of who is right; that is for people to say, and where
they have, the figures say it, too. Fields that the process before does not have are not compared.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictInt, StrictStr, ValidationError

from assay import access, automations, clock, db, evaluators, jsontext
from assay.errors import InvalidValueError, Issue
from assay.reviews import incumbent_store as store
from assay.reviews.errors import IncumbentNotFoundError, InvalidIncumbentsError, TooManyIncumbentsError
from assay.reviews.incumbent_store import Attached, Compared, Pair
from assay.runs import RunNotFinishedError, RunNotFoundError
from assay.statistics import Interval, wilson

MOST_AT_ONCE = 10_000
"""Outputs that one call may bring, and runs that a figure is computed from."""
MATCHED_DAYS = 90
"""How old a run may be that metadata finds."""
MAX_OUTPUT_BYTES = 1_000_000
_MOST_ISSUES = 1_000
_BATCH = 200


class Match(BaseModel):
    """A run by what its caller gave along with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: StrictStr = Field(min_length=1, max_length=200, description="A key of the run's `metadata`.")
    value: StrictStr | StrictInt | StrictBool = Field(description="What it has there; compared as text.")

    @property
    def text(self) -> str:
        """The value as the database writes it."""
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)


class IncumbentOutput(BaseModel):
    """What the process before made of a run's input; the run is named by id, or found by its metadata."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    run_id: StrictStr | None = Field(default=None, alias="runId", max_length=64, description="The run.")
    match: Match | None = Field(default=None, description="Else how to find it; exactly one run has to fit.")
    output: JsonValue = Field(description="The output, with fields named as in the run's.")
    source: StrictStr | None = Field(default=None, max_length=200, description="Your name for where it comes from.")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: `added` runs have an incumbent for the first time, `replaced` had another."""

    added: int
    replaced: int
    run_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Judged:
    """Who is right in a field, of runs of which people said what is: counts, of `runs` of them."""

    runs: int = 0
    run_right: int = 0
    incumbent_right: int = 0
    both_right: int = 0

    @property
    def run_interval(self) -> Interval:
        """Where the share of runs that are right lies."""
        return wilson(self.run_right, self.runs)

    @property
    def incumbent_interval(self) -> Interval:
        """Where the share of incumbents that are right lies."""
        return wilson(self.incumbent_right, self.runs)


@dataclass(frozen=True, slots=True)
class FieldAgreement:
    """How often run and incumbent say the same in a top-level field; `judged` is None where no human verdict helps."""

    name: str
    compared: int
    agreed: int
    judged: Judged | None

    @property
    def interval(self) -> Interval:
        """Where the rate of agreement lies: Wilson's 95 % interval."""
        return wilson(self.agreed, self.compared)


@dataclass(frozen=True, slots=True)
class IncumbentAgreement:
    """The agreement of an automation with the process before.

    `runs` were compared, `identical` of them in every field. `judged` have a human verdict that says what is right,
    `judged_at_random` of them because they were drawn. `without_output` ended without one, `unfinished` have not
    ended, `not_comparable` are too large. `truncated`: there are more runs, older than these.
    """

    runs: int
    identical: int
    judged: int
    judged_at_random: int
    without_output: int
    unfinished: int
    not_comparable: int
    truncated: bool
    fields: Sequence[FieldAgreement]

    @property
    def interval(self) -> Interval:
        """Where the share of identical runs lies."""
        return wilson(self.identical, self.runs)


@dataclass(frozen=True, slots=True)
class ThreeWay:
    """Who is right, by field, where a person said what is."""

    run_right: Mapping[str, bool]
    incumbent_right: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class IncumbentDifference:
    """A run beside its incumbent: which fields are the same, where values differ, and who is right where it is known.

    `mismatches` are `{path, incumbent, run, reason?}`.
    """

    pair: Pair
    fields: Mapping[str, bool]
    mismatches: Sequence[JsonValue]
    judged: ThreeWay | None


@dataclass(slots=True)
class _Tally:
    compared: Counter[str] = field(default_factory=Counter[str])
    agreed: Counter[str] = field(default_factory=Counter[str])
    judged: Counter[str] = field(default_factory=Counter[str])
    run_right: Counter[str] = field(default_factory=Counter[str])
    incumbent_right: Counter[str] = field(default_factory=Counter[str])
    both_right: Counter[str] = field(default_factory=Counter[str])

    def add(self, fields: Mapping[str, bool]) -> None:
        self.compared.update(fields.keys())
        self.agreed.update(name for name, same in fields.items() if same)

    def judge(self, found: ThreeWay) -> None:
        for name, right in found.incumbent_right.items():
            self.judged[name] += 1
            self.incumbent_right[name] += right
            self.run_right[name] += found.run_right[name]
            self.both_right[name] += right and found.run_right[name]

    def fields(self) -> list[FieldAgreement]:
        return [FieldAgreement(name, count, self.agreed[name], self._judged(name)) for name, count in self._ordered()]

    def _ordered(self) -> list[tuple[str, int]]:
        return sorted(self.compared.items(), key=lambda one: (self.agreed[one[0]] / one[1], one[0]))

    def _judged(self, name: str) -> Judged | None:
        count = self.judged[name]
        if not count:
            return None
        return Judged(count, self.run_right[name], self.incumbent_right[name], self.both_right[name])


async def import_incumbents(
    tx: db.Transaction, caller: access.Caller, automation_id: str, outputs: Sequence[JsonValue]
) -> Imported:
    """Attach outputs of the process before to runs of an automation; all of them, or none. A second call replaces.

    Each is like an `IncumbentOutput`. Runs need not have ended.

    Raises:
        AutomationNotFoundError: there is no such automation.
        TooManyIncumbentsError: there are more than 10,000.
        InvalidIncumbentsError: an issue for each that is wrong, or has no run of its own; the first 1,000.
    """
    automation = await automations.get(tx, caller.organization_id, automation_id)
    if len(outputs) > MOST_AT_ONCE:
        raise TooManyIncumbentsError
    parsed, issues = await asyncio.to_thread(_parsed, outputs)
    places = await _places(tx, caller.organization_id, automation.id, parsed, issues)
    if issues:
        raise _invalid(issues, len(outputs))
    wanted = [Attached(places[index], one.output, one.source) for index, one in parsed.items()]
    added = await store.attach(tx, caller.organization_id, wanted, caller.user_id)
    if wanted:
        await access.record_by(tx, caller, "incumbents.imported", automation.id, {"added": added, "of": len(wanted)})
    return Imported(added, len(wanted) - added, [one.run_id for one in wanted])


async def set_incumbent(
    tx: db.Transaction, caller: access.Caller, run_id: str, output: JsonValue, *, source: str | None = None
) -> IncumbentDifference | None:
    """Attach an output of the process before to a run, over what it had; return the comparison, if the run has ended.

    Raises:
        RunNotFoundError: the organization has no such run.
        InvalidIncumbentsError: the output is null, or larger than 1 MB.
    """
    issues = [Issue("output", problem, "invalid_value") for problem in _output_problems(output)]
    if issues:
        raise InvalidIncumbentsError(issues[0].message, issues=issues)
    before = await _pair(tx, caller.organization_id, run_id)
    await store.attach(tx, caller.organization_id, [Attached(run_id, output, source)], caller.user_id)
    await access.record_by(tx, caller, "incumbent.set", run_id, {"replaced": before.is_attached})
    return None if before.outcome is None else await incumbent_difference(tx, caller.organization_id, run_id)


async def incumbent_difference(tx: db.Transaction, organization_id: str, run_id: str) -> IncumbentDifference:
    """Compare a run that has ended with its incumbent.

    Raises:
        RunNotFoundError: the organization has no such run.
        RunNotFinishedError: it has not ended.
        IncumbentNotFoundError: it has no incumbent.
        EvaluatorError: the outputs are too large, or too deep, to be compared.
    """
    pair = await _pair(tx, organization_id, run_id)
    if not pair.is_attached:
        raise IncumbentNotFoundError
    if pair.outcome is None:
        raise RunNotFinishedError
    _, judge = await _judge(tx, organization_id, pair.automation_id)
    try:
        return await asyncio.to_thread(_compare, pair, judge)
    except evaluators.EvaluatorError as error:
        raise InvalidValueError(str(error), hint=error.hint) from error


async def incumbent_agreement(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    mode: Literal["live", "shadow"] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> IncumbentAgreement:
    """Say how far an automation agrees with the process before: of the newest 10,000 runs that began in a time.

    Compared is by the rules of the `exact-diff` that is in force now; what was compared once is remembered.

    Raises:
        AutomationNotFoundError: there is no such automation.
    """
    automation = await automations.get(tx, organization_id, automation_id)
    found = await store.compared(
        tx, organization_id, automation.id, mode=mode, since=since, until=until, limit=MOST_AT_ONCE + 1
    )
    truncated, found = len(found) > MOST_AT_ONCE, found[:MOST_AT_ONCE]
    by, judge = await _judge(tx, organization_id, automation.id)
    fields, judged = await _all_compared(tx, organization_id, found, by, judge)
    tally = _Tally()
    for one in fields.values():
        tally.add(one)
    for three_way in judged.values():
        tally.judge(three_way)
    completed = [one for one in found if one.outcome == "completed"]
    return IncumbentAgreement(
        runs=len(fields),
        identical=sum(all(one.values()) for one in fields.values()),
        judged=len(judged),
        judged_at_random=sum(one.sampled for one in completed if one.run_id in judged),
        without_output=sum(one.outcome not in {None, "completed"} for one in found),
        unfinished=sum(one.outcome is None for one in found),
        not_comparable=len(completed) - len(fields),
        truncated=truncated,
        fields=tally.fields(),
    )


async def _all_compared(
    tx: db.Transaction,
    organization_id: str,
    found: Sequence[Compared],
    by: str | None,
    judge: evaluators.EvaluatorSet | None,
) -> tuple[dict[str, Mapping[str, bool]], dict[str, ThreeWay]]:
    """Compare what is not remembered, or has a verdict, some hundreds at a time: outputs may be large."""
    completed = [one for one in found if one.outcome == "completed"]
    fields = {one.run_id: one.fields for one in completed if one.fields is not None and one.by == by}
    judged: dict[str, ThreeWay] = {}
    wanted = [one.run_id for one in completed if one.is_judged or one.run_id not in fields]
    for start in range(0, len(wanted), _BATCH):
        pairs = await store.pairs(tx, organization_id, wanted[start : start + _BATCH])
        batch = await asyncio.to_thread(_compare_those_that_can_be, pairs, judge)
        new = [(one.pair, one.fields) for one in batch if one.pair.run_id not in fields]
        await store.remember(tx, organization_id, by, new)
        fields |= {pair.run_id: compared for pair, compared in new}
        judged |= {one.pair.run_id: one.judged for one in batch if one.judged is not None}
    return fields, judged


def _compare_those_that_can_be(
    pairs: Sequence[Pair], judge: evaluators.EvaluatorSet | None
) -> list[IncumbentDifference]:
    found: list[IncumbentDifference] = []
    for pair in pairs:
        try:
            found.append(_compare(pair, judge))
        except evaluators.EvaluatorError:
            continue
    return found


def _compare(pair: Pair, judge: evaluators.EvaluatorSet | None) -> IncumbentDifference:
    compared = evaluators.side_by_side(pair.incumbent, pair.output, judge)
    return IncumbentDifference(
        pair, compared.fields, [_named(one) for one in compared.mismatches], _three_way(pair, compared.fields, judge)
    )


def _three_way(pair: Pair, compared: Mapping[str, bool], judge: evaluators.EvaluatorSet | None) -> ThreeWay | None:
    """Hold both against what is right: the correction, or the run's own output where it was called right."""
    truth = pair.expected if pair.expected is not None else pair.output if pair.rating == "pass" else None
    if pair.rating is None or truth is None:
        return None
    run = evaluators.side_by_side(truth, pair.output, judge).fields
    incumbent = evaluators.side_by_side(truth, pair.incumbent, judge).fields
    names = [name for name in compared if name in incumbent and name in run]
    return ThreeWay({name: run[name] for name in names}, {name: incumbent[name] for name in names}) if names else None


def _named(mismatch: JsonValue) -> JsonValue:
    """Call the two sides what they are: neither is expected."""
    if not isinstance(mismatch, dict):
        return mismatch
    names = {"expected": "incumbent", "actual": "run"}
    return {names.get(key, key): value for key, value in mismatch.items()}


async def _judge(
    tx: db.Transaction, organization_id: str, automation_id: str
) -> tuple[str | None, evaluators.EvaluatorSet | None]:
    """Return the evaluators in force, and the id that comparisons by them are remembered under."""
    stored = await evaluators.current(tx, organization_id, automation_id)
    return (None, None) if stored is None else (stored.id, evaluators.set_of(stored))


async def _pair(tx: db.Transaction, organization_id: str, run_id: str) -> Pair:
    found = await store.pairs(tx, organization_id, [run_id])
    if not found:
        raise RunNotFoundError
    return found[0]


def _parsed(outputs: Sequence[JsonValue]) -> tuple[dict[int, IncumbentOutput], list[Issue]]:
    parsed: dict[int, IncumbentOutput] = {}
    issues: list[Issue] = []
    for index, value in enumerate(outputs):
        try:
            one = IncumbentOutput.model_validate(value)
        except ValidationError as error:
            issues += [
                Issue(".".join([f"outputs[{index}]", *map(str, found["loc"])]), found["msg"], "invalid_value")
                for found in error.errors(include_url=False, include_input=False)
            ]
            continue
        problems = [Issue(f"outputs[{index}].output", text, "invalid_value") for text in _output_problems(one.output)]
        if (one.run_id is None) == (one.match is None):
            problems.append(Issue(f"outputs[{index}]", "Name the run: `runId` or `match`, and not both.", "no_run"))
        issues += problems
        if not problems:
            parsed[index] = one
    return parsed, issues


def _output_problems(output: JsonValue) -> list[str]:
    if output is None:
        return ["An output is needed; null says nothing that could be compared."]
    try:
        size = len(jsontext.dump(output))
    except ValueError as error:
        return [str(error)]
    return [f"The output is larger than {MAX_OUTPUT_BYTES:,} bytes."] if size > MAX_OUTPUT_BYTES else []


async def _places(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    parsed: Mapping[int, IncumbentOutput],
    issues: list[Issue],
) -> dict[int, str]:
    """Find the run of each output, one of its own; what has none is an issue."""
    named = [one.run_id for one in parsed.values() if one.run_id is not None]
    known = await store.runs_of(tx, organization_id, automation_id, named)
    matches = await _matches(tx, organization_id, automation_id, parsed)
    places: dict[int, str] = {}
    first: dict[str, int] = {}
    for index, one in parsed.items():
        fitting = [one.run_id] if one.run_id in known else []
        if one.match is not None:
            fitting = matches[one.match.key].get(one.match.text, [])
        if len(fitting) != 1:
            issues.append(_no_run(index, one, fitting))
        elif fitting[0] in first:
            message = f"The run {fitting[0]} has an output already: outputs[{first[fitting[0]]}]."
            issues.append(Issue(f"outputs[{index}]", message, "duplicate"))
        else:
            first[fitting[0]] = index
            places[index] = fitting[0]
    return places


async def _matches(
    tx: db.Transaction, organization_id: str, automation_id: str, parsed: Mapping[int, IncumbentOutput]
) -> dict[str, dict[str, list[str]]]:
    values: dict[str, set[str]] = {}
    for one in parsed.values():
        if one.match is not None:
            values.setdefault(one.match.key, set()).add(one.match.text)
    since = clock.now() - timedelta(days=MATCHED_DAYS)
    return {
        key: await store.runs_by_metadata(tx, organization_id, automation_id, key, sorted(texts), since)
        for key, texts in values.items()
    }


def _no_run(index: int, one: IncumbentOutput, fitting: Sequence[str]) -> Issue:
    if one.match is None:
        return Issue(f"outputs[{index}].runId", f"This automation has no run {one.run_id!r}.", "not_found")
    where = f"whose metadata has {one.match.key!r} as {one.match.text[:80]!r}"
    if not fitting:
        message = f"This automation has no run of the last {MATCHED_DAYS} days {where}."
        return Issue(f"outputs[{index}].match", message, "not_found")
    shown = ", ".join(fitting[:3])
    message = f"There are {len(fitting)} runs {where}: {shown}… Name one by its id."
    return Issue(f"outputs[{index}].match", message, "ambiguous")


def _invalid(issues: list[Issue], count: int) -> InvalidIncumbentsError:
    issues.sort(key=lambda issue: int(issue.field.partition("[")[2].partition("]")[0]))
    message = f"{len(issues)} problems in {count} outputs; nothing is imported."
    return InvalidIncumbentsError(issues[0].message if len(issues) == 1 else message, issues=issues[:_MOST_ISSUES])
