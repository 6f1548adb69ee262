"""The dataset is told to have nothing like what comes in, once that is shown of enough runs."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from tests.monitoring.production import Production, production

from assay import access, clock, datasets, db, monitoring, reviews
from assay.monitoring import InputDay, likeness
from assay.runs import Features

DAY = timedelta(days=1)
GERMAN = Features("application/pdf", "< 10 kB", "1", "de", "api")


def days(languages: dict[str, int], **more: dict[str, int]) -> list[InputDay]:
    runs = sum(languages.values())
    usual = {
        "type": {"application/pdf": runs},
        "size": {"< 10 kB": runs},
        "pages": {"1": runs},
        "source": {"api": runs},
    }
    return [InputDay(date(2026, 6, 1), runs, {**usual, "language": languages, **more})]


def test_a_language_that_no_example_has_is_named_with_its_share() -> None:
    found = likeness(days({"de": 70, "fr": 25, "": 5}), [GERMAN, replace(GERMAN, language=None)])
    assert found.state == "unlike"
    assert [(one.feature, one.value, one.runs, one.share) for one in found.classes] == [("language", "fr", 25, 0.25)]
    (language,) = [one for one in found.features if one.runs]
    assert language.interval.lower < 0.25 < language.interval.upper
    assert found.sentence == (
        "The dataset has nothing like 25% of the last runs: no example has their language, most often fr."
    )


def test_one_odd_document_is_no_alarm_and_what_examples_have_rarely_counts() -> None:
    assert likeness(days({"de": 60, "fr": 1}), [GERMAN]).state == "like"
    rarely = [GERMAN] * 50 + [replace(GERMAN, language="fr")]
    assert likeness(days({"de": 1, "fr": 60}), rarely).state == "like"


def test_an_example_of_any_source_stands_for_every_source() -> None:
    mail = {"mail": 60}
    assert likeness(days({"de": 60}, source=mail), [GERMAN]).state == "unlike"
    assert likeness(days({"de": 60}, source=mail), [GERMAN, replace(GERMAN, source=None)]).state == "like"


def test_few_runs_or_examples_of_which_nothing_is_known_tell_nothing() -> None:
    for found in (likeness(days({"fr": 29}), [GERMAN]), likeness(days({"fr": 90}), []), likeness([], [GERMAN])):
        assert (found.state, found.unlike, found.features) == ("no_data", None, ())


@pytest.fixture
def by(organization: access.Organization, owner: access.User) -> access.Caller:
    return access.Caller(
        organization.id, "default", "Default", owner.id, "key_1", owner.email, None, frozenset({"full_access"})
    )


async def test_health_and_an_alert_hold_what_comes_in_against_the_examples(database: db.Database, by: access.Caller):
    flow = await production(database, by, "unlike-the-dataset")
    known: dict[str, Any] = {
        "type": "application/pdf", "size": "< 10 kB", "pages": "1", "language": "de", "source": "api",
    }  # fmt: skip
    first = await flow.run(ago=DAY, features=known)
    for number in range(40):
        await flow.run(ago=2 * DAY, features={**known, "language": "fr" if number % 2 else "de"})
    await add_example(flow, by, first)
    await monitoring.sum_up_inputs(database)
    now = clock.now()
    rule = monitoring.AlertRule(metric="unlike_dataset", threshold=0.2)
    async with database.transaction() as tx:
        query = monitoring.Query(start=now - 10 * DAY, end=now)
        health = await monitoring.review_health(tx, flow.organization_id, flow.automation_id, query)
        looks = await monitoring.preview(
            tx, flow.organization_id, flow.automation_id, rule, start=now - DAY / 100, end=now
        )
    assert (health.likeness.state, health.likeness.runs, health.likeness.examples) == ("unlike", 41, 1)
    assert [one.value for one in health.likeness.classes] == ["fr"]
    assert looks[-1].value == health.likeness.unlike
    assert looks[-1].state == "firing"


async def add_example(flow: Production, by: access.Caller, run: str) -> None:
    async with flow.database.transaction() as tx:
        await datasets.upsert_by_name(
            tx,
            by,
            flow.automation_id,
            {"name": "german", "input": {}, "expected": None, "overrides": None, "metadata": {}},
            files=[],
            promoted_run_id=run,
            guard=reviews.ExampleGuard(None),
        )
