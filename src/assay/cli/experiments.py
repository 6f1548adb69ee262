"""`assay workflow experiment`: running a version over a dataset, watching it, and reading what came of it."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Annotated, Literal

import typer

from assay.cli import comparisons, formats, output
from assay.cli.answers import Json
from assay.cli.connection import automation_ref, connect
from assay.cli.experiment_progress import pass_rate, until_over
from assay.cli.experiment_results import analyse, sentences
from assay.cli.failure import ExitCode
from assay.cli.fetching import arriving
from assay.cli.options import AsJson, AutomationName, BaseUrl, MaxWait, Yes
from assay.cli.output import Cell, Value
from assay.cli.paging import Offset, PageSize, print_page
from assay_client import Client

Format = Literal["csv", "json"]

app = typer.Typer(help="Measure versions: run, status, watch, results, compare, cancel, list, export.")
app.command("compare")(comparisons.compare)
app.command("diff", hidden=True)(comparisons.compare)

ExperimentId = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id (evb_…).", show_default=False)]
WaitForEnd = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the end; exit with 1 unless all examples passed.")
]
# The seed's commands ask in intervals; here each end is told at once.
Interval = Annotated[float, typer.Option("--interval", hidden=True)]


@app.command("run")
def run(  # noqa: PLR0913 (one parameter an option)
    automation: AutomationName,
    *,
    version: Annotated[
        str | None, typer.Option("--version", "--source-ref", metavar="VERSION", help="Else the current one.")
    ] = None,
    examples: Annotated[
        str | None, typer.Option("--examples", metavar="A,B", help="Only these, by name or id; else the whole dataset.")
    ] = None,
    example_id: Annotated[
        list[str] | None, typer.Option("--example-id", metavar="EXAMPLE", help="The same, one each time.")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often each example is run.")] = 1,
    required_passes: Annotated[
        int | None,
        typer.Option("--required-passes", min=1, help="An example passes if so many of its repeats do; else all."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, help="How many runs at once; else as the workers can.")
    ] = None,
    wait: WaitForEnd = False,
    interval: Interval = 10,
    max_wait: MaxWait = 1800,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Run a version over the dataset, and have the evaluators judge it.

    Prints the id of the experiment. With --wait, exits with 0 if all examples passed or nothing grades them, 1 if one
    failed, 3 if none failed but some ended with an error or were cancelled, 2 after --max-wait.
    """
    del interval
    named = [*(examples or "").split(","), *(example_id or [])]
    name = automation_ref(automation)
    with connect(base_url) as client:
        started = client.experiments.start(
            name,
            version=version,
            examples=[one for one in named if one] or None,
            repeats=repeats,
            required_passes=required_passes,
            concurrency=concurrency,
        )
        output.say(f"{formats.count(started['total'], 'run')}: assay workflow experiment watch {started['id']}")
        if not wait:
            _print_started(started, as_json=as_json)
            return
        over = until_over(client, name, started["id"], max_wait=max_wait)
    if as_json:
        output.print_json(over)
    else:
        output.print_value(over["id"])
    _tell(over)
    raise typer.Exit(_verdict(over))


