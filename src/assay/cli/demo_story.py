"""What the demo does, act by act: the life of a workflow from its first measurement to a miss that is proven fixed."""

import json
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from assay.cli.answers import Json, items, part
from assay.cli.demo_documents import DemoInvoice, make_invoices, score
from assay.cli.failure import Failure
from assay_client import Client, ConflictError, ForbiddenError, Upload

TARGET: Final = "workflows.invoice-fields"
FIRST: Final = "1.0.0"
FIXED: Final = "1.1.0"
EVALUATORS: Final = """\
passThreshold: 1
evaluators:
  - name: fields-match
    description: Every field of the invoice is right; difference only warns.
    type: exact-diff
    config:
      rules: { $: {}, difference: { ignore: true } }
"""
POLICY: Final[Mapping[str, Any]] = {
    "rate": 0.5,
    "doubleReviewShare": 0,
    "strata": [{"name": "amounts disagree", "when": "{{ output.difference != 0 }}", "rate": 1}],
}
"""A demo has few runs. With many, begin with 0.10 to 0.15."""
KNOWN: Final = 7
LIVE: Final = 8
AT_ONCE: Final = 2  # more would only make scans wait for each other, and their times look worse than they are
HOLD_SECONDS: Final = 45
RUN_SECONDS: Final = 300
_SLIPS: Final = 8

# What is wrong with 1.0.0: it takes what is left to pay for the total, where a part was paid before.
BUG: Final = r"total|amount\s*due|gesamt(?:betrag|summe)|rechnungsbetrag|summe|zahlbetrag"
FIX: Final = r"total|gesamt(?:betrag|summe)|rechnungsbetrag|summe"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one document; a run that did not complete has no field right."""

    invoice: DemoInvoice
    run: Json
    right: Mapping[str, bool]

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run["id"]

    @property
    def completed(self) -> bool:
        """Tell whether there is an output at all."""
        return self.run["execution"]["status"] == "completed"

    @property
    def misses(self) -> Sequence[str]:
        """The fields that are wrong."""
        return [field for field, right in self.right.items() if not right]

    def found(self, field: str) -> object:
        """Return what the workflow took for the field."""
        return part(self.run, "output").get(field)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A run of the queue with its verdict, and why it was there."""

    result: Result
    reason: str


