"""The SQL about feedback: the record and its columns on the run, its history, verdicts and expected files."""

import json
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from assay import db, jsontext
from assay.ids import new_id
from assay.reviews.model import (
    ExpectedFile,
    FailureTag,
    Feedback,
    Held,
    HistoryEntry,
    ItemState,
    ReviewItem,
    ReviewSummary,
    Verdict,
)

_LOCK = "SELECT id FROM runs WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE"

# The files of the feedback itself have no reviewer.
_READ = """
SELECT r.id, r.organization_id AS organization, r.automation_id AS automation, r.outcome IS NOT NULL AS finished,
       f.*, creator.email AS created_by_email, resolver.email AS resolved_by_email,
       (SELECT json_agg(json_build_object('name', e.name, 'sha256', e.sha256, 'size', e.size,
            'content_type', e.content_type) ORDER BY e.created_at, e.name)
        FROM feedback_files e WHERE e.run_id = r.id AND e.reviewer = '') AS files,
       item.id AS item_id, item.slots AS item_slots, item.state AS item_state,
       (SELECT count(*)
        FROM (SELECT FROM users u
              WHERE u.organization_id = $1 AND u.disabled_at IS NULL LIMIT 2) people) > 1 AS has_second
FROM runs r LEFT JOIN feedback f ON f.run_id = r.id
LEFT JOIN users creator ON creator.id = f.created_by LEFT JOIN users resolver ON resolver.id = f.resolved_by
LEFT JOIN review_items item ON item.run_id = r.id
WHERE r.organization_id = $1 AND r.id = $2
"""

# `resolved_at` is now where it is about to be, and what it was otherwise; the clock is the database's.
_SAVE = """
WITH saved AS (
    INSERT INTO feedback AS f (run_id, organization_id, automation_id, revision, cleared, rating, status, body,
        expected, corrections, tags, ignore_reason, closed_note, created_by, created_at, updated_at, resolved_by,
        resolved_at, promoted_example_id, promoted_example_name, promoted_graded_hash, promoted_at, evidence,
        override_reason, regressed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, coalesce($15, clock_timestamp()),
        clock_timestamp(), $16, CASE WHEN $18 THEN clock_timestamp() ELSE $17 END, $19, $20, $21, $22, $23, $24, $25)
    ON CONFLICT (run_id) DO UPDATE SET
        revision = excluded.revision, cleared = excluded.cleared, rating = excluded.rating, status = excluded.status,
        body = excluded.body, expected = excluded.expected, corrections = excluded.corrections, tags = excluded.tags,
        ignore_reason = excluded.ignore_reason, closed_note = excluded.closed_note, created_by = excluded.created_by,
        created_at = excluded.created_at, updated_at = greatest(f.updated_at, excluded.updated_at),
        resolved_by = excluded.resolved_by, resolved_at = excluded.resolved_at,
        promoted_example_id = excluded.promoted_example_id, promoted_example_name = excluded.promoted_example_name,
        promoted_graded_hash = excluded.promoted_graded_hash, promoted_at = excluded.promoted_at,
        evidence = excluded.evidence, override_reason = excluded.override_reason, regressed = excluded.regressed
    RETURNING f.created_at, f.updated_at, f.resolved_at
), noted AS (
    UPDATE runs SET review_rating = CASE WHEN $26 THEN $6 END, review_status = CASE WHEN $26 THEN $7 END,
        review_regressed = $26 AND $7 IS NOT DISTINCT FROM 'open' AND $25::json IS NOT NULL,
        review_created_at = CASE WHEN $26 THEN saved.created_at END,
        review_updated_at = CASE WHEN $26 THEN saved.updated_at END,
        review_resolved_at = CASE WHEN $26 THEN saved.resolved_at END,
        review_has_expected_json = $9::json IS NOT NULL, review_has_expected_files = $27,
        review_has_corrections = $10::json IS NOT NULL, promoted_example_name = $20
    FROM saved WHERE id = $1 AND organization_id = $2
)
SELECT * FROM saved
"""

