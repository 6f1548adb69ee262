"""What keeps pages to themselves: a strict content policy with nonces, and proof that a form is ours."""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from fastapi import Request

from assay.errors import ForbiddenError, TooLargeError

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
LARGEST_FORM = 512 * 1024**2
"""Bytes: the archive of a dataset may have 500 MB."""
LARGEST_SIGN_IN = 16 * 1024
"""Bytes that somebody unknown may send: an address and a password."""
_PROOF_BYTES = hashlib.sha256().digest_size
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ForeignFormError(ForbiddenError):
    """This form does not come from this page, or the page is too old."""

    code = "csrf_failed"
    hint = "Reload the page and try again."


def new_nonce() -> str:
    """Make what this answer's own scripts and styles are known by."""
    return secrets.token_urlsafe(16)


def headers(nonce: str) -> dict[str, str]:
    """Return what every page says about itself: nothing from elsewhere, no frames, no referrer, no sniffing."""
    policy = [
        "default-src 'none'",
        f"script-src 'self' 'nonce-{nonce}'",
        f"style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
    }


def csrf_token(session_token: str) -> str:
    """Derive what a form of this session must send along: whoever lacks the cookie cannot know it.

    Each call returns another spelling, so that the size of a compressed page tells nothing of it.
    """
    mask = secrets.token_bytes(_PROOF_BYTES)
    return base64.urlsafe_b64encode(mask + _crossed(mask, _proof(session_token))).decode()


def _proof(session_token: str) -> bytes:
    return hmac.digest(session_token.encode(), b"assay csrf", hashlib.sha256)


def _crossed(mask: bytes, other: bytes) -> bytes:
    return bytes(one ^ two for one, two in zip(mask, other, strict=True))


def _proves(given: str, session_token: str) -> bool:
    try:
        spelled = base64.b64decode(given.encode(), altchars=b"-_", validate=True)
    except ValueError:
        return False
    if len(spelled) != 2 * _PROOF_BYTES:
        return False
    proof = _crossed(spelled[:_PROOF_BYTES], spelled[_PROOF_BYTES:])
    return hmac.compare_digest(proof, _proof(session_token))


class FormTooLargeError(TooLargeError):
    """That is larger than any page takes."""

    code = "body_too_large"
    hint = "The API and the command line take archives of datasets in parts."


def _fits(request: Request, largest: int) -> bool:
    said = request.headers.get("content-length", "0" if "transfer-encoding" not in request.headers else "")
    return said.isdecimal() and int(said) <= largest


def check_origin(request: Request) -> None:
    """Refuse a change that another site asks for.

    Raises:
        ForeignFormError: the browser says that it comes from elsewhere.
    """
    if request.method in _SAFE:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ForeignFormError
    origin = request.headers.get("origin")
    if origin not in {None, "null"} and urlsplit(origin).netloc != request.headers.get("host"):
        raise ForeignFormError


def check_stranger(request: Request) -> None:
    """Refuse a sign-in that another site asks for, or that is more than one.

    Raises:
        ForeignFormError: the browser says that it comes from elsewhere.
        FormTooLargeError: it is larger than a sign-in, or does not say how large it is.
    """
    check_origin(request)
    if not _fits(request, LARGEST_SIGN_IN):
        raise FormTooLargeError(hint="A sign-in holds an address and a password.")


async def check_form(request: Request, session_token: str) -> None:
    """Refuse a change without the session's token, in the header or in the form.

    Raises:
        ForeignFormError: it is missing or another one.
        FormTooLargeError: the form is larger than any page takes, or does not say how large it is.
    """
    check_origin(request)
    if request.method in _SAFE:
        return
    # Before any of it is read: it would be kept on the disk first.
    if not _fits(request, LARGEST_FORM):
        raise FormTooLargeError
    given = request.headers.get(CSRF_HEADER)
    if given is None and "form" in request.headers.get("content-type", ""):
        form = await request.form(max_files=200, max_fields=5000)
        value = form.get(CSRF_FIELD)
        given = value if isinstance(value, str) else None
    if given is None or not _proves(given, session_token):
        raise ForeignFormError
