"""What separates the cells of a CSV file, and its rows with tabs instead."""

import csv
from typing import Final

from assay.documents.errors import DocumentUnreadableError

_SEPARATORS: Final = ",;\t|"
_SAMPLE_CHARACTERS: Final = 8192


def tabbed(source: str) -> str:
    """Return one line a row, cells separated by tabs.

    Raises:
        DocumentUnreadableError: A cell is longer than such files have.
    """
    sample = source[:_SAMPLE_CHARACTERS]
    separator = max(_SEPARATORS, key=sample.count)
    try:
        rows = csv.reader(source.splitlines(keepends=True), delimiter=separator)
        return "\n".join("\t".join(" ".join(cell.split()) for cell in row) for row in rows if any(row))
    except csv.Error as error:
        raise DocumentUnreadableError(f"The CSV file is damaged: {error}.") from error
