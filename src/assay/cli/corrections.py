"""How a corrected field is written on the command line: `/lines/0/amount=12.5`."""

from typing import Any

import typer

from assay.cli import json_text


def parsed(option: str) -> dict[str, Any]:
    """Return the correction of a field that a text stands for; a value that is no JSON is a text without its quotes.

    Raises:
        typer.BadParameter: it is none.
    """
    pointer, mark, text = option.partition("=")
    if not mark or (pointer and not pointer.startswith("/")):
        raise typer.BadParameter(f"--correct is POINTER=VALUE, such as /lines/0/amount=12.5; {option} is not.")
    try:
        value = json_text.parsed_if_json("--correct", text)
    except ValueError:
        value = text
    return {"kind": "field", "path": pointer, "correctedValue": value}
