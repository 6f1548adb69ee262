"""What can be wrong with an alert."""

from assay.errors import NotFoundError


class AlertNotFoundError(NotFoundError):
    """There is no such alert."""

    code = "alert_not_found"
