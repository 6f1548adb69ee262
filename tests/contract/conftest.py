"""A served API with something of everything in it, and a second organization that has none of it."""

import json
from collections.abc import Generator, Mapping
from typing import Any

import httpx
import pytest
from tests.acceptance import serving
from tests.datasets.conftest import packed

from assay import db
from assay.settings import Settings

PATH = "output/note/note.txt"
"""Of a run's artifact, and of an example's files of both kinds."""
EXAMPLE = {
    "examples/first/input.json": {"name": "x", "document": {"$file": f"input/{PATH}"}},
    f"examples/first/input/{PATH}": b"kept",
    "examples/first/expected.json": {"note": {"$file": f"expected/{PATH}"}},
    f"examples/first/expected/{PATH}": b"kept",
}


@pytest.fixture(scope="module")
def served(database: db.Database, tmp_path_factory: pytest.TempPathFactory) -> Generator[serving.Served]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        database_url=database.dsn,
        max_wait_seconds=20,
        max_body_bytes=2_000_000,
        max_json_bytes=1_000_000,
        worker_grace_seconds=0.1,
    )
    with serving.test_step_types(), serving.serving(settings) as running:
        yield running


@pytest.fixture(scope="module")
def http(served: serving.Served) -> Generator[httpx.Client]:
    with served.http() as client:
        yield client


@pytest.fixture(scope="module")
def world(http: httpx.Client) -> Mapping[str, Any]:
    """Ids of what exists: the value of every path parameter of the API."""
    steps = [
        serving.set_step(given="{{ input }}"),
        {"name": "note", "type": "test.file", "with": {"content": "kept"}},
    ]
    inputs = [
        {"name": "name", "type": "string", "required": False},
        {"name": "document", "type": "file", "required": False},
    ]
    pushed = serving.push(http, "echo", steps, inputs=inputs)
    # Nothing is in the queue but what is put there.
    assert http.put("/automations/workflows.echo/sampling", json={"rate": 0}).status_code == 200
    body = {"target": "workflows.echo", "input": {"name": "x"}}
    run, other = (http.post("/runs", json=body, params={"wait_for_completion": 20}).json() for _ in range(2))
    file = http.post("/files", files={"file": ("a.txt", b"text")}).json()
    key = http.post("/keys", json={"name": "spare"}).json()
    nowhere = {"name": "spare", "baseUrl": "http://127.0.0.1:9/v1", "models": ["tiny"]}
    provider = http.post("/providers", json=nowhere).json()
    webhook = http.post("/webhooks", json={"url": "http://127.0.0.1:9/", "events": ["alert.*"]}).json()
    delivery = http.post(f"/webhooks/{webhook['id']}/test").json()
    alert = http.post("/automations/workflows.echo/alerts", json={"metric": "failure_rate", "threshold": 0.5}).json()
    member = http.post("/members", json={"email": "someone@example.org"}).json()
    imported = {"file": ("dataset.zip", packed(EXAMPLE))}
    assert http.post("/automations/workflows.echo/dataset/import", files=imported).json()["created"] == 1
    judging = {"yaml": "evaluators: [{name: same, type: exact-diff, config: {rules: {note: {ignore: true}}}}]"}
    assert http.put("/automations/workflows.echo/evaluators", json=judging).status_code == 200
    followed = http.post("/automations/workflows.echo/experiments/stream").text
    experiment = json.loads(followed.splitlines()[-1])["experiment"]
    assert http.post("/review-queue", json={"runIds": [run["id"]]}).json()["added"] == 1
    item = http.get("/review-queue", params={"runId": run["id"]}).json()["items"][0]
    return {
        "automation_id": pushed["automation"]["id"],
        "version_id": pushed["version"]["id"],
        "run_id": run["id"],
        "other_id": other["id"],
        "example_id": http.get("/automations/workflows.echo/examples/first").json()["id"],
        "example_version_id": http.get("/automations/workflows.echo/examples/first/versions").json()["data"][0]["id"],
        "baseline_id": experiment["id"],
        "experiment_id": experiment["id"],
        "evaluator_set_id": http.get("/automations/workflows.echo/evaluators/history").json()["data"][0]["id"],
        "path": PATH,
        "item_id": item["id"],
        "file_id": file["id"],
        "key_id": key["id"],
        "provider_id": provider["id"],
        "webhook_id": webhook["id"],
        "delivery_id": delivery["id"],
        "alert_id": alert["id"],
        "user_id": member["id"],
        "session_id": "sess_of_nobody",
    }
