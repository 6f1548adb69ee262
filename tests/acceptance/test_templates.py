"""What `assay init` writes runs as its README says, and nothing of anybody's is written over."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance import serving
from tests.fakes.openai_server import OpenAiServer, Reply, openai_server, said

from assay import workflow_templates

ROOT = Path(__file__).parents[2]
TEMPLATES = Path(workflow_templates.__file__).parent


@dataclass
class Newcomer:
    """Somebody who types what a README says, in the folder that it lies in."""

    folder: Path
    environment: Mapping[str, str]

    def type(self, script: str, *, stops: bool = True) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euo" if stops else "-uo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**os.environ, **self.environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, template: str) -> list[str]:
        """Return the commands of the README, block by block."""
        done = self.type(f"assay init --template {template}")
        assert done.returncode == 0, done.stderr
        return re.findall(r"```sh\n(.*?)```", (self.folder / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def newcomer(served: serving.Served, tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path, {"ASSAY_BASE_URL": served.base_url, "ASSAY_API_KEY": served.key()})


@pytest.fixture
def models() -> Generator[OpenAiServer]:
    with openai_server() as script:
        script.otherwise = sorted_right
        yield script


def sorted_right(request: Mapping[str, Any]) -> Reply:
    """Answer like a model that knows the truth of every example."""
    asked = json.dumps(request["messages"], ensure_ascii=False)
    for folder in (TEMPLATES / "text-classification/dataset/examples").iterdir():
        if json.loads((folder / "input.json").read_text("utf-8"))["text"] in asked:
            label = json.loads((folder / "expected.json").read_text("utf-8"))["label"]
            return said({"reason": "It says so.", "label": label, "confidence": "high"})
    return said({"reason": "Nothing fits.", "label": "order", "confidence": "low"})


def works(newcomer: Newcomer, block: str) -> str:
    done = newcomer.type(block)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize(
    ("begun_with", "answer"),
    [("blank", {"text": "hello", "length": 5}), ("pdf-extraction", {"total": 1202.5})],
)
def test_every_command_of_the_readme_works_as_written(newcomer: Newcomer, begun_with: str, answer: Mapping[str, Any]):
    check, measure, change, use = newcomer.begin(begun_with)

    works(newcomer, check)
    works(newcomer, measure)
    works(newcomer, change)
    told = works(newcomer, use)
    output = json.loads(told[told.index("{") : told.rindex("}") + 1])
    assert output.items() >= answer.items()


def test_text_classification_says_that_it_needs_a_provider_and_works_with_one(newcomer: Newcomer, models: OpenAiServer):
    add, check, measure, change, use = newcomer.begin("text-classification")
    works(newcomer, check)
    without = newcomer.type(measure)
    assert without.returncode == 3  # nobody can tell
    enable, run, *_ = use.splitlines()
    failed = newcomer.type(f"{enable}\n{run}")
    assert failed.returncode == 1
    assert "[provider_not_configured]" in failed.stderr
    hinted = failed.stderr.rpartition("hint: ")[2]
    assert "assay providers add" in works(newcomer, hinted)

    works(newcomer, add.replace("http://127.0.0.1:11434/v1", models.base_url))
    works(newcomer, measure.splitlines()[-1])
    works(newcomer, change)
    works(newcomer, use)


def test_nothing_is_written_over_and_the_clashes_are_named(newcomer: Newcomer):
    (newcomer.folder / "gate.yaml").write_text("mine")
    (newcomer.folder / "README.md").write_text("mine too")

    done = newcomer.type("assay init --template blank")
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["README.md", "gate.yaml"]
    assert {path.name for path in newcomer.folder.iterdir()} == {"README.md", "gate.yaml"}
    assert (newcomer.folder / "gate.yaml").read_text() == "mine"
    assert newcomer.type("assay init --template blank --force").returncode == 0
    assert (newcomer.folder / "gate.yaml").read_text() != "mine"


def test_what_stands_in_the_way_of_a_folder_is_left_alone_also_with_force(newcomer: Newcomer):
    (newcomer.folder / "dataset").write_text("mine")

    done = newcomer.type("assay init --force")
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["dataset"]
    assert [path.name for path in newcomer.folder.iterdir()] == ["dataset"]


def test_without_a_template_and_a_terminal_it_is_blank_and_the_folder_is_made(newcomer: Newcomer):
    told = json.loads(works(newcomer, "assay init new/place --json"))

    assert told["template"] == "blank"
    assert all((newcomer.folder / path).is_file() for path in told["files"])


def test_documents_of_the_template_are_those_that_the_generator_makes(tmp_path: Path):
    subprocess.run([sys.executable, "-m", "tools.template_documents", str(tmp_path)], cwd=ROOT, check=True)

    kept = TEMPLATES / "pdf-extraction/dataset/examples"
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {path.relative_to(kept): path.read_bytes() for path in kept.rglob("*") if path.is_file()}


def test_on_a_terminal_it_asks_until_the_answer_is_a_template(tmp_path: Path):
    leader, follower = pty.openpty()
    program = [sys.executable, "-m", "assay.cli", "init", "here"]
    process = subprocess.Popen(program, stdin=follower, stdout=follower, stderr=follower, cwd=tmp_path)
    os.close(follower)
    os.write(leader, b"everything\ntext-classification\n")

    assert process.wait(60) == 0
    os.close(leader)
    assert "name: text-classification" in (tmp_path / "here" / "workflow.yaml").read_text("utf-8")
