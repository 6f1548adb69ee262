"""`assay run` and `assay rerun`: from the words of a command line to a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from assay.cli import output
from assay.cli.answers import items
from assay.cli.connection import connect
from assay.cli.issues import read_text
from assay.cli.json_text import parsed
from assay.cli.options import AsJson, BaseUrl, Interval, MaxWait, RunId, Wait
from assay.cli.waiting import print_result, until_finished
from assay_client import Client

DEFAULT_FIELD = "file"


def run(  # noqa: PLR0913 (one parameter an option)
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="workflows.<name>, also with @<version>.", show_default=False)
    ],
    *,
    input_json: Annotated[
        str | None, typer.Option("--input-json", metavar="JSON", help="The input, or @FILE that holds it.")
    ] = None,
    input_file: Annotated[
        list[str] | None,
        typer.Option(
            "--input-file",
            metavar="FIELD=PATH",
            help="A file of the input; a path alone is the field `file`. Repeat it for more files.",
        ),
    ] = None,
    metadata: Annotated[
        str | None, typer.Option("--metadata", metavar="JSON", help="What to remember with the run.")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", metavar="VERSION", help="Same as @<version>; else the current one.")
    ] = None,
    wait: Wait = False,
    interval: Interval = 2,
    max_wait: MaxWait = 1800,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Start a run.

    Prints the id of the run; with --wait, its output.
    Exits with 1 if it failed, 2 if it is not finished in time, 3 if the server was lost.
    """
    name, reference = _split(target, version)
    given = _object("--input-json", input_json)
    files = _files(input_file or [])
    about = _object("--metadata", metadata) if metadata is not None else None
    with connect(base_url) as client:
        with output.working("Starting …"):
            started = client.runs.start(name, given, files=files, version=reference, metadata=about)
        _follow(client, started, wait=wait, interval=interval, max_wait=max_wait, as_json=as_json)


def rerun(
    run_id: RunId,
    *,
    version: Annotated[
        str | None,
        typer.Option("--version", "--source-ref", metavar="VERSION", help="latest (the default), original, or any."),
    ] = None,
    wait: Wait = False,
    interval: Interval = 2,
    max_wait: MaxWait = 1800,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Start a run again with the same input.

    Prints the id of the new run; with --wait, its output. Exits as `assay run` does.
    """
    with connect(base_url) as client:
        started = client.runs.rerun(run_id, version=version)
        _follow(client, started, wait=wait, interval=interval, max_wait=max_wait, as_json=as_json)


def _follow(
    client: Client, started: dict[str, Any], *, wait: bool, interval: float, max_wait: float, as_json: bool
) -> None:
    for issue in items(started, "issues"):
        output.say(f"Warning: {issue['message']}")
    if wait:
        finished = until_finished(client, started["id"], interval=interval, max_wait=max_wait)
        raise typer.Exit(print_result(finished, as_json=as_json))
    if as_json:
        output.print_json(started)
        return
    output.print_value(started["id"])
    output.say(f"Started. assay runs watch {started['id']}")


def _split(target: str, version: str | None) -> tuple[str, str | None]:
    name, mark, reference = target.partition("@")
    if not mark:
        return target, version
    if version is not None and version != reference:
        raise typer.BadParameter(f"the target says {reference}, --version says {version}.")
    return name, reference


def _object(option: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    found: object = parsed(option, read_text(Path(text[1:])) if text.startswith("@") else text)
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{option} must be a JSON object.")
    return cast("dict[str, Any]", found)


def _files(options: Sequence[str]) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for option in options:
        field, path = _field_and_path(option)
        if not path.is_file():
            raise typer.BadParameter(f"--input-file: there is no file {path}.")
        files.setdefault(field, []).append(path)
    return files


def _field_and_path(option: str) -> tuple[str, Path]:
    field, mark, path = option.partition("=")
    if mark and field.replace("-", "_").isidentifier() and not Path(option).is_file():
        return field, Path(path)
    return DEFAULT_FIELD, Path(option)
