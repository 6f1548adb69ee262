"""How an image is opened: as it is meant to be seen, never larger than it needs to be."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image, ImageOps, ImageSequence, UnidentifiedImageError

from assay.documents.errors import DocumentTooLargeError, DocumentUnreadableError
from assay.documents.model import Limits
from assay.documents.protocol import PageReading

_FORMATS: Final = ("PNG", "JPEG", "TIFF", "WEBP")
_DAMAGED: Final = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError)
_TURNED_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


def list_frames(path: Path, limits: Limits) -> list[PageReading]:
    """Return one unread page for each frame (a TIFF may hold several).

    Raises:
        DocumentTooLargeError: It has more pixels or frames than allowed.
        DocumentUnreadableError: It is damaged.
    """
    frames: list[PageReading] = []
    with _opened(path) as image:
        _check_pixels(image, limits)
        for frame in ImageSequence.Iterator(image):
            _check_pixels(frame, limits)
            if len(frames) == limits.pages:
                raise DocumentTooLargeError(f"The image has more than {limits.pages:,} frames.")
            frames.append(PageReading(len(frames), "", needs_ocr=True))
    return frames


def load_frame(path: Path, index: int, longest_side: int, limits: Limits) -> tuple[Image.Image, tuple[int, int]]:
    """Return one frame, upright, in RGB and shrunk to `longest_side`, and its full size in pixels.

    Raises:
        DocumentTooLargeError: It has more pixels than allowed.
        DocumentUnreadableError: It is damaged.
    """
    with _opened(path) as image:
        image.seek(index)
        _check_pixels(image, limits)
        width, height = image.size
        sideways = image.getexif().get(ExifTags.Base.Orientation) in _TURNED_SIDEWAYS
        # Shrinking palettes and bitmaps would only drop pixels.
        frame = image.convert("RGBA") if image.mode in {"P", "1"} else image
        frame.thumbnail((longest_side, longest_side), reducing_gap=2.0)
        upright = _on_white(ImageOps.exif_transpose(frame))
    return upright, (height, width) if sideways else (width, height)


@contextmanager
def _opened(path: Path) -> Generator[Image.Image]:
    # The limit is ours, see `_check_pixels`; Pillow's own only warns below twice its size.
    Image.MAX_IMAGE_PIXELS = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=_FORMATS) as image:
                yield image
        except _DAMAGED as error:
            raise DocumentUnreadableError("The image is damaged.") from error


def _check_pixels(image: Image.Image, limits: Limits) -> None:
    if image.width * image.height > limits.pixels:
        raise DocumentTooLargeError(
            f"The image has {image.width:,} x {image.height:,} pixels; {limits.pixels:,} are allowed."
        )


def _on_white(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands():
        return image.convert("RGB")
    picture = image.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    return paper.convert("RGB")
