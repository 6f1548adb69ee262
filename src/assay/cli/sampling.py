"""`assay sampling`: which runs are drawn for review, the rates there were, and what rate is needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import output
from assay.cli.answers import Json, items
from assay.cli.connection import automation_ref, connect
from assay.cli.issues import read_mapping
from assay.cli.options import AsJson, AutomationName, BaseUrl
from assay.cli.paging import Offset, print_page

app = typer.Typer(help="Say which runs people review: get, set, advice, history.")


@app.command("get")
def get_policy(automation: AutomationName, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Show the sampling policy."""
    with connect(base_url) as client:
        found = client.sampling.policy(automation_ref(automation))
    _print_policy(found, as_json=as_json)


@app.command("set")
def set_policy(  # noqa: PLR0913 (one parameter an option)
    automation: AutomationName,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="The policy as YAML or JSON.", exists=True, dir_okay=False),
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0, max=1, metavar="SHARE", help="Share of runs drawn, as 0.15.")
    ] = None,
    floor: Annotated[
        float | None, typer.Option("--floor", min=0, max=1, metavar="SHARE", help="No rate is below it; 1: all runs.")
    ] = None,
    double: Annotated[
        float | None,
        typer.Option("--double", min=0, max=1, metavar="SHARE", help="Share of the drawn that two people review."),
    ] = None,
    minimum: Annotated[
        int | None, typer.Option("--minimum-per-day", min=0, metavar="N", help="Queue at least so many of a day.")
    ] = None,
    tolerated: Annotated[
        float | None,
        typer.Option("--tolerated-miss-rate", min=0, max=0.5, metavar="SHARE", help="Wrong results one can live with."),
    ] = None,
    judged: Annotated[
        float | None,
        typer.Option("--judged", min=0, max=1, metavar="SHARE", help="Share of live runs that llm-judges judge too."),
    ] = None,
    auto: Annotated[
        bool | None, typer.Option("--auto/--no-auto", help="Let the advisor move the rate.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the change.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change the sampling policy: options change what they name; a file puts a policy in the place of the one there is.

    Strata, runs with a rate of their own, stand in the file:
    `strata: [{name: unsure, when: "{{ confidence == 'low' }}", rate: 1.0}]`.
    """
    name = automation_ref(automation)
    given: Mapping[str, Any] = {
        "rate": rate,
        "floor": floor,
        "doubleReviewShare": double,
        "minimumPerDay": minimum,
        "toleratedMissRate": tolerated,
        "judgeShare": judged,
        "auto": auto,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    if file is None and not changes:
        raise typer.BadParameter("say what to change, by options or --file.")
    with connect(base_url) as client:
        policy = read_mapping(file, "sampling policy") if file else client.sampling.policy(name)["policy"]
        found = client.sampling.set_policy(name, {**policy, **changes}, reason=reason)
    _print_policy(found, as_json=as_json)


@app.command("advice")
def advice(
    automation: AutomationName,
    *,
    shadow: Annotated[bool, typer.Option("--shadow", help="About shadow runs, not live ones.")] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say what rate is needed, from the reviews of the random sample alone."""
    with connect(base_url) as client:
        found = client.sampling.advice(automation_ref(automation), mode="shadow" if shadow else "live")
    if as_json:
        output.print_json(found)
        return
    missed, step = found["missRate"], found["nextStep"]
    output.print_fields(
        {
            "action": found["action"],
            "rate": _percent(found["rate"]),
            "recommended": _percent(found["recommendedRate"]),
            "reviewed": found["reviewed"],
            "missed": found["missed"],
            "waiting": found["waiting"],
            "miss rate": _percent(missed["estimate"]),
            "at most (one look)": _percent(missed["upperOnce"]),
            "at most (any look)": _percent(missed["upperAlways"]),
            "next step": None if step is None else _percent(step["rate"]),
            "clean reviews needed": None if step is None else step["cleanReviewsNeeded"],
        }
    )
    output.say(found["sentence"])
    if found["action"] == "lower":
        output.say(f"hint: assay sampling set {automation} --rate {found['recommendedRate']:g}")


@app.command("history")
def history(
    automation: AutomationName,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="How many at most.")] = 50,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the changes of the rate, newest first, with their reasons."""
    with connect(base_url) as client:
        found = client.sampling.history(automation_ref(automation), limit=limit, offset=offset)
    titles = ("when", "from", "to", "by", "why")
    print_page(found, titles, _row, offset=offset, as_json=as_json, print_rows=output.print_wrapped)


def _row(change: Json) -> Sequence[output.Value]:
    return (
        output.moment_cell(change["createdAt"]),
        _percent(change["rateBefore"]),
        _percent(change["rateAfter"]),
        change["byEmail"] or change["by"] or "advisor",
        change["reason"],
    )


def _print_policy(found: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    policy = found["policy"]
    shown: dict[str, output.Value] = {
        "rate": _percent(policy["rate"]),
        "floor": _percent(policy["floor"]),
        "double review": _percent(policy["doubleReviewShare"]),
        "minimum per day": policy["minimumPerDay"],
        "tolerated miss rate": _percent(policy["toleratedMissRate"]),
        "judged by models": _percent(policy["judgeShare"]),
        "auto": policy["auto"],
        "auto limits": f"{_percent(policy['limits']['lowest'])} to {_percent(policy['limits']['highest'])}",
    }
    for stratum in items(policy, "strata"):
        shown[f"stratum {stratum['name']}"] = f"{_percent(stratum['rate'])} when {stratum['when']}"
    output.print_fields(shown)
    if found["isDefault"]:
        output.say("Nobody has set a policy; this is the default.")


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:.3g} %"
