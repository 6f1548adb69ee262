"""Writes the pages that the code knows best: docs/{api,steps,evaluators}.md, and the settings in the README.

`python -m tools.reference` writes them; with `--check` it only says which are stale, and exits with 1.
"""

import ast
import contextlib
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import eigenpal
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import assay
from assay import access, api, evaluators, steps
from assay.api.errors import STATUS
from assay.described import Setting
from assay.errors import AssayError
from assay.settings import Settings

ROOT = Path(__file__).parents[1]
API = ROOT / "docs" / "api.md"
STEPS = ROOT / "docs" / "steps.md"
EVALUATORS = ROOT / "docs" / "evaluators.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- settings: make docs -->", "<!-- settings end -->"

HEAD = """\
# The HTTP API

Written by `make docs` from the routes, the policy and the docstrings; a test fails when it is stale.

Every path below is mounted at `/api/v1` and at `/v1`, except `/healthz` and `/metrics`, which stand at the root.
Send `Authorization: Bearer <key>`. A route's *scope* is what the key needs; `full_access` has them all. A thing of
another organization answers 404, like one that does not exist. Bodies are JSON in camelCase. Unknown query parameters
are refused, so that a typing error does not go unnoticed. The machine-readable form is `GET /api/v1/openapi.json`.

Answers satisfy the client `eigenpal` 0.9.1. Routes marked *ours* are beyond what it knows.
"""
ERRORS_HEAD = """\
## Errors

Every answer that is no success has this body, and the same id in the header `x-request-id`:

```json
{"issues": [{"field": "input.document", "message": "…", "code": "required", "severity": "error"}], "requestId": "req_…"}
```

All issues are told at once. `hint`, `line` and `column` are there where they help; a hint of the whole answer stands
beside `issues`. 429 and 503 carry `Retry-After`. A waited run that `control.fail` ended answers with its status, this
body, and `run`. Single issues of workflow files and inputs have further codes; their messages say what is wrong.

| status | code | meaning |
| --- | --- | --- |
"""


