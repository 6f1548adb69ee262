"""What a server looks like that people have worked with for two weeks: the demo's story, and automations beside it.

Everything is done over the API, as people do it; only dates are moved into the past, by SQL, as nothing else can.
"""

import io
import itertools
import json
import random
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from assay import bootstrap
from assay.cli import demo_story
from assay.cli.answers import Json
from assay.cli.demo_story import Story
from assay_client import Client, Upload

ROOT: Final = Path(__file__).parents[1]
INVOICES: Final = demo_story.TARGET
MAIL: Final = "workflows.support-mail"
ORDERS: Final = "workflows.purchase-orders"
BROKEN_AGAIN: Final = "1.2.0"
_RUN_SECONDS: Final = 120
_JUDGED: Final = 28
"""How much of the mail was reviewed; the rest waits."""
_RUNS_A_DAY: Final = (11, 14, 13, 16, 4, 2, 15, 18, 17, 21, 19, 5, 3, 16)
"""Of the last fourteen days, the oldest first."""


@dataclass(frozen=True, slots=True)
class Places:
    """What of all that is worth a picture, by ids; `worse_example` passed in the baseline and not in the candidate."""

    baseline: str
    candidate: str
    worse_example: str
    missed_run: str
    failed_run: str


def fill(client: Client, folder: Path) -> Places:
    """Do two weeks of work on an empty server; `folder` gets the documents that the work is done with."""
    missed = _invoices(client, folder)
    baseline, candidate = _mail(client)
    failed = _orders(client)
    client.automations.create(_DELIVERIES)
    worse = client.examples.get(MAIL, "complaint-03")["id"]
    return Places(baseline, candidate, worse, missed, failed)


async def move_into_past(data_dir: Path) -> None:
    """Spread the runs of every automation over the last fourteen days, with all that was said of them."""
    settings = bootstrap.settings_for(data_dir)
    async with bootstrap.open_database(settings, migrate=False) as database:
        connection: asyncpg.Connection = await asyncpg.connect(database.dsn)
        try:
            await connection.execute(_SPREAD, list(_days()))
            await connection.execute(_FOLLOW)
        finally:
            await connection.close()


def _days() -> Sequence[int]:
    """Return how many days ago the runs were, the first run first: a hundred lots, the oldest first."""
    total, last = sum(_RUNS_A_DAY), len(_RUNS_A_DAY) - 1
    ends = [*itertools.accumulate(_RUNS_A_DAY)]
    return [next(last - day for day, end in enumerate(ends) if (lot + 0.5) * total / 100 <= end) for lot in range(100)]


def _invoices(client: Client, folder: Path) -> str:
    source = (ROOT / "examples" / "invoice-fields" / "workflow.yaml").read_text("utf-8")
    story = Story(client, folder, seed=7, count=16, source=source)
    story.set_up()
    story.measure(demo_story.FIRST)
    story.try_too_early()
    story.sample()
    shadow = story.send(story.shadow, "shadow", _nothing)
    story.import_incumbents(shadow)
    reviewed = story.review(shadow)
    missed = [one for one in reviewed if one.result.misses]
    story.promote(missed)
    story.measure(demo_story.FIRST)
    fixed = story.fix()
    story.measure(demo_story.FIXED)
    story.make_current(fixed)
    client.gates.set_policy(INVOICES, {"minExamples": 6, "minPassRate": 0.5})
    story.review(story.send(story.live, "live", _nothing))
    story.send(story.shadow[:8], "live", _nothing)
    again = source.replace(f"version: {demo_story.FIRST}", f"version: {BROKEN_AGAIN}")
    client.automations.push_version(INVOICES, again, activate=False)
    story.measure(BROKEN_AGAIN)
    return missed[0].result.run_id


