"""Which names, slugs and email addresses are acceptable."""

import re

from assay.errors import InvalidValueError

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def check_name(name: str) -> None:
    """Return if the name is 1 to 128 printable characters and not blank.

    Raises:
        InvalidValueError: it is not.
    """
    if len(name) <= 128 and name.isprintable() and name.strip():
        return
    message = "A name is 1 to 128 printable characters."
    raise InvalidValueError(message, field="name")


def check_slug(slug: str) -> None:
    """Return if the slug is 1 to 64 small letters, digits and single hyphens in between.

    Raises:
        InvalidValueError: it is not.
    """
    if len(slug) <= 64 and _SLUG.fullmatch(slug):
        return
    message = "A slug is 1 to 64 small letters (a-z) and digits, with single hyphens in between."
    raise InvalidValueError(message, field="slug")


def check_email(email: str) -> None:
    """Return if this can be an email address: something printable around one `@`, 254 characters at most.

    Raises:
        InvalidValueError: it cannot.
    """
    if len(email) <= 254 and email.isprintable() and _EMAIL.fullmatch(email):
        return
    message = "This is not an email address."
    raise InvalidValueError(message, field="email")