@app.command("status")
def status(
    experiment: ExperimentId,
    *,
    watch_it: Annotated[bool, typer.Option("--watch", help="Wait for the end first, as `watch` does.")] = False,
    interval: Interval = 5,
    max_wait: MaxWait = 1800,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how an experiment stands.

    Exits with 1 if a run ended with an error or was cancelled; runs that were graded and found wrong are no error.
    """
    if watch_it:
        watch(experiment, interval=interval, max_wait=max_wait, base_url=base_url, as_json=as_json)
    with connect(base_url) as client:
        found = client.experiments.get(client.experiments.automation_of(experiment), experiment, results=False)
    _print_status(found, as_json=as_json)
    raise typer.Exit(_soundness(found))


@app.command("watch")
def watch(
    experiment: ExperimentId,
    *,
    interval: Interval = 5,
    max_wait: MaxWait = 1800,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Follow an experiment to its end, and show how it stands then.

    Exits as `status` does, and with 2 after --max-wait.
    """
    del interval
    with connect(base_url) as client:
        over = until_over(client, client.experiments.automation_of(experiment), experiment, max_wait=max_wait)
    _print_status(over, as_json=as_json)
    _tell(over)
    raise typer.Exit(_soundness(over))


@app.command("results")
def results(
    experiment: ExperimentId,
    *,
    failed: Annotated[
        bool, typer.Option("--failed", "--failed-only", help="Only runs that did not pass, each with what it lacks.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many mismatches at most; --json prints all.")] = 50,
    form: Annotated[Format | None, typer.Option("--format", hidden=True)] = None,
    out: Annotated[Path | None, typer.Option("--out", hidden=True)] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what came of an experiment: the pass rate and how sure it is, each evaluator, and what was wrong where.

    Mismatches at the path that is wrong most often come first.
    """
    if form is not None or out is not None:
        export(experiment, form=form or "csv", out=out, base_url=base_url)
        return
    with connect(base_url) as client:
        detail = client.experiments.get(client.experiments.automation_of(experiment), experiment)
    found = analyse(detail, failed_only=failed)
    if as_json:
        output.print_json(found)
        return
    for sentence in sentences(found["experiment"]):
        output.print_value(sentence)
    _print_evaluators(found["evaluators"])
    if failed:
        _print_runs(found["runs"])
    _print_mismatches(found["mismatches"], limit)


@app.command("cancel")
def cancel(experiment: ExperimentId, *, yes: Yes = False, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Stop an experiment: runs that ended stay, others do not begin. Safe to repeat."""
    output.confirm(f"Cancel {experiment}?", yes=yes)
    with connect(base_url) as client:
        found = client.experiments.cancel(client.experiments.automation_of(experiment), experiment)
    _print_status(found, as_json=as_json)


@app.command("list")
def list_experiments(
    automation: AutomationName,
    *,
    limit: PageSize = 50,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the experiments of an automation, newest first."""
    with connect(base_url) as client:
        page = client.experiments.list(automation_ref(automation), limit=limit, offset=offset)
    titles = ("experiment", "version", "status", "ended", "of", "pass rate", "score", "created")
    print_page(page, titles, _row, offset=offset, as_json=as_json)


@app.command("export")
def export(
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="Its id, or an automation for its newest ones.")
    ],
    *,
    form: Annotated[Format, typer.Option("--format", help="The form.")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there.")] = None,
    base_url: BaseUrl = None,
) -> None:
    """Print all scores, one row for each run and evaluator."""
    with connect(base_url) as client:
        automation, experiment_id = _exported(client, experiment)
        with _opened(out) as file:
            client.experiments.export(automation, file, experiment_id=experiment_id, form=form)
    if out is not None:
        output.say(f"Saved to {out}.")


@contextmanager
def _opened(out: Path | None) -> Generator[IO[bytes]]:
    if out is not None:
        with arriving(out) as file:
            yield file
    elif output.is_terminal():
        text = BytesIO()
        yield text
        output.print_text(text.getvalue().decode())
    else:
        yield sys.stdout.buffer


def _exported(client: Client, name: str) -> tuple[str, str | None]:
    if name.startswith("evb_"):
        return client.experiments.automation_of(name), name
    return automation_ref(name), None


def _verdict(over: Json) -> ExitCode:
    """Say what a pipeline that must not let a worse version through has to know."""
    counts = over["summary"]["examples"]
    if counts["failed"]:
        return ExitCode.FAILED
    return ExitCode.CANNOT_TELL if counts["errors"] or counts["cancelled"] or over["cancelled"] else ExitCode.OK


def _soundness(experiment: Json) -> ExitCode:
    return ExitCode.FAILED if experiment["errorCount"] or experiment["cancelledCount"] else ExitCode.OK


def _tell(over: Json) -> None:
    for sentence in sentences(over):
        output.say(sentence)
    output.say(f"hint: assay workflow experiment results {over['id']}")


def _print_started(started: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(started)
    else:
        output.print_value(started["id"])


def _print_status(found: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    output.print_fields(
        {
            "experiment": found["id"],
            "automation": found["automationId"],
            "version": found["version"] or found["versionId"],
            "dataset revision": found["datasetRevision"],
            "status": output.status_cell(_status_word(found)),
            "ended": f"{found['completedCount']:,} of {found['runCount']:,} runs",
            "passed": found["passedCount"],
            "failed": found["failedCount"],
            "errors": found["errorCount"],
            "ungraded": found["ungradedCount"],
            "cancelled": found["cancelledCount"],
            "pass rate": _rate_cell(found),
            "mean score": _score_cell(found["avgScore"]),
            "created": output.moment_cell(found["createdAt"]),
            "completed": output.moment_cell(found["completedAt"]),
        }
    )


def _row(experiment: Json) -> Sequence[Value]:
    return (
        experiment["id"],
        experiment["version"] or experiment["versionId"],
        output.status_cell(_status_word(experiment)),
        experiment["completedCount"],
        experiment["runCount"],
        _rate_cell(experiment),
        _score_cell(experiment["avgScore"]),
        output.moment_cell(experiment["createdAt"]),
    )


def _status_word(experiment: Json) -> str:
    over = experiment["status"] == "completed"
    return "cancelled" if over and experiment["cancelled"] else experiment["status"]


def _print_evaluators(evaluators: Sequence[Json]) -> None:
    rows: list[Sequence[Value]] = [
        (
            one["name"],
            one["type"],
            _score_cell(one["meanScore"]),
            one["passed"],
            one["failed"],
            one["errors"],
        )
        for one in evaluators
    ]
    if rows:
        output.print_rows(("evaluator", "type", "mean", "passed", "failed", "errors"), rows)


def _print_runs(runs: Sequence[Json]) -> None:
    rows: list[Sequence[Value]] = [
        (
            run["exampleName"],
            run["id"],
            run["repeat"],
            output.status_cell(run["verdict"] or run["status"]),
            _score_cell(run["score"]),
            run["error"],
        )
        for run in runs
    ]
    if rows:
        output.print_rows(("example", "run", "repeat", "verdict", "score", "error"), rows)


def _print_mismatches(mismatches: Sequence[Json], limit: int) -> None:
    rows: list[Sequence[Value]] = [
        (
            one["example"],
            one["run"],
            one["evaluator"],
            one["path"],
            output.compact_json(one["expected"]),
            one["reason"] if one["reason"] == "missing" else output.compact_json(one["actual"]),
        )
        for one in mismatches[:limit]
    ]
    if rows:
        output.print_rows(("example", "run", "evaluator", "path", "expected", "actual"), rows)
    if len(mismatches) > limit:
        output.say(f"{len(mismatches) - limit:,} more mismatches: --limit and --json show them.")


def _rate_cell(experiment: Json) -> Cell:
    rate = pass_rate(experiment)
    return Cell(rate, "" if rate is None else f"{rate:.1%}")


def _score_cell(score: float | None) -> Cell:
    return Cell(score, "" if score is None else f"{score:.3f}")
