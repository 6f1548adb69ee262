"""Reports for CI: JUnit XML that readers accept, Markdown that foreign text cannot break."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from assay.experiments.comparing import ExampleResult, Side, compare
from assay.experiments.comparison_json import comparison_json
from assay.experiments.gate_rules import GradedExample, decide, decision_json, read_policy
from assay.experiments.reporting import Case, code, comparison_markdown, gate_markdown, junit_xml, mismatch_words
from assay.experiments.verdicts import Verdict

AT = datetime(2026, 11, 24, 13, 30, tzinfo=timezone(timedelta(hours=1)))

# What Ant's report schema asks for: these attributes, elements in this order, one outcome a case.
SCHEMA = etree.RelaxNG(
    etree.fromstring("""
<element name="testsuites" xmlns="http://relaxng.org/ns/structure/1.0"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <zeroOrMore>
    <element name="testsuite">
      <attribute name="name"><data type="token"><param name="minLength">1</param></data></attribute>
      <attribute name="package"><data type="token"/></attribute>
      <attribute name="id"><data type="int"/></attribute>
      <attribute name="hostname"><data type="token"><param name="minLength">1</param></data></attribute>
      <attribute name="timestamp">
        <data type="dateTime"><param name="pattern">[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}</param></data>
      </attribute>
      <attribute name="tests"><data type="int"/></attribute>
      <attribute name="failures"><data type="int"/></attribute>
      <attribute name="errors"><data type="int"/></attribute>
      <optional><attribute name="skipped"><data type="int"/></attribute></optional>
      <attribute name="time"><data type="decimal"/></attribute>
      <element name="properties"><empty/></element>
      <zeroOrMore>
        <element name="testcase">
          <attribute name="name"><data type="token"/></attribute>
          <attribute name="classname"><data type="token"/></attribute>
          <attribute name="time"><data type="decimal"/></attribute>
          <optional>
            <choice>
              <element name="skipped"><optional><attribute name="message"/></optional><empty/></element>
              <element name="error"><attribute name="message"/><attribute name="type"/><text/></element>
              <element name="failure"><attribute name="message"/><attribute name="type"/><text/></element>
            </choice>
          </optional>
        </element>
      </zeroOrMore>
      <element name="system-out"><text/></element>
      <element name="system-err"><text/></element>
    </element>
  </zeroOrMore>
