"""`assay workflow dataset`: from a folder of examples on this machine to the server, and back."""

import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from assay.cli import dataset_coverage, dataset_examples, formats, output
from assay.cli.answers import Json, items
from assay.cli.connection import automation_ref, connect
from assay.cli.dataset_difference import Difference, difference, parts_of_local
from assay.cli.dataset_folder import EXAMPLES, archive_of, examples_in, root_of, unpack
from assay.cli.failure import Failure
from assay.cli.issues import issue_line
from assay.cli.options import AsJson, AutomationName, BaseUrl, Override, Yes
from assay.cli.paging import Offset, PageSize, print_page
from assay_client import ApiError

DEFAULT_FOLDER = Path("dataset")
_WORTH_SHOWING = 1_000_000

app = typer.Typer(
    help="Keep the examples of a workflow: list, pull, push, validate, diff, coverage, revisions, example."
)
app.add_typer(dataset_examples.app, name="example")
app.command("coverage")(dataset_coverage.coverage)

Place = Annotated[Path, typer.Option("--file", "-f", metavar="PATH", help="A folder or a ZIP file.", exists=True)]


@app.command("list")
def list_examples(
    automation: AutomationName,
    *,
    search: Annotated[str | None, typer.Option("--search", help="Part of the name or the annotation.")] = None,
    limit: PageSize = 100,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the examples of a workflow, in their order."""
    with connect(base_url) as client:
        page = client.examples.list(automation_ref(automation), search=search, limit=limit, offset=offset)
    titles = ("name", "expects", "files", "order", "latest run", "annotation", "id")
    print_page(page, titles, _example_row, offset=offset, as_json=as_json)


@app.command("revisions")
def revisions(
    automation: AutomationName,
    *,
    limit: PageSize = 50,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the states that the dataset went through, newest first; `pull --revision` fetches one."""
    with connect(base_url) as client:
        page = client.datasets.revisions(automation_ref(automation), limit=limit, offset=offset)
    titles = ("revision", "by", "examples", "with expectation", "when", "who")
    print_page(page, titles, _revision_row, offset=offset, as_json=as_json)


@app.command("pull")
def pull(
    automation: AutomationName,
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="PATH", help="A folder, or a ZIP file if it ends in .zip.")
    ] = DEFAULT_FOLDER,
    examples: Annotated[
        list[str] | None, typer.Option("--example-id", metavar="EXAMPLE", help="Only this one. Repeat it for more.")
    ] = None,
    revision: Annotated[
        int | None, typer.Option("--revision", min=1, help="The dataset as it was; else as it is.")
    ] = None,
    yes: Yes = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write the examples of a workflow into a folder, or a ZIP file. Prints where they are.

    Examples that the folder has are replaced; without --example-id, all of them.
    """
    zipped = out.suffix == ".zip"
    there = [] if zipped else [name for name in examples_in(out) if not examples or name in examples]
    if there:
        what = formats.count(len(there), "example")
        output.confirm(f"Replace the {what} in {out / EXAMPLES} by those of the server?", yes=yes)
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        archive = Path(folder) / "dataset.zip"
        with connect(base_url) as client, output.working("Fetching the dataset …"), archive.open("wb") as file:
            ids = examples or ()
            size = client.datasets.export(automation_ref(automation), file, revision=revision, examples=ids)
        if zipped:
            shutil.move(archive, out)
            count = None
        else:
            count = unpack(archive, out, whole=not examples)
    if as_json:
        output.print_json({"path": str(out), "examples": count, "bytes": size})
        return
    output.print_value(str(out))
    output.say(formats.size(size) if count is None else f"{formats.count(count, 'example')}, {formats.size(size)}.")


@app.command("push")
def push(
    automation: AutomationName,
    *,
    file: Place = DEFAULT_FOLDER,
    mode: Annotated[
        Literal["append", "replace"],
        typer.Option("--mode", help="Add what is new by name, or make it all there is on the server."),
    ] = "append",
    override: Override = None,
    yes: Yes = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Send a folder of examples, or a ZIP file, to the server: all of it, or nothing if something in it is wrong.

    Appending passes over examples whose names the server has; `dataset diff` shows how those differ.
    """
    name = automation_ref(automation)
    with archive_of(file) as archive, connect(base_url) as client:
        if mode == "replace":
            total = client.examples.list(name, limit=1, include="metadata")["total"]
            what = formats.count(total, "example")
            output.confirm(f"Replace the {what} of {automation} by those in {file}?", yes=yes)
        try:
            with _sending(archive) as sent:
                done = client.datasets.import_archive(name, archive, mode=mode, override=override, sent=sent)
        except ApiError as error:
            if not any(str(issue.get("field")).startswith(f"{EXAMPLES}/") for issue in error.issues):
                raise
            _print_issues(error.issues, file)
            raise Failure(f"{file} was not imported: {formats.count(len(error.issues), 'error')}.") from error
    for issue in items(done, "issues"):
        output.say(issue_line(issue, _place_of(issue, file)))
    if as_json:
        output.print_json(done)
        return
    output.print_fields({key: value for key, value in done.items() if key != "issues"})
    ungraded = done["created"] - done["expectedSet"]
    if ungraded:
        output.say(f"{formats.count(ungraded, 'example')} without anything expected: they run ungraded.")


