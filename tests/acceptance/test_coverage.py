"""How far a dataset stands for live runs, over HTTP and on the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import httpx
from tests.acceptance import serving
from tests.datasets.conftest import packed

Json = Any
LETTER = (
    "Dear customer, thank you for your order. Please find attached the invoice for the work that was done in March, "
    "and be so kind as to pay the amount by the end of the month. We are looking forward to hearing from you soon."
)
BRIEF = (
    "Sehr geehrte Damen und Herren, vielen Dank für Ihren Auftrag. Wir erlauben uns, Ihnen die folgenden Leistungen in "
    "Rechnung zu stellen, und bitten Sie, den Betrag bis zum Ende des Monats auf unser Konto zu überweisen."
)
TEXT = [{"name": "text", "type": "string", "required": False}]


class Team:
    """Somebody with a workflow of one step, a dataset, and callers."""

    def __init__(self, http: httpx.Client, name: str) -> None:
        self.http = http
        self.path = f"/automations/workflows.{name}"
        self.name = name
        serving.push(http, name, [serving.set_step(a=1)], inputs=TEXT)

    def examples(self, **texts: str) -> None:
        content = {f"examples/{name}/input.json": {"text": text} for name, text in texts.items()}
        answer = self.http.post(f"{self.path}/dataset/import", files={"file": ("d.zip", packed(content))})
        assert answer.status_code == 200, answer.text

    def experiment(self) -> None:
        answer = self.http.post(f"{self.path}/experiments/stream", json={})
        assert json.loads(answer.text.strip().splitlines()[-1])["type"] == "experiment_completed"

    def live(self, text: str, *, source: str | None = None) -> str:
        body = {"target": f"workflows.{self.name}", "input": {"text": text}}
        body |= {"metadata": {"source": source}} if source else {}
        return self.http.post("/runs", json=body, params={"wait_for_completion": 20}).json()["id"]

    def coverage(self, **query: Json) -> Mapping[str, Json]:
        answer = self.http.get(f"{self.path}/dataset/coverage", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_runs_like_an_example_are_covered_and_the_others_are_named(http: httpx.Client):
    team = Team(http, "letters")
    team.examples(english=LETTER)
    team.experiment()
    for _ in range(3):
        team.live(LETTER)
    other = [team.live(BRIEF) for _ in range(7)]

    found = team.coverage()
    assert (found["runs"], found["covered"], found["share"]) == (10, 3, 0.3)
    assert found["interval"]["lower"] < 0.3 < found["interval"]["upper"]
    assert found["uncovered"] == [
        {
            "features": {
                "type": "application/json",
                "size": "< 10 kB",
                "pages": None,
                "language": "de",
                "source": "api",
            },
            "runs": 7,
            "runIds": other[:1:-1],
        }
    ]
    (group,) = found["examples"]
    assert (group["names"], group["features"]["language"], group["features"]["source"]) == (["english"], "en", None)
    assert found["neverRun"] == []
    assert found["complete"]


def test_an_example_that_never_ran_covers_nothing_and_is_named(http: httpx.Client):
    team = Team(http, "untried")
    team.examples(one=LETTER, two=LETTER)
    team.live(LETTER)

    found = team.coverage()
    assert (found["covered"], found["neverRun"]) == (0, ["one", "two"])
    team.experiment()
    assert team.coverage()["covered"] == 1


def test_where_an_example_names_its_source_only_runs_from_there_are_like_it(http: httpx.Client):
    team = Team(http, "sources")
    team.examples(mailed=LETTER)
    http.patch(f"{team.path}/examples/mailed", json={"metadata": {"source": "mail"}})
    team.experiment()
    team.live(LETTER, source="mail")
    team.live(LETTER, source="upload")

    found = team.coverage()
    assert found["covered"] == 1
    assert [group["features"]["source"] for group in found["uncovered"]] == ["upload"]


def test_only_the_period_that_is_asked_for_counts(http: httpx.Client):
    team = Team(http, "periods")
    team.live(LETTER)

    assert team.coverage(to="1h")["share"] is None
    assert team.coverage(**{"from": "1h"})["runs"] == 1
    assert not team.coverage(limit=1)["complete"]


def test_what_cannot_be_asked_is_refused(http: httpx.Client):
    team = Team(http, "refusing")

    for query in ({"limit": 0}, {"limit": 100_001}, {"from": "yesterday"}, {"since": "1h"}):
        assert http.get(f"{team.path}/dataset/coverage", params=query).status_code == 400


def test_without_runs_or_examples_there_is_nothing_to_say(http: httpx.Client):
    found = Team(http, "empty").coverage()

    assert (found["runs"], found["share"], found["interval"]) == (0, None, None)
    assert (found["uncovered"], found["examples"], found["neverRun"]) == ([], [], [])


def test_the_command_prints_a_line_for_each_uncovered_kind(http: httpx.Client, served: serving.Served):
    team = Team(http, "commanded")
    run_id = team.live(BRIEF)

    done = subprocess.run(
        [sys.executable, "-m", "assay.cli", "workflow", "dataset", "coverage", "commanded"],
        env={**os.environ, "ASSAY_BASE_URL": served.base_url, "ASSAY_API_KEY": served.key()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"application/json\t< 10 kB\t-\tde\tapi\t1\t{run_id}\n"
    assert "0.0% of 1 live run have an example like them" in done.stderr
