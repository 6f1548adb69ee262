from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from assay import documents


@pytest.fixture(scope="session")
async def parser() -> AsyncIterator[documents.Parser]:
    """One parser for all tests of a session: its children are reused like those of a server."""
    parser = documents.Parser(native_children=1, ocr_children=1)
    yield parser
    await parser.close()


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[bytes | str], Path]:
    """Write content to a file whose name says nothing."""

    def store(content: bytes | str) -> Path:
        path = tmp_path / "content"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return store
