"""The comparison of two versions in docs/ is what comes out when they are measured again."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
INVOICES = ROOT.parent / "shared" / "data" / "invoices"
EXAMPLE = ROOT / "examples" / "invoice-extraction"


@pytest.mark.skipif(not INVOICES.is_dir(), reason="the sample invoices are not part of the repository")
def test_the_page_is_what_comes_out():
    checked = subprocess.run(
        [sys.executable, "-m", "tools.invoice_extraction", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_both_versions_know_the_same_labels():
    old, new = (YAML(typ="safe").load(EXAMPLE / name) for name in ("workflow-1.0.0.yaml", "workflow.yaml"))

    (pages,) = (step["else"] for step in new["steps"] if step["name"] == "invoice")
    assert (old["version"], new["version"]) == ("1.0.0", "2.0.0")
    assert [step["with"] for step in old["steps"]] == [step["with"] for step in pages]
