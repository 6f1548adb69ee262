"""`assay review`: going through what waits for a verdict, one run after the other."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from assay.cli import corrections, formats, json_text, output, review_sheet
from assay.cli.answers import Json, items
from assay.cli.connection import automation_ref, connect
from assay.cli.failure import ExitCode, Failure
from assay.cli.issues import read_text
from assay.cli.options import AsJson, BaseUrl
from assay_client import Client, ConflictError

Answer = Literal["go on", "stop"]

KEYS = "p pass, f fail, a partial, n note, s skip, q stop"
NOTHING_WAITS = "Nothing waits for you."

app = typer.Typer(help="Go through what waits for a verdict: next, list, claim, release, skip, add, stats, pass, fail.")

Automation = Annotated[str | None, typer.Argument(metavar="[AUTOMATION]", help="Only of this one.", show_default=False)]
ItemRef = Annotated[
    str | None,
    typer.Argument(metavar="[ITEM]", help="Its id (rvi_…), or its run's; else the one you have.", show_default=False),
]
Lease = Annotated[int | None, typer.Option("--lease", metavar="SECONDS", help="How long it is yours; else 900.")]
Message = Annotated[str | None, typer.Option("--message", "-m", help="What there is to say.")]


@app.command("next")
def next_item(
    automation: Automation = None, *, lease: Lease = None, base_url: BaseUrl = None, as_json: AsJson = False
) -> None:
    """Show the run that you have, or claim the next one; on a terminal, ask for the verdict and go on.

    What matters most comes first: disagreements, then what was reported, picked, risky, and the rest by age.
    """
    name = automation_ref(automation) if automation else None
    with connect(base_url) as client:
        while True:
            item = _own_or_next(client, name, lease)
            if item is None:
                if as_json:
                    output.print_json({"item": None, "run": None})
                output.say(NOTHING_WAITS)
                return
            run = client.runs.get(item["runId"], expand=["input"])
            if as_json:
                output.print_json({"item": item, "run": run})
                return
            review_sheet.print_sheet(item, run)
            if not (output.is_terminal() and sys.stdin.isatty()):
                output.say("assay review pass, or: assay review fail -m 'what is wrong', release, skip --reason …")
                return
            if _ask(client, item) == "stop":
                return


@app.command("list")
def list_items(
    automation: Automation = None,
    *,
    state: Annotated[Literal["open", "disagreement"] | None, typer.Option("--state", help="Only these.")] = None,
    reason: Annotated[
        Literal["random", "stratum", "minimum", "picked", "reported"] | None,
        typer.Option("--reason", help="Only what waits for this reason."),
    ] = None,
    available: Annotated[bool, typer.Option("--available", help="Only what you may claim now.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only what you have.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what waits, in the order in which it comes."""
    filters = {
        "automation": automation_ref(automation) if automation else None,
        "state": state,
        "reason": reason,
        "available": available or None,
        "mine": mine or None,
    }
    with connect(base_url) as client:
        found = list(client.review_queue.iterate(filters, limit=limit))
    if as_json:
        output.print_json(found)
        return
    titles = ("item", "run", "automation", "why", "state", "since", "who has it")
    output.print_rows(titles, [_row(item) for item in found])
    if not found:
        output.say("Nothing of that waits.")


