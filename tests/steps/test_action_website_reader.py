from typing import Any

import jsonschema_rs
import pytest
from tests.fakes.raw_server import raw_server, redirect, response
from tests.fakes.step_context import FakeStepContext

from assay.steps import Effect, StepError
from assay.steps.builtin.action_website_reader import ActionWebsiteReader

PROSE = "The assay office tested every coin that left the mint, and wrote the result into its books. " * 5
ARTICLE = f"""<!doctype html><html><head><title>Coins | Mint</title><base href="/news/">
<meta property="og:title" content="How coins are  tested"><meta name="description" content="About coins.">
<meta name="author" content="Ada Smith"><meta property="og:site_name" content="The Mint"></head>
<body><header>Site header</header><nav><a href="/">Home</a></nav>
<main><article><h1>How coins are tested</h1><p>{PROSE}</p><p>See the <a href="books.html?a=1">books</a>.</p>
<table><tr><th>Coin</th><th>Gold</th></tr><tr><td>Ducat</td><td>98.6 %</td></tr></table>
<script>var hidden = "script";</script><div hidden>Secret</div></article></main>
<aside>Advertisement</aside><footer>Imprint</footer></body></html>"""


async def read(page: str | bytes, kind: str = "text/html", **config: Any) -> dict[str, Any]:
    body = page.encode() if isinstance(page, str) else page
    async with raw_server(lambda asked: response(body, headers={"Content-Type": kind})) as server:
        step = ActionWebsiteReader.model_validate({"url": server.url("/a"), **config})
        output = await step.run(FakeStepContext())
    assert ActionWebsiteReader.output_schema is not None
    jsonschema_rs.validator_for(dict(ActionWebsiteReader.output_schema)).validate(output)
    assert isinstance(output, dict)
    return output


async def failure(page: str | bytes, kind: str = "text/html") -> StepError:
    with pytest.raises(StepError) as raised:
        await read(page, kind)
    return raised.value


async def test_an_article_is_read_without_what_stands_around_it() -> None:
    output = await read(ARTICLE)
    markdown = output["markdown"]
    assert markdown.startswith("# How coins are tested")
    assert "98.6 %" in markdown
    for around in ("header", "Home", "script", "Secret", "Advertisement", "Imprint"):
        assert around not in markdown
    assert output["length"] == len(markdown)


async def test_what_the_page_says_about_itself() -> None:
    output = await read(ARTICLE)
    assert output["title"] == "How coins are tested"
    assert (output["excerpt"], output["byline"], output["siteName"]) == ("About coins.", "Ada Smith", "The Mint")


async def test_a_page_that_says_nothing_is_described_by_its_text() -> None:
    output = await read("<title>Short</title><p>One line.</p>")
    assert (output["title"], output["excerpt"], output["byline"], output["siteName"]) == (
        "Short", "One line.", "", "127.0.0.1",
    )  # fmt: skip


async def test_links_become_absolute_and_the_address_is_the_last_one() -> None:
    async with raw_server(
        lambda asked: redirect("/b/") if asked.target == "/" else response(b'<a href="c">link</a>')
    ) as server:
        step = ActionWebsiteReader.model_validate({"url": server.url()})
        output = await step.run(FakeStepContext())
        assert isinstance(output, dict)
        assert output["url"] == server.url("/b/")
        assert f"[link]({server.url('/b/c')})" in str(output["markdown"])


@pytest.mark.parametrize(
    ("page", "kind", "config"),
    [
        ("<p>Łódź".encode("iso-8859-2"), "text/html; charset=iso-8859-2", {}),
        ('<meta charset="windows-1250"><p>Łódź'.encode("windows-1250"), "text/html", {}),
        ("<p>Łódź".encode("windows-1250"), "text/html; charset=utf-8", {"encoding": "windows-1250"}),
        ("<p>Łódź".encode(), "text/html", {}),
        ("<p>\ufeffŁódź".encode("utf-16"), "text/html", {}),
    ],
)
async def test_the_encoding_is_found(page: bytes, kind: str, config: dict[str, str]) -> None:
    assert "Łódź" in (await read(page, kind, **config))["markdown"]


async def test_latin1_is_windows_1252_as_in_browsers() -> None:
    assert (await read("<p>“5 €”".encode("windows-1252"), "text/html; charset=iso-8859-1"))["markdown"] == "“5 €”"


async def test_plain_text_is_taken_as_it_is() -> None:
    assert (await read("a < b", "text/plain"))["markdown"] == "a < b"


@pytest.mark.parametrize("page", ["", " ", "<!--", "<", "</p>", "\x00", "<html>", "<script>"])
async def test_a_page_without_text_is_read_as_such(page: str | bytes) -> None:
    assert (await read(page))["length"] <= 1


async def test_what_is_no_page_is_refused() -> None:
    error = await failure(b"%PDF-1.7", "application/pdf")
    assert (error.code, error.category) == ("page_unsupported", "validation")


@pytest.mark.parametrize(
    "page",
    ["<div>" * 400_000, "<p " + " ".join(f"a{number}=b" for number in range(400_000)) + ">"],
    ids=["nesting", "attributes"],
)
async def test_a_page_that_is_made_to_hold_its_reader_up_is_given_up(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.steps.readable_page.SECONDS", 1.0)
    error = await failure(page)
    assert (error.code, error.category) == ("page_unreadable", "validation")
    assert (await read(ARTICLE))["title"] == "How coins are tested"


async def test_a_page_whose_links_swell_is_given_up() -> None:
    page = f'<base href="http://x.example/{"a" * 4000}/">' + "<a href=b>c</a>" * 5000
    assert (await failure(page)).code == "page_unreadable"


async def test_a_page_over_the_limit_is_refused() -> None:
    assert (await failure("<p>" + "x" * (5 * 1024**2))).code == "page_too_large"


async def test_a_missing_page_fails_the_step() -> None:
    async with raw_server(lambda asked: response(ARTICLE.encode(), status="404 Not Found")) as server:
        with pytest.raises(StepError) as raised:
            await ActionWebsiteReader.model_validate({"url": server.url()}).run(FakeStepContext())
    assert (raised.value.code, raised.value.http_status) == ("http_not_found", 404)


def test_reading_a_page_may_be_repeated() -> None:
    step = ActionWebsiteReader.model_validate({"url": "http://x"})
    assert (step.effect_now(), step.replay_safe) == (Effect.READ, True)