@app.command("validate")
def validate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder or a ZIP file.", exists=True)] = DEFAULT_FOLDER,
    *,
    as_json: AsJson = False,
) -> None:
    """Check a folder of examples, or a ZIP file, by the rules of the server; none is needed.

    Prints everything that is wrong. Exits with 1 if something is.
    """
    # What it needs takes longer to load than all else here.
    from assay import datasets  # noqa: PLC0415

    with archive_of(path) as archive:
        found = datasets.examine_archive(archive)
    issues = [asdict(issue) for issue in found.issues]
    if as_json:
        counts = {"examples": len(found.names), "expectedSet": found.expected_set, "files": found.files}
        output.print_json({"valid": found.is_valid, **counts, "issues": issues})
    else:
        _print_issues(issues, path)
    if not found.is_valid:
        raise typer.Exit(1)
    output.say(
        f"{path}: {formats.count(len(found.names), 'example')}, {found.expected_set:,} of them with something "
        f"expected, {formats.count(found.files, 'file')}; all valid."
    )


@app.command("diff")
def diff(
    automation: AutomationName,
    *,
    file: Place = DEFAULT_FOLDER,
    fail_on_diff: Annotated[bool, typer.Option("--fail-on-diff", help="Exit with 1 if there is any.")] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how a folder of examples, or a ZIP file, differs from the server: +, - and ~ with the parts that differ.

    `+` is only here, `-` only on the server. Files are compared by their content.
    """
    from assay import datasets  # noqa: PLC0415

    with archive_of(file) as archive:
        try:
            local = {content.name: parts_of_local(content) for content in datasets.archived_examples(archive)}
        except datasets.InvalidArchiveError as error:
            if [issue.code for issue in error.issues] != [datasets.ArchiveIssue.EMPTY]:
                _print_issues([asdict(issue) for issue in error.issues], file)
                raise Failure(f"{file} is not valid: {formats.count(len(error.issues), 'error')}.") from error
            local = {}
    with connect(base_url) as client:
        found = difference(local, client.examples.iterate(automation_ref(automation)))
    _print_difference(found, as_json=as_json)
    if fail_on_diff and not found.is_empty:
        raise typer.Exit(1)


def _example_row(example: Json) -> Sequence[output.Value]:
    return (
        example["name"],
        dataset_examples.expectation(example),
        len(items(example, "inputFiles")) + len(items(example, "expectedFiles")),
        example["rowOrder"],
        example["latestRunId"],
        example["annotation"],
        example["id"],
    )


def _revision_row(revision: Json) -> Sequence[output.Value]:
    return (
        revision["number"],
        revision["action"],
        revision["examples"],
        revision["withExpected"],
        output.moment_cell(revision["createdAt"]),
        revision["email"] or revision["createdBy"],
    )


def _print_difference(found: Difference, *, as_json: bool) -> None:
    changed = [{"name": name, "parts": parts} for name, parts in found.changed.items()]
    if as_json:
        body = {"added": found.added, "removed": found.removed, "changed": changed, "same": found.same}
        output.print_json(body)
        return
    rows = [("+", name, "") for name in found.added]
    rows += [("-", name, "") for name in found.removed]
    rows += [("~", name, ", ".join(parts)) for name, parts in found.changed.items()]
    output.print_rows(("", "example", "differs in"), sorted(rows, key=lambda row: row[1]))
    output.say("No difference." if found.is_empty else f"{formats.count(found.same, 'other example')} the same.")


@contextmanager
def _sending(archive: Path) -> Generator[Callable[[int], None] | None]:
    total = archive.stat().st_size
    with output.working(f"Sending {formats.size(total)} …") as shown:
        yield None if shown is None or total < _WORTH_SHOWING else _teller(shown.update, total)


def _teller(show: Callable[[str], None], total: int) -> Callable[[int], None]:
    done = 0

    def tell(size: int) -> None:
        nonlocal done
        done += size
        left = f"Sending {formats.size(done)} of {formats.size(total)} …"
        show(left if done < total else "The server reads it …")

    return tell


def _print_issues(issues: Sequence[Json], path: Path) -> None:
    for issue in issues:
        output.print_value(issue_line(issue, _place_of(issue, path)))


def _place_of(issue: Json, path: Path) -> Path:
    """Return where on this machine something is wrong, if the issue says so."""
    place = str(issue["field"])
    if not place.startswith(f"{EXAMPLES}/"):
        return path
    return (path if path.is_file() else root_of(path)) / place