def pages() -> Mapping[Path, str]:
    """Return every page that is written here, with what it should hold."""
    steps.catalogue()  # their errors are listed, too, whichever page is made first
    evaluators.catalogue()
    return {
        API: _api_page(),
        STEPS: _steps_page(),
        EVALUATORS: _evaluators_page(),
        README: _with_settings(README.read_text(encoding="utf-8")),
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which are stale."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale; `make docs` writes it." if "--check" in arguments else f"{path}")
        if "--check" not in arguments:
            path.write_text(pages()[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


# --- step types

STEPS_HEAD = """\
# Step types

Written by `make docs` from the classes of the steps; a test fails when it is stale. Each example is a whole workflow,
and the test run executes it. `assay steps show TYPE` prints the same.

What happens when a step has to be run again after a crash depends on its *effect*: `pure` steps leave nothing outside
the run; `read` steps look at the world; `paid` ones cost money and `write` ones change something elsewhere, so their
result is committed before the run goes on, and they send a stable idempotency key.
"""


def _steps_page() -> str:
    described = [steps.describe(step) for step in steps.catalogue().values()]
    index = "\n".join(f"- [`{about.type_name}`](#{_anchor(about.type_name)}): {about.summary}" for about in described)
    return "\n".join([STEPS_HEAD, index, "", *(_step_section(about) for about in described)])


def _anchor(name: str) -> str:
    return name.replace(".", "").lower()


def _step_section(about: steps.Description) -> str:
    where = "beside `type:`" if about.beside_type else "under `with:`"
    lines = [
        f"## {about.type_name}",
        "",
        about.documentation,
        "",
        f"Effect: {about.effect}. Configuration, {where}:",
        "",
    ]
    lines += _setting_table(about.settings)
    for part in about.parts:
        lines += [f"**{part.name}**: {part.summary}", "", *_setting_table(part.settings)]
    if about.output:
        lines += ["Output:", "", "| field | type | description |", "| --- | --- | --- |"]
        lines += [f"| `{one.name}` | {_cell(one.type)} | {_cell(one.description)} |" for one in about.output]
        lines.append("")
    return "\n".join([*lines, "```yaml", about.example.rstrip(), "```", ""])


# --- evaluator types

EVALUATORS_HEAD = """\
# Evaluators

Written by `make docs` from the classes of the evaluators; a test fails when it is stale. The test run parses each
example and grades a right and a wrong output with it. `assay evaluators show TYPE` prints the same.

Evaluators say what a right output is. They stand in an `evaluators.yaml` beside the workflow:

```yaml
passThreshold: 0.8            # from 0 to 1; a run passes when its score reaches it
require: mean                 # or all: each evaluator that counts must reach it
evaluators:
  - name: fields-match        # small letters, digits, hyphens; up to 64; unique
    description: …            # for whoever reads the results; up to 500 characters
    type: exact-diff
    weight: 1                 # 0: the score is kept and counts for nothing
    config: {}
```

`assay workflow evaluators validate` checks the file without a server, `push` puts it in force, `pull` prints what is in
force. Experiments keep the evaluators that they were started with.

**Score and verdict.** Each evaluator gives a score from 0 to 1, or none where it has nothing to judge. The score of a
run is the mean of those that there are, by weight, and the run passes when it reaches the threshold: `passThreshold`;
else the mean, by weight, of thresholds that older files write under `config`; else 0.7. Each evaluator is shown as
passed by the same number. A run without any score is ungraded.

**Errors are not quality.** An evaluator that fails gives an error and no score. The verdict stands if no score of its
own could have changed it; else it is an error, counted apart from passed and failed. So is a run that failed for
reasons of assay or of a provider (a lost worker, a rate limit, an address that does not answer). A run that failed
otherwise has failed, and no evaluator is asked.

**Expected errors.** Where an example expects an error (`code`, `messageContains`, `step`), every evaluator scores 1 if
the run ended by a `control.fail` whose fields are those, and 0 if not: the details tell `matched`, `mismatch`,
`untyped` (it failed, but not on purpose), `completed` and `ended_otherwise`.

**Versions.** A score names the judge that gave it, as `2+5f2c09d1a77e`: the version of the type, and the beginning of
the hash of the whole configuration.
"""


def _evaluators_page() -> str:
    described = [evaluators.describe(one) for one in evaluators.catalogue().values()]
    index = "\n".join(f"- [`{about.type_name}`](#{_anchor(about.type_name)}): {about.summary}" for about in described)
    return "\n".join([EVALUATORS_HEAD, index, "", *(_evaluator_section(about) for about in described)])


def _evaluator_section(about: evaluators.Description) -> str:
    lines = [f"## {about.type_name}", "", about.documentation, "", "Configuration, under `config:`:", ""]
    lines += _setting_table(about.settings)
    for part in about.parts:
        lines += [f"**{part.name}**: {part.summary}", "", *_setting_table(part.settings)]
    return "\n".join([*lines, "```yaml", about.example.rstrip(), "```", ""])


def _setting_table(settings: Sequence[Setting]) -> list[str]:
    rows = [
        f"| `{one.name}` | {_cell(one.type)} | {_cell(one.default)} | {_cell(one.description)} |" for one in settings
    ]
    return ["| field | type | default | description |", "| --- | --- | --- | --- |", *rows, ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# --- routes


def _api_page() -> str:
    published = set(_published())
    by_tag: dict[str, list[str]] = {}
    for route in _routes():
        by_tag.setdefault(str(route.tags[0]), []).append(_about(route, published))
    sections = [f"## {tag.capitalize()}\n\n" + "\n".join(routes) for tag, routes in by_tag.items()]
    return "\n".join([HEAD, *sections, _events(), ERRORS_HEAD + "\n".join(_errors()) + "\n"])


def _routes() -> Iterator[APIRoute]:
    """Yield every route once, however many prefixes it is mounted at; its path has none."""
    app = api.create_app(lambda: contextlib.nullcontext(cast("api.Server", None)))
    mounted = [context.original_route for context in iter_route_contexts(app.routes)]
    yield from {_name(route): route for route in mounted if isinstance(route, APIRoute)}.values()


def _name(route: APIRoute) -> tuple[str, str]:
    return next(iter(route.methods or ())), route.path


def _about(route: APIRoute, published: set[tuple[str, str]]) -> str:
    method, path = _name(route)
    guarded = (method, path) in access.POLICY
    scopes = [f"`{scope}`" for scope in access.scopes_of(access.POLICY.get((method, path)))]
    facts = [f"Scope {' or '.join(scopes)}" if scopes else "Any valid key" if guarded else "No key needed"]
    shown = path.replace(":path}", "}")
    if (method, re.sub(r"{\w+}", "{}", shown)) not in published:
        facts.append("*ours*")
    parts = [f"### {method} {shown}\n", f"{', '.join(facts)}.\n", f"{inspect.getdoc(route.endpoint)}\n"]
    query = _query(route.endpoint)
    if query:
        parts.append(f"Query: {', '.join(f'`{name}`' for name in query)}.\n")
    return "\n".join([*parts, *(_fields(body) for body in _bodies(route.endpoint))])


def _published() -> Iterator[tuple[str, str]]:
    """Yield method and path of everything that the published client can call."""
    for file in (Path(eigenpal.__file__).parent / "_generated" / "api").rglob("*.py"):
        found = re.search(r'"method": "(\w+)",\s*"url": "/api/v1(/[^"]*)"', file.read_text(encoding="utf-8"))
        if found:
            yield found[1].upper(), re.sub(r"{\w+}", "{}", found[2])


def _calls(function: Any) -> Iterator[ast.AST]:
    """Walk the syntax of a route, and of the functions of its module that it uses."""
    module = vars(inspect.getmodule(function))
    pending, seen = [function], {function}
    while pending:
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(pending.pop())))):
            yield node
            used = module.get(node.id) if isinstance(node, ast.Name) else None
            if inspect.isfunction(used) and used.__module__ == function.__module__ and used not in seen:
                seen.add(used)
                pending.append(used)