class Story:
    """The acts, in the order in which they happen; each does its work on the server and returns what came of it."""

    def __init__(self, client: Client, folder: Path, *, seed: int, count: int, source: str) -> None:
        """Make the documents; `count` of them are shadow traffic, `source` is the workflow's text."""
        self._client = client
        self._source = source
        self.known = [one for one in make_invoices(folder / "known", seed=seed + 1000, count=KNOWN) if _is_quick(one)]
        self.shadow = make_invoices(folder / "shadow", seed=seed, count=count)
        self.live = make_invoices(folder / "live", seed=seed + 2000, count=LIVE)
        self._chance = random.Random(seed)  # noqa: S311  # invented slips, no secrets

    def set_up(self) -> None:
        """Push the workflow, with the documents whose truth is known, and what judges it.

        Raises:
            Failure: the folder has it from an earlier demo.
        """
        try:
            self._client.automations.create(self._source)
        except ConflictError as error:
            message = "This folder has had its demo already."
            raise Failure(message, hint="Name another --data-dir, or `assay serve` on it to look around.") from error
        self._client.datasets.import_archive(TARGET, Upload("dataset.zip", _archive(self.known)))
        self._client.evaluators.replace(TARGET, EVALUATORS)

    def measure(self, version: str) -> Json:
        """Run the whole dataset on a version and return the experiment."""
        started = self._client.experiments.start(TARGET, version=version, concurrency=AT_ONCE)
        for event in self._client.experiments.follow(TARGET, started["id"], timeout=RUN_SECONDS):
            if event is not None and event["type"] == "experiment_completed":
                return event["experiment"]
        raise Failure("The experiment did not end.")

    def try_too_early(self) -> str:
        """Start a run while the API trigger is off, then switch it on; return the code that refused it."""
        try:
            self._client.runs.start(TARGET, files={"document": self.shadow[0].path})
        except ForbiddenError as error:
            self._client.automations.set_triggers(TARGET, api=True)
            return str(error.issues[0]["code"])
        raise Failure("A run was started though the API trigger was off.")

    def sample(self) -> None:
        """Say which runs people are to look at."""
        self._client.sampling.set_policy(TARGET, POLICY, reason="a demo: few runs, so a high rate")

    def send(self, invoices: Sequence[DemoInvoice], mode: str, done: Callable[[], None]) -> Sequence[Result]:
        """Send documents through the current version; `done` is called after each."""

        def run(invoice: DemoInvoice) -> Result:
            found = self._run(invoice, mode)
            done()
            return found

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(run, invoices))

    def import_incumbents(self, results: Sequence[Result]) -> Json:
        """Attach what people keyed in from the same invoices, with a slip here and there; return the agreement."""
        slips = self._chance.sample(range(len(results)), max(1, len(results) // _SLIPS))
        outputs = [
            {
                "match": {"key": "document", "value": one.invoice.name},
                "output": _slipped(one.invoice.truth) if index in slips else dict(one.invoice.truth),
                "source": "keyed by hand",
            }
            for index, one in enumerate(results)
        ]
        self._client.incumbents.import_outputs(TARGET, outputs)
        return self.agreement()

    def agreement(self) -> Json:
        """Say how far the workflow and the people agree."""
        return self._client.incumbents.agreement(TARGET, mode="shadow")

    def review(self, results: Sequence[Result]) -> Sequence[Reviewed]:
        """Take every run out of the queue and give a verdict, with the correction where it is wrong."""
        by_run = {one.run_id: one for one in results}
        reviewed: list[Reviewed] = []
        while item := self._client.review_queue.claim(automation=TARGET):
            result = by_run[item["runId"]]
            self._client.feedback.update(result.run_id, _verdict(result))
            reviewed.append(Reviewed(result, item["reason"]))
        return reviewed

    def promote(self, missed: Sequence[Reviewed]) -> Sequence[str]:
        """Make the misses examples, with their corrections; return the names."""
        promote = self._client.feedback.promote
        return [promote(one.result.run_id, require_expected=True)["name"] for one in missed]

    def steps(self, run_id: str) -> Sequence[Json]:
        """Read the steps of a run, as `assay runs trace` shows them."""
        return self._client.runs.steps(run_id)

    def claim_fixed(self, run_id: str) -> Sequence[str]:
        """Call a miss resolved without a proof; return what the server says is missing."""
        try:
            self._client.feedback.update(run_id, {"status": "resolved"})
        except ConflictError as error:
            return [str(issue["message"]) for issue in error.issues]
        raise Failure("A miss was resolved without a proof.")

    def fix(self) -> str:
        """Push the version that is right about the total, staged; return its id."""
        if BUG not in self._source:
            raise Failure("The example is not the one that this demo mends.")
        fixed = self._source.replace(BUG, FIX).replace(f"version: {FIRST}", f"version: {FIXED}")
        return self._client.automations.push_version(TARGET, fixed, activate=False)["version"]["id"]

    def make_current(self, version_id: str) -> None:
        """Let a version serve everybody."""
        self._client.automations.promote(TARGET, version_id)

    def resolutions(self, missed: Sequence[Reviewed]) -> Sequence[Json]:
        """Read how the misses stand."""
        return [part(self._client.feedback.get(one.result.run_id), "feedback") for one in missed]

    def health(self, version: str, mode: str) -> Json:
        """Read how a version fares in a mode."""
        return self._client.monitoring.health(TARGET, sourceRef=version, mode=mode)

    def _run(self, invoice: DemoInvoice, mode: str) -> Result:
        metadata = {"mode": mode, "document": invoice.name}
        run: dict[str, Any] = self._client.runs.start(
            TARGET, files={"document": invoice.path}, metadata=metadata, wait_seconds=HOLD_SECONDS
        )
        if not run.get("timing"):
            run = self._client.runs.wait(run["id"], timeout=RUN_SECONDS)
        return Result(invoice, run, score(invoice.truth, part(run, "output")))


def failing_examples(experiment: Json) -> int:
    """Count what did not pass in an experiment."""
    return experiment["runCount"] - experiment["passedCount"]


def missing_proof(feedback: Sequence[Json]) -> int:
    """Count the misses that are not proven to be fixed."""
    return sum(not part(one, "resolution").get("proven") for one in feedback)


def agreed(agreement: Json) -> Sequence[Json]:
    """Return the fields of an agreement, the worst first."""
    return items(agreement, "fields")


def _is_quick(invoice: DemoInvoice) -> bool:
    """Tell whether it takes no OCR, but of one: a photo of a letter."""
    return "scan" not in invoice.name or invoice.name.startswith("01-")


def _archive(invoices: Sequence[DemoInvoice]) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for one in invoices:
            folder, file = f"examples/{one.name}", f"input/{one.path.name}"
            archive.write(one.path, f"{folder}/{file}")
            archive.writestr(f"{folder}/input.json", json.dumps({"document": {"$file": file}}))
            archive.writestr(f"{folder}/expected.json", json.dumps(dict(one.truth), ensure_ascii=False))
    return packed.getvalue()


def _slipped(truth: Mapping[str, str | float]) -> dict[str, str | float]:
    """Return the truth with the last two digits of the number swapped, or the last one wrong."""
    number = str(truth["invoice_number"])
    swapped = number[:-2] + number[-1] + number[-2]
    return {**truth, "invoice_number": swapped if swapped != number else f"{number[:-1]}{(int(number[-1]) + 1) % 10}"}


def _verdict(result: Result) -> Mapping[str, Any]:
    if not result.misses:
        return {"rating": "pass"}
    return {
        "rating": "fail",
        "status": "open",
        "body": "; ".join(f"{field} is {result.invoice.truth[field]}" for field in result.misses),
        "corrections": [
            {"kind": "field", "path": f"/{field}", "correctedValue": result.invoice.truth[field]}
            for field in result.misses
        ],
        "tags": [f"wrong-{field}" for field in result.misses],
    }
