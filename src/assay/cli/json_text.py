"""What counts as JSON where somebody writes it on the command line: what the standard takes for it."""

import json
from typing import Any, NoReturn

import typer


def parsed(where: str, text: str) -> Any:
    """Read a JSON text; `where` says in an error where it stands.

    Raises:
        typer.BadParameter: it is none, or nested more deeply than can be read.
    """
    try:
        return json.loads(text, parse_constant=_refused)
    except ValueError as error:
        raise typer.BadParameter(f"{where} is no JSON: {error}") from error
    except RecursionError as error:
        raise typer.BadParameter(f"{where} is nested too deeply.") from error


def _refused(constant: str) -> NoReturn:
    message = f"it has no {constant}"
    raise ValueError(message)
