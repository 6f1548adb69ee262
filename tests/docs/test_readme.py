"""What the README tells people to type works as written, and what it points at is there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from assay.cli import demo_server
from assay.cli.demo_server import DemoServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
]


def blocks(heading: str) -> list[str]:
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    with demo_server.folder(None) as found:
        yield found


@pytest.fixture(scope="module")
def server(folder: Path) -> Generator[DemoServer]:
    with demo_server.running(folder, 0) as running:
        yield running


def typed(text: str, folder: Path) -> str:
    """Return what was typed, on this test's folder and environment."""
    return text.replace(".venv/bin/", f"{Path(sys.executable).parent}/").replace("./data", str(folder))


def run(script: str, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: apt-get install curl")
def test_the_three_calls_work_as_written(server: DemoServer, folder: Path):
    _serve, prepare, start, steps, again = (typed(block, folder) for block in blocks("The API in three calls"))
    prepare = prepare.replace("http://127.0.0.1:8321", server.base_url)
    told = run(f'{prepare}\necho "KEY $ASSAY_API_KEY"')
    environment = {"ASSAY_BASE_URL": server.base_url, "ASSAY_API_KEY": told.split("KEY ")[1].strip()}

    first = json.loads(run(start, **environment))
    assert first["execution"]["status"] == "completed"
    expected = json.loads((ROOT / "examples/invoice-fields/expected/09-letter-en.json").read_text("utf-8"))
    assert first["output"].items() >= expected.items()

    told_steps = json.loads(run(steps, RUN=first["id"], **environment))["steps"]
    assert [step["stepName"] for step in told_steps] == ["parse", "fields", "require-number", "derived"]

    second = json.loads(run(again, RUN=first["id"], **environment))
    assert second["id"] != first["id"]
    assert second["output"] == first["output"]


def test_serve_is_started_with_options_that_it_has():
    serve = blocks("The API in three calls")[0].split()
    help_text = run(" ".join([typed(serve[0], ROOT), serve[1], "--help"]), COLUMNS="200")

    assert all(option in help_text for option in serve if option.startswith("--"))


def test_a_backup_can_be_restored_as_written(server: DemoServer, folder: Path, tmp_path: Path):
    backup = next(block for block in blocks("How to run it for real") if " backup " in block)
    script = typed(backup, folder).replace("assay.backup", str(tmp_path / "assay.backup"))
    with demo_server.folder(None) as restored:
        run(script.replace("./restored", str(restored)))
        with demo_server.running(restored, 0) as other:
            assert other.base_url != server.base_url


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_generated_pages_are_fresh():
    checked = subprocess.run(
        [sys.executable, "-m", "tools.reference", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
