"""`assay examples`: running single examples."""

from typing import Annotated

import typer

from assay.cli import output
from assay.cli.answers import Json, part
from assay.cli.connection import automation_ref, connect
from assay.cli.dataset_examples import ExampleName
from assay.cli.failure import ExitCode
from assay.cli.options import AsJson, AutomationName, BaseUrl, Interval, MaxWait, Wait
from assay.cli.waiting import print_result, until_finished

app = typer.Typer(help="Run single examples of a dataset, and grade them.")


@app.callback()
def options() -> None:
    """Keep `run` a command of a group, though it is the only one."""


@app.command("run")
def run(
    automation: AutomationName,
    example: ExampleName,
    *,
    version: Annotated[
        str | None, typer.Option("--version", "--source-ref", metavar="VERSION", help="Else the current one.")
    ] = None,
    wait: Wait = False,
    interval: Interval = 2,
    max_wait: MaxWait = 1800,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Run one example and grade it.

    Prints the id of the run; with --wait, its output. Exits with 1 if it did not pass, or, where nothing graded it,
    if it failed; with 2 if it is not finished in time, 3 if the server was lost.
    """
    with connect(base_url) as client:
        started = client.examples.run(automation_ref(automation), example, version=version)
        if wait:
            finished = until_finished(client, started["id"], interval=interval, max_wait=max_wait)
            code = print_result(finished, as_json=as_json)
            raise typer.Exit(_graded(finished, code))
    if as_json:
        output.print_json(started)
        return
    output.print_value(started["id"])
    output.say(f"Started. assay runs watch {started['id']}")


def _graded(run: Json, code: int) -> int:
    grade = part(run, "eval")
    if grade.get("passed") is None:
        output.say("Nothing graded it.")
        return code
    score = "" if grade.get("score") is None else f", score {grade['score']:.2f}"
    output.say(f"{'Passed' if grade['passed'] else 'Not passed'}{score}.")
    return ExitCode.OK if grade["passed"] else ExitCode.FAILED
