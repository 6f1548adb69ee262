"""`assay runs expected`: the corrected files of a run."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli import formats, output
from assay.cli.connection import connect
from assay.cli.fetching import arriving, inside
from assay.cli.options import AsJson, BaseUrl, RunId, Yes

Name = Annotated[str, typer.Argument(metavar="NAME", help="The expected file; may hold slashes.", show_default=False)]

app = typer.Typer(help="Corrected files of a run: list, upload, copy, rename, download, delete.")


@app.command("list")
def list_files(run_id: RunId, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """List the corrected files of a run."""
    with connect(base_url) as client:
        found = client.feedback.expected(run_id)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (file["name"], file["contentType"], output.Cell(file["size"], formats.size(file["size"])))
        for file in found["files"]
    ]
    output.print_rows(("name", "type", "size"), rows)


@app.command("upload")
def upload(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The corrected file.")],
    *,
    name: Annotated[str | None, typer.Option("--name", help="Name to keep it by; else that of the file.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a corrected file, over one of the same name; prints its name."""
    with connect(base_url) as client:
        _print_name(client.feedback.upload_expected(run_id, file, name), as_json=as_json)


@app.command("copy")
@app.command("copy-output", hidden=True)
def copy(
    run_id: RunId,
    output_file: Annotated[
        str, typer.Argument(metavar="OUTPUT_FILE", help="Name or path of an output file.", show_default=False)
    ],
    *,
    name: Annotated[str | None, typer.Option("--name", help="Name to keep it by; else that of the file.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take an output file of the run as it is; prints the name it is kept by."""
    with connect(base_url) as client:
        _print_name(client.feedback.copy_output(run_id, output_file, name), as_json=as_json)


@app.command("rename")
def rename(
    run_id: RunId,
    name: Name,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="May hold slashes.", show_default=False)],
    *,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a corrected file another name; prints it."""
    with connect(base_url) as client:
        _print_name(client.feedback.rename_expected(run_id, name, new_name), as_json=as_json)


@app.command("download")
@app.command("pull", hidden=True)
def download(
    run_id: RunId,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Only these; else all.", show_default=False)
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder; else ./<run>.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Download corrected files, each to its name under the folder; prints where they are."""
    folder = out or Path(run_id)
    with connect(base_url) as client:
        wanted = names or [file["name"] for file in client.feedback.expected(run_id)["files"]]
        saved: list[str] = []
        for name in wanted:
            target = folder / inside(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with output.working(f"{name} …"), arriving(target) as file:
                client.feedback.download_expected(run_id, name, file)
            saved.append(str(target))
            if not as_json:
                output.print_value(str(target))
    if as_json:
        output.print_json(saved)
    if not wanted:
        output.say("The run has no expected files.")


@app.command("delete")
def delete(run_id: RunId, name: Name, *, yes: Yes = False, base_url: BaseUrl = None) -> None:
    """Take a corrected file away."""
    output.confirm(f"Delete the expected file {name} of {run_id}?", yes=yes)
    with connect(base_url) as client:
        client.feedback.delete_expected(run_id, name)
    output.say(f"Deleted {name}.")


def _print_name(name: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"name": name})
    else:
        output.print_value(name)
