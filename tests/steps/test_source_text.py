from hypothesis import given
from hypothesis import strategies as st

from assay.steps.source_text import beginning, estimated_tokens, page_windows, source_text, text_windows

PAGES = st.lists(st.text(alphabet="ab \n\u00e4\u4e2d", max_size=400), min_size=1, max_size=8).filter(
    lambda pages: any(page.strip() for page in pages)
)
BUDGET = st.integers(min_value=40, max_value=300)


@given(pages=PAGES, budget=BUDGET)
def test_windows_cover_the_text_without_gaps_and_keep_the_budget(pages: list[str], budget: int) -> None:
    source = source_text([*pages])
    windows = text_windows(source, budget)
    assert "".join(source.text[start:end] for start, end in windows) == source.text
    # The empty line between two pages belongs to the first, and comes on top.
    assert all(estimated_tokens(source.text[start:end]) <= budget + len(pages) for start, end in windows)


@given(pages=PAGES, budget=BUDGET)
def test_groups_hold_every_page_once_and_in_order(pages: list[str], budget: int) -> None:
    groups = page_windows(source_text([*pages]), budget)
    assert [page.index for group in groups for page in group] == list(range(len(pages)))
    for group in groups:
        assert len(group) <= 1 or sum(estimated_tokens(page.text) for page in group) <= budget


@given(text=st.text(max_size=500), budget=BUDGET)
def test_a_beginning_fits_and_could_not_be_longer(text: str, budget: int) -> None:
    kept = beginning(text, budget)
    assert text.startswith(kept)
    assert estimated_tokens(kept) <= budget
    assert kept == text or estimated_tokens(text[: len(kept) + 1]) > budget


def test_pages_are_found_where_they_stand() -> None:
    source = source_text({"pages": [{"pageIndex": 1, "text": "two", "pageName": "B"}, {"pageIndex": 0, "text": "one"}]})
    assert source.text == "one\n\ntwo"
    assert [(page.index, page.start, page.name) for page in source.pages] == [(0, 0, None), (1, 5, "B")]


def test_any_other_value_stands_for_its_json() -> None:
    assert source_text({"markdown": "x"}).text == '{"markdown":"x"}'
