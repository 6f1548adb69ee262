"""The page of two experiments side by side: what got worse first, and how sure that is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from assay import automations, experiments
from assay.dashboard.automation_frame import AutomationPage, heading_of
from assay.dashboard.charts import difference
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn

router = APIRouter()

PAGE = 100
MOST_NAMES = 200

RowFilter = Literal["regression", "improvement", "incomparable", "all"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of both experiments."""

    id: str
    version: str
    version_id: str
    revision: int
    cancelled: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Which scores are listed: what it is called, where it leads, whether it is on, how many they are."""

    label: str
    url: str
    on: bool
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPage(AutomationPage):
    """Experiment B held against A, the baseline.

    `found` is the comparison as the API answers it; `drawn` its difference with the interval, None without pairs.
    `test_words` say what the exact test found, `smallest_words` what could not have been seen. `rows` are the scores
    of a page, `matching` how many there are. `names` is how many examples a list names at most.
    """

    template: ClassVar[str] = "experiment_comparison.html"
    place: ClassVar[str] = "automations"

    a: Side
    b: Side
    found: Mapping[str, Any]
    drawn: Markup | None
    test_words: str
    smallest_words: str | None
    rows: Sequence[Mapping[str, Any]]
    choices: Sequence[RowChoice]
    matching: int
    newer: str | None
    older: str | None
    swapped: str
    names: int


_CHOICES: Mapping[RowFilter, str] = {
    "regression": "Worse",
    "improvement": "Better",
    "incomparable": "Without a score",
    "all": "All",
}


@router.get("/experiments/{baseline_id}/compare/{experiment_id}")
async def comparison_page(
    request: Request,
    baseline_id: str,
    experiment_id: str,
    visitor: SignedIn,
    server: Here,
    show: RowFilter = "regression",
    page: int = 1,
) -> Response:
    """Show two experiments side by side."""
    organization_id = visitor.caller.organization_id
    page = min(max(page, 1), 10_000)
    text = await experiments.compare_experiments(server.database, organization_id, baseline_id, experiment_id)
    async with server.database.transaction() as tx:
        experiment = await experiments.get(tx, organization_id, experiment_id)
        automation = await automations.get(tx, organization_id, experiment.automation_id)
    found: Mapping[str, Any] = json.loads(text)
    by_status: dict[RowFilter, list[Mapping[str, Any]]] = {key: [] for key in _CHOICES}
    for row in found["rows"]:
        by_status["all"].append(row)
        if row["status"] != "unchanged":
            by_status[row["status"]].append(row)
    matching = by_status[show]
    here = f"/experiments/{baseline_id}/compare/{experiment_id}"

    def url(show: RowFilter, page: int = 1) -> str:
        return f"{here}?{urlencode({'show': show, 'page': page})}#scores-head"

    a, b = _side(found["experimentA"]), _side(found["experimentB"])
    shown = ComparisonPage(
        title=f"{b.version} against {a.version} · {automation.name or automation.slug}",
        heading=heading_of(automation, "experiments"),
        a=a,
        b=b,
        found=found,
        drawn=_drawn(found),
        test_words=_test_words(found),
        smallest_words=_smallest_words(found),
        rows=matching[(page - 1) * PAGE : page * PAGE],
        choices=[RowChoice(label, url(key), key == show, len(by_status[key])) for key, label in _CHOICES.items()],
        matching=len(matching),
        newer=url(show, page - 1) if page > 1 else None,
        older=url(show, page + 1) if page * PAGE < len(matching) else None,
        swapped=f"/experiments/{experiment_id}/compare/{baseline_id}",
        names=MOST_NAMES,
    )
    return render(request, visitor, shown)


def _side(described: Mapping[str, Any]) -> Side:
    return Side(
        id=described["id"],
        version=described["version"] or described["versionId"],
        version_id=described["versionId"],
        revision=described["datasetRevision"],
        cancelled=described["cancelled"],
        created_at=described["createdAt"],
    )


def _drawn(found: Mapping[str, Any]) -> Markup | None:
    change = found["difference"]
    if change["value"] is None:
        return None
    lower, upper = change["lower"], change["upper"]
    words = f"Change {change['value'] * 100:+.1f} points, 95 % interval {lower * 100:+.1f} to {upper * 100:+.1f}"
    return difference(change["value"], lower, upper, words)


def _test_words(found: Mapping[str, Any]) -> str:
    test = found["test"]
    worse, better, p_value = test["passedOnlyInA"], test["passedOnlyInB"], test["pValue"]
    if not worse and not better:
        return "No example came out differently, so there is nothing to test."
    chance = "less than 0.1 %" if p_value < 0.001 else f"{p_value * 100:.1f} %"
    flips = f"{worse + better} example{'' if worse + better == 1 else 's'}"
    verdict = "That is hard to put down to chance." if p_value < 0.05 else "Chance alone explains that well enough."
    return (
        f"{flips} came out differently: {better} better and {worse} worse. Were both versions equally good, a split"
        f" at least as uneven would come up with a probability of {chance} (exact McNemar test). {verdict}"
    )


def _smallest_words(found: Mapping[str, Any]) -> str | None:
    smallest = found["smallestChange"]["value"]
    if smallest is None:
        return None
    return (
        f"With {found['pairs']} examples, a change of less than {smallest * 100:.1f} points would probably have stayed"
        " unseen (80 % power)."
    )
