"""How far an automation has come: each line follows from what is there, and names what takes it further."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay import reviews
from assay.monitoring import Backlog, Call, Facts, Lifecycle, Tried, lifecycle_from

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
VERSION = reviews.CurrentVersion("wfv_1", "1.2.0", NOW - timedelta(days=20))


def advice(*, sampled: int, reviewed: int, overdue: int = 0, rate: float = 0.15) -> reviews.Advice:
    waiting = sampled - reviewed
    group = reviews.DrawnGroup(
        "", sampled, sampled / 0.15, 1.0, reviewed, 0, 0, reviewed / 0.15, 0.0, reviewed, waiting, overdue, None
    )
    groups = [group] if sampled else []
    evidence = reviews.Evidence("live", VERSION, groups, sampled > 0 or rate == 0, None, NOW)
    return reviews.advice_from(reviews.SamplingPolicy(rate=rate), evidence)


TRUSTED = Facts(
    version="1.2.0",
    tried=Tried(examples=40, passed=40, failed=0, broken=0),
    gate="passed",
    gate_missing=None,
    api_on=True,
    last_call=Call("live", NOW - timedelta(hours=3)),
    ended_calls=1200,
    failed_calls=3,
    advice=advice(sampled=30, reviewed=30),
    open_reviews=Backlog(0, None),
    alerts=1,
)


def found(**changes: Any) -> Lifecycle:
    return lifecycle_from(replace(TRUSTED, **changes), NOW)


def stage(key: str, **changes: Any) -> tuple[bool, str, str | None]:
    return next((one.done, one.evidence, one.action) for one in found(**changes).stages if one.key == key)


def check(key: str, **changes: Any) -> tuple[bool, str, str | None]:
    return next((one.done, one.evidence, one.action) for one in found(**changes).checks if one.key == key)


def test_what_has_passed_every_stage_has_none_next_and_may_ship() -> None:
    assert found().next_stage is None
    assert found().may_ship


def test_the_next_stage_is_the_first_that_is_not_done() -> None:
    waiting = found(api_on=False, open_reviews=Backlog(2, NOW)).next_stage
    assert waiting is not None
    assert waiting.key == "api_trigger"


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"version": None, "tried": Tried(0, 0, 0, 0), "gate": None}, "push_version"),
        ({"tried": Tried(0, 0, 0, 0), "gate": None}, "add_examples"),
        ({"tried": Tried(10, 4, 0, 0), "gate": None}, "run_experiment"),
        ({"tried": Tried(10, 9, 1, 0), "gate": None}, "see_experiments"),
        ({"tried": Tried(40, 38, 0, 0), "gate": "cannot_tell"}, "run_experiment"),
        ({"tried": Tried(9, 9, 0, 0), "gate": "cannot_tell", "gate_missing": "It takes 29."}, "add_examples"),
    ],
)
def test_an_evaluation_that_has_not_passed_names_what_to_do(changes: dict[str, Any], action: str) -> None:
    done, _, named = stage("passing_experiment", **changes)
    assert (done, named) == (False, action)


def test_a_gate_decides_whether_the_evaluation_has_passed() -> None:
    done, evidence, _ = stage("passing_experiment", tried=Tried(10, 9, 1, 0))
    assert done
    assert evidence == "Version 1.2.0 passes 9 of 10 examples: 1 failed. Its gate has passed."


def test_without_a_gate_every_example_must_have_passed() -> None:
    assert stage("passing_experiment", gate=None)[0]
    assert not stage("passing_experiment", gate=None, tried=Tried(40, 39, 0, 1))[0]


def test_shadow_traffic_counts_and_is_called_so() -> None:
    done, evidence, _ = stage("traffic", last_call=Call("shadow", NOW - timedelta(days=4)))
    assert done
    assert "4 days ago, in shadow" in evidence


def test_no_call_of_an_application_is_no_traffic() -> None:
    assert stage("traffic", last_call=None, ended_calls=0)[::2] == (False, "call_api")
    assert check("run_lifecycle", last_call=None, ended_calls=0)[0] is False


def test_many_failing_calls_stand_against_shipping() -> None:
    assert check("run_lifecycle", failed_calls=400)[::2] == (False, "see_runs")


def test_a_sample_that_waits_too_long_is_not_reviewed() -> None:
    assert stage("sample_reviewed", advice=advice(sampled=30, reviewed=0))[::2] == (False, "review")
    assert stage("sample_reviewed", advice=advice(sampled=30, reviewed=20, overdue=2))[::2] == (False, "review")
    assert stage("sample_reviewed", advice=advice(sampled=30, reviewed=20))[::2] == (True, "review")


def test_runs_of_which_none_is_drawn_are_unmeasured() -> None:
    done, evidence, action = stage("sample_reviewed", advice=advice(sampled=0, reviewed=0, rate=0.0))
    assert (done, action) == (False, "set_sampling")
    assert "not measured" in evidence


def test_open_reviews_keep_the_loop_open() -> None:
    done, evidence, action = stage("reviews_closed", open_reviews=Backlog(3, NOW, regressed=1))
    assert (done, action) == (False, "close_reviews")
    assert evidence.startswith("3 reviews are open, 1 of them came back")


def test_nothing_reviewed_closes_no_loop() -> None:
    assert not stage("reviews_closed", advice=advice(sampled=0, reviewed=0))[0]


def test_a_small_dataset_says_how_little_it_can_show() -> None:
    done, evidence, _ = check("dataset", tried=Tried(10, 10, 0, 0))
    assert not done
    assert "10 examples: if all pass, a pass rate above 74 % is shown" in evidence


def test_what_is_missing_before_shipping_is_named() -> None:
    facts = found(gate=None, alerts=0, open_reviews=Backlog(1, NOW))
    assert [(one.key, one.action) for one in facts.checks if not one.done] == [
        ("gate", "set_gate"),
        ("reviews", "close_reviews"),
        ("alert", "add_alert"),
    ]
    assert not facts.may_ship
