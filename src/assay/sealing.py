"""How secrets are kept: encrypted with the installation's own, for one purpose and for the row they belong to."""

import secrets

from assay.errors import AssayError

_NONCE_BYTES = 12


class SealBrokenError(AssayError):
    """This was stored with another ASSAY_SECRET_KEY."""

    code = "secret_unreadable"


def sealed(text: str, *, secret: str, purpose: str, owner_id: str) -> bytes:
    """Encrypt (AES-256-GCM) so that it opens for this purpose and owner only. Every call gives another text."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 60 ms that few processes need

    return nonce + AESGCM(_derived(secret, purpose)).encrypt(nonce, text.encode(), owner_id.encode())


def opened(sealed_text: bytes, *, secret: str, purpose: str, owner_id: str) -> str:
    """Decrypt what `sealed` gave.

    Raises:
        SealBrokenError: the secret is another one, or the text has another purpose or owner.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    nonce, text = sealed_text[:_NONCE_BYTES], sealed_text[_NONCE_BYTES:]
    try:
        return AESGCM(_derived(secret, purpose)).decrypt(nonce, text, owner_id.encode()).decode()
    except InvalidTag as error:
        raise SealBrokenError from error


def _derived(secret: str, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - see above

    return HKDF(SHA256(), 32, None, purpose.encode()).derive(secret.encode())
