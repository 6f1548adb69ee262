"""A dataset from outside: through the published client in both its layers, plain HTTP, and the command line."""

import http.client
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import eigenpal
import httpx
import pytest
from eigenpal import EigenpalClient
from eigenpal._generated.api.evaluation import (
    automations_dataset_export,
    automations_dataset_import,
    automations_examples_create,
    automations_examples_delete,
    automations_examples_expected_file_delete,
    automations_examples_expected_file_get,
    automations_examples_expected_file_update,
    automations_examples_expected_files_create,
    automations_examples_expected_files_list,
    automations_examples_get,
    automations_examples_input_file_delete,
    automations_examples_input_file_get,
    automations_examples_input_file_update,
    automations_examples_input_files_create,
    automations_examples_input_files_list,
    automations_examples_list,
    automations_examples_run,
    automations_examples_update,
)
from eigenpal._generated.models import (
    AutomationDatasetImportMultipartRequest,
    AutomationDatasetImportMultipartRequestMode,
    DatasetExample,
    DatasetExampleExpectedFileList,
    DatasetExampleExpectedFileRenameRequest,
    DatasetExampleExpectedFileRenameResponse,
    DatasetExampleExpectedFileUploadRequest,
    DatasetExampleExpectedFileUploadResponse,
    DatasetExampleInputFileList,
    DatasetExampleInputFileRenameRequest,
    DatasetExampleInputFileRenameResponse,
    DatasetExampleInputFileUploadRequest,
    DatasetExampleInputFileUploadResponse,
    DatasetExampleList,
    DatasetExampleMutation,
    DatasetExampleUpdate,
    DatasetImportResponseType0,
    DatasetImportResponseType1,
    ExampleRunResponse,
)
from eigenpal._generated.types import File as Upload
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, gate_step, push, set_step
from tests.contract.test_strict_bodies import Strict, parsed_from, strict_client
from tests.datasets.conftest import packed, unpacked
from tests.runs.step_types import Gate

from assay.cli.commands import run as run_command
from assay.cli.preferences import preferences
from assay_client import Client
from assay_client import Upload as ClientUpload

INPUTS = [
    {"name": "text", "type": "string", "required": False},
    {"name": "document", "type": "file", "required": False},
]
ARCHIVE: Mapping[str, Any] = {
    "examples/first/input.json": {"text": "one", "document": {"$file": "input/sub/Größe 1.txt"}},
    "examples/first/input/sub/Größe 1.txt": b"first\x00\xff",
    "examples/first/expected.json": {"given": "one", "golden": {"$file": "expected/golden.txt"}},
    "examples/first/expected/golden.txt": b"gold",
    "examples/first/meta.json": {"rowOrder": 1, "annotation": "why"},
    "examples/refused/input.json": {"text": "two"},
    "examples/refused/expected.json": {"$error": {"code": 422, "messageContains": "No"}},
    "examples/ungraded/input.json": {},
}
FILES = {
    "input": (
        automations_examples_input_files_list,
        automations_examples_input_files_create,
        automations_examples_input_file_get,
        automations_examples_input_file_update,
        automations_examples_input_file_delete,
        DatasetExampleInputFileList,
        DatasetExampleInputFileUploadRequest,
        DatasetExampleInputFileUploadResponse,
        DatasetExampleInputFileRenameRequest,
        DatasetExampleInputFileRenameResponse,
    ),
    "expected": (
        automations_examples_expected_files_list,
        automations_examples_expected_files_create,
        automations_examples_expected_file_get,
        automations_examples_expected_file_update,
        automations_examples_expected_file_delete,
        DatasetExampleExpectedFileList,
        DatasetExampleExpectedFileUploadRequest,
        DatasetExampleExpectedFileUploadResponse,
        DatasetExampleExpectedFileRenameRequest,
        DatasetExampleExpectedFileRenameResponse,
    ),
}


@pytest.fixture
def workflow(http: httpx.Client, request: pytest.FixtureRequest) -> str:
    """A workflow of the test's own, without examples."""
    name = f"w{abs(hash(request.node.nodeid))}"
    push(http, name, [set_step(given="{{ input.text }}")], inputs=INPUTS, output={"given": "{{ input.text }}"})
    return f"workflows.{name}"


