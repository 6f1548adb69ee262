"""The SQL of model judges on live runs: which runs are theirs, what they said, and what people say of the same runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from assay import db, jsontext
from assay.evaluators import Result
from assay.monitoring.model import JudgedRuns

MOST_JUDGED = 50_000
MOST_DUE = 5_000

_AUTOMATIONS = """
SELECT organization_id, automation_id, (policy->>'judgeShare')::float8 AS share FROM sampling_policies
WHERE (policy->>'judgeShare')::float8 > 0 ORDER BY automation_id
"""

# `$3` is the share.
_THEIRS = """
organization_id = $1 AND automation_id = $2 AND outcome = 'completed' AND mode = 'live' AND sample_rank < $3
    AND parent_run_id IS NULL AND NOT in_experiment"""

_UNJUDGED = f"""
SELECT id FROM runs r
WHERE {_THEIRS} AND completed_at > now() - interval '1 day'
    AND NOT EXISTS (SELECT FROM live_judgements j WHERE j.run_id = r.id)
ORDER BY completed_at LIMIT $4
"""

# What ended just now is judged by the next look.
_PACE = f"""
SELECT count(*) AS due, count(*) FILTER (WHERE seen.said IS NOT NULL) AS judged,
       count(*) FILTER (WHERE seen.said > 0) AS said
FROM (
    SELECT id FROM runs
    WHERE {_THEIRS} AND completed_at > greatest(now() - interval '1 day', $4)
        AND completed_at < now() - interval '10 minutes'
    ORDER BY completed_at DESC LIMIT $5
) AS due LEFT JOIN LATERAL (
    SELECT count(j.passed) AS said FROM live_judgements j WHERE j.run_id = due.id GROUP BY j.run_id
) AS seen ON true
"""

_SAVE = """
INSERT INTO live_judgements (run_id, organization_id, automation_id, evaluator_name, evaluator_version, passed, score,
    label, details, error, share, run_created_at)
SELECT r.id, $2, r.automation_id, row.name, row.version, row.passed, row.score, row.label, row.details, row.error, $3,
    r.created_at
FROM runs r, json_to_recordset($4::json) AS row (name text, version text, passed boolean, score double precision,
    label text, details json, error text)
WHERE r.id = $1 AND r.organization_id = $2
ON CONFLICT DO NOTHING
"""

_JUDGED = """
SELECT j.evaluator_name AS name, j.evaluator_version AS version, coalesce(r.sample_stratum, '') AS stratum, j.share,
       coalesce(r.sample_probability, 0) AS probability, r.sampled, j.passed,
       CASE WHEN r.sampled AND r.review_rating IS NOT NULL THEN r.review_rating = 'pass' END AS "right",
       count(*) AS count, max(j.created_at) AS last_at
FROM (
    SELECT * FROM live_judgements
    WHERE organization_id = $1 AND automation_id = $2 AND run_created_at >= $3 AND run_created_at < $4
    ORDER BY run_created_at DESC LIMIT $5
) AS j JOIN runs r ON r.id = j.run_id AND r.organization_id = $1 AND r.mode = 'live' AND r.outcome = 'completed'
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3
"""


async def judged_automations(tx: db.Transaction) -> list[tuple[str, str, float]]:
    """Name organization, automation and share of all whose live runs judges look at."""
    return [(row["organization_id"], row["automation_id"], row["share"]) for row in await tx.fetch(_AUTOMATIONS)]


async def unjudged(tx: db.Transaction, organization_id: str, automation_id: str, share: float, limit: int) -> list[str]:
    """Name the live runs of the last day below the share that no judge has seen, those that ended first first."""
    return [row["id"] for row in await tx.fetch(_UNJUDGED, organization_id, automation_id, share, limit)]


async def save(tx: db.Transaction, organization_id: str, run_id: str, share: float, results: Sequence[Result]) -> None:
    """Write what judges said of a run; what stands there already stays."""
    rows = [
        {
            "name": result.entry.name,
            "version": result.entry.evaluator_version,
            "passed": result.passed,
            "score": result.score,
            "label": result.label,
            "details": result.details,
            "error": result.error,
        }
        for result in results
    ]
    await tx.execute(_SAVE, run_id, organization_id, share, jsontext.dump(rows))


async def pace(
    tx: db.Transaction, organization_id: str, automation_id: str, share: float, since: datetime | None
) -> tuple[int, int, int]:
    """Count the newest runs that judges should have seen by now, those they saw, and those they could say something of.

    Only runs of the last day, and after `since`, at most 5,000.
    """
    row = await tx.fetch_one(_PACE, organization_id, automation_id, share, since, MOST_DUE)
    return (0, 0, 0) if row is None else (row["due"], row["judged"], row["said"])


async def judged(
    tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime
) -> tuple[Mapping[tuple[str, str], Sequence[JudgedRuns]], Mapping[str, int]]:
    """Sum up what each judge's newest version said of the live runs of a time, and how often it could not say."""
    rows = await tx.fetch(_JUDGED, organization_id, automation_id, start, end, MOST_JUDGED)
    newest = {row["name"]: row["version"] for row in sorted(rows, key=lambda row: row["last_at"])}
    found: dict[tuple[str, str], list[JudgedRuns]] = {}
    unsaid: dict[str, int] = {}
    for row in rows:
        name = row["name"]
        if row["version"] != newest[name]:
            continue
        groups = found.setdefault((name, row["version"]), [])
        if row["passed"] is None:
            unsaid[name] = unsaid.get(name, 0) + row["count"]
            continue
        groups.append(JudgedRuns(**{field: row[field] for field in JudgedRuns.__dataclass_fields__}))
    return found, unsaid
