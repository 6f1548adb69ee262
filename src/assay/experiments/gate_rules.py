"""Whether a version has passed its gate: what the policy asks for, held against the results of its examples.

There are three answers, and the third is honest: where examples were not run as they are graded now, where
infrastructure failed, or where too few were run, the gate *cannot tell*, and says what is missing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StrictInt, StrictStr, ValidationError
from pydantic.alias_generators import to_camel

from assay import statistics
from assay.errors import InvalidValueError, Issue
from assay.experiments.comparing import ExampleResult, PairedRates, percent, points

CONFIDENCE = 0.95
MAX_NAMES = 1000
_SHOWN = 5

GateStatus = Literal["passed", "failed", "cannot_tell"]


class InvalidGatePolicyError(InvalidValueError):
    """The gate policy is not valid."""

    code = "invalid_gate_policy"


def _without_repetition(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        message = "names an example twice"
        raise ValueError(message)
    return names


_Name = Annotated[StrictStr, Field(min_length=1, max_length=128)]
_Names = Annotated[tuple[_Name, ...], Field(max_length=MAX_NAMES), AfterValidator(_without_repetition)]
_Share = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]


class GatePolicy(BaseModel):
    """What a version must have shown before it may become the current one.

    Every policy asks that all examples of the dataset were run as they are graded now.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    must_pass: Literal["all", "promoted"] | _Names = Field(
        default="promoted",
        description="Examples that must pass, every one: `promoted` (those made from reviewed runs), `all`, or names.",
    )
    min_pass_rate: _Share | None = Field(
        default=None,
        description="The pass rate is above this, shown with 95 % confidence: it is held against the lower bound of"
        " the one-sided Clopper-Pearson interval. Even if all pass, 0.9 takes 29 examples, 0.95 takes 59.",
    )
    non_inferiority_margin: _Share | None = Field(
        default=None,
        description="The pass rate is not lower than the current version's by more than this, shown with 95 %"
        " confidence on the examples that both were run on (one-sided score interval of paired rates).",
    )
    min_examples: Annotated[StrictInt, Field(ge=1, le=100_000)] = Field(
        default=1, description="At least so many examples were graded."
    )
    allow_flaky: bool = Field(
        default=False,
        description="Whether an example may pass that failed in some of its repeats, as far as its experiment's own"
        " rule lets it; otherwise it has failed.",
    )


@dataclass(frozen=True, slots=True)
class GradedExample:
    """An example of the dataset as it is now."""

    example_id: str
    name: str
    graded_hash: str
    promoted: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that keeps a version from passing; `status` is what it makes of the gate by itself."""

    code: str
    message: str
    status: Literal["failed", "cannot_tell"]
    examples: Sequence[GradedExample] = ()


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What the gate says, why, and what has to be run before it can say more.

    `examples_to_run` are to be run with the candidate, `current_to_run` with the current version.
    `passed` of `graded` examples passed; `lower_bound` is the pass rate's, `difference_bound` that of the
    candidate's rate minus the current version's (None: not asked for, or nothing to compute it from).
    """

    status: GateStatus
    missing: Sequence[Missing]
    examples_to_run: Sequence[GradedExample]
    current_to_run: Sequence[GradedExample]
    examples: int
    graded: int
    passed: int
    lower_bound: float | None
    difference_bound: float | None
    no_policy: bool = False


def read_policy(value: JsonValue) -> GatePolicy:
    """Build a policy from JSON (camelCase keys); an empty object is the default policy.

    Raises:
        InvalidGatePolicyError: with an issue for everything that is wrong, unknown keys too.
    """
    try:
        return GatePolicy.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        issues: dict[str, Issue] = {}
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            issue = _issue(found["loc"], found["type"], found["msg"])
            issues.setdefault(issue.field, issue)
    listed = list(issues.values())
    raise InvalidGatePolicyError(listed[0].message, field=listed[0].field, issues=listed)


