from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from assay import documents
from assay.documents import DocumentUnreadableError, DocumentUnsupportedError


@pytest.fixture(scope="module")
async def parser() -> AsyncGenerator[documents.Parser]:
    opened = documents.Parser(native_children=1, ocr_children=0)
    yield opened
    await opened.close()


def two_pages(path: Path, size: tuple[float, float] = (200, 100)) -> Path:
    canvas = Canvas(str(path), pagesize=size)
    for color in ("red", "blue"):
        canvas.setFillColor(color)
        canvas.rect(0, 0, *size, fill=1)
        canvas.showPage()
    canvas.save()
    return path


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(BytesIO(jpeg), formats=["JPEG"])


async def test_each_page_of_a_pdf_is_shown_at_its_scale(parser: documents.Parser, tmp_path: Path) -> None:
    pages = await parser.pictures(two_pages(tmp_path / "a.pdf"), filename="a.pdf")
    assert pages.page_count == 2
    first, second = [opened(await pages.jpeg(page, scale=2, quality=85)) for page in (0, 1)]
    assert first.size == second.size == (400, 200)
    red, blue = first.getpixel((200, 100)), second.getpixel((200, 100))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > red[2]
    assert blue[2] > blue[0]


async def test_no_picture_is_larger_than_a_model_looks_at(parser: documents.Parser, tmp_path: Path) -> None:
    pages = await parser.pictures(two_pages(tmp_path / "a.pdf", (10_000, 5_000)), filename="a.pdf")
    assert opened(await pages.jpeg(0, scale=6, quality=50)).size == (4096, 2048)


async def test_an_image_keeps_its_pixels(parser: documents.Parser, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA", (300, 150)).save(path)
    pages = await parser.pictures(path, filename="a.png")
    assert pages.page_count == 1
    assert opened(await pages.jpeg(0, scale=1, quality=85)).size == (300, 150)


async def test_a_text_cannot_be_looked_at(parser: documents.Parser, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    with pytest.raises(DocumentUnsupportedError):
        await parser.pictures(path, filename="a.txt")


async def test_a_page_that_is_not_there_is_refused(parser: documents.Parser, tmp_path: Path) -> None:
    pages = await parser.pictures(two_pages(tmp_path / "a.pdf"), filename="a.pdf")
    with pytest.raises(DocumentUnreadableError):
        await pages.jpeg(7, scale=1, quality=85)
