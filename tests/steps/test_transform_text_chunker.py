from itertools import pairwise
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.step_context import FakeStepContext

from assay.steps import StepError
from assay.steps.builtin.transform_text_chunker import TransformTextChunker
from assay.steps.chunking import HARD_CAP, ChunkSizes, chunk_spans


async def chunked(text: Any, **config: Any) -> Any:
    step = TransformTextChunker.model_validate({"input": text, "maxChars": 100, **config})
    output = await step.run(FakeStepContext())
    jsonschema_rs.validator_for(dict(TransformTextChunker.output_schema or {})).validate(output)
    return output


@st.composite
def sizes(draw: st.DrawFn) -> ChunkSizes:
    wished = draw(st.integers(min_value=10, max_value=60))
    half = (wished - 1) // 2
    overlap = draw(st.integers(min_value=0, max_value=half))
    header = draw(st.integers(min_value=0, max_value=half - overlap))
    return ChunkSizes(wished, overlap, draw(st.integers(min_value=0, max_value=half)), header)


@given(
    text=st.text(alphabet="ab .\n", max_size=400),
    sizes=sizes(),
    boundaries=st.sets(st.integers(min_value=0, max_value=400)),
)
def test_chunks_cover_the_text_without_a_gap_and_within_the_cap(
    text: str, sizes: ChunkSizes, boundaries: set[int]
) -> None:
    spans = list(chunk_spans(text, sizes, sorted(boundaries)))
    assert bool(spans) == bool(text)
    assert not spans or (spans[0][0], spans[-1][1]) == (0, len(text))
    for (start, end), (following, further) in pairwise(spans):
        assert following == end - sizes.overlap
        assert start < following
        assert end < further
    for start, end in spans:
        assert end - start + (sizes.header if start else 0) <= sizes.wished * HARD_CAP


async def test_offsets_name_the_text_between_them() -> None:
    text = "Ropes are sold by weight. " * 40
    output = await chunked(text, overlap=20)
    for chunk in output["chunks"]:
        assert chunk["text"] == text[chunk["startOffset"] : chunk["endOffset"]]
    assert [chunk["index"] for chunk in output["chunks"]] == list(range(output["summary"]["totalChunks"]))
    assert await chunked(text, overlap=20) == output


async def test_a_chunk_ends_where_the_next_section_begins() -> None:
    output = await chunked(("# Head\n" + "word " * 14 + "\n") * 3, splitOn=["^# "])
    assert [chunk["text"][:6] for chunk in output["chunks"]] == ["# Head"] * 3


async def test_a_chunk_grows_up_to_half_as_long_again_to_end_at_a_section() -> None:
    output = await chunked("a" * 140 + "# b", splitOn=["# "])
    assert [chunk["endOffset"] for chunk in output["chunks"]] == [140, 143]


async def test_without_sections_a_chunk_ends_where_a_reader_would_pause() -> None:
    output = await chunked("One sentence ends here, so it does. " + "b" * 30 + " " + "c" * 60)
    assert output["chunks"][0]["text"].endswith("b ")
    output = await chunked("a" * 60 + "\n\n" + "b " * 50)
    assert output["chunks"][0]["endOffset"] == 62


async def test_pages_of_a_document_are_named_by_each_chunk() -> None:
    pages = [{"pageIndex": index, "text": letter * 60} for index, letter in enumerate("abc")]
    output = await chunked({"text": "", "pages": pages})
    assert output["chunks"][0]["pages"] == [0]
    assert {page for chunk in output["chunks"] for page in chunk["pages"]} == {0, 1, 2}


async def test_the_header_is_repeated_within_the_cap() -> None:
    output = await chunked("Name;Price\n" + "rope;20\n" * 60, preserveHeader=11, overlap=5)
    first, *later = output["chunks"]
    assert first["text"].startswith("Name;Price\nrope")
    assert later
    assert all(chunk["text"].startswith("Name;Price\n") for chunk in later)
    assert output["summary"]["maxChunkChars"] <= 150


async def test_a_short_rest_belongs_to_the_chunk_before() -> None:
    assert len((await chunked("a " * 55))["chunks"]) == 2
    assert len((await chunked("a " * 55, minChunkChars=20))["chunks"]) == 1


async def test_what_exceeds_the_number_of_chunks_is_left_out_and_said_so() -> None:
    output = await chunked("word " * 1000, maxChunks=3)
    assert output["summary"]["truncated"] is True
    assert output["chunks"][-1]["endOffset"] < 5000
    assert (await chunked("word"))["summary"]["truncated"] is False


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"overlap": 50}, "invalid_value"),
        ({"minChunkChars": 50}, "invalid_value"),
        ({"overlap": 30, "preserveHeader": 30}, "invalid_value"),
        ({"splitOn": ["("]}, "pattern_invalid"),
        ({"splitOn": ["(?=a)"]}, "pattern_unsupported"),
    ],
)
async def test_settings_that_contradict_each_other_are_a_problem(config: dict[str, Any], code: str) -> None:
    step = TransformTextChunker.model_validate({"input": "x", "maxChars": 100, **config})
    assert [problem[2] for problem in step.problems()] == [code]
    with pytest.raises(StepError):
        await step.run(FakeStepContext())


@pytest.mark.parametrize("nothing", ["", "  \n", {"$file": "input/a.pdf"}])
async def test_a_text_is_required(nothing: Any) -> None:
    with pytest.raises(StepError) as failed:
        await chunked(nothing)
    assert failed.value.code == "text_required"