@pytest.fixture
def strict(served: Served) -> Strict:
    return strict_client(served, served.key())


def load(http: httpx.Client, workflow: str, archive: bytes, mode: str = "append", to: str = "import") -> httpx.Response:
    files = {"file": ("dataset.zip", archive, "application/zip")}
    return http.post(f"/automations/{workflow}/dataset/{to}", files=files, data={"mode": mode})


def export(http: httpx.Client, workflow: str, **query: Any) -> dict[str, Any]:
    answer = http.get(f"/automations/{workflow}/dataset/export", params=query)
    assert answer.status_code == 200, answer.text
    return unpacked(answer.content)


def codes(answer: httpx.Response) -> set[tuple[str, str]]:
    return {(issue["field"], issue["code"]) for issue in answer.json()["issues"]}


# --- the published client


def test_the_published_client_keeps_a_dataset(client: EigenpalClient, workflow: str):
    made = client.automations.examples.create(
        workflow,
        {"name": "a", "input": {"text": "ü"}, "expected": {"given": "ü"}, "metadata": {"k": [1]}, "rowOrder": 2},
    )
    assert (made.name, made.input, made.metadata, made.rowOrder) == ("a", {"text": "ü"}, {"k": [1]}, 2)
    nameless = client.automations.examples.create(workflow, {"expected": {"$error": {"step": "set"}}})
    assert (nameless.name, nameless.expected) == ("example-1", {"$error": {"step": "set"}})
    changed = client.automations.examples.update(workflow, made.id, {"annotation": "why", "expected": None})
    assert (changed.annotation, changed.expected, changed.input) == ("why", None, {"text": "ü"})
    listed = client.automations.examples.list(workflow, limit=1, offset=1)
    assert ([one.name for one in listed.data], listed.total, listed.limit, listed.offset) == (["example-1"], 2, 1, 1)
    assert client.automations.examples.get(workflow, made.id) == changed
    assert client.automations.examples.delete(workflow, made.id).name == "a"
    with pytest.raises(eigenpal.EigenpalNotFoundError):
        client.automations.examples.get(workflow, made.id)
    with pytest.raises(eigenpal.EigenpalValidationError) as caught:
        client.automations.examples.create(workflow, {"name": "No Name", "input": 1, "rowOrder": -1})
    assert {issue["field"] for issue in caught.value.issues} == {"name", "input", "rowOrder"}


def test_the_published_client_moves_archives(client: EigenpalClient, workflow: str, tmp_path: Path):
    path = tmp_path / "dataset.zip"
    path.write_bytes(packed(ARCHIVE))
    first = client.automations.dataset.import_(workflow, path)
    assert first == {"mode": "append", "created": 3, "expectedSet": 2, "skipped": 0, "issues": []}
    again = client.automations.dataset.import_(workflow, path, mode="append")
    assert (again.created, again.skipped, {issue["code"] for issue in again.issues}) == (0, 3, {"name_exists"})
    whole = client.automations.dataset.export(workflow)
    assert unpacked(whole) == ARCHIVE
    ids = {one.name: one.id for one in client.automations.examples.list(workflow).data}
    some = client.automations.dataset.export(workflow, example_ids=[ids["refused"], ids["ungraded"]])
    assert {name.split("/")[1] for name in unpacked(some)} == {"refused", "ungraded"}
    path.write_bytes(some)
    replaced = client.automations.dataset.import_(workflow, path, mode="replace")
    assert replaced == {"mode": "replace", "created": 2, "expectedSet": 1, "deleted": 3, "filesDeleted": 2}
    with pytest.raises(eigenpal.EigenpalNotFoundError):
        client.automations.dataset.export(workflow, example_ids=[ids["first"]])


