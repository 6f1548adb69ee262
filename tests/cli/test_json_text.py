"""JSON that somebody writes on the command line or in a file beside it."""

from pathlib import Path

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Script

NO_JSON = ("{", '{"n": NaN}', '{"n": -Infinity}', "[" * 100_000)


@pytest.mark.parametrize("text", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json_is_misuse_and_nothing_is_sent(assay: Assay, script: Script, tmp_path: Path, text: str) -> None:
    file = tmp_path / "given.json"
    file.write_text(text)
    for command in (
        ("run", "workflows.x", "--input-json", f"@{file}"),
        ("runs", "feedback", "update", "exec_1", "--expected-json-file", str(file)),
        ("runs", "incumbent", "import", "x", str(file)),
    ):
        finished = assay(*command)
        assert (finished.code, finished.out) == (2, ""), (command, finished.err)
        assert "JSON" in finished.err or "nested" in finished.err
    assert script.received == []