_ADD_HISTORY = """
INSERT INTO feedback_history (id, organization_id, run_id, revision, action, changes, user_id, key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

# A verdict of a double review that is not over is its reviewer's own affair.
_HISTORY = """
SELECT h.*, u.email AS user_email, count(*) OVER () AS total
FROM feedback_history h LEFT JOIN users u ON u.id = h.user_id
WHERE h.organization_id = $1 AND h.run_id = $2
  AND ($3::text IS NULL OR h.action NOT LIKE 'verdict.%' OR h.user_id = $3)
ORDER BY h.revision DESC, h.id DESC LIMIT $4 OFFSET $5
"""

_VERDICTS = """
SELECT v.*, u.email AS reviewer_email FROM verdicts v LEFT JOIN users u ON u.id = v.reviewer
WHERE v.organization_id = $1 AND v.run_id = $2 AND ($3::text IS NULL OR v.reviewer = $3)
ORDER BY v.created_at, v.reviewer
"""

# How long the verdict took is known where its reviewer had claimed the item.
_SAVE_VERDICT = """
INSERT INTO verdicts AS v (organization_id, run_id, reviewer, rating, status, body, expected, corrections, tags,
    blind_rating, seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $10 THEN $4 END,
    (SELECT extract(epoch FROM clock_timestamp() - claim.claimed_at)::float8
     FROM review_claims claim JOIN review_items item ON item.id = claim.item_id
     WHERE item.run_id = $2 AND claim.reviewer = $3))
ON CONFLICT (run_id, reviewer) DO UPDATE SET
    rating = excluded.rating, status = excluded.status, body = excluded.body, expected = excluded.expected,
    corrections = excluded.corrections, tags = excluded.tags, updated_at = greatest(v.updated_at, clock_timestamp()),
    blind_rating = CASE WHEN $10 THEN excluded.rating ELSE v.blind_rating END,
    seconds = coalesce(v.seconds, excluded.seconds)
"""

_PUT_FILE = """
INSERT INTO feedback_files (organization_id, run_id, reviewer, name, sha256, size, content_type)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (run_id, reviewer, name) DO UPDATE SET
    sha256 = excluded.sha256, size = excluded.size, content_type = excluded.content_type
"""

_FAILURE_TAGS = """
SELECT tag, count(*) AS count, max(f.updated_at) AS last_used_at
FROM feedback f CROSS JOIN unnest(f.tags) AS tag
WHERE f.organization_id = $1 AND f.automation_id = $2 AND NOT f.cleared
GROUP BY tag ORDER BY count(*) DESC, tag LIMIT $3
"""

_SUMMARIES = """
SELECT run_id, rating, status, body <> '' AS has_note, coalesce(json_array_length(corrections), 0) AS correction_count
FROM feedback WHERE organization_id = $1 AND run_id = ANY($2) AND NOT cleared
"""

_OWN_COLUMNS = tuple(
    name
    for name in Feedback.__dataclass_fields__
    if name not in {"expected", "corrections", "evidence", "regressed", "files"}
)


# --- the record


async def lock(tx: db.Transaction, organization_id: str, run_id: str) -> bool:
    """Keep a run's review from being changed by others until the transaction ends; False: there is no such run."""
    return await tx.fetch_one(_LOCK, organization_id, run_id) is not None


async def read(tx: db.Transaction, organization_id: str, run_id: str) -> Held | None:
    """Read a run's review; with `lock` before it, nobody changes it any more."""
    row = await tx.fetch_one(_READ, organization_id, run_id)
    if row is None:
        return None
    item = None
    if row["item_id"] is not None:
        item = ReviewItem(row["item_id"], row["item_slots"], row["item_state"])
    return Held(row["id"], row["automation"], row["finished"], _feedback(row), item, row["has_second"])


