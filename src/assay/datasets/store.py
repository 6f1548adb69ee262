"""The SQL about examples, their versions and files, and the revisions of datasets.

A version belongs to the revisions from `from_revision` up to, and without, `to_revision`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assay import clock, db, jsontext
from assay.datasets.model import LAST, Content, ExampleFile, ExampleRow, ExampleVersion, PastVersion, Revision
from assay.ids import new_id

_LOCKS = 0x64617461  # "data": the namespace of advisory locks on datasets

_REVISION = "number, content_hash, action, examples, with_expected, created_by, created_at"

_HEAD = """
v.id, v.example_id, v.automation_id, v.name, v.row_order, v.annotation, v.graded_hash,
v.expected IS NOT NULL AS has_expected, e.promoted_run_id, e.created_at, e.updated_at,
(SELECT max(r.run_id) FROM example_runs r WHERE r.organization_id = v.organization_id AND r.example_id = v.example_id)
    AS latest_run_id
"""
_PAYLOADS = "v.input, v.expected, v.expected_error, v.metadata, v.overrides"
_NO_PAYLOADS = """NULL::json AS input, NULL::json AS expected, NULL::json AS expected_error, v.metadata, v.overrides"""

_FROM = "FROM example_versions v JOIN examples e ON e.id = v.example_id"
_PLACE = f"coalesce(v.row_order, {LAST}), v.name"
_CURRENT = "v.organization_id = $1 AND v.automation_id = $2 AND v.to_revision IS NULL"
_AT_REVISION = """
v.organization_id = $1 AND v.automation_id = $2
AND v.from_revision <= $3 AND (v.to_revision IS NULL OR v.to_revision > $3)
"""

_MATCHING = """
($3::text IS NULL OR strpos(lower(v.name), lower($3)) > 0 OR strpos(lower(coalesce(v.annotation, '')), lower($3)) > 0)
"""

LOCK = "SELECT pg_advisory_xact_lock($1, hashtext($2))"

REVISIONS = f"""
SELECT {_REVISION} FROM dataset_revisions WHERE organization_id = $1 AND automation_id = $2
ORDER BY number DESC LIMIT $3 OFFSET $4
"""

REVISION = f"""
SELECT {_REVISION} FROM dataset_revisions WHERE organization_id = $1 AND automation_id = $2 AND number = $3
"""

ADD_REVISION = f"""
INSERT INTO dataset_revisions
    (organization_id, automation_id, number, content_hash, action, examples, with_expected, created_by)
SELECT $1, $2, $3,
    encode(sha256(convert_to(coalesce(
        string_agg(v.name || ' ' || v.content_hash, E'\\n' ORDER BY v.name), ''), 'UTF8')), 'hex'),
    $4, count(*), count(*) FILTER (WHERE v.expected IS NOT NULL OR v.expected_error IS NOT NULL), $5
FROM example_versions v WHERE {_CURRENT}
RETURNING {_REVISION}
"""

AT_REVISION = f"""
WITH page AS MATERIALIZED (
    SELECT v.id FROM example_versions v
    WHERE {_AT_REVISION} AND ($4::text[] IS NULL OR v.example_id = ANY($4))
        AND ($5::bigint IS NULL OR (coalesce(v.row_order, {LAST}), v.name) > ($5, $6::text COLLATE "C"))
    ORDER BY {_PLACE} LIMIT $7)
SELECT {_HEAD}, {_PAYLOADS} {_FROM} JOIN page ON page.id = v.id ORDER BY {_PLACE}
"""

OUTLINE = f"""
SELECT v.id, v.example_id, v.name, v.json_size FROM example_versions v WHERE {_AT_REVISION} ORDER BY v.name
"""

BY_VERSIONS = f"SELECT {_HEAD}, {_PAYLOADS} {_FROM} WHERE v.organization_id = $1 AND v.id = ANY($2::text[])"

LIST = f"""
WITH page AS MATERIALIZED (
    SELECT v.id FROM example_versions v WHERE {_CURRENT} AND {_MATCHING} ORDER BY {_PLACE} LIMIT $4 OFFSET $5)
