"""Files beside a workflow: read from its folder and written there, and nowhere else."""

import os
from pathlib import Path

import pytest

from assay_client import FileBesideError, beside, read_beside, write_beside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file in it, and one outside."""
    (tmp_path / "secret.docx").write_bytes(b"secret")
    inside = tmp_path / "flow"
    (inside / "templates").mkdir(parents=True)
    (inside / "templates" / "letter.docx").write_bytes(b"Dear Ada")
    return inside


def test_a_file_is_read_from_a_folder_that_is_named_relatively(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_beside(folder, "templates/letter.docx") == b"Dear Ada"
    monkeypatch.chdir(folder)
    assert read_beside(Path(), "templates/letter.docx") == b"Dear Ada"


def test_a_link_that_stays_inside_is_followed(folder: Path) -> None:
    (folder / "link.docx").symlink_to("templates/letter.docx")
    assert read_beside(folder, "link.docx") == b"Dear Ada"


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "../secret.docx", "templates/../../secret.docx", "templates//letter.docx", "/etc/passwd"),
        *("templates\\letter.docx", ".env", "a/.git/config", "a\x00b", "templates", "gone.docx", "a" * 5000),
    ],
)
def test_what_is_no_file_in_the_folder_is_refused(folder: Path, path: str) -> None:
    with pytest.raises(FileBesideError):
        read_beside(folder, path)


def test_links_that_lead_out_are_refused_both_ways(folder: Path) -> None:
    (folder / "link.docx").symlink_to("../secret.docx")
    (folder / "up").symlink_to("..")
    (folder / "round.docx").symlink_to("round.docx")
    for path in ("link.docx", "up/secret.docx", "round.docx"):
        with pytest.raises(FileBesideError):
            read_beside(folder, path)
        with pytest.raises(FileBesideError):
            write_beside(folder, path, b"evil")
    assert (folder.parent / "secret.docx").read_bytes() == b"secret"


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.docx")
    with pytest.raises(FileBesideError):
        read_beside(folder, "pipe.docx")


def test_a_large_file_is_refused_unread(folder: Path) -> None:
    with (folder / "large.docx").open("wb") as file:
        file.truncate(beside.MAX_FILE_BYTES + 1)
    with pytest.raises(FileBesideError, match="are allowed"):
        read_beside(folder, "large.docx")


def test_what_is_written_can_be_read(folder: Path) -> None:
    for content in (b"1", b"22"):
        write_beside(folder, "new/deep/letter.docx", content)
        assert read_beside(folder, "new/deep/letter.docx") == content