def test_every_answer_passes_the_strict_layer(strict: Strict, http: httpx.Client, workflow: str):
    form = AutomationDatasetImportMultipartRequest(Upload(io.BytesIO(packed(ARCHIVE)), "a.zip", "application/zip"))
    status, found = strict(automations_dataset_import, workflow, body=form)
    assert (status, type(found), found.created) == (200, DatasetImportResponseType0, 3)
    form = AutomationDatasetImportMultipartRequest(
        Upload(io.BytesIO(packed(ARCHIVE)), "a.zip", "application/zip"),
        mode=AutomationDatasetImportMultipartRequestMode.REPLACE,
    )
    status, found = strict(automations_dataset_import, workflow, body=form)
    assert (status, type(found), found.deleted) == (200, DatasetImportResponseType1, 3)
    status, exported = strict(automations_dataset_export, workflow)
    assert (status, unpacked(exported)) == (200, ARCHIVE)
    status, listed = strict(automations_examples_list, workflow, limit=2, offset=0)
    assert (status, type(listed), len(listed.data)) == (200, DatasetExampleList, 2)
    parsed_from(http.get(f"/automations/{workflow}/examples").json(), DatasetExampleList)
    slim = http.get(f"/automations/{workflow}/examples", params={"include": "metadata"}).json()
    parsed_from(slim, DatasetExampleList)
    status, made = strict(automations_examples_create, workflow, body=DatasetExampleMutation(name="made"))
    assert (status, type(made)) == (201, DatasetExample)
    update = DatasetExampleUpdate(annotation="why")
    for module, more in (
        (automations_examples_get, {}),
        (automations_examples_update, {"body": update}),
        (automations_examples_delete, {}),
    ):
        status, found = strict(module, workflow, made.id, **more)
        assert (status, type(found), found.name) == (200, DatasetExample, "made")
    parsed_from(http.get(f"/automations/{workflow}/examples/first").json(), DatasetExample)
    status, started = strict(automations_examples_run, workflow, "first")
    assert (status, type(started), started.finished) == (201, ExampleRunResponse, False)


@pytest.mark.parametrize("folder", FILES)
def test_the_file_operations_that_the_facade_lacks(strict: Strict, http: httpx.Client, workflow: str, folder: str):
    files_list, create, get, update, delete, listing, upload, uploaded, rename, renamed = FILES[folder]
    assert load(http, workflow, packed(ARCHIVE)).status_code == 200
    kept = "sub/Größe 1.txt" if folder == "input" else "golden.txt"
    form = upload([Upload(io.BytesIO(b"1"), "b c.pdf", "text/plain"), Upload(io.BytesIO(b"2"), "ü.txt", "text/plain")])
    status, found = strict(create, workflow, "first", body=form)
    assert (status, type(found), found.uploaded) == (201, uploaded, ["b c.pdf", "ü.txt"])
    status, found = strict(files_list, workflow, "first")
    assert (status, type(found), found.files) == (200, listing, sorted([kept, "b c.pdf", "ü.txt"]))
    status, content = strict(get, workflow, "first", kept)
    assert (status, content.payload.read()) == (200, ARCHIVE[f"examples/first/{folder}/{kept}"])
    new = "größer & mehr.txt"
    status, found = strict(update, workflow, "first", kept, body=rename(new_filename=new))
    assert (status, type(found), found.ok) == (200, renamed, True)
    assert (found.filename, found.path) == (new, kept.replace(kept.rsplit("/", maxsplit=1)[-1], new))
    example = http.get(f"/automations/{workflow}/examples/first").json()
    assert f"{folder}/{found.path}" in json.dumps(example[folder], ensure_ascii=False)
    assert strict(delete, workflow, "first", "ü.txt")[0] == 200
    for module, more in ((get, {}), (update, {"body": rename(new_filename="x")}), (delete, {})):
        status, refused = strict(module, workflow, "first", "ü.txt", **more)
        assert (status, refused.issues[0].code) == (404, "not_found")
    status, refused = strict(update, workflow, "first", "b c.pdf", body=rename(new_filename="../x"))
    assert (status, refused.issues[0].field) == (400, "newFilename")
    assert http.patch(f"/automations/{workflow}/examples/first/{folder}/b c.pdf", json={}).status_code == 400


# --- what is beyond the client