</element>""")
)


def parsed(report: bytes) -> Any:
    document: Any = etree.fromstring(report)
    SCHEMA.assertValid(document)
    return document


def decision(marks: str, policy: Any) -> dict[str, Any]:
    verdicts: dict[str, Verdict] = {"+": "pass", "-": "fail", "!": "error"}
    results = [
        ExampleResult(f"evx_{place}", f"e{place}", "h", verdicts[mark], None, {}, 0, 0, 0)
        for place, mark in enumerate(marks)
        if mark != "."
    ]
    examples = [GradedExample(f"evx_{place}", f"e{place}", "h") for place in range(len(marks))]
    return decision_json(decide(read_policy(policy), results, None, examples))


def test_every_example_is_a_test_case_and_errors_stand_apart() -> None:
    cases = [
        Case("one", "pass", seconds=1.25),
        Case("two", "fail", ["fields: total: expected 3, got 4", "judge: 0.2"], seconds=0.5),
        Case("three", "error", ["the provider did not answer"]),
        Case("four", "ungraded"),
        Case("five", "cancelled"),
    ]
    suite = parsed(junit_xml("invoices", cases, AT)).find("testsuite")
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped", "time", "timestamp")} == {
        "name": "invoices",
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
        "time": "1.750",
        "timestamp": "2026-11-24T12:30:00",
    }
    assert [case.get("name") for case in suite.iter("testcase")] == ["one", "two", "three", "four", "five"]
    failure = suite.find("testcase/failure")
    assert failure.get("message") == "fields: total: expected 3, got 4"
    assert failure.text == "fields: total: expected 3, got 4\njudge: 0.2"
    assert suite.find("testcase/error").get("message") == "the provider did not answer"


@pytest.mark.parametrize(("marks", "outcome"), [("++", None), ("+-", "failure"), ("+!", "error"), ("+.", "error")])
def test_the_gate_is_a_case_of_its_own_so_that_ci_sees_why_it_is_red(marks: str, outcome: str | None) -> None:
    document = parsed(junit_xml("invoices", [Case("e0", "pass")], AT, decision(marks, {"mustPass": "all"})))
    [case] = document.findall("testsuite")[1].findall("testcase")
    assert (case[0].tag if len(case) else None) == outcome


@given(st.text(), st.lists(st.text(), max_size=3), st.sampled_from(["pass", "fail", "error", "ungraded"]))
def test_no_text_breaks_the_report(text: str, problems: list[str], verdict: Verdict) -> None:
    parsed(junit_xml(text, [Case(text, verdict, problems)], AT))


def test_hostile_characters_are_left_out() -> None:
    hostile = "a\x00b\x1b[31m\ud800]]>\ufffe<b> & \"'"
    document = parsed(junit_xml(hostile, [Case(hostile, "fail", [hostile])], AT))
    assert document.find(".//failure").text == "ab[31m]]><b> & \"'"


def test_thousands_of_mismatches_are_cut() -> None:
    report = junit_xml("invoices", [Case("one", "fail", ["x" * 100_000] * 5000)], AT)
    assert len(report) < 250_000
    assert parsed(report).find(".//failure").text.endswith("and 4800 more")


def test_a_mismatch_is_a_line() -> None:
    assert mismatch_words("fields", {"path": "lines[0].total", "expected": 3, "actual": "4 €"}) == (
        'fields: lines[0].total: expected 3, got "4 €"'
    )
    assert mismatch_words("fields", {"path": "a", "expected": None, "actual": 1, "reason": "must be empty"}) == (
        "fields: a: expected null, got 1 (must be empty)"
    )


def test_a_gate_is_summarized() -> None:
    assert gate_markdown("wf_1", "v2", decision("++-.", {"mustPass": "all"})) == (
        "## Gate of `wf_1`, version `v2`: failed\n"
        "\n"
        "2 of 3 graded examples passed (above 13.5 %, one-sided, 95 %); the dataset has 4.\n"
        "\n"
        "| | what is missing |\n"
        "|---|---|\n"
        "| failed | `1 example must pass and does not: e2.` |\n"
        "| cannot tell | `1 example has not been run with this version as graded now: e3.` |\n"
        "\n"
        "**To run with this version** (1)\n"
        "\n"
        "- `e3`\n"
    )


def test_no_policy_is_said() -> None:
    summary = gate_markdown("wf_1", "v2", decision_json(decide(None, [], None, [])))
    assert summary == (
        "## Gate of `wf_1`, version `v2`: passed\n\nThere is no gate policy, so nothing was asked of it.\n"
    )


def test_a_comparison_is_summarized() -> None:
    def side(name: str, passing: int) -> Side:
        return Side(
            name,
            [
                ExampleResult(
                    f"evx_{place}",
                    f"e{place}",
                    "h",
                    "pass" if place < passing else "fail",
                    None,
                    {"fields": float(place < passing), "judge": None},
                    0,
                    0,
                    0,
                )
                for place in range(40)
            ],
        )

    slices = {f"evx_{place}": ["type:pdf"] for place in range(20, 40)}
    comparison = compare(side("evb_a", 40), side("evb_b", 30), slices=slices, same_evaluators=False)
    summary = comparison_markdown(comparison_json(comparison))
    assert summary.startswith("## `evb_b` compared with `evb_a`\n\nWorse: B passes 75 % and A 100 %")
    assert "evaluators were changed" in summary
    assert re.search(
        r"^\| `fields` \| 40 \| 1\.000 \| 0\.750 \| -0\.250 \(-0\.\d{3} to -0\.\d{3}\) \|$", summary, re.MULTILINE
    )
    assert "| `judge` | 0 | | | |" in summary
    assert re.search(
        r"^\| `type:pdf` \| 20 \| 100 % \| 50 % \| -50\.0 \(-\d\d\.\d to -\d\d\.\d\) \|$", summary, re.MULTILINE
    )
    assert "**Regressed** (10)\n\n- `e30`" in summary
    assert "**Improved**" not in summary


@given(st.text())
def test_foreign_text_stays_one_piece_of_code(text: str) -> None:
    written = code(text)
    assert re.fullmatch("`[^`|\n\r\x00]+`", written)
    assert "`" not in written[1:-1]


def test_mentions_links_and_tables_do_nothing() -> None:
    assert code("@all [x](javascript:1) | `rm` <script>\n# x") == "`@all [x](javascript:1) ¦ 'rm' <script> # x`"


def test_long_lists_are_cut() -> None:
    summary = gate_markdown("wf_1", "v2", decision("." * 500, {}))
    assert "**To run with this version** (500)" in summary
    assert summary.count("\n- `") == 50
    assert "- and 450 more" in summary


def test_times_are_told_in_utc() -> None:
    suite = parsed(junit_xml("s", [], datetime(2026, 1, 1, tzinfo=UTC))).find("testsuite")
    assert suite.get("timestamp") == "2026-01-01T00:00:00"