SELECT {_HEAD}, %s {_FROM} JOIN page ON page.id = v.id ORDER BY {_PLACE}
"""

FIND = f"""
SELECT {_HEAD}, {_PAYLOADS} {_FROM}
WHERE {_CURRENT} AND (v.example_id = $3 OR v.name = $3) ORDER BY v.example_id = $3 DESC LIMIT 1
"""

COUNT = f"SELECT count(*) FROM example_versions v WHERE {_CURRENT}"

# Small JSON lies in the row itself; what is larger is never fetched.
ROWS = f"""
WITH page AS MATERIALIZED (
    SELECT v.id FROM example_versions v WHERE {_CURRENT} AND {_MATCHING} ORDER BY {_PLACE} LIMIT $4 OFFSET $5)
SELECT v.example_id, v.name, v.row_order, CASE WHEN v.json_size <= 2000 THEN v.input END AS input, v.json_size,
    CASE WHEN v.expected_error IS NOT NULL THEN 'error'
         WHEN v.expected IS NOT NULL THEN 'output'
         WHEN EXISTS (SELECT FROM example_files f WHERE f.example_version_id = v.id AND f.path LIKE 'expected/%')
             THEN 'files'
         ELSE 'nothing' END AS expects,
    (SELECT count(*) FROM example_files f WHERE f.example_version_id = v.id) AS files,
    v.annotation, v.overrides IS NOT NULL AS has_overrides, e.promoted_run_id,
    coalesce(e.updated_at, e.created_at) AS changed_at,
    (SELECT max(r.run_id) FROM example_runs r
     WHERE r.organization_id = v.organization_id AND r.example_id = v.example_id) AS latest_run_id
{_FROM} JOIN page ON page.id = v.id ORDER BY {_PLACE}
"""

COUNT_MATCHING = f"SELECT count(*) FROM example_versions v WHERE {_CURRENT} AND {_MATCHING}"

PAST_VERSIONS = """
SELECT v.id, v.name, v.from_revision, v.to_revision, r.action, v.graded_hash, v.created_by, v.created_at
FROM example_versions v JOIN dataset_revisions r ON r.automation_id = v.automation_id AND r.number = v.from_revision
WHERE v.organization_id = $1 AND v.automation_id = $2 AND v.example_id = $3
ORDER BY v.from_revision DESC LIMIT $4 OFFSET $5
"""

COUNT_VERSIONS = """
SELECT count(*) FROM example_versions v WHERE v.organization_id = $1 AND v.automation_id = $2 AND v.example_id = $3
"""

GRADED = f"SELECT v.example_id, v.name, v.graded_hash FROM example_versions v WHERE {_CURRENT} ORDER BY v.name"

LIVING = f"""
SELECT v.id, v.example_id, v.name, v.content_hash, v.graded_hash,
       v.expected IS NOT NULL OR v.expected_error IS NOT NULL OR EXISTS (
           SELECT FROM example_files f WHERE f.example_version_id = v.id AND f.path LIKE 'expected/%') AS expects
