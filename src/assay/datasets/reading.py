"""What can be read of a dataset: as it is now, and as it was in any of its revisions."""

from collections.abc import Sequence

from assay import db
from assay.datasets import store
from assay.datasets.errors import ExampleNotFoundError, RevisionNotFoundError
from assay.datasets.model import ExampleRow, ExampleVersion, PastVersion, Revision


async def hold(tx: db.Transaction, automation_id: str) -> None:
    """Keep everyone else from changing the dataset until the transaction ends; what is read from now on stays true."""
    await store.lock(tx, automation_id)


async def current_revision(tx: db.Transaction, organization_id: str, automation_id: str) -> Revision | None:
    """Return the newest revision; None for a dataset that never held an example."""
    newest = await store.revisions(tx, organization_id, automation_id, 1, 0)
    return newest[0] if newest else None


async def revisions(
    tx: db.Transaction, organization_id: str, automation_id: str, *, limit: int, offset: int = 0
) -> tuple[list[Revision], int]:
    """Return one page, newest first, and how many there are in all."""
    newest = await current_revision(tx, organization_id, automation_id)
    page = await store.revisions(tx, organization_id, automation_id, limit, offset)
    return page, newest.number if newest else 0


async def get_revision(tx: db.Transaction, organization_id: str, automation_id: str, number: int) -> Revision:
    """Return a revision.

    Raises:
        RevisionNotFoundError: the dataset has none of this number.
    """
    found = await store.find_revision(tx, organization_id, automation_id, number)
    if found is None:
        message = f"The dataset has no revision {number}."
        raise RevisionNotFoundError(message, field="revision")
    return found


async def examples_at(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    revision: int,
    *,
    example_ids: Sequence[str] | None = None,
    after: tuple[int, str] | None = None,
    limit: int,
) -> list[ExampleVersion]:
    """Return up to `limit` examples of a revision in the dataset's order: all, or those with the given ids.

    `after` is the `place` of the last example of the page before. A revision that does not exist has none.
    """
    return await store.at_revision(tx, organization_id, automation_id, revision, example_ids, after, limit)


async def count(tx: db.Transaction, organization_id: str, automation_id: str) -> int:
    """Return how many examples the dataset has now."""
    return await store.count(tx, organization_id, automation_id)


async def list_examples(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    search: str | None = None,
    limit: int,
    offset: int = 0,
    payloads: bool = True,
) -> tuple[list[ExampleVersion], int]:
    """Return one page of the examples as they are now, in their order, and how many there are in all.

    `search` is a part of the name or the annotation, in capitals or not. Without `payloads`, `input`, `expected` and
    `expected_error` are None and are not read at all.
    """
    return await store.list_current(tx, organization_id, automation_id, search, limit, offset, payloads=payloads)


async def list_rows(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    search: str | None = None,
    limit: int,
    offset: int = 0,
) -> tuple[list[ExampleRow], int]:
    """Return one page of the examples as a table shows them, in their order, and how many there are in all.

    `search` is a part of the name or the annotation, in capitals or not. No large payload is read.
    """
    return await store.rows(tx, organization_id, automation_id, search, limit, offset)


async def past_versions(
    tx: db.Transaction, organization_id: str, automation_id: str, example_id: str, *, limit: int, offset: int = 0
) -> tuple[list[PastVersion], int]:
    """Return one page of an example's versions, newest first, without what they hold, and how many there are in all.

    `version_of` reads one.
    """
    return await store.past_versions(tx, organization_id, automation_id, example_id, limit, offset)


async def get_example(tx: db.Transaction, organization_id: str, automation_id: str, reference: str) -> ExampleVersion:
    """Return an example, by id or name, as it is now.

    Raises:
        ExampleNotFoundError: the dataset has none of this id or name, or no longer.
    """
    askable = reference.isascii() and reference.isprintable()
    found = await store.find(tx, organization_id, automation_id, reference) if askable else None
    if found is None:
        message = f"The dataset has no example {reference[:100]!r}."
        raise ExampleNotFoundError(message)
    return found


async def version_of(
    tx: db.Transaction, organization_id: str, example_version_id: str, *, of: ExampleVersion
) -> ExampleVersion:
    """Return another version of an example, of whichever revision.

    Raises:
        ExampleNotFoundError: the example has no such version.
    """
    askable = example_version_id.isascii() and example_version_id.isprintable()
    found = await store.by_versions(tx, organization_id, [example_version_id]) if askable else []
    if not found or found[0].example_id != of.example_id:
        message = f"The example {of.name} has no version {example_version_id[:100]!r}."
        raise ExampleNotFoundError(message)
    return found[0]


async def graded_hashes(tx: db.Transaction, organization_id: str, automation_id: str) -> dict[str, tuple[str, str]]:
    """Return name and graded hash of every example as it is now, by its id."""
    return await store.graded_hashes(tx, organization_id, automation_id)
