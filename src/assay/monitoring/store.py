"""The SQL of what is seen of production: aggregates that indexes answer, within a time limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from assay import db, jsontext
from assay.monitoring.model import Backlog, Drawn, InputDay, JudgeCounts, Mode, Query

MODES: tuple[Mode, ...] = ("live", "shadow")
MOST_REVIEWED = 500_000
MOST_RUNS_A_DAY = 1_000
"""Runs of a day whose input is looked at; of more, those of the smallest ranks, which are as good as any."""
MOST_JUDGED = 20_000
MOST_CALLS = 10_000

_SETTINGS = """
SELECT set_config('statement_timeout', $1, true), set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('max_parallel_workers_per_gather', '0', true)
"""


def _conditions(first: int) -> str:
    """Write the filters of a `Query` as conditions on `runs`, for arguments from number `first` on; null means all."""
    texts = ["kind", "status", "trigger_type", "started_by", "version_label", "mode", "batch_id", "example_id"]
    written = [f"(${number}::text[] IS NULL OR {name} = ANY (${number}))" for number, name in enumerate(texts, first)]
    number = first + len(texts)
    return "\n    AND ".join(
        [
            *written,
            f"(${number}::text IS NULL OR strpos(example_id, ${number}) > 0)",
            f"(${number + 1}::timestamptz IS NULL OR completed_at >= ${number + 1})",
            f"(${number + 2}::timestamptz IS NULL OR completed_at <= ${number + 2})",
            f"(${number + 3}::boolean OR (NOT in_experiment AND mode <> 'eval'))",
        ]
    )


# One pass over an index in order of time; 100,000 of them are 20 ms this way and 200 ms as rows.
_REVIEWED = f"""
SELECT array_agg(moment) AS moments, string_agg(code, '') AS codes
FROM (
    SELECT extract(epoch FROM created_at)::float8 AS moment,
           CASE split_part(review_standing, '/', 2) WHEN 'pass' THEN 'p' WHEN 'fail' THEN 'f' WHEN 'partial' THEN 'h'
                ELSE 'n' END AS code
    FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND review_created_at IS NOT NULL
        AND created_at >= $3 AND created_at < $4
        AND {_conditions(6)}
    ORDER BY created_at DESC, id DESC LIMIT $5
) AS newest
"""

_TALLIED = f"""
SELECT place, split_part(standing, '/', 2) AS rating, sum(runs)::bigint AS runs
FROM (
    SELECT width_bucket(created_at, $3::timestamptz[]) AS place, review_standing AS standing, count(*) AS runs
    FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND review_created_at IS NOT NULL
        AND created_at >= $4 AND created_at < $5
        AND {_conditions(6)}
    GROUP BY 1, 2
) AS counted GROUP BY 1, 2
"""

# Between neighbouring moments. Active and ended runs stand in different indexes.
_COUNTED = f"""
SELECT ended.runs + active.runs AS runs
FROM unnest($3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS part (start, finish, place),
     LATERAL (
        SELECT count(*) AS runs FROM runs
        WHERE organization_id = $1 AND automation_id = $2 AND outcome IS NOT NULL
            AND created_at >= part.start AND created_at < part.finish AND {_conditions(5)}) AS ended,
     LATERAL (
        SELECT count(*) AS runs FROM runs
        WHERE organization_id = $1 AND automation_id = $2 AND outcome IS NULL
            AND created_at >= part.start AND created_at < part.finish AND {_conditions(5)}) AS active
ORDER BY part.place
"""

# `width_bucket` numbers the stretches of time from 1 on, in one pass over the sample; one count is quicker than four.
_DRAWN = """
SELECT width_bucket(created_at, $3::timestamptz[]) AS place, mode, sample_stratum AS stratum,
       sample_probability AS probability, review_rating AS rating, count(*) AS runs
FROM runs
WHERE organization_id = $1 AND automation_id = $2 AND sampled AND mode IN ('live', 'shadow') AND outcome = 'completed'
    AND created_at >= $4 AND created_at < $5 AND parent_run_id IS NULL AND sample_probability > 0
GROUP BY 1, 2, 3, 4, 5
"""

_NAIVE = """
SELECT mode, split_part(review_standing, '/', 2) AS rating, sum(runs)::bigint AS runs
FROM (
    SELECT mode, review_standing, count(*) AS runs FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND review_created_at IS NOT NULL AND mode IN ('live', 'shadow')
        AND outcome = 'completed' AND created_at >= $3 AND created_at < $4
    GROUP BY 1, 2
) AS counted GROUP BY 1, 2
"""

# The mode stands in the text, because the few shadow runs have an index of their own.
_HAS_TRAFFIC = {
    mode: f"""
SELECT EXISTS (
    SELECT FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND mode = '{mode}' AND outcome = 'completed'
        AND created_at >= $3 AND created_at < $4)
"""
    for mode in ("live", "shadow")
}

# Each of the two ways has its place in an index; the newest is found without a scan.
_LAST_CALL = """
SELECT mode, created_at FROM (
    SELECT last.mode, last.created_at
    FROM unnest(ARRAY['api', 'cli']) AS way (name),
         LATERAL (
            SELECT mode, created_at FROM runs
            WHERE organization_id = $1 AND automation_id = $2 AND trigger_type = way.name AND outcome IS NOT NULL
                AND outcome = 'completed' AND mode IN ('live', 'shadow') AND NOT in_experiment
                AND created_at > now() - $3 * interval '1 day'
            ORDER BY created_at DESC LIMIT 1) AS last
) AS found ORDER BY created_at DESC LIMIT 1
"""

_ENDED_CALLS = """
SELECT count(*) AS ended, count(*) FILTER (WHERE outcome = 'failed') AS failed
FROM (
    SELECT outcome FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND trigger_type IN ('api', 'cli') AND outcome IS NOT NULL
        AND mode IN ('live', 'shadow') AND NOT in_experiment AND created_at > now() - $3 * interval '1 day'
    ORDER BY created_at DESC LIMIT $4
) AS newest
"""

_DRAWN_OF_SEVERAL = """
SELECT automation_id, coalesce(sample_stratum, '') AS stratum, sample_probability AS probability, count(*) AS sampled,
       count(*) FILTER (WHERE review_rating = 'pass') AS passed,
       count(*) FILTER (WHERE review_rating = 'fail') AS failed,
       count(*) FILTER (WHERE review_rating = 'partial') AS partial
FROM runs
WHERE organization_id = $1 AND automation_id = ANY($2) AND sampled AND mode = 'live' AND outcome = 'completed'
    AND created_at > now() - $3 * interval '1 day' AND parent_run_id IS NULL AND sample_probability > 0
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

_DEBTS = """
SELECT automation_id, count(*) AS open FROM feedback
WHERE organization_id = $1 AND automation_id = ANY($2) AND status = 'open' GROUP BY automation_id
"""

_DEBT = """
SELECT count(*) AS count, min(created_at) AS oldest, count(*) FILTER (WHERE regressed IS NOT NULL) AS regressed,
       count(*) FILTER (WHERE created_at < clock_timestamp() - interval '7 days') AS older_than_a_week
FROM feedback WHERE organization_id = $1 AND automation_id = $2 AND status = 'open'
"""

_QUEUE = """
SELECT count(*) AS count, min(created_at) AS oldest,
       count(*) FILTER (WHERE created_at < clock_timestamp() - interval '7 days') AS older_than_a_week
FROM review_items WHERE organization_id = $1 AND automation_id = $2 AND state <> 'done'
"""

_ALL_WAITING = """
SELECT debt.count AS debt, debt.oldest AS debt_oldest, queue.count AS queue, queue.oldest AS queue_oldest
FROM (SELECT count(*) AS count, min(created_at) AS oldest FROM feedback WHERE status = 'open') AS debt,
     (SELECT count(*) AS count, min(created_at) AS oldest FROM review_items WHERE state <> 'done') AS queue
"""

_JUDGES = """
WITH judged AS (
    SELECT s.evaluator_name AS name, s.passed, r.review_rating = 'pass' AS is_right, r.review_rating IS NOT NULL AS seen
    FROM (
        SELECT id, review_rating FROM runs
        WHERE organization_id = $1 AND automation_id = $2 AND outcome = 'completed' AND mode = 'eval'
            AND created_at >= $3 AND created_at < $4
        ORDER BY created_at DESC, id DESC LIMIT $5
    ) AS r JOIN scores s ON s.run_id = r.id
    WHERE s.evaluator_type = 'llm-judge' AND s.passed IS NOT NULL AND s.organization_id = $1
)
SELECT name, count(*) FILTER (WHERE seen AND passed AND is_right) AS both_pass,
       count(*) FILTER (WHERE seen AND passed AND NOT is_right) AS only_judge,
       count(*) FILTER (WHERE seen AND NOT passed AND is_right) AS only_people,
       count(*) FILTER (WHERE seen AND NOT passed AND NOT is_right) AS both_fail,
       count(*) FILTER (WHERE passed) AS all_passed, count(*) AS all_scored
FROM judged GROUP BY name HAVING count(*) FILTER (WHERE seen) > 0 ORDER BY name
"""

_INPUT_DAYS = """
SELECT day, runs, counts FROM input_days
WHERE organization_id = $1 AND automation_id = $2 AND day >= $3 AND day < $4 ORDER BY day
"""

_DAYS_MISSING = """
SELECT a.organization_id, a.id AS automation_id, day::date AS day
FROM automations a, generate_series($1::date, $2::date, interval '1 day') AS day
WHERE NOT EXISTS (SELECT FROM input_days d WHERE d.automation_id = a.id AND d.day = day::date)
    AND EXISTS (
        SELECT FROM runs
        WHERE organization_id = a.organization_id AND automation_id = a.id AND outcome IS NOT NULL
            AND mode = 'live' AND created_at >= day AT TIME ZONE 'UTC'
            AND created_at < (day + interval '1 day') AT TIME ZONE 'UTC')
ORDER BY 3, 2 LIMIT $3
"""

_SUM_UP_DAY = """
WITH looked_at AS MATERIALIZED (
    SELECT id FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND outcome IS NOT NULL AND mode = 'live'
        AND created_at >= $3::date::timestamp AT TIME ZONE 'UTC'
        AND created_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
    ORDER BY sample_rank LIMIT $4
), known AS MATERIALIZED (
    SELECT result.features FROM looked_at JOIN run_results result ON result.run_id = looked_at.id
    WHERE result.features IS NOT NULL
), counted AS (
    SELECT one.key AS feature, coalesce(one.value, '') AS class, count(*) AS runs
    FROM known, json_each_text(known.features) AS one GROUP BY 1, 2
), by_feature AS (
    SELECT feature, json_object_agg(class, runs) AS classes FROM counted GROUP BY feature
)
INSERT INTO input_days (organization_id, automation_id, day, runs, counts)
SELECT $1, $2, $3, (SELECT count(*) FROM known),
       coalesce((SELECT json_object_agg(feature, classes) FROM by_feature), '{}')
ON CONFLICT (automation_id, day) DO NOTHING
"""

_VERSION_SINCE = """
SELECT max(activation.created_at)
FROM automations a
JOIN automation_activations activation
    ON activation.automation_id = a.id AND activation.version_id = a.current_version_id
WHERE a.organization_id = $1 AND a.id = $2
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Review debt and queue of all organizations together, for the operator."""

    debt: int
    debt_oldest: datetime | None
    queue: int
    queue_oldest: datetime | None


async def limit_time(tx: db.Transaction, seconds: float) -> None:
    """Let no statement of this transaction take longer; plan each for its values."""
    await tx.execute(_SETTINGS, f"{round(seconds * 1000)}ms")


async def reviewed(
    tx: db.Transaction, organization_id: str, automation_id: str, query: Query
) -> tuple[Sequence[float], str]:
    """Return when the reviewed runs were created (seconds of the epoch), newest first, and a letter for each verdict.

    p: pass, f: fail, h: partial, n: none. At most `MOST_REVIEWED`, the newest.
    """
    row = await tx.fetch_one(
        _REVIEWED, organization_id, automation_id, query.start, query.end, MOST_REVIEWED, *_arguments(query)
    )
    return ([], "") if row is None or row["moments"] is None else (row["moments"], row["codes"])


async def tallied(
    tx: db.Transaction, organization_id: str, automation_id: str, query: Query, edges: Sequence[datetime]
) -> list[Mapping[str, int]]:
    """Count the reviewed runs created between each two neighbours of `edges`, by rating; `none` is without one."""
    found: list[dict[str, int]] = [{} for _ in edges[1:]]
    arguments = list(edges), edges[0], edges[-1], *_arguments(query)
    for row in await tx.fetch(_TALLIED, organization_id, automation_id, *arguments):
        found[row["place"] - 1][row["rating"]] = row["runs"]
    return [*found]


async def counted(
    tx: db.Transaction, organization_id: str, automation_id: str, query: Query, edges: Sequence[datetime]
) -> list[int]:
    """Count the runs created between each two neighbours of `edges`."""
    rows = await tx.fetch(
        _COUNTED, organization_id, automation_id, list(edges[:-1]), list(edges[1:]), *_arguments(query)
    )
    return [row["runs"] for row in rows]


async def drawn(
    tx: db.Transaction, organization_id: str, automation_id: str, edges: Sequence[datetime]
) -> dict[Mode, list[list[Drawn]]]:
    """Sum up the random sample between each two neighbours of `edges`, by stratum and probability."""
    groups: dict[tuple[Mode, int, str, float], dict[str | None, int]] = {}
    arguments = organization_id, automation_id, list(edges), edges[0], edges[-1]
    for row in await tx.fetch(_DRAWN, *arguments):
        group = row["mode"], row["place"], row["stratum"] or "", row["probability"]
        groups.setdefault(group, {})[row["rating"]] = row["runs"]
    found: dict[Mode, list[list[Drawn]]] = {mode: [list[Drawn]() for _ in edges[1:]] for mode in MODES}
    for (mode, place, stratum, probability), ratings in sorted(groups.items()):
        told = (ratings.get(rating, 0) for rating in ("pass", "fail", "partial"))
        found[mode][place - 1].append(Drawn(stratum, probability, sum(ratings.values()), *told))
    return found


async def naive(
    tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime
) -> dict[Mode, tuple[int, int]]:
    """Count, by mode, the passed and all of the reviewed runs, however they were picked."""
    found: dict[Mode, tuple[int, int]] = dict.fromkeys(MODES, (0, 0))
    for row in await tx.fetch(_NAIVE, organization_id, automation_id, start, end):
        if row["rating"] != "none":
            passed, everything = found[row["mode"]]
            found[row["mode"]] = passed + (row["rating"] == "pass") * row["runs"], everything + row["runs"]
    return found


async def has_traffic(
    tx: db.Transaction, organization_id: str, automation_id: str, mode: Mode, start: datetime, end: datetime
) -> bool:
    """Tell whether runs of this mode completed."""
    return await tx.fetch_value(_HAS_TRAFFIC[mode], organization_id, automation_id, start, end)


async def last_call(
    tx: db.Transaction, organization_id: str, automation_id: str, days: int
) -> tuple[Mode, datetime] | None:
    """Return mode and start of the last run that an application started and that completed, of the last days."""
    row = await tx.fetch_one(_LAST_CALL, organization_id, automation_id, days)
    return None if row is None else (row["mode"], row["created_at"])


async def ended_calls(tx: db.Transaction, organization_id: str, automation_id: str, days: int) -> tuple[int, int]:
    """Count the ended and the failed among the newest runs of the last days that applications started."""
    row = await tx.fetch_one(_ENDED_CALLS, organization_id, automation_id, days, MOST_CALLS)
    return (0, 0) if row is None else (row["ended"], row["failed"])


async def drawn_of_several(
    tx: db.Transaction, organization_id: str, automation_ids: Sequence[str], days: int
) -> dict[str, list[Drawn]]:
    """Sum up the random sample of the live runs of the last days, for each automation that has one."""
    found: dict[str, list[Drawn]] = {}
    for row in await tx.fetch(_DRAWN_OF_SEVERAL, organization_id, list(automation_ids), days):
        values = dict(row)
        found.setdefault(values.pop("automation_id"), []).append(Drawn(**values))
    return found


async def debts(tx: db.Transaction, organization_id: str, automation_ids: Sequence[str]) -> dict[str, int]:
    """Count the open feedback of each automation that has any."""
    rows = await tx.fetch(_DEBTS, organization_id, list(automation_ids))
    return {row["automation_id"]: row["open"] for row in rows}


async def debt(tx: db.Transaction, organization_id: str, automation_id: str) -> Backlog:
    """Sum up the open feedback."""
    row = await tx.fetch_one(_DEBT, organization_id, automation_id)
    return Backlog(0, None) if row is None else Backlog(**dict(row))


async def queue(tx: db.Transaction, organization_id: str, automation_id: str) -> Backlog:
    """Sum up what waits for a verdict in the queue."""
    row = await tx.fetch_one(_QUEUE, organization_id, automation_id)
    return Backlog(0, None) if row is None else Backlog(**dict(row))


async def waiting(tx: db.Transaction) -> Waiting:
    """Sum up debt and queue over all organizations."""
    row = await tx.fetch_one(_ALL_WAITING)
    return Waiting(0, None, 0, None) if row is None else Waiting(**dict(row))


async def judges(
    tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime
) -> list[JudgeCounts]:
    """Hold what each llm-judge said of runs of examples against what people said of them."""
    rows = await tx.fetch(_JUDGES, organization_id, automation_id, start, end, MOST_JUDGED)
    return [JudgeCounts(**dict(row)) for row in rows]


async def input_days(
    tx: db.Transaction, organization_id: str, automation_id: str, start: date, end: date
) -> list[InputDay]:
    """Return what live runs were given, day by day, without `end`."""
    rows = await tx.fetch(_INPUT_DAYS, organization_id, automation_id, start, end)
    return [InputDay(row["day"], row["runs"], jsontext.load(row["counts"])) for row in rows]


async def days_missing(tx: db.Transaction, start: date, end: date, limit: int) -> list[tuple[str, str, date]]:
    """Name organization, automation and day where live runs ended and their inputs are not summed up."""
    rows = await tx.fetch(_DAYS_MISSING, start, end, limit)
    return [(row["organization_id"], row["automation_id"], row["day"]) for row in rows]


async def sum_up_day(tx: db.Transaction, organization_id: str, automation_id: str, day: date) -> None:
    """Sum up the inputs of a day once and for all."""
    await tx.execute(_SUM_UP_DAY, organization_id, automation_id, day, MOST_RUNS_A_DAY)


async def version_since(tx: db.Transaction, organization_id: str, automation_id: str) -> datetime | None:
    """Return when the current version became current."""
    return await tx.fetch_value(_VERSION_SINCE, organization_id, automation_id)


def _arguments(query: Query) -> list[Any]:
    several = (
        query.kinds,
        query.statuses,
        query.triggers,
        query.triggered_by,
        query.version_labels,
        query.modes,
        query.batch_ids,
        query.example_ids,
    )
    return [
        *(list(values) or None for values in several),
        query.example_id_contains,
        query.completed_after,
        query.completed_before,
        query.experiments,
    ]