def policy_schema() -> dict[str, JsonValue]:
    """Give the JSON Schema of a policy."""
    return GatePolicy.model_json_schema(by_alias=True)


def policy_json(policy: GatePolicy) -> dict[str, JsonValue]:
    """Write a policy with all its keys; `read_policy` reads it again."""
    return policy.model_dump(mode="json", by_alias=True)


def decide(
    policy: GatePolicy | None,
    candidate: Iterable[ExampleResult],
    current: Iterable[ExampleResult] | None,
    examples: Sequence[GradedExample],
) -> GateDecision:
    """Hold a version's results against the policy. Without a policy it passes.

    `candidate` and `current` are results of the version that wants to become current and of the one that is
    (None: there is none, or it is the same), by the evaluators in force now, newest first: of several
    results of an example as it is graded now, the first counts; those of an example as it was graded
    before count for nothing.
    """
    if policy is None:
        return GateDecision("passed", (), (), (), len(examples), 0, 0, None, None, no_policy=True)
    standing = _Standing(
        policy,
        examples,
        _strictly(policy, _as_graded_now(candidate, examples)),
        None if current is None else _as_graded_now(current, examples),
    )
    missing = [found for rule in _RULES for found in rule(standing)]
    statuses = {found.status for found in missing}
    return GateDecision(
        status="failed" if "failed" in statuses else "cannot_tell" if statuses else "passed",
        missing=missing,
        examples_to_run=standing.to_run,
        current_to_run=standing.current_to_run if policy.non_inferiority_margin is not None else (),
        examples=len(examples),
        graded=standing.graded,
        passed=standing.passed,
        lower_bound=statistics.rate_at_least(standing.passed, standing.graded, CONFIDENCE) if standing.graded else None,
        difference_bound=standing.difference_bound if policy.non_inferiority_margin is not None else None,
    )


def _strictly(policy: GatePolicy, results: Mapping[str, ExampleResult]) -> Mapping[str, ExampleResult]:
    """Whoever starts an experiment says how many repeats must pass; that is no way around the gate."""
    if policy.allow_flaky:
        return results
    return {
        example_id: replace(result, verdict="fail") if result.verdict == "pass" and result.fails else result
        for example_id, result in results.items()
    }


def decision_json(decision: GateDecision) -> dict[str, JsonValue]:
    """Write a decision as the API answers it and as it is kept with an activation."""
    return {
        "status": decision.status,
        "noPolicy": decision.no_policy,
        "missing": [
            {
                "code": found.code,
                "message": found.message,
                "status": found.status,
                "exampleIds": [example.example_id for example in found.examples],
                "examples": [example.name for example in found.examples],
            }
            for found in decision.missing
        ],
        "examplesToRun": _references(decision.examples_to_run),
        "currentVersionToRun": _references(decision.current_to_run),
        "examples": decision.examples,
        "graded": decision.graded,
        "passed": decision.passed,
        "passRateLowerBound": decision.lower_bound,
        "differenceLowerBound": decision.difference_bound,
        "confidence": CONFIDENCE,
    }


# What is known.


