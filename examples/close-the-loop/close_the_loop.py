"""From a passing experiment to a miss that is proven to be fixed, with the published client `eigenpal` 0.9.1.

    ASSAY_BASE_URL=http://127.0.0.1:8321 ASSAY_API_KEY=asy_… python examples/close-the-loop/close_the_loop.py

`raw` stands where that client has no method: pushing and promoting a version, switching a trigger, and filters of
reviews in lists of runs. A second time on the same server it says that the workflow is there already.
"""

import io
import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
from eigenpal import EigenpalClient, EigenpalError

INVOICES = Path(__file__).parents[1] / "invoice-fields"
TARGET = "workflows.invoice-fields"
WORKFLOW = (INVOICES / "workflow.yaml").read_text(encoding="utf-8")
# 1.0.0 takes what is left to pay for the total, where a part was paid before.
FIXED = (
    WORKFLOW.replace(r"total|amount\s*due|gesamt", "total|gesamt")
    .replace("|summe|zahlbetrag)", "|summe)")
    .replace("version: 1.0.0", "version: 1.1.0")
)
EVALUATORS = """\
passThreshold: 1
evaluators:
  - name: fields-match
    type: exact-diff
    config:
      rules: { $: {}, difference: { ignore: true } }
"""


def main() -> None:
    """Walk through all five sections; exits with an error where something is not as it should be."""
    base_url, key = os.environ["ASSAY_BASE_URL"], os.environ["ASSAY_API_KEY"]
    headers = {"Authorization": f"Bearer {key}"}
    client = EigenpalClient(api_key=key, base_url=base_url, timeout_seconds=60)
    with httpx.Client(base_url=f"{base_url}/api/v1", headers=headers, timeout=60) as raw:
        pass_the_eval(client, raw)
        integrate(client, raw)
        run_id = route_traffic(client, raw)
        review(client, raw, run_id)
        close_the_loop(client, raw, run_id)


def pass_the_eval(client: EigenpalClient, raw: httpx.Client) -> None:
    """Before anything: a workflow that passes on examples whose truth is known."""
    answer(raw.post("/automations", json={"yaml": WORKFLOW}))
    client.automations.dataset.import_(TARGET, {"filename": "dataset.zip", "content": dataset("09-letter-en")})
    client.automations.evaluators.update(TARGET, EVALUATORS)
    passed, examples, _ = measure(client, "1.0.0")
    check(passed == examples == 1, "the experiment passes")
    print(f"0. 1.0.0 passes {passed} of {examples} examples.")


def integrate(client: EigenpalClient, raw: httpx.Client) -> None:
    """1. Integrate behind your application: the API trigger is off until somebody switches it on."""
    try:
        client.run(TARGET, {"document": document("09-letter-en.pdf")})
    except EigenpalError as error:
        check("api_trigger_disabled" in str(error) or "trigger" in str(error), "the trigger refuses")
    else:
        sys.exit("A run was started though the API trigger was off.")
    answer(raw.patch(f"/automations/{TARGET}/triggers", json={"api": True}))
    check(client.automations.triggers(TARGET).triggers["api"], "the API trigger is on")
    print("1. 403 until the API trigger is on; it is now.")


def route_traffic(client: EigenpalClient, raw: httpx.Client) -> str:
    """2. Route production traffic: in the shadow first, nothing acts on the output. Returns the run."""
    run = client.run(
        TARGET, {"document": document("14-ledger-de.pdf")}, metadata={"mode": "shadow"}, wait_for_completion=50
    )
    check(run.execution.status == "completed", "the shadow run completes")
    shadow = answer(raw.get("/runs", params={"source": TARGET, "mode": "shadow"}))["runs"]
    check([one["id"] for one in shadow] == [run.id], "the list finds shadow runs")
    print(f"2. The shadow run {run.id} completed; its total is {run.output['total']}.")
    return run.id