async def save(tx: db.Transaction, feedback: Feedback, *, resolved_now: bool) -> Mapping[str, object]:
    """Write the record and the run's columns; return its `created_at`, `updated_at` and `resolved_at`."""
    shown = feedback.exists or feedback.is_unresolved_miss
    row = await tx.fetch_one(
        _SAVE,
        feedback.run_id,
        feedback.organization_id,
        feedback.automation_id,
        feedback.revision,
        feedback.cleared,
        feedback.rating,
        feedback.status,
        feedback.body,
        jsontext.dump_or_none(feedback.expected),
        jsontext.dump_or_none(list(feedback.corrections) or None),
        list(feedback.tags),
        feedback.ignore_reason,
        feedback.closed_note,
        feedback.created_by,
        feedback.created_at,
        feedback.resolved_by,
        feedback.resolved_at,
        resolved_now,
        feedback.promoted_example_id,
        feedback.promoted_example_name,
        feedback.promoted_graded_hash,
        feedback.promoted_at,
        jsontext.dump_or_none(feedback.evidence),
        feedback.override_reason,
        jsontext.dump_or_none(feedback.regressed),
        shown,
        bool(feedback.files),
    )
    assert row is not None
    return dict(row)


async def promoted_runs(tx: db.Transaction, organization_id: str, example_ids: Iterable[str]) -> list[str]:
    """Name the runs whose feedback was promoted to one of these examples, in the order in which to lock them."""
    sql = "SELECT run_id FROM feedback WHERE organization_id = $1 AND promoted_example_id = ANY($2) ORDER BY run_id"
    return [row["run_id"] for row in await tx.fetch(sql, organization_id, list(example_ids))]


async def failure_tags(tx: db.Transaction, organization_id: str, automation_id: str, limit: int) -> list[FailureTag]:
    """Return an automation's failure tags, the commonest first."""
    rows = await tx.fetch(_FAILURE_TAGS, organization_id, automation_id, limit)
    return [FailureTag(**dict(row)) for row in rows]


async def summaries(tx: db.Transaction, organization_id: str, run_ids: Sequence[str]) -> dict[str, ReviewSummary]:
    """Sum up the reviews of those of the runs that have one."""
    rows = await tx.fetch(_SUMMARIES, organization_id, list(run_ids))
    return {
        row["run_id"]: ReviewSummary(row["rating"], row["status"], row["has_note"], row["correction_count"])
        for row in rows
    }


# --- its history


async def add_history(
    tx: db.Transaction,
    feedback: Feedback,
    action: str,
    changes: Mapping[str, JsonValue],
    *,
    user_id: str | None,
    key_id: str | None,
) -> None:
    """Append what somebody changed."""
    await tx.execute(
        _ADD_HISTORY,
        new_id("rvh"),
        feedback.organization_id,
        feedback.run_id,
        feedback.revision,
        action,
        jsontext.dump(changes),
        user_id,
        key_id,
    )


async def list_history(
    tx: db.Transaction, organization_id: str, run_id: str, *, only_verdicts_of: str | None, limit: int, offset: int
) -> tuple[list[HistoryEntry], int]:
    """Return a page of a run's history, newest first, and how many entries there are."""
    rows = await tx.fetch(_HISTORY, organization_id, run_id, only_verdicts_of, limit, offset)
    entries = [
        HistoryEntry(
            row["id"],
            row["revision"],
            row["action"],
            jsontext.load(row["changes"]),
            row["user_id"],
            row["user_email"],
            row["key_id"],
            row["created_at"],
        )
        for row in rows
    ]
    if rows or offset == 0:
        return entries, rows[0]["total"] if rows else 0
    _, total = await list_history(tx, organization_id, run_id, only_verdicts_of=only_verdicts_of, limit=1, offset=0)
    return [], total


# --- verdicts


async def verdicts(tx: db.Transaction, organization_id: str, run_id: str, reviewer: str | None = None) -> list[Verdict]:
    """Return the verdicts and drafts on a run, the earliest first; of one reviewer, if one is named."""
    return [_verdict(row) for row in await tx.fetch(_VERDICTS, organization_id, run_id, reviewer)]


async def save_verdict(tx: db.Transaction, organization_id: str, verdict: Verdict, *, blind: bool) -> None:
    """Write one reviewer's verdict over what he had; his blind rating changes with it only as long as he is `blind`."""
    await tx.execute(
        _SAVE_VERDICT,
        organization_id,
        verdict.run_id,
        verdict.reviewer,
        verdict.rating,
        verdict.status,
        verdict.body,
        jsontext.dump_or_none(verdict.expected),
        jsontext.dump_or_none(list(verdict.corrections) or None),
        list(verdict.tags),
        blind,
    )


