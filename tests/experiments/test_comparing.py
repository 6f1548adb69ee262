"""Two experiments side by side: rows and summary of the client, and what the difference is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import statistics
from assay.errors import InvalidValueError
from assay.experiments.comparing import Comparison, ExampleResult, Side, compare, sentence
from assay.experiments.comparison_json import comparison_json
from assay.experiments.verdicts import Verdict

VERDICTS: dict[str, Verdict] = {"+": "pass", "-": "fail", "!": "error", "?": "ungraded", "x": "cancelled"}


def result(
    name: str, verdict: Verdict = "pass", scores: Mapping[str, float | None] | None = None, **more: Any
) -> ExampleResult:
    graded = verdict in {"pass", "fail"}
    return ExampleResult(
        example_id=more.get("example_id", f"evx_{name}"),
        name=name,
        graded_hash=more.get("graded_hash", "same"),
        verdict=verdict,
        score=1.0 if verdict == "pass" else 0.0 if graded else None,
        scores={} if scores is None else scores,
        passes=int(verdict == "pass"),
        fails=int(verdict == "fail"),
        errors=int(verdict == "error"),
    )


def side(name: str, results: Sequence[ExampleResult]) -> Side:
    return Side(f"evb_{name}", results)


def outcomes(a: str, b: str, **options: Any) -> Comparison:
    """Compare two experiments given as one character an example: + - ! ? x."""
    sides = [
        side(name, [result(f"e{place:04}", VERDICTS[mark]) for place, mark in enumerate(marks)])
        for name, marks in (("a", a), ("b", b))
    ]
    return compare(sides[0], sides[1], **options)


def scored(a: Mapping[str, Mapping[str, float | None]], b: Mapping[str, Mapping[str, float | None]]) -> Comparison:
    return compare(
        side("a", [result(name, scores=scores) for name, scores in a.items()]),
        side("b", [result(name, scores=scores) for name, scores in b.items()]),
    )


# Rows and summary as the published client makes them.


def test_rows_hold_b_minus_a_for_every_evaluator_of_every_shared_example() -> None:
    comparison = scored(
        {"one": {"fields": 0.5, "judge": 0.9}, "two": {"fields": 1.0, "judge": None}, "gone": {"fields": 1.0}},
        {"two": {"fields": 0.96, "judge": 1.0}, "one": {"fields": 0.75, "new": 1.0}, "came": {"fields": 1.0}},
    )
    form: Any = comparison_json(comparison, "name")
    assert (form["batchA"], form["batchB"]) == ("evb_a", "evb_b")
    assert [
        (row["example"], row["evaluator"], row["scoreA"], row["scoreB"], row["delta"], row["status"])
        for row in form["rows"]
    ] == [
        ("one", "fields", 0.5, 0.75, 0.25, "improvement"),
        ("one", "judge", 0.9, None, None, "incomparable"),
        ("one", "new", None, 1.0, None, "incomparable"),
        ("two", "fields", 1.0, 0.96, pytest.approx(-0.04), "unchanged"),
        ("two", "judge", None, 1.0, None, "incomparable"),
    ]
    assert form["summary"] == {
        "regressions": 0,
        "improvements": 1,
        "meanDelta": pytest.approx(0.105),
        "sharedExamples": 2,
        "onlyInA": ["gone"],
        "onlyInB": ["came"],
        "regressionThreshold": 0.05,
        "byEvaluator": [
            {
                "evaluator": "fields",
                "comparable": 2,
                "meanDelta": pytest.approx(0.105),
                "regressions": 0,
                "improvements": 1,
                "unchanged": 1,
            },
            {
                "evaluator": "judge",
                "comparable": 0,
                "meanDelta": None,
                "regressions": 0,
                "improvements": 0,
                "unchanged": 0,
            },
            {
                "evaluator": "new",
                "comparable": 0,
                "meanDelta": None,
                "regressions": 0,
                "improvements": 0,
                "unchanged": 0,
            },
        ],
    }


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (1.0, 0.95, "unchanged"),
        (1.0, 0.949, "regression"),
        (0.95, 1.0, "unchanged"),
        (0.3, 0.351, "improvement"),
        (0.5, 0.5, "unchanged"),
        (None, 1.0, "incomparable"),
    ],
)
def test_a_change_of_exactly_the_threshold_is_none(before: float | None, after: float, status: str) -> None:
    [row] = scored({"one": {"fields": before}}, {"one": {"fields": after}}).rows
    assert row.status == status


def test_rows_are_sorted_as_asked_and_incomparable_ones_come_last() -> None:
    comparison = scored(
        {"a": {"x": 0.5}, "b": {"x": 0.5}, "c": {"x": 0.5}, "d": {"x": None}, "e": {"x": 0.5}},
        {"a": {"x": 0.4}, "b": {"x": 1.0}, "c": {"x": 0.1}, "d": {"x": 0.5}, "e": {"x": 0.6}},
    )

    def order(by: Any) -> str:
        rows: Any = comparison_json(comparison, by)["rows"]
        return "".join(row["example"] for row in rows)

    assert order("abs-delta-desc") == "bcaed"
    assert order("delta-asc") == "caebd"
    assert order("delta-desc") == "beacd"
    assert order("name") == "abcde"


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_from_0_to_1(threshold: float) -> None:
    with pytest.raises(InvalidValueError):
        outcomes("+", "+", threshold=threshold)


# Which examples are the same.


def test_an_example_that_was_renamed_is_still_itself_and_another_dataset_is_joined_by_name() -> None:
    comparison = compare(
        side("a", [result("old-name", example_id="evx_1"), result("invoice", example_id="evx_2")]),
        side("b", [result("new-name", example_id="evx_1"), result("invoice", example_id="evx_9")]),
    )
    assert comparison.shared == comparison.rates.pairs == 2
    assert list(comparison.only_in_a) == list(comparison.only_in_b) == []


def test_different_datasets_say_how_many_examples_they_share() -> None:
    comparison = compare(
        side("a", [result(f"e{place}") for place in range(60)]),
        side("b", [result(f"e{place}") for place in range(20, 100)]),
    )
    assert comparison.shared == 40
    assert "share 40 of 60 and 80" in sentence(comparison)


def test_nothing_shared_is_an_answer() -> None:
    comparison = compare(side("a", [result("one")]), side("b", [result("two")]))
    assert comparison.conclusion == "too_few_to_tell"
    assert sentence(comparison).startswith("Too few to tell: 0 examples were graded in both")
    assert comparison_json(comparison)["difference"] == {
        "value": None,
        "lower": None,
        "upper": None,
        "confidence": 0.95,
        "method": "score (Tango)",
    }


def test_an_edited_example_is_named_and_no_evidence() -> None:
    a = [result(f"e{place}", "pass") for place in range(40)]
    b = [*a[:39], result("e39", "fail", {"x": 0.0}, graded_hash="edited")]
    comparison = compare(side("a", a), side("b", b))
    assert [(out.example, out.reason) for out in comparison.left_out] == [("e39", "changed")]
    assert (comparison.rates.pairs, list(comparison.regressed)) == (39, [])
    included = compare(side("a", a), side("b", b), include_changed=True)
    assert (included.rates.pairs, [flip.example for flip in included.regressed]) == (40, ["e39"])


def test_errors_and_what_was_not_graded_are_counted_apart_and_never_as_quality() -> None:
    comparison = outcomes("+" * 35 + "!?x+", "+" * 35 + "--+!")
    assert comparison.rates.pairs == 35
    assert comparison.rates.flips == 0
    form: Any = comparison_json(comparison)
    assert form["leftOutCounts"] == {"changed": 0, "error": 2, "ungraded": 1, "cancelled": 1}
    assert form["passRateB"]["value"] == 1.0


def test_different_evaluators_are_pointed_out() -> None:
    assert outcomes("+", "+").notes == []
    assert "evaluators were changed" in outcomes("+", "+", same_evaluators=False).notes[0]


# What the difference is worth.


def test_under_thirty_pairs_nothing_is_concluded() -> None:
    comparison = outcomes("-" * 29, "+" * 29)
    assert comparison.conclusion == "too_few_to_tell"
    assert sentence(comparison) == (
        "Too few to tell: 29 examples were graded in both, and at least 30 are needed; A passes 0, B 29."
    )
    assert outcomes("-" * 30, "+" * 30).conclusion == "better"


def test_five_flips_one_way_are_no_evidence_and_six_are() -> None:
    five = outcomes("+" * 95 + "-" * 5, "+" * 100)
    assert (five.conclusion, five.rates.p_value) == ("no_evidence_of_change", 0.0625)
    six = outcomes("+" * 94 + "-" * 6, "+" * 100)
    assert (six.conclusion, six.rates.p_value) == ("better", 0.03125)


def test_the_sentence_says_the_numbers() -> None:
    a, b = "+" * 66 + "-" * 18 + "+" * 4 + "-" * 12, "+" * 66 + "+" * 18 + "-" * 4 + "-" * 12
    assert sentence(outcomes(a, b)) == (
        "Better: B passes 84 % and A 70 % of the same 100 examples, +14.0 points (95 % interval +5.0 to +23.0);"
        " 18 improved and 4 regressed (exact McNemar p = 0.004)."
    )
    assert sentence(outcomes(b, a)) == (
        "Worse: B passes 70 % and A 84 % of the same 100 examples, -14.0 points (95 % interval -23.0 to -5.0);"
        " 4 improved and 18 regressed (exact McNemar p = 0.004)."
    )
    same = "+" * 90 + "-" * 10
    assert sentence(outcomes(same, same)) == (
        "No evidence of change: B passes 90 % and A 90 % of the same 100 examples, +0.0 points (95 % interval -3.7 to"
        " +3.7); 0 improved and 0 regressed (exact McNemar p = 1.000); a change below 7.8 points would probably not"
        " have shown."
    )


def test_regressions_and_improvements_are_listed() -> None:
    comparison = outcomes("++--" * 10, "+-+-" * 10)
    assert [flip.example for flip in comparison.regressed] == [f"e{4 * place + 1:04}" for place in range(10)]
    assert [flip.example for flip in comparison.improved] == [f"e{4 * place + 2:04}" for place in range(10)]


def test_the_statistics_stand_in_the_json() -> None:
    form: Any = comparison_json(outcomes("+" * 70 + "-" * 30, "+" * 66 + "-" * 4 + "+" * 18 + "-" * 12))
    bootstrap = statistics.paired_bootstrap([-1.0] * 4 + [1.0] * 18 + [0.0] * 78)
    assert bootstrap is not None
    assert form["difference"] == {
        "value": pytest.approx(0.14),
        "lower": bootstrap.lower,
        "upper": bootstrap.upper,
        "confidence": 0.95,
        "method": "paired bootstrap",
    }
    assert form["test"] == {
        "method": "exact McNemar, two-sided",
        "passedOnlyInA": 4,
        "passedOnlyInB": 18,
        "pValue": statistics.mcnemar(4, 18),
    }
    assert form["passRateA"]["value"] == 0.7
    assert form["passRateA"]["lower"] == statistics.wilson(70, 100).lower
    assert form["smallestChange"] == {
        "value": statistics.smallest_detectable(100, 0.22),
        "power": 0.8,
        "significance": 0.05,
    }
    assert form["conclusion"] == "better"


def test_every_evaluator_has_its_change_with_an_interval() -> None:
    names = [f"e{place}" for place in range(40)]
    comparison = scored(
        {name: {"fields": 0.5, "judge": None} for name in names},
        {name: {"fields": 0.5 + place % 3 / 10, "judge": 1.0} for place, name in enumerate(names)},
    )
    fields, judge = comparison.evaluators
    assert (fields.evaluator, fields.pairs, fields.mean_a) == ("fields", 40, 0.5)
    assert fields.interval is not None
    assert fields.delta is not None
    assert 0 < fields.interval.lower < fields.delta < fields.interval.upper
    assert (judge.evaluator, judge.pairs, judge.delta, judge.interval) == ("judge", 0, None, None)


def test_slices_have_rates_and_p_values_adjusted_for_their_number() -> None:
    a, b = "-" * 8 + "+" * 32, "+" * 8 + "+" * 32
    groups = {f"evx_e{place:04}": ["promoted", "type:pdf"] if place < 10 else ["type:mail"] for place in range(40)}
    comparison = outcomes(a, b, slices=groups)
    assert [(one.name, one.rates.pairs, one.rates.only_b) for one in comparison.slices] == [
        ("promoted", 10, 8),
        ("type:mail", 30, 0),
        ("type:pdf", 10, 8),
    ]
    raw = statistics.mcnemar(0, 8)
    assert [one.p_value for one in comparison.slices] == [pytest.approx(3 * raw), 1.0, pytest.approx(3 * raw)]
    form: Any = comparison_json(comparison)
    assert form["slices"][0]["passRateA"] == 0.2


@given(st.lists(st.tuples(st.sampled_from("+-!?x"), st.sampled_from("+-!?x")), max_size=60))
def test_exchanging_both_exchanges_the_conclusion(marks: list[tuple[str, str]]) -> None:
    a, b = "".join(one for one, _ in marks), "".join(other for _, other in marks)
    opposite = {"better": "worse", "worse": "better"}
    forward, backward = outcomes(a, b), outcomes(b, a)
    assert backward.conclusion == opposite.get(forward.conclusion, forward.conclusion)
    assert [flip.example for flip in forward.improved] == [flip.example for flip in backward.regressed]
    assert len(forward.left_out) + forward.rates.pairs == forward.shared == len(marks)
    assert sentence(forward)
