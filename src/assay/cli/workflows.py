"""`assay workflow`: from a file on this machine to a version on the server, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import unified_diff
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import datasets, experiments, formats, output, workflow_evaluators
from assay.cli.answers import Json, items
from assay.cli.automations import Search, print_automations
from assay.cli.connection import automation_ref, connect
from assay.cli.fetching import inside
from assay.cli.issues import as_in_file, issue_line, not_valid, read_text
from assay.cli.options import AsJson, BaseUrl
from assay.cli.paging import Offset, PageSize, print_page
from assay.cli.workflow_file import Part, raised, with_version
from assay.cli.workflow_folder import FilesBeside, write_pulled
from assay_client import ApiError, Client, ConflictError

if TYPE_CHECKING:
    from assay.automations import ParsedWorkflow

DEFAULT_FILE = Path("workflow.yaml")

app = typer.Typer(
    help="Write workflows: validate, push, pull, list, versions, diff, promote, evaluators, dataset, experiment."
)

app.add_typer(workflow_evaluators.app, name="evaluators")
app.add_typer(experiments.app, name="experiment")
app.add_typer(experiments.app, name="exp", hidden=True)
app.add_typer(datasets.app, name="dataset")

WorkflowName = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Id (wf_…) or name.", show_default=False)]


@app.command("validate")
def validate(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="The workflow file.", exists=True, dir_okay=False, readable=True)
    ] = DEFAULT_FILE,
    *,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the server too: are the workflows it calls and its models there?")
    ] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check a workflow file and the files beside it that it names; without --online no server is needed.

    Prints everything that is wrong, each with its place. Exits with 1 if it is not valid.
    """
    text = read_text(path)
    parsed = _parsed(text, FilesBeside(path))
    issues: list[Json] = [asdict(issue) for issue in parsed.issues]
    valid = parsed.definition is not None
    if online:
        with connect(base_url) as client:
            found = client.automations.validate(text)
        known = {(issue["field"], issue["message"]) for issue in issues}
        issues += [issue for issue in items(found, "issues") if (issue["field"], issue["message"]) not in known]
        valid = valid and bool(found["valid"])
    if as_json:
        output.print_json({"valid": valid, "issues": issues})
    else:
        for issue in issues:
            output.print_value(issue_line(issue, path))
    if parsed.definition is None or not valid:
        raise typer.Exit(1)
    output.say(f"{path}: {parsed.definition.name} {parsed.definition.version} is valid.")


