"""A server full of values that would be code if a page forgot to escape them, and as long and foreign as they come."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from reportlab.pdfgen.canvas import Canvas
from tests.acceptance.serving import Served, push
from tests.fakes.openai_server import OpenAiServer, said

from assay import access

PROBE = "xss-probe"
"""An element of this name on a page is a value that was not escaped."""
HOSTILE = f"\"'><{PROBE}><img src=/{PROBE} onerror=alert(1)></{PROBE}><script>alert(2)</script>"
FOREIGN = "فاتورة رقم ٤٢ من شركة النور للتجارة العامة والمقاولات"
SLUG = "a-workflow-with-a-very-long-name-" + "that-goes-on-and-on-and-on-end"
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
FILE_NAME = f'in\'voice <{PROBE}> & "co".pdf'


@dataclass(frozen=True)
class World:
    """What was made.

    `ids` holds what stands for each parameter of a page's path (`<part of the path> <parameter>`: there only),
    `queries` what a path cannot do without.
    """

    ids: Mapping[str, str]
    queries: Mapping[str, str]

    def url(self, path: str, *, otherwise: str | None = None) -> str:
        """Put something that exists in place of each parameter; `otherwise` where that does not matter."""
        query = self.queries.get(path)
        return _PARAMETER.sub(lambda found: self._value(path, found[1], otherwise), path) + (
            f"?{query}" if query else ""
        )

    def _value(self, path: str, name: str, otherwise: str | None) -> str:
        special = [value for key, value in self.ids.items() if key.endswith(f" {name}") and key.split()[0] in path]
        known = special[0] if special else self.ids.get(name, otherwise)
        assert known, f"{path}: say in hostile.make what {{{name}}} is, so that this page is tested"
        return quote(known)


def make(served: Served, http: httpx.Client, models: OpenAiServer) -> World:
    """Fill a new server."""
    models.otherwise = lambda _asked: said({"vendor": HOSTILE, "total": 7})
    _ok(http.post("/providers", json=_provider(models)))
    automation = push(http, SLUG, _steps(), inputs=_inputs(), output=_output(), description=HOSTILE + FOREIGN)
    push(http, SLUG, _steps(), inputs=_inputs(), output=_output(), description=HOSTILE, version="1.1.0")
    failing = push(
        http,
        "fails",
        [{"name": "refuse", "type": "control.fail", "message": HOSTILE}],
        description=HOSTILE,
    )
    target = automation["automation"]["id"]
    runs = {name: _run(http, target) for name in ("first", "second", "third")}
    runs["failed"] = _run(http, failing["automation"]["id"], upload=False)
    _said_of(http, runs)
    example, experiments = _measured(http, target)
    webhook, delivery = _settings(http, served)
    item = http.get("/review-queue", params={"limit": 1}).json()["items"][0]["id"]
    ids = {
        "slug": SLUG,
        "automation_id": target,
        "run_id": runs["first"],
        "item_id": item,
        "example": "hostile",
        "experiment_id": experiments[1],
        "baseline_id": experiments[0],
        "webhook_id": webhook,
        "delivery_id": delivery,
        "page": "1",
        "path": _document(http, runs["first"]),
        "/dataset/ path": f"input/{FILE_NAME}",
    }
    queries = {
        "/review/{item_id}/place": "text=total&page=1",
        "/automations/{slug}/experiments/compare": f"a={experiments[0]}&b={experiments[1]}",
        "/automations/{slug}/experiments/{experiment_id}/case": f"example={example}",
    }
    return World(ids, queries)


def pdf() -> bytes:
    """Make a document whose text is hostile."""
    target = io.BytesIO()
    canvas = Canvas(target)
    for page in range(3):
        canvas.drawString(40, 800, f"Page {page + 1} {HOSTILE}")
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def _steps() -> list[Any]:
    many = {f"field_{number} <{PROBE}>": f"{HOSTILE} {number}" for number in range(300)}
    return [
        {"name": "read", "type": "ai.parse", "with": {"input": "{{ input.document }}"}},
        {
            "name": "extract",
            "type": "ai.extract",
            "with": {"input": HOSTILE, "schema": _schema(), "grounded": False},
        },
        {"name": "set", "type": "transform.set", "description": HOSTILE, "with": {"fields": many}},
        {"name": "note", "type": "test.file", "with": {"content": HOSTILE}},
    ]


def _schema() -> Any:
    fields = {"vendor": {"type": "string", "description": HOSTILE}, "total": {"type": "number"}}
    return {"type": "object", "properties": fields}


def _inputs() -> list[Any]:
    return [
        {"name": "document", "type": "file", "required": False, "description": HOSTILE},
        {"name": "text", "type": "string", "required": False, "description": HOSTILE, "default": HOSTILE},
    ]


def _output() -> Any:
    return {
        "said": "{{ steps.extract.output }}",
        f"key <{PROBE}>": HOSTILE,
        "foreign": FOREIGN,
        "lines": [{"name": HOSTILE, "amount": number} for number in range(3)],
        "text": "{{ input.text }}",
    }


def _provider(models: OpenAiServer) -> Any:
    return {"name": "local", "baseUrl": models.base_url, "models": ["tiny", f"<{PROBE}>"], "key": "sk-secret"}


def _run(http: httpx.Client, target: str, *, upload: bool = True) -> str:
    wait = {"wait_for_completion": 20}
    if not upload:
        answer = http.post("/runs", json={"target": target, "metadata": {HOSTILE: HOSTILE}}, params=wait)
        return answer.json()["run"]["id"] if "run" in answer.json() else answer.json()["id"]
    form = {"target": target, "input": json.dumps({"text": HOSTILE}), "metadata": json.dumps({HOSTILE: HOSTILE})}
    files = {"files.document": (FILE_NAME, pdf(), "application/pdf")}
    answer = _ok(http.post("/runs", data=form, files=files, params=wait))
    assert answer["execution"]["status"] == "completed", answer
    return answer["id"]


def _document(http: httpx.Client, run: str) -> str:
    """Return the path of the uploaded document among a run's files."""
    kept = _ok(http.get(f"/runs/{run}/artifacts"))["artifacts"]
    return next(one["path"] for one in kept if one["path"].endswith(".pdf"))


