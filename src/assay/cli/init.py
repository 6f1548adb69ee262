"""`assay init`: a folder with everything that a measured workflow needs, to begin with."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from assay import workflow_templates
from assay.cli import formats, output
from assay.cli.failure import ExitCode, Failure
from assay.cli.options import AsJson
from assay.workflow_templates import TEMPLATES, TemplateName


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where; it is made if need be.")] = Path(),
    *,
    template: Annotated[
        TemplateName | None,
        typer.Option("--template", "-t", help="What to begin with; asked for on a terminal, else blank."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Begin a workflow, with examples and evaluators that measure it.

    Writes the workflow, a small dataset, evaluators, a gate policy, and a README that says how to run them.
    Prints the paths that were written.
    Files that are there stay: then nothing is written, and the exit code is 1.
    """
    chosen = template or _asked()
    found = {folder / path: content for path, content in workflow_templates.contents(chosen).items()}
    _check_free(folder, list(found), force=force)
    for path, content in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if as_json:
        output.print_json({"template": chosen, "folder": str(folder), "files": [str(path) for path in found]})
    else:
        for path in found:
            output.print_value(str(path))
    output.say(f"{formats.count(len(found), 'file')} written. {folder / 'README.md'} says what to type next.")


def _asked() -> TemplateName:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "blank"
    for name, about in TEMPLATES.items():
        output.say(f"  {name:<20} {about}")
    while (answer := typer.prompt("Begin with", default="blank", err=True)) not in TEMPLATES:
        output.say(f"There is no {answer!r}.")
    return answer


def _check_free(folder: Path, paths: list[Path], *, force: bool) -> None:
    """Refuse before anything is written.

    Raises:
        Failure: files are there and `force` was not said, or a folder or file stands in the way of the other kind.
    """
    above = {parent for path in paths for parent in path.parents if parent.is_relative_to(folder)}
    blocking = [path for path in above if path.exists() and not path.is_dir()]
    blocking += [path for path in paths if path.is_dir() or path.is_symlink()]
    there = [path for path in paths if path.exists() and path not in blocking]
    for path in sorted([*blocking, *([] if force else there)]):
        output.print_value(str(path))
    if blocking:
        raise Failure(
            f"{formats.count(len(blocking), 'path')} cannot be written over; nothing was written.",
            hint="Choose another folder.",
        )
    if there and not force:
        raise Failure(
            f"{formats.count(len(there), 'file')} would be written over; nothing was written.",
            hint="Choose another folder, or say --force.",
            exit_code=ExitCode.FAILED,
        )
