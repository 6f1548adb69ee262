import asyncio
from typing import Any

import asyncpg
import pytest
from tests.datasets.conftest import Shelf

from assay import access, datasets, reviews


def fields(error: pytest.ExceptionInfo[datasets.InvalidExampleError]) -> set[str]:
    return {issue.field for issue in error.value.issues}


async def test_what_is_created_is_read_back_by_id_and_by_name(shelf: Shelf) -> None:
    made = await shelf.create(
        name="first-one",
        input={"text": "a", "deep": {"z": 1, "a": [1.5, None, "é\u0000"]}},
        expected={"total": 10},
        metadata={"origin": "mail"},
        annotation="why",
        rowOrder=3,
        overrides={"steps": {"kept": {"values": {}}}},
        somethingElse="ignored, as the contract says",
    )
    assert made.name == "first-one"
    assert made.input == {"text": "a", "deep": {"z": 1, "a": [1.5, None, "é\ufffd"]}}
    assert str(made.input).index("'z':") < str(made.input).index("'a':")
    assert (made.expected, made.has_expected, made.expected_error) == ({"total": 10}, True, None)
    assert (made.metadata, made.annotation, made.row_order) == ({"origin": "mail"}, "why", 3)
    assert (made.updated_at, made.latest_run_id, made.promoted_run_id) == (None, None, None)
    assert await shelf.get(made.example_id) == await shelf.get("first-one") == made


async def test_examples_without_a_name_get_readable_ones_that_are_never_used_again(shelf: Shelf) -> None:
    assert [(await shelf.create()).name, (await shelf.create(name=None)).name] == ["example-1", "example-2"]
    await shelf.delete("example-2")
    assert (await shelf.create()).name == "example-3"


async def test_examples_stand_by_row_order_then_name_and_those_without_order_last(shelf: Shelf) -> None:
    for name, order in (("b", None), ("a", None), ("z", 0), ("y", 2), ("x", 2), ("a_b", None), ("a-b", None)):
        await shelf.create(name=name, rowOrder=order)
    assert await shelf.names() == ["z", "x", "y", "a", "a-b", "a_b", "b"]
    async with shelf.database.transaction() as tx:
        found: list[str] = []
        after = None
        while page := await datasets.examples_at(
            tx, shelf.organization_id, shelf.automation_id, 7, after=after, limit=2
        ):
            found += [example.name for example in page]
            after = page[-1].place
    assert found == ["z", "x", "y", "a", "a-b", "a_b", "b"]


async def test_everything_that_is_wrong_is_said_at_once(shelf: Shelf) -> None:
    with pytest.raises(datasets.InvalidExampleError) as caught:
        await shelf.create(
            name="Not a name",
            input=[1],
            expected={"$error": {"code": 200, "messageContains": "", "step": "s" * 201, "else": 1}},
            metadata="no",
            annotation="x" * 2001,
            rowOrder=-1,
            overrides={"steps": [], "other": 1},
        )
    assert fields(caught) == {
        *("name", "input", "metadata", "annotation", "rowOrder", "overrides.steps", "overrides.other"),
        *("expected.$error.code", "expected.$error.messageContains", "expected.$error.step", "expected.$error.else"),
    }
    assert await shelf.number() == 0


@pytest.mark.parametrize(
    "expected",
    [
        {"$error": {}},
        {"$error": None},
        {"$error": "x"},
        {"$error": {"code": 404}, "total": 1},
        {"$error": {"code": True}},
    ],
)
async def test_an_expected_error_says_something_and_excludes_an_expected_output(shelf: Shelf, expected: object) -> None:
    with pytest.raises(datasets.InvalidExampleError):
        await shelf.create(expected=expected)


async def test_an_expected_error_is_kept_apart_from_an_expected_output(shelf: Shelf) -> None:
    made = await shelf.create(name="a", expected={"$error": {"code": 422, "step": "check"}})
    assert (made.expected, made.has_expected, made.expected_error) == (None, False, {"code": 422, "step": "check"})
    assert made.stated_expectation == {"$error": {"code": 422, "step": "check"}}
    changed = await shelf.update("a", expected={"$total": 1})
    assert (changed.expected, changed.expected_error) == ({"$total": 1}, None)


async def test_an_example_of_more_than_ten_mebibytes_is_refused(shelf: Shelf) -> None:
    with pytest.raises(datasets.InvalidExampleError):
        await shelf.create(input={"text": "x" * 10 * 1024**2})


async def test_an_update_keeps_what_it_lacks_and_null_clears(shelf: Shelf) -> None:
    made = await shelf.create(name="a", input={"text": "a"}, expected=[1], annotation="why", rowOrder=1, metadata={})
    changed = await shelf.update("a", annotation=None, expected=None, name="b")
    assert (changed.name, changed.input, changed.row_order) == ("b", {"text": "a"}, 1)
    assert (changed.annotation, changed.expected, changed.has_expected) == (None, None, False)
    assert changed.example_id == made.example_id
    assert changed.updated_at is not None
    assert (await shelf.update("b", input=None)).input == {}
    with pytest.raises(datasets.ExampleNotFoundError):
        await shelf.get("a")