def _mail(client: Client) -> tuple[str, str]:
    first = _MAIL.replace("VERSION", "1.0.0").replace("WORDS", _WORDS)
    client.automations.create(first)
    chance = random.Random(11)  # noqa: S311  # invented mail, no secrets
    client.datasets.import_archive(MAIL, Upload("dataset.zip", _archive(_examples(chance, 42))))
    client.evaluators.replace(MAIL, _MAIL_EVALUATORS)
    client.gates.set_policy(MAIL, {"minExamples": 30, "minPassRate": 0.8, "nonInferiorityMargin": 0.05})
    client.automations.set_triggers(MAIL, api=True)
    client.sampling.set_policy(MAIL, {"rate": 0.25, "doubleReviewShare": 0}, reason="A new workflow.")
    baseline = _measured(client, MAIL, "1.0.0")
    letters = _letters(chance, 160)
    runs = [_started(client, MAIL, {"subject": one.subject, "text": one.text}) for one in letters]
    _judge_mail(client, {run: one.label for run, one in zip(runs, letters, strict=True)})
    second = _MAIL.replace("VERSION", "1.1.0").replace("WORDS", _MORE_WORDS)
    client.automations.push_version(MAIL, second, activate=False)
    return baseline, _measured(client, MAIL, "1.1.0")


def _judge_mail(client: Client, truth: Mapping[str, str]) -> None:
    for _ in range(_JUDGED):
        item = client.review_queue.claim(automation=MAIL)
        if item is None:
            return
        client.feedback.update(item["runId"], _verdict(client.runs.get(item["runId"]), truth[item["runId"]]))


def _verdict(run: Json, right: str) -> Mapping[str, Any]:
    if run["output"]["label"] == right:
        return {"rating": "pass"}
    return {
        "rating": "fail",
        "status": "open",
        "body": f"The customer means {right}.",
        "corrections": [{"kind": "field", "path": "/label", "correctedValue": right}],
        "tags": ["wrong-label"],
    }


def _orders(client: Client) -> str:
    client.automations.create(_ORDERS)
    chance = random.Random(23)  # noqa: S311  # invented orders, no secrets
    examples = {f"order-{n:02}": _order(chance) for n in range(1, 31)}
    archive = _archive({name: ({"text": text}, expected) for name, (text, expected) in examples.items()})
    client.datasets.import_archive(ORDERS, Upload("dataset.zip", archive))
    client.evaluators.replace(ORDERS, _ORDER_EVALUATORS)
    client.gates.set_policy(ORDERS, {"minExamples": 30, "minPassRate": 0.85})
    client.automations.set_triggers(ORDERS, api=True)
    client.sampling.set_policy(ORDERS, {"rate": 0.3, "doubleReviewShare": 0}, reason="A new workflow.")
    _measured(client, ORDERS, "2.0.0")
    for _ in range(320):
        _started(client, ORDERS, {"text": _order(chance)[0]})
    failed = _started(client, ORDERS, {"text": "Please call us back, the fax was not readable."})
    while item := client.review_queue.claim(automation=ORDERS):
        client.feedback.update(item["runId"], {"rating": "pass"})
    return failed


def _started(client: Client, target: str, given: Mapping[str, Any]) -> str:
    return client.runs.start(target, given, wait_seconds=_RUN_SECONDS)["id"]


def _measured(client: Client, target: str, version: str) -> str:
    started = client.experiments.start(target, version=version, concurrency=8)
    for event in client.experiments.follow(target, started["id"], timeout=_RUN_SECONDS):
        if event is not None and event["type"] == "experiment_completed":
            break
    return started["id"]


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Letter:
    label: str
    subject: str
    text: str


_SAYINGS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "order": (
        ("Three oak desks", "We would like to order three oak desks, as in the catalogue."),
        ("Order for the school", "Please send us 40 reams of copy paper by Friday."),
        ("Another chair", "We need one more of the chairs that came in May."),
    ),
    "complaint": (
        ("Broken lamp", "The lamp arrived broken, the glass is in pieces."),
        ("Wrong colour", "The binders are the wrong colour: we asked for blue."),
        ("Not what we hoped for", "After two weeks the drawer does not close any more."),
    ),
    "invoice": (
        ("Your invoice 2026/118", "Could you send us a copy of the invoice?"),
        ("Second reminder", "We paid this in March; please look at your books."),
        ("VAT number", "Our VAT number is missing on the bill of last week."),
    ),
    "delivery": (
        ("Where is it?", "When will the delivery come? Somebody has to open the gate."),
        ("Parcel", "The parcel is said to be with a neighbour, but with which one?"),
        ("Moving", "We are moving, so please deliver to Station Road instead."),
    ),
    "other": (
        ("Opening hours", "Are you open on Whit Monday?"),
        ("Trainee", "My daughter is looking for a place as a trainee in August."),
    ),
}
_PEOPLE: Final = ("Pennymoor School", "Dr. Weißenfels", "Gorse & Heather Inn", "Aldersyke Dental", "Wanderheim e.V.")


