"""How an archive becomes part of a dataset, or takes its place: all of it in one revision, or nothing.

First every example is read and checked, then the files are kept, and only then the dataset is locked and
written; so the archive is gone through twice, and neither it nor the dataset is ever in memory as a whole.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from zipfile import ZipFile, ZipInfo

from assay import access, db, files
from assay.datasets import store
from assay.datasets.archive_findings import MAX_ISSUES, Findings
from assay.datasets.archive_plan import FOLDER, PlannedExample, planned_examples
from assay.datasets.archive_reading import read_example
from assay.datasets.errors import ArchiveIssue
from assay.datasets.model import AppendResult, Content, ExampleFile, ExampleGuard, ImportMode, ReplaceResult
from assay.datasets.revising import Draft
from assay.datasets.zip_guard import checked_entries, opened, read_entry
from assay.errors import Issue

_CHUNK = 256 * 1024
_BATCH_FILES = 100
_BATCH_EXAMPLES = 200
_BATCH_BYTES = 8 * 1024**2

_FilesOfExamples = dict[str, list[ExampleFile]]


async def import_archive(
    database: db.Database,
    blobs: files.Blobs,
    caller: access.Caller,
    automation_id: str,
    spool: files.Spool,
    mode: ImportMode,
    *,
    guard: ExampleGuard,
) -> AppendResult | ReplaceResult:
    """Import a ZIP file, in the canonical or the legacy layout.

    *append* adds its examples and passes over those whose names the dataset has, with a warning for each.
    *replace* makes the archive all there is; an example whose name is in both keeps its id and its history, one
    that is the same in both its version too. Runs and experiments go on meanwhile: they hold on to the revision
    they began with. Importing the same archive again changes nothing. `guard` is asked before an example that is
    there changes or goes, and what it raises passes through; then nothing was imported.

    Raises:
        InvalidArchiveError: it is no ZIP file, or something in it is wrong: everything at once, the first 200
            issues and how many more there are. Nothing was imported.
        ArchiveTooLargeError: it is larger than 500 MiB, holds more than 50,000 entries, or unpacks to more than
            2 GiB or 200 times its size.
        DatasetFullError: the dataset has no room for all of them.
    """
    with ExitStack() as stack:
        source = await asyncio.to_thread(spool.content)
        archive = await asyncio.to_thread(stack.enter_context, opened(source))
        planned = await asyncio.to_thread(_checked_plan, archive)
        async with database.transaction() as tx:
            wanted = planned
            if mode == "append":
                known = await store.living(tx, caller.organization_id, automation_id)
                wanted = [example for example in planned if example.name not in known]
            kept = await _keep_files(tx, blobs, archive, wanted)
            importing = _Importing(archive, planned, kept, await Draft.begin(tx, caller, automation_id, guard))
            return await (importing.append() if mode == "append" else importing.replace())


def _checked_plan(archive: ZipFile) -> list[PlannedExample]:
    findings = Findings()
    planned = planned_examples(checked_entries(archive, findings), findings)
    for example in planned:
        if example.documents_fit:
            read_example(archive, example, findings)
    findings.raise_any()
    return planned


async def _keep_files(
    tx: db.Transaction, blobs: files.Blobs, archive: ZipFile, planned: Sequence[PlannedExample]
) -> _FilesOfExamples:
    findings = Findings()
    kept: _FilesOfExamples = {example.name: [] for example in planned}
    for batch in _batches(planned):
        async with AsyncExitStack() as stack:
            spools = [await stack.enter_async_context(blobs.spool(info.file_size)) for _, _, info in batch]
            for (example, path, info), spool in zip(batch, spools, strict=True):
                with findings.damage(example.place(path)):
                    await _unpack(archive, info, spool)
            if findings.total:
                continue
            for (example, path, _), blob in zip(batch, await blobs.keep_all(tx, spools), strict=True):
                content_type = files.content_type_of(path, None)
                kept[example.name].append(ExampleFile(path, blob.sha256, blob.size, content_type))
    findings.raise_any()
    return kept


async def _unpack(archive: ZipFile, info: ZipInfo, spool: files.Spool) -> None:
    if info.file_size <= _CHUNK:
        await spool.write(await asyncio.to_thread(read_entry, archive, info))
        return
    with archive.open(info) as entry:
        while piece := await asyncio.to_thread(entry.read, _CHUNK):
            await spool.write(piece)


def _batches(planned: Sequence[PlannedExample]) -> Iterator[list[tuple[PlannedExample, str, ZipInfo]]]:
    batch: list[tuple[PlannedExample, str, ZipInfo]] = []
    size = 0
    for example in planned:
        for path, info in example.files.items():
            if batch and (len(batch) == _BATCH_FILES or size + info.file_size > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append((example, path, info))
            size += info.file_size
    if batch:
        yield batch


@dataclass(slots=True)
class _Importing:
    """An archive whose files are kept, about to be written into a dataset that is locked."""

    archive: ZipFile
    planned: Sequence[PlannedExample]
    kept: _FilesOfExamples
    draft: Draft
    expected_set: int = 0
    created: int = 0
    _known: dict[str, store.Living] = field(default_factory=dict[str, store.Living])

    async def append(self) -> AppendResult:
        known = await self._read_known()
        # One that was there before the files were kept, and is not any more, was passed over then.
        fresh = [example for example in self.planned if example.name not in known and example.name in self.kept]
        await self._write(fresh)
        skipped = sorted({example.name for example in self.planned} - {example.name for example in fresh})
        detail = {"created": self.created, "skipped": len(skipped)}
        await self.draft.finish("dataset.appended", self.draft.automation_id, detail)
        legacy = sum(example.layout == "legacy" for example in self.planned)
        return AppendResult(self.created, self.expected_set, len(skipped), append_warnings(skipped, legacy))

    async def replace(self) -> ReplaceResult:
        known = await self._read_known()
        organization_id, automation_id = self.draft.caller.organization_id, self.draft.automation_id
        files_deleted = await store.count_files(self.draft.tx, organization_id, automation_id)
        names = {example.name for example in self.planned}
        await self.draft.delete([living for name, living in known.items() if name not in names])
        await self._write(self.planned)
        detail = {"created": self.created, "deleted": len(known)}
        await self.draft.finish("dataset.replaced", automation_id, detail)
        return ReplaceResult(self.created, self.expected_set, len(known), files_deleted)

    async def _read_known(self) -> dict[str, store.Living]:
        tx, organization_id = self.draft.tx, self.draft.caller.organization_id
        self._known = await store.living(tx, organization_id, self.draft.automation_id)
        return self._known

    async def _write(self, examples: Sequence[PlannedExample]) -> None:
        rest = list(examples)
        while rest:
            contents = await asyncio.to_thread(_next_contents, self.archive, rest)
            del rest[: len(contents)]
            contents = [replace(content, files=self.kept[content.name]) for content in contents]
            await self.draft.put([(self._known.get(content.name), content) for content in contents])
            self.created += len(contents)
            self.expected_set += sum(expects(content) for content in contents)


def append_warnings(skipped: Sequence[str], legacy: int) -> list[Issue]:
    """Return what to say of the examples that are passed over, and of how many are in the legacy layout."""
    issues = [
        Issue(
            f"{FOLDER}/{name}",
            "The dataset has an example of this name; it stays.",
            ArchiveIssue.NAME_EXISTS,
            "warning",
        )
        for name in skipped[:MAX_ISSUES]
    ]
    if len(skipped) > MAX_ISSUES:
        issues.append(Issue("file", f"… and {len(skipped) - MAX_ISSUES:,} more.", ArchiveIssue.MORE, "warning"))
    if legacy:
        message = f"{legacy:,} of the examples are in the legacy layout; an export has the canonical one."
        issues.append(Issue("file", message, ArchiveIssue.LEGACY, "warning"))
    return issues


def _next_contents(archive: ZipFile, examples: Sequence[PlannedExample]) -> list[Content]:
    contents: list[Content] = []
    size = 0
    findings = Findings()
    for example in examples[:_BATCH_EXAMPLES]:
        size += sum(info.file_size for info in example.documents.values())
        if contents and size > _BATCH_BYTES:
            break
        contents.append(read_example(archive, example, findings))
    findings.raise_any()
    return contents


def expects(content: Content) -> bool:
    """Tell whether an example says what should come out."""
    return content.expected is not None or content.expected_error is not None