async def test_an_update_refuses_what_nothing_is_called_and_passes_over_what_cannot_be_changed(shelf: Shelf) -> None:
    made = await shelf.create(name="a")
    with pytest.raises(datasets.InvalidExampleError) as caught:
        await shelf.update("a", anotation="typo")
    assert fields(caught) == {"anotation"}
    same = await shelf.update("a", id=made.example_id, createdAt="2020-01-01T00:00:00Z", latestRunId=None)
    assert same == made


async def test_a_name_belongs_to_one_example_of_a_dataset_until_it_is_deleted(shelf: Shelf) -> None:
    await shelf.create(name="a")
    await shelf.create(name="b")
    with pytest.raises(datasets.ExampleNameExistsError):
        await shelf.create(name="a")
    with pytest.raises(datasets.ExampleNameExistsError):
        await shelf.update("b", name="a")
    gone = await shelf.delete("a")
    assert (await shelf.create(name="a")).example_id != gone.example_id
    with pytest.raises(datasets.ExampleNotFoundError):
        await shelf.delete(gone.example_id)


async def test_every_change_is_a_revision_and_what_changes_nothing_is_none(shelf: Shelf) -> None:
    await shelf.create(name="a", input={"x": 1, "y": 2}, expected=1)
    first = await shelf.revision()
    assert first is not None
    assert (first.number, first.action, first.examples, first.with_expected) == (1, "example.created", 1, 1)
    assert first.created_by == shelf.caller.user_id
    await shelf.update("a", input={"y": 2, "x": 1}, expected=1, name="a")
    assert await shelf.revision() == first
    await shelf.create(name="b")
    await shelf.delete("b")
    last = await shelf.revision()
    assert last is not None
    assert (last.number, last.content_hash) == (3, first.content_hash)
    async with shelf.database.transaction() as tx:
        page, total = await datasets.revisions(tx, shelf.organization_id, shelf.automation_id, limit=2)
        audit = await access.list_audit(tx, shelf.organization_id, 3)
    assert ([one.number for one in page], total) == ([3, 2], 3)
    assert [entry.action for entry in audit] == ["example.deleted", "example.created", "example.created"]
    assert audit[0].detail == {"automation": shelf.automation_id, "revision": 3, "name": "b"}


async def test_the_graded_hash_moves_with_what_a_verdict_rests_on_and_nothing_else(shelf: Shelf) -> None:
    await shelf.create(name="a", input={"doc": {"$file": "input/a.txt"}}, expected={"t": 1})
    hashes = [(await shelf.get("a")).graded_hash]
    for values in ({"annotation": "n"}, {"rowOrder": 5}, {"metadata": {"k": 1}}, {"name": "b"}):
        hashes += [(await shelf.update("a", **values)).graded_hash]
    assert len(set(hashes)) == 1
    for values in ({"input": {"doc": 1}}, {"expected": {"t": 2}}, {"overrides": {"steps": {}}}):
        hashes += [(await shelf.update("b", **values)).graded_hash]
    await shelf.add("b", "input", a_txt=b"one")
    hashes.append((await shelf.get("b")).graded_hash)
    await shelf.add("b", "input", a_txt=b"two")
    hashes.append((await shelf.get("b")).graded_hash)
    assert len(set(hashes)) == 6
    async with shelf.database.transaction() as tx:
        graded = await datasets.graded_hashes(tx, shelf.organization_id, shelf.automation_id)
    example = await shelf.get("b")
    assert graded == {example.example_id: ("b", hashes[-1])}


async def test_an_old_revision_stays_as_it_was(shelf: Shelf) -> None:
    first = await shelf.create(name="a", input={"x": 1})
    await shelf.add("a", "input", f_txt=b"one")
    second = await shelf.get("a")
    await shelf.update("a", input={"x": 2}, name="b")
    await shelf.add("b", "input", f_txt=b"two", g_txt=b"g")
    await shelf.delete("b")

    async def at(number: int) -> list[datasets.ExampleVersion]:
        async with shelf.database.transaction() as tx:
            return await datasets.examples_at(tx, shelf.organization_id, shelf.automation_id, number, limit=10)

    assert [one.id for one in await at(1)] == [first.id]
    (again,) = await at(2)
    assert (again.name, again.input, again.files) == ("a", {"x": 1}, second.files)
    assert [len(one.files) for one in await at(4)] == [2]
    assert await at(5) == await at(6) == []
    async with shelf.database.transaction() as tx:
        assert (await datasets.version_of(tx, shelf.organization_id, first.id, of=first)).input == {"x": 1}
        by_id = await datasets.examples_at(
            tx, shelf.organization_id, shelf.automation_id, 3, example_ids=[first.example_id], limit=10
        )
        assert [one.name for one in by_id] == ["b"]
        assert await datasets.count(tx, shelf.organization_id, shelf.automation_id) == 0
        with pytest.raises(datasets.RevisionNotFoundError):
            await datasets.get_revision(tx, shelf.organization_id, shelf.automation_id, 6)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE example_versions SET input = '{}'",
        "UPDATE example_versions SET to_revision = 99 WHERE to_revision IS NOT NULL",
        "UPDATE example_versions SET to_revision = NULL WHERE to_revision IS NOT NULL",
        "DELETE FROM example_versions",
        "UPDATE dataset_revisions SET examples = 0",
        "DELETE FROM dataset_revisions",
        "DELETE FROM example_files",
        "UPDATE example_files SET sha256 = 'x'",
    ],
)
async def test_the_database_itself_refuses_to_change_what_was(shelf: Shelf, statement: str) -> None:
    await shelf.create(name="a")
    await shelf.add("a", "input", f_txt=b"one")
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        async with shelf.database.transaction() as tx:
            await tx.execute(statement)


