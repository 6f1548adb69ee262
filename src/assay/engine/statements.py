"""The engine's named SQL, read from `queries.sql`."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def _read() -> dict[str, str]:
    _, *parts = _NAME.split(files("assay.engine").joinpath("queries.sql").read_text(encoding="utf-8"))
    return {name: text.strip().rstrip(";") for name, text in zip(parts[::2], parts[1::2], strict=True)}


SQL = _read()
"""Statement text by name."""
