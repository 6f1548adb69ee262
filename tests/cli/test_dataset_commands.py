"""`assay workflow dataset` and `assay workflow evaluators`: what the pages of an automation do, from a terminal."""

from pathlib import Path

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

EXAMPLE = {
    "id": "evx_1",
    "automationId": "wf_1",
    "name": "first",
    "input": {"n": 1},
    "expected": None,
    "inputFiles": [{"name": "a.pdf", "contentType": "application/pdf", "size": 3, "referenced": True}],
    "expectedFiles": [],
    "metadata": None,
    "annotation": None,
    "rowOrder": None,
    "overrides": None,
    "latestRunId": None,
    "promotedRunId": None,
    "createdAt": "2026-01-02T03:04:05Z",
    "updatedAt": None,
}
RESULT = {
    "evaluatorName": "same",
    "evaluatorType": "exact-diff",
    "score": 0.5,
    "passed": False,
    "label": None,
    "weight": 1,
    "error": None,
}


def test_what_a_miss_rests_on_is_changed_for_a_reason(assay: Assay, script: Script):
    script.will_answer(Answer(200, EXAMPLE))
    done = assay("workflow dataset example update contracts first", "--expected-json", '{"n": 2}', "--override typo")
    assert (done.code, done.out) == (0, "evx_1\tfirst\n")
    assert script.received[0].path == "/api/v1/automations/workflows.contracts/examples/first?overrideReason=typo"
    assert script.received[0].json == {"expected": {"n": 2}}


def test_an_example_whose_files_did_not_arrive_is_named(assay: Assay, script: Script, tmp_path: Path):
    (tmp_path / "a.pdf").write_bytes(b"a")
    script.will_answer(Answer(201, EXAMPLE), Answer(413, {"issues": [], "requestId": "req_1"}))
    done = assay(f"workflow dataset example create contracts --name first --attach doc={tmp_path}/a.pdf")
    assert done.code == 1
    assert "assay workflow dataset example files add wf_1 first" in done.err


def test_everything_that_an_example_holds_can_be_said(assay: Assay, script: Script):
    script.will_answer(Answer(201, EXAMPLE))
    assay(
        "workflow dataset example create contracts --name first --row-order 3 --annotation rare",
        *("--input-json", '{"n": 1}', "--metadata-json", '{"source": "mail"}', "--overrides-json", '{"steps": {}}'),
    )
    assert script.received[0].json == {
        "name": "first",
        "rowOrder": 3,
        "annotation": "rare",
        "input": {"n": 1},
        "metadata": {"source": "mail"},
        "overrides": {"steps": {}},
    }


def test_examples_are_searched_and_their_past_is_listed_and_shown(assay: Assay, script: Script):
    past = {"id": "exv_1", "name": "first", "fromRevision": 1, "toRevision": 2, "action": "example.created"}
    version = {
        **past,
        "gradedHash": "f" * 64,
        "createdBy": "user_1",
        "email": "ada@example.org",
        "createdAt": "2026-01-02T03:04:05Z",
    }
    script.will_answer(
        Answer(200, {"data": [], "total": 0}), Answer(200, {"data": [version], "total": 1}), Answer(200, EXAMPLE)
    )
    assay("workflow dataset list contracts --search rare")
    listed = assay("workflow dataset example history contracts first")
    assert listed.out.split("\t")[:4] == ["exv_1", "first", "1", "example.created"]
    assert "evx_1" in assay("workflow dataset example get contracts first --version exv_1").out
    assert [one.path.removeprefix("/api/v1/automations/workflows.contracts/examples") for one in script.received] == [
        "?search=rare&limit=100&offset=0",
        "/first/versions?limit=50&offset=0",
        "/first/versions/exv_1",
    ]


