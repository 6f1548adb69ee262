"""A page's dataclass is its contract: the template uses all of it, and nothing else."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from assay.dashboard import app
from assay.dashboard.rendering import Page, _environment

TEMPLATES = Path(app.__file__).parent / "templates"
AROUND = frozenset({"frame", "asset"})


def _pages() -> list[type[Page]]:
    return sorted(_below(Page).values(), key=lambda page: page.__name__)


def _below(page: type[Page]) -> dict[str, type[Page]]:
    """All pages by name: a dataclass with slots is made twice, and the later one counts."""
    found: dict[str, type[Page]] = {}
    for one in page.__subclasses__():
        found |= _below(one)
        if "template" in vars(one):
            found[one.__qualname__] = one
    return found


def _parsed(template: str) -> nodes.Template:
    return _environment().parse((TEMPLATES / template).read_text(encoding="utf-8"))


def _above(template: str) -> Iterator[str]:
    """The template and those that it extends."""
    yield template
    for parent in _parsed(template).find_all(nodes.Extends):
        assert isinstance(parent.template, nodes.Const)
        yield from _above(parent.template.value)


def _included(template: str) -> Iterator[str]:
    for part in _parsed(template).find_all(nodes.Include):
        if isinstance(part.template, nodes.Const):
            yield part.template.value
            yield from _included(part.template.value)


def _names(template: str) -> set[str]:
    return find_undeclared_variables(_parsed(template)) - AROUND


@pytest.mark.parametrize("page", _pages())
def test_a_template_uses_exactly_what_the_page_declares(page: type[Page]):
    declared = {field.name for field in fields(page)}
    own = set[str]().union(*(_names(template) for template in _above(page.template)))
    parts = set[str]().union(*(_names(part) for above in _above(page.template) for part in _included(above)))
    assert own - _imported(page.template) <= declared, "the template asks for what the page does not have"
    assert declared <= own | parts, "the page has what no template shows"
    assert page.__doc__


def _imported(template: str) -> set[str]:
    """Names that blocks of a template see by what stands outside them."""
    found: set[str] = set()
    for above in _above(template):
        parsed = _parsed(above)
        found |= {node.target for node in parsed.find_all(nodes.Import)}
        found |= {node.name for node in parsed.find_all(nodes.Macro)}
        found |= {name.name for name in parsed.find_all(nodes.Name) if name.ctx == "store"}
        found |= {
            name if isinstance(name, str) else name[1]
            for node in parsed.find_all(nodes.FromImport)
            for name in node.names
        }
    return found