FROM example_versions v WHERE {_CURRENT}
"""

NAMED = "SELECT id FROM examples WHERE organization_id = $1 AND automation_id = $2 AND name = $3 AND deleted_at IS NULL"

COUNT_FILES = f"""
SELECT count(*) FROM example_files f JOIN example_versions v ON v.id = f.example_version_id WHERE {_CURRENT}
"""

FILES = """
SELECT example_version_id, path, sha256, size, content_type FROM example_files
WHERE organization_id = $1 AND example_version_id = ANY($2::text[]) ORDER BY example_version_id, path COLLATE "C"
"""

HIGHEST_NUMBER = """
SELECT max(substring(name FROM 9)::integer) FROM examples
WHERE organization_id = $1 AND automation_id = $2 AND name ~ '^example-[1-9][0-9]{0,8}$'
"""

CLOSE = """
UPDATE example_versions SET to_revision = $3
WHERE organization_id = $1 AND id = ANY($2::text[]) AND to_revision IS NULL
"""

DELETE = "UPDATE examples SET deleted_at = $3 WHERE organization_id = $1 AND id = ANY($2::text[])"

TOUCH = """
UPDATE examples SET name = changed.name, updated_at = $4
FROM unnest($2::text[], $3::text[]) AS changed (id, name)
WHERE organization_id = $1 AND examples.id = changed.id
"""

PROMOTED = "UPDATE examples SET promoted_run_id = $3 WHERE organization_id = $1 AND id = $2"

INSERT_EXAMPLES = """
INSERT INTO examples (organization_id, automation_id, id, name, created_at)
SELECT $1, $2, new.id, new.name, $5 FROM unnest($3::text[], $4::text[]) AS new (id, name)
"""

INSERT_VERSIONS = """
INSERT INTO example_versions
    (organization_id, automation_id, from_revision, created_by, id, example_id, name, row_order, input, json_size,
    expected, expected_error, metadata, annotation, overrides, graded_hash, content_hash)
SELECT $1, $2, $3, $4, * FROM unnest(
    $5::text[], $6::text[], $7::text[], $8::integer[], $9::json[], $10::integer[],
    $11::json[], $12::json[], $13::json[], $14::text[], $15::json[], $16::text[], $17::text[])
"""

INSERT_FILES = """
INSERT INTO example_files (organization_id, example_version_id, path, sha256, size, content_type)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
"""


@dataclass(frozen=True, slots=True)
class Written:
    """A version to be written: its example, its content as text, and the hashes of both kinds."""

    example_id: str
    content: Content
    texts: "Texts"
    graded_hash: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Texts:
    """The JSON of a content as text; None is SQL's NULL."""

    input: str
    expected: str | None
    expected_error: str | None
    metadata: str | None
    overrides: str | None

    @property
    def size(self) -> int:
        """How many characters they are together."""
        return sum(len(text or "") for text in (self.input, self.expected, self.metadata, self.overrides))


@dataclass(frozen=True, slots=True)
class Living:
    """What must be known of an example that is there, to tell whether another content changes it, and how.

    `expects` tells whether it says what should come out: an output, an error or files.
    """

    version_id: str
    example_id: str
    name: str
    content_hash: str
    graded_hash: str
    expects: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """A version of a revision, without what it holds; `json_size` in characters."""

    id: str
    example_id: str
    name: str
    json_size: int


async def lock(tx: db.Transaction, automation_id: str) -> None:
    """Keep everyone else from changing the dataset until the transaction ends."""
    await tx.execute(LOCK, _LOCKS, automation_id)


async def revisions(
    tx: db.Transaction, organization_id: str, automation_id: str, limit: int, offset: int
) -> list[Revision]:
    """Return one page of a dataset's revisions, newest first."""
    rows = await tx.fetch(REVISIONS, organization_id, automation_id, limit, offset)
    return [Revision(**dict(row)) for row in rows]


async def find_revision(tx: db.Transaction, organization_id: str, automation_id: str, number: int) -> Revision | None:
    """Return a revision, or None."""
    if not 0 < number <= LAST:
        return None
    row = await tx.fetch_one(REVISION, organization_id, automation_id, number)
    return None if row is None else Revision(**dict(row))


async def add_revision(
    tx: db.Transaction, organization_id: str, automation_id: str, number: int, action: str, user_id: str
) -> Revision:
    """Write down what the dataset has become."""
    row = await tx.fetch_one(ADD_REVISION, organization_id, automation_id, number, action, user_id)
    assert row is not None
    return Revision(**dict(row))


async def at_revision(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    revision: int,
    example_ids: Sequence[str] | None,
    after: tuple[int, str] | None,
    limit: int,
) -> list[ExampleVersion]:
    """Return the examples of a revision that come after a place, in their order."""
    ids = None if example_ids is None else list(example_ids)
    place, name = after or (None, None)
    rows = await tx.fetch(AT_REVISION, organization_id, automation_id, revision, ids, place, name, limit)
    return await _with_files(tx, organization_id, rows)


