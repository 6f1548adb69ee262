"""What an archive holds and everything that is wrong with it, found out without keeping any of it."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from assay import db, files
from assay.datasets import store
from assay.datasets.archive_findings import Findings
from assay.datasets.archive_import import append_warnings, expects
from assay.datasets.archive_plan import PlannedExample, planned_examples
from assay.datasets.archive_reading import read_example
from assay.datasets.errors import InvalidArchiveError
from assay.datasets.model import Content, ExampleFile, ImportMode
from assay.datasets.zip_guard import checked_entries, opened
from assay.errors import Issue

_CHUNK = 256 * 1024


@dataclass(slots=True)
class Examination:
    """What an import would find. `names` are the examples without fault, of which `expected_set` expect something.

    `skipped` of them would be passed over, `issues` also name those, as warnings; `legacy` of them are in the legacy
    layout. `is_valid` if nothing is wrong.
    """

    names: list[str] = field(default_factory=list[str])
    expected_set: int = 0
    files: int = 0
    legacy: int = 0
    skipped: int = 0
    issues: Sequence[Issue] = ()
    is_valid: bool = True


def archived_examples(source: Path | bytes) -> Iterator[Content]:
    """Yield the examples of an archive by name, each with its files' hashes; for a thread.

    One of them is in memory at a time. What is wrong is raised after the last one, all of it together; examples with
    something wrong are left out.

    Raises:
        InvalidArchiveError: it is no ZIP file, or something in it is wrong.
        ArchiveTooLargeError: it, its number of entries, or what it unpacks to is too large.
    """
    for _, content in _examples(source):
        yield content


def examine_archive(source: Path | bytes) -> Examination:
    """Find out what an archive holds, and everything that is wrong with it; for a thread.

    Raises:
        ArchiveTooLargeError: it is too large to be looked at.
    """
    found = Examination()
    try:
        for planned, content in _examples(source):
            found.names.append(content.name)
            found.expected_set += expects(content)
            found.files += len(content.files)
            found.legacy += planned.layout == "legacy"
    except InvalidArchiveError as error:
        found.issues = error.issues
        found.is_valid = False
    return found


async def examine_import(
    database: db.Database, organization_id: str, automation_id: str, spool: files.Spool, mode: ImportMode
) -> Examination:
    """Find out what importing an archive would do, and import nothing.

    Raises:
        ArchiveTooLargeError: it is too large to be looked at.
    """
    source = await asyncio.to_thread(spool.content)
    found = await asyncio.to_thread(examine_archive, source)
    skipped: list[str] = []
    if mode == "append":
        async with database.transaction() as tx:
            known = await store.living(tx, organization_id, automation_id)
        skipped = [name for name in found.names if name in known]
    found.skipped = len(skipped)
    found.issues = [*found.issues, *append_warnings(skipped, found.legacy)]
    return found


def _examples(source: Path | bytes) -> Iterator[tuple[PlannedExample, Content]]:
    findings = Findings()
    with opened(source) as archive:
        for example in planned_examples(checked_entries(archive, findings), findings):
            if not example.documents_fit:
                continue
            before = findings.total
            content = read_example(archive, example, findings)
            held = [_hashed(archive, example, path, info, findings) for path, info in example.files.items()]
            if findings.total == before:
                yield example, replace(content, files=held)
    findings.raise_any()


def _hashed(archive: ZipFile, example: PlannedExample, path: str, info: ZipInfo, findings: Findings) -> ExampleFile:
    digest = hashlib.sha256()
    with findings.damage(example.place(path)), archive.open(info) as entry:
        while piece := entry.read(_CHUNK):
            digest.update(piece)
    return ExampleFile(path, digest.hexdigest(), info.file_size, files.content_type_of(path, None))
