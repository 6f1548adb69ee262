"""All evaluator types there are."""

from functools import cache

from assay.evaluators import builtin
from assay.evaluators.base import Evaluator
from assay.registry import members_of


@cache
def catalogue() -> dict[str, type[Evaluator]]:
    """Return every evaluator type by its name, sorted."""
    found: dict[str, type[Evaluator]] = {}
    for member in members_of(builtin, Evaluator):
        assert member.type_name not in found, f"two evaluator types are named {member.type_name!r}"
        found[member.type_name] = member
    return dict(sorted(found.items()))
