"""How a workflow file's version is raised without touching anything else in it."""

import re
from typing import Literal

import typer

Part = Literal["major", "minor", "patch"]

_VERSION = re.compile(r"^version:[^#\n]*?(?P<rest>[ \t]*(?:#[^\n]*)?)$", re.MULTILINE)
_NAME = re.compile(r"^name:[^\n]*\n?", re.MULTILINE)
_LABEL = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def with_version(text: str, label: str) -> str:
    """Return the text with its version set; where it has none, one is written below the name."""
    if _VERSION.search(text):
        return _VERSION.sub(lambda found: f"version: {label}{found['rest']}", text, count=1)
    name = _NAME.search(text)
    if name is None:
        return f"version: {label}\n{text}"
    line = name[0] if name[0].endswith("\n") else f"{name[0]}\n"
    return f"{text[: name.start()]}{line}version: {label}\n{text[name.end() :]}"


def raised(label: str, part: Part) -> str:
    """Return the next version after one."""
    found = _LABEL.fullmatch(label)
    if found is None:
        raise typer.BadParameter(f"the version {label!r} cannot be raised.")
    major, minor, patch = (int(number) for number in found.groups())
    if part == "major":
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if part == "minor" else f"{major}.{minor}.{patch + 1}"
