"""The pages over a long past: how long the server takes for each of them, and what a first visit loads."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx

from assay.dashboard.page_policy import PAGE_POLICY
from assay.dashboard.visitors import COOKIE
from bench.client import Connection
from bench.experiments import WORKFLOW, prepare
from bench.processes import serving, working
from bench.report import Measure, percentile
from bench.seeding import Past, automation, run, webhook

PAGE_MS = 100
API_MS = 300
FIRST_LOAD_KB = 120
NO_PAGES = frozenset(
    {
        "/",
        "/settings",
        "/review/next",
        "/experiments/{experiment_id}",
        "/automations/{slug}/experiments/compare",
        "/live",
        "/review/{item_id}/place",
        "/automations/{slug}/experiments/export",
        "/automations/{slug}/experiments/{experiment_id}/export",
        "/automations/{slug}/dataset/export",
        "/automations/{slug}/dataset/examples/{example}/files/{path:path}",
        "/automations/{slug}/dataset/examples/{example}/pages/{page}/{path:path}",
        "/automations/{slug}/dataset/examples/{example}/document/{path:path}",
        "/runs/{run_id}/files/{path:path}",
        "/runs/{run_id}/zip",
        "/runs/{run_id}/pages/{page}/{path:path}",
        "/runs/{run_id}/document/{path:path}",
    }
)
"""Redirections, streams, downloads and pictures: what they cost is not the database's doing."""
_ASSET = re.compile(r'(?:src|href)="(/static/[^"]+)"')


@dataclass(frozen=True, slots=True)
class Measured:
    """An automation with a dataset, and its experiments, newest first."""

    slug: str
    experiments: Sequence[str]
    run: str


async def measure(history: Past, *, count: int, rounds: int, few: int, many: int) -> list[Measure]:
    """Measure on a past of `count` runs; experiments on `few` and `many` examples are made there on the first call."""
    async with serving(history.data_dir, "--no-worker") as server:
        async with _api(server.port, history.key) as api:
            async with working(history.data_dir):
                small, large = await _measured(api, few, 1), await _measured(api, many, 2)
            urls = await _urls(api, history, small, large)
        async with Connection.browse(server.port, history.session) as browser:
            taken = {path: {url: await _p95(browser, url, rounds) for url in several} for path, several in urls.items()}
        async with Connection.open(server.port, history.key) as connection:
            figures = {name: await _p95(connection, url, rounds) for name, url in _figures(history).items()}
        loaded = await _first_loads(server.port, history.session, [url for several in urls.values() for url in several])
    area = f"pages, {count:,} runs"
    heaviest = max(loaded, key=loaded.__getitem__)
    return [
        *[Measure(area, _named(path, found), max(found.values()), "ms", aim=PAGE_MS) for path, found in taken.items()],
        Measure(area, f"first load, the heaviest of {len(loaded)} ({heaviest})", loaded[heaviest], "kB", FIRST_LOAD_KB),
        *[Measure(f"API, {count:,} runs", f"{name}, p95", value, "ms", aim=API_MS) for name, value in figures.items()],
    ]


def _named(path: str, found: Mapping[str, float]) -> str:
    if len(found) == 1:
        return f"{path}, p95"
    return f"{path}: slowest p95 of {len(found)} ({max(found, key=found.__getitem__)[:80]})"


def _api(port: int, key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=600, trust_env=False)


async def _measured(api: httpx.AsyncClient, examples: int, times: int) -> Measured:
    """Find or make an automation and so many experiments of it; from the second on, an example in ten goes wrong."""
    slug = f"double-{examples}"
    found = await api.get(f"/automations/workflows.{slug}")
    if found.status_code == HTTPStatus.NOT_FOUND:
        path = await prepare(api, examples)
        for number in range(times):
            if number:
                await _get_worse(api, path.removesuffix("/experiments"), examples, number)
            started = (await api.post(path)).raise_for_status().json()["id"]
            (await api.get(f"{path}/{started}/stream")).raise_for_status()  # ends with it
        found = await api.get(f"/automations/workflows.{slug}")
    place = f"/automations/{found.raise_for_status().json()['id']}"
    experiments = [one["id"] for one in await _listed(api, f"{place}/experiments")]
    runs = await _listed(api, f"/runs?batchId={experiments[0]}&limit=1", "runs")
    return Measured(slug, experiments, runs[0]["id"])


async def _get_worse(api: httpx.AsyncClient, path: str, examples: int, number: int) -> None:
    right = "{{ input.n | times: 2 }}"
    wrong = f"{{{{ input.n | times: 2 | at_most: {2 * examples - examples // 5} }}}}"
    text = WORKFLOW.format(count=examples).replace("1.0.0", f"1.{number}.0").replace(right, wrong)
    (await api.post(f"{path}/versions", json={"yaml": text})).raise_for_status()


async def _listed(api: httpx.AsyncClient, path: str, name: str = "data") -> Sequence[Any]:
    answer: Mapping[str, Any] = (await api.get(path)).raise_for_status().json()
    return answer[name]


