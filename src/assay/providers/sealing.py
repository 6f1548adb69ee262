"""That a provider's key is kept sealed, for this provider alone."""

from assay import sealing
from assay.providers.errors import ProviderKeyError

_PURPOSE = "assay provider keys"


def sealed(key: str, *, secret: str, provider_id: str) -> bytes:
    """Encrypt a key so that it opens for this provider only. Every call gives another text."""
    return sealing.sealed(key, secret=secret, purpose=_PURPOSE, owner_id=provider_id)


def opened(sealed_key: bytes, *, secret: str, provider_id: str) -> str:
    """Decrypt what `sealed` gave.

    Raises:
        ProviderKeyError: the secret is another one, or the text belongs to another provider.
    """
    try:
        return sealing.opened(sealed_key, secret=secret, purpose=_PURPOSE, owner_id=provider_id)
    except sealing.SealBrokenError as error:
        message = "The provider's key was stored with another ASSAY_SECRET_KEY."
        raise ProviderKeyError(message, hint="Remove the provider and add it again.") from error
