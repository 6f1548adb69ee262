"""Shadow comparison over HTTP and on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.acceptance import serving

from assay.cli.commands import run as run_command
from assay.cli.preferences import preferences

Command = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def command(served: serving.Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command as a shell would; returns exit code, stdout, stderr."""
    monkeypatch.setenv("ASSAY_BASE_URL", served.base_url)
    monkeypatch.setenv("ASSAY_API_KEY", served.key())

    def call(*arguments: str) -> tuple[int, str, str]:
        preferences.quiet = preferences.no_color = False
        code = run_command(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def run_id(http: httpx.Client, request: pytest.FixtureRequest) -> str:
    """A shadow run of a workflow of its own, which says that the total is 12."""
    name = _name(request)
    serving.push(http, name, [serving.set_step(total=12)], output={"total": "{{ steps.set.output.total }}"})
    body = {"target": f"workflows.{name}", "mode": "shadow", "metadata": {"ticket": "A-1"}}
    return http.post("/runs", json=body, params={"wait_for_completion": 20}).json()["id"]


def _name(request: pytest.FixtureRequest) -> str:
    return request.node.name.removeprefix("test_").replace("_", "-")[:60]


def test_lines_are_imported_and_compared(http: httpx.Client, run_id: str, request: pytest.FixtureRequest) -> None:
    line = json.dumps({"match": {"key": "ticket", "value": "A-1"}, "output": {"total": 10}, "source": "ERP"})
    path = f"/automations/{_name(request)}"
    headers = {"content-type": "application/x-ndjson"}
    answer = http.post(f"{path}/runs/import", content=f"{line}\n\n", headers=headers)
    assert answer.json() == {"added": 1, "replaced": 0, "runIds": [run_id]}
    found = http.get(f"/runs/{run_id}/incumbent-diff").json()
    assert (found["same"], found["fields"], found["source"]) == (False, {"total": False}, "ERP")
    assert found["differences"] == [{"path": "total", "incumbent": 10, "run": 12}]
    http.patch(f"/runs/{run_id}/feedback", json={"rating": "pass"})
    assert http.get(f"/runs/{run_id}/incumbent-diff").json()["judged"] == {"total": {"run": True, "incumbent": False}}
    agreement = http.get(f"{path}/incumbent-agreement", params={"mode": "shadow", "from": "1d"}).json()
    assert agreement["fields"][0]["judged"]["incumbent"]["right"] == 0
    assert http.get(f"{path}/incumbent-agreement", params={"mode": "live"}).json()["runs"] == 0


def test_bad_lines_are_told_by_their_number(http: httpx.Client, run_id: str, request: pytest.FixtureRequest) -> None:
    headers = {"content-type": "application/x-ndjson"}
    content = f'{{"runId": "{run_id}", "output": 1}}\nno json\n{{"a":1'
    answer = http.post(f"/automations/{_name(request)}/runs/import", content=content, headers=headers)
    assert answer.status_code == 400
    assert [issue["field"] for issue in answer.json()["issues"]] == ["line 2", "line 3"]
    assert http.get(f"/runs/{run_id}/incumbent-diff").status_code == 404


def test_one_run_takes_one(http: httpx.Client, run_id: str) -> None:
    assert http.put(f"/runs/{run_id}/incumbent", json={"output": {"total": "12"}}).json()["diff"]["same"] is True
    assert http.put(f"/runs/{run_id}/incumbent", json={"output": None}).status_code == 400
    assert http.put("/runs/exec_none/incumbent", json={"output": {}}).status_code == 404


def test_the_command_line_imports_compares_and_sums_up(
    command: Command, run_id: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    file = tmp_path / "old.ndjson"
    file.write_text(json.dumps({"runId": run_id, "output": {"total": 10}}))
    assert command("runs", "incumbent", "import", _name(request), str(file))[0] == 0
    code, out, _ = command("runs", "incumbent", "diff", run_id, "--fail-on-diff")
    assert code == 1
    assert "total" in out
    code, out, err = command("runs", "incumbent", "agreement", _name(request))
    assert code == 0
    assert out.split("\t")[:2] == ["total", "0.0"]
    assert "1 run compared" in err