@app.command("claim")
def claim(
    item: Annotated[
        str | None,
        typer.Argument(metavar="[ITEM]", help="Its id, or its run's; else the next one.", show_default=False),
    ] = None,
    *,
    automation: Annotated[str | None, typer.Option("--automation", help="The next one of this automation.")] = None,
    lease: Lease = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Claim an item: nobody else gets it as long as the lease holds. One that you have is yours for longer."""
    with connect(base_url) as client:
        found = client.review_queue.claim(
            _id_of(client, item) if item else None,
            automation=automation_ref(automation) if automation else None,
            lease_seconds=lease,
        )
    if as_json:
        output.print_json({"item": found})
    elif found is not None:
        output.print_value(found["id"])
        output.say(f"The run {found['runId']} is yours until {formats.moment(found['lease']['expiresAt'])}.")
    if found is None:
        output.say(NOTHING_WAITS)


@app.command("release")
def release(
    item: ItemRef = None,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
    base_url: BaseUrl = None,
) -> None:
    """Give an item back, open to everybody at once."""
    with connect(base_url) as client:
        found = client.review_queue.release(_id_of(client, item), reason=reason)
    output.say(f"{found['id']} is open to others again.")


@app.command("skip")
def skip(
    item: ItemRef = None,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why you do not judge it.", show_default=False)],
    base_url: BaseUrl = None,
) -> None:
    """Give an item back; for you it comes last."""
    with connect(base_url) as client:
        found = client.review_queue.skip(_id_of(client, item), reason)
    output.say(f"{found['id']} comes last for you now.")


@app.command("pass")
def judge_as_pass(
    item: ItemRef = None, *, message: Message = None, base_url: BaseUrl = None, as_json: AsJson = False
) -> None:
    """Say that a run got everything right."""
    _judge(item, {"rating": "pass", **_said(message)}, base_url=base_url, as_json=as_json)


@app.command("fail")
def judge_as_fail(
    item: ItemRef = None,
    *,
    partial: Annotated[bool, typer.Option("--partial", help="Some of it is right.")] = False,
    message: Message = None,
    correct: Annotated[
        list[str] | None,
        typer.Option("--correct", metavar="POINTER=VALUE", help="One corrected field: /total=12.5. Repeat it."),
    ] = None,
    expected: Annotated[
        Path | None,
        typer.Option("--expected-json-file", metavar="FILE", help="The corrected output.", exists=True, dir_okay=False),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="How it failed. Repeat it.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say that a run got something wrong, and what would have been right; it stays open until that is fixed."""
    values: dict[str, Any] = {"rating": "partial" if partial else "fail", "status": "open", **_said(message)}
    if correct:
        values["corrections"] = [corrections.parsed(option) for option in correct]
    if expected is not None:
        values["expected"] = _json_of(expected)
    if tag:
        values["tags"] = tag
    _judge(item, values, base_url=base_url, as_json=as_json)


@app.command("add")
def add(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]…", help="Ids of runs.", show_default=False)] = None,
    *,
    automation: Annotated[
        list[str] | None, typer.Option("--automation", help="All ended runs of this one that the filters match.")
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="NAME=VALUE", help="A filter of GET /runs: createdAfter=7d. Repeat it."),
    ] = None,
    reported: Annotated[
        bool, typer.Option("--reported", help="Somebody complained: ask again, also about what was judged.")
    ] = False,
    double: Annotated[bool, typer.Option("--double", help="Two people judge each, blind.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put runs into the queue, each once: named by their ids, or found by filters."""
    query: dict[str, Any] = dict(_filter(option) for option in filters or [])
    if automation:
        query["source"] = [automation_ref(name) for name in automation]
    if bool(runs) == bool(query):
        raise typer.BadParameter("name runs, or filters: --automation, --filter.")
    with connect(base_url) as client:
        found = client.review_queue.add(
            runs or (),
            filters=query or None,
            reason="reported" if reported else "picked",
            double_review=double,
            dry_run=dry_run,
        )
    if as_json:
        output.print_json(found)
        return
    output.print_fields(
        {
            "runs": f"{found['matched']} and more" if found["more"] else found["matched"],
            "would be added" if dry_run else "added": found["added"],
            "asked again": found["reopened"] or None,
            "waiting already": found["alreadyWaiting"],
            "of those moved forward": found["movedForward"] or None,
            "judged already": found["alreadyReviewed"],
            "not ended yet": found["unfinished"] or None,
        }
    )


@app.command("stats")
def stats(
    automation: Automation = None,
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="Verdicts of the last days.")] = 30,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say how much waits and since when, what each reviewer did, and how far they agree."""
    with connect(base_url) as client:
        found = client.review_queue.stats(automation=automation_ref(automation) if automation else None, days=days)
    if as_json:
        output.print_json(found)
        return
    output.print_fields(
        {
            "waiting": found["waiting"],
            "oldest": output.moment_cell(found["oldestAt"]),
            "claimed": found["claimed"],
            f"verdicts in {formats.count(days, 'day')}": found["verdicts"],
            **_agreement_fields(found.get("agreement")),
        }
    )
    if found["byReason"]:
        output.print_rows(
            ("why", "state", "waiting", "oldest"),
            [
                (one["reason"], one["state"], one["count"], output.moment_cell(one["oldestAt"]))
                for one in found["byReason"]
            ],
        )
    if found["reviewers"]:
        output.print_rows(
            ("reviewer", "verdicts", "has", "median time"),
            [
                (one["email"] or one["userId"], one["done"], one["open"], _seconds_cell(one["medianSeconds"]))
                for one in found["reviewers"]
            ],
        )
    pairs = items(found.get("agreement") or {}, "pairs")
    if pairs:
        output.print_rows(("reviewers", "agreed", "AC1", "kappa"), [_pair_row(pair) for pair in pairs])
    agreement = found.get("agreement")
    if agreement and agreement["warning"]:
        output.say(agreement["warning"])


def _own_or_next(client: Client, automation: str | None, lease: int | None) -> Json | None:
    own = client.review_queue.list({"mine": True, "automation": automation, "limit": 1})["items"]
    if own:
        try:
            return client.review_queue.renew(own[0]["id"], lease_seconds=lease)
        except ConflictError:  # its time was over just now
            pass
    return client.review_queue.claim(automation=automation, lease_seconds=lease)


def _ask(client: Client, item: Json) -> Answer:
    """Ask for the verdict on an item, and do what the answer says."""
    note: str | None = None
    while True:
        key = typer.prompt(KEYS, default="q", show_default=False, err=True).strip().lower()[:1]
        if key == "q":
            client.review_queue.release(item["id"])
            return "stop"
        if key == "n":
            note = typer.prompt("Note", err=True)
        elif key == "s":
            client.review_queue.skip(item["id"], typer.prompt("Why", err=True))
            return "go on"
        elif key in {"p", "f", "a"}:
            values = {"rating": "pass", **_said(note)} if key == "p" else _asked_for_wrong(key, note)
            _give(client, item["runId"], values)
            return "go on"


def _asked_for_wrong(key: str, note: str | None) -> dict[str, Any]:
    note = note or typer.prompt("What is wrong (empty: no note)", default="", show_default=False, err=True)
    values: dict[str, Any] = {"rating": "fail" if key == "f" else "partial", "status": "open", **_said(note)}
    given: list[dict[str, Any]] = []
    while text := typer.prompt("Correct a field, /total=12.5 (empty: go on)", default="", show_default=False, err=True):
        try:
            given.append(corrections.parsed(text))
        except typer.BadParameter as error:
            output.say(error.message)
    return {**values, "corrections": given} if given else values


def _judge(item: str | None, values: dict[str, Any], *, base_url: str | None, as_json: bool) -> None:
    with connect(base_url) as client:
        run_id = item if item and item.startswith("exec_") else client.review_queue.get(_id_of(client, item))["runId"]
        found = _give(client, run_id, values)
    if as_json:
        output.print_json(found)


def _give(client: Client, run_id: str, values: dict[str, Any]) -> Json:
    found = client.feedback.update(run_id, values)
    output.say(f"{run_id}: {values['rating']}.")
    if values["rating"] != "pass" and found.get("awaits") is None:
        output.say(f"`assay runs promote {run_id}` makes it an example of the dataset.")
    return found


def _id_of(client: Client, item: str | None) -> str:
    """Return the id of the item that is meant: by itself, by its run, or the one that the caller has."""
    if item is None:
        own = client.review_queue.list({"mine": True})["items"]
        if len(own) != 1:
            message = "You have no item." if not own else f"You have {len(own)} items: name one."
            raise Failure(message, hint="`assay review next` claims the next one.", exit_code=ExitCode.MISUSED)
        return own[0]["id"]
    if not item.startswith("exec_"):
        return item
    found = client.review_queue.list({"runId": item})["items"]
    if found:
        return found[0]["id"]
    raise Failure(f"The run {item} is not in the review queue.", hint=f"`assay review add {item}` puts it there.")


def _said(message: str | None) -> dict[str, Any]:
    return {"body": message} if message else {}


def _filter(option: str) -> tuple[str, str]:
    name, mark, value = option.partition("=")
    if not mark:
        raise typer.BadParameter(f"--filter is NAME=VALUE, such as createdAfter=7d; {option} is not.")
    return name, value


def _json_of(file: Path) -> Any:
    return json_text.parsed(str(file), read_text(file))


def _row(item: Json) -> Sequence[output.Value]:
    holders = [holder["email"] or holder["userId"] for holder in items(item, "claimedBy")]
    if item["lease"]:
        holders.insert(0, "you")
    return (
        item["id"],
        item["runId"],
        item["automation"]["slug"],
        review_sheet.reason_of(item),
        item["state"],
        output.moment_cell(item["createdAt"]),
        ", ".join(holders),
    )


def _agreement_fields(agreement: Json | None) -> dict[str, output.Value]:
    if agreement is None or not agreement["runs"]:
        return {}
    return {"agreed": _agreed(agreement), "AC1": _ac1_cell(agreement), "kappa": _kappa_cell(agreement)}


def _pair_row(pair: Json) -> Sequence[output.Value]:
    names = " and ".join(one["email"] or one["userId"] for one in pair["reviewers"])
    return (names, _agreed(pair), _ac1_cell(pair), _kappa_cell(pair))


def _agreed(agreement: Json) -> str:
    return f"{agreement['agreed']} of {agreement['runs']} judged by two"


_UNKNOWN = {"too_few": "too few to tell", "one_label": "nobody ever said anything else"}


def _kappa_cell(agreement: Json) -> output.Value:
    return _coefficient(agreement["kappa"], agreement["interval"], agreement["unknown"])


def _ac1_cell(agreement: Json) -> output.Value:
    return _coefficient(agreement["ac1"], agreement["ac1Interval"], agreement["unknown"])


def _coefficient(value: float | None, interval: Json | None, unknown: str | None) -> output.Value:
    if value is None or interval is None:
        return output.Cell(None, _UNKNOWN[unknown or "too_few"])
    return output.Cell(value, f"{value:.2f} ({interval['lower']:.2f} to {interval['upper']:.2f})")


def _seconds_cell(seconds: float | None) -> output.Value:
    return output.duration_cell(None if seconds is None else seconds * 1000)
