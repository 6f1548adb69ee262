"""`make bench` works: every measure is taken, and the table stands where the documentation shows it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    # As root, the database's account must pass through.
    for part in (folder, *folder.parents[:2]):
        part.chmod(0o711)
    return folder


def test_a_quick_bench_measures_everything_once(cache: Path, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- bench -->\nstale\n<!-- /bench -->\nafter\n")
    command = [sys.executable, "-m", "bench", "--quick", "--cache", str(cache), "--markdown", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stderr
    written = page.read_text()
    assert written.startswith("before\n<!-- bench -->\nMeasured on ")
    assert written.endswith("<!-- /bench -->\nafter\n")
    assert "stale" not in written
    for line in (
        "one-row commit, p50",
        "bare PgQueuer, enqueue to start, p50",
        "ready on an empty folder",
        "ready on the next start",
        "idle, all processes and PostgreSQL (PSS)",
        "waited run of three steps over HTTP, p50",
        "completed runs with 1 worker|",
        "completed runs with 2 workers|",
        "20 examples, three evaluators, all stored",
        "peak memory of the worker, 40 examples",
        "status=failed, p95",
        "one filter and one automation",
        "…Contains, alone and with an automation",
        "two filters",
        "/automations: slowest p95 of 2",
        "/experiments/{baseline_id}/compare/{experiment_id}",
        "/monitoring: slowest p95 of 16",
        "first load, the heaviest of",
        "reviews/health of a large automation",
    ):
        assert line in written
