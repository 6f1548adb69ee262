"""What `test_later_client.py` lets the published client 0.20.93 do, in an environment without assay.

Its input is JSON: `{url, key, target}`. Every answer also passes the client's strict layer.
"""

import json
import sys
from typing import Any

from eigenpal import EigenpalClient, EigenpalError
from eigenpal._generated import models


def strictly(model: str, body: Any) -> Any:
    """Parse an answer strictly; what that layer knows of it must be what was sent."""
    plain = json.loads(json.dumps(body))
    written = getattr(models, model).from_dict(plain).to_dict()
    _within(written, plain, model)
    return body


def _within(part: Any, whole: Any, path: str) -> None:
    if isinstance(part, dict):
        for name, value in part.items():
            _within(value, whole[name], f"{path}.{name}")
    elif isinstance(part, list):
        for index, value in enumerate(part):
            _within(value, whole[index], f"{path}[{index}]")
    else:
        assert part == whole, path


def refused(status: int, code: str, call: Any) -> None:
    """Run a call that must be refused."""
    envelope: Any = None
    try:
        call()
    except EigenpalError as error:
        envelope = {**(error.envelope or {}), "status": error.status}
    assert envelope, f"not refused: {code}"
    assert (envelope.pop("status"), envelope["issues"][0]["code"]) == (status, code), envelope
    strictly("ApiErrorEnvelope", envelope)


def healthy(client: Any, target: str) -> None:
    """Read the health of what was reviewed."""
    health = client.automations.reviews.health(target, bucket="week", rollingWindow=10)
    counted = strictly("RunReviewHealthResponse", health)["summary"]
    assert (counted["reviewedRuns"], counted["correctReviews"], counted["nitReviews"]) == (1, 1, 1)
    assert counted["confidence"]["method"] == "wilson"


def main() -> None:
    """Go through it all."""
    given = json.load(sys.stdin)
    client: Any = EigenpalClient(api_key=given["key"], base_url=given["url"], timeout_seconds=30)
    reviews = client.runs.reviews

    document = {"filename": "a.txt", "content": b"text", "mime_type": "text/plain"}
    run = strictly("Run", client.run(given["target"], {"document": document}, wait_for_completion=20))
    assert run["execution"]["status"] == "completed"
    assert 0 <= run["sampleRank"] < 1
    assert run["tags"] == []
    waited = client.run_and_wait(given["target"], {"name": "x"}, poll_interval_seconds=0.1)
    strictly("Run", client.runs.get(waited["id"], expand=["input", "usage", "execution"]))
    strictly("RunsListResponse", client.runs.list(limit=5))
    strictly("RunStepsResponse", client.runs.steps(waited["id"]))

    run_id = run["id"]
    assert strictly("RunReviewDetail", reviews.get(run_id)) == {"review": None}
    wrong = {
        "verdict": "incorrect",
        "note": "no VAT",
        "corrections": [
            {"kind": "field", "path": "/total", "correctedValue": 14, "note": "with VAT"},
            {"kind": "file", "path": "output/note/note.txt", "correctedArtifactPath": "note.txt"},
        ],
    }
    review = strictly("RunReviewDetail", reviews.update(run_id, wrong))["review"]
    assert (review["verdict"], review["status"], review["closedAt"]) == ("incorrect", "open", None)
    assert review["correctedOutput"] == {"total": 14}
    assert [one["kind"] for one in review["corrections"]] == ["field", "file"]
    assert review["corrections"][0]["originalValue"] == 12
    again = strictly("RunReviewDetail", reviews.update(run_id, {"verdict": "incorrect", "note": "x"}))["review"]
    assert (again["note"], again["correctedOutput"]) == ("x", {"total": 14})
    assert again["corrections"] == review["corrections"]
    assert again["reviewedByEmail"]
    refused(409, "resolution_unproven", lambda: reviews.close(run_id))
    refused(400, "invalid_value", lambda: reviews.update(run_id, {"verdict": "pass"}))

    closed = strictly("RunReviewDetail", reviews.update(run_id, {"verdict": None, "note": "a nit"}))["review"]
    assert (closed["verdict"], closed["status"]) == (None, "open")
    ignored = reviews.close(run_id, {"status": "wont_fix", "closedNote": "rare"})
    assert strictly("RunReviewDetail", ignored)["review"]["status"] == "wont_fix"
    assert ignored["review"]["closedAt"]

    right = strictly("RunReviewDetail", reviews.update(waited["id"], {"verdict": "correct"}))["review"]
    assert (right["verdict"], right["status"], bool(right["closedAt"])) == ("correct", "closed", True)
    assert reviews.close(waited["id"], {"closedNote": "fine"})["review"]["closedNote"] == "fine"

    healthy(client, given["target"])
    assert reviews.upload_expected(run_id, document, name="b/c.txt") == {"name": "b/c.txt"}
    assert reviews.copy_output_to_expected(run_id, "note.txt", expected_name="n.txt") == {"name": "n.txt"}
    listed = strictly("RunReviewExpectedArtifacts", reviews.list_expected(run_id))
    assert [file["name"] for file in listed["files"]] == ["b/c.txt", "n.txt"]
    assert reviews.download_expected(run_id, "b/c.txt") == b"text"
    assert reviews.rename_expected(run_id, "b/c.txt", "e.txt") == {"name": "e.txt"}
    reviews.delete_expected(run_id, "n.txt")
    assert [file["name"] for file in reviews.list_expected(run_id)["files"]] == ["e.txt"]
    assert strictly("RunReviewDetail", reviews.clear(run_id)) == {"review": None}
    assert reviews.list_expected(run_id)["files"] == []
    refused(404, "not_found", lambda: reviews.get("exec_nothing"))
    sys.stdout.write("all of it\n")


main()
