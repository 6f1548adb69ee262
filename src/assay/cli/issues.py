"""How a file that somebody wrote is read, and what is wrong with it is shown."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from assay.cli import formats, output
from assay.cli.answers import Json
from assay.cli.failure import Failure
from assay_client import ApiError


def issue_line(issue: Json, file: Path) -> str:
    """Write an issue as compilers do: `file:line:column: code message (hint)`."""
    place = ":".join(str(part) for part in (file, issue.get("line"), issue.get("column")) if part is not None)
    mark = "warning " if issue.get("severity") == "warning" else ""
    hint = f" ({issue['hint']})" if issue.get("hint") else ""
    message = str(issue["message"]).removeprefix(f"line {issue.get('line')}: ")
    return f"{place}: {mark}{issue['code']} {message}{hint}"


def as_in_file(error: ApiError, file: Path) -> Exception:
    """Print the issues that have their places in a file, as `validate` does; other refusals are returned as they are.

    What is returned is to be raised.
    """
    if not any(issue.get("line") for issue in error.issues):
        return error
    return not_valid(error.issues, file)


def not_valid(issues: Sequence[Json], file: Path) -> Failure:
    """Print everything that is wrong with a file, and return what is to be raised."""
    for issue in issues:
        output.print_value(issue_line(issue, file))
    wrong = sum(1 for issue in issues if issue.get("severity") != "warning")
    return Failure(f"{file} is not valid: {formats.count(wrong, 'error')}.")


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        Failure: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8.") from error


def read_mapping(file: Path, what: str) -> dict[str, Any]:
    """Read a YAML or JSON file that holds a mapping, `what` being its name in an error; print what is wrong with it.

    Raises:
        Failure: it is no such file.
    """
    from assay import yamltext  # noqa: PLC0415 (the other commands need no YAML)

    document, issues = yamltext.parse_yaml(read_text(file))
    if issues or document is None:
        raise not_valid([asdict(issue) for issue in issues], file)
    if not isinstance(document.value, dict):
        raise Failure(f"{file} is no {what}: it has to be a mapping.")
    return dict(cast("dict[str, Any]", document.value))