async def outline(tx: db.Transaction, organization_id: str, automation_id: str, revision: int) -> list[Outline]:
    """Return all versions of a revision by name, without what they hold."""
    return [Outline(**dict(row)) for row in await tx.fetch(OUTLINE, organization_id, automation_id, revision)]


async def by_versions(tx: db.Transaction, organization_id: str, version_ids: Iterable[str]) -> list[ExampleVersion]:
    """Return those of the versions that the organization has, in the order asked for."""
    wanted = list(version_ids)
    rows = await tx.fetch(BY_VERSIONS, organization_id, wanted)
    found = {version.id: version for version in await _with_files(tx, organization_id, rows)}
    return [found[version_id] for version_id in wanted if version_id in found]


async def list_current(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    search: str | None,
    limit: int,
    offset: int,
    *,
    payloads: bool,
) -> tuple[list[ExampleVersion], int]:
    """Return one page of the examples as they are now, and how many match in all."""
    total = await tx.fetch_value(COUNT_MATCHING, organization_id, automation_id, search)
    query = LIST % (_PAYLOADS if payloads else _NO_PAYLOADS)
    found = await tx.fetch(query, organization_id, automation_id, search, limit, offset)
    return await _with_files(tx, organization_id, found), total


async def rows(
    tx: db.Transaction, organization_id: str, automation_id: str, search: str | None, limit: int, offset: int
) -> tuple[list[ExampleRow], int]:
    """Return one page of the examples as they are now, in short, and how many match in all."""
    total = await tx.fetch_value(COUNT_MATCHING, organization_id, automation_id, search)
    found = await tx.fetch(ROWS, organization_id, automation_id, search, limit, offset)
    return [ExampleRow(**{**dict(row), "input": jsontext.load(row["input"])}) for row in found], total


async def past_versions(
    tx: db.Transaction, organization_id: str, automation_id: str, example_id: str, limit: int, offset: int
) -> tuple[list[PastVersion], int]:
    """Return one page of the versions of an example, newest first, and how many there are in all."""
    total = await tx.fetch_value(COUNT_VERSIONS, organization_id, automation_id, example_id)
    found = await tx.fetch(PAST_VERSIONS, organization_id, automation_id, example_id, limit, offset)
    return [PastVersion(**dict(row)) for row in found], total


async def find(tx: db.Transaction, organization_id: str, automation_id: str, reference: str) -> ExampleVersion | None:
    """Return an example by id or name as it is now, or None."""
    rows = await tx.fetch(FIND, organization_id, automation_id, reference)
    found = await _with_files(tx, organization_id, rows)
    return found[0] if found else None


async def count(tx: db.Transaction, organization_id: str, automation_id: str) -> int:
    """Return how many examples the dataset has now."""
    return await tx.fetch_value(COUNT, organization_id, automation_id)


async def count_files(tx: db.Transaction, organization_id: str, automation_id: str) -> int:
    """Return how many files the examples have now."""
    return await tx.fetch_value(COUNT_FILES, organization_id, automation_id)


async def graded_hashes(tx: db.Transaction, organization_id: str, automation_id: str) -> dict[str, tuple[str, str]]:
    """Return name and graded hash of every example as it is now, by its id."""
    rows = await tx.fetch(GRADED, organization_id, automation_id)
    return {row["example_id"]: (row["name"], row["graded_hash"]) for row in rows}


async def living(tx: db.Transaction, organization_id: str, automation_id: str) -> dict[str, Living]:
    """Return what there is now, by name."""
    rows = await tx.fetch(LIVING, organization_id, automation_id)
    return {row["name"]: Living(*row) for row in rows}


