import io
from typing import Any

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

LOCAL: dict[str, Any] = {
    "id": "prov_1",
    "name": "local",
    "kind": "openai",
    "baseUrl": "http://127.0.0.1:11434/v1",
    "models": [{"name": "tiny", "contextTokens": 128000}, {"name": "large", "contextTokens": 128000}],
    "isDefault": True,
    "keySource": "variable",
    "keyVariable": "LOCAL_API_KEY",
}


def test_what_is_said_is_what_is_sent(assay: Assay, script: Script) -> None:
    script.will_answer(Answer(201, LOCAL))
    done = assay(
        "providers add --name local --model tiny --model large --url http://127.0.0.1:11434/v1 --default "
        "--key-variable LOCAL_API_KEY --price tiny=0.15/0.6 --option maxConcurrency=2 --option sendTemperature=false "
        "--option structuredOutput=json_object"
    )
    assert (done.code, done.out) == (0, "prov_1\n")
    assert script.received[0].json == {
        "name": "local",
        "models": ["tiny", "large"],
        "kind": "openai",
        "baseUrl": "http://127.0.0.1:11434/v1",
        "keyVariable": "LOCAL_API_KEY",
        "isDefault": True,
        "prices": {"tiny": {"input": 0.15, "output": 0.6}},
        "options": {"maxConcurrency": 2, "sendTemperature": False, "structuredOutput": "json_object"},
    }


def test_a_key_comes_from_standard_input(assay: Assay, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-secret\n"))
    script.will_answer(Answer(201, LOCAL))
    done = assay("providers add --name local --model tiny --key-stdin")
    assert script.received[0].json["key"] == "sk-secret"
    assert "sk-secret" not in done.out + done.err


@pytest.mark.parametrize("wrong", ["--price tiny", "--price tiny=a/b", "--option concurrency"])
def test_options_that_are_malformed_exit_with_2(assay: Assay, script: Script, wrong: str) -> None:
    assert assay(f"providers add --name local --model tiny {wrong}").code == 2
    assert not script.received


def test_the_list_shows_where_keys_come_from(assay: Assay, script: Script) -> None:
    script.will_answer(Answer(200, {"data": [LOCAL], "total": 1}))
    line = assay("providers list").out.rstrip("\n").split("\t")
    assert line == ["local", "true", "openai", LOCAL["baseUrl"], "LOCAL_API_KEY", "tiny, large", "prov_1"]


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("form", ["", " --json"])
def test_a_gate_can_stand_on_a_trial(assay: Assay, script: Script, form: str, ok: bool, code: int) -> None:
    error = None if ok else {"code": "provider_unavailable", "message": "It is away.", "hint": None}
    script.will_answer(Answer(200, {"ok": ok, "provider": "local", "model": "tiny", "durationMs": 5, "error": error}))
    done = assay(f"providers test local --model tiny{form}")
    assert done.code == code
    assert script.received[0].path == "/api/v1/providers/local/test"
    assert ("It is away." in done.out + done.err) is not ok


def test_removing_asks_first(assay: Assay, script: Script) -> None:
    assert assay("providers remove local").code == 2
    script.will_answer(Answer(200, {**LOCAL, "deleted": True}))
    assert assay("providers remove local --yes").code == 0
    assert (script.received[0].method, script.received[0].path) == ("DELETE", "/api/v1/providers/local")
