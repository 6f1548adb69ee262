from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

LIST = {"data": [{"host": "erp.lan:8080", "createdBy": "user_1", "createdAt": "2026-01-02T03:04:05Z"}], "total": 1}


def test_hosts_are_allowed_and_refused_in_one_call_each(assay: Assay, script: Script) -> None:
    script.will_answer(Answer(200, LIST), Answer(200, {"data": [], "total": 0}))
    assert assay("outgoing allow erp.lan:8080 *.corp").out.split("\t")[0] == "erp.lan:8080"
    assert assay("outgoing refuse erp.lan:8080").code == 0
    assert [(asked.method, asked.json) for asked in script.received] == [
        ("PATCH", {"allow": ["erp.lan:8080", "*.corp"], "refuse": []}),
        ("PATCH", {"allow": [], "refuse": ["erp.lan:8080"]}),
    ]


def test_an_empty_list_says_how_it_is_filled(assay: Assay, script: Script) -> None:
    script.will_answer(Answer(200, {"data": [], "total": 0}))
    done = assay("outgoing list")
    assert (done.code, done.out) == (0, "")
    assert "assay outgoing allow" in done.err
