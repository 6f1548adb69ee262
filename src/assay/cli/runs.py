"""`assay runs`: looking at runs, and what can be done to one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from assay.cli import artifacts, bulk_actions, expected_files, feedback, incumbents, output, resolutions, starting
from assay.cli.answers import Json, items, part
from assay.cli.connection import connect
from assay.cli.failure import ExitCode
from assay.cli.options import AsJson, BaseUrl, Interval, MaxWait, RunId, Yes
from assay.cli.output import Value
from assay.cli.paging import Offset
from assay.cli.run_filters import Filters, takes_run_filters
from assay.cli.score_rows import score_row
from assay.cli.trace import read_trace, render
from assay.cli.values import EVERYTHING, Limits
from assay.cli.waiting import tell_end, until_finished

EXIT_CODES = {"pass": ExitCode.OK, "fail": ExitCode.FAILED, "inconclusive": ExitCode.CANNOT_TELL}
EXPANSIONS = ("input", "usage", "execution", "debug")

app = typer.Typer(help="Look at runs: list, get, trace, scores, watch, cancel, compare, delete, bulk, artifacts.")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(bulk_actions.app, name="bulk")
app.add_typer(feedback.app, name="feedback")
app.add_typer(feedback.app, name="fb", hidden=True)
app.add_typer(expected_files.app, name="expected")
app.add_typer(incumbents.app, name="incumbent")
app.command("rerun")(starting.rerun)
resolutions.add_to(app)


@app.command("list")
@takes_run_filters
def list_runs(
    *,
    filters: Filters,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    offset: Offset = 0,
    sort: Annotated[
        Literal["createdAt", "completedAt"] | None, typer.Option("--sort", help="By which moment; else createdAt.")
    ] = None,
    order: Annotated[Literal["desc", "asc"] | None, typer.Option("--order", help="Newest first, unless asc.")] = None,
    compact: Annotated[bool, typer.Option("--compact", help="Only the ids.")] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first. Filters combine."""
    query = {**filters, "offset": offset or None, "sort": sort, "order": order}
    with connect(base_url) as client:
        found = list(client.runs.iterate(query, limit=limit))
    if as_json:
        output.print_json(found)
    elif compact:
        for run in found:
            output.print_value(run["id"])
    else:
        titles = ("run", "automation", "version", "status", "review", "trigger", "created", "took", "error")
        output.print_rows(titles, [_row(run) for run in found])
    if not found:
        output.say("No run is like that.")