def test_a_download_is_bytes_that_no_browser_runs(http: httpx.Client, workflow: str):
    load(http, workflow, packed(ARCHIVE))
    sent = http.post(f"/automations/{workflow}/examples/first/input", files={"file": ("a.html", b"<script>")})
    assert sent.status_code == 201
    example = http.get(f"/automations/{workflow}/examples/first").json()
    known = {file["name"]: file for file in example["inputFiles"]}
    assert {name: file["referenced"] for name, file in known.items()} == {"a.html": False, "sub/Größe 1.txt": True}
    for name, file in known.items():
        answer = http.get(urlsplit(str(http.base_url))._replace(path=file["url"]).geturl())
        assert (answer.headers["content-type"], len(answer.content)) == ("application/octet-stream", file["size"])
        assert answer.headers["content-disposition"].startswith("attachment")
        assert name == "a.html" or answer.content == ARCHIVE[f"examples/first/input/{name}"]
    whole = http.get(f"/automations/{workflow}/dataset/export")
    assert whole.headers["content-type"] == "application/octet-stream"
    assert "dataset.zip" in whole.headers["content-disposition"]


def test_any_revision_can_be_exported(http: httpx.Client, workflow: str):
    load(http, workflow, packed(ARCHIVE))
    http.patch(f"/automations/{workflow}/examples/first", json={"input": {"text": "other"}})
    load(http, workflow, packed({"examples/new/input.json": {}}), "replace")
    page = http.get(f"/automations/{workflow}/dataset/revisions", params={"limit": 2}).json()
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 0)
    assert [(one["number"], one["action"], one["examples"], one["withExpected"]) for one in page["data"]] == [
        (3, "dataset.replaced", 1, 0),
        (2, "example.updated", 3, 2),
    ]
    assert all(one["contentHash"] and one["createdBy"] and one["createdAt"] for one in page["data"])
    assert export(http, workflow, revision=1) == ARCHIVE
    assert export(http, workflow, revision=2)["examples/first/input.json"] == {"text": "other"}
    assert list(export(http, workflow)) == ["examples/new/input.json"]
    path = f"/automations/{workflow}/dataset/export"
    envelope(http.get(path, params={"revision": 4}), 404)
    envelope(http.get(path, params={"revision": 0}), 400)
    missing = envelope(http.get(path, params={"exampleIds": "new,one,two"}), 404)
    assert len(missing["issues"]) == 2


def test_a_list_without_payloads_has_everything_else(http: httpx.Client, workflow: str):
    load(http, workflow, packed(ARCHIVE))
    full = http.get(f"/automations/{workflow}/examples").json()
    slim = http.get(f"/automations/{workflow}/examples", params={"include": "metadata"}).json()
    assert [one["input"] for one in slim["data"]] == [None] * 3
    assert [one["name"] for one in slim["data"]] == ["first", "refused", "ungraded"]
    ignored = {"input", "expected", "inputFiles", "expectedFiles"}
    assert [{key: value for key, value in one.items() if key not in ignored} for one in slim["data"]] == [
        {key: value for key, value in one.items() if key not in ignored} for one in full["data"]
    ]
    envelope(http.get(f"/automations/{workflow}/examples", params={"include": "nothing"}), 400)


def test_validating_says_what_an_import_would_do_and_does_nothing(http: httpx.Client, workflow: str):
    load(http, workflow, packed({"examples/first/input.json": {}}))
    found = load(http, workflow, packed(ARCHIVE), to="validate").json()
    assert {key: value for key, value in found.items() if key != "issues"} == {
        "valid": True,
        "mode": "append",
        "examples": 3,
        "expectedSet": 2,
        "files": 2,
        "skipped": 1,
    }
    assert [issue["severity"] for issue in found["issues"]] == ["warning"]
    broken = {**ARCHIVE, "examples/first/input.json": {}, "examples/Bad/input.json": {}}
    found = load(http, workflow, packed(broken), "replace", to="validate")
    assert (found.status_code, found.json()["valid"], found.json()["examples"]) == (200, False, 2)
    assert codes(found) == {
        ("examples/first/input/sub/Größe 1.txt", "file_not_referenced"),
        ("examples/Bad", "invalid_name"),
    }
    assert http.get(f"/automations/{workflow}/examples").json()["total"] == 1


