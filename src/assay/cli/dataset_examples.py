"""`assay workflow dataset example`: single examples on the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from assay.cli import dataset_example_files, output
from assay.cli.answers import Json, items
from assay.cli.connection import automation_ref, connect
from assay.cli.issues import read_text
from assay.cli.json_text import parsed
from assay.cli.option_groups import takes
from assay.cli.options import AsJson, AutomationName, BaseUrl, ExampleName, Override, Yes
from assay.cli.paging import Offset, PageSize, print_page
from assay_client import AssayClientError, Client

app = typer.Typer(help="Single examples: create, get, history, update, delete, and their files.")
app.add_typer(dataset_example_files.app, name="files")


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say of an example, and the files that are to go into its input."""

    values: dict[str, Any]
    files: Sequence[tuple[str, Path]]


def given_values(  # noqa: PLR0913 (one parameter an option)
    *,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Lower-case letters, digits, - and _.")
    ] = None,
    input_json: Annotated[str | None, typer.Option("--input-json", metavar="JSON", help="The input.")] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input-file", metavar="FILE", help="JSON file that holds the input.", exists=True)
    ] = None,
    expected_json: Annotated[
        str | None,
        typer.Option("--expected-json", metavar="JSON", help='The expected output, or {"$error": {"code": 422}}.'),
    ] = None,
    expected_file: Annotated[
        Path | None, typer.Option("--expected-file", metavar="FILE", help="JSON file that holds it.", exists=True)
    ] = None,
    attach: Annotated[
        list[str] | None,
        typer.Option(
            "--attach",
            "-F",
            metavar="FIELD=PATH",
            help="A file of the input: sent along, and referred to by that field. Repeat it for more.",
        ),
    ] = None,
    metadata_json: Annotated[
        str | None, typer.Option("--metadata-json", metavar="JSON", help="What you want to find it by.")
    ] = None,
    overrides_json: Annotated[
        str | None,
        typer.Option(
            "--overrides-json", metavar="JSON", help='Step results that its runs take as given: {"steps": {…}}.'
        ),
    ] = None,
    annotation: Annotated[
        str | None, typer.Option("--annotation", metavar="TEXT", help="Why the example is there.")
    ] = None,
    row_order: Annotated[
        int | None, typer.Option("--row-order", min=0, help="Where it stands; without one, last.")
    ] = None,
) -> Given:
    """Take the options that say what an example holds.

    Raises:
        BadParameter: JSON that is none, files that are none, or two options for the same.
    """
    plain = {"name": name, "annotation": annotation, "rowOrder": row_order}
    values: dict[str, Any] = {key: value for key, value in plain.items() if value is not None}
    for key, text, file in (
        ("input", input_json, input_file),
        ("expected", expected_json, expected_file),
        ("metadata", metadata_json, None),
        ("overrides", overrides_json, None),
    ):
        if text is not None and file is not None:
            raise typer.BadParameter(f"--{key}-json and --{key}-file exclude each other.")
        if text is not None:
            values[key] = parsed(f"--{key}-json", text)
        elif file is not None:
            values[key] = parsed(str(file), read_text(file))
    return Given(values, _attachments(attach or []))


def expectation(example: Json) -> str:
    """Say what an example expects: an output, an error, or nothing."""
    expected: object = example["expected"]
    if isinstance(expected, dict) and "$error" in expected:
        return "error"
    return "nothing" if expected is None and not items(example, "expectedFiles") else "output"


