"""What a new workflow can begin with: a folder each, with examples and evaluators that measure it, and a README."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Literal

TemplateName = Literal["blank", "pdf-extraction", "text-classification"]

TEMPLATES: Mapping[TemplateName, str] = {
    "blank": "one step, to be replaced",
    "pdf-extraction": "fields of a PDF by their labels, without a model",
    "text-classification": "texts sorted by a model; needs a provider",
}
"""The names, and what each is for."""

_NAME = re.compile(r"^name:.*$", re.MULTILINE)
_PLAIN = re.compile(r"[a-z][a-z0-9-]*")


def contents(template: TemplateName) -> Mapping[PurePosixPath, bytes]:
    """Return the files of a template by their paths inside its folder, sorted."""
    return dict(_contents(files(__name__) / template, PurePosixPath()))


def named(workflow: str, name: str) -> str:
    """Return the text of a workflow with another name; whether that is a good one is for its validation to say."""
    # Whatever it is, it stays one value on one line.
    value = name if _PLAIN.fullmatch(name) else json.dumps(name)
    return _NAME.sub(lambda _: f"name: {value}", workflow, count=1)


def _contents(folder: Traversable, inside: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _contents(entry, inside / entry.name)
        else:
            yield inside / entry.name, entry.read_bytes()
