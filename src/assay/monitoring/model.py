"""What is known of an automation in production: plain values, no rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from assay.statistics import Interval

Mode = Literal["live", "shadow"]
Bucket = Literal["day", "week", "month"]
Measured = Literal["measured", "no_reviews", "unmeasured", "no_traffic"]


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs are looked at, and how they are summed up. `end` itself is left out; empty filters mean all.

    Without `experiments`, runs of examples are left out. The rolling figure is of `window` reviewed runs, told once
    there are `least` of them; without `window` there is none, and the single reviews are not read.
    """

    start: datetime
    end: datetime
    bucket: Bucket = "day"
    window: int | None = 100
    least: int = 1
    experiments: bool = False
    kinds: Sequence[str] = ()
    statuses: Sequence[str] = ()
    triggers: Sequence[str] = ()
    triggered_by: Sequence[str] = ()
    version_labels: Sequence[str] = ()
    modes: Sequence[str] = ()
    batch_ids: Sequence[str] = ()
    example_ids: Sequence[str] = ()
    example_id_contains: str | None = None
    completed_after: datetime | None = None
    completed_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts of reviewed runs, whoever picked them: `nits` have feedback that neither passes nor fails them."""

    runs: int = 0
    correct: int = 0
    incorrect: int = 0
    partial: int = 0
    unrated: int = 0

    @property
    def nits(self) -> int:
        """Reviews that are not counted: partly right, or without a rating."""
        return self.partial + self.unrated

    @property
    def reviewed(self) -> int:
        """Runs whose verdict counts."""
        return self.correct + self.incorrect


@dataclass(frozen=True, slots=True)
class Part:
    """A tally of a stretch of time."""

    start: datetime
    end: datetime
    tally: Tally


@dataclass(frozen=True, slots=True)
class Point:
    """The verdicts of the last reviewed runs up to a moment; `runs` were created between the first and the last."""

    at: datetime
    reviewed: int
    correct: int
    runs: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn at random in one stratum ('': in none) with one probability, and what people said of it."""

    stratum: str
    probability: float
    sampled: int
    passed: int
    failed: int
    partial: int

    @property
    def reviewed(self) -> int:
        """Runs with a verdict."""
        return self.passed + self.failed + self.partial


@dataclass(frozen=True, slots=True)
class Quality:
    """The share of all runs of a mode that are right, estimated from the random sample alone, beside the naive figure.

    `share` and `interval` are None unless `measured`. `waiting` were drawn and have no verdict yet; `unseen` is the
    share of runs that lies in strata of which nothing was reviewed: the interval allows for anything there.
    `naive` is the share among everything reviewed, however it was picked: not an estimate of anything.
    """

    mode: Mode
    state: Measured
    share: float | None
    interval: Interval | None
    sampled: int
    reviewed: int
    passed: int
    failed: int
    partial: int
    waiting: int
    unseen: float
    strata: int
    naive: float | None
    naive_interval: Interval
    naive_reviewed: int