def _said_of(http: httpx.Client, runs: Mapping[str, str]) -> None:
    _ok(http.post("/review-queue", json={"runIds": [runs["first"], runs["second"], runs["third"]]}))
    said_of = {
        "rating": "fail",
        "status": "open",
        "body": HOSTILE,
        "tags": [f"<{PROBE}>tag"],
        "corrections": [{"kind": "field", "path": "/foreign", "correctedValue": HOSTILE, "note": HOSTILE}],
    }
    _ok(http.put(f"/runs/{runs['first']}/feedback", json=said_of))
    _ok(http.put(f"/runs/{runs['failed']}/feedback", json={"rating": "fail", "status": "ignored", "body": HOSTILE}))


def _measured(http: httpx.Client, automation: str) -> tuple[str, list[str]]:
    base = f"/automations/{automation}"
    values = {
        "name": "hostile",
        "input": {"text": HOSTILE},
        "expected": {"foreign": FOREIGN, "text": HOSTILE},
        "metadata": {HOSTILE: HOSTILE},
        "annotation": HOSTILE,
    }
    example = _ok(http.post(f"{base}/examples", json=values))["id"]
    _ok(http.post(f"{base}/examples/{example}/input", files={"file": (FILE_NAME, pdf(), "application/pdf")}))
    schema = {"type": "object", "required": [f"<{PROBE}>"], "description": HOSTILE}
    evaluators = [
        {"name": "same", "type": "exact-diff", "description": HOSTILE, "config": {}},
        {"name": "form", "type": "json-schema", "config": {"schema": schema}},
    ]
    _ok(http.put(f"{base}/evaluators", json={"yaml": json.dumps({"evaluators": evaluators})}))
    made = [_experiment(http, base) for _ in range(2)]
    return example, made


def _experiment(http: httpx.Client, base: str) -> str:
    """Run an experiment, and return once it is over."""
    started = _ok(http.post(f"{base}/experiments", json={}))["id"]
    with http.stream("GET", f"{base}/experiments/{started}/stream") as events:
        events.read()
    return started


def _settings(http: httpx.Client, served: Served) -> tuple[str, str]:
    _ok(http.post("/keys", json={"name": HOSTILE[:128]}))
    _ok(http.patch("/outgoing", json={"allow": ["127.0.0.1:9"]}))
    url = f"http://127.0.0.1:9/hook?{PROBE}='\"><{PROBE}>"
    made = _ok(http.post("/webhooks", json={"url": url, "description": HOSTILE, "events": ["run.*"]}))
    _ok(http.post(f"/webhooks/{made['id']}/test"))

    async def people(server: Any) -> None:
        async with server.database.transaction() as tx:
            owned, _ = await access.ensure_default_organization(tx)
            await access.create_user(
                tx, organization_id=owned.id, email="hostile@example.org", role="member", name=HOSTILE[:128]
            )

    served.do(people)
    return made["id"], _ok(http.get(f"/webhooks/{made['id']}/deliveries"))["data"][0]["id"]


def _ok(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.request.method, str(answer.request.url), answer.text[:600])
    return answer.json() if answer.content else None
