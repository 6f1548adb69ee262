"""`assay runs incumbent`: what the process before made of the same inputs."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from assay.cli import formats, output
from assay.cli.answers import Json, items, part
from assay.cli.connection import automation_ref, connect
from assay.cli.failure import ExitCode
from assay.cli.issues import read_text
from assay.cli.json_text import parsed
from assay.cli.options import AsJson, AutomationName, BaseUrl, RunId, Since, Until
from assay.cli.output import Value

app = typer.Typer(help="The process before, beside runs: import, diff, agreement.")


@app.command("import")
def import_outputs(
    automation: AutomationName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON array or NDJSON; - reads stdin.")],
    *,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Attach outputs of the process before to runs, all of them or none.

    Each is {"runId": …, "output": …}, or {"match": {"key": …, "value": …}, "output": …} by the run's metadata.
    """
    outputs = _outputs(sys.stdin.read() if str(file) == "-" else read_text(file))
    with connect(base_url) as client:
        done = client.incumbents.import_outputs(automation_ref(automation), outputs)
    if as_json:
        output.print_json(done)
    else:
        output.say(f"Outputs were attached to {formats.count(done['added'], 'run')}, replaced on {done['replaced']}.")


@app.command("diff")
def diff(
    run_id: RunId,
    *,
    fail_on_diff: Annotated[bool, typer.Option("--fail-on-diff", help="Exit 1 if they differ.")] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Compare a run with what the process before made of its input."""
    with connect(base_url) as client:
        found = client.incumbents.diff(run_id)
    if as_json:
        output.print_json(found)
    else:
        _print_difference(found)
    if fail_on_diff and not found["same"]:
        raise typer.Exit(ExitCode.FAILED)


@app.command("agreement")
def agreement(
    automation: AutomationName,
    *,
    since: Since = None,
    until: Until = None,
    mode: Annotated[Literal["live", "shadow"] | None, typer.Option("--mode", help="Only these runs.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say how far an automation agrees with the process before, and who is right where people said what is."""
    with connect(base_url) as client:
        found = client.incumbents.agreement(automation_ref(automation), since=since, until=until, mode=mode)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (
            one["field"],
            _share(one["agreed"], one["compared"], one),
            _judged(one, "run"),
            _judged(one, "incumbent"),
        )
        for one in items(found, "fields")
    ]
    output.print_rows(("field", "the same", "run right", "incumbent right"), rows)
    output.say(
        f"{formats.count(found['runs'], 'run')} compared, {found['identical']['count']} the same in every field; of "
        f"{found['judgedRuns']} people said what is right ({found['judgedAtRandom']} drawn at random)."
    )


def _print_difference(found: Json) -> None:
    judged = part(found, "judged")
    rows: list[tuple[Value, ...]] = [
        (
            name,
            same,
            part(judged, name).get("run"),
            part(judged, name).get("incumbent"),
        )
        for name, same in found["fields"].items()
    ]
    output.print_rows(("field", "same", "run right", "incumbent right"), rows)
    differences = [
        (one["path"], output.compact_json(one["incumbent"]), output.compact_json(one["run"]), one.get("reason"))
        for one in items(found, "differences")
    ]
    if differences:
        output.print_rows(("path", "incumbent", "run", "why"), differences)


def _judged(field: Json, side: str) -> Value:
    judged = field["judged"]
    return None if judged is None else _share(judged[side]["right"], judged["runs"], judged[side])


def _share(count: int, total: int, rate: Json) -> Value:
    bounds = rate["interval"]
    return output.Cell(rate["rate"], f"{count}/{total}, {bounds['lower']:.0%} to {bounds['upper']:.0%}")


def _outputs(text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        return parsed("the file", text)
    return [parsed(f"line {number}", line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
