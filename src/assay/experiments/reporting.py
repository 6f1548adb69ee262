"""How results are told to a CI system: JUnit XML with a test case an example, and a summary in Markdown.

What stands in them comes from documents and models, so it is data everywhere: characters that XML forbids
are left out, and Markdown shows it as code, in which neither markup nor mentions work.
"""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from assay.experiments.comparing import percent, points
from assay.experiments.verdicts import Verdict

MAX_LISTED = 50
"""How many examples a Markdown summary lists of each kind."""
MAX_PROBLEMS = 200
_MAX_MESSAGE = 300
_MAX_LINE = 1_000
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACES = re.compile(r"\s+")
_STATUS = {"passed": "passed", "failed": "failed", "cannot_tell": "cannot tell"}


@dataclass(frozen=True, slots=True)
class Case:
    """An example and how it ended; `problems` say why it did not pass, a line each. Seconds over all its repeats."""

    example: str
    verdict: Verdict
    problems: Sequence[str] = ()
    seconds: float = 0.0


def mismatch_words(evaluator: str, mismatch: Mapping[str, JsonValue]) -> str:
    """Say in a line what an evaluator found different: `{path, expected, actual, reason?}`."""
    reason = f" ({mismatch['reason']})" if mismatch.get("reason") else ""
    expected, actual = (json.dumps(mismatch.get(key), ensure_ascii=False) for key in ("expected", "actual"))
    return f"{evaluator}: {mismatch.get('path', '$')}: expected {_cut(expected, 200)}, got {_cut(actual, 200)}{reason}"


def junit_xml(suite: str, cases: Sequence[Case], at: datetime, decision: Mapping[str, Any] | None = None) -> bytes:
    """Write the examples as a test suite, in the form that Ant's reports have: UTF-8, valid against its schema.

    A failed example is a failure, an error an error; one that was not graded or cancelled is skipped. With
    a gate's decision (as `decision_json` writes it) there is a second suite of one case: the gate.
    """
    root = ET.Element("testsuites")
    _add_suite(root, suite, cases, at)
    if decision is not None:
        _add_suite(root, f"{suite} gate", [_gate_case(decision)], at)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def gate_markdown(automation: str, version: str, decision: Mapping[str, Any]) -> str:
    """Summarize a gate's decision, as `decision_json` writes it."""
    lines = [f"## Gate of {code(automation)}, version {code(version)}: {_STATUS[decision['status']]}", ""]
    if decision["noPolicy"]:
        lines.append("There is no gate policy, so nothing was asked of it.")
        return _text(lines)
    lines.append(
        f"{decision['passed']} of {decision['graded']} graded examples passed"
        f"{_bound(decision['passRateLowerBound'])}; the dataset has {decision['examples']}."
    )
    if decision["differenceLowerBound"] is not None:
        lines.append(
            "Compared with the current version, the pass rate changed by at least"
            f" {points(decision['differenceLowerBound'])} points (one-sided, 95 %)."
        )
    if decision["missing"]:
        lines += ["", "| | what is missing |", "|---|---|"]
        lines += [f"| {_STATUS[found['status']]} | {code(found['message'])} |" for found in decision["missing"]]
    lines += _listed("To run with this version", [one["name"] for one in decision["examplesToRun"]])
    lines += _listed("To run with the current version", [one["name"] for one in decision["currentVersionToRun"]])
    return _text(lines)


def comparison_markdown(comparison: Mapping[str, Any]) -> str:
    """Summarize a comparison, as `comparison_json` writes it."""
    lines = [f"## {code(comparison['batchB'])} compared with {code(comparison['batchA'])}", "", comparison["sentence"]]
    for note in comparison["notes"]:
        lines += ["", note]
    if comparison["evaluators"]:
        lines += ["", "| evaluator | examples | A | B | change (95 %) |", "|---|--:|--:|--:|---|"]
        lines += [_evaluator_row(one) for one in comparison["evaluators"]]
    if comparison["slices"]:
        lines += ["", "| slice | examples | A passes | B passes | points (95 %) |", "|---|--:|--:|--:|---|"]
        lines += [_slice_row(one) for one in comparison["slices"]]
    lines += _listed("Regressed", [flip["example"] for flip in comparison["regressed"]])
    lines += _listed("Improved", [flip["example"] for flip in comparison["improved"]])
    lines += _listed("Left out", [f"{out['example']} ({out['reason']})" for out in comparison["leftOut"]])
    return _text(lines)


