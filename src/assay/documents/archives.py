"""When a zip container (DOCX, XLSX) is refused before anything in it is opened."""

import zipfile
from pathlib import Path
from typing import Final

from assay.documents.errors import DocumentEncryptedError, DocumentTooLargeError, DocumentUnreadableError
from assay.documents.model import Limits

_MEMBERS: Final = 10_000
_RATIO_MATTERS_FROM: Final = 16 << 20
_PROLOGUE_BYTES: Final = 65_536
_ENCRYPTED_FLAG: Final = 0x1


def check_container(path: Path, limits: Limits) -> None:
    """Look at a container's directory, and at the beginning of its XML, for signs of an attack.

    Sizes in the directory may lie; the memory limit of the child holds what this lets pass.

    Raises:
        DocumentTooLargeError: Unpacked, it would be larger than the limits allow.
        DocumentEncryptedError: A member is encrypted.
        DocumentUnreadableError: A member declares XML entities, which no office program writes, or
            the container is damaged.
    """
    try:
        with zipfile.ZipFile(path) as container:
            members = container.infolist()
            _check_sizes(members, path.stat().st_size, limits)
            for member in members:
                if member.flag_bits & _ENCRYPTED_FLAG:
                    raise DocumentEncryptedError
                if member.filename.endswith((".xml", ".rels")):
                    _check_prologue(container, member)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise DocumentUnreadableError("The document is a damaged zip container.") from error


def _check_sizes(members: list[zipfile.ZipInfo], file_bytes: int, limits: Limits) -> None:
    if len(members) > _MEMBERS:
        raise DocumentTooLargeError(f"The document holds {len(members):,} parts; {_MEMBERS:,} are allowed.")
    unpacked = sum(member.file_size for member in members)
    too_dense = unpacked > _RATIO_MATTERS_FROM and unpacked > file_bytes * limits.packing_ratio
    if unpacked > limits.unpacked_bytes or too_dense:
        raise DocumentTooLargeError(f"Unpacked, the document would take {unpacked / (1 << 20):,.0f} MB.")


def _check_prologue(container: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    with container.open(member) as file:
        prologue = file.read(_PROLOGUE_BYTES).replace(b"\x00", b"").upper()
    if b"<!DOCTYPE" in prologue or b"<!ENTITY" in prologue:
        raise DocumentUnreadableError(f"The part {member.filename} declares XML entities, which is not allowed.")
