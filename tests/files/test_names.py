import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import files


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\scan 1.png", "scan 1.png"),
        ("/", "file"),
        ("", "file"),
        ("..", "file"),
        (" ... ", "file"),
        ("a\x00b\r\nc.txt", "abc.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("Rechnung Nr. 7 März.pdf", "Rechnung Nr. 7 März.pdf"),
        ("Ma\u0308rz.pdf", "März.pdf"),
        ("bad\ud800.pdf", "bad.pdf"),
        (".env", ".env"),
    ],
)
def test_a_file_name_is_a_harmless_basename(given_name: str, kept: str) -> None:
    assert files.safe_filename(given_name) == kept


def test_a_long_name_keeps_its_extension_and_whole_characters() -> None:
    name = files.safe_filename("ü" * 300 + ".xlsx")
    assert name.endswith("ü.xlsx")
    assert 190 < len(name.encode()) <= 200


@settings(deadline=None)
@given(st.text())
def test_a_safe_name_is_safe_and_stays_as_it_is(name: str) -> None:
    safe = files.safe_filename(name)
    assert files.safe_filename(safe) == safe
    assert 0 < len(safe.encode()) <= 200
    assert not re.search(r"[/\\\x00-\x1f\x7f]", safe)
    assert safe.strip(".")


@pytest.mark.parametrize("path", ["a.pdf", "input/doc/März.pdf", "steps/parse/words.json", "a..b/.hidden"])
def test_an_artifact_path_of_plain_names_is_taken(path: str) -> None:
    assert files.safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc/passwd", "a/../b", "..", "../a", "a/./b", "a//b", "a/", "a\\b", "a\x00b", "a\nb", "a/ .. /b",
        "a\ud800", "x" * 2000, "a\u202eb",
    ],
)  # fmt: skip
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(files.InvalidArtifactPathError):
        files.safe_path(path)


@pytest.mark.parametrize(
    ("filename", "declared", "known"),
    [
        ("a.bin", "application/pdf", "application/pdf"),
        ("a.bin", "Text/CSV; charset=utf-8", "text/csv"),
        ("a.pdf", None, "application/pdf"),
        ("a.pdf", "", "application/pdf"),
        ("a.pdf", "not a type", "application/pdf"),
        ("a.pdf", "text/html\r\nX: y", "application/pdf"),
        ("a.eml", "application/octet-stream", "message/rfc822"),
        ("a.DOCX", None, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.csv.gz", None, "application/gzip"),
        ("a", None, "application/octet-stream"),
    ],
)
def test_a_declared_type_is_believed_if_it_says_something(filename: str, declared: str | None, known: str) -> None:
    assert files.content_type_of(filename, declared) == known


@pytest.mark.parametrize(
    "active",
    ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "text/javascript", "message/rfc822", "x"],
)
def test_what_a_browser_might_execute_is_served_as_mere_bytes(active: str) -> None:
    headers = files.download_headers("page.html", active)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_download_is_an_attachment_under_its_own_name() -> None:
    headers = files.download_headers('Rechnung "März".pdf', "application/pdf")
    assert headers["Content-Type"] == "application/pdf"
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"Rechnung _M_rz_.pdf\"; filename*=UTF-8''Rechnung%20%22M%C3%A4rz%22.pdf"
    )


@settings(deadline=None)
@given(st.text())
def test_no_name_breaks_out_of_the_header(name: str) -> None:
    disposition = files.download_headers(name, "text/plain")["Content-Disposition"]
    assert re.fullmatch(r"attachment; filename=\"[^\"\\]*\"; filename\*=UTF-8''[A-Za-z0-9._~%-]+", disposition)
    assert disposition.isascii()
    assert disposition.isprintable()