@dataclass(frozen=True, slots=True)
class _Standing:
    """Results of the examples as they are graded now, by example id."""

    policy: GatePolicy
    examples: Sequence[GradedExample]
    candidate: Mapping[str, ExampleResult]
    current: Mapping[str, ExampleResult] | None

    def having(self, *verdicts: str) -> list[GradedExample]:
        return [
            example
            for example in self.examples
            if (result := self.candidate.get(example.example_id)) and result.verdict in verdicts
        ]

    @property
    def to_run(self) -> list[GradedExample]:
        """What was not run as it is graded now, was cancelled, or ran into an error that is no quality."""
        done = {example.example_id for example in self.having("pass", "fail", "ungraded")}
        return [example for example in self.examples if example.example_id not in done]

    @property
    def current_to_run(self) -> list[GradedExample]:
        if self.current is None:
            return []
        return [
            example
            for example in self.examples
            if (result := self.current.get(example.example_id)) is None or result.verdict in {"cancelled", "error"}
        ]

    @property
    def passed(self) -> int:
        return len(self.having("pass"))

    @property
    def graded(self) -> int:
        return len(self.having("pass", "fail"))

    @property
    def rates(self) -> PairedRates:
        """The current version's (A) and the candidate's (B) rates on what both graded."""
        counts = {("pass", "pass"): 0, ("pass", "fail"): 0, ("fail", "pass"): 0, ("fail", "fail"): 0}
        for example_id, before in (self.current or {}).items():
            after = self.candidate.get(example_id)
            if after is not None and (before.verdict, after.verdict) in counts:
                counts[before.verdict, after.verdict] += 1
        return PairedRates(*counts.values())

    @property
    def difference_bound(self) -> float | None:
        rates = self.rates
        if not rates.pairs:
            return None
        return statistics.difference_at_least(rates.only_a, rates.only_b, rates.pairs, CONFIDENCE)


def _as_graded_now(results: Iterable[ExampleResult], examples: Sequence[GradedExample]) -> dict[str, ExampleResult]:
    hashes = {example.example_id: example.graded_hash for example in examples}
    found: dict[str, ExampleResult] = {}
    for result in results:
        if hashes.get(result.example_id) == result.graded_hash:
            found.setdefault(result.example_id, result)
    return found


# The rules: each yields what is missing.


def _no_examples(standing: _Standing) -> Iterable[Missing]:
    if not standing.examples:
        yield Missing("no_examples", "The dataset has no examples, so nothing was shown.", "cannot_tell")


def _not_run(standing: _Standing) -> Iterable[Missing]:
    errors = standing.having("error")
    failing = {example.example_id for example in errors}
    unrun = [example for example in standing.to_run if example.example_id not in failing]
    if unrun:
        yield Missing(
            "examples_not_run",
            f"{_count(unrun)} not been run with this version as graded now: {_names(unrun)}.",
            "cannot_tell",
            unrun,
        )
    if errors:
        yield Missing(
            "examples_with_errors",
            f"{_count(errors)} ended in errors that say nothing about quality: {_names(errors)}. Run them again.",
            "cannot_tell",
            errors,
        )
    ungraded = standing.having("ungraded")
    if ungraded:
        yield Missing(
            "examples_ungraded",
            f"{_count(ungraded)} not been graded by anything: {_names(ungraded)}. Give them an expected output, or"
            " evaluators that need none.",
            "cannot_tell",
            ungraded,
        )


def _must_pass(standing: _Standing) -> Iterable[Missing]:
    wanted = standing.policy.must_pass
    if isinstance(wanted, tuple):
        unknown = sorted(set(wanted) - {example.name for example in standing.examples})
        if unknown:
            yield Missing(
                "must_pass_unknown",
                f"The policy names examples that the dataset does not have: {_listed(unknown)}.",
                "cannot_tell",
            )
    failed = [example for example in standing.having("fail") if _is_required(example, wanted)]
    if failed:
        verb = "does" if len(failed) == 1 else "do"
        yield Missing(
            "must_pass_failed", f"{_noun(failed)} must pass and {verb} not: {_names(failed)}.", "failed", failed
        )


def _is_required(example: GradedExample, wanted: str | tuple[str, ...]) -> bool:
    if isinstance(wanted, tuple):
        return example.name in wanted
    return wanted == "all" or example.promoted


def _enough_examples(standing: _Standing) -> Iterable[Missing]:
    lacking = standing.policy.min_examples - standing.graded
    if standing.examples and lacking > 0:
        yield Missing(
            "too_few_examples",
            f"{standing.graded} graded of at least {standing.policy.min_examples}: {lacking} more needed.",
            "cannot_tell",
        )


