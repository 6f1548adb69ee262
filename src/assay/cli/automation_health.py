"""`assay automations health`: how an automation fares in production, on one screen."""

from assay.cli import formats, output
from assay.cli.answers import Json, items, part
from assay.cli.connection import automation_ref, connect
from assay.cli.options import AsJson, AutomationName, BaseUrl, Bucket, Since, Until

_STATES = {
    "no_traffic": "no runs",
    "no_reviews": "not known: nothing of the random sample has been reviewed",
    "unmeasured": "unmeasured: runs complete, and none is drawn for review",
}
_UNTRUSTED = {
    "no_reviews": "it cannot be told: nothing of the random sample that it judged is reviewed",
    "too_few_right": "not yet: people have seen fewer than 10 right results of the random sample",
    "too_few_wrong": "not yet: people have seen fewer than 10 wrong results of the random sample",
}
_NOT_JUDGING = {
    "no_judge": "nobody does it: no evaluator of the automation is an llm-judge",
    "behind": "is behind: {judgedRuns} of {dueRuns} runs that should have been judged by now",
    "nothing_said": "in vain: of {dueRuns} runs the judges could not say anything; is a model configured?",
}


def health(
    automation: AutomationName,
    *,
    since: Since = None,
    until: Until = None,
    bucket: Bucket = "week",
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell how an automation fares: quality, review debt, drift of inputs, judges. The last 30 days, unless told."""
    with connect(base_url) as client:
        found = client.monitoring.health(automation_ref(automation), from_=since, to=until, bucket=bucket)
    if as_json:
        output.print_json(found)
        return
    _print_quality(part(found, "quality"))
    _print_waiting(found)
    _print_drift(part(found, "drift"))
    _print_judges(found)
    _print_live_judges(found)
    _print_buckets(found)


def _print_quality(quality: Json) -> None:
    output.print_heading("Quality of all runs, from the random sample")
    shown: dict[str, output.Value] = {}
    for mode in ("live", "shadow"):
        one = part(quality, mode)
        if mode == "shadow" and one["state"] == "no_traffic":
            continue
        shown[mode] = _STATES.get(one["state"]) or _with_interval(one["estimate"], one["interval"])
        shown[f"{mode}: reviewed"] = f"{one['reviewedRuns']} of {one['sampledRuns']} drawn"
        naive = part(one, "naive")
        if naive["reviewedRuns"]:
            shown[f"{mode}: naive"] = (
                f"{_percent(naive['share'])} of all {naive['reviewedRuns']} reviewed, however picked: no estimate"
            )
    output.print_fields(shown)


def _print_waiting(found: Json) -> None:
    debt, queue = part(found, "debt"), part(found, "queue")
    output.print_heading("What waits")
    output.print_fields(
        {
            "open reviews": _waiting(debt, f"{debt['regressed']} came back"),
            "queue": _waiting(queue, f"{queue['olderThanAWeek']} for more than a week"),
        }
    )


def _print_drift(drift: Json) -> None:
    output.print_heading("Inputs")
    _print_likeness(part(drift, "dataset"))
    if drift["state"] == "no_data":
        output.print_fields({"drift": "not known: too few runs to compare"})
        return
    moved = "stable" if drift["state"] == "stable" else f"changed since {drift['since']}"
    indexes = ", ".join(f"{one['feature']} {one['psi']:.2f}" for one in items(drift, "features"))
    output.print_fields(
        {"drift": moved, "compared": f"{drift['runsBefore']} runs with {drift['runsAfter']}", "PSI": indexes}
    )
    if items(drift, "moved"):
        rows = [
            (one["feature"], one["value"] or "unknown", _percent(one["before"]), _percent(one["after"]))
            for one in items(drift, "moved")
        ]
        output.print_rows(("feature", "class", "before", "after"), rows)


def _print_likeness(dataset: Json) -> None:
    output.print_fields({"dataset": dataset["sentence"]})
    if dataset["state"] == "unlike":
        rows = [
            (one["feature"], one["value"] or "unknown", one["runs"], _percent(one["share"]))
            for one in items(dataset, "unseen")
        ]
        output.print_rows(("feature", "no example has", "runs", "share"), rows)


def _print_judges(found: Json) -> None:
    judges, reviewers = items(found, "judges"), part(found, "reviewers")
    if not judges and not reviewers["runs"]:
        return
    output.print_heading("Who judges")
    shown: dict[str, output.Value] = {}
    for one in judges:
        right, wrong = (_with_interval(part(one, name)["value"], part(one, name)) for name in ("tpr", "tnr"))
        shown[one["evaluator"]] = f"sees right as right {right}, wrong as wrong {wrong}; {one['reviewedRuns']} reviewed"
    if reviewers["runs"]:
        figures = {"AC1": reviewers["ac1"], "kappa": reviewers["kappa"]}
        told = "".join(f", {name} {value:.2f}" for name, value in figures.items() if value is not None)
        shown["reviewers"] = f"agree on {reviewers['agreed']} of {reviewers['runs']} that two judged blind{told}"
    output.print_fields(shown)
    if reviewers["warning"]:
        output.say(reviewers["warning"])


def _print_live_judges(found: Json) -> None:
    judges, judging = items(found, "liveJudges"), found["liveJudging"]
    if not judges and judging is None:
        return
    output.print_heading("What model judges see in live runs")
    shown: dict[str, output.Value] = {}
    if judging is not None and judging["problem"] is not None:
        shown["judging"] = _NOT_JUDGING[judging["problem"]].format(**judging)
    for one in judges:
        name = one["evaluator"]
        shown[name] = f"judged {one['judgedRuns']} runs, of which people reviewed {one['reviewedRuns']} of the sample"
        shown[f"{name}: together"] = _with_interval(one["estimate"], one["interval"])
        shown[f"{name}: people alone"] = _with_interval(
            part(one, "reviewsOnly")["estimate"], one["reviewsOnly"]["interval"]
        )
        if one["unknown"] is not None:
            shown[f"{name}: trusted"] = _UNTRUSTED[one["unknown"]]
    output.print_fields(shown)


def _print_buckets(found: Json) -> None:
    output.print_heading("Reviews, however their runs were picked")
    rows = [
        (
            one["start"][:10],
            one["totalRuns"],
            one["reviewedRuns"],
            _percent(one["reviewCoverage"]),
            one["correctReviews"],
            one["incorrectReviews"],
            _percent(one["reviewedCorrectness"]),
        )
        for one in items(found, "buckets")
        if one["totalRuns"]
    ]
    output.print_rows(("from", "runs", "reviewed", "coverage", "right", "wrong", "right of these"), rows)


def _waiting(backlog: Json, more: str) -> str:
    if not backlog["count"]:
        return "0"
    oldest = formats.duration(backlog["oldestAgeSeconds"] * 1000)
    return f"{backlog['count']}, the oldest for {oldest}, {more}"


def _with_interval(share: float | None, bounds: Json | None) -> str:
    if share is None or bounds is None:
        return "not known"
    return f"{_percent(share)} ({_percent(bounds['lower'])} to {_percent(bounds['upper'])})"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:.1f} %"
