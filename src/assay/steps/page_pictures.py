"""How pages are shown to a model: from which documents, and one after the other."""

from collections.abc import Sequence

from pydantic import JsonValue

from assay import documents, providers
from assay.errors import AssayError
from assay.steps.asking import file_error
from assay.steps.base import StepContext


async def open_pictures(context: StepContext, reference: JsonValue) -> documents.PagePictures:
    """Return what can show the pages of a file of the run.

    Raises:
        StepError: it is no file of the run, or neither a PDF nor an image, or it cannot be read.
    """
    file = await context.open_file(reference)
    try:
        return await context.parser.pictures(file.path, filename=file.filename, content_type=file.content_type)
    except AssayError as error:
        raise file_error(error) from error


async def pages_shown(
    context: StepContext, pictures: documents.PagePictures, pages: Sequence[int], *, scale: float, quality: int
) -> list[providers.Picture]:
    """Render pages (counted from 0) and count them as used.

    Raises:
        StepError: a page cannot be rendered.
    """
    try:
        shown = [providers.Picture(await pictures.jpeg(page, scale=scale, quality=quality)) for page in pages]
    except AssayError as error:
        raise file_error(error) from error
    context.add_usage(visionPagesProcessed=len(shown))
    return shown
