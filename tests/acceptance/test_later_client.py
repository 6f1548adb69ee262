"""The published client 0.20.93, unmodified: starting runs and reviewing them, in the later words and under `/v1`.

It has the name of the client that the other tests use, so it gets an environment of its own, made once a machine.
"""

import json
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.acceptance.serving import Served, push, set_step

VERSION = "0.20.93"
CACHE = Path("~/.cache/assay-tests").expanduser()
UNREACHABLE = re.compile(r"failed to fetch|error sending request|dns error|connection refused|timed out", re.IGNORECASE)


def _uv(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0 and UNREACHABLE.search(done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def later_python() -> Path:
    """The interpreter of an environment that holds the later client and nothing else."""
    folder = CACHE / f"eigenpal-{VERSION}-python-3.{sys.version_info.minor}"
    if not folder.exists():
        draft = CACHE / secrets.token_hex(8)
        _uv("venv", "--quiet", "--python", sys.executable, str(draft))
        _uv("pip", "install", "--quiet", "--python", str(draft / "bin" / "python"), f"eigenpal=={VERSION}")
        try:
            draft.rename(folder)
        except OSError:  # another test session was quicker
            shutil.rmtree(draft)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def target(http: httpx.Client) -> str:
    steps = [set_step(nothing=1), {"name": "note", "type": "test.file", "with": {"content": "note"}}]
    inputs = [
        {"name": "document", "type": "file", "required": False},
        {"name": "name", "type": "string", "required": False},
    ]
    push(http, "later", steps, inputs=inputs, output={"total": 12})
    return "workflows.later"


def test_it_starts_runs_and_reviews_them(served: Served, later_python: Path, target: str):
    session = Path(__file__).with_name("later_client_session.py")
    given = {"url": served.base_url, "key": served.key(), "target": target}
    done = subprocess.run(
        [str(later_python), "-I", str(session)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "all of it\n"), done.stderr
