"""All provider kinds there are."""

from functools import cache

from pydantic import ValidationError

from assay.errors import InvalidValueError, Issue
from assay.providers import builtin
from assay.providers.base import ProviderKind
from assay.registry import members_of


@cache
def kinds() -> dict[str, type[ProviderKind]]:
    """Return every kind by its name."""
    return {member.kind: member for member in members_of(builtin, ProviderKind)}


def configured(kind: str, options: object) -> ProviderKind:
    """Build the kind from its options.

    Raises:
        InvalidValueError: there is no such kind, or an option does not fit; an issue for each.
    """
    found = kinds().get(kind)
    if found is None:
        message = f"There is no provider kind {kind[:80]!r}; known are {', '.join(kinds())}."
        raise InvalidValueError(message, field="kind")
    try:
        return found.model_validate(options)
    except ValidationError as error:
        issues = [
            Issue(".".join(map(str, found["loc"])) or "options", found["msg"], "invalid_value")
            for found in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidValueError(issues[0].message, issues=issues) from error
