"""Takes the pictures of the dashboard in docs/dashboard, and writes the page that shows them.

`python -m tools.screenshots BROWSER` starts a server of its own on made-up work of two weeks, and the browser that is
named by its path. Where there is none it says so, and exits with 3.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, StorageState, ViewportSize, async_playwright

from assay.cli import demo_server
from assay_client import Client
from tools import lived_in
from tools.lived_in import Places

FOLDER: Final = Path(__file__).parents[1] / "docs" / "dashboard"
Scheme = Literal["light", "dark"]
WIDE: Final[ViewportSize] = {"width": 1280, "height": 860}
NARROW: Final[ViewportSize] = {"width": 360, "height": 780}
_SETTLED_MS: Final = 1500

HEAD: Final = """\
# The dashboard in pictures

Written by `make screenshots`, with made-up work of two weeks. Each page follows the theme of the system, or the one
that is chosen, and works at 360 pixels too.
"""


@dataclass(frozen=True, slots=True)
class Shot:
    """A page, what one can do there, and whether its narrow form is shown as well."""

    name: str
    title: str
    path: str
    words: str
    narrow: bool = False


def main(browser: str) -> int:
    """Write all pictures and the page."""
    if not Path(browser).is_file():
        sys.stderr.write(f"There is no browser at {browser}: apt-get install chromium, or set PLAYWRIGHT_BROWSER.\n")
        return 3
    with demo_server.folder(None) as folder, demo_server.running(folder, 0) as server:
        with Client(server.base_url, server.api_key) as client:
            places = lived_in.fill(client, folder / "documents")
        asyncio.run(lived_in.move_into_past(folder))
        shots = _shots(places)
        FOLDER.mkdir(exist_ok=True)
        for stale in FOLDER.glob("*.png"):
            stale.unlink()
        asyncio.run(_take(shots, browser, server.base_url, demo_server.sign_in_link(server, folder)))
    (FOLDER / "README.md").write_text("\n".join([HEAD, *map(_shown, shots)]), encoding="utf-8")
    return 0


def _shots(places: Places) -> Sequence[Shot]:
    invoices, mail = "/automations/invoice-fields", "/automations/support-mail"
    grid = f"{mail}/experiments/{places.candidate}?example={places.worse_example}"
    return [
        Shot(
            "automations",
            "Automations",
            "/automations",
            "See in ten seconds which automation can be trusted: how many of its runs are right, how sure that is, "
            "what waits for review, and whether its newest version is through the gate.",
            narrow=True,
        ),
        Shot(
            "overview",
            "An automation",
            invoices,
            "Follow the way to trust line by line: each says what shows it, and has the button that takes it further.",
            narrow=True,
        ),
        Shot(
            "review",
            "Review",
            "/review/next?automation=invoice-fields",
            "Judge one document after the other by keyboard: `1` is right, `2` is wrong, `E` mends a field, and the "
            "place that a field was read from is marked on the page.",
            narrow=True,
        ),
        Shot(
            "comparison",
            "Two versions compared",
            f"/experiments/{places.baseline}/compare/{places.candidate}",
            "Hold two versions against each other: one sentence with its interval, and what has become worse first.",
            narrow=True,
        ),
        Shot(
            "experiment",
            "An experiment",
            f"{grid}#grid-head",
            "Look at every example and every evaluator, the worst first; a click shows what was expected, "
            "and what came.",
        ),
        Shot(
            "experiments",
            "Experiments",
            f"{mail}/experiments",
            "Measure a version, see the pass rate over time with its interval, and pick two experiments to compare.",
        ),
        Shot(
            "gate",
            "The gate",
            f"{invoices}/gate?version=1.2.0",
            "Read what a version still lacks before it may serve; going past it takes a reason, which is kept.",
        ),
        Shot(
            "workflow",
            "The workflow",
            f"{invoices}/workflow",
            "Edit the YAML with its mistakes marked at the line, see the steps as a graph, and push a new version.",
            narrow=True,
        ),
        Shot(
            "difference",
            "What changed",
            f"{invoices}/workflow?version=1.2.0&against=1.1.0",
            "See line by line what a version changes, beside what the gate says of it.",
        ),
        Shot(
            "dataset",
            "The dataset",
            f"{invoices}/dataset",
            "Keep the documents whose answer is known: run one, mend one, import and export all, go "
            "back to any revision.",
            narrow=True,
        ),
        Shot(
            "example",
            "An example",
            f"{invoices}/dataset/examples/02-ledger-en",
            "Change what goes in and what should come out, with the document beside it and every run that it had.",
        ),
        Shot(
            "evaluators",
            "Evaluators",
            f"{mail}/evaluators",
            "Say in a form, or as YAML, what counts as right, and try it on an example before it is saved.",
        ),
        Shot(
            "runs",
            "Runs",
            "/runs?mode=live",
            "Find runs by any filter, with what became of their review; the address holds the filter, and a pane shows "
            "one run beside the list.",
            narrow=True,
        ),
        Shot(
            "run",
            "A run",
            f"/runs/{places.missed_run}",
            "Read the document and the output side by side, and find out which step took the wrong value.",
        ),
        Shot(
            "failed-run",
            "A run that failed",
            f"/runs/{places.failed_run}",
            "See why a run failed, at the step that failed.",
        ),
        Shot(
            "monitoring",
            "Monitoring",
            "/monitoring?automation=support-mail",
            "Watch quality with its interval, what is left open, and what fails; every number leads to its runs.",
        ),
        Shot(
            "settings",
            "Settings of an automation",
            f"{mail}/settings",
            "Switch triggers, set limits, the sampling rate with the advice for it, the gate and alerts.",
        ),
    ]


async def _take(shots: Sequence[Shot], executable: str, base_url: str, link: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        signed_in = await _sign_in(browser, link)
        for scheme in ("light", "dark"):
            await _take_all(await _window(browser, base_url, signed_in, scheme, narrow=False), shots, scheme)
        narrow = [one for one in shots if one.narrow]
        await _take_all(await _window(browser, base_url, signed_in, "light", narrow=True), narrow, "narrow")
        await browser.close()


async def _sign_in(browser: Browser, link: str) -> StorageState:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(link)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    return await context.storage_state()


async def _window(
    browser: Browser, base_url: str, signed_in: StorageState, scheme: Scheme, *, narrow: bool
) -> BrowserContext:
    return await browser.new_context(
        base_url=base_url,
        viewport=NARROW if narrow else WIDE,
        color_scheme=scheme,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="Europe/Berlin",
        storage_state=signed_in,
    )


async def _take_all(window: BrowserContext, shots: Sequence[Shot], suffix: str) -> None:
    page = await window.new_page()
    for shot in shots:
        await page.goto(shot.path)
        await _settle(page)
        picture = Image.open(BytesIO(await page.screenshot())).convert("RGB")
        _with_fewer_colours(picture).save(FOLDER / f"{shot.name}-{suffix}.png", optimize=True)
    await window.close()


def _with_fewer_colours(picture: Image.Image) -> Image.Image:
    """Keep the 256 most frequent colours exactly, so that grounds and tints stay as they are."""
    counted = picture.getcolors(picture.width * picture.height) or []
    frequent = [colour for _, colour in sorted(counted, key=lambda one: one[0], reverse=True)[:256]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([level for colour in frequent if isinstance(colour, tuple) for level in colour])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


async def _settle(page: Page) -> None:
    """Wait for what comes after the page: editors, pictures of documents, panels. Nothing says that all is there."""
    await page.wait_for_function("[...document.images].every((one) => one.loading === 'lazy' || one.complete)")
    await page.wait_for_timeout(_SETTLED_MS)


def _shown(shot: Shot) -> str:
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="{shot.name}-dark.png">'
    wide = f'<picture>{dark}<img src="{shot.name}-light.png" alt="{shot.title}" width="800"></picture>'
    narrow = f'\n<img src="{shot.name}-narrow.png" alt="{shot.title}, narrow" width="225">' if shot.narrow else ""
    return f"## {shot.title}\n\n{shot.words}\n\n{wide}{narrow}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
