"""All step types there are."""

from functools import cache

from assay.registry import members_of
from assay.steps import builtin
from assay.steps.base import Step


@cache
def catalogue() -> dict[str, type[Step]]:
    """Return every step type by its name, sorted."""
    found: dict[str, type[Step]] = {}
    for member in members_of(builtin, Step):
        assert member.type_name not in found, f"two step types are named {member.type_name!r}"
        found[member.type_name] = member
    return dict(sorted(found.items()))
