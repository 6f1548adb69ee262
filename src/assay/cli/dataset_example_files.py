"""`assay workflow dataset example files`: what lies in the two folders of an example."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import typer

from assay.cli import formats, output
from assay.cli.answers import items
from assay.cli.connection import automation_ref, connect
from assay.cli.fetching import arriving
from assay.cli.options import AsJson, AutomationName, BaseUrl, ExampleName, Override, Yes

app = typer.Typer(help="Files of an example: list, add, get, rename, delete.")

Folder = Annotated[
    Literal["input", "expected"],
    typer.Option("--folder", help="What goes in, or what should come out."),
]
Place = Annotated[str, typer.Argument(metavar="PATH", help="Where it lies in that folder.", show_default=False)]


@app.command("list")
def list_files(
    automation: AutomationName, example: ExampleName, *, base_url: BaseUrl = None, as_json: AsJson = False
) -> None:
    """List the files of both folders."""
    with connect(base_url) as client:
        found = client.examples.get(automation_ref(automation), example)
    files = [(folder, one) for folder in ("input", "expected") for one in items(found, f"{folder}Files")]
    if as_json:
        output.print_json([{"folder": folder, **one} for folder, one in files])
        return
    rows = [
        (
            f"{folder}/{one['name']}",
            one["contentType"],
            output.Cell(one["size"], formats.size(one["size"])),
            one["referenced"],
        )
        for folder, one in files
    ]
    output.print_rows(("file", "type", "size", "referred to"), rows)


@app.command("add")
def add(
    automation: AutomationName,
    example: ExampleName,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Files here.", exists=True, dir_okay=False, show_default=False)
    ],
    *,
    folder: Folder = "input",
    override: Override = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add files, over those of the same names; prints where they lie.

    Nothing refers to them yet: `example update --attach FIELD=PATH` does both.
    """
    with connect(base_url) as client:
        added = client.examples.add_files(automation_ref(automation), example, folder, files, override=override)
    places = [f"{folder}/{path}" for path in added]
    if as_json:
        output.print_json(places)
        return
    for place in places:
        output.print_value(place)


@app.command("get")
def get(
    automation: AutomationName,
    example: ExampleName,
    path: Place,
    *,
    folder: Folder = "input",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there; else its name.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a file; prints where it is."""
    target = out or Path(PurePosixPath(path).name)
    with connect(base_url) as client, arriving(target) as file:
        size = client.examples.download_file(automation_ref(automation), example, folder, path, file)
    if as_json:
        output.print_json({"path": str(target), "bytes": size})
    else:
        output.print_value(str(target))


@app.command("rename")
def rename(
    automation: AutomationName,
    example: ExampleName,
    path: Place,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name, without slashes.", show_default=False)],
    *,
    folder: Folder = "input",
    override: Override = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a file another name; what refers to it follows. Prints where it lies."""
    with connect(base_url) as client:
        done = client.examples.rename_file(automation_ref(automation), example, folder, path, name, override=override)
    if as_json:
        output.print_json(done)
    else:
        output.print_value(f"{folder}/{done['path']}")


@app.command("delete")
def delete(
    automation: AutomationName,
    example: ExampleName,
    path: Place,
    *,
    folder: Folder = "input",
    override: Override = None,
    yes: Yes = False,
    base_url: BaseUrl = None,
) -> None:
    """Take a file out of an example; earlier revisions keep it."""
    output.confirm(f"Delete {folder}/{path} of {example}?", yes=yes)
    with connect(base_url) as client:
        client.examples.delete_file(automation_ref(automation), example, folder, path, override=override)
    output.say(f"Deleted {folder}/{path}.")
