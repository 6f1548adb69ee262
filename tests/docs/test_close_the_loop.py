"""The published client alone goes from a passing experiment to a proven resolution, as the example says."""

import os
import subprocess
import sys
from pathlib import Path

from assay.cli import demo_server

SCRIPT = Path(__file__).parents[2] / "examples" / "close-the-loop" / "close_the_loop.py"


def test_the_script_closes_the_loop():
    with demo_server.folder(None) as folder, demo_server.running(folder, 0) as server:
        done = subprocess.run(
            [sys.executable, str(SCRIPT)],
            env={**os.environ, "ASSAY_BASE_URL": server.base_url, "ASSAY_API_KEY": server.api_key},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resolved by evb_" in done.stdout