@app.command("get")
def get(
    run_id: RunId,
    *,
    step: Annotated[str | None, typer.Option("--step", help="Only these steps, a list of names: parse,fields.")] = None,
    expand: Annotated[
        str | None, typer.Option("--expand", help=f"With --json, a list of: {', '.join(EXPANSIONS)}.")
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a run: how it stands, and what came out."""
    with connect(base_url) as client:
        if step is not None:
            names = step.split(",")
            steps = [found for found in client.runs.steps(run_id) if found["stepName"] in names]
            output.print_json(steps)
            for name in sorted({*names} - {found["stepName"] for found in steps}):
                output.say(f"The run has done no step {name!r}: assay runs trace {run_id}")
            return
        run = client.runs.get(run_id, expand=expand.split(",") if expand else ())
    if as_json or expand:
        output.print_json(run)
        return
    output.print_fields(_fields(run))


@app.command("trace")
def trace(
    run_id: RunId,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Save all of it: as JSON to a file named .json, else as text."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Do not shorten long values.")] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened inside a run: steps, durations, inputs, outputs and errors."""
    with connect(base_url) as client:
        found = read_trace(client, run_id)
    if out is not None:
        with out.open("w", encoding="utf-8") as file:
            if out.suffix == ".json":
                output.write_json(file, found.as_json())
            else:
                output.print_rich(render(found, EVERYTHING), file)
        output.say(f"Saved to {out}.")
    elif as_json:
        output.print_json(found.as_json())
    else:
        output.print_rich(render(found, EVERYTHING if full else Limits()))


@app.command("scores")
def scores(run_id: RunId, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Show what each evaluator said of a run."""
    with connect(base_url) as client:
        found = client.runs.scores(run_id)
    if as_json:
        output.print_json(found)
        return
    output.print_rows(
        ("evaluator", "type", "score", "passed", "label", "weight", "error"), [score_row(one) for one in found]
    )
    if not found:
        output.say("Nothing judged this run.")


@app.command("watch")
def watch(
    run_id: RunId,
    *,
    interval: Interval = 2,
    max_wait: MaxWait = 1800,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Follow a run to its end.

    Prints what happens as it happens, or with --json the run at the end. Exits as `assay run` does.
    """
    with connect(base_url) as client:
        told: set[tuple[str, str, str]] = set()

        def tell_news(_run: Json) -> None:
            for event in client.runs.events(run_id):
                step = str(part(event, "metadata").get("step", ""))
                key = (event["type"], event["timestamp"], step)
                if key not in told:
                    told.add(key)
                    output.print_line(event["timestamp"], event["type"], step, event.get("message"))

        seen = None if as_json else tell_news
        run = until_finished(client, run_id, interval=interval, max_wait=max_wait, seen=seen)
    if as_json:
        output.print_json(run)
    tell_end(run)
    raise typer.Exit(ExitCode.OK if run["execution"]["status"] == "completed" else ExitCode.FAILED)


@app.command("cancel")
def cancel(run_id: RunId, *, yes: Yes = False, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Cancel a run: at once if it has not started, else at its next step. Safe to repeat."""
    output.confirm(f"Cancel {run_id}?", yes=yes)
    with connect(base_url) as client:
        answer = client.runs.cancel(run_id)
    if as_json:
        output.print_json(answer)
        return
    output.print_fields(
        {
            "run": run_id,
            "cancellation": answer["cancellation"]["state"],
            "status": output.status_cell(answer["execution"]["status"]),
        }
    )


@app.command("delete")
def delete(run_id: RunId, *, yes: Yes = False, base_url: BaseUrl = None) -> None:
    """Delete a finished run with its trace and files, for ever."""
    output.confirm(f"Delete {run_id} for ever?", yes=yes)
    with connect(base_url) as client:
        client.runs.delete(run_id)
    output.say(f"Deleted {run_id}.")


@app.command("compare")
@app.command("diff", hidden=True)
def compare(
    before: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run to measure against.", show_default=False)],
    after: Annotated[str, typer.Argument(metavar="OTHER", help="Id of the other run.", show_default=False)],
    *,
    step: Annotated[str | None, typer.Option("--step", help="Only this step.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save all of it as JSON.")] = None,
    fail_on_diff: Annotated[
        bool, typer.Option("--fail-on-diff", help="Exit 1 if they differ, 3 if one is not finished.")
    ] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: status, durations and outputs, of the whole and of each step."""
    with connect(base_url) as client:
        found = client.runs.compare(before, after)
    if step is not None:
        found["steps"] = [one for one in found["steps"] if one["stepName"] == step]
    if out is not None:
        with out.open("w", encoding="utf-8") as file:
            output.write_json(file, found)
        output.say(f"Saved to {out}.")
    if as_json:
        output.print_json(found)
    elif out is None:
        _print_comparison(found)
    if fail_on_diff:
        raise typer.Exit(EXIT_CODES[found["status"]])


def _row(run: Json) -> Sequence[Value]:
    source = run["source"]
    return (
        run["id"],
        source.get("slug") or source["name"],
        source["version"],
        output.status_cell(run["execution"]["status"]),
        run.get("reviewState"),
        run["trigger"]["type"],
        output.moment_cell(run["timing"]["createdAt"]),
        output.duration_cell(run["timing"]["durationMs"]),
        run["error"],
    )


def _fields(run: Json) -> dict[str, Value]:
    source, timing, by = run["source"], run["timing"], run["trigger"]["by"]
    return {
        "run": run["id"],
        "status": output.status_cell(run["execution"]["status"]),
        "review": run.get("reviewState"),
        "automation": source.get("slug") or source["name"],
        "version": source["version"],
        "trigger": run["trigger"]["type"],
        "by": by["email"] if by else None,
        "created": output.moment_cell(timing["createdAt"]),
        "completed": output.moment_cell(timing["completedAt"]),
        "took": output.duration_cell(timing["durationMs"]),
        "error": run["error"],
        "files": len(items(run, "files")),
        "output": output.compact_json(run.get("output")),
    }


def _print_comparison(found: Json) -> None:
    output.print_fields(
        {
            "result": output.status_cell(found["status"]),
            "before": f"{found['before']['id']} {found['before']['status']} {found['before']['version']}",
            "after": f"{found['after']['id']} {found['after']['status']} {found['after']['version']}",
            "duration": _delta_cell(found["durationDeltaMs"]),
        }
    )
    output.print_rows(("step", "before", "after", "duration", "same"), [_step_row(step) for step in found["steps"]])
    places = [("output", difference) for difference in found["output"]]
    places += [(step["stepName"], difference) for step in found["steps"] for difference in step["output"]]
    if places:
        output.print_rows(("path", "before", "after"), [_place_row(*place) for place in places])


def _step_row(step: Json) -> Sequence[Value]:
    return (
        step["stepName"],
        output.status_cell(step["beforeStatus"] or ""),
        output.status_cell(step["afterStatus"] or ""),
        _delta_cell(step["durationDeltaMs"]),
        step["same"],
    )


def _place_row(where: str, difference: Json) -> Sequence[Value]:
    return (
        f"{where}{difference['path']}",
        output.compact_json(difference["before"]),
        output.compact_json(difference["after"]),
    )


def _delta_cell(milliseconds: float | None) -> Value:
    if milliseconds is None:
        return None
    sign = "+" if milliseconds >= 0 else "-"
    return output.Cell(milliseconds, f"{sign}{output.duration_cell(abs(milliseconds)).shown}")
