"""Files of a version over HTTP: pushed in base64, listed, fetched, and refused in one answer."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served

from assay.api.automations import MAX_BASE64_BYTES

LETTERS = """\
name: letters
version: 1.0.0
steps:
  - {name: fill, type: transform.template, with: {data: {}, template: templates/letter.docx}}
"""
PATH = "templates/letter.docx"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def pushed(http: httpx.Client) -> Mapping[str, Any]:
    """A version with a file of three times the size that a body without files may have."""
    body = {"yaml": LETTERS, "files": {PATH: encoded(b"Dear Ada" * 400_000)}}
    answer = http.post("/automations", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_file_comes_back_as_it_was_sent(http: httpx.Client, pushed: Mapping[str, Any]):
    for version in (pushed["version"]["id"], "1.0.0", "latest"):
        place = f"/automations/workflows.letters/versions/{version}"
        found = http.get(place).json()
        assert [(file["path"], file["size"], file["contentType"]) for file in found["files"]] == [
            (PATH, 3_200_000, DOCX)
        ]
        answer = http.get(f"{place}/files/{PATH}")
        assert answer.content == b"Dear Ada" * 400_000
        assert answer.headers["content-disposition"].startswith('attachment; filename="letter.docx"')
        envelope(http.get(f"{place}/files/templates/other.docx"), 404, "not_found")
        envelope(http.get(f"{place}/files/templates%2F..%2Fletter.docx"), 404, "not_found")


def test_a_file_belongs_to_its_organization(served: Served, pushed: Mapping[str, Any]):
    with served.http(organization="others") as stranger:
        place = f"/automations/{pushed['automation']['id']}/versions/{pushed['version']['id']}/files/{PATH}"
        envelope(stranger.get(place), 404, "not_found")


def test_the_same_text_with_another_file_is_another_content(http: httpx.Client, pushed: Mapping[str, Any]):
    again = {"yaml": LETTERS, "files": {PATH: encoded(b"Dear Bob")}}
    place = f"/automations/{pushed['automation']['id']}/versions"
    refused = envelope(http.post(place, json=again), 409, "version_exists")
    assert "other content" in refused["issues"][0]["message"]
    later = http.post(place, json={**again, "yaml": LETTERS.replace("1.0.0", "1.1.0"), "activate": False})
    assert later.json()["version"]["contentHash"] != pushed["version"]["contentHash"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, [("steps.0.with.template", "file_missing")]),
        ({"letter.docx": ""}, [("steps.0.with.template", "file_missing")]),
        ({PATH: "?"}, [(f"files.{PATH}", "invalid_file")]),
        ({PATH: "", "/a": "", "b/../c": ""}, [("files./a", "invalid_file"), ("files.b/../c", "invalid_file")]),
    ],
)
def test_what_is_wrong_with_files_is_said(http: httpx.Client, files: Any, expected: list[tuple[str, str]]):
    body = {"yaml": LETTERS.replace("letters", "refused"), "files": files}
    refused = envelope(http.post("/automations", json=body), 400)
    assert [(issue["field"], issue["code"]) for issue in refused["issues"]] == expected
    envelope(http.get("/automations/workflows.refused"), 404)


@pytest.mark.parametrize("files", [[], "x", {PATH: 5}, {PATH: None}, {PATH: {"base64": ""}}])
def test_files_of_another_form_are_refused(http: httpx.Client, files: Any):
    envelope(http.post("/automations", json={"yaml": LETTERS, "files": files}), 400, "invalid_value")


def test_only_base64_may_make_a_body_large(http: httpx.Client):
    costly = json.dumps({"yaml": LETTERS, "files": {PATH: "", "x": [[]] * 600_000}})
    assert len(costly) < MAX_BASE64_BYTES
    headers = {"content-type": "application/json"}
    envelope(http.post("/automations", content=costly, headers=headers), 413, "body_too_large")
    huge = json.dumps({"yaml": LETTERS, "files": {PATH: "A" * (MAX_BASE64_BYTES + 1_000_000)}})
    envelope(http.post("/automations", content=huge, headers=headers), 413, "body_too_large")
