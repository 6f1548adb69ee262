"""`assay workflow evaluators`: from an evaluators.yaml on this machine to the server, and back."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import formats, output
from assay.cli.connection import automation_ref, connect
from assay.cli.failure import Failure
from assay.cli.issues import issue_line, read_text
from assay.cli.options import AsJson, AutomationName, BaseUrl
from assay_client import ApiError

DEFAULT_FILE = Path("evaluators.yaml")

app = typer.Typer(help="Say who judges runs: pull, push, validate.")

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
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Replace the evaluators of an automation by a file. Prints their number, which rises with each change."""
    text = read_text(file)
    with connect(base_url) as client:
        try:
            found = client.evaluators.replace(automation_ref(automation), text)
        except ApiError as error:
            if not any(issue.get("line") for issue in error.issues):
                raise
            for issue in error.issues:
                output.print_value(issue_line(issue, file))
            raise Failure(f"{file} is not valid: {formats.count(len(error.issues), 'error')}.") from error
    if as_json:
        output.print_json(found)
        return
    output.print_line(found["automationId"], str(found["number"]))
    output.say(f"{formats.count(len(found['config']['evaluators']), 'evaluator')} judge from now on.")


@app.command("pull")
def pull(
    automation: AutomationName,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write them there.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print the evaluators in force, exactly as they were pushed."""
    with connect(base_url) as client:
        found = client.evaluators.get(automation_ref(automation))
    if found["number"] is None:
        output.say("There are no evaluators yet.")
    if out is not None:
        out.write_text(found["yaml"], encoding="utf-8")
    elif as_json:
        output.print_json(found)
    else:
        output.print_text(found["yaml"])
