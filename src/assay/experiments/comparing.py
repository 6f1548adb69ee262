"""Whether B is better than A: two experiments joined by example, what the difference is worth, in one sentence.

Only examples that both graded, and that were the same when they did, are evidence. Pure; 5,000 examples
take about a second, so it belongs into a thread.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assay import statistics
from assay.errors import InvalidValueError
from assay.experiments.verdicts import Verdict

DEFAULT_THRESHOLD = 0.05
FEWEST_PAIRS = 30
"""Below so many pairs no conclusion is drawn."""
SIGNIFICANCE = 0.05
POWER = 0.8
_ROUNDING = 1e-9

RowStatus = Literal["regression", "improvement", "unchanged", "incomparable"]
RowOrder = Literal["abs-delta-desc", "delta-asc", "delta-desc", "name"]
Conclusion = Literal["better", "worse", "no_evidence_of_change", "too_few_to_tell"]
Reason = Literal["changed", "error", "ungraded", "cancelled"]


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """How an example fared in an experiment, over its repeats; `scores` are means by evaluator."""

    example_id: str
    name: str
    graded_hash: str
    verdict: Verdict
    score: float | None
    scores: Mapping[str, float | None]
    passes: int
    fails: int
    errors: int


@dataclass(frozen=True, slots=True)
class Row:
    """What one evaluator said of one example in both; `changed` where the example itself is not the same."""

    example: str
    example_id: str
    evaluator: str
    score_a: float | None
    score_b: float | None
    delta: float | None
    status: RowStatus
    changed: bool


@dataclass(frozen=True, slots=True)
class Flip:
    """An example that passed in one of both only."""

    example: str
    example_id: str
    score_a: float | None
    score_b: float | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A shared example that is no evidence, and why; `changed` comes before what either of both ended with."""

    example: str
    example_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class PairedRates:
    """Two pass rates over the same examples: passed in both, in one of both, in neither."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def pairs(self) -> int:
        """How many examples both graded."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def flips(self) -> int:
        """How many examples came out differently."""
        return self.only_a + self.only_b

    @property
    def difference(self) -> float | None:
        """The pass rate of B minus that of A; None without pairs."""
        return (self.only_b - self.only_a) / self.pairs if self.pairs else None

    @property
    def p_value(self) -> float:
        """The exact McNemar test's, two-sided."""
        return statistics.mcnemar(self.only_a, self.only_b)

    @property
    def score_interval(self) -> statistics.Interval:
        """Tango's 95 % interval of the difference."""
        return statistics.paired_difference(self.only_a, self.only_b, self.pairs)

    @property
    def bootstrap_interval(self) -> statistics.Interval | None:
        """The paired bootstrap's 95 % interval of the difference; None without pairs."""
        unmoved = [0.0] * (self.both + self.neither)
        return statistics.paired_bootstrap([-1.0] * self.only_a + [1.0] * self.only_b + unmoved)


@dataclass(frozen=True, slots=True)
class EvaluatorDifference:
    """An evaluator's mean scores over the examples that it scored in both, with a bootstrap interval of the change."""

    evaluator: str
    pairs: int
    mean_a: float | None
    mean_b: float | None
    delta: float | None
    interval: statistics.Interval | None


@dataclass(frozen=True, slots=True)
class Slice:
    """The pass rates within a group of examples; `p_value` is adjusted for the number of slices (Holm)."""

    name: str
    rates: PairedRates
    p_value: float


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two experiments: its id and the results of its examples."""

    experiment_id: str
    results: Sequence[ExampleResult]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two experiments side by side. `rows` hold every shared example, `rates` and what follows only the evidence."""

    a: str
    b: str
    threshold: float
    rows: Sequence[Row]
    shared: int
    only_in_a: Sequence[str]
    only_in_b: Sequence[str]
    rates: PairedRates
    left_out: Sequence[LeftOut]
    regressed: Sequence[Flip]
    improved: Sequence[Flip]
    evaluators: Sequence[EvaluatorDifference]
    slices: Sequence[Slice]
    smallest_change: float | None
    notes: Sequence[str]

    @property
    def conclusion(self) -> Conclusion:
        """Better or worse where the exact test says so at 5 %; with fewer than 30 pairs, nothing."""
        if self.rates.pairs < FEWEST_PAIRS:
            return "too_few_to_tell"
        if self.rates.p_value >= SIGNIFICANCE:
            return "no_evidence_of_change"
        return "better" if self.rates.only_b > self.rates.only_a else "worse"

    @property
    def interval(self) -> statistics.Interval | None:
        """The 95 % interval of the difference of pass rates: of the bootstrap, None without pairs.

        Where no example flipped, a bootstrap has nothing to draw and would claim certainty; then it is
        the score interval.
        """
        if not self.rates.pairs:
            return None
        return self.rates.bootstrap_interval if self.rates.flips else self.rates.score_interval


