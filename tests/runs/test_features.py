"""What is kept of a run's input when it ends."""

import textwrap
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.documents.samples import pdf, text_at
from tests.runs.conftest import Desk

from assay import clock, engine, runs
from assay.runs.features import DocumentSeen, features_of
from assay.runs.language import language_of

NOW = clock.now()
GERMAN = (
    "Sehr geehrte Damen und Herren, vielen Dank für Ihren Auftrag. Wir erlauben uns, Ihnen die folgenden Leistungen in "
    "Rechnung zu stellen, und bitten Sie, den Betrag bis zum Ende des Monats auf unser Konto zu überweisen."
)
ENGLISH = (
    "Dear customer, thank you for your order. Please find attached the invoice for the work that was done in March, "
    "and be so kind as to pay the amount by the end of the month. We are looking forward to hearing from you soon."
)
FRENCH = (
    "Madame, Monsieur, nous vous remercions de votre commande. Vous trouverez ci-joint la facture pour les travaux qui "
    "ont été effectués au mois de mars, et nous vous prions de payer le montant dans les trente jours. Cordialement."
)
SPANISH = (
    "Estimados señores, les agradecemos su pedido. Adjunto encontrarán la factura por los trabajos que se realizaron "
    "en el mes de marzo, y les rogamos que paguen el importe antes del final del mes. Un saludo muy cordial para todos."
)
PARSE = {"name": "parse", "type": "ai.parse", "with": {"input": "{{ input.document }}"}}
DOCUMENT = {"name": "document", "type": "file", "required": False}
TEXT = {"name": "text", "type": "string", "required": False}


async def features(desk: Desk, run: runs.RunDetail) -> Mapping[str, Any]:
    group = await groups(desk, run.summary.automation_id)
    found = next(one for one in group if run.summary.id in one.run_ids)
    assert found.features is not None
    return {name: getattr(found.features, name) for name in runs.Features.__dataclass_fields__}


async def groups(desk: Desk, automation_id: str, **more: Any) -> list[runs.FeatureGroup]:
    wanted: dict[str, Any] = {"created_from": None, "created_to": None, "limit": 100, "run_ids": 5, **more}
    async with desk.database.transaction() as tx:
        return await runs.feature_groups(tx, desk.organization_id, automation_id, **wanted)


def file(name: str, content: bytes, mime: str | None = None) -> dict[str, Any]:
    inline = {"filename": name, "base64": b64encode(content).decode()}
    return {"$inline": inline if mime is None else {**inline, "mimeType": mime}}


async def test_a_document_is_known_by_type_size_pages_language_and_source(desk: Desk):
    flow = await desk.push([PARSE], inputs=[DOCUMENT])
    page = "".join(text_at(40, 700 - 14 * line, words) for line, words in enumerate(textwrap.wrap(ENGLISH, 60)))
    run = await desk.run(flow, {"document": file("a.pdf", pdf([page] * 3))}, metadata={"source": "mailbox"})

    assert await features(desk, run) == {
        "type": "application/pdf",
        "size": "< 10 kB",
        "pages": "2-5",
        "language": "en",
        "source": "mailbox",
    }


async def test_without_a_file_the_input_itself_is_looked_at(desk: Desk):
    flow = await desk.push([{"name": "set", "type": "transform.set", "with": {"fields": {"a": 1}}}], inputs=[TEXT])
    run = await desk.run(flow, {"text": GERMAN * 60})

    assert await features(desk, run) == {
        "type": "application/json",
        "size": "10-100 kB",
        "pages": None,
        "language": "de",
        "source": "api",
    }


async def test_a_run_that_fails_before_anything_was_parsed_has_no_pages(desk: Desk):
    flow = await desk.push([PARSE], inputs=[DOCUMENT])
    run = await desk.run(flow, {"document": file("broken.pdf", b"%PDF-1.7 but not really")})

    assert run.summary.status == "failed"
    found = await features(desk, run)
    assert (found["type"], found["pages"], found["language"]) == ("application/pdf", None, None)


async def test_other_words_for_the_same_type_are_one_class(desk: Desk):
    flow = await desk.push([{"name": "set", "type": "transform.set", "with": {"fields": {"a": 1}}}], inputs=[DOCUMENT])
    types = set[str]()
    for mime in ("text/xml", "application/xml; charset=utf-8"):
        run = await desk.run(flow, {"document": file("a.xml", b"<a/>", mime)})
        types.add((await features(desk, run))["type"])

    assert types == {"application/xml"}


async def test_a_document_parsed_before_the_run_was_given_back_still_counts(desk: Desk):
    flow = await desk.push([PARSE, {"name": "wait", "type": "control.wait", "duration": 1100}], inputs=[DOCUMENT])
    run = await desk.run(flow, {"document": file("a.txt", GERMAN.encode())})

    assert run.summary.status == "completed"
    found = await features(desk, run)
    assert (found["pages"], found["language"]) == ("1", "de")


async def test_groups_are_counted_the_largest_first_with_their_newest_runs(desk: Desk):
    flow = await desk.push([{"name": "set", "type": "transform.set", "with": {"fields": {"a": 1}}}], inputs=[TEXT])
    few = await desk.run(flow, metadata={"source": "few"})
    many = [(await desk.run(flow, metadata={"source": "many"})).summary.id for _ in range(3)]
    await desk.run(flow, metadata={"source": "hidden"}, mode="shadow")
    never = await desk.run_and_cancel(flow)

    found = await groups(desk, flow.id, run_ids=2)
    assert found[0].runs == 3
    assert {one.features and one.features.source for one in found} == {"many", "few", None}
    assert found[0].run_ids == [many[2], many[1]]
    assert next(one.run_ids for one in found if one.features is None) == [never]
    newest = await groups(desk, flow.id, limit=1)
    assert [one.run_ids for one in newest] == [[never]]
    until = await groups(desk, flow.id, created_to=(await desk.read(many[0])).summary.created_at)
    assert [one.run_ids for one in until] == [[few.summary.id]]


@pytest.mark.parametrize(
    ("text", "language"),
    [(GERMAN, "de"), (ENGLISH, "en"), (FRENCH, "fr"), (SPANISH, "es")],
    ids=lambda value: value[:9],
)
def test_the_language_is_told_by_its_commonest_words(text: str, language: str):
    assert language_of(text) == language


@pytest.mark.parametrize(
    "text",
    [GERMAN[:199], GERMAN + ENGLISH + FRENCH + SPANISH, "4711 " * 100, "日本語の請求書" * 50, "", "\n" * 5000],
    ids=["short", "mixed", "numbers", "unknown", "empty", "blank"],
)
def test_a_language_that_is_not_plain_is_not_told(text: str):
    assert language_of(text) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_input_has_features_and_they_survive_being_written(value: Any):
    claim = engine.Claim("r", "o", "a", "workflow", "v", "live", NOW, NOW, 1, 0, value, None, value, input_size=10)
    found = features_of(claim, DocumentSeen())

    assert runs.Features.load(found.dump()) == runs.Features.load(runs.Features.load(found.dump()).dump())
    assert found.source