def test_a_dataset_changes_while_experiments_hold_on_to_theirs(
    served: Served, http: httpx.Client, gate: tuple[str, Gate]
):
    name, waiting = gate
    push(http, "held", [gate_step(name)])
    workflow = "workflows.held"
    load(http, workflow, packed({"examples/old/input.json": {}}))
    started = http.post(f"/automations/{workflow}/experiments").json()
    served.wait_until_reached(waiting)
    assert load(http, workflow, packed({"examples/more/input.json": {}})).json()["created"] == 1
    assert load(http, workflow, packed({"examples/new/input.json": {}}), "replace").json()["deleted"] == 2
    served.open_gate(waiting)
    path = f"/automations/{workflow}/experiments/{started['id']}"
    last = json.loads(http.get(f"{path}/stream").text.splitlines()[-1])["experiment"]
    assert (last["status"], last["completedCount"], last["datasetRevision"]) == ("completed", 1, 1)
    assert [run["exampleName"] for run in http.get(path).json()["runs"]] == ["old"]
    assert list(export(http, workflow)) == ["examples/new/input.json"]


# --- bad input


def test_everything_wrong_with_an_archive_is_said_at_once_and_nothing_stays(http: httpx.Client, workflow: str):
    buffer = io.BytesIO(
        packed(
            {
                **ARCHIVE,
                "examples/both/input.json": {},
                "examples/both/expected.json": {"$error": {"code": 400}, "total": 1},
                "examples/never/input.json": {},
                "examples/never/input/a.txt": b"",
                "examples/gone/input.json": {"document": {"$file": "input/gone.txt"}},
                "examples/out/input.json": {"document": {"$file": "../first/input.json"}},
                "examples/with space/input.json": {},
                "examples/größe/input.json": {},
                "../examples/up/input.json": {},
                "examples/list/input.json": [],
                "readme.txt": b"",
            }
        )
    )
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("examples/first/input.json", "{}")
    answer = load(http, workflow, buffer.getvalue())
    envelope(answer, 400)
    assert codes(answer) == {
        ("examples/first/input.json", "duplicate_entry"),
        ("examples/both/expected.json:expected", "invalid_expected_output"),
        ("examples/never/input/a.txt", "file_not_referenced"),
        ("examples/gone/input.json:input.document", "file_missing"),
        ("examples/out/input.json:input.document", "file_missing"),
        ("examples/with space", "invalid_name"),
        ("examples/größe", "invalid_name"),
        ("../examples/up/input.json", "unsafe_path"),
        ("examples/list/input.json", "invalid_input"),
        ("readme.txt", "unexpected_entry"),
    }
    assert http.get(f"/automations/{workflow}/examples").json()["total"] == 0


def test_a_file_may_be_referred_to_twice(http: httpx.Client, workflow: str):
    twice = {
        "examples/twice/input.json": {"document": {"$file": "input/a.txt"}, "text": {"$file": "input/a.txt"}},
        "examples/twice/input/a.txt": b"once",
    }
    assert load(http, workflow, packed(twice)).json()["created"] == 1
    assert export(http, workflow) == twice


def test_a_bomb_is_refused_before_it_is_unpacked(http: httpx.Client, workflow: str):
    bomb = packed({"examples/a/input.json": {}, "examples/a/input/zeros": bytes(80 * 1024**2)})
    assert len(bomb) < 200_000
    for to in ("import", "validate"):
        body = envelope(load(http, workflow, bomb, to=to), 413, "dataset-too-large")
        assert body["limitMb"] == 500
    assert http.get(f"/automations/{workflow}/dataset/revisions").json()["total"] == 0


