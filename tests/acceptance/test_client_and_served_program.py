"""The published client, a served folder and a real document: nothing of either is replaced."""

from pathlib import Path

import httpx
from eigenpal import EigenpalClient

from assay.cli import demo_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "invoice-fields"


def test_a_document_goes_through_the_served_program():
    with demo_server.folder(None) as folder, demo_server.running(folder, 0) as server:
        client = EigenpalClient(api_key=server.api_key, base_url=f"{server.base_url}/")
        headers = {"Authorization": f"Bearer {server.api_key}"}
        with httpx.Client(base_url=f"{server.base_url}/v1", headers=headers, trust_env=False, verify=False) as http:
            pushed = http.post("/automations", json={"yaml": (EXAMPLE / "workflow.yaml").read_text("utf-8")})
            assert pushed.status_code == 201
            http.patch("/automations/workflows.invoice-fields/triggers", json={"api": True})

        run = client.run_and_wait(
            "workflows.invoice-fields",
            {"document": EXAMPLE / "documents" / "14-ledger-de.pdf"},
            poll_interval_seconds=0.1,
        )
        assert run.execution.status == "completed"
        assert run.output.invoice_number
        assert [step.status for step in client.runs.steps(run.id).steps][:2] == ["success", "success"]
        again = client.rerun(run.id, wait_for_completion=30)
        assert again.output == run.output
