"""The API reference inside the dashboard, drawn from the document that the API describes itself with."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import access, api
from assay.dashboard.rendering import render
from assay.dashboard.settings_frame import SettingsPage, Told
from assay.dashboard.visitors import SignedIn, site_url

router = APIRouter()

_BREAK = re.compile(r"(?<!\n)\n(?![\n\s*|-])")
"""Where a docstring's line ends within a paragraph."""

PREFIX = "/api/v1"
_METHODS = ("get", "post", "put", "patch", "delete")
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field of a body: its name, what may stand there, whether it has to, and what it means."""

    name: str
    type: str
    required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. `scopes` are those of which a key needs one; none: any key will do, or for `open` no key at all."""

    anchor: str
    method: str
    path: str
    summary: str
    scopes: Sequence[str]
    open: bool
    fields: Sequence[Parameter]
    curl: str


@dataclass(frozen=True, slots=True)
class Group:
    """The routes of one kind of thing."""

    name: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePage(SettingsPage):
    """Every route of the API, by group; `base` is the address that they stand below."""

    template: ClassVar[str] = "reference.html"
    place: ClassVar[str] = "settings"

    groups: Sequence[Group]
    base: str


@router.get("/reference")
async def reference_page(request: Request, visitor: SignedIn) -> Response:
    """Show the reference."""
    base = site_url(request) + PREFIX
    page = ReferencePage(title="API reference", tab="reference", told=Told(), groups=groups_of_routes(), base=base)
    return render(request, visitor, page)


@cache
def groups_of_routes() -> Sequence[Group]:
    """Read every route out of the API's own document, once a process; in `curl`, `$ASSAY` is the server's address."""
    document = api.describe()
    found: dict[str, list[Operation]] = {}
    for path, methods in cast("Json", document["paths"]).items():
        for method in _METHODS:
            if method in methods:
                described = cast("Json", methods[method])
                name = str((described.get("tags") or ["server"])[0])
                found.setdefault(name, []).append(_operation(method.upper(), path, described))
    return [Group(name.replace("-", " ").capitalize(), operations) for name, operations in found.items()]


def _operation(method: str, path: str, described: Json) -> Operation:
    needed = _needed(method, path)
    schema = cast(
        "Json", described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    )
    short = path.removeprefix(PREFIX)
    return Operation(
        anchor=f"{method.lower()}-{short.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        method=method,
        path=short,
        summary=_BREAK.sub(" ", str(described.get("description") or described.get("summary") or "")),
        scopes=() if needed is None else access.scopes_of(needed[0]),
        open=needed is None,
        fields=[_field(name, one, schema) for name, one in cast("Json", schema.get("properties", {})).items()],
        curl=_curl(method, path, schema, with_key=needed is not None),
    )


def _needed(method: str, path: str) -> tuple[access.Needed] | None:
    """Return what a route needs, as the only member; None where no key is asked for."""
    short = path.removeprefix(PREFIX)
    for (of, template), needed in access.POLICY.items():
        if of == method and template.replace(":path}", "}") == short:
            return (needed,)
    return None


def _field(name: str, described: Json, schema: Json) -> Parameter:
    required = name in cast("Sequence[str]", schema.get("required", ()))
    return Parameter(name, _type(described), required, str(described.get("description", "")))


def _type(described: Json) -> str:
    if "enum" in described:
        return " | ".join(json.dumps(value) for value in described["enum"])
    if "const" in described:
        return json.dumps(described["const"])
    if "anyOf" in described:
        return " | ".join(_type(one) for one in described["anyOf"])
    if described.get("type") == "array":
        return f"list of {_type(described.get('items', {}))}"
    if "$ref" in described:
        return str(described["$ref"]).rpartition("/")[2]
    return str(described.get("type", "any"))


def _curl(method: str, path: str, schema: Json, *, with_key: bool) -> str:
    verb = "" if method == "GET" else f" -X {method}"
    parts = [f'curl{verb} "$ASSAY{path}"']
    if with_key:
        parts.append('-H "Authorization: Bearer $ASSAY_API_KEY"')
    required = cast("Sequence[str]", schema.get("required", ()))
    if schema:
        body = {name: f"<{name}>" for name in required}
        parts += ['-H "Content-Type: application/json"', f"-d '{json.dumps(body)}'"]
    return " \\\n  ".join(parts)