def test_an_archive_that_says_it_is_too_large_is_not_waited_for(served: Served, workflow: str):
    connection = http.client.HTTPConnection(urlsplit(served.base_url).netloc, timeout=20)
    connection.putrequest("POST", f"/api/v1/automations/{workflow}/dataset/import")
    connection.putheader("Authorization", f"Bearer {served.key()}")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(600 * 1024**2))
    connection.endheaders(b"--b\r\n")
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert (answer.status, body["issues"][0]["code"]) == (413, "dataset-too-large")
    assert (body["limitMb"], body["actualMb"], "append" in body["hint"]) == (500, 600.0, True)
    connection.close()


@pytest.mark.parametrize(
    ("files", "data", "field"),
    [
        ({}, {"mode": "append"}, "file"),
        ({"other": ("a.zip", b"")}, {}, "file"),
        ({"file": ("a.zip", b"PK nonsense")}, {}, "file"),
        ({"file": ("a.zip", packed(ARCHIVE))}, {"mode": "merge"}, "mode"),
    ],
)
def test_an_upload_that_is_none_is_refused(
    http: httpx.Client, workflow: str, files: dict[str, Any], data: dict[str, str], field: str
):
    sent = {**files, **{name: (None, value) for name, value in data.items()}}
    answer = http.post(f"/automations/{workflow}/dataset/import", files=sent)
    assert envelope(answer, 400)["issues"][0]["field"] == field


def test_a_hundred_files_come_in_one_form(http: httpx.Client, workflow: str):
    http.post(f"/automations/{workflow}/examples", json={"name": "many"})
    path = f"/automations/{workflow}/examples/many/input"
    sent = http.post(path, files=[("file", (f"ü {number:03}.txt", b"%d" % number)) for number in range(100)])
    assert (sent.status_code, len(sent.json()["uploaded"])) == (201, 100)
    assert http.get(path).json()["files"] == sent.json()["uploaded"]
    assert http.get(f"{path}/ü 099.txt").content == b"99"
    total = http.get(f"/automations/{workflow}/dataset/revisions").json()["total"]
    twice = http.post(path, files=[("file", ("a/b.txt", b"")), ("file", ("b.txt", b""))])
    assert envelope(twice, 400)["issues"][0]["code"] == "duplicate_file"
    assert http.get(f"/automations/{workflow}/dataset/revisions").json()["total"] == total
    slashed = http.post(path, files=[("file", ("../../a/b.txt", b""))])
    assert slashed.json()["uploaded"] == ["b.txt"]


def test_names_are_taken_once_and_errors_exclude_files(http: httpx.Client, workflow: str):
    examples = f"/automations/{workflow}/examples"
    for number in range(2):
        answer = http.post(examples, json={"name": "same"})
        assert answer.status_code == (409 if number else 201)
    for name in ("a/b", "Ü", "", "-a", "a" * 129):
        envelope(http.post(examples, json={"name": name}), 400)
    for body in ([], "text", 1):
        envelope(http.post(examples, json=body), 400)
    http.post(f"{examples}/same/expected", files={"file": ("a.txt", b"")})
    refused = http.patch(f"{examples}/same", json={"expected": {"$error": {"code": 400}}})
    assert envelope(refused, 400)["issues"][0]["field"] == "expected.$error"
    envelope(http.patch(f"{examples}/same", json={"inptu": {}}), 400)
    unchanged = http.get(f"{examples}/same").json()
    assert http.patch(f"{examples}/same", json=unchanged).json() == unchanged


def test_our_client_says_how_much_it_has_sent_and_reaches_each_file(served: Served, workflow: str, tmp_path: Path):
    path = tmp_path / "dataset.zip"
    path.write_bytes(packed({**ARCHIVE, "examples/first/input/sub/Größe 1.txt": os.urandom(300_000)}))
    sent: list[int] = []
    with Client(served.base_url, served.key()) as client:
        assert client.datasets.validate(workflow, path)["valid"]
        client.datasets.import_archive(workflow, path, sent=sent.append)
        assert (sum(sent), len(sent) > 2) == (path.stat().st_size, True)
        assert [one["name"] for one in client.examples.iterate(workflow, page=2)] == ["first", "refused", "ungraded"]
        assert client.examples.add_files(workflow, "first", "input", [ClientUpload("a.txt", b"a")]) == ["a.txt"]
        renamed = client.examples.rename_file(workflow, "first", "input", "sub/Größe 1.txt", "b.txt")
        assert renamed["path"] == "sub/b.txt"
        client.examples.delete_file(workflow, "first", "input", "a.txt")
        assert client.examples.files(workflow, "first", "input") == ["sub/b.txt"]
        content = io.BytesIO()
        assert client.examples.download_file(workflow, "first", "input", "sub/b.txt", content) == 300_000
        assert client.datasets.revisions(workflow)["total"] == 4