async def id_of(tx: db.Transaction, organization_id: str, automation_id: str, name: str) -> str | None:
    """Return the id of the example that has a name now, or None."""
    return await tx.fetch_value(NAMED, organization_id, automation_id, name)


async def highest_number(tx: db.Transaction, organization_id: str, automation_id: str) -> int:
    """Return the highest n of all names `example-<n>` that were ever used, else 0."""
    return await tx.fetch_value(HIGHEST_NUMBER, organization_id, automation_id) or 0


async def close_versions(tx: db.Transaction, organization_id: str, version_ids: Sequence[str], revision: int) -> None:
    """End versions: they are no part of this revision."""
    await tx.execute(CLOSE, organization_id, list(version_ids), revision)


async def delete_examples(tx: db.Transaction, organization_id: str, example_ids: Sequence[str]) -> None:
    """Free the names of examples; their versions are closed apart."""
    await tx.execute(DELETE, organization_id, list(example_ids), clock.now())


async def touch(tx: db.Transaction, organization_id: str, names: Mapping[str, str]) -> None:
    """Note the names that examples have now, by id, and that they were changed."""
    await tx.execute(TOUCH, organization_id, list(names), list(names.values()), clock.now())


async def set_promoted_run(tx: db.Transaction, organization_id: str, example_id: str, run_id: str) -> None:
    """Note which run an example was made from."""
    await tx.execute(PROMOTED, organization_id, example_id, run_id)


async def insert_examples(
    tx: db.Transaction, organization_id: str, automation_id: str, names: Mapping[str, str]
) -> None:
    """Add examples, given as names by id; their versions are written apart."""
    await tx.execute(INSERT_EXAMPLES, organization_id, automation_id, list(names), list(names.values()), clock.now())


async def insert_versions(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    revision: int,
    user_id: str,
    written: Sequence[Written],
) -> None:
    """Write versions with their files, as part of this revision and those that follow."""
    ids = [new_id("evv") for _ in written]
    rows = [
        (
            *(version_id, version.example_id, version.content.name, version.content.row_order),
            *(version.texts.input, version.texts.size, version.texts.expected, version.texts.expected_error),
            *(version.texts.metadata, version.content.annotation, version.texts.overrides),
            *(version.graded_hash, version.content_hash),
        )
        for version_id, version in zip(ids, written, strict=True)
    ]
    columns = map(list, zip(*rows, strict=True))
    await tx.execute(INSERT_VERSIONS, organization_id, automation_id, revision, user_id, *columns)
    of_files = [
        (version_id, file.path, file.sha256, file.size, file.content_type)
        for version_id, version in zip(ids, written, strict=True)
        for file in version.content.files
    ]
    if of_files:
        await tx.execute(INSERT_FILES, organization_id, *map(list, zip(*of_files, strict=True)))


async def _with_files(tx: db.Transaction, organization_id: str, rows: Sequence[db.Row]) -> list[ExampleVersion]:
    if not rows:
        return []
    files: dict[str, list[ExampleFile]] = {row["id"]: [] for row in rows}
    for row in await tx.fetch(FILES, organization_id, list(files)):
        file = ExampleFile(row["path"], row["sha256"], row["size"], row["content_type"])
        files[row["example_version_id"]].append(file)
    return [_version(row, files[row["id"]]) for row in rows]


def _version(row: db.Row, files: Sequence[ExampleFile]) -> ExampleVersion:
    return ExampleVersion(
        id=row["id"],
        example_id=row["example_id"],
        automation_id=row["automation_id"],
        name=row["name"],
        row_order=row["row_order"],
        input=jsontext.load(row["input"]),
        has_expected=row["has_expected"],
        expected=jsontext.load(row["expected"]),
        expected_error=jsontext.load(row["expected_error"]),
        metadata=jsontext.load(row["metadata"]),
        annotation=row["annotation"],
        overrides=jsontext.load(row["overrides"]),
        graded_hash=row["graded_hash"],
        files=tuple(files),
        promoted_run_id=row["promoted_run_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        latest_run_id=row["latest_run_id"],
    )