async def _urls(api: httpx.AsyncClient, history: Past, small: Measured, large: Measured) -> dict[str, Sequence[str]]:
    """Name what each page is asked for: one without parameters for itself, if nothing more is named."""
    flows = ["flow-0", "flow-3", "flow-7", "flow-19"]
    (item, *_) = await _listed(api, f"/review-queue?automation={automation(0)}&limit=1", "items")
    (delivery, *_) = await _listed(api, f"/webhooks/{webhook()}/deliveries?limit=1")
    (example, *_) = await _listed(api, f"/automations/workflows.{large.slug}/examples?limit=1")
    newest, before = large.experiments[:2]
    done = f"/runs/{large.run}"
    steps = await _listed(api, f"{done}/steps", "steps")
    grids = [f"/automations/{one.slug}/experiments/{one.experiments[0]}" for one in (small, large)]
    hook = f"/settings/webhooks/{webhook()}"
    of_flows = ("", "/workflow", "/settings", "/experiments", "/gate")
    of_dataset = ("", "/revisions", "/coverage", "/import")
    named: dict[str, Sequence[str]] = {
        **{path: [path] for path in sorted(_pages()) if "{" not in path},
        "/automations": ["/automations", "/automations?search=flow"],
        **{
            f"/automations/{{slug}}{tab}": [f"/automations/{slug}{tab}" for slug in (*flows, large.slug)]
            for tab in (*of_flows, "/evaluators")
        },
        **{f"/automations/{{slug}}/dataset{part}": [f"/automations/{large.slug}/dataset{part}"] for part in of_dataset},
        "/automations/{slug}/dataset/examples/{example}": [f"/automations/{large.slug}/dataset/examples/example-1"],
        "/automations/{slug}/experiments/{experiment_id}": [
            *grids,
            f"{grids[1]}?page=50",
            *(f"{grids[1]}?{query}" for query in ("show=failed", "sort=score", "sort=name")),
        ],
        "/automations/{slug}/experiments/{experiment_id}/case": [f"{grids[1]}/case?example={example['id']}"],
        "/experiments/{baseline_id}/compare/{experiment_id}": [
            f"/experiments/{before}/compare/{newest}{query}" for query in ("", "?show=all", "?show=all&page=50")
        ],
        "/run/{slug}": ["/run/flow-0"],
        "/runs": _run_lists(history),
        "/runs/bulk": [f"/runs/bulk?action=review&source={automation(19)}&reviewState=unreviewed&sampled=true"],
        "/runs/news": [f"/runs/news?since={(history.until - timedelta(minutes=1)).isoformat().replace('+', '%2B')}"],
        "/runs/{run_id}": [done, f"/runs/{item['runId']}"],
        "/runs/{run_id}/pane": [f"{done}/pane"],
        "/runs/{run_id}/step": [f"{done}/step?step={steps[0]['stepName']}"],
        "/review/{item_id}": [f"/review/{item['id']}"],
        "/monitoring": [
            "/monitoring",
            *(
                f"/monitoring?automation={slug}&from={since}"
                for slug in (*flows, large.slug)
                for since in ("7d", "30d", "90d")
            ),
        ],
        "/settings/webhooks/{webhook_id}": [hook],
        "/settings/webhooks/{webhook_id}/deliveries/{delivery_id}": [f"{hook}/deliveries/{delivery['id']}"],
        "/settings/audit": ["/settings/audit", "/settings/audit?action=feedback.updated"],
    }
    _check(named)
    return named


def _check(named: Iterable[str]) -> None:
    if unknown := set(named) ^ _pages():
        message = f"Pages that are not there, or whose parameters are not known here: {', '.join(sorted(unknown))}"
        raise RuntimeError(message)


def _pages() -> set[str]:
    return {path for method, path in PAGE_POLICY if method == "GET"} - NO_PAGES


def _run_lists(history: Past) -> Sequence[str]:
    queries: Sequence[Mapping[str, str]] = (
        {"source": "workflows.flow-0"},
        {"source": "workflows.flow-0", "status": "failed"},
        {"status": "failed"},
        {"reviewState": "open"},
        {"reviewState": "unreviewed", "sampled": "true"},
        {"source": "workflows.flow-4", "reviewState": "unreviewed", "sampled": "true"},
        {"sampleRate": "0.05", "sampleView": "flag"},
        {"sampleRate": "0.05"},
        {"feedbackBodyContains": "missing"},
        {"mode": "shadow", "createdBefore": (history.until - timedelta(days=60)).isoformat()},
        {"sort": "completedAt"},
        {"run": run(1)},
    )
    return ["/runs", *(f"/runs?{urlencode(query)}" for query in queries)]


def _figures(history: Past) -> Mapping[str, str]:
    """Name what the API is asked, and how."""
    query = urlencode({"from": (history.until - timedelta(days=90)).isoformat(), "bucket": "week"})
    large, reviewed = (f"/api/v1/automations/{automation(number)}" for number in (0, 3))
    return {
        "reviews/health of a large automation, 90 days": f"{large}/reviews/health?{query}",
        "reviews/health of one that is all reviewed": f"{reviewed}/reviews/health?{query}",
        "sampling/advice of a large automation": f"{large}/sampling/advice",
        "sampling/advice of one that is all reviewed": f"{reviewed}/sampling/advice",
    }


async def _p95(http: Connection, url: str, rounds: int) -> float:
    request = http.prepared("GET", url)
    await http.send(request)  # what a first look has to read from disk, or to compile, is not the page's own cost
    taken: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        await http.send(request)
        taken.append((time.perf_counter() - start) * 1000)
    return percentile(taken, 95)


async def _first_loads(port: int, session: str, urls: Sequence[str]) -> dict[str, float]:
    """Return the packed kilobytes of each page with the styles and scripts it names; an editor is loaded afterwards."""
    known: dict[str, float] = {}

    async def kilobytes(http: httpx.AsyncClient, url: str) -> tuple[float, str]:
        async with http.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
            content = await answer.aread()
            return answer.num_bytes_downloaded / 1000, content.decode()

    found: dict[str, float] = {}
    base_url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base_url, cookies={COOKIE: session}, timeout=600, trust_env=False) as http:
        for url in urls:
            size, text = await kilobytes(http, url)
            for asset in set(_ASSET.findall(text)):
                known[asset] = known.get(asset) or (await kilobytes(http, asset))[0]
                size += known[asset]
            found[url] = size
    return found
