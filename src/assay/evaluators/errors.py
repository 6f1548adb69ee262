"""What can be wrong with the evaluators of an automation."""

from collections.abc import Sequence

from assay.errors import ConflictError, InvalidValueError, Issue, NotFoundError


class InvalidEvaluatorsError(InvalidValueError):
    """The evaluators are not valid."""

    code = "invalid_evaluators"

    def __init__(self, issues: Sequence[Issue]) -> None:
        """Keep every issue; the message is the first one's."""
        super().__init__(issues[0].message, field=issues[0].field, hint=issues[0].hint, issues=issues)


class EvaluatorsNotFoundError(NotFoundError):
    """These evaluators were never in force here."""


class EvaluatorsReplacedError(ConflictError):
    """Somebody else changed the evaluators meanwhile; nothing was saved."""

    code = "evaluators_replaced"
    hint = "Read them anew, and bring both together."


class StoredEvaluatorsError(ConflictError):
    """These evaluators were stored by an assay that accepted them; this one does not."""

    code = "evaluators_invalid"
    hint = "Pull them, mend what `assay workflow evaluators validate` names, and push them."
