"""Where rows about files live, and which locks keep a row and its bytes together.

A row may be added only for bytes that cannot vanish meanwhile: bytes this transaction kept
(`Blobs.keep` holds a shared lock on the hash), or bytes of a row this transaction read with
`by_ids` or `hold_artifacts`, or copies with `copy_artifacts` (the row is locked, so it cannot be deleted before the
new one is visible to whoever deletes bytes).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, replace

from assay import clock, ids
from assay.db import Row, Transaction
from assay.files.errors import ArtifactNotFoundError, InvalidPurposeError, StoredFileNotFoundError
from assay.files.model import Artifact, Blob, StoredFile
from assay.files.names import content_type_of, safe_filename, safe_path

_FILE = "id, filename, content_type, size, sha256, purpose, created_by, created_at"
_ARTIFACT = "path, name, role, step_name, content_type, size, sha256"

# Everything that refers to bytes by their hash. Each table has an index on (organization_id, sha256).
_REFERRING_TABLES = ("files", "run_artifacts", "example_files", "automation_version_files", "feedback_files")

_BLOB_LOCKS = 0x626C6F62  # "blob": the namespace of advisory locks on hashes


async def create(
    tx: Transaction,
    *,
    organization_id: str,
    filename: str,
    content_type: str | None,
    blob: Blob,
    purpose: str | None,
    created_by: str | None,
) -> StoredFile:
    """Add a reusable file for bytes that this transaction kept; a second call adds another one.

    The name is made safe, the content type is completed from it.

    Raises:
        InvalidPurposeError: the purpose is no plain word.
    """
    if purpose is not None and not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", purpose):
        raise InvalidPurposeError(field="purpose")
    name = safe_filename(filename)
    row = await tx.fetch_one(
        f"""INSERT INTO files (organization_id, {_FILE})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_FILE}""",
        organization_id,
        ids.new_id("file"),
        name,
        content_type_of(name, content_type),
        blob.size,
        blob.sha256,
        purpose,
        created_by,
        clock.now(),
    )
    assert row is not None
    return _stored_file(row)


async def get(tx: Transaction, organization_id: str, file_id: str) -> StoredFile:
    """Return a file.

    Raises:
        StoredFileNotFoundError: the organization has no such file.
    """
    row = await tx.fetch_one(
        f"SELECT {_FILE} FROM files WHERE organization_id = $1 AND id = $2", organization_id, _askable(file_id)
    )
    if row is None:
        raise StoredFileNotFoundError
    return _stored_file(row)


async def by_ids(tx: Transaction, organization_id: str, file_ids: Iterable[str]) -> dict[str, StoredFile]:
    """Return those of the files that the organization has, by id.

    They cannot be deleted until the transaction ends, so the caller may add rows that refer to their bytes.
    """
    rows = await tx.fetch(
        f"""SELECT {_FILE} FROM files WHERE organization_id = $1 AND id = ANY($2::text[])
            ORDER BY id FOR KEY SHARE""",
        organization_id,
        [_askable(file_id) for file_id in file_ids],
    )
    return {file.id: file for file in map(_stored_file, rows)}


async def delete(tx: Transaction, organization_id: str, file_id: str) -> StoredFile:
    """Delete a file and return what it was; runs that used it keep their own artifacts.

    Once the transaction is committed, hand the hash to `Blobs.forget`.

    Raises:
        StoredFileNotFoundError: the organization has no such file, or no longer.
    """
    row = await tx.fetch_one(
        f"DELETE FROM files WHERE organization_id = $1 AND id = $2 RETURNING {_FILE}",
        organization_id,
        _askable(file_id),
    )
    if row is None:
        raise StoredFileNotFoundError
    return _stored_file(row)


async def add_artifacts(tx: Transaction, organization_id: str, run_id: str, artifacts: Iterable[Artifact]) -> None:
    """Add artifacts to a run; one of the same path is replaced, so that a step may be repeated.

    Names are made safe, content types completed.

    Raises:
        InvalidArtifactPathError: a path is none.
    """
    await add_artifacts_of(tx, organization_id, {run_id: artifacts})


async def add_artifacts_of(tx: Transaction, organization_id: str, artifacts: Mapping[str, Iterable[Artifact]]) -> None:
    """Do the same for several runs at once: artifacts by run id."""
    rows = {
        (run_id, artifact.path): (run_id, *astuple(artifact))
        for run_id, of_run in artifacts.items()
        for artifact in map(_safe, of_run)
    }
    if not rows:
        return
    columns = zip(*rows.values(), strict=True)
    await tx.execute(
        f"""INSERT INTO run_artifacts (organization_id, run_id, {_ARTIFACT})
            SELECT $1, * FROM unnest($2::text[],
                $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[])
            ON CONFLICT (run_id, path) DO UPDATE SET
                name = excluded.name, role = excluded.role, step_name = excluded.step_name,
                content_type = excluded.content_type, size = excluded.size, sha256 = excluded.sha256
            WHERE run_artifacts.organization_id = excluded.organization_id""",
        organization_id,
        *map(list, columns),
    )


async def copy_artifacts(
    tx: Transaction, organization_id: str, *, from_run_id: str, to_run_id: str, roles: Sequence[str]
) -> int:
    """Give a run the artifacts of these roles that another run of the organization has; return how many.

    Those whose paths the run has already are left alone.
    """
    return await tx.execute(
        f"""INSERT INTO run_artifacts (organization_id, run_id, {_ARTIFACT})
            SELECT $1, $3, {_ARTIFACT} FROM run_artifacts
            WHERE organization_id = $1 AND run_id = $2 AND role = ANY($4::text[])
            FOR KEY SHARE
            ON CONFLICT (run_id, path) DO NOTHING""",
        organization_id,
        from_run_id,
        to_run_id,
        list(roles),
    )


async def list_artifacts(tx: Transaction, organization_id: str, run_id: str) -> list[Artifact]:
    """Return a run's artifacts in the order they came; none for a run that the organization does not have."""
    rows = await tx.fetch(
        f"""SELECT {_ARTIFACT} FROM run_artifacts WHERE organization_id = $1 AND run_id = $2
            ORDER BY created_at, path""",
        organization_id,
        _askable(run_id),
    )
    return [_artifact(row) for row in rows]