def code(text: str) -> str:
    """Write foreign text as Markdown code in one line that nothing breaks out of, also within a table."""
    plain = _cut(_SPACES.sub(" ", _FORBIDDEN.sub("", text)).strip(), _MAX_MESSAGE)
    return f"`{plain.replace('`', chr(39)).replace('|', chr(0xA6)) or ' '}`"


# JUnit.


def _add_suite(root: ET.Element, name: str, cases: Sequence[Case], at: datetime) -> None:
    verdicts = [case.verdict for case in cases]
    clean_name = _token(name)
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": clean_name,
            "package": clean_name,
            "id": str(len(root)),
            "hostname": "localhost",
            "timestamp": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "tests": str(len(cases)),
            "failures": str(verdicts.count("fail")),
            "errors": str(verdicts.count("error")),
            "skipped": str(verdicts.count("ungraded") + verdicts.count("cancelled")),
            "time": f"{sum(case.seconds for case in cases):.3f}",
        },
    )
    ET.SubElement(suite, "properties")
    for case in cases:
        _add_case(suite, clean_name, case)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")


def _add_case(suite: ET.Element, class_name: str, case: Case) -> None:
    element = ET.SubElement(
        suite, "testcase", {"name": _token(case.example), "classname": class_name, "time": f"{case.seconds:.3f}"}
    )
    if case.verdict == "pass":
        return
    if case.verdict in {"ungraded", "cancelled"}:
        ET.SubElement(element, "skipped", {"message": _token(case.problems[0] if case.problems else case.verdict)})
        return
    tag = "failure" if case.verdict == "fail" else "error"
    message = _token(case.problems[0] if case.problems else case.verdict)
    found = ET.SubElement(element, tag, {"message": message, "type": case.verdict})
    found.text = _block(case.problems)


def _gate_case(decision: Mapping[str, Any]) -> Case:
    verdicts: dict[str, Verdict] = {"passed": "pass", "failed": "fail", "cannot_tell": "error"}
    return Case("gate", verdicts[decision["status"]], [found["message"] for found in decision["missing"]])


def _token(text: str) -> str:
    return _cut(_SPACES.sub(" ", _FORBIDDEN.sub("", text)).strip(), _MAX_MESSAGE) or "-"


def _block(problems: Sequence[str]) -> str:
    lines = [_cut(_FORBIDDEN.sub("", problem), _MAX_LINE) for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"and {len(problems) - MAX_PROBLEMS} more")
    return "\n".join(lines)


# Markdown.


def _listed(title: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = [f"- and {len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED else []
    return ["", f"**{title}** ({len(names)})", "", *(f"- {code(name)}" for name in names[:MAX_LISTED]), *more]


def _bound(lower: float | None) -> str:
    return "" if lower is None else f" (above {percent(lower)}, one-sided, 95 %)"


def _evaluator_row(one: Mapping[str, Any]) -> str:
    figures = "| | |"
    if one["pairs"]:
        change = f"{one['delta']:+.3f} ({one['lower']:+.3f} to {one['upper']:+.3f})"
        figures = f"| {one['meanA']:.3f} | {one['meanB']:.3f} | {change}"
    return f"| {code(one['evaluator'])} | {one['pairs']} {figures} |"


def _slice_row(one: Mapping[str, Any]) -> str:
    return (
        f"| {code(one['slice'])} | {one['pairs']} | {percent(one['passRateA'])} | {percent(one['passRateB'])} |"
        f" {points(one['difference'])} ({points(one['lower'])} to {points(one['upper'])}) |"
    )


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
