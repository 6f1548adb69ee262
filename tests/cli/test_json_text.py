"""JSON that somebody writes on the command line or in a file beside it."""

from pathlib import Path

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Script

from assay.cli import corrections

NO_JSON = ("{", '{"n": NaN}', '{"n": -Infinity}', "[" * 100_000, '{"n": 1e999}', f'{{"n": {"9" * 5_000}}}')


@pytest.mark.parametrize("text", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json_is_misuse_and_nothing_is_sent(assay: Assay, script: Script, tmp_path: Path, text: str) -> None:
    file = tmp_path / "given.json"
    file.write_text(text)
    for command in (
        ("run", "workflows.x", "--input-json", f"@{file}"),
        ("runs", "feedback", "update", "exec_1", "--expected-json-file", str(file)),
        ("runs", "incumbent", "import", "x", str(file)),
        ("workflow", "dataset", "example", "update", "x", "first", "--input-file", str(file)),
    ):
        finished = assay(*command)
        assert (finished.code, finished.out) == (2, ""), (command, finished.err)
        assert any(word in finished.err for word in ("no JSON", "nested", "too large")), finished.err
        assert "sys." not in finished.err
    assert script.received == []


@pytest.mark.parametrize(
    ("text", "value"), [("12.5", 12.5), ('"5"', "5"), ("NaN", "NaN"), ("Main St. 5", "Main St. 5")]
)
def test_a_corrected_value_that_is_no_json_is_a_text(text: str, value: object) -> None:
    assert corrections.parsed(f"/total={text}")["correctedValue"] == value


def test_a_number_that_nothing_can_keep_is_no_correction(assay: Assay, script: Script) -> None:
    for text in ("9" * 5_000, "1e999", "[" * 100_000):
        finished = assay("runs", "feedback", "update", "exec_1", "--correct", f"/total={text}")
        assert finished.code == 2
        assert "--correct" in finished.err
    assert script.received == []