async def test_changes_at_the_same_time_give_consecutive_revisions(shelf: Shelf) -> None:
    await shelf.create(name="shared", input={"n": -1})
    await asyncio.gather(
        *(shelf.create(input={"n": number}) for number in range(12)),
        *(shelf.update("shared", input={"n": number}) for number in range(8)),
    )
    async with shelf.database.transaction() as tx:
        page, total = await datasets.revisions(tx, shelf.organization_id, shelf.automation_id, limit=100)
    assert [one.number for one in page] == list(range(21, 0, -1))
    assert total == 21
    assert page[0].examples == 13
    assert await shelf.names() == sorted(await shelf.names())
    assert len(set(await shelf.names())) == 13


async def test_another_organization_sees_nothing(shelf: Shelf) -> None:
    made = await shelf.create(name="a")
    async with shelf.database.transaction() as tx:
        stranger = (await access.create_organization(tx, slug=f"s-{made.id[-12:].lower()}", name="Strangers")).id
        assert await datasets.current_revision(tx, stranger, shelf.automation_id) is None
        assert await datasets.list_examples(tx, stranger, shelf.automation_id, limit=10) == ([], 0)
        assert await datasets.examples_at(tx, stranger, shelf.automation_id, 1, limit=10) == []
        with pytest.raises(datasets.ExampleNotFoundError):
            await datasets.get_example(tx, stranger, shelf.automation_id, "a")
        with pytest.raises(datasets.ExampleNotFoundError):
            await datasets.version_of(tx, stranger, made.id, of=made)


@pytest.mark.parametrize("reference", ["nothing", "", "a\x00", "\ud800", "ä", "x" * 10_000])
async def test_no_reference_finds_what_is_not_there(shelf: Shelf, reference: str) -> None:
    await shelf.create(name="a")
    with pytest.raises(datasets.ExampleNotFoundError):
        await shelf.get(reference)


async def test_a_list_without_payloads_says_all_but_them(shelf: Shelf) -> None:
    await shelf.create(name="a", input={"x": 1}, expected={"y": 1}, metadata={"m": 1})
    async with shelf.database.transaction() as tx:
        ((found,), total) = await datasets.list_examples(
            tx, shelf.organization_id, shelf.automation_id, limit=1, payloads=False
        )
    assert (found.name, found.input, found.expected, found.has_expected, total) == ("a", None, None, True, 1)


async def test_a_promoted_run_makes_an_example_and_a_second_one_changes_it(shelf: Shelf) -> None:
    async def promote(run_id: str, **values: Any) -> tuple[datasets.ExampleVersion, bool]:
        async with shelf.database.transaction() as tx:
            blob = await shelf.blobs.keep_bytes(tx, run_id.encode())
            file = datasets.ExampleFile("input/doc/a.txt", blob.sha256, blob.size, "text/plain")
            return await datasets.upsert_by_name(
                tx,
                shelf.caller,
                shelf.automation_id,
                values,
                files=[file],
                promoted_run_id=run_id,
                guard=reviews.ExampleGuard(),
            )

    document = {"doc": {"$file": "input/doc/a.txt", "filename": "a.txt", "mimeType": "text/plain", "size": 3}}
    made, fresh = await promote("exec_1", name="bad-one", input=document, expected={"t": 1}, annotation="wrong total")
    assert (fresh, made.promoted_run_id, made.expected) == (True, "exec_1", {"t": 1})
    await shelf.update("bad-one", rowOrder=4)
    again, fresh = await promote("exec_2", name="bad-one", input=document, expected={"t": 2})
    assert (fresh, again.example_id, again.promoted_run_id) == (False, made.example_id, "exec_2")
    assert (again.expected, again.row_order, again.annotation) == ({"t": 2}, 4, "wrong total")
    assert again.files[0].sha256 != made.files[0].sha256
    unnamed, fresh = await promote("exec_3", name=None, input=document)
    assert (fresh, unnamed.name) == (True, "example-1")