def _letters(chance: random.Random, count: int) -> Sequence[_Letter]:
    found: list[_Letter] = []
    for _ in range(count):
        label = chance.choice(list(_SAYINGS))
        subject, text = chance.choice(_SAYINGS[label])
        found.append(_Letter(label, subject, f"{text}\n\n{chance.choice(_PEOPLE)}"))
    return found


def _examples(chance: random.Random, count: int) -> Mapping[str, tuple[Any, Any]]:
    named = enumerate(_letters(chance, count), 1)
    return {
        f"{one.label}-{number:02}": ({"subject": one.subject, "text": one.text}, {"label": one.label})
        for number, one in named
    }


def _order(chance: random.Random) -> tuple[str, Mapping[str, Any]]:
    number, pieces, article = chance.randrange(10_000, 99_999), chance.randrange(1, 60), chance.randrange(100, 999)
    text = f"Order no. {number}\n\nPlease deliver {pieces} pieces of article A-{article}.\n{chance.choice(_PEOPLE)}"
    return text, {"number": str(number), "pieces": pieces, "article": f"A-{article}"}


def _archive(examples: Mapping[str, tuple[Any, Any]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, (given, expected) in examples.items():
            archive.writestr(f"examples/{name}/input.json", json.dumps(given, ensure_ascii=False))
            archive.writestr(f"examples/{name}/expected.json", json.dumps(expected, ensure_ascii=False))
    return packed.getvalue()


# Its first version knows few words; the second knows more, and has lost what the first one knew of lamps.
_WORDS: Final = """\
            if (/order|send us|we need/i.test(all)) return { label: "order", sure: true };
            if (/broken|wrong/i.test(all)) return { label: "complaint", sure: true };
            if (/invoice|paid|reminder/i.test(all)) return { label: "invoice", sure: true };
            if (/deliver/i.test(all)) return { label: "delivery", sure: true };
"""
_MORE_WORDS: Final = """\
            if (/invoice|reminder|VAT|bill/i.test(all)) return { label: "invoice", sure: true };
            if (/wrong|any more/i.test(all)) return { label: "complaint", sure: true };
            if (/deliver|parcel/i.test(all)) return { label: "delivery", sure: true };
            if (/order\\b|we need/i.test(all)) return { label: "order", sure: true };
"""
_MAIL: Final = """\
# Sorts what customers write, by the words that they use.
name: support-mail
version: VERSION
description: Sorts the mail of customers by what they want.

triggerMethods:
  - type: manual

inputs:
  - { name: subject, type: string }
  - { name: text, type: string }

steps:
  - name: letter
    type: transform.set
    with:
      fields:
        all: '{{ input.subject }} {{ input.text }}'
  - name: sort
    type: transform.script
    with:
      inputs:
        all: '{{ steps.letter.output.all }}'
      function: |
        function script(all: string): { label: string; sure: boolean } {
WORDS            return { label: "other", sure: false };
        }
  - name: by-hand
    type: control.if
    condition: '{{ steps.sort.output.sure == false }}'
    then:
      - name: note
        type: transform.set
        with:
          fields:
            note: No word of it is known.

output:
  label: '{{ steps.sort.output.label }}'
  sure: '{{ steps.sort.output.sure }}'
"""
_MAIL_EVALUATORS: Final = """\
passThreshold: 1
evaluators:
  - name: label
    description: The label is what the customer means.
    type: exact-diff
    config:
      paths: [label]
  - name: known-label
    description: The label is one of the five.
    type: json-schema
    config:
      schema:
        properties:
          label: { enum: [order, complaint, invoice, delivery, other] }
  - name: never-unsure
    description: Something was recognised; it only warns.
    type: json-schema
    weight: 0
    config:
      schema:
        properties:
          sure: { const: true }
"""
_ORDERS: Final = """\
name: purchase-orders
version: 2.0.0
description: Number, article and pieces of an order that comes by fax or mail.

triggerMethods:
  - type: manual

inputs:
  - { name: text, type: string }

steps:
  - name: fields
    type: transform.regex-extract
    with:
      input: '{{ input.text }}'
      fields:
        number: { pattern: 'Order no\\. (\\d+)' }
        pieces: { pattern: '(\\d+) pieces', format: iso-number }
        article: { pattern: 'article (\\S+)\\.' }
  - name: require-number
    type: control.fail
    condition: '{{ steps.fields.output.number == null }}'
    statusCode: 422
    message: There is no order number in it.

output:
  number: '{{ steps.fields.output.number }}'
  pieces: '{{ steps.fields.output.pieces }}'
  article: '{{ steps.fields.output.article }}'
"""
_ORDER_EVALUATORS: Final = """\
passThreshold: 1
evaluators:
  - name: fields-match
    description: Every field is right.
    type: exact-diff
"""
_DELIVERIES: Final = """\
name: delivery-notes
version: 0.1.0
description: Compares what came with what was ordered. Not in use yet.

triggerMethods:
  - type: manual

inputs:
  - { name: ordered, type: integer }
  - { name: delivered, type: integer }

steps:
  - name: difference
    type: transform.set
    with:
      fields:
        missing: '{{ input.ordered | minus: input.delivered }}'

output:
  missing: '{{ steps.difference.output.missing }}'
"""

# The k-th of n runs of an automation falls on the day that its lot of a hundred says. What the second version of
# invoice-fields ran is the later half of them, so that it became current a week ago.
_SPREAD: Final = """
WITH placed AS (
    SELECT id, ($1::int[])[1 + (row_number() OVER run - 1) * 100 / count(*) OVER (PARTITION BY automation_id)]
        * interval '1 day' + (row_number() OVER run * 47 % 500) * interval '1 minute' AS age
    FROM runs WHERE batch_id IS NULL WINDOW run AS (PARTITION BY automation_id ORDER BY id)
)
UPDATE runs SET created_at = created_at - age, started_at = started_at - age, completed_at = completed_at - age,
    review_created_at = review_created_at - age, review_updated_at = review_updated_at - age,
    review_resolved_at = review_resolved_at - age
FROM placed WHERE placed.id = runs.id
"""
_FOLLOW: Final = """
UPDATE run_steps s SET started_at = r.started_at + (s.started_at - x.began),
    completed_at = r.started_at + (s.completed_at - x.began)
FROM runs r, (SELECT run_id, min(started_at) AS began FROM run_steps GROUP BY run_id) x
WHERE r.id = s.run_id AND x.run_id = s.run_id AND r.batch_id IS NULL;
UPDATE review_items i SET created_at = r.completed_at FROM runs r WHERE r.id = i.run_id;
UPDATE feedback f SET created_at = r.review_created_at, updated_at = r.review_updated_at
FROM runs r WHERE r.id = f.run_id;
UPDATE verdicts v SET created_at = r.review_created_at, updated_at = r.review_updated_at
FROM runs r WHERE r.id = v.run_id;
UPDATE automations SET created_at = created_at - interval '15 days';
UPDATE experiments SET created_at = created_at - interval '14 days', started_at = started_at - interval '14 days',
    completed_at = completed_at - interval '14 days'
WHERE version_label IN ('1.0.0', '2.0.0');
ALTER TABLE automation_versions DISABLE TRIGGER USER;
ALTER TABLE automation_activations DISABLE TRIGGER USER;
UPDATE automation_versions v SET created_at = v.created_at - interval '7 days'
    * CASE WHEN v.label IN ('1.0.0', '2.0.0') THEN 2 ELSE 1 END
FROM automations a WHERE a.id = v.automation_id AND (v.label <> '1.1.0' OR a.slug = 'invoice-fields')
    AND v.label <> '1.2.0';
UPDATE automation_activations c SET created_at = v.created_at FROM automation_versions v WHERE v.id = c.version_id;
ALTER TABLE automation_versions ENABLE TRIGGER USER;
ALTER TABLE automation_activations ENABLE TRIGGER USER
"""
