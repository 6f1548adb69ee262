"""How a file that somebody wrote is read, and what is wrong with it is shown."""

from pathlib import Path

from assay.cli.answers import Json
from assay.cli.failure import Failure


def issue_line(issue: Json, file: Path) -> str:
    """Write an issue as compilers do: `file:line:column: code message (hint)`."""
    place = ":".join(str(part) for part in (file, issue.get("line"), issue.get("column")) if part is not None)
    mark = "warning " if issue.get("severity") == "warning" else ""
    hint = f" ({issue['hint']})" if issue.get("hint") else ""
    message = str(issue["message"]).removeprefix(f"line {issue.get('line')}: ")
    return f"{place}: {mark}{issue['code']} {message}{hint}"


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        Failure: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8.") from error