def _query(function: Any) -> list[str]:
    """Return the names that the route lets through `parameters.only`."""
    module = vars(inspect.getmodule(function))
    for node in _calls(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "only":
            return sorted(_names(node.args[1], module))
    return []


def _names(known: ast.expr, module: Mapping[str, Any]) -> set[str]:
    match known:
        case ast.Name():
            return module[known.id]
        case ast.Attribute(value=ast.Name(id=other)):
            return getattr(module[other], known.attr)
        case _:
            return ast.literal_eval(known)


def _bodies(function: Any) -> list[type[BaseModel]]:
    module = vars(inspect.getmodule(function))
    named = [module.get(node.id) for node in _calls(function) if isinstance(node, ast.Name)]
    models = [one for one in named if isinstance(one, type) and issubclass(one, BaseModel)]
    return list(dict.fromkeys(models))


def _fields(body: type[BaseModel]) -> str:
    lines = ["| body | type | |", "| --- | --- | --- |"]
    schema = body.model_json_schema(by_alias=True)["properties"]
    for name, field in body.model_fields.items():
        alias = field.alias or name
        lines.append(f"| `{alias}` | {_type(schema[alias])} | {_note(field)} |")
    return "\n".join([*lines, ""])


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    inner = f" of {_type(schema['items'])}" if schema.get("type") == "array" else ""
    return f"{schema.get('type', 'any')}{inner}"


def _note(field: FieldInfo) -> str:
    needed = "required" if field.is_required() else ""
    return ". ".join(part for part in (needed, field.description or "") if part).replace("|", "\\|")


# --- events, errors, settings


def _events() -> str:
    timeline = importlib.import_module("assay.runs.timeline")
    assert timeline.__doc__ is not None
    return f"## Events of a run\n\n{timeline.__doc__.strip()}\n"


def _errors() -> Iterator[str]:
    """Yield a line for each code, with the message that its class brings along."""
    for found in pkgutil.walk_packages(assay.__path__, "assay."):
        if found.name.rpartition(".")[2] in {"errors", "parameters", "bodies", "multipart"}:
            importlib.import_module(found.name)
    lines = {
        (STATUS[error.kind], error.code, " ".join((inspect.getdoc(error) or "").split("\n\n")[0].split()))
        for error in _below(AssayError)
        if error.__module__.startswith("assay.") and "code" in vars(error)
    }
    for status, code, meaning in sorted(lines):
        yield f"| {status} | `{code}` | {meaning} |"


def _below(error: type[AssayError]) -> Iterator[type[AssayError]]:
    for one in error.__subclasses__():
        yield one
        yield from _below(one)


def _with_settings(readme: str) -> str:
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_settings()}\n{END}{after}"


def _settings() -> str:
    lines = ["| setting | default | |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `ASSAY_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
