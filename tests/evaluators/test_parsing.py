"""What an evaluators.yaml may say, and that whatever is wrong is told with its place."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import evaluators
from assay.errors import Issue
from assay.evaluators import InvalidEvaluatorsError, parse


def issues(text: str) -> tuple[Issue, ...]:
    with pytest.raises(InvalidEvaluatorsError) as refused:
        parse(text)
    assert refused.value.code == "invalid_evaluators"
    return refused.value.issues


def one(name: str = "a", *, top: str = "", weight: float = 1, config: str = "{}") -> str:
    entry = f"  - {{name: {name}, type: exact-diff, weight: {weight}, config: {config}}}\n"
    return f"{top}evaluators:\n{entry}"


def test_entries_come_in_order_with_what_was_left_out() -> None:
    found = parse(
        "evaluators:\n"
        "  - {name: b, type: exact-diff}\n"
        "  - {name: a, type: json-schema, weight: 0, description: Form, config: {schema: {type: object}}}\n"
    )
    assert [(one.name, one.type_name, one.weight, one.description) for one in found.entries] == [
        ("b", "exact-diff", 1, None),
        ("a", "json-schema", 0, "Form"),
    ]
    assert (found.pass_threshold, found.require_all) == (0.7, False)


@pytest.mark.parametrize("text", ["evaluators: []", "evaluators:", "{}", "passThreshold: 1"])
def test_no_evaluators_are_allowed(text: str) -> None:
    assert parse(text).entries == ()


def test_an_unknown_key_is_named_with_path_line_and_the_nearest_known_one() -> None:
    (found,) = issues("evaluators:\n  - name: a\n    type: exact-diff\n    config:\n      numericTolerence: 1\n")
    assert (found.field, found.line, found.column) == ("evaluators.0.config.numericTolerence", 5, 7)
    assert found.message.startswith("line 5: ")
    assert found.hint == "Did you mean 'numericTolerance'?"


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_text() -> None:
    found = issues(
        "passThreshold: 2\n"
        "concurrency: 3\n"
        "evaluators:\n"
        "  - name: A b\n"
        "    type: exact-dif\n"
        "  - name: twice\n"
        "    type: exact-diff\n"
        "    passThreshold: 1\n"
        "  - name: twice\n"
        "    type: llm-judge\n"
        "    weight: -1\n"
        "    config: {promptExtension: '   short      '}\n"
        "  - {type: custom-script, name: s, config: {function: 'function scoreScript(actual) {'}}\n"
        "  - just text\n"
    )
    assert [(one.line, one.field, one.code) for one in found] == [
        (1, "passThreshold", "invalid_value"),
        (2, "concurrency", "unknown_key"),
        (4, "evaluators.0.name", "invalid_name"),
        (5, "evaluators.0.type", "evaluator_type_unknown"),
        (8, "evaluators.1.passThreshold", "unknown_key"),
        (9, "evaluators.2.name", "duplicate_evaluator_name"),
        (11, "evaluators.2.weight", "invalid_value"),
        (12, "evaluators.2.config.promptExtension", "criteria_missing"),
        (13, "evaluators.3.config.function", "script_syntax"),
        (14, "evaluators.4", "invalid_value"),
    ]
    assert all(one.message.startswith(f"line {one.line}: ") for one in found)


def test_an_older_threshold_beside_the_type_says_where_it_belongs() -> None:
    (found,) = issues("evaluators:\n  - {name: a, type: exact-diff, passThreshold: 0.5}\n")
    assert found.hint == "Write it under `config`."


def test_a_problem_inside_a_rule_is_shown_where_the_rule_stands() -> None:
    (found,) = issues(
        "evaluators:\n  - name: a\n    type: exact-diff\n    config:\n      rules:\n"
        "        items:\n          matchBy: sku\n"
    )
    assert (found.field, found.line) == ("evaluators.0.config.rules.items.matchBy", 7)


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        (one(), 0.7),
        (one(config="{passThreshold: 0.9}"), 0.9),
        (one(top="passThreshold: 0.3\n", config="{passThreshold: 0.9}"), 0.3),
        (one(config="{passThreshold: 0.9}", weight=0), 0.7),
        (one(top="passThreshold: 0\n"), 0.0),
    ],
)
def test_the_threshold_is_the_sets_own_else_that_of_its_evaluators_else_seven_tenths(
    text: str, threshold: float
) -> None:
    assert parse(text).pass_threshold == threshold


def test_older_thresholds_are_averaged_by_weight_over_those_that_are_written() -> None:
    found = parse(
        "evaluators:\n"
        "  - {name: a, type: exact-diff, weight: 3, config: {passThreshold: 1}}\n"
        "  - {name: b, type: exact-diff, weight: 1, config: {passThreshold: 0.6}}\n"
        "  - {name: c, type: exact-diff, weight: 9}\n"
    )
    assert found.pass_threshold == pytest.approx(0.9)


def test_the_content_hash_rests_on_what_decides_and_on_nothing_else() -> None:
    text = (
        "evaluators:\n  - {name: a, type: exact-diff}\n  - {name: b, type: exact-diff, config: {numericTolerance: 1}}\n"
    )
    same = (
        "# note\nevaluators:\n  - {name: b, type: exact-diff, weight: 1.0, config: {numericTolerance: 1.0}}\n"
        "  - {name: a, type: exact-diff, description: Words.}\n"
    )
    other = [
        text.replace("numericTolerance: 1", "numericTolerance: 2"),
        text.replace("{name: a,", "{name: a, weight: 2,"),
        text.replace("name: a", "name: c"),
        f"passThreshold: 0.8\n{text}",
        f"require: all\n{text}",
    ]
    assert parse(text).content_hash == parse(same).content_hash
    hashes = {parse(one).content_hash for one in [text, *other]}
    assert len(hashes) == len(other) + 1


def test_an_evaluators_version_changes_with_its_configuration_and_not_with_a_threshold() -> None:
    plain, tolerant, threshold = (
        parse(one(config=config)).entries[0].evaluator_version
        for config in ("{}", "{numericTolerance: 1}", "{passThreshold: 0.2}")
    )
    assert plain == threshold != tolerant
    assert plain.startswith("1+")


def test_the_form_of_the_api_can_be_read_again() -> None:
    found = parse(evaluators.catalogue()["exact-diff"].example)
    shown = found.as_json()
    assert shown["passThreshold"] == 0.7
    entry = shown["evaluators"][0]
    assert entry["config"]["rules"]["lineItems"]["matchBy"] == "sku"
    again = {key: entry[key] for key in ("name", "description", "type", "weight", "config")}
    assert parse(json.dumps({"evaluators": [again]})).content_hash == found.content_hash


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "yaml_syntax"),
        ("evaluators: [", "yaml_syntax"),
        ("evaluators: []\nevaluators: []", "duplicate_key"),
        ("evaluators: !!python/object:os.system []", "yaml_tag"),
        ("- a", "invalid_value"),
        ("evaluators: 1", "invalid_value"),
        ("require: some", "invalid_value"),
        ("passThreshold: .nan", "invalid_value"),
        ("# " + "x" * 2**20, "yaml_limit"),
        ("evaluators:\n" + "  - {name: a, type: exact-diff}\n" * 101, "invalid_value"),
        ("evaluators: [{name: a, type: exact-diff, description: " + "x" * 501 + "}]", "invalid_value"),
        ("evaluators: [{name: a, type: exact-diff, weight: 1" + "0" * 400 + "}]", "invalid_value"),
        ("evaluators: [{name: a, type: exact-diff, config: [1]}]", "invalid_value"),
        ("evaluators: [{name: a}]", "missing_key"),
    ],
)
def test_bad_texts_are_refused(text: str, code: str) -> None:
    assert code in {str(issue.code) for issue in issues(text)}


def test_words_of_yaml_1_1_stay_words() -> None:
    assert parse("evaluators: [{name: no, type: exact-diff}]").entries[0].name == "no"


WORDS = (
    "evaluators name type weight config passThreshold rules fields function labels mode promptExtension schema "
    "paths mustBeEmpty $ a.b [ matchBy order code timeoutMs"
)
KEYS = st.sampled_from(WORDS.split(" "))
TYPES = st.sampled_from([*evaluators.catalogue(), "nothing"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | TYPES | KEYS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)
CONFIGS = st.dictionaries(KEYS, VALUES, max_size=6)
ENTRIES = st.fixed_dictionaries({"name": st.just("a"), "type": TYPES, "config": CONFIGS})
SETS = st.fixed_dictionaries({"evaluators": st.lists(ENTRIES, max_size=3)})


@settings(max_examples=300, deadline=None)
@given(VALUES | SETS)
def test_no_value_does_more_than_be_refused(value: Any) -> None:
    _parse_or_refuse(json.dumps(value))


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet="ab:-{}[]&*!|>'\"#\n\t ,0.eE~"))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    _parse_or_refuse(text)


def _parse_or_refuse(text: str) -> None:
    refusal: InvalidEvaluatorsError | None = None
    try:
        assert 0 <= parse(text).pass_threshold <= 1
    except InvalidEvaluatorsError as error:
        refusal = error
    if refusal is not None:
        assert refusal.issues
        assert all(issue.line and issue.field for issue in refusal.issues)
