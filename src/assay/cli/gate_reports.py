"""What `assay gate` writes for a CI system: a test case for each example, and a summary."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assay import clock
from assay.cli.answers import Json, items, part
from assay_client import Client

if TYPE_CHECKING:
    from assay.experiments import Case


def cases(client: Client, automation: str, found: Json) -> Sequence["Case"]:
    """Make a case of each example that the decision rests on or lacks; those that did not pass say why."""
    # It brings everything that experiments stand on, which no other command here needs.
    from assay import experiments  # noqa: PLC0415

    results = items(found, "results")
    wanted = {str(one["experimentId"]) for one in results if one["verdict"] != "pass"}
    problems = {experiment: _problems(client.experiments.get(automation, experiment)) for experiment in sorted(wanted)}
    made = [
        experiments.Case(
            one["example"], one["verdict"], problems.get(one["experimentId"], {}).get(one["exampleId"], ())
        )
        for one in results
    ]
    known = {one["exampleId"] for one in results}
    not_run = "It has not been run with this version as it is graded now."
    made += [
        experiments.Case(example["name"], "ungraded", [not_run])
        for example in items(found, "examplesToRun")
        if example["id"] not in known
    ]
    return made


def write_junit(path: Path, suite: str, made: Sequence["Case"], found: Json) -> None:
    """Write the cases, and one for the gate itself."""
    from assay import experiments  # noqa: PLC0415 (as above)

    path.write_bytes(experiments.junit_xml(suite, made, clock.now(), found))


def write_markdown(path: Path, automation: str, label: str, found: Json) -> None:
    """Write the summary."""
    from assay import experiments  # noqa: PLC0415 (as above)

    path.write_text(experiments.gate_markdown(automation, label, found), encoding="utf-8")


def _problems(experiment: Json) -> Mapping[str, list[str]]:
    """Say of each example of an experiment why its runs did not pass, a line for each reason."""
    from assay import experiments  # noqa: PLC0415 (as above)

    scores: Mapping[str, Sequence[Json]] = experiment["resultsByRun"]
    found: dict[str, list[str]] = {}
    for run in items(experiment, "runs"):
        if run["verdict"] == "pass":
            continue
        lines = found.setdefault(run["exampleId"], [])
        if run["error"]:
            lines.append(str(run["error"]))
        for score in scores.get(run["id"], ()):
            if score["error"]:
                lines.append(f"{score['evaluatorName']}: {score['error']}")
            mismatches = items(part(score, "details"), "mismatches")
            lines += [experiments.mismatch_words(score["evaluatorName"], mismatch) for mismatch in mismatches]
            if score["passed"] is False and not mismatches:
                lines.append(f"{score['evaluatorName']}: score {score['score']:g}")
    return found