def compare(
    a: Side,
    b: Side,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    slices: Mapping[str, Collection[str]] | None = None,
    include_changed: bool = False,
    same_evaluators: bool = True,
) -> Comparison:
    """Hold experiment B against experiment A, the baseline.

    Examples are the same when their ids are, else when their names are: experiments of different datasets
    are compared over what they share. `slices` says to which groups an example (by its id in B) belongs.
    Examples that were edited between both (their graded hash differs) are named, and no evidence unless
    `include_changed`.

    Raises:
        InvalidValueError: the threshold is not between 0 and 1.
    """
    if not 0 <= threshold <= 1:
        message = "The regression threshold is a number from 0 to 1."
        raise InvalidValueError(message, field="regressionThreshold")
    pairs, only_in_a, only_in_b = _joined(a.results, b.results)
    left_out = [out for pair in pairs if (out := _left_out(*pair, include_changed=include_changed))]
    out_ids = {out.example_id for out in left_out}
    evidence = [pair for pair in pairs if pair[1].example_id not in out_ids]
    unchanged = pairs if include_changed else [pair for pair in pairs if not _changed(*pair)]
    rates = _rates(evidence)
    return Comparison(
        a=a.experiment_id,
        b=b.experiment_id,
        threshold=threshold,
        rows=sort_rows((row for pair in pairs for row in _rows(*pair, threshold)), "abs-delta-desc"),
        shared=len(pairs),
        only_in_a=only_in_a,
        only_in_b=only_in_b,
        rates=rates,
        left_out=left_out,
        regressed=_flips(evidence, "pass", "fail"),
        improved=_flips(evidence, "fail", "pass"),
        evaluators=_evaluators(unchanged),
        slices=_slices(evidence, slices or {}),
        smallest_change=statistics.smallest_detectable(
            rates.pairs, rates.flips / rates.pairs if rates.pairs else 0.0, POWER, SIGNIFICANCE
        ),
        notes=[] if same_evaluators else [_EVALUATORS_CHANGED],
    )


def sort_rows(rows: Iterable[Row], order: RowOrder) -> list[Row]:
    """Order rows by change or by name; rows without a change come last, equal ones by name."""
    keys: dict[RowOrder, Callable[[float], float]] = {
        "abs-delta-desc": lambda delta: -abs(delta),
        "delta-asc": lambda delta: delta,
        "delta-desc": lambda delta: -delta,
        "name": lambda _: 0.0,
    }
    key = keys[order]

    def place(row: Row) -> tuple[bool, float, str, str]:
        if order == "name" or row.delta is None:
            return order != "name", 0.0, row.example, row.evaluator
        return False, round(key(row.delta), 9), row.example, row.evaluator

    return sorted(rows, key=place)


def sentence(comparison: Comparison) -> str:
    """Say in one sentence, with its numbers, what the comparison found."""
    rates = comparison.rates
    shared = _shared_words(comparison)
    if comparison.conclusion == "too_few_to_tell":
        seen = f"; A passes {rates.both + rates.only_a}, B {rates.both + rates.only_b}" if rates.pairs else ""
        return (
            f"Too few to tell: {_number(rates.pairs, 'example')} graded in both{shared}, and at least {FEWEST_PAIRS}"
            f" are needed{seen}."
        )
    difference, interval = rates.difference, comparison.interval
    assert difference is not None
    assert interval is not None
    figures = (
        f"B passes {percent((rates.both + rates.only_b) / rates.pairs)} and A"
        f" {percent((rates.both + rates.only_a) / rates.pairs)} of the same {rates.pairs} examples{shared},"
        f" {points(difference)} points (95 % interval {points(interval.lower)} to {points(interval.upper)});"
        f" {rates.only_b} improved and {rates.only_a} regressed (exact McNemar p {p_words(rates.p_value)})"
    )
    if comparison.conclusion != "no_evidence_of_change":
        return f"{comparison.conclusion.capitalize()}: {figures}."
    smallest = comparison.smallest_change
    blind = "" if smallest is None else f"; a change below {points(smallest)[1:]} points would probably not have shown"
    return f"No evidence of change: {figures}{blind}."


def percent(rate: float) -> str:
    """Write a rate for people: `84 %`, `84.5 %`; only all is 100 % and only none is 0 %."""
    rounded = round(rate * 100, 1)
    if 0 < rate < 1:
        rounded = min(max(rounded, 0.1), 99.9)
    return f"{rounded:g} %"


def points(difference: float) -> str:
    """Write a difference of rates in percentage points, with its sign."""
    return f"{difference * 100:+.1f}".replace("-0.0", "+0.0")


