"""What can be wrong with an endpoint or a delivery."""

from assay.errors import ConflictError, InvalidValueError, NotFoundError


class WebhookNotFoundError(NotFoundError):
    """There is no such webhook endpoint."""


class DeliveryNotFoundError(NotFoundError):
    """The endpoint has no such delivery."""


class WebhookUrlError(InvalidValueError):
    """A webhook goes to an http or https address, without a user name or password in it."""

    code = "webhook_url_invalid"


class EventUnknownError(InvalidValueError):
    """There are no events of this name."""

    code = "event_unknown"


class WebhookDisabledError(ConflictError):
    """The webhook endpoint is disabled: nothing is sent to it."""

    code = "webhook_disabled"
    hint = "Enable it first: assay webhooks enable WEBHOOK."