# --- the command line


Assay = Callable[..., tuple[int, str, str]]


@pytest.fixture
def assay(served: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Assay:
    monkeypatch.setenv("ASSAY_BASE_URL", served.base_url)
    monkeypatch.setenv("ASSAY_API_KEY", served.key())
    monkeypatch.chdir(tmp_path)

    def call(*words: str, code: int = 0) -> tuple[int, str, str]:
        preferences.quiet = preferences.no_color = False
        exited = run_command(words)
        out, err = capfd.readouterr()
        assert exited == code, (words, out, err)
        return exited, out, err

    return call


def _tree(folder: Path) -> dict[str, Any]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: json.loads(path.read_text()) if name.endswith(".json") else path.read_bytes()
        for name, path in files.items()
    }


def _written(folder: Path, entries: Mapping[str, Any]) -> None:
    for name, content in entries.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def test_a_folder_goes_to_the_server_and_comes_back(assay: Assay, workflow: str, tmp_path: Path):
    name = workflow.removeprefix("workflows.")
    dataset = ("workflow", "dataset")
    _written(tmp_path / "dataset", ARCHIVE)
    (tmp_path / "dataset" / "README.md").write_text("not an example")
    assert "all valid" in assay(*dataset, "validate")[2]
    _, out, err = assay(*dataset, "push", name)
    assert out == "mode\tappend\ncreated\t3\nexpectedSet\t2\nskipped\t0\n"
    assert "1 example without anything expected" in err
    rows = [line.split("\t")[:3] for line in assay(*dataset, "list", name)[1].splitlines()]
    assert rows == [["first", "output", "2"], ["refused", "error", "0"], ["ungraded", "nothing", "0"]]
    assert assay(*dataset, "pull", name, "--out", "again")[1] == "again\n"
    assert _tree(tmp_path / "again") == ARCHIVE
    assert "No difference" in assay(*dataset, "diff", name, "--file", "again", "--fail-on-diff")[2]
    (tmp_path / "again" / "examples" / "first" / "expected" / "golden.txt").write_text("other")
    _written(tmp_path / "again", {"examples/first/meta.json": {"rowOrder": 1}, "examples/zzz/input.json": {}})
    (tmp_path / "again" / "examples" / "refused" / "input.json").unlink()
    (tmp_path / "again" / "examples" / "refused" / "expected.json").unlink()
    _, out, _ = assay(*dataset, "diff", name, "--file", "again", "--fail-on-diff", code=1)
    assert out == "~\tfirst\tannotation, expected/golden.txt\n-\trefused\t\n+\tzzz\t\n"
    found = json.loads(assay(*dataset, "diff", name, "--file", "again", "--json")[1])
    assert found == {
        "added": ["zzz"],
        "removed": ["refused"],
        "changed": [{"name": "first", "parts": ["annotation", "expected/golden.txt"]}],
        "same": 1,
    }
    assert "Nobody can be asked" in assay(*dataset, "push", name, "-f", "again", "--mode", "replace", code=2)[2]
    done = json.loads(assay(*dataset, "push", name, "-f", "again", "--mode", "replace", "--yes", "--json")[1])
    assert (done["created"], done["deleted"]) == (3, 3)
    assay(*dataset, "pull", name, "--out", "again", code=2)
    assay(*dataset, "pull", name, "--out", "again", "--revision", "1", "--yes")
    assert _tree(tmp_path / "again") == ARCHIVE
    assay(*dataset, "pull", name, "--out", "again", "--example-id", "zzz")
    assert _tree(tmp_path / "again") == {**ARCHIVE, "examples/zzz/input.json": {}}
    assay(*dataset, "pull", name, "--out", "all.zip")
    assert "examples/zzz/input.json" in unpacked((tmp_path / "all.zip").read_bytes())
    assay(*dataset, "pull", name, "--example-id", "nobody", code=1)