@app.command("push")
def push(
    *,
    file: Annotated[
        Path, typer.Option("--file", "-f", metavar="FILE", help="The workflow file.", exists=True, dir_okay=False)
    ] = DEFAULT_FILE,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow-id", metavar="WORKFLOW", help="Push to this one; else to the one of the file's name."),
    ] = None,
    activate: Annotated[
        bool | None,
        typer.Option(
            "--activate/--no-activate",
            help="Make it current, or stage it to be promoted later. Current, unless a gate asks for proof first.",
            show_default=False,
        ),
    ] = None,
    set_version: Annotated[
        str | None, typer.Option("--set-version", metavar="X.Y.Z", help="Set the version, in the file too.")
    ] = None,
    bump: Annotated[
        Part | None, typer.Option("--bump", help="Raise the highest version on the server, in the file too.")
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Store a workflow file as a new version, or as a new workflow if there is none of its name.

    Files beside it that it names, such as templates, are stored with it. Prints the id of the workflow and the version.
    """
    if set_version and bump:
        raise typer.BadParameter("--set-version and --bump exclude each other.")
    text = read_text(file)
    changed = with_version(text, set_version) if set_version else text
    with connect(base_url) as client:
        try:
            target = automation_ref(workflow) if workflow else None
            pushed, changed = _push(client, changed, file, target, activate, bump)
        except ApiError as error:
            raise as_in_file(error, file) from error
    if changed != text:
        file.write_text(changed, encoding="utf-8")
        output.say(f"{file}: the version is {pushed['version']['version']} now.")
    _tell_pushed(pushed, file, as_json=as_json)


@app.command("pull")
def pull(
    workflow: Annotated[
        str, typer.Argument(metavar="WORKFLOW[@VERSION]", help="Id or name; else the current version.")
    ],
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print the file of a version, exactly as it was pushed; with --out, write the files beside it too."""
    name, _, version = workflow.partition("@")
    with connect(base_url) as client:
        found = client.automations.version(automation_ref(name), version or "latest")
        beside = [str(file["path"]) for file in items(found, "files")]
        contents = {path: _fetched(client, found, path) for path in beside} if out else {}
    if out is not None:
        write_pulled(out, found["yaml"], contents)
        output.say(f"{out}: version {found['version']}.")
        for path in beside:
            output.say(f"{out.parent / path}: beside it.")
    elif as_json:
        output.print_json(found)
    else:
        output.print_text(found["yaml"])
        if beside:
            output.say(f"With --out, {formats.count(len(beside), 'file')} beside it would be written too.")


@app.command("list")
def list_workflows(
    *,
    search: Search = None,
    limit: PageSize = 50,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List workflows, newest first."""
    print_automations(search=search, kind="workflow", limit=limit, offset=offset, base_url=base_url, as_json=as_json)


@app.command("versions")
def versions(
    workflow: WorkflowName,
    *,
    limit: PageSize = 50,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of a workflow, highest first."""
    with connect(base_url) as client:
        page = client.automations.versions(automation_ref(workflow), limit=limit, offset=offset)
    print_page(page, ("version", "current", "created", "content", "id"), _row, offset=offset, as_json=as_json)


@app.command("diff")
def diff(
    workflow: WorkflowName,
    before: Annotated[str, typer.Argument(metavar="VERSION", help="Version to measure against.", show_default=False)],
    after: Annotated[str, typer.Argument(metavar="[OTHER]", help="The other one; else the current one.")] = "latest",
    *,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how the files of two versions differ, as `diff -u` does; prints nothing where they are the same."""
    with connect(base_url) as client:
        found = [client.automations.version(automation_ref(workflow), version) for version in (before, after)]
    texts, names = [one["yaml"].splitlines() for one in found], [str(one["version"]) for one in found]
    lines = list(unified_diff(*texts, *names, lineterm=""))
    if as_json:
        output.print_json({"before": names[0], "after": names[1], "diff": lines})
        return
    for line in lines:
        output.print_value(line)


@app.command("promote")
def promote(
    workflow: WorkflowName,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Version or its id.", show_default=False)],
    *,
    override: Annotated[
        str | None,
        typer.Option(
            "--override", metavar="REASON", help="Do so although its gate has not passed; the reason is kept."
        ),
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the current one, if its gate lets it; an older one is a rollback, which needs no gate."""
    with connect(base_url) as client:
        found = client.automations.promote(automation_ref(workflow), version, override=override)
    if as_json:
        output.print_json(found)
        return
    output.print_line(found["automationId"], found["version"])
    reason = found.get("reason")
    output.say("It was current already." if reason is None else f"{found['version']} is current now ({reason}).")
    if found.get("overridden"):
        output.say("Its gate had not passed; that, and your reason, are kept.")


def _row(version: Json) -> Sequence[output.Value]:
    return (
        version["version"],
        version["isCurrent"],
        output.moment_cell(version["createdAt"]),
        version["contentHash"][:12],
        version["id"],
    )


def _parsed(text: str, beside: FilesBeside) -> "ParsedWorkflow":
    # Step types bring their libraries along, which no other command here needs.
    from assay import automations  # noqa: PLC0415

    return automations.parse_workflow(text, file_problem=beside.problem)


def _files_named(text: str, file: Path) -> Mapping[str, bytes]:
    """Read the files beside a workflow that it names; all else that is wrong with it the server says better.

    Raises:
        Failure: one of them cannot be had; everything that is wrong has been printed.
    """
    beside = FilesBeside(file)
    parsed = _parsed(text, beside)
    if set(parsed.files) <= beside.contents.keys():
        return beside.contents
    raise not_valid([asdict(issue) for issue in parsed.issues], file)


def _fetched(client: Client, version: Json, path: str) -> bytes:
    inside(path)
    content = BytesIO()
    client.automations.version_file(version["automationId"], version["id"], path, content)
    return content.getvalue()


def _push(
    client: Client, text: str, file: Path, workflow: str | None, activate: bool | None, bump: Part | None
) -> tuple[dict[str, Any], str]:
    """Push the text, and where the server misses files that it names, once more with them."""
    try:
        return _push_with(client, text, {}, workflow, activate, bump)
    except ApiError as error:
        # Finding out which ones takes longer here, since all step types are loaded for it.
        if all(issue.get("code") != "file_missing" for issue in error.issues):
            raise
    return _push_with(client, text, _files_named(text, file), workflow, activate, bump)


def _push_with(
    client: Client,
    text: str,
    files: Mapping[str, bytes],
    workflow: str | None,
    activate: bool | None,
    bump: Part | None,
) -> tuple[dict[str, Any], str]:
    if workflow is None:
        try:
            return client.automations.create(text, activate=activate, files=files), text
        except ConflictError as error:
            # The server knows best whether the name is taken, also when two push at once.
            workflow = error.body.get("conflictingWorkflowId")
            if workflow is None:
                raise
    if bump:
        text = with_version(text, raised(_highest(client, workflow), bump))
    return client.automations.push_version(workflow, text, activate=activate, files=files), text


def _highest(client: Client, workflow: str) -> str:
    found = items(client.automations.versions(workflow, limit=1), "data")
    return str(found[0]["version"]) if found else "0.0.0"


def _tell_pushed(pushed: Json, file: Path, *, as_json: bool) -> None:
    for issue in items(pushed, "issues"):
        output.say(issue_line(issue, file))
    if as_json:
        output.print_json(pushed)
        return
    automation, version = pushed["automation"], pushed["version"]
    output.print_line(automation["id"], version["version"])
    state = "is current" if version["isCurrent"] else "is staged; `assay workflow promote` makes it current"
    if pushed.get("stagedBecause") == "gate_policy":
        command = f"assay gate {automation['slug']} --version {version['version']} --run"
        state = f"is staged, since a gate asks for proof first: {command}"
    output.say(f"{automation['slug']} {version['version']} {state}.")
    if not automation["triggers"]["api"]:
        output.say(f"Runs by API and CLI are off: assay automations triggers {automation['slug']} --enable api")