@dataclass(frozen=True, slots=True)
class Trend:
    """`Quality.share` and its interval of the live runs of a stretch of time, from `reviewed` ones of its sample."""

    start: datetime
    end: datetime
    share: float | None
    interval: Interval | None
    reviewed: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, and since when the oldest."""

    count: int
    oldest: datetime | None
    regressed: int = 0
    older_than_a_week: int = 0


@dataclass(frozen=True, slots=True)
class JudgeCounts:
    """How a judge and people ruled the same runs; `all_passed` of `all_scored` it let pass, reviewed or not."""

    name: str
    both_pass: int
    only_judge: int
    only_people: int
    both_fail: int
    all_passed: int
    all_scored: int

    @property
    def right(self) -> int:
        """Runs that people passed."""
        return self.both_pass + self.only_people

    @property
    def wrong(self) -> int:
        """Runs that people did not pass."""
        return self.only_judge + self.both_fail

    @property
    def reviewed(self) -> int:
        """Runs that both ruled."""
        return self.right + self.wrong


@dataclass(frozen=True, slots=True)
class Judge:
    """How far to trust a judge: what share of right (TPR) and of wrong (TNR) results it sees as such.

    `corrected` is the share of right results among all it scored, corrected for its errors (Rogan and Gladen); None
    where the judge is too close to chance, or too few runs were reviewed, for that to mean anything.
    """

    counts: JudgeCounts
    tpr: float | None
    tpr_interval: Interval
    tnr: float | None
    tnr_interval: Interval
    corrected: float | None
    corrected_interval: Interval | None


@dataclass(frozen=True, slots=True)
class InputDay:
    """How many live runs of a day fell into each class of each feature of their input."""

    day: date
    runs: int
    counts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Moved:
    """A class whose share is not what it was."""

    feature: str
    value: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """How far one feature has moved: the stability index, and how much the data speak for a change (an e-value)."""

    feature: str
    psi: float
    evidence: float
    drifted: bool
    since: date | None


@dataclass(frozen=True, slots=True)
class InputDrift:
    """Whether inputs have moved away from those before; `no_data` while there is nothing to compare.

    `before` runs up to `split` are compared with `after` runs from then on.
    """

    state: Literal["stable", "drifted", "no_data"]
    since: date | None = None
    start: date | None = None
    split: date | None = None
    before: int = 0
    after: int = 0
    features: Sequence[FeatureDrift] = field(default_factory=tuple[FeatureDrift, ...])
    moved: Sequence[Moved] = field(default_factory=tuple[Moved, ...])


@dataclass(frozen=True, slots=True)
class UnseenFeature:
    """How many runs are of classes of one feature that no example has, as a share of all with its 95 % interval.

    `at_least` is a one-sided 99 % lower bound, by which it is decided.
    """

    feature: str
    runs: int
    share: float
    interval: Interval
    at_least: float


@dataclass(frozen=True, slots=True)
class UnseenClass:
    """A class of a feature that no example has; '' where it is not known of these runs, and is of all examples."""

    feature: str
    value: str
    runs: int
    share: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """Whether the dataset has documents like those of `runs` live runs since `start`; `examples` are known.

    `no_data`: fewer than 30 runs, or of no example anything is known. `classes` are the commonest that none has.
    """

    state: Literal["like", "unlike", "no_data"]
    start: date | None
    runs: int
    examples: int
    features: Sequence[UnseenFeature] = field(default_factory=tuple[UnseenFeature, ...])
    classes: Sequence[UnseenClass] = field(default_factory=tuple[UnseenClass, ...])

    @property
    def unlike(self) -> float | None:
        """The lower bound of the share of runs that are unlike all examples in one feature, the worst of them."""
        return None if self.state == "no_data" else max((one.at_least for one in self.features), default=0.0)

    @property
    def sentence(self) -> str:
        """What it comes to, in words."""
        if self.state == "no_data":
            return "Too few runs or examples are known to say whether the dataset has documents like these."
        if self.state == "like":
            return "The dataset has documents like these."
        shown = {one.feature: one for one in reversed(self.classes)}
        worst = max(self.features, key=lambda one: one.at_least)
        named = shown.get(worst.feature)
        kind = "" if named is None else f", most often {named.value or 'none that is known'}"
        return (
            f"The dataset has nothing like {worst.share:.0%} of the last runs: no example has their"
            f" {worst.feature}{kind}."
        )


@dataclass(frozen=True, slots=True)
class JudgedRuns:
    """Live runs that a judge ruled alike: of one stratum, drawn with one probability, judged with one (`share`).

    `right` is what people said of those that were drawn; None: they were not, or wait for a verdict.
    """

    stratum: str
    share: float
    probability: float
    sampled: bool
    passed: bool
    right: bool | None
    count: int


@dataclass(frozen=True, slots=True)
class LiveJudge:
    """A judge on live runs, held against people on the random sample, and what both together say of all that it saw.

    `powered` is PPI++'s estimate of the share of right results and `reviews_only` that of people alone, of the same
    runs; None where nobody has reviewed any of them. `trust` (0 to 1) is how far the judge is let speak; 0 while
    `unknown` says why it is not: nothing of the sample is reviewed, or too few right or wrong ones to know it by.
    `unsaid` runs it could not judge. `corrected` (Rogan and Gladen) is told of one stratum only.
    """

    name: str
    version: str
    judged: int
    unsaid: int
    measured: Judge | None
    powered: float | None
    powered_interval: Interval | None
    trust: float
    reviews_only: float | None
    reviews_only_interval: Interval | None
    unknown: Literal["no_reviews", "too_few_right", "too_few_wrong"] | None


@dataclass(frozen=True, slots=True)
class JudgingPace:
    """Whether judges on live runs keep up: `judged` of the newest `due` runs of the last day that are theirs.

    `due` ones ended more than ten minutes ago. `problem`: no evaluator is an llm-judge, some were never judged, or of
    none the judges could say anything, as where no model is configured.
    """

    share: float
    due: int
    judged: int
    problem: Literal["no_judge", "behind", "nothing_said"] | None
