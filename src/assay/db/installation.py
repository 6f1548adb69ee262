"""Which blob store and which secret key belong to a database, so that no process works with others."""

import hashlib

from assay.db.database import Transaction
from assay.errors import AssayError, ErrorKind

_REMEMBER = """
INSERT INTO installation (storage_id, secret_check) VALUES ($1, $2)
ON CONFLICT (only_row) DO UPDATE SET only_row = true RETURNING storage_id, secret_check
"""


class WrongStorageError(AssayError):
    """The files of this database lie in another store than the one this process would use."""

    kind = ErrorKind.CONFLICT
    code = "wrong_storage"
    hint = "Set ASSAY_STORAGE_URL to the store that all processes of this database share."


class WrongSecretKeyError(AssayError):
    """This process has another secret key than the one this database was set up with."""

    kind = ErrorKind.CONFLICT
    code = "wrong_secret_key"
    hint = "Set ASSAY_SECRET_KEY to the key that all processes of this database share."


async def check_installation(tx: Transaction, *, storage_id: str, secret_key: str) -> None:
    """Remember store and key at the first start; later make sure they are the same.

    Raises:
        WrongStorageError: the store is another one.
        WrongSecretKeyError: the key is another one.
    """
    digest = hashlib.sha256(f"assay secret check:{secret_key}".encode()).hexdigest()
    row = await tx.fetch_one(_REMEMBER, storage_id, digest)
    assert row is not None
    if row["storage_id"] != storage_id:
        raise WrongStorageError
    if row["secret_check"] != digest:
        raise WrongSecretKeyError
