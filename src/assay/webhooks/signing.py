"""How a receiver can tell that an event is ours: Standard Webhooks, with secrets that are kept sealed."""

import base64
import secrets
from collections.abc import Mapping
from datetime import datetime

from standardwebhooks import Webhook

from assay import sealing
from assay.webhooks.model import Endpoint

_PURPOSE = "assay webhook secrets"
_SECRET_BYTES = 32


def new_secret() -> str:
    """Make a secret to sign with: `whsec_` and base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def sealed(signing_secret: str, endpoint_id: str, *, secret: str) -> bytes:
    """Encrypt a signing secret with the installation's, so that it opens for this endpoint only."""
    return sealing.sealed(signing_secret, secret=secret, purpose=_PURPOSE, owner_id=endpoint_id)


def headers_for(endpoint: Endpoint, event_id: str, body: str, now: datetime, *, secret: str) -> Mapping[str, str]:
    """Return the headers that sign a body; while an old secret is still good, it signs too.

    Raises:
        SealBrokenError: the secrets were stored with another secret of the installation.
    """
    kept = [endpoint.encrypted_secret]
    if endpoint.encrypted_old_secret is not None and endpoint.old_secret_until and now < endpoint.old_secret_until:
        kept.append(endpoint.encrypted_old_secret)
    opened = [sealing.opened(one, secret=secret, purpose=_PURPOSE, owner_id=endpoint.id) for one in kept]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(one).sign(event_id, now, body) for one in opened),
    }
