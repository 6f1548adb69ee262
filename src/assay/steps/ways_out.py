"""How steps leave the machine: by the ways their run has, and with failures in the words of a step."""

from collections.abc import Mapping
from typing import Protocol, cast

from assay.outgoing import (
    AddressForbiddenError,
    HostUnknownError,
    HostUnreachableError,
    Outgoing,
    OutgoingError,
    TooSlowError,
)
from assay.steps.base import FailureCategory, StepContext, StepError
from assay.steps.mail_server import MailServer


class WaysOut(Protocol):
    """What the context of a step offers beside `StepContext`."""

    @property
    def outgoing(self) -> Outgoing:
        """Sends HTTP requests where this run may send them."""
        ...

    @property
    def mail_server(self) -> MailServer | None:
        """Takes e-mail; None where none is configured."""
        ...


def ways_out(context: StepContext) -> WaysOut:
    """Return the ways out of the run that a step is part of."""
    return cast("WaysOut", context)


_CATEGORIES: Mapping[type[OutgoingError], FailureCategory] = {
    AddressForbiddenError: "authorization",
    HostUnknownError: "not_found",
    HostUnreachableError: "temporarily_unavailable",
    TooSlowError: "timeout",
}


def request_failed(error: OutgoingError) -> StepError:
    """Say why there is no response, as a failure of a step."""
    category = _CATEGORIES.get(type(error), "validation")
    return StepError(error.code, error.message, category=category, hint=error.hint)