@app.command("create")
@takes(given_values, "given")
def create(automation: AutomationName, *, given: Given, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Add an example. Prints its id and name."""
    values = given.values
    if given.files:
        values["input"] = _with_files(values.get("input") or {}, given.files)
    with connect(base_url) as client:
        made = client.examples.create(automation_ref(automation), values)
        made = _attach(client, made, given.files)
    _print_made(made, as_json=as_json)


@app.command("get")
def get(
    automation: AutomationName,
    example: ExampleName,
    *,
    version: Annotated[
        str | None, typer.Option("--version", metavar="VERSION", help="As it was: an id that `history` lists.")
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show an example, as it is or as it was."""
    with connect(base_url) as client:
        if version is None:
            found = client.examples.get(automation_ref(automation), example)
        else:
            found = client.examples.version(automation_ref(automation), example, version)
    if as_json:
        output.print_json(found)
        return
    files = [f"{folder}/{one['name']}" for folder in ("input", "expected") for one in items(found, f"{folder}Files")]
    output.print_fields(
        {
            "id": found["id"],
            "name": found["name"],
            "input": output.compact_json(found["input"]),
            "expected": None if found["expected"] is None else output.compact_json(found["expected"]),
            "files": ", ".join(files),
            "annotation": found["annotation"],
            "order": found["rowOrder"],
            "overrides": None if found["overrides"] is None else output.compact_json(found["overrides"]),
            "metadata": None if found["metadata"] is None else output.compact_json(found["metadata"]),
            "latest run": found["latestRunId"],
            "promoted from": found["promotedRunId"],
            "changed": output.moment_cell(found["updatedAt"] or found["createdAt"]),
        }
    )


@app.command("history")
def history(
    automation: AutomationName,
    example: ExampleName,
    *,
    limit: PageSize = 50,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what an example was, newest first; `get --version` shows one."""
    with connect(base_url) as client:
        page = client.examples.versions(automation_ref(automation), example, limit=limit, offset=offset)
    titles = ("version", "name", "revision", "by", "when", "who", "graded as")
    print_page(page, titles, _version_row, offset=offset, as_json=as_json)


@app.command("update")
@takes(given_values, "given")
def update(
    automation: AutomationName,
    example: ExampleName,
    *,
    given: Given,
    override: Override = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change an example: what no option names stays; `--expected-json null` expects nothing. Prints its id and name."""
    values = given.values
    if not values and not given.files:
        raise typer.BadParameter("say what to change.")
    with connect(base_url) as client:
        reference = automation_ref(automation)
        if given.files:
            before = values["input"] if "input" in values else client.examples.get(reference, example)["input"]
            values["input"] = _with_files(before or {}, given.files)
        changed = client.examples.update(reference, example, values, override=override)
        changed = _attach(client, changed, given.files, override)
    _print_made(changed, as_json=as_json)


@app.command("delete")
def delete(
    automation: AutomationName,
    example: ExampleName,
    *,
    yes: Yes = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take an example out of the dataset; earlier revisions keep it."""
    output.confirm(f"Delete the example {example} of {automation}?", yes=yes)
    with connect(base_url) as client:
        gone = client.examples.delete(automation_ref(automation), example)
    _print_made(gone, as_json=as_json)


def _version_row(version: Json) -> Sequence[output.Value]:
    return (
        version["id"],
        version["name"],
        version["fromRevision"],
        version["action"],
        output.moment_cell(version["createdAt"]),
        version["email"] or version["createdBy"],
        version["gradedHash"][:12],
    )


def _print_made(example: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(example)
    else:
        output.print_line(example["id"], example["name"])


def _attachments(options: Sequence[str]) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for option in options:
        field, mark, text = option.partition("=")
        path = Path(text.removeprefix("@"))
        if not mark or not field or not path.is_file():
            raise typer.BadParameter(f"--attach is FIELD=PATH of a file; {option} is not.")
        if any(path.name == other.name for _, other in found):
            raise typer.BadParameter(f"--attach: two files are called {path.name}.")
        found.append((field, path))
    return found


def _with_files(before: object, files: Sequence[tuple[str, Path]]) -> dict[str, Any]:
    if not isinstance(before, dict):
        raise typer.BadParameter("the input must be a JSON object.")
    values = {**cast("dict[str, Any]", before)}
    for field in {field for field, _ in files}:
        references = [{"$file": f"input/{path.name}"} for other, path in files if other == field]
        values[field] = references if len(references) > 1 else references[0]
    return values


def _attach(
    client: Client, example: dict[str, Any], files: Sequence[tuple[str, Path]], override: str | None = None
) -> dict[str, Any]:
    if not files:
        return example
    automation, example_id = example["automationId"], example["id"]
    try:
        client.examples.add_files(automation, example_id, "input", [path for _, path in files], override=override)
    except (AssayClientError, OSError):
        output.say(
            f"The example {example['name']} is kept, but lacks its files:"
            f" assay workflow dataset example files add {automation} {example['name']} FILE…"
        )
        raise
    return client.examples.get(automation, example_id)