def test_a_broken_folder_is_told_by_its_files(assay: Assay, workflow: str, tmp_path: Path):
    name = workflow.removeprefix("workflows.")
    _written(tmp_path / "dataset", {**ARCHIVE, "examples/refused/input/left.txt": b""})
    (tmp_path / "dataset" / "examples" / "ungraded" / "link").symlink_to("/etc/passwd")
    for words in (["validate"], ["validate", "dataset/examples"], ["push", name]):
        _, out, _ = assay("workflow", "dataset", *words, code=1)
        told = [line.split(" ")[:2] for line in out.splitlines()]
        assert [place.removeprefix(f"{tmp_path}/") for place, _ in told] == [
            "dataset/examples/ungraded/link:",
            "dataset/examples/refused/input/left.txt:",
        ]
        assert [code for _, code in told] == ["symlink", "file_not_referenced"]
    found = json.loads(assay("workflow", "dataset", "validate", "--json", code=1)[1])
    assert (found["valid"], len(found["issues"])) == (False, 2)
    (tmp_path / "empty").mkdir()
    assert "no dataset" in assay("workflow", "dataset", "validate", "empty", code=2)[2]


def test_single_examples_are_kept_and_run_by_command(assay: Assay, workflow: str, tmp_path: Path):
    name = workflow.removeprefix("workflows.")
    example = ("workflow", "dataset", "example")
    (tmp_path / "a b.pdf").write_bytes(b"%PDF")
    (tmp_path / "input.json").write_text('{"text": "one"}')
    _, out, _ = assay(
        *(*example, "create", name, "--name", "one", "--input-file", "input.json", "-F", "document=a b.pdf"),
        *("--expected-json", '{"given": "one"}', "--annotation", "why", "--row-order", "3"),
    )
    example_id, made = out.split()
    assert made == "one"
    found = json.loads(assay(*example, "get", name, "one", "--json")[1])
    assert found["input"] == {"text": "one", "document": {"$file": "input/a b.pdf"}}
    assert [(file["name"], file["referenced"]) for file in found["inputFiles"]] == [("a b.pdf", True)]
    assert f"id\t{example_id}" in assay(*example, "get", name, "one")[1]
    assay(*example, "update", name, example_id, "--expected-json", "null", "--name", "uno")
    changed = json.loads(assay(*example, "get", name, "uno", "--json")[1])
    assert (changed["expected"], changed["annotation"], changed["rowOrder"]) == (None, "why", 3)
    assay(*example, "update", name, "uno", code=2)
    assay(*example, "create", name, "--input-json", "{", code=2)
    assay(*example, "create", name, "--name", "No Name", code=1)
    _, out, err = assay("examples", "run", name, "uno", "--wait", "--interval", "0.1")
    assert (json.loads(out), "Nothing graded it" in err) == ({"given": "one"}, True)
    assert assay("examples", "run", name, "uno")[1].startswith("exec_")
    assay(*example, "delete", name, "uno", code=2)
    assert assay(*example, "delete", name, "uno", "--yes")[1].split() == [example_id, "uno"]
    assay(*example, "get", name, "uno", code=1)


def test_a_graded_example_decides_the_exit_code(assay: Assay, http: httpx.Client, workflow: str):
    name = workflow.removeprefix("workflows.")
    yaml = "evaluators:\n  - {name: same, type: exact-diff}\n"
    assert http.put(f"/automations/{workflow}/evaluators", json={"yaml": yaml}).status_code == 200
    for text, code, word in (("right", 0, "Passed"), ("wrong", 1, "Not passed")):
        body = {"name": text, "input": {"text": "right"}, "expected": {"given": text}}
        http.post(f"/automations/{workflow}/examples", json=body)
        assert word in assay("examples", "run", name, text, "--wait", "--interval", "0.1", code=code)[2]
