"""What counts as JSON where somebody writes it on the command line: what the standard takes for it."""

import json
import math
from typing import Any, NoReturn

import typer

_SHOWN_DIGITS = 20


def parsed(where: str, text: str) -> Any:
    """Read a JSON text; `where` says in an error where it stands.

    Raises:
        typer.BadParameter: it is none, nested too deeply, or holds a number that is too large.
    """
    try:
        return parsed_if_json(where, text)
    except ValueError as error:
        raise typer.BadParameter(f"{where} is no JSON: {error}") from error


def parsed_if_json(where: str, text: str) -> Any:
    """Read a text that need not be JSON.

    Raises:
        ValueError: it is none.
        typer.BadParameter: it is, but nested too deeply, or it holds a number that is too large.
    """

    def whole(digits: str) -> int:
        try:
            return int(digits)
        except ValueError as error:
            raise _too_large(where, digits) from error

    def fraction(digits: str) -> float:
        found = float(digits)
        if math.isinf(found):
            raise _too_large(where, digits)
        return found

    try:
        return json.loads(text, parse_constant=_refuse, parse_int=whole, parse_float=fraction)
    except RecursionError as error:
        raise typer.BadParameter(f"{where} is nested too deeply.") from error


def _too_large(where: str, digits: str) -> typer.BadParameter:
    number = digits if len(digits) <= _SHOWN_DIGITS else f"{digits[:_SHOWN_DIGITS]}…"
    return typer.BadParameter(f"{where} holds a number that is too large, {number}; write it as a text, in quotes.")


def _refuse(constant: str) -> NoReturn:
    message = f"it has no {constant}"
    raise ValueError(message)
