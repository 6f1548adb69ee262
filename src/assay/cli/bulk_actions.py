"""`assay runs bulk`: what is done to all runs that filters find, once somebody has seen how many they are."""

from typing import Annotated, Literal

import typer

from assay.cli import formats, output
from assay.cli.connection import connect
from assay.cli.failure import ExitCode, Failure
from assay.cli.options import AsJson, BaseUrl, Yes
from assay.cli.run_filters import Filters, takes_run_filters
from assay_client import ApiError

app = typer.Typer(help="Act on all runs that filters find: cancel, delete, rerun. `assay review add` queues them.")


@app.command("cancel")
@takes_run_filters
def cancel(*, filters: Filters, yes: Yes = False, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Cancel what goes on of the runs that the filters find, after saying how many; a thousand at once."""
    _act("cancel", filters, "Cancel", yes=yes, base_url=base_url, as_json=as_json)


@app.command("delete")
@takes_run_filters
def delete(*, filters: Filters, yes: Yes = False, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Delete what has ended of the runs that the filters find, after saying how many; a thousand at once."""
    _act("delete", filters, "Delete for ever", yes=yes, base_url=base_url, as_json=as_json)


@app.command("rerun")
@takes_run_filters
def rerun(
    *,
    filters: Filters,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="VERSION", help="latest (the default), original, or any."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 100,
    yes: Yes = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Start again what has ended of the runs that the filters find, after saying how many. Prints old and new ids.

    Exits with 1 if one could not be started; the others are.
    """
    _check(filters)
    with connect(base_url) as client:
        found = [run["id"] for run in client.runs.iterate(filters, limit=limit) if run["finished"]]
        output.confirm(f"Start {formats.count(len(found), 'run')} again?", yes=yes)
        started: list[tuple[str, str]] = []
        for run_id in found:
            try:
                started.append((run_id, client.runs.rerun(run_id, version=version)["id"]))
            except ApiError as error:
                output.say(f"{run_id}: {error}")
    if as_json:
        output.print_json([{"before": before, "id": new} for before, new in started])
    else:
        output.print_rows(("run", "new run"), started)
    if len(started) < len(found):
        raise Failure(f"{formats.count(len(found) - len(started), 'run')} could not be started.")


def _act(
    action: Literal["cancel", "delete"], filters: Filters, word: str, *, yes: bool, base_url: str | None, as_json: bool
) -> None:
    _check(filters)
    with connect(base_url) as client:
        found = client.runs.act_on_many(action, filters, dry_run=True)
        left = "; more match, and are left for the next time" if found["more"] else ""
        if found["count"]:
            output.confirm(f"{word} {formats.count(found['count'], 'run')}{left}?", yes=yes)
            found = client.runs.act_on_many(action, filters)
    if as_json:
        output.print_json({**found, "dryRun": False})
        return
    done = {"cancel": "cancelled", "delete": "deleted"}[action]
    output.print_fields({done: found["count"], "kept": found["kept"]})
    if found["kept"]:
        output.say("Kept were those that are under review, or that went on meanwhile.")
    if found["more"]:
        output.say("More match: say it again.")


def _check(filters: Filters) -> None:
    if all(value is None for value in filters.values()):
        raise Failure(
            "Say which runs, by an automation or a filter.",
            hint="--created-before 0m finds all there are.",
            exit_code=ExitCode.MISUSED,
        )
