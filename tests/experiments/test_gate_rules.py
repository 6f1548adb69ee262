"""What a gate says of a version: passed, failed, or that it cannot tell, and what is missing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import statistics
from assay.experiments.comparing import ExampleResult
from assay.experiments.gate_rules import (
    GateDecision,
    GatePolicy,
    GradedExample,
    InvalidGatePolicyError,
    decide,
    decision_json,
    policy_json,
    read_policy,
)
from assay.experiments.verdicts import Verdict

VERDICTS: dict[str, Verdict] = {"+": "pass", "-": "fail", "!": "error", "?": "ungraded", "x": "cancelled"}


def dataset(size: int, promoted: Sequence[int] = ()) -> list[GradedExample]:
    return [GradedExample(f"evx_{place}", f"e{place}", f"hash {place}", place in promoted) for place in range(size)]


def results(marks: str) -> list[ExampleResult]:
    """Results of examples 0, 1, …: + - ! ? x, and `o` for one that was run as it was graded before, `.` for none."""
    return [
        ExampleResult(
            f"evx_{place}",
            f"e{place}",
            "before" if mark == "o" else f"hash {place}",
            VERDICTS.get(mark, "pass"),
            None,
            {},
            0,
            0,
            0,
        )
        for place, mark in enumerate(marks)
        if mark != "."
    ]


def gate(policy: dict[str, Any], marks: str, current: str | None = None, promoted: Sequence[int] = ()) -> GateDecision:
    return decide(
        read_policy(policy),
        results(marks),
        None if current is None else results(current),
        dataset(len(marks), promoted),
    )


def codes(decision: GateDecision) -> list[str]:
    return [found.code for found in decision.missing]


# Policies.


def test_an_empty_policy_asks_that_all_examples_ran_and_promoted_ones_pass() -> None:
    assert policy_json(read_policy({})) == {
        "mustPass": "promoted",
        "minPassRate": None,
        "nonInferiorityMargin": None,
        "minExamples": 1,
        "allowFlaky": False,
    }


def test_an_example_that_failed_once_has_failed_unless_the_policy_allows_it() -> None:
    example = GradedExample("evx_1", "a", "hash")
    flaky = ExampleResult("evx_1", "a", "hash", "pass", 0.5, {}, passes=1, fails=1, errors=0)
    strict = decide(read_policy({"mustPass": "all"}), [flaky], None, [example])
    assert (strict.status, [found.code for found in strict.missing]) == ("failed", ["must_pass_failed"])
    assert decide(read_policy({"mustPass": "all", "allowFlaky": True}), [flaky], None, [example]).status == "passed"


def test_a_policy_is_read_as_it_was_written() -> None:
    policy: Any = {"mustPass": ["a", "b"], "minPassRate": 0.9, "nonInferiorityMargin": 0.05}
    policy |= {"minExamples": 40, "allowFlaky": True}
    assert policy_json(read_policy(policy)) == policy
    assert read_policy(policy_json(read_policy({"mustPass": "all"}))) == GatePolicy(must_pass="all")


def test_all_that_is_wrong_with_a_policy_is_said_at_once() -> None:
    with pytest.raises(InvalidGatePolicyError) as caught:
        read_policy({"mustPass": "some", "minPassRate": 1, "minExamples": 2.5, "minPasRate": 0.9, "must_pass": "all"})
    assert {(issue.field, issue.code) for issue in caught.value.issues} == {
        ("mustPass", "invalid_value"),
        ("minPassRate", "invalid_value"),
        ("minExamples", "invalid_value"),
        ("minPasRate", "unknown_key"),
        ("must_pass", "unknown_key"),
    }
    assert "mustPass: all" in next(issue.message for issue in caught.value.issues if issue.field == "minPassRate")


@pytest.mark.parametrize(
    "policy",
    [
        None,
        [],
        "promoted",
        {"mustPass": ["a", "a"]},
        {"mustPass": [1]},
        {"mustPass": [""]},
        {"mustPass": ["a"] * 1001},
        {"minPassRate": True},
        {"minPassRate": "0.9"},
        {"minPassRate": float("nan")},
        {"nonInferiorityMargin": 0},
        {"minExamples": 0},
        {"minExamples": True},
    ],
)
def test_nonsense_is_no_policy(policy: Any) -> None:
    with pytest.raises(InvalidGatePolicyError):
        read_policy(policy)


# Decisions.


def test_without_a_policy_everything_passes() -> None:
    decision = decide(None, results("---"), None, dataset(3))
    assert (decision.status, decision.no_policy, decision.missing) == ("passed", True, ())


@pytest.mark.parametrize(
    ("policy", "marks", "status", "expected"),
    [
        ({}, "+++", "passed", []),
        ({}, "++-", "passed", []),
        ({}, "", "cannot_tell", ["no_examples"]),
        ({}, "++.", "cannot_tell", ["examples_not_run"]),
        ({}, "++o", "cannot_tell", ["examples_not_run"]),
        ({}, "++x", "cannot_tell", ["examples_not_run"]),
        ({}, "++!", "cannot_tell", ["examples_with_errors"]),
        ({}, "++?", "cannot_tell", ["examples_ungraded"]),
        ({"mustPass": "all"}, "+++", "passed", []),
        ({"mustPass": "all"}, "++-", "failed", ["must_pass_failed"]),
        ({"mustPass": "all"}, "+.-", "failed", ["must_pass_failed", "examples_not_run"]),
        ({"mustPass": "all"}, "++!", "cannot_tell", ["examples_with_errors"]),
        ({"mustPass": ["e0", "e2"]}, "+-+", "passed", []),
        ({"mustPass": ["e0", "e1"]}, "+-+", "failed", ["must_pass_failed"]),
        ({"mustPass": ["e0", "e9"]}, "+++", "cannot_tell", ["must_pass_unknown"]),
        ({"minExamples": 3}, "+-+", "passed", []),
        ({"minExamples": 4}, "+-+", "cannot_tell", ["too_few_examples"]),
        ({"minExamples": 3}, "+!+", "cannot_tell", ["too_few_examples", "examples_with_errors"]),
        ({"minPassRate": 0.9}, "+" * 29, "passed", []),
        ({"minPassRate": 0.9}, "+" * 28, "cannot_tell", ["pass_rate_not_shown"]),
        ({"minPassRate": 0.9}, "+" * 26 + "---", "failed", ["pass_rate_too_low"]),
        ({"minPassRate": 0.9}, "+" * 26 + "---!", "cannot_tell", ["pass_rate_not_shown", "examples_with_errors"]),
        ({"minPassRate": 0.9}, "+" * 40 + "-" * 2, "cannot_tell", ["pass_rate_not_shown"]),
        ({"minPassRate": 0.9}, "+" * 98 + "-" * 2, "passed", []),
        ({"minPassRate": 0.9}, "-" * 10 + "." * 20, "failed", ["pass_rate_too_low", "examples_not_run"]),
    ],
)
def test_a_gate_says_passed_failed_or_cannot_tell(
    policy: dict[str, Any], marks: str, status: str, expected: list[str]
) -> None:
    decision = gate(policy, marks)
    assert (decision.status, codes(decision)) == (status, expected)


def test_promoted_examples_must_pass_by_default() -> None:
    assert gate({}, "+-+", promoted=[0]).status == "passed"
    decision = gate({}, "+-+", promoted=[0, 1])
    assert decision.status == "failed"
    assert [example.name for example in decision.missing[0].examples] == ["e1"]
    assert decision.missing[0].message == "1 example must pass and does not: e1."


def test_what_is_still_to_run_is_listed() -> None:
    decision = gate({}, "+-!?xo.")
    assert [example.name for example in decision.examples_to_run] == ["e2", "e4", "e5", "e6"]
    assert decision.current_to_run == ()
    assert (decision.examples, decision.graded, decision.passed) == (7, 2, 1)


def test_the_newest_result_of_an_example_as_graded_now_counts() -> None:
    newest, before, oldest = results("-")[0], results("o")[0], results("+")[0]
    examples = dataset(1)
    policy = read_policy({"mustPass": "all"})
    assert decide(policy, [before, oldest, newest], None, examples).status == "passed"
    assert decide(policy, [newest, oldest], None, examples).status == "failed"
    assert decide(policy, [replace(newest, verdict="error"), oldest], None, examples).status == "cannot_tell"


def test_an_example_that_was_removed_counts_for_nothing() -> None:
    assert decide(read_policy({"mustPass": "all"}), results("++-"), None, dataset(2)).status == "passed"


# Against the current version.

MARGIN = {"nonInferiorityMargin": 0.05}


@pytest.mark.parametrize(
    ("candidate", "current", "status", "expected"),
    [
        ("+-" * 50, None, "passed", []),
        ("+" * 100, "+" * 100, "passed", []),
        ("+" * 30, "+" * 30, "cannot_tell", ["not_worse_not_shown"]),
        ("+" * 100, "+" * 80 + "-" * 20, "passed", []),
        ("+" * 98 + "-" * 2, "+" * 100, "cannot_tell", ["not_worse_not_shown"]),
        ("+" * 90 + "-" * 10, "+" * 100, "failed", ["worse_than_current"]),
        ("+" * 100, "+" * 99 + "o", "cannot_tell", ["current_version_not_run"]),
        ("+" * 100, "", "cannot_tell", ["current_version_not_run"]),
        ("+" * 10 + "-" * 5 + "." * 85, "+" * 100, "cannot_tell", ["examples_not_run"]),
        ("+" * 90 + "!" * 10, "+" * 100, "cannot_tell", ["examples_with_errors"]),
    ],
)
def test_a_version_must_be_shown_not_to_be_worse_than_the_current_one(
    candidate: str, current: str | None, status: str, expected: list[str]
) -> None:
    decision = gate(MARGIN, candidate, current)
    assert (decision.status, codes(decision)) == (status, expected)


def test_the_bounds_that_were_held_against_the_policy_are_told() -> None:
    decision = gate({**MARGIN, "minPassRate": 0.5}, "+" * 90 + "-" * 10, "+" * 88 + "-" * 2 + "+" * 10)
    assert decision.lower_bound == statistics.rate_at_least(90, 100)
    assert decision.difference_bound == statistics.difference_at_least(10, 2, 100)
    assert gate({}, "+").difference_bound is None


def test_which_examples_the_current_version_lacks_is_listed() -> None:
    assert [example.name for example in gate(MARGIN, "+++++", "+o!?x").current_to_run] == ["e1", "e2", "e4"]


# All together.


def test_a_decision_is_written_with_ids_and_words() -> None:
    form: Any = decision_json(gate({"mustPass": "all"}, "+-."))
    assert form["status"] == "failed"
    assert form["missing"][0] == {
        "code": "must_pass_failed",
        "message": "1 example must pass and does not: e1.",
        "status": "failed",
        "exampleIds": ["evx_1"],
        "examples": ["e1"],
    }
    assert form["examplesToRun"] == [{"id": "evx_2", "name": "e2"}]
    assert (form["examples"], form["graded"], form["passed"], form["noPolicy"]) == (3, 2, 1, False)


POLICIES = st.builds(
    GatePolicy,
    must_pass=st.sampled_from(["all", "promoted", ("e0", "e1")]),
    min_pass_rate=st.none() | st.floats(0.1, 0.99),
    non_inferiority_margin=st.none() | st.floats(0.01, 0.3),
    min_examples=st.integers(1, 20),
)


@given(POLICIES, st.text("+-!?xo.", min_size=2, max_size=30), st.text("+-!o.", max_size=30))
def test_infrastructure_never_fails_a_version_and_never_lets_it_pass(
    policy: GatePolicy, marks: str, current: str
) -> None:
    examples = dataset(len(marks), promoted=[0])
    decision = decide(policy, results(marks), results(current), examples)
    if set(marks) - {"+", "-"}:
        assert decision.status != "passed"
    if "-" not in marks:
        assert decision.status != "failed"
    if decision.status != "passed":
        assert decision.missing
    best = decide(policy, results("+" * len(marks)), results(current), examples)
    assert best.status != "failed"
