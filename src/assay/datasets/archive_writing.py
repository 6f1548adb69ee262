"""How any revision of a dataset becomes an archive in the canonical layout, made while it is sent."""

import asyncio
import json
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

from pydantic import JsonValue

from assay import db, files
from assay.datasets import store
from assay.datasets.archive_plan import EXPECTED, FOLDER, INPUT, META
from assay.datasets.errors import ExampleNotFoundError
from assay.datasets.model import ExampleFile, ExampleVersion
from assay.datasets.reading import current_revision, get_revision
from assay.datasets.references import find_references, named_path
from assay.errors import Issue

_BATCH_EXAMPLES = 100
_BATCH_CHARACTERS = 8 * 1024**2
_SENT = 256 * 1024


async def export_archive(
    database: db.Database,
    blobs: files.Blobs,
    organization_id: str,
    automation_id: str,
    *,
    revision: int | None = None,
    examples: Sequence[str] | None = None,
) -> AsyncIterator[bytes]:
    """Return the bytes of a ZIP file: of the current revision or another one, of all examples or some (ids or names).

    Equal revisions give equal bytes, in about 10 MiB of memory however large the dataset. Files that nothing refers
    to are left out, since an archive with such files could not be imported (`referenced_files` tells them apart).
    What refers to a file that is not there is written as it stands. Without any revision the archive is empty.

    Raises:
        RevisionNotFoundError: the dataset has no such revision; raised before the first byte, like the next.
        ExampleNotFoundError: the revision lacks some of the examples; all of them are named.
        BlobMissingError: while iterating, a file's bytes are gone.
        StorageUnavailableError: while iterating, the store does not answer.
    """
    async with database.transaction() as tx:
        if revision is not None:
            number = (await get_revision(tx, organization_id, automation_id, revision)).number
        else:
            newest = await current_revision(tx, organization_id, automation_id)
            number = newest.number if newest else 0
        outlines = await store.outline(tx, organization_id, automation_id, number)
    chosen = outlines if examples is None else _chosen(outlines, examples)
    return _packed(_pages(database, organization_id, chosen), blobs)


def referenced_files(version: ExampleVersion) -> list[ExampleFile]:
    """Return the files of an example that its JSON refers to, by path: those an export holds."""
    named = {
        named_path(reference)
        for side, value in (("input", version.input), ("expected", version.expected))
        for _, reference in find_references(value, side)
    }
    return [file for file in version.files if file.path in named]


def _chosen(outlines: Sequence[store.Outline], examples: Sequence[str]) -> list[store.Outline]:
    wanted = set(examples)
    chosen = [outline for outline in outlines if outline.example_id in wanted or outline.name in wanted]
    found = {outline.example_id for outline in chosen} | {outline.name for outline in chosen}
    issues = [
        Issue("exampleIds", f"The dataset has no example {example[:100]!r}.", ExampleNotFoundError.code)
        for example in sorted(wanted - found)
    ]
    if issues:
        raise ExampleNotFoundError(issues[0].message, field="exampleIds", issues=issues)
    return chosen


async def _pages(
    database: db.Database, organization_id: str, outlines: Sequence[store.Outline]
) -> AsyncGenerator[list[ExampleVersion]]:
    for batch in _batches(outlines):
        async with database.transaction() as tx:
            page = await store.by_versions(tx, organization_id, batch)
        yield page


def _batches(outlines: Sequence[store.Outline]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for outline in outlines:
        if batch and (len(batch) == _BATCH_EXAMPLES or characters + outline.json_size > _BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(outline.id)
        characters += outline.json_size
    if batch:
        yield batch


async def _packed(pages: AsyncIterator[list[ExampleVersion]], blobs: files.Blobs) -> AsyncGenerator[bytes]:
    outbox = files.Outbox()
    with zipfile.ZipFile(outbox, "w") as archive:
        async for page in pages:
            for version in page:
                await asyncio.to_thread(_write_documents, archive, version)
                for file in referenced_files(version):
                    with archive.open(_entry(f"{FOLDER}/{version.name}/{file.path}", file.size), "w") as entry:
                        async for piece in await blobs.stream(file.sha256):
                            entry.write(piece)
                            if outbox.size > _SENT:
                                yield outbox.take()
                if outbox.size > _SENT:
                    yield outbox.take()
    yield outbox.take()


def _write_documents(archive: zipfile.ZipFile, version: ExampleVersion) -> None:
    for name, value in _documents(version).items():
        content = (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
        entry = _entry(f"{FOLDER}/{version.name}/{name}", len(content))
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, content)


def _documents(version: ExampleVersion) -> dict[str, JsonValue]:
    documents: dict[str, JsonValue] = {INPUT: version.input}
    if version.stated_expectation is not None:
        documents[EXPECTED] = version.stated_expectation
    meta: dict[str, JsonValue] = {
        "rowOrder": version.row_order,
        "annotation": version.annotation,
        "overrides": version.overrides,
        "metadata": version.metadata,
    }
    given: dict[str, JsonValue] = {key: value for key, value in meta.items() if value is not None}
    if given:
        documents[META] = given
    return documents


def _entry(path: str, size: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path)  # of 1980, whenever it is made
    entry.file_size = size  # decides whether the entry is ZIP64
    entry.create_system = 3  # wherever it is made
    entry.external_attr = 0o644 << 16
    return entry
