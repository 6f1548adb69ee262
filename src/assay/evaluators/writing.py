"""How evaluators that were put together, not written, become the text of an `evaluators.yaml`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, cast

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from assay.evaluators.model import EvaluatorSet

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class DraftEntry:
    """An evaluator as somebody puts it together; nothing of it is checked before `parse` reads what is written."""

    name: str
    type_name: str
    description: str | None
    weight: float
    config: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Draft:
    """A set of evaluators as somebody puts it together. `pass_threshold` None: the file does not name one."""

    entries: Sequence[DraftEntry]
    pass_threshold: float | None
    require_all: bool


def draft_of(evaluator_set: EvaluatorSet) -> Draft:
    """Return what a text says, ready to be changed; `parse(written(draft_of(x)))` judges as `x` does."""
    entries = [
        DraftEntry(
            entry.name,
            entry.type_name,
            entry.description,
            entry.weight,
            entry.evaluator.model_dump(mode="json", by_alias=True, exclude_unset=True),
        )
        for entry in evaluator_set.entries
    ]
    return Draft(entries, evaluator_set.written_threshold, evaluator_set.require_all)


def written(draft: Draft) -> str:
    """Write a draft as YAML: what is at its default is left out, texts of several lines stand as blocks."""
    top: dict[str, Any] = {}
    if draft.pass_threshold is not None:
        top["passThreshold"] = _number(draft.pass_threshold)
    if draft.require_all:
        top["require"] = "all"
    top["evaluators"] = [_entry(one) for one in draft.entries]
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = StringIO()
    cast("Any", yaml).dump(top, text)
    return text.getvalue()


def has_comments(source: str) -> bool:
    """Tell whether a valid text has comments, which writing it anew would lose."""
    return "#" in source and any("#" in token for token in _comments(cast("Any", YAML()).load(source)))


def _entry(draft: DraftEntry) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": draft.name}
    if draft.description:
        entry["description"] = _block(draft.description)
    entry["type"] = draft.type_name
    if draft.weight != 1:
        entry["weight"] = _number(draft.weight)
    if draft.config:
        entry["config"] = _block(draft.config)
    return entry


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _block(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _block(inner) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_block(inner) for inner in cast("list[Any]", value)]
    if isinstance(value, str) and "\n" in value and not any(line != line.rstrip() for line in value.split("\n")):
        return LiteralScalarString(value)
    return value


def _comments(node: Any) -> Iterable[str]:
    about = getattr(node, "ca", None)
    if about is not None:
        yield from _texts([about.comment, list(about.items.values()), about.end])
    inner: Iterable[Any] = ()
    if isinstance(node, dict):
        inner = cast("dict[str, Any]", node).values()
    elif isinstance(node, list):
        inner = cast("list[Any]", node)
    for one in inner:
        yield from _comments(one)


def _texts(token: Any) -> Iterable[str]:
    if isinstance(token, list):
        for one in cast("list[Any]", token):
            yield from _texts(one)
    elif token is not None:
        yield str(token.value)