async def hold_artifacts(tx: Transaction, organization_id: str, run_id: str) -> list[Artifact]:
    """Like `list_artifacts`; and they cannot be deleted until the transaction ends.

    So the caller may add rows that refer to their bytes.
    """
    rows = await tx.fetch(
        f"""SELECT {_ARTIFACT} FROM run_artifacts WHERE organization_id = $1 AND run_id = $2
            ORDER BY created_at, path FOR KEY SHARE""",
        organization_id,
        _askable(run_id),
    )
    return [_artifact(row) for row in rows]


async def get_artifact(tx: Transaction, organization_id: str, run_id: str, path: str) -> Artifact:
    """Return one artifact of a run.

    Raises:
        InvalidArtifactPathError: the path is none.
        ArtifactNotFoundError: the organization has no such run, or the run no such artifact.
    """
    row = await tx.fetch_one(
        f"SELECT {_ARTIFACT} FROM run_artifacts WHERE organization_id = $1 AND run_id = $2 AND path = $3",
        organization_id,
        _askable(run_id),
        safe_path(path),
    )
    if row is None:
        raise ArtifactNotFoundError
    return _artifact(row)


async def hold_blobs(tx: Transaction, hashes: Iterable[str]) -> None:
    """Keep blobs from being forgotten until the transaction ends; waits while one is being forgotten."""
    locks = sorted({_lock_of(sha256) for sha256 in hashes})
    await tx.execute("SELECT pg_advisory_xact_lock_shared($1, lock) FROM unnest($2::int[]) AS lock", _BLOB_LOCKS, locks)


async def lock_blobs(tx: Transaction, hashes: Iterable[str]) -> list[str]:
    """Lock those blobs that nobody holds, until the transaction ends, and return them.

    Whoever keeps one of them meanwhile waits. This call waits for nobody, so it is in no deadlock.
    """
    wanted = list(hashes)
    rows = await tx.fetch(
        "SELECT lock FROM unnest($2::int[]) AS lock WHERE pg_try_advisory_xact_lock($1, lock)",
        _BLOB_LOCKS,
        sorted({_lock_of(sha256) for sha256 in wanted}),
    )
    locked = {row["lock"] for row in rows}
    return [sha256 for sha256 in wanted if _lock_of(sha256) in locked]


async def unused_hashes(tx: Transaction, hashes: Iterable[str]) -> list[str]:
    """Return those of the hashes that no committed row of any organization refers to."""
    # Asked organization by organization, so that each probe is answered by an index.
    references = " OR ".join(
        f"EXISTS (SELECT FROM {table} t WHERE t.organization_id = o.id AND t.sha256 = wanted.sha256)"
        for table in _REFERRING_TABLES
    )
    rows = await tx.fetch(
        f"""SELECT sha256 FROM unnest($1::text[]) AS wanted (sha256)
            WHERE NOT EXISTS (SELECT FROM organizations o WHERE {references})""",
        list(hashes),
    )
    return [row["sha256"] for row in rows]


def _lock_of(sha256: str) -> int:
    # One of 4,096: a transaction that keeps very many blobs must not fill the server's lock table.
    return int(sha256[:3], 16)


def _askable(identifier: str) -> str:
    # PostgreSQL refuses NUL, its driver lone surrogates; no id of ours holds either.
    return identifier if identifier.isascii() and identifier.isprintable() else ""


def _safe(artifact: Artifact) -> Artifact:
    name = safe_filename(artifact.name)
    content_type = content_type_of(name, artifact.content_type)
    return replace(artifact, path=safe_path(artifact.path), name=name, content_type=content_type)


def _stored_file(row: Row) -> StoredFile:
    return StoredFile(**dict(row))


def _artifact(row: Row) -> Artifact:
    return Artifact(**dict(row))
