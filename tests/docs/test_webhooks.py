"""docs/webhooks.md shows every event as it is sent, and its check of signatures takes what we sign and nothing else."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance import serving
from tests.fakes.webhook_receiver import Receiver, receiving

from assay import db, monitoring, outbox
from assay.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
SHOWN: Mapping[str, Any] = {
    name: json.loads(example) for name, example in re.findall(r"### `(\S+)`\n.*?```json\n(.*?)```", PAGE, re.DOTALL)
}
ALL = (*outbox.EVENTS, "webhook.test")
WRONG, RIGHT = "{{ input.n | plus: 1 }}", "{{ input.n | times: 2 }}"
EVALUATORS = "evaluators:\n  - {name: same, type: exact-diff}\n"


@dataclass(frozen=True)
class Heard:
    """What came to the endpoint, and the secret that it was signed with."""

    secret: str
    receiver: Receiver

    def first(self, event: str) -> Any:
        return self.receiver.events(event)[0]


@pytest.fixture(scope="module")
def heard(database: db.Database, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        database_url=database.dsn,
        max_wait_seconds=20,
        worker_grace_seconds=0.1,
    )
    with serving.serving(settings) as served, served.http() as http, receiving() as receiver:
        assert http.patch("/outgoing", json={"allow": [receiver.host]}).status_code == 200
        made = http.post("/webhooks", json={"url": f"http://{receiver.host}/hook"}).json()
        live_through_it_all(served, http)
        http.post(f"/webhooks/{made['id']}/test")
        receiver.until(lambda: all(receiver.events(one) for one in ALL))
    return Heard(made["secret"], receiver)


def live_through_it_all(served: serving.Served, http: httpx.Client) -> None:
    """Let everything happen once that an endpoint can be told of."""
    automation = push(http, "1.0.0", WRONG)
    http.put(f"/automations/{automation}/evaluators", json={"yaml": EVALUATORS})
    http.put(f"/automations/{automation}/sampling", json={"rate": 0, "reason": "Few runs."})
    run, other = start(http, automation), start(http, automation)
    http.patch(f"/runs/{run}/feedback", json={"rating": "fail", "expected": {"answer": 10}})
    http.post(f"/runs/{run}/promote", json={"name": "five"})
    http.post(f"/automations/{automation}/alerts", json={"metric": "open_debt_age", "name": "Debt"})
    served.do(lambda server: monitoring.watch(server.database))
    for version, formula in (("1.1.0", RIGHT), ("1.2.0", WRONG)):
        push(http, version, formula)
        begun = http.post(f"/automations/{automation}/experiments", json={"version": version}).json()
        assert http.get(f"/automations/{automation}/experiments/{begun['id']}/stream").status_code == 200
    body = {"status": "resolved", "override": {"reason": "Mended at the source."}}
    assert http.patch(f"/runs/{run}/feedback", json=body).status_code == 200
    served.do(lambda server: monitoring.watch(server.database))
    http.patch(f"/runs/{other}/feedback", json={"rating": "pass"})
    http.delete(f"/runs/{other}/feedback")


def push(http: httpx.Client, version: str, formula: str) -> str:
    more: dict[str, Any] = {} if version == "1.0.0" else {"version": version}
    steps = [serving.set_step(answer=formula)]
    output = {"answer": "{{ steps.set.output.answer }}"}
    inputs = [{"name": "n", "type": "number"}]
    return serving.push(http, "told-of", steps, inputs=inputs, output=output, **more)["automation"]["id"]


def start(http: httpx.Client, automation: str) -> str:
    body = {"target": automation, "input": {"n": 5}}
    return http.post("/runs", json=body, params={"wait_for_completion": 20}).json()["id"]


def test_every_event_is_shown_and_no_other() -> None:
    assert SHOWN.keys() == set(ALL)


@pytest.mark.parametrize("event", ALL)
def test_an_event_is_shown_as_it_is_sent(heard: Heard, event: str) -> None:
    assert shape(SHOWN[event]) == shape(heard.first(event))


def shape(value: Any) -> Any:
    """Names and kinds; what may be null is no kind, and what a dictionary is about (scores, features) no name."""
    if isinstance(value, dict):
        return {name: {} if name == "scores" else shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_check_of_the_page_takes_what_is_signed_and_nothing_else(heard: Heard) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in source.splitlines() if line.strip() and "import" not in line]) <= 10
    names: dict[str, Any] = {}
    exec(source, names)
    verified = names["verified"]
    headers, body = heard.receiver.sent[0]
    assert verified(heard.secret, headers, body) == json.loads(body)
    changed = {**headers, "webhook-id": "whev_other"}
    later = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 3600)}
    for bad in ((heard.secret, headers, body + b" "), (heard.secret, changed, body), (heard.secret, later, body)):
        assert verified(*bad) is None
    rotated = {**headers, "webhook-signature": f"v1,bm9uZQ== {headers['webhook-signature']}"}
    assert verified(heard.secret, rotated, body) is not None
