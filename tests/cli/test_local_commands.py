"""Commands on the server's own data: keys, schema, and backups that are taken apart and put back."""

import asyncio
import io
import json
import tarfile
from base64 import b64encode
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest
from tests.automations.conftest import caller_of
from tests.cli.conftest import Assay

from assay import access, automations, files
from assay.bootstrap import open_database, settings_for
from assay.db import embedded


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A data folder whose server runs all the time, as beside `assay serve`."""
    folder = tmp_path_factory.mktemp("data") / "d"
    with embedded.acquire(folder):
        yield folder


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASSAY_DATABASE_URL", "ASSAY_STORAGE_URL", "ASSAY_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)


class TestKeys:
    async def test_a_key_for_somebody_new_makes_a_reviewer_of_whom_may_only_review(
        self, assay: Assay, data_dir: Path
    ) -> None:
        found: list[access.Caller] = []
        for options in (
            "--user ada@example.org --scope reviews:write",
            "--user Ada@example.org",
            "--user ben@example.org --scope reviews:write --scope runs:read",
        ):
            made = await asyncio.to_thread(assay, f"keys create --name k {options} --data-dir {data_dir}")
            async with open_database(settings_for(data_dir)) as database, database.transaction() as tx:
                found.append(await access.authenticate(tx, made.out.strip()))
        assert [one.email for one in found] == ["ada@example.org", "ada@example.org", "ben@example.org"]
        assert [one.only_reviews for one in found] == [True, True, False]

    async def test_a_key_is_printed_alone_and_opens_the_door(self, assay: Assay, data_dir: Path) -> None:
        finished = await asyncio.to_thread(assay, f"keys create --name me --scope runs:read --data-dir {data_dir}")
        assert finished.code == 0
        assert finished.out.startswith("asy_")
        assert finished.out.count("\n") == 1
        async with open_database(settings_for(data_dir)) as database, database.transaction() as tx:
            caller = await access.authenticate(tx, finished.out.strip())
        assert caller.scopes == {"runs:read"}

    def test_a_revoked_key_is_listed_as_such(self, assay: Assay, data_dir: Path) -> None:
        made = json.loads(assay(f"keys create --name gone --expires 2d --json --data-dir {data_dir}").out)
        assert assay(f"keys revoke {made['id']} --data-dir {data_dir}").code == 2
        assert assay(f"keys revoke {made['id']} --yes --data-dir {data_dir}").code == 0
        rows = [line.split("\t") for line in assay(f"keys list --data-dir {data_dir}").out.splitlines()]
        assert [row[2] for row in rows if row[0] == made["id"]] == ["revoked"]

    def test_a_scope_that_does_not_exist_is_refused(self, assay: Assay, data_dir: Path) -> None:
        finished = assay(f"keys create --name x --scope nonsense --data-dir {data_dir}")
        assert finished.code == 1
        assert "nonsense" in finished.err


def test_the_schema_is_told_and_upgraded(assay: Assay, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    with embedded.acquire(folder):
        assert json.loads(assay(f"db status --json --data-dir {folder}").out)["current"] is None
        assert assay(f"db status --data-dir {folder}").code == 1
        assert assay(f"db upgrade --data-dir {folder}").code == 0
        assert assay(f"db status --data-dir {folder}").code == 0


class TestBackup:
    def test_what_is_restored_is_what_was_there(self, assay: Assay, tmp_path: Path) -> None:
        old, new, archive = tmp_path / "old", tmp_path / "new", tmp_path / "b.tar"
        (tmp_path / "sizes").mkdir()
        with embedded.acquire(old):
            asyncio.run(_store(old, {"small": b"abc", "none": b"", "big": bytes(range(256)) * 40_000}))
            (old / "secret.key").write_text("k")
            assert assay(f"backup {archive} --data-dir {old}").code == 0
        assert archive.stat().st_mode & 0o077 == 0
        with embedded.acquire(new):
            assert assay(f"restore {archive} --data-dir {new}").code == 0
            assert asyncio.run(_stored(new)) == {
                "small": b"abc",
                "none": b"",
                "big": bytes(range(256)) * 40_000,
            }
            assert (new / "secret.key").read_text() == "k"

    def test_a_version_keeps_its_files(self, assay: Assay, tmp_path: Path) -> None:
        old, new, archive = tmp_path / "old", tmp_path / "new", tmp_path / "b.tar"
        with embedded.acquire(old), embedded.acquire(new):
            asyncio.run(_push_letter(old, b"Dear Ada"))
            assert assay(f"backup {archive} --data-dir {old}").code == 0
            assert assay(f"restore {archive} --data-dir {new}").code == 0
            assert asyncio.run(_pushed_letter(new)) == b"Dear Ada"

    def test_a_database_that_is_not_empty_is_replaced_only_if_told(self, assay: Assay, tmp_path: Path) -> None:
        old, new, archive = tmp_path / "old", tmp_path / "new", tmp_path / "b.tar"
        with embedded.acquire(old), embedded.acquire(new):
            asyncio.run(_store(old, {"a": b"a"}))
            asyncio.run(_store(new, {"b": b"b"}))
            assay(f"backup {archive} --data-dir {old}")
            assert assay(f"restore {archive} --data-dir {new}").code == 2
            assert asyncio.run(_stored(new)) == {"b": b"b"}
            assert assay(f"restore {archive} --yes --data-dir {new}").code == 0
            assert asyncio.run(_stored(new)) == {"a": b"a"}

    def test_a_database_in_use_is_not_replaced(self, assay: Assay, tmp_path: Path) -> None:
        old, archive = tmp_path / "old", tmp_path / "b.tar"
        with embedded.acquire(old) as lease:
            asyncio.run(_store(old, {"a": b"a"}))
            assay(f"backup {archive} --data-dir {old}")

            async def restore_beside_another() -> int:
                connection = await asyncpg.connect(lease.dsn)
                try:
                    return (await asyncio.to_thread(assay, f"restore {archive} --yes --data-dir {old}")).code
                finally:
                    await connection.close()

            assert asyncio.run(restore_beside_another()) == 1

    @pytest.mark.parametrize("damage", ["cut", "changed", "foreign", "unknown member"])
    def test_a_damaged_backup_changes_nothing(self, assay: Assay, tmp_path: Path, damage: str) -> None:
        old, archive = tmp_path / "old", tmp_path / "b.tar"
        with embedded.acquire(old):
            asyncio.run(_store(old, {"a": b"needle in the archive"}))
            assay(f"backup {archive} --data-dir {old}")
            content = archive.read_bytes()
            if damage == "cut":
                archive.write_bytes(content[: content.index(b"complete.json")])
            elif damage == "changed":
                archive.write_bytes(content.replace(b"needle", b"noodle"))
            elif damage == "foreign":
                archive.write_bytes(b"PK" + content)
            else:
                with tarfile.open(archive, "a") as extra:
                    member = tarfile.TarInfo("../evil")
                    member.size = 1
                    extra.addfile(member, io.BytesIO(b"x"))
            finished = assay(f"restore {archive} --yes --data-dir {old}")
            assert finished.code == 1
            assert finished.err.startswith("error: ")
            assert "itself failed" not in finished.err
            assert asyncio.run(_stored(old)) == {"a": b"needle in the archive"}


LETTER = "letter.docx"
LETTERS = f"name: letters\nsteps: [{{name: s, type: transform.template, with: {{template: {LETTER}, data: {{}}}}}}]\n"


async def _push_letter(data_dir: Path, content: bytes) -> None:
    async with open_database(settings_for(data_dir)) as database, database.transaction() as tx:
        organization, user = await access.ensure_default_organization(tx)
        given = automations.read_files(files.Blobs.open(None, data_dir), {LETTER: b64encode(content).decode()})
        await automations.push(tx, caller_of(organization, user), source=LETTERS, files=given)


async def _pushed_letter(data_dir: Path) -> bytes:
    async with open_database(settings_for(data_dir)) as database, database.transaction() as tx:
        organization, _ = await access.ensure_default_organization(tx)
        stored = await automations.read_version(tx, organization.id, "workflows.letters", None)
    return await files.Blobs.open(None, data_dir).read(stored.files[0].sha256, 100)


async def _store(data_dir: Path, contents: dict[str, bytes]) -> None:
    settings = settings_for(data_dir)
    blobs = files.Blobs.open(None, data_dir)
    async with open_database(settings) as database, database.transaction() as tx:
        organization, _ = await access.ensure_default_organization(tx)
        for name, content in contents.items():
            blob = await blobs.keep_bytes(tx, content)
            await files.create(
                tx,
                organization_id=organization.id,
                filename=name,
                content_type=None,
                blob=blob,
                purpose=None,
                created_by=None,
            )


async def _stored(data_dir: Path) -> dict[str, bytes]:
    blobs = files.Blobs.open(None, data_dir)
    async with open_database(settings_for(data_dir)) as database, database.transaction() as tx:
        rows = await tx.fetch("SELECT filename, sha256 FROM files")
        return {row["filename"]: await blobs.read(row["sha256"], 2**30) for row in rows}
