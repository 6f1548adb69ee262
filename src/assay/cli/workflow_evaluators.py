"""`assay workflow evaluators`: from an evaluators.yaml on this machine to the server, and back."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import formats, output
from assay.cli.answers import Json
from assay.cli.connection import automation_ref, connect
from assay.cli.failure import ExitCode
from assay.cli.issues import as_in_file, issue_line, read_text
from assay.cli.options import AsJson, AutomationName, BaseUrl, ExampleName
from assay.cli.paging import Offset, PageSize, print_page
from assay.cli.score_rows import score_row
from assay_client import ApiError

DEFAULT_FILE = Path("evaluators.yaml")

app = typer.Typer(help="Say who judges runs: pull, push, validate, try, history.")

EvaluatorsFile = Annotated[
    Path, typer.Option("--file", "-f", metavar="FILE", help="The evaluators.", exists=True, dir_okay=False)
]


@app.command("validate")
def validate(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="The evaluators.", exists=True, dir_okay=False, readable=True)
    ] = DEFAULT_FILE,
    *,
    as_json: AsJson = False,
) -> None:
    """Check an evaluators.yaml; no server is needed.

    Prints everything that is wrong, each with its place. Exits with 1 if it is not valid.
    """
    # Evaluator types bring their libraries along, which no other command here needs.
    from assay import evaluators  # noqa: PLC0415

    issues: list[dict[str, Any]] = []
    count = 0
    try:
        count = len(evaluators.parse(read_text(path)).entries)
    except evaluators.InvalidEvaluatorsError as error:
        issues = [asdict(issue) for issue in error.issues]
    if as_json:
        output.print_json({"valid": not issues, "issues": issues})
    else:
        for issue in issues:
            output.print_value(issue_line(issue, path))
    if issues:
        raise typer.Exit(1)
    output.say(f"{path}: {formats.count(count, 'evaluator')}, all valid.")


@app.command("push")
def push(
    automation: AutomationName,
    *,
    file: EvaluatorsFile = DEFAULT_FILE,
    replacing: Annotated[
        int | None,
        typer.Option("--replacing", min=0, metavar="NUMBER", help="Only if these are in force still; 0: if none are."),
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Replace the evaluators of an automation by a file. Prints its id and their number, which rises."""
    text = read_text(file)
    with connect(base_url) as client:
        try:
            found = client.evaluators.replace(automation_ref(automation), text, replacing=replacing)
        except ApiError as error:
            raise as_in_file(error, file) from error
    if as_json:
        output.print_json(found)
        return
    output.print_line(found["automationId"], str(found["number"]))
    output.say(f"From now on {formats.count(len(found['config']['evaluators']), 'evaluator')} will judge.")


@app.command("pull")
def pull(
    automation: AutomationName,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write them there.")] = None,
    past: Annotated[
        str | None, typer.Option("--past", metavar="ID", help="Earlier ones: an id (evs_…) that `history` lists.")
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print the evaluators in force, or earlier ones, exactly as they were pushed."""
    with connect(base_url) as client:
        name = automation_ref(automation)
        found = client.evaluators.get(name) if past is None else client.evaluators.past(name, past)
    if found["number"] is None:
        output.say("There are no evaluators yet.")
    if out is not None:
        out.write_text(found["yaml"], encoding="utf-8")
    elif as_json:
        output.print_json(found)
    else:
        output.print_text(found["yaml"])


@app.command("history")
def history(
    automation: AutomationName,
    *,
    limit: PageSize = 50,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List all evaluators that were ever in force, newest first; `pull --past` prints some."""
    with connect(base_url) as client:
        page = client.evaluators.history(automation_ref(automation), limit=limit, offset=offset)
    print_page(page, ("id", "number", "since", "who", "content"), _row, offset=offset, as_json=as_json)


@app.command("try")
def try_out(
    automation: AutomationName,
    example: ExampleName,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="Evaluators; else those in force.", exists=True, dir_okay=False
        ),
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let evaluators judge an example's latest run, and keep nothing of it.

    Exits with 1 if the run does not pass, with 3 if that cannot be told.
    """
    text = None if file is None else read_text(file)
    with connect(base_url) as client:
        try:
            found = client.evaluators.try_out(automation_ref(automation), example, text)
        except ApiError as error:
            raise (error if file is None else as_in_file(error, file)) from error
    if as_json:
        output.print_json(found)
    else:
        titles = ("evaluator", "type", "score", "passed", "label", "weight", "error")
        output.print_rows(titles, [score_row(one) for one in found["results"]])
        output.say(f"{found['outcome']}: {found['reason'] or found['runId']}")
    codes = {True: ExitCode.OK, False: ExitCode.FAILED, None: ExitCode.CANNOT_TELL}
    raise typer.Exit(codes[found["passed"]])


def _row(past: Json) -> Sequence[output.Value]:
    return (
        past["id"],
        past["number"],
        output.moment_cell(past["createdAt"]),
        past["email"] or past["createdBy"],
        past["contentHash"][:12],
    )
