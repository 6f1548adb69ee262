"""How text files (TXT, Markdown, JSON, XML, CSV) are read: as they are, as one page."""

from pathlib import Path

from assay.documents.characters import clean
from assay.documents.errors import DocumentTooLargeError
from assay.documents.model import Limits


def read_text(path: Path, encoding: str, limits: Limits) -> str:
    """Return the text of a file; bytes that do not fit the encoding become U+FFFD.

    Raises:
        DocumentTooLargeError: It is larger than the output may be.
    """
    if path.stat().st_size > limits.output_bytes:
        raise DocumentTooLargeError(f"The text file is larger than {limits.output_bytes / (1 << 20):,.0f} MB.")
    return clean(path.read_bytes().decode(encoding, "replace"))