def review(client: EigenpalClient, raw: httpx.Client, run_id: str) -> None:
    """3. Sample runs for review, and 4. review them: a verdict, open, with the corrected output, then promotion."""
    unreviewed = {"source": TARGET, "status": "completed", "noFeedback": "true", "mode": "live,shadow"}
    waiting = answer(raw.get("/runs", params=unreviewed))["runs"]
    check(run_id in [one["id"] for one in waiting], "what nobody has reviewed is found")
    truth = json.loads((INVOICES / "expected" / "14-ledger-de.json").read_text(encoding="utf-8"))
    said = client.runs.feedback.update(
        run_id, {"rating": "fail", "status": "open", "body": "That is what is left to pay.", "expected": truth}
    )
    check(said.feedback.status == "open" and said.expected == truth, "the miss is open, with its correction")
    promoted = client.runs.promote(run_id, {"name": "paid-in-part"})
    check(promoted.name == "paid-in-part", "the miss is an example")
    on_the_board = answer(raw.get("/runs", params={"feedbackStatus": "open", "promotedToExample": "true"}))["runs"]
    check([one["id"] for one in on_the_board] == [run_id], "an open miss stays on the board")
    print("3. and 4. Its total was wrong; corrected, and promoted to the example `paid-in-part`.")


def close_the_loop(client: EigenpalClient, raw: httpx.Client, run_id: str) -> None:
    """5. Close the loop: reproduce, fix, confirm; then the miss is resolved, by proof and by nothing else."""
    steps = [step.stepName for step in client.runs.steps(run_id).steps]
    check("fields" in steps, "the trace shows the step that produced the output")
    try:
        client.runs.feedback.update(run_id, {"status": "resolved"})
    except EigenpalError as error:
        print(f"5. Not resolved by hand: {error}")
    else:
        sys.exit("A miss was resolved without a proof.")
    passed, examples, _ = measure(client, "1.0.0")
    check((passed, examples) == (1, 2), "the example reproduces the miss")
    pushed = answer(raw.post(f"/automations/{TARGET}/versions", json={"yaml": FIXED, "activate": False}))
    passed, examples, experiment_id = measure(client, "1.1.0")
    check(passed == examples == 2, "the fix passes, the old examples included")
    resolved = client.runs.feedback.get(run_id)
    check(resolved.feedback.status == "resolved", "the experiment resolved the miss")
    evidence = answer(raw.get(f"/runs/{run_id}/feedback"))["feedback"]["resolution"]["evidence"]
    check(evidence["experimentId"] == experiment_id, "the proof is kept")
    answer(raw.post(f"/automations/{TARGET}/versions/{pushed['version']['id']}/promote"))
    again = client.runs.rerun(run_id, wait_for_completion=50)
    check(again.output["total"] == resolved.expected["total"], "the fix is live")
    print(f"   1.1.0 passes {passed} of {examples}; resolved by {experiment_id}, and live: {again.output['total']}.")


def measure(client: EigenpalClient, version: str) -> tuple[int, int, str]:
    """Run the dataset on a version; return how many examples passed, how many there are, and the experiment."""
    started = client.automations.experiments.create(TARGET, {"sourceRef": version})
    while True:
        found = client.automations.experiments.get(TARGET, started.id)
        if found.status in {"completed", "failed", "cancelled"}:
            break
        time.sleep(0.2)
    return found.passedCount, found.runCount, started.id


def dataset(*names: str) -> bytes:
    """Pack examples as a dataset archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            file = f"input/{name}.pdf"
            archive.write(INVOICES / "documents" / f"{name}.pdf", f"examples/{name}/{file}")
            archive.writestr(f"examples/{name}/input.json", json.dumps({"document": {"$file": file}}))
            archive.write(INVOICES / "expected" / f"{name}.json", f"examples/{name}/expected.json")
    return packed.getvalue()


def document(name: str) -> dict[str, Any]:
    """Read a document as the client sends it."""
    content = (INVOICES / "documents" / name).read_bytes()
    return {"filename": name, "content": content, "mime_type": "application/pdf"}


def answer(response: httpx.Response) -> Any:
    """Return the body of an answer that is no error."""
    if response.is_error:
        sys.exit(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
    return response.json()


def check(holds: bool, claim: str) -> None:
    """Go on only if something is as it should be."""
    if not holds:
        sys.exit(f"Not so: {claim}.")


if __name__ == "__main__":
    main()
