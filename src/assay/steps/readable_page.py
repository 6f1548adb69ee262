"""Pages of strangers are parsed in a child that may hang or crash, and is killed then."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

from pydantic import BaseModel, ConfigDict, Field

from assay.steps import readable_page_child
from assay.steps.base import StepError

MAX_PAGE_CHARACTERS = 5 * 1024**2
SECONDS = 20.0


class ReadablePage(BaseModel):
    """The readable part of a page as Markdown, and what the page says about itself; empty where it says nothing."""

    model_config = ConfigDict(frozen=True)

    markdown: str
    title: str
    excerpt: str
    byline: str
    site_name: str = Field(alias="siteName")


async def readable_page(html: str, url: str) -> ReadablePage:
    """Find the readable part of a page; links become absolute by its address.

    Raises:
        StepError: `page_too_large`, or `page_unreadable` when reading it takes 10 s of CPU or 1 GiB.
    """
    if len(html) > MAX_PAGE_CHARACTERS:
        message = f"The page has {len(html)} characters; {MAX_PAGE_CHARACTERS} are read."
        raise StepError("page_too_large", message, category="validation")
    program = readable_page_child.__file__
    # Isolated and without an environment: the page's parser finds nothing of ours.
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", program, url, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
    )
    try:
        async with asyncio.timeout(SECONDS):
            written, _ = await child.communicate(html.encode(errors="replace"))
    except TimeoutError:
        written = b""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise StepError("page_unreadable", "The page is too entangled to be read.", category="validation")
    return ReadablePage.model_validate_json(written)
