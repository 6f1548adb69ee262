"""The published client 0.9.1, unmodified, through all it can do with automations, runs and files."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import eigenpal
import httpx
import pytest
from eigenpal import EigenpalClient
from tests.acceptance.serving import Served, gate_step, push, set_step
from tests.runs.step_types import Gate

INPUTS = [
    {"name": "name", "type": "string", "required": False},
    {"name": "amount", "type": "number", "required": False},
    {"name": "document", "type": "file", "required": False},
    {"name": "pages", "type": "array", "items": {"type": "file"}, "required": False},
]


@pytest.fixture(scope="module")
def echo(http: httpx.Client) -> str:
    """A workflow in two versions that gives its input back, and keeps a file."""
    steps = [set_step(given="{{ input }}"), {"name": "note", "type": "test.file", "with": {"content": "kept"}}]
    output = {"given": "{{ steps.set.output.given }}", "version": "one"}
    push(http, "echo", steps, inputs=INPUTS, output=output, description="Says what it heard")
    push(
        http,
        "echo",
        steps,
        inputs=INPUTS,
        output=output | {"version": "two"},
        version="2.0.0",
        description="Heard twice",
    )
    return "workflows.echo"


@pytest.fixture(scope="module")
def finished(client: EigenpalClient, echo: str) -> Any:
    document = {"filename": "a b.txt", "content": b"some text", "mime_type": "text/plain"}
    return client.run(echo, {"name": "Ada", "document": document}, wait_for_completion=20)


def test_auth_check_says_who_the_key_is(client: EigenpalClient):
    who = client.auth.check()
    assert who.ok is True
    assert (who.tenantSlug, who.email, who.scope, who.wildcardGranted) == (
        "default",
        "owner@localhost",
        ["full_access"],
        True,
    )


def test_automations_can_be_looked_up(client: EigenpalClient, echo: str):
    listed = client.automations.list()
    assert [one.slug for one in listed.data] == ["echo"]
    assert client.automations.list(search="twice", type="workflow", limit=1, offset=0).total == 1
    assert client.automations.list(type="agent").data == []
    by_slug = client.automations.get(echo)
    assert by_slug == client.automations.get(listed.data[0].id)
    assert by_slug.inputSchema.properties["name"] == {"type": "string"}
    assert client.automations.triggers(echo).triggers == {"api": True, "email": False, "manual": True, "cron": False}
    assert [(one.version, one.isCurrent) for one in client.automations.versions(echo).data] == [
        ("2.0.0", True),
        ("1.0.0", False),
    ]
    with pytest.raises(eigenpal.EigenpalValidationError):
        client.automations.sync(echo)


@pytest.mark.parametrize(
    ("target", "version"),
    [
        ("workflows.echo", "two"),
        ("workflows.echo@1.0.0", "one"),
        ("workflows.echo@latest", "two"),
        ({"type": "workflow", "slug": "echo"}, "two"),
        ({"type": "workflow", "slug": "echo", "version": "1.0.0"}, "one"),
        ({"type": "workflow", "slug": "echo", "version": "latest"}, "two"),
        ({"type": "workflow", "slug": "workflows.echo"}, "two"),
    ],
)
def test_a_target_is_written_in_many_ways(client: EigenpalClient, echo: str, target: Any, version: str):
    assert client.run(target, wait_for_completion=20).output.version == version


def test_a_target_may_be_an_id(client: EigenpalClient, echo: str):
    automation = client.automations.get(echo)
    first = client.automations.versions(echo).data[1]
    for target in (automation.id, f"{automation.id}@{first.id}", {"type": "workflow", "id": automation.id}):
        assert client.run(target, wait_for_completion=20).source.id == automation.id


def test_an_agent_does_not_exist_yet(client: EigenpalClient):
    with pytest.raises(eigenpal.EigenpalNotFoundError) as caught:
        client.run({"type": "agent", "slug": "team/somebody"})
    assert caught.value.request_id


def test_json_input_metadata_and_overrides_arrive(client: EigenpalClient, echo: str):
    run = client.run(
        echo,
        {"name": "Zoë", "amount": 1.5, "more": [None, {"deep": "ü"}]},
        metadata={"order": 7},
        overrides={"steps": {"note": {"read": "instead"}}},
        wait_for_completion=20,
    )
    given = {"name": "Zoë", "amount": 1.5, "more": [None, {"deep": "ü"}]}
    assert run.output.given == {**given, "document": None, "pages": None}
    whole = client.runs.get(run.id, expand=["input", "usage", "execution", "debug"])
    assert whole.input.metadata == {"order": 7}
    assert whole.input.args == given
    assert [(step.stepName, step.output) for step in whole.execution.steps][1] == (
        "note",
        {"file": {"$file": "output/note/note.txt"}, "read": "instead"},
    )
    assert whole.usage.tokens == {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}
    assert whole.debug == {"observability": None, "traceId": None}


@pytest.mark.parametrize("form", ["path", "dict", "handle"])
def test_a_file_is_sent_in_three_ways(client: EigenpalClient, echo: str, tmp_path: Path, form: str):
    path = tmp_path / 'Größe "1".txt'
    path.write_bytes(b"\x00\xff bytes \r\n--")
    with path.open("rb") as handle:
        given: Any = {"path": path, "dict": {"filename": path.name, "content": bytearray(path.read_bytes())}}.get(
            form, handle
        )
        run = client.run(echo, {"document": given, "name": "x", "amount": 2}, wait_for_completion=20)
    assert run.output.given.amount == 2
    assert run.output.given.document.filename == path.name
    assert run.output.given.document.mimeType == "text/plain"
    assert client.runs.artifacts.download(run.id, run.output.given.document["$file"]) == path.read_bytes()


def test_several_files_go_to_several_inputs(client: EigenpalClient, echo: str):
    one = {"filename": "same.txt", "content": b"1"}
    run = client.run(
        echo,
        {"document": one, "pages": one | {"content": b"2"}},
        metadata={"kind": "test"},
        overrides={"steps": {"note": {}}},
        wait_for_completion=20,
    )
    assert run.execution.status == "completed"
    listed = client.runs.artifacts.list(run.id).artifacts
    found = {one.path: client.runs.artifacts.download(run.id, one.path) for one in listed if one.role == "input"}
    assert found == {"input/document/same.txt": b"1", "input/pages/same.txt": b"2"}


def test_a_reusable_file_is_uploaded_once_and_named(client: EigenpalClient, echo: str):
    stored = client.files.upload({"filename": "kept.pdf", "content": b"%PDF"})
    assert (stored.filename, stored.contentType, stored.size) == ("kept.pdf", "application/pdf", 4)
    assert client.files.get(stored.id) == stored
    assert client.files.download(stored.id) == b"%PDF"
    references = [{"fileId": stored.id}, {"$fileId": stored.id}, {"fileId": stored.id, "filename": "other.pdf"}]
    run = client.run(echo, {"document": references[0], "pages": references}, wait_for_completion=20)

    assert client.files.delete(stored.id).deleted is True
    with pytest.raises(eigenpal.EigenpalNotFoundError):
        client.files.get(stored.id)
    with pytest.raises(eigenpal.EigenpalNotFoundError):
        client.files.download(stored.id)
    assert [page.filename for page in run.output.given.pages] == ["kept.pdf", "kept.pdf", "other.pdf"]
    assert client.runs.artifacts.download(run.id, run.output.given.pages[2]["$file"]) == b"%PDF"


def test_run_and_wait_returns_also_a_failed_run(client: EigenpalClient, http: httpx.Client):
    push(http, "fails", [{"name": "no", "type": "control.fail", "message": "No.", "statusCode": 409}])
    run = client.run_and_wait("workflows.fails", poll_interval_seconds=0.05)
    assert (run.execution.status, run.error, run.output) == ("failed", "No.", None)
    assert (run.execution.failure.statusCode, run.execution.failure.step) == (409, "no")


def test_a_run_is_accepted_then_awaited_then_cancelled(
    client: EigenpalClient, http: httpx.Client, served: Served, gate: tuple[str, Gate]
):
    push(http, "waits", [gate_step(gate[0]), set_step(x=1)])
    accepted = client.run("workflows.waits")
    assert (accepted.finished, accepted.type) == (False, "workflow")
    served.wait_until_reached(gate[1])
    with pytest.raises(eigenpal.EigenpalTimeoutError):
        client.run_and_wait("workflows.waits", timeout_seconds=0, poll_interval_seconds=0.01)
    assert client.runs.usage(accepted.id).usage is None
    answer = client.runs.cancel(accepted.id)
    assert (answer.cancellation.state, answer.cancellation.wasStatus) == ("requested", "running")
    run = client.runs.get(accepted.id)
    while not run.finished:
        run = client.runs.get(accepted.id)
    assert run.execution.status == "cancelled"
    assert run.timing.cancelRequestedAt is not None
    assert client.runs.cancel(accepted.id).cancellation.state == "already_terminal"


def test_a_run_can_be_read_in_every_way(client: EigenpalClient, finished: Any):
    run_id = finished.id
    assert client.runs.get(run_id) == finished
    assert client.runs.get(run_id, expand=[]) == finished
    assert [(step.stepName, step.status) for step in client.runs.steps(run_id).steps] == [
        ("set", "success"),
        ("note", "success"),
    ]
    events = client.runs.events(run_id).events
    assert (events[0].type, events[-1].type) == ("run.created", "run.completed")
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
    assert [event.get("stepName") for event in client.runs.trace.get(run_id).events] == [None, None, "set", "note"]
    assert client.runs.usage(run_id).usage.durationMs == finished.timing.durationMs
    artifacts = {one.path: one for one in client.runs.artifacts.list(run_id).artifacts}
    assert set(artifacts) == {"input/document/a b.txt", "output/note/note.txt"}
    assert client.runs.artifacts.download(run_id, "output/note/note.txt") == b"kept"


def test_outputs_come_as_one_archive(http: httpx.Client, finished: Any):
    answer = http.get(f"/runs/{finished.id}/artifacts", params={"zip": 1})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"output/note/note.txt": b"kept"}


def test_a_run_is_done_again(client: EigenpalClient, echo: str):
    first = client.run(f"{echo}@1.0.0", {"document": {"filename": "x", "content": b"x"}}, wait_for_completion=20)
    versions = {None: "two", "latest": "two", "original": "one", "1.0.0": "one"}
    again = first
    for asked, served_by in versions.items():
        again = client.rerun(first.id, version=asked, wait_for_completion=20)
        assert (again.output.version, again.execution.retry.previousRunId) == (served_by, first.id)
        assert again.output.given == first.output.given
        assert client.runs.artifacts.download(again.id, "input/document/x") == b"x"
    third = client.runs.rerun(again.id, wait_for_completion=20)
    assert third.execution.retry.number == 2
    assert client.runs.get(again.id).execution.retry.nextRun == {"id": third.id, "status": "completed"}
    assert client.rerun(first.id).finished is False


def test_a_list_is_filtered_as_python_lists_and_as_comma_lists(client: EigenpalClient, echo: str, finished: Any):
    for statuses in ("completed,failed", ["completed", "failed"]):
        found = client.runs.list(status=statuses, source=echo, limit=100).runs
        assert finished.id in {run.id for run in found}
        assert {run.execution.status for run in found} == {"completed"}
    one = {"ids": [finished.id, "exec_unknown"]}
    narrow: dict[str, Any] = {
        "type": "workflow",
        "trigger": "api,cli",
        "triggeredBy": finished.trigger.by.id,
        "sourceRef": "2.0.0",
        "from": "1h",
        "to": "2100-01-01",
        "createdAfter": "2020-01-01T00:00:00Z",
        "completedBefore": "2100-01-01T00:00:00+02:00",
        "experiments": True,
    }
    assert [run.id for run in client.runs.list(**one, **narrow).runs] == [finished.id]
    for other in ({"triggeredBy": "__system__"}, {"sourceRef": "9.9.9"}, {"source": "workflows.x"}, {"to": "1h"}):
        assert client.runs.list(**{**one, **narrow, **other}).runs == []
    with pytest.raises(eigenpal.EigenpalValidationError, match="triggered_by"):
        client.runs.list(triggered_by="x")


def test_pages_follow_one_another(client: EigenpalClient, finished: Any):
    whole = [run.id for run in client.runs.list(limit=100).runs]
    found, page = [], client.runs.list(limit=3)
    while True:
        found += [run.id for run in page.runs]
        if page.nextCursor is None:
            break
        page = client.runs.list(limit=3, cursor=page.nextCursor)
    assert found == whole


def test_errors_are_typed_and_carry_the_request(served: Served, client: EigenpalClient, http: httpx.Client, echo: str):
    def key(*scopes: str, value: str | None = None) -> EigenpalClient:
        return EigenpalClient(api_key=value or served.key(*scopes), base_url=served.base_url, max_retries=0)

    push(http, "off", [set_step(x=1)], api_trigger=False)
    cases: list[tuple[type[eigenpal.EigenpalError], str, Any]] = [
        (eigenpal.EigenpalAuthError, "unauthorized", key(value="asy_nobody").auth.check),
        (eigenpal.EigenpalForbiddenError, "insufficient_scope", lambda: key("runs:read").run(echo)),
        (eigenpal.EigenpalForbiddenError, "api_trigger_disabled", lambda: client.run("workflows.off")),
        (eigenpal.EigenpalNotFoundError, "not_found", lambda: client.run("workflows.nothing")),
        (eigenpal.EigenpalNotFoundError, "not_found", lambda: client.run(f"{echo}@9.9.9")),
        (eigenpal.EigenpalNotFoundError, "not_found", lambda: client.runs.get("exec_nothing")),
        (eigenpal.EigenpalNotFoundError, "not_found", lambda: client.runs.artifacts.download("exec_x", "input/x")),
        (eigenpal.EigenpalValidationError, "type_mismatch", lambda: client.run(echo, {"amount": "much"})),
        (eigenpal.EigenpalValidationError, "file_required", lambda: client.run(echo, {"document": {"fileId": "f"}})),
        (eigenpal.EigenpalValidationError, "invalid_target", lambda: client.run("echo")),
        (eigenpal.EigenpalValidationError, "invalid_value", lambda: client.run(echo, wait_for_completion=601)),
    ]
    for kind, code, call in cases:
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.envelope is not None
        assert caught.value.envelope["issues"][0]["code"] == code
        assert caught.value.request_id


def test_all_wrong_inputs_are_told_at_once(client: EigenpalClient, echo: str):
    with pytest.raises(eigenpal.EigenpalValidationError) as caught:
        client.run(echo, {"name": 1, "amount": "x", "document": "text", "pages": [{}]})
    assert {(issue["field"], issue["code"]) for issue in caught.value.issues} == {
        ("name", "type_mismatch"),
        ("amount", "type_mismatch"),
        ("document", "file_required"),
        ("pages[0]", "file_required"),
    }


def test_a_waited_failure_answers_with_the_status_it_chose(client: EigenpalClient, http: httpx.Client):
    push(http, "teapot", [{"name": "no", "type": "control.fail", "message": "Tea.", "statusCode": 418}])
    with pytest.raises(eigenpal.EigenpalError) as caught:
        client.run("workflows.teapot", wait_for_completion=20)
    assert caught.value.status == 418
    envelope = caught.value.envelope
    assert envelope is not None
    assert envelope["run"]["execution"]["status"] == "failed"
    assert client.runs.get(envelope["run"]["id"]) == envelope["run"]
    assert json.dumps(envelope["issues"]).count("Tea.") == 1
