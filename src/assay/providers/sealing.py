"""How a provider's key is kept: encrypted with the installation's secret, bound to its row."""

import secrets

from assay.providers.errors import ProviderKeyError

_PURPOSE = b"assay provider keys"
_NONCE_BYTES = 12


def sealed(key: str, *, secret: str, provider_id: str) -> bytes:
    """Encrypt a key (AES-256-GCM) so that it opens for this provider only. Every call gives another text."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 60 ms that few processes need

    return nonce + AESGCM(_derived(secret)).encrypt(nonce, key.encode(), provider_id.encode())


def opened(sealed_key: bytes, *, secret: str, provider_id: str) -> str:
    """Decrypt what `sealed` gave.

    Raises:
        ProviderKeyError: the secret is another one, or the text belongs to another provider.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    nonce, text = sealed_key[:_NONCE_BYTES], sealed_key[_NONCE_BYTES:]
    try:
        return AESGCM(_derived(secret)).decrypt(nonce, text, provider_id.encode()).decode()
    except InvalidTag as error:
        message = "The provider's key was stored with another ASSAY_SECRET_KEY."
        raise ProviderKeyError(message, hint="Remove the provider and add it again.") from error


def _derived(secret: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - see above

    return HKDF(SHA256(), 32, None, _PURPOSE).derive(secret.encode())
