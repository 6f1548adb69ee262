"""Files that are fetched from a server."""

import os
from pathlib import Path

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

from assay.cli.fetching import arriving

FETCHES = (
    "workflow experiment export invoices --out",
    "workflow dataset example files get invoices first a.csv --out",
)
REFUSED = Answer(404, {"issues": [], "requestId": "req_1"})


@pytest.mark.parametrize("command", FETCHES)
def test_what_does_not_arrive_leaves_the_file_that_is_there(
    assay: Assay, script: Script, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("old")
    script.will_answer(REFUSED, Answer(body=b"new"))
    assert assay(f"{command} {file}").code == 1
    assert file.read_text() == "old"
    assert assay(f"{command} {file}").code == 0
    assert file.read_text() == "new"
    assert [*tmp_path.iterdir()] == [file]


def test_a_link_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("file")
    with arriving(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_pipe_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with arriving(pipe) as file:
            file.write(b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