def p_words(p_value: float) -> str:
    """Write what a p-value is: `= 0.031`, `< 0.001`."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


# Joining.

_Pair = tuple[ExampleResult, ExampleResult]
_EVALUATORS_CHANGED = "The evaluators were changed between both experiments; a difference may be theirs."


def _joined(a: Sequence[ExampleResult], b: Sequence[ExampleResult]) -> tuple[list[_Pair], list[str], list[str]]:
    """Pair results by id, then by name, in B's order; and name those of A and of B that have no partner."""
    by_id = {result.example_id: result for result in a}
    same_id = {result.example_id for result in b} & by_id.keys()
    by_name = {result.name: result for result in a if result.example_id not in same_id}
    pairs: list[_Pair] = []
    alone: list[str] = []
    for result in b:
        partner = by_id.get(result.example_id) or by_name.pop(result.name, None)
        if partner is None:
            alone.append(result.name)
        else:
            pairs.append((partner, result))
    return pairs, list(by_name), alone


def _changed(a: ExampleResult, b: ExampleResult) -> bool:
    return a.graded_hash != b.graded_hash


def _left_out(a: ExampleResult, b: ExampleResult, *, include_changed: bool) -> LeftOut | None:
    reason: Reason | None = "changed" if _changed(a, b) and not include_changed else None
    for result in (b, a):
        if reason is None and result.verdict != "pass" and result.verdict != "fail":  # noqa: PLR1714 # pyright narrows so
            reason = result.verdict
    return None if reason is None else LeftOut(b.name, b.example_id, reason)


def _rows(a: ExampleResult, b: ExampleResult, threshold: float) -> Iterable[Row]:
    for evaluator in dict.fromkeys([*a.scores, *b.scores]):
        score_a, score_b = a.scores.get(evaluator), b.scores.get(evaluator)
        delta = None if score_a is None or score_b is None else score_b - score_a
        yield Row(b.name, b.example_id, evaluator, score_a, score_b, delta, _status(delta, threshold), _changed(a, b))


def _status(delta: float | None, threshold: float) -> RowStatus:
    # 0.95 - 1 is a little less than -0.05 in binary.
    if delta is None:
        return "incomparable"
    if delta < -threshold - _ROUNDING:
        return "regression"
    return "improvement" if delta > threshold + _ROUNDING else "unchanged"


# Evidence.


def _rates(pairs: Iterable[_Pair]) -> PairedRates:
    counts = {(one, other): 0 for one in (True, False) for other in (True, False)}
    for a, b in pairs:
        counts[a.verdict == "pass", b.verdict == "pass"] += 1
    return PairedRates(counts[True, True], counts[True, False], counts[False, True], counts[False, False])


def _flips(pairs: Iterable[_Pair], before: Verdict, after: Verdict) -> list[Flip]:
    return [Flip(b.name, b.example_id, a.score, b.score) for a, b in pairs if (a.verdict, b.verdict) == (before, after)]


def _evaluators(pairs: Sequence[_Pair]) -> list[EvaluatorDifference]:
    names = dict.fromkeys(name for a, b in pairs for name in (*a.scores, *b.scores))
    return [_evaluator(name, pairs) for name in names]


def _evaluator(name: str, pairs: Iterable[_Pair]) -> EvaluatorDifference:
    scores: list[tuple[float, float]] = []
    for a, b in pairs:
        score_a, score_b = a.scores.get(name), b.scores.get(name)
        if score_a is not None and score_b is not None:
            scores.append((score_a, score_b))
    differences = [score_b - score_a for score_a, score_b in scores]
    return EvaluatorDifference(
        name,
        len(scores),
        mean([score_a for score_a, _ in scores]),
        mean([score_b for _, score_b in scores]),
        mean(differences),
        statistics.paired_bootstrap(differences),
    )


def _slices(pairs: Sequence[_Pair], groups_of: Mapping[str, Collection[str]]) -> list[Slice]:
    members: dict[str, list[_Pair]] = {}
    for pair in pairs:
        for name in groups_of.get(pair[1].example_id, ()):
            members.setdefault(name, []).append(pair)
    rates = {name: _rates(members[name]) for name in sorted(members)}
    adjusted = statistics.holm([one.p_value for one in rates.values()])
    return [Slice(name, one, p_value) for (name, one), p_value in zip(rates.items(), adjusted, strict=True)]


def mean(values: Sequence[float]) -> float | None:
    """Give the mean; None of nothing."""
    return math.fsum(values) / len(values) if values else None


# Words.


def _shared_words(comparison: Comparison) -> str:
    if not comparison.only_in_a and not comparison.only_in_b:
        return ""
    in_a, in_b = (comparison.shared + len(only) for only in (comparison.only_in_a, comparison.only_in_b))
    return f" (the experiments share {comparison.shared} of {in_a} and {in_b})"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun} was" if count == 1 else f"{count} {noun}s were"
