"""Every body through the strict layer of the published client, which crashes on what the contract does not allow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import httpx
import pytest
from eigenpal._generated.api.automations import (
    automations_get,
    automations_list,
    automations_sync,
    automations_triggers_get,
    automations_versions_list,
)
from eigenpal._generated.api.files import files_content_get, files_create, files_delete, files_get
from eigenpal._generated.api.metadata import auth_check
from eigenpal._generated.api.runs import (
    runs_artifacts_get,
    runs_artifacts_list,
    runs_cancel,
    runs_events_list,
    runs_get,
    runs_list,
    runs_rerun,
    runs_start,
    runs_steps_list,
    runs_trace_get,
    runs_usage_get,
)
from eigenpal._generated.client import AuthenticatedClient
from eigenpal._generated.models import (
    ApiErrorEnvelope,
    AuthCheckResponse,
    AutomationDetail,
    AutomationTriggersResponse,
    CreateFileMultipartRequest,
    DeleteFileResponse,
    File,
    ListAutomationsResponse,
    ListAutomationVersionsResponse,
    Run,
    RunAccepted,
    RunArtifactsResponse,
    RunCancelResponse,
    RunEventsResponse,
    RunsListResponse,
    RunStartBody,
    RunStartMultipartRequest,
    RunStepsResponse,
    RunTraceResponse,
    RunUsageResponse,
)
from eigenpal._generated.types import File as Upload
from tests.acceptance.serving import Served, gate, gate_step, push

OPERATIONS: dict[str, tuple[Any, Any]] = {
    "auth_check": (auth_check, AuthCheckResponse),
    "automations_list": (automations_list, ListAutomationsResponse),
    "automations_get": (automations_get, AutomationDetail),
    "automations_triggers_get": (automations_triggers_get, AutomationTriggersResponse),
    "automations_versions_list": (automations_versions_list, ListAutomationVersionsResponse),
    "runs_list": (runs_list, RunsListResponse),
    "runs_get": (runs_get, Run),
    "runs_artifacts_list": (runs_artifacts_list, RunArtifactsResponse),
    "runs_events_list": (runs_events_list, RunEventsResponse),
    "runs_steps_list": (runs_steps_list, RunStepsResponse),
    "runs_trace_get": (runs_trace_get, RunTraceResponse),
    "runs_usage_get": (runs_usage_get, RunUsageResponse),
    "runs_cancel": (runs_cancel, RunCancelResponse),
    "files_get": (files_get, File),
}
OF_A_RUN = [name for name in OPERATIONS if name.startswith("runs_") and name != "runs_list"]


@dataclass
class Strict:
    """Calls operations; gives back the status, and the body as the strict layer parsed it."""

    client: AuthenticatedClient

    def __call__(self, module: Any, *arguments: Any, **named: Any) -> tuple[int, Any]:
        answer = module.sync_detailed(*arguments, client=self.client, **named)
        return int(answer.status_code), answer.parsed


def strict_client(served: Served, key: str) -> Strict:
    return Strict(AuthenticatedClient(base_url=served.base_url, token=key, verify_ssl=False))


@pytest.fixture(scope="module")
def strict(served: Served) -> Strict:
    return strict_client(served, served.key())


@pytest.fixture(scope="module")
def finished(http: httpx.Client, world: Mapping[str, str]) -> Mapping[str, str]:
    """One run for each way to end, and one that has not."""
    push(http, "no", [{"name": "no", "type": "control.fail", "message": "No."}])
    failed = http.post("/runs", json={"target": "workflows.no"}, params={"wait_for_completion": 20}).json()
    return {"completed": world["run_id"], "failed": failed["run"]["id"]}


def parsed_from(body: Any, model: Any) -> Any:
    """Parse a body strictly; what the client knows of it must say the same when it is written again."""
    written = model.from_dict(json.loads(json.dumps(body))).to_dict()
    _assert_within(written, body, "")
    return written


def _assert_within(part: Any, whole: Any, path: str) -> None:
    if isinstance(part, dict):
        for name, value in part.items():
            _assert_within(value, whole[name], f"{path}.{name}")
    elif isinstance(part, list):
        assert len(part) == len(whole), path
        for index, value in enumerate(part):
            _assert_within(value, whole[index], f"{path}[{index}]")
    else:
        assert part == whole, path


def test_everything_that_is_read_parses(
    strict: Strict, http: httpx.Client, world: Mapping[str, str], finished: Mapping[str, str]
):
    for name, (module, model) in OPERATIONS.items():
        runs = finished.values() if name in OF_A_RUN else [None]
        for run_id in runs:
            first = {"automations": world["automation_id"], "files": world["file_id"]}.get(name.split("_")[0])
            needed = run_id or (first if name not in {"automations_list", "auth_check"} else None)
            status, found = strict(module, *([needed] if needed and name != "runs_list" else []))
            assert (status, type(found)) == (200, model), name
            paths = module._get_kwargs(*([needed] if needed and name != "runs_list" else []))
            body = http.request(paths["method"], f"{http.base_url}".removesuffix("/api/v1/") + paths["url"]).json()
            parsed_from(body, model)


@pytest.mark.parametrize("expand", ["", "input", "usage", "execution", "debug", "input,usage,execution,debug"])
def test_an_expanded_run_parses(strict: Strict, http: httpx.Client, finished: Mapping[str, str], expand: str):
    for run_id in finished.values():
        status, found = strict(runs_get, run_id, expand=expand)
        assert (status, type(found)) == (200, Run)
        parsed_from(http.get(f"/runs/{run_id}", params={"expand": expand}).json(), Run)


def test_starts_and_reruns_parse_with_each_status(
    strict: Strict, served: Served, http: httpx.Client, world: Mapping[str, str]
):
    body = RunStartBody.from_dict({"target": "workflows.echo", "input": {"name": "x"}, "metadata": {"a": 1}})
    status, found = strict(runs_start, body=body)
    assert (status, type(found)) == (201, RunAccepted)
    assert strict(runs_start, body=body, wait_for_completion=20)[0] == 200
    assert strict(runs_rerun, world["run_id"])[0] == 201
    assert strict(runs_rerun, world["run_id"], version="original", wait_for_completion=20)[0] == 200
    with gate("strict") as waiting:
        push(http, "slow", [gate_step("strict")])
        status, found = strict(
            runs_start, body=RunStartBody.from_dict({"target": "workflows.slow"}), wait_for_completion=1
        )
        assert (status, type(found), found.finished) == (202, RunAccepted, False)
        served.wait_until_reached(waiting)
        status, cancelled = strict(runs_cancel, found.id)
        assert (status, type(cancelled), str(cancelled.cancellation.state)) == (200, RunCancelResponse, "requested")
        body_now = http.get(f"/runs/{found.id}", params={"expand": "input,usage,execution,debug"}).json()
        parsed_from(body_now, Run)
        for name in OF_A_RUN:
            assert type(strict(OPERATIONS[name][0], found.id)[1]) is OPERATIONS[name][1]
        served.open_gate(waiting)
    whole = http.post("/runs", json={"target": "workflows.echo"}, params={"wait_for_completion": 20})
    assert whole.status_code == 200
    parsed_from(whole.json(), Run)


def test_the_strict_layers_own_multipart_is_understood(strict: Strict):
    """It names no boundary in the header, and gives text parts a content type."""
    form = RunStartMultipartRequest(target="workflows.echo", input_=json.dumps({"name": "ü"}), metadata="{}")
    status, found = strict(runs_start, body=form, wait_for_completion=20)
    assert (status, found.finished) == (200, True)
    upload = CreateFileMultipartRequest(file=Upload(BytesIO(b"text"), "ü.txt", "text/plain"))
    status, stored = strict(files_create, body=upload)
    assert (status, type(stored), stored.filename, stored.size) == (200, File, "ü.txt", 4)
    assert strict(files_content_get, stored.id)[0] == 200
    status, deleted = strict(files_delete, stored.id)
    assert (status, type(deleted)) == (200, DeleteFileResponse)


def test_artifacts_are_found_by_an_escaped_path(strict: Strict, world: Mapping[str, str]):
    assert strict(runs_artifacts_get, world["run_id"], "output/note/note.txt")[0] == 200


def test_errors_parse_as_the_envelope(strict: Strict, served: Served, world: Mapping[str, str]):
    nobody, weak = strict_client(served, "asy_nobody"), strict_client(served, served.key("observability:read"))
    run_id = world["run_id"]
    cases: list[tuple[int, tuple[int, Any]]] = [
        (401, nobody(runs_list)),
        (401, nobody(runs_start, body=RunStartBody.from_dict({"target": "workflows.echo"}))),
        (403, weak(runs_get, run_id)),
        (403, weak(files_create, body=CreateFileMultipartRequest(file=Upload(BytesIO(b""), "x", "text/plain")))),
        (404, strict(runs_get, "exec_nothing")),
        (404, strict(files_get, "file_nothing")),
        (404, strict(automations_get, "workflows.nothing")),
        (404, strict(runs_artifacts_get, run_id, "output/nothing")),
        (400, strict(runs_list, limit=0)),
        (400, strict(runs_get, run_id, expand="nothing")),
        (400, strict(runs_start, body=RunStartBody.from_dict({"target": "nothing"}))),
        (400, strict(automations_sync, "workflows.echo")),
        (
            413,
            strict(files_create, body=CreateFileMultipartRequest(file=Upload(BytesIO(b"x" * 2_500_000), "x", "a/b"))),
        ),
    ]
    for expected, (status, found) in cases:
        assert status == expected
        assert isinstance(found, ApiErrorEnvelope)
        assert found.request_id
        assert found.issues