def _pass_rate(standing: _Standing) -> Iterable[Missing]:
    bar = standing.policy.min_pass_rate
    if bar is None or not standing.examples:
        return
    passed, graded = standing.passed, standing.graded
    bound = statistics.rate_at_least(passed, graded, CONFIDENCE)
    if bound >= bar:
        return
    open_ = len(standing.examples) - graded
    # Even if all that is still open were to pass.
    if (passed + open_) / len(standing.examples) < bar:
        yield Missing(
            "pass_rate_too_low",
            f"{passed} of {graded} graded examples passed; the policy asks for more than {percent(bar)}.",
            "failed",
        )
    else:
        yield Missing(
            "pass_rate_not_shown",
            f"{passed} of {graded} graded examples passed, which shows a rate above {percent(bound)} only, and the"
            f" policy asks for {percent(bar)}. It takes at least {statistics.fewest_to_show(bar, CONFIDENCE)} examples,"
            " if all pass.",
            "cannot_tell",
        )


def _not_worse(standing: _Standing) -> Iterable[Missing]:
    margin = standing.policy.non_inferiority_margin
    if margin is None or standing.current is None or not standing.examples:
        return
    unrun = standing.current_to_run
    if unrun:
        yield Missing(
            "current_version_not_run",
            f"{_count(unrun)} not been run with the current version as graded now, so there is nothing to compare"
            f" with: {_names(unrun)}.",
            "cannot_tell",
            unrun,
        )
    rates, bound = standing.rates, standing.difference_bound
    # Before all were run a difference says little, and the gate cannot tell anyhow.
    if unrun or standing.to_run or bound is None or rates.difference is None or bound >= -margin:
        return
    figures = (
        f"on {rates.pairs} examples that both were graded on, the pass rate changed by {points(rates.difference)}"
        f" points ({rates.only_b} improved, {rates.only_a} regressed)"
    )
    if rates.difference < -margin:
        yield Missing("worse_than_current", f"Worse than the current version: {figures}.", "failed")
    else:
        yield Missing(
            "not_worse_not_shown",
            f"Not shown to be at most {points(margin)[1:]} points worse than the current version: {figures}, which may"
            f" be {points(bound)}. More examples, or fewer regressions, would show it.",
            "cannot_tell",
        )


_RULES: Sequence[Callable[[_Standing], Iterable[Missing]]] = (
    _no_examples,
    _must_pass,
    _pass_rate,
    _not_worse,
    _enough_examples,
    _not_run,
)


# Words.


def _count(examples: Sequence[GradedExample]) -> str:
    return f"{_noun(examples)} {'has' if len(examples) == 1 else 'have'}"


def _noun(examples: Sequence[GradedExample]) -> str:
    return "1 example" if len(examples) == 1 else f"{len(examples)} examples"


def _names(examples: Sequence[GradedExample]) -> str:
    return _listed([example.name for example in examples])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _references(examples: Sequence[GradedExample]) -> JsonValue:
    return [{"id": example.example_id, "name": example.name} for example in examples]


_FIELDS = {
    "mustPass": "mustPass is `promoted`, `all`, or a list of example names without repetition.",
    "minPassRate": "minPassRate is a number above 0 and below 1. No number of examples shows a rate of 1; say"
    " `mustPass: all` instead.",
    "nonInferiorityMargin": "nonInferiorityMargin is a number above 0 and below 1.",
    "minExamples": "minExamples is a whole number from 1 to 100,000.",
}


def _issue(location: Sequence[str | int], kind: str, message: str) -> Issue:
    field = str(location[0]) if location else "<root>"
    if kind == "extra_forbidden":
        return Issue(field, f"There is no key {field[:80]!r}; known are {', '.join(_FIELDS)}.", "unknown_key")
    if not location:
        return Issue(field, "A gate policy is an object.", "invalid_value")
    return Issue(field, _FIELDS.get(field, message), "invalid_value")
