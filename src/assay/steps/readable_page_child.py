"""Finds the readable part of an HTML page; run as a program of its own, since a hostile page can only be killed.

It reads the page from its standard input and its address from the command line, and writes JSON. It is started by its
path and imports nothing of assay, which keeps a page at a tenth of a second.
"""

import json
import resource
import sys
from urllib.parse import urlsplit

from html_to_markdown import ConversionOptions, convert
from selectolax.lexbor import LexborHTMLParser, LexborNode

MEMORY_BYTES = 1024**3
CPU_SECONDS = 10
MAX_MARKDOWN_CHARACTERS = 5 * 1024**2
MAX_DEPTH = 500
EXCERPT_CHARACTERS = 300
LABEL_CHARACTERS = 1000

_NEVER_READ = "script,style,noscript,template,iframe,object,svg,canvas,dialog,[hidden],[aria-hidden=true]"
_AROUND = "nav,aside,form,button,[role=navigation],[role=complementary],[role=search]"
_PAGE_EDGES = "body > header,body > footer,[role=banner],[role=contentinfo]"
_SMALLEST_ARTICLE = 200


def readable(page: str, url: str) -> dict[str, str]:
    """Return markdown, title, excerpt, byline and siteName; what the page does not say is empty."""
    tree = LexborHTMLParser(page)
    title = _meta(tree, "og:title") or _text(tree, "title") or _text(tree, "h1")
    byline = _meta(tree, "author", "article:author") or _text(tree, "[rel=author],[itemprop=author],.byline")
    site = _meta(tree, "og:site_name", "application-name") or urlsplit(url).hostname or ""
    description = _meta(tree, "og:description", "description")
    main = _main_part(tree)
    found = convert(
        (main.html if main is not None else None) or "",
        ConversionOptions(
            base_url=_base(tree, url), extract_metadata=False, max_depth=MAX_DEPTH, capture_svg=False, skip_images=True
        ),
    )
    markdown = (found.content or "").strip()
    if len(markdown) > MAX_MARKDOWN_CHARACTERS:
        message = "The page is too long."
        raise ValueError(message)
    excerpt = description or " ".join((main.text(separator=" ") if main is not None else "").split())
    return {
        "markdown": markdown,
        "title": title[:LABEL_CHARACTERS],
        "excerpt": excerpt[:EXCERPT_CHARACTERS],
        "byline": byline[:LABEL_CHARACTERS],
        "siteName": site[:LABEL_CHARACTERS],
    }


def _main_part(tree: LexborHTMLParser) -> LexborNode | None:
    for node in tree.css(f"{_NEVER_READ},{_AROUND},{_PAGE_EDGES}"):
        node.decompose()
    for selector in ("article", "main", "[role=main]"):
        found = tree.css(selector)
        # Several articles are a list of them: what holds them all is the page.
        if len(found) == 1 and len(found[0].text(strip=True)) >= _SMALLEST_ARTICLE:
            return found[0]
    return tree.css_first("main") or tree.body


def _base(tree: LexborHTMLParser, url: str) -> str:
    base = tree.css_first("base[href]")
    href = base.attributes.get("href") if base is not None else None
    return href if href and href.startswith(("https://", "http://")) else url


def _meta(tree: LexborHTMLParser, *names: str) -> str:
    for name in names:
        for key in ("property", "name"):
            node = tree.css_first(f'meta[{key}="{name}"]')
            content = node.attributes.get("content") if node is not None else None
            if content and content.strip():
                return " ".join(content.split())
    return ""


def _text(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return " ".join(node.text(separator=" ").split()) if node is not None else ""


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _confine()
    html = sys.stdin.buffer.read().decode(errors="replace")
    sys.stdout.buffer.write(json.dumps(readable(html, sys.argv[1])).encode())
