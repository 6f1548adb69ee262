"""What the URL of the list of runs says: every filter of the API in its own words, as a form that can be filled in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from fastapi import Request

from assay import api, reviews, runs

FieldKind = Literal["choice", "text", "moment"]
Options = Sequence[tuple[str, str]]

OWN = frozenset({"cursor", "sort", "order", "run", "sampleView"})
"""Parameters of the page itself; all others are filters of the API."""
_YES_NO: Options = (("", "Either"), ("true", "Yes"), ("false", "No"))
_TRIGGERS = ("api", "cli", "manual", "eval", "email", "webhook", "schedule")
_AGO = "7d, 24h or a date"


@dataclass(frozen=True, slots=True)
class FilterField:
    """One filter as the form shows it: its name in the URL, its label, its present `value`."""

    name: str
    label: str
    kind: FieldKind
    value: str
    options: Options = ()
    help: str | None = None


@dataclass(frozen=True, slots=True)
class Toggle:
    """A quick filter: what it is called, where it leads, whether it is on."""

    value: str
    url: str
    on: bool


def _any(*values: str) -> Options:
    return (("", "Any"), *((value, value.replace("_", " ").capitalize()) for value in values))


_FIRST: Sequence[tuple[str, str, FieldKind, Options, str | None]] = (
    ("status", "Status", "choice", _any(*(status.value for status in runs.RunStatus)), None),
    ("createdAfter", "Started after", "moment", (), _AGO),
)
_GROUPS: Sequence[tuple[str, Sequence[tuple[str, str, FieldKind, Options, str | None]]]] = (
    (
        "The run",
        (
            (
                "trigger",
                "Trigger",
                "choice",
                _any("api", "cli", "manual", "eval", "email", "webhook", "schedule"),
                None,
            ),
            ("mode", "Mode", "choice", _any("live", "shadow", "eval"), None),
            ("type", "Type", "choice", _any("workflow", "agent"), None),
            ("sourceRef", "Version", "text", (), "Such as 1.2.0; several with commas."),
            ("triggeredBy", "Started by", "text", (), "Id of a person, or __system__."),
            ("errorCode", "Failure code", "text", (), "Such as step_timeout; several with commas."),
            ("errorStep", "Failed in the step", "text", (), "Its name; several with commas."),
            ("ids", "Run ids", "text", (), "Several with commas."),
        ),
    ),
    (
        "Time",
        (
            ("createdBefore", "Started before", "moment", (), _AGO),
            ("completedAfter", "Ended after", "moment", (), _AGO),
            ("completedBefore", "Ended before", "moment", (), _AGO),
        ),
    ),
    (
        "Examples and experiments",
        (
            ("experiments", "Runs of experiments", "choice", (("", "Shown"), ("false", "Hidden")), None),
            ("hasExample", "Of an example", "choice", _YES_NO, None),
            ("batchId", "Experiment id", "text", (), None),
            ("exampleId", "Example id", "text", (), None),
            ("exampleIdContains", "Example id contains", "text", (), None),
        ),
    ),
    (
        "Review",
        (
            ("sampled", "Drawn for review", "choice", _YES_NO, None),
            ("hasFeedback", "Has feedback", "choice", _YES_NO, None),
            ("feedbackRating", "Rating", "choice", _any("pass", "fail", "partial", "none"), None),
            ("feedbackStatus", "Status of feedback", "choice", _any("open", "resolved", "ignored", "none"), None),
            ("feedbackBodyContains", "Note contains", "text", (), None),
            ("hasCorrections", "Has corrections", "choice", _YES_NO, None),
            ("hasExpected", "Has an expected result", "choice", _YES_NO, None),
            ("hasExpectedJson", "Has expected JSON", "choice", _YES_NO, None),
            ("hasExpectedFiles", "Has expected files", "choice", _YES_NO, None),
            ("promotedToExample", "Became an example", "choice", _YES_NO, None),
            ("promotedExampleName", "Name of that example", "text", (), None),
            ("sinceLastResolved", "Since the last resolved", "choice", (("", "No"), ("true", "Yes")), None),
        ),
    ),
    (
        "Times of feedback",
        tuple(
            (f"feedback{event}{side}", f"{word} {side.lower()}", "moment", (), _AGO)
            for event, word in (("Created", "Given"), ("Updated", "Changed"), ("Resolved", "Resolved"))
            for side in ("After", "Before")
        ),
    ),
)
_ORDERS: Options = (("", "Newest first"), ("asc", "Oldest first"))
_SORTS: Options = (("", "When they started"), ("completedAt", "When they ended"))


class RunListQuery:
    """The query of one request."""

    def __init__(self, request: Request) -> None:
        """Read it; nothing is checked yet."""
        self.is_lean = all(value for _, value in request.query_params.multi_items())
        """Whether every parameter says something; a form also sends what was left empty."""
        self._pairs = [(name, value) for name, value in request.query_params.multi_items() if value]

    def one(self, name: str) -> str:
        """Return the value of a parameter, all of them with commas where it is repeated."""
        return ",".join(value for key, value in self._pairs if key == name)

    def url(self, path: str = "/runs", **changes: str | None) -> str:
        """Return the URL with some parameters changed, None to leave one out; it begins at its first page."""
        left_out = {*changes, "cursor", "run"}
        pairs = [(name, value) for name, value in self._pairs if name not in left_out]
        pairs += [(name, value) for name, value in changes.items() if value is not None]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def without(self, name: str) -> str:
        """Return the URL of the list without a filter."""
        pairs = self.rest(name)
        return f"/runs?{urlencode(pairs)}" if pairs else "/runs"

    def rest(self, *names: str) -> list[tuple[str, str]]:
        """Return the other parameters, for a form that changes these and begins at the first page."""
        return [(name, value) for name, value in self._pairs if name not in {*names, "cursor", "run"}]

    @property
    def filters(self) -> str:
        """The filters alone, as a query string."""
        return urlencode([(name, value) for name, value in self._pairs if name not in OWN])

    @property
    def has_filters(self) -> bool:
        """Whether any filter is set."""
        return any(name not in OWN for name, _ in self._pairs)

    @property
    def first_fields(self) -> list[FilterField]:
        """The filters that are always there."""
        return [self._field(*spec) for spec in _FIRST]

    @property
    def groups(self) -> list[tuple[str, list[FilterField]]]:
        """The other filters."""
        found = [(title, [self._field(*spec) for spec in specs]) for title, specs in _GROUPS]
        order = [self._field("sort", "Ordered by", "choice", _SORTS), self._field("order", "Order", "choice", _ORDERS)]
        return [*found, ("Order", order)]

    @property
    def active(self) -> list[Toggle]:
        """The other filters that are set, each with the URL of the list without it."""
        labels = {one.name: (one.label, dict(one.options)) for _, fields in self.groups for one in fields}
        unshown = {name for name, _ in self.carried}
        found: list[Toggle] = []
        for name in dict.fromkeys(name for name, _ in self._pairs if name in {*labels, *unshown}):
            label, options = labels.get(name, (name, {}))
            value = self.one(name)
            found.append(Toggle(f"{label}: {options.get(value, value)}", self.without(name), on=True))
        return found

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Filters without a field, such as those in the words of later clients: the form carries them along."""
        shown = {one.name for one in self.first_fields} | {one.name for _, fields in self.groups for one in fields}
        shown |= {"source", "reviewState", "sampleRate", *OWN}
        return [(name, value) for name, value in self._pairs if name not in shown]

    @property
    def review_states(self) -> list[Toggle]:
        """The chips as quick filters; each switches itself on or off."""
        chosen = [state for state in self.one("reviewState").split(",") if state]
        toggles: list[Toggle] = []
        for state in ("unreviewed", "open", "passed", "failed", "regressed", "ignored"):
            assert state in reviews.REVIEW_STATES
            others = [one for one in chosen if one != state]
            after = others if state in chosen else [*chosen, state]
            toggles.append(Toggle(state, self.url(reviewState=",".join(after) or None), state in chosen))
        return toggles

    def _field(self, name: str, label: str, kind: FieldKind, options: Options, note: str | None = None) -> FilterField:
        value = self.one(name)
        if kind == "choice" and value not in dict(options):
            options = (*options, (value, value))
        return FilterField(name, label, kind, value, options, note)


def check_names(request: Request) -> None:
    """Refuse a parameter that would otherwise be ignored: a list, or an action, would be of more than was meant.

    Raises:
        InvalidValueError: names one that is no filter.
    """
    api.only_parameters(request, api.RUN_FILTERS | OWN | {"action"})