def test_files_of_an_example_are_listed_sent_renamed_fetched_and_deleted(assay: Assay, script: Script, tmp_path: Path):
    (tmp_path / "b.txt").write_bytes(b"abc")
    script.will_answer(
        Answer(200, EXAMPLE),
        Answer(201, {"uploaded": ["b.txt"]}),
        Answer(200, {"ok": True, "path": "c.txt"}),
        Answer(200, b"abc"),
        Answer(200, {"deleted": True}),
    )
    files = "workflow dataset example files"
    assert assay(f"{files} list contracts first").out == "input/a.pdf\tapplication/pdf\t3\ttrue\n"
    assert assay(f"{files} add contracts first {tmp_path}/b.txt --folder expected").out == "expected/b.txt\n"
    assert assay(f"{files} rename contracts first b.txt c.txt --folder expected").out == "expected/c.txt\n"
    assay(f"{files} get contracts first c.txt --folder expected --out {tmp_path}/fetched")
    assert (tmp_path / "fetched").read_bytes() == b"abc"
    assert assay(f"{files} delete contracts first c.txt --folder expected --override wrong --yes").code == 0
    assert script.received[-1].path.endswith("/examples/first/expected/c.txt?overrideReason=wrong")


def test_a_whole_dataset_is_replaced_for_a_reason(assay: Assay, script: Script, tmp_path: Path):
    (tmp_path / "examples/first").mkdir(parents=True)
    (tmp_path / "examples/first/input.json").write_text("{}")
    script.will_answer(
        Answer(200, {"data": [], "total": 1}), Answer(200, {"mode": "replace", "created": 1, "expectedSet": 1})
    )
    done = assay(f"workflow dataset push contracts --file {tmp_path} --mode replace --override graded-wrong --yes")
    assert done.code == 0, done.err
    assert script.received[1].path.endswith("/dataset/import?overrideReason=graded-wrong")


def test_revisions_are_listed(assay: Assay, script: Script):
    one = {
        "number": 4,
        "action": "dataset.imported",
        "examples": 9,
        "withExpected": 8,
        "createdBy": "user_1",
        "email": "ada@example.org",
    }
    script.will_answer(Answer(200, {"data": [{**one, "createdAt": "2026-01-02T03:04:05Z"}], "total": 5}))
    done = assay("workflow dataset revisions contracts --limit 1")
    assert done.out == "4\tdataset.imported\t9\t8\t2026-01-02T03:04:05Z\tada@example.org\n"
    assert "4 more" in done.err


@pytest.mark.parametrize(("passed", "outcome", "code"), [(True, "pass", 0), (False, "fail", 1), (None, "error", 3)])
def test_a_trial_exits_as_its_verdict_says(
    assay: Assay, script: Script, tmp_path: Path, passed: bool | None, outcome: str, code: int
):
    (tmp_path / "evaluators.yaml").write_text("evaluators: []")
    found = {"outcome": outcome, "passed": passed, "reason": None, "runId": "exec_1", "results": [RESULT]}
    script.will_answer(Answer(200, found))
    done = assay(f"workflow evaluators try contracts first --file {tmp_path}/evaluators.yaml")
    assert (done.code, done.out) == (code, "same\texact-diff\t0.5\tfalse\t\t1\t\n")
    assert script.received[0].json == {"example": "first", "yaml": "evaluators: []"}


def test_earlier_evaluators_are_listed_and_printed_again(assay: Assay, script: Script):
    one = {"id": "evs_1", "number": 1, "contentHash": "a" * 64, "createdBy": "user_1", "email": "ada@example.org"}
    past = {**one, "createdAt": "2026-01-02T03:04:05Z"}
    script.will_answer(Answer(200, {"data": [past], "total": 1}), Answer(200, {**past, "yaml": "evaluators: []\n"}))
    assert assay("workflow evaluators history contracts").out.startswith("evs_1\t1\t")
    assert assay("workflow evaluators pull contracts --past evs_1").out == "evaluators: []\n"
    assert script.received[1].path == "/api/v1/automations/workflows.contracts/evaluators/history/evs_1"
