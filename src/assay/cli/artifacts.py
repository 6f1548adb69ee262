"""`assay runs artifacts`: the files that went into a run and came out of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from assay.cli import formats, output
from assay.cli.answers import Json
from assay.cli.connection import connect
from assay.cli.failure import Failure
from assay.cli.fetching import arriving, inside
from assay.cli.options import AsJson, BaseUrl, RunId
from assay_client import Client

EVERY_ROLE = "all"

app = typer.Typer(help="Look at the files of a run.")


@app.command("list")
def list_artifacts(run_id: RunId, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """List the files of a run."""
    with connect(base_url) as client:
        found = client.runs.artifacts(run_id)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (
            artifact["path"],
            artifact["role"],
            artifact.get("stepName"),
            artifact.get("contentType"),
            output.Cell(artifact.get("size"), formats.size(artifact.get("size"))),
        )
        for artifact in found
    ]
    output.print_rows(("path", "role", "step", "type", "size"), rows)


@app.command("fetch")
def fetch(
    run_id: RunId,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder; else ./<run>.")] = None,
    include: Annotated[
        str, typer.Option("--include", help="Roles to fetch, a list: output,input,debug; or all.")
    ] = "output",
    path: Annotated[
        list[str] | None, typer.Option("--path", help="Fetch this one, whatever its role. Repeat it for more.")
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Download files of a run, each to its path under the folder; prints where they are."""
    folder = out or Path(run_id)
    with connect(base_url) as client:
        wanted = _wanted(client.runs.artifacts(run_id), include.split(","), path or [])
        saved = [str(_save(client, run_id, artifact, folder)) for artifact in wanted]
    if as_json:
        output.print_json(saved)
        return
    for name in saved:
        output.print_value(name)
    if not saved:
        output.say("The run has no such files.")


def _wanted(artifacts: Iterable[Json], roles: Iterable[str], paths: Iterable[str]) -> list[Json]:
    by_path = {artifact["path"]: artifact for artifact in artifacts}
    missing = [path for path in paths if path not in by_path]
    if missing:
        raise Failure(f"The run has no file {missing[0]}.", hint="`assay runs artifacts list` shows the paths.")
    if paths:
        return [by_path[path] for path in paths]
    return [one for one in by_path.values() if EVERY_ROLE in roles or one["role"] in roles]


def _save(client: Client, run_id: str, artifact: Json, folder: Path) -> Path:
    target = folder / inside(artifact["path"])
    target.parent.mkdir(parents=True, exist_ok=True)
    with output.working(f"{artifact['path']} …"), arriving(target) as file:
        client.runs.download_artifact(run_id, artifact["path"], file)
    return target
