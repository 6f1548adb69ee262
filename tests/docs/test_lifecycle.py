"""What docs/lifecycle.md tells people to type works as written, one by one, and ends in a proven resolution."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from assay.cli import demo_server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What all commands of the page said; each one had to succeed."""
    loop = tmp_path_factory.mktemp("loop")
    script = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("./loop", str(loop))
    with demo_server.folder(None) as folder, demo_server.running(folder, 0) as server:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=ROOT,
            env={
                **os.environ,
                "PATH": path,
                "ASSAY_BASE_URL": server.base_url,
                "ASSAY_API_KEY": server.api_key,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_command_works_as_written_and_the_miss_is_resolved_by_proof(told: str):
    said = dict(re.findall(r"^(status|proven|live)\t(\w+)$", told, re.MULTILINE))
    assert {name: said[name].lower() for name in ("status", "proven", "live")} == {
        "status": "resolved",
        "proven": "true",
        "live": "true",
    }


def test_resolving_by_hand_is_refused_as_the_page_says(told: str):
    assert "Nothing proves that this miss is fixed" in told