async def delete_verdict(tx: db.Transaction, organization_id: str, run_id: str, reviewer: str) -> None:
    """Remove a reviewer's verdict with its files; nothing happens where there is none."""
    arguments = organization_id, run_id, reviewer
    await tx.execute("DELETE FROM verdicts WHERE organization_id = $1 AND run_id = $2 AND reviewer = $3", *arguments)
    sql = "DELETE FROM feedback_files WHERE organization_id = $1 AND run_id = $2 AND reviewer = $3"
    await tx.execute(sql, *arguments)


async def set_item_state(tx: db.Transaction, organization_id: str, item_id: str, state: ItemState) -> None:
    """Say how a run's place in the queue stands."""
    sql = """UPDATE review_items SET state = $3, done_at = CASE WHEN $3 = 'done' THEN clock_timestamp() END
             WHERE organization_id = $1 AND id = $2 AND state <> $3"""
    await tx.execute(sql, organization_id, item_id, state)


# --- expected files


async def files(tx: db.Transaction, organization_id: str, run_id: str, reviewer: str) -> list[ExpectedFile]:
    """Return the expected files of a reviewer's verdict, or of the feedback itself where the reviewer is ''."""
    sql = """SELECT name, sha256, size, content_type FROM feedback_files
             WHERE organization_id = $1 AND run_id = $2 AND reviewer = $3 ORDER BY created_at, name"""
    return [ExpectedFile(**dict(row)) for row in await tx.fetch(sql, organization_id, run_id, reviewer)]


async def put_file(tx: db.Transaction, organization_id: str, run_id: str, reviewer: str, file: ExpectedFile) -> None:
    """Add an expected file whose bytes this transaction holds; one of the same name is replaced."""
    await tx.execute(_PUT_FILE, organization_id, run_id, reviewer, file.name, file.sha256, file.size, file.content_type)


async def rename_file(
    tx: db.Transaction, organization_id: str, run_id: str, reviewer: str, name: str, new_name: str
) -> None:
    """Give an expected file another name, which nothing there has."""
    sql = """UPDATE feedback_files SET name = $5
             WHERE organization_id = $1 AND run_id = $2 AND reviewer = $3 AND name = $4"""
    await tx.execute(sql, organization_id, run_id, reviewer, name, new_name)


async def delete_files(
    tx: db.Transaction, organization_id: str, run_id: str, reviewer: str, names: Sequence[str]
) -> None:
    """Remove expected files by name."""
    sql = """DELETE FROM feedback_files
             WHERE organization_id = $1 AND run_id = $2 AND reviewer = $3 AND name = ANY($4)"""
    await tx.execute(sql, organization_id, run_id, reviewer, list(names))


async def adopt_files(tx: db.Transaction, organization_id: str, run_id: str, reviewer: str) -> None:
    """Make the expected files of a verdict those of the feedback itself."""
    await tx.execute(
        "DELETE FROM feedback_files WHERE organization_id = $1 AND run_id = $2 AND reviewer = ''",
        organization_id,
        run_id,
    )
    sql = """INSERT INTO feedback_files (organization_id, run_id, reviewer, name, sha256, size, content_type)
             SELECT organization_id, run_id, '', name, sha256, size, content_type FROM feedback_files
             WHERE organization_id = $1 AND run_id = $2 AND reviewer = $3 FOR KEY SHARE"""
    await tx.execute(sql, organization_id, run_id, reviewer)


def _feedback(row: db.Row) -> Feedback:
    if row["revision"] is None:
        return Feedback(row["id"], row["organization"], row["automation"])
    return Feedback(
        **{name: row[name] for name in _OWN_COLUMNS},
        expected=jsontext.load(row["expected"]),
        corrections=jsontext.load(row["corrections"]) or (),
        evidence=jsontext.load(row["evidence"]),
        regressed=jsontext.load(row["regressed"]),
        files=[ExpectedFile(**file) for file in json.loads(row["files"] or "[]")],
    )


def _verdict(row: db.Row) -> Verdict:
    values = {name: row[name] for name in Verdict.__dataclass_fields__ if name not in {"expected", "corrections"}}
    return Verdict(
        **values, expected=jsontext.load(row["expected"]), corrections=jsontext.load(row["corrections"]) or ()
    )
