"""`GET /runs` over a long past: every filter alone and with an automation, parts of texts, pairs, far pages."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, product
from urllib.parse import urlencode

from bench.client import Connection
from bench.processes import serving
from bench.report import Measure, percentile
from bench.seeding import Past, automation, person, run

EXACT_MS = 20
FREE_MS = 150
COUPLES = 11
"""Of all pairs of filters one in so many is asked: there are thousands."""
AUTOMATIONS = {
    "large": 0,
    "all reviewed": 3,
    "nothing reviewed": 4,
    "never fails": 5,
    "only evaluated": 6,
    "still": 7,
    "nothing new reviewed": 9,
    "small": 19,
}

EVENTS = ("Created", "Updated", "Resolved")

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and how long its 95th percentile took, in milliseconds."""

    query: Query
    p95: float


async def measure(history: Past, *, count: int, rounds: int, every: int) -> list[Measure]:
    """Measure on a past of `count` runs. Of far pages and pairs of filters, one in `every` is asked."""
    alone = exact_filters(history.until, count)
    sources: list[Query] = [{"source": automation(number)} for number in AUTOMATIONS.values()]
    parts: list[Query] = [
        *({"exampleIdContains": part} for part in ("ple-17", "nothing")),
        *({"feedbackBodyContains": part} for part in ("missing", "upside down", "nothing of this")),
    ]
    async with serving(history.data_dir, "--no-worker") as server, Connection.open(server.port, history.key) as http:
        far = [
            {**query, "cursor": await _cursor(http, history.until - timedelta(days=days))}
            for days in (30, 60, 89)
            for query in alone
            if not any(name == "ids" or name.endswith(("After", "Before")) for name in query)
        ]
        area = f"GET /runs, {count:,} runs"
        found = [
            Measure(area, f"{_shown(asked.query)}, p95", asked.p95, "ms", aim=EXACT_MS)
            for asked in await _ask(http, [{}, *alone], rounds)
        ]
        for name, queries, repeated, aim in (
            ("one filter and one automation", _pairs(alone, sources), rounds // 2, EXACT_MS),
            ("far pages by cursor", far, rounds // 2, EXACT_MS),
            ("by completion", [{**query, "sort": "completedAt"} for query in [{}, *alone]], rounds // 2, FREE_MS),
            ("…Contains, alone and with an automation", [*parts, *_pairs(parts, sources)], rounds, FREE_MS),
            ("two filters", _couples([*alone, *parts])[::COUPLES], rounds // 2, FREE_MS),
        ):
            worst = max(await _ask(http, queries[::every], max(2, repeated)), key=lambda asked: asked.p95)
            what = f"{name}: slowest p95 of {len(queries[::every])} ({_shown(worst.query)})"
            found.append(Measure(area, what, worst.p95, "ms", aim=aim))
    return found


def exact_filters(until: datetime, count: int) -> list[Query]:
    """Name each filter with values that are frequent, rare, old, recent, several and absent."""

    def ago(days: float) -> str:
        return (until - timedelta(days=days)).isoformat()

    values = {
        "type": ["workflow", "agent"],
        "source": [automation(number) for number in AUTOMATIONS.values()],
        "status": ["completed", "failed", "cancelled", "rejected", "running", "failed,cancelled", "failed,running"],
        "trigger": ["api", "manual", "eval", "email", "api,manual"],
        "triggeredBy": [person(1), person(29), person(99), "__system__", f"__system__,{person(1)}"],
        "sourceRef": ["1.11.0", "1.0.0", "9.9.9", "1.0.0,1.11.0"],
        "mode": ["live", "eval", "shadow"],
        "errorCode": ["code_0", "code_3", "code_none", "code_0,code_1"],
        "errorStep": ["step-0", "step-none", "step-1,step-2"],
        "batchId": [f"exp_{count // 1000 // 20 * 20}", "exp_none"],
        "exampleId": ["example-7", "example-none"],
        "experiments": ["false"],
        "createdAfter": [ago(1), ago(60)],
        "createdBefore": [ago(1), ago(60)],
        "completedAfter": [ago(0.01), ago(7), ago(80)],
        "completedBefore": [ago(1), ago(60), ago(89.99)],
        "reviewState": ["unreviewed", "open", "regressed", "passed", "failed", "ignored", "open,unreviewed"],
        "sampled": ["true", "false"],
        "sampleRate": ["0.15", "0.06", "0.01", "0.0001"],
        "hasFeedback": ["true", "false"],
        "feedbackRating": ["pass", "fail", "partial", "none", "fail,partial"],
        "feedbackStatus": ["open", "resolved", "ignored"],
        "reviewStatus": ["open", "closed", "wont_fix"],
        "reviewVerdict": ["correct", "incorrect", "null"],
        "hasExpected": ["true", "false"],
        "hasExpectedFiles": ["true"],
        "hasCorrections": ["true", "false"],
        "hasExample": ["true"],
        "promotedToExample": ["true", "false"],
        "promotedExampleName": ["promoted-1500", "none"],
        "sinceLastResolved": ["true"],
        **{
            f"feedback{event}{side}": [ago(1), ago(60), ago(85)] for event, side in product(EVENTS, ("After", "Before"))
        },
        "ids": [",".join(run(number) for number in range(1, count, count // 50))],
    }
    return [{name: value} for name, several in values.items() for value in several]


def _pairs(queries: Sequence[Query], others: Sequence[Query]) -> list[Query]:
    return [{**query, **other} for query in queries for other in others if not query.keys() & other.keys()]


def _couples(queries: Sequence[Query]) -> list[Query]:
    return [{**one, **two} for one, two in combinations(queries, 2) if not one.keys() & two.keys()]


async def _ask(http: Connection, queries: Sequence[Query], rounds: int) -> list[Asked]:
    return [Asked(query, percentile(await _times(http, query, rounds), 95)) for query in queries]


async def _times(http: Connection, query: Query, rounds: int) -> list[float]:
    request = http.prepared("GET", f"/api/v1/runs?{urlencode(query)}")
    await http.send(request)  # what a first look has to read from disk is not the list's own cost
    taken: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        await http.send(request)
        taken.append((time.perf_counter() - start) * 1000)
    return taken


async def _cursor(http: Connection, moment: datetime) -> str:
    """Stand as deep in the list as if all later runs had been paged through."""
    query = urlencode({"createdBefore": moment.isoformat(), "limit": 1})
    page = await http.call("GET", f"/api/v1/runs?{query}")
    return page["nextCursor"]


def _shown(query: Query) -> str:
    names = {automation(number): name for name, number in AUTOMATIONS.items()}
    return " ".join(f"{name}={_value(name, names.get(value, value))}" for name, value in query.items()) or "first page"


def _value(name: str, value: str) -> str:
    if name.endswith(("After", "Before")):
        return value[:10]
    return value if len(value) <= 28 else f"{value[:4]}…{value[-3:]}"
