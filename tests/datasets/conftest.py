"""A dataset of one automation, and archives to put into it."""

import contextlib
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay import access, datasets, db, files, reviews
from assay.ids import new_id


@dataclass
class Shelf:
    """One automation's dataset, and everything it takes to change it."""

    database: db.Database
    blobs: files.Blobs
    caller: access.Caller
    automation_id: str

    @property
    def organization_id(self) -> str:
        return self.caller.organization_id

    async def create(self, **values: Any) -> datasets.ExampleVersion:
        async with self.database.transaction() as tx:
            return await datasets.create_example(tx, self.caller, self.automation_id, values)

    async def update(self, example: str, **values: Any) -> datasets.ExampleVersion:
        async with self.database.transaction() as tx:
            return await datasets.update_example(
                tx, self.caller, self.automation_id, example, values, guard=reviews.ExampleGuard()
            )

    async def delete(self, example: str) -> datasets.ExampleVersion:
        async with self.database.transaction() as tx:
            return await datasets.delete_example(
                tx, self.caller, self.automation_id, example, guard=reviews.ExampleGuard()
            )

    async def add(self, example: str, folder: datasets.Folder, **contents: bytes) -> list[datasets.ExampleFile]:
        """Add files; `contract_pdf=b"…"` becomes `contract.pdf`."""
        uploads: list[datasets.FileUpload] = []
        for name, content in contents.items():
            async with self.blobs.spool(len(content)) as spool:
                await spool.write(content)
                uploads.append(datasets.FileUpload(name.replace("_", "."), None, spool))
        async with self.database.transaction() as tx:
            _, added = await datasets.add_files(
                tx,
                self.blobs,
                self.caller,
                self.automation_id,
                example,
                folder,
                uploads,
                guard=reviews.ExampleGuard(),
            )
        return added

    async def get(self, example: str) -> datasets.ExampleVersion:
        async with self.database.transaction() as tx:
            return await datasets.get_example(tx, self.organization_id, self.automation_id, example)

    async def names(self) -> list[str]:
        async with self.database.transaction() as tx:
            found, _ = await datasets.list_examples(tx, self.organization_id, self.automation_id, limit=10_000)
        return [example.name for example in found]

    async def revision(self) -> datasets.Revision | None:
        async with self.database.transaction() as tx:
            return await datasets.current_revision(tx, self.organization_id, self.automation_id)

    async def number(self) -> int:
        revision = await self.revision()
        return revision.number if revision else 0

    async def load(
        self, archive: bytes, mode: datasets.ImportMode = "append"
    ) -> datasets.AppendResult | datasets.ReplaceResult:
        async with self.blobs.spool(len(archive)) as spool:
            await spool.write(archive)
            return await datasets.import_archive(
                self.database,
                self.blobs,
                self.caller,
                self.automation_id,
                spool,
                mode,
                guard=reviews.ExampleGuard(),
            )

    async def refused(self, archive: bytes) -> list[tuple[str, str]]:
        """Fail to load an archive; return field and code of each issue."""
        number, names = await self.number(), await self.names()
        with pytest.raises(datasets.InvalidArchiveError) as caught:
            await self.load(archive, "replace")
        assert (await self.number(), await self.names()) == (number, names)
        return [(issue.field, issue.code) for issue in caught.value.issues]

    async def export(self, **asked: Any) -> bytes:
        pieces = await datasets.export_archive(
            self.database, self.blobs, self.organization_id, self.automation_id, **asked
        )
        return b"".join([piece async for piece in pieces])


def packed(entries: Mapping[str, Any], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make an archive: bytes as they are, everything else as JSON."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for path, content in entries.items():
            archive.writestr(path, content if isinstance(content, bytes) else json.dumps(content))
    return buffer.getvalue()


def unpacked(archive: bytes) -> dict[str, Any]:
    """Read an archive: JSON as what it says, everything else as bytes."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    return {name: json.loads(content) if name.endswith(".json") else content for name, content in contents.items()}


@contextlib.contextmanager
def measured() -> Generator[Callable[[], int]]:
    """Yield a function that tells the most bytes Python held more than at the beginning."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    found: list[int] = []
    yield lambda: found[0]
    found.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> files.Blobs:
    return files.Blobs.open(None, Path(tmp_path_factory.mktemp("data")))


@pytest.fixture
async def shelf(database: db.Database, blobs: files.Blobs, ownership: tuple[access.Organization, access.User]) -> Shelf:
    """A new automation without examples."""
    return await _new_shelf(database, blobs, *ownership)


@pytest.fixture
async def other_shelf(
    database: db.Database, blobs: files.Blobs, ownership: tuple[access.Organization, access.User]
) -> Shelf:
    """Another one."""
    return await _new_shelf(database, blobs, *ownership)


async def _new_shelf(
    database: db.Database, blobs: files.Blobs, organization: access.Organization, user: access.User
) -> Shelf:
    caller = access.Caller(
        organization_id=organization.id,
        organization_slug=organization.slug,
        organization_name=organization.name,
        user_id=user.id,
        key_id="key_of_the_tests",
        email=user.email,
        name=user.name,
        scopes=frozenset({"full_access"}),
    )
    automation_id = new_id("wf")
    async with database.transaction() as tx:
        # A dataset needs no version, so none has to be valid.
        await tx.execute(
            """INSERT INTO automations (id, organization_id, kind, slug, api_enabled, manual_enabled)
                VALUES ($1, $2, 'workflow', lower($1), true, true)""",
            automation_id,
            organization.id,
        )
    return Shelf(database, blobs, caller, automation_id)
