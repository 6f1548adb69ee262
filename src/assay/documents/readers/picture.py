"""How a page is shown to a model: as JPEG, as large as asked for and never larger than models look at."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image

from assay.documents.protocol import Request
from assay.documents.readers import image, pdf

LONGEST_SIDE: Final = 4096


def jpeg_of_page(path: Path, request: Request) -> bytes:
    """Return one page of a PDF, a part of one, or one frame of an image, as JPEG.

    Raises:
        DocumentTooLargeError: It has more pixels than allowed.
        DocumentUnreadableError: It is damaged.
    """
    index = request.page or 0
    if request.kind == "pdf":
        picture = _pdf_page(path, index, request.scale, request.box)
    else:
        picture, _ = image.load_frame(path, index, LONGEST_SIDE, request.limits)
    written = BytesIO()
    picture.save(written, "JPEG", quality=request.quality)
    return written.getvalue()


def _pdf_page(path: Path, index: int, scale: float, box: Sequence[float] | None) -> Image.Image:
    with pdf.opened(path) as document, pdf.opened_page(document, index) as page:
        fitting = min(scale, LONGEST_SIDE / max(page.get_size()))
        picture = page.render(scale=fitting).to_pil().convert("RGB")
    if box is None:
        return picture
    left, top, right, bottom = (round(side * fitting) for side in box)
    return picture.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
