"""A worker killed in the middle of an experiment: every example ends exactly once, with one set of scores."""

import json
from collections import Counter
from collections.abc import Callable

from tests.crash.processes import Installation, eventually, key_of

EXAMPLES = 20
REPEATS = 6
RUNS = EXAMPLES * REPEATS
EVALUATORS = """
evaluators:
  - {name: same, type: exact-diff, config: {}}
  - {name: form, type: json-schema, config: {schema: {type: object, required: [n]}}}
"""
AUTOMATION = "/automations/workflows.effects"


async def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(install: Callable[..., Installation]) -> None:
    here = install()
    here.serve()
    here.prepare()
    assert here.request("PUT", f"{AUTOMATION}/evaluators", json={"yaml": EVALUATORS}).status_code == 200
    for n in range(EXAMPLES):
        body = {"name": f"n-{n}", "input": {"n": n, "milliseconds": 20}, "expected": {"n": n}}
        assert here.request("POST", f"{AUTOMATION}/examples", json=body).status_code == 201
    killed = here.worker()
    started = here.request("POST", f"{AUTOMATION}/experiments", json={"repeats": REPEATS}).json()

    def some_have_ended() -> bool:
        found = here.request("GET", f"{AUTOMATION}/experiments/{started['id']}").json()
        return 10 <= found["completedCount"] < started["total"]

    eventually(some_have_ended, "nothing ended, or everything before anybody could look")
    killed.kill()
    killed.wait()
    graded = await here.rows("SELECT run_id, position, created_at FROM scores")
    here.worker()
    followed = here.request("GET", f"{AUTOMATION}/experiments/{started['id']}/stream")
    events = [json.loads(line) for line in followed.text.splitlines() if line]
    ended = [event["run"]["id"] for event in events if event["type"] == "example_completed"]
    assert Counter(ended) == Counter(run["id"] for run in started["runs"])
    last = events[-1]["experiment"]
    assert (last["status"], last["passedCount"], last["completedCount"]) == ("completed", RUNS, RUNS)
    assert last["summary"]["examples"] | {"passed": EXAMPLES, "total": EXAMPLES} == last["summary"]["examples"]

    scores = await here.rows("SELECT run_id, position, created_at FROM scores")
    assert len(scores) == 2 * RUNS
    # What was judged before stays as it was: no finished run was repeated.
    assert {tuple(row) for row in graded} <= {tuple(row) for row in scores}
    runs = await here.until_finished(RUNS)
    repeated = [run for run in runs if run["delivery"] > 1]
    assert all(run["status"] == "completed" for run in runs)
    before = {row["run_id"] for row in graded}
    assert not before & {run["id"] for run in repeated}
    effects = here.effects_by_key()
    again = {key for key, moments in effects.items() if len(moments) > 1}
    assert again <= {key_of(run["id"], step) for run in repeated for step in ("first", "second")}
    results = await here.rows("SELECT example_id FROM example_results WHERE experiment_id = $1", started["id"])
    assert len({row["example_id"] for row in results}) == len(results) == EXAMPLES
