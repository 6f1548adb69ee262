"""How examples come, change and go: each change is one revision of their dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from assay import access, db
from assay.datasets import store
from assay.datasets.checking import EMPTY, checked, is_name
from assay.datasets.errors import ExampleNameExistsError
from assay.datasets.model import Content, ExampleFile, ExampleGuard, ExampleVersion
from assay.datasets.reading import get_example
from assay.datasets.revising import Draft, content_of, living_of


async def create_example(
    tx: db.Transaction, caller: access.Caller, automation_id: str, values: Mapping[str, JsonValue]
) -> ExampleVersion:
    """Add an example; without a name it becomes `example-<n>`, a name never used before.

    `values` has the API's keys: `name`, `input`, `expected` (an output, or `{"$error": {…}}`), `metadata`,
    `annotation`, `rowOrder`, `overrides`. Unknown ones are ignored, as the API's contract says.

    Raises:
        InvalidExampleError: with everything that is wrong.
        ExampleNameExistsError: there is an example of this name.
        DatasetFullError: there is no room for another one.
    """
    given = {key: value for key, value in values.items() if key != "name" or value is not None}
    content = checked(EMPTY, given, strict=False)
    draft = await Draft.begin(tx, caller, automation_id, None)
    if not content.name:
        content = replace(content, name=await _unused_name(draft))
    await _check_free(tx, caller.organization_id, automation_id, content.name)
    return await _put(draft, None, content, "example.created")


async def update_example(
    tx: db.Transaction,
    caller: access.Caller,
    automation_id: str,
    example: str,
    values: Mapping[str, JsonValue],
    *,
    guard: ExampleGuard,
) -> ExampleVersion:
    """Change an example (an id or name): what `values` lacks stays, null clears. Keys are those of `create_example`.

    If nothing differs there is no new revision, else `guard` is asked first, and what it raises passes through.

    Raises:
        ExampleNotFoundError: the dataset has no such example.
        InvalidExampleError: with everything that is wrong, unknown keys too.
        ExampleNameExistsError: another example has the new name.
    """
    draft = await Draft.begin(tx, caller, automation_id, guard)
    before = await get_example(tx, caller.organization_id, automation_id, example)
    content = checked(content_of(before), values, strict=True)
    if content.name != before.name:
        await _check_free(tx, caller.organization_id, automation_id, content.name)
    return await _put(draft, before, content, "example.updated")


async def delete_example(
    tx: db.Transaction, caller: access.Caller, automation_id: str, example: str, *, guard: ExampleGuard
) -> ExampleVersion:
    """Take an example (an id or name) out of its dataset and return what it was; earlier revisions keep it.

    `guard` is asked first, and what it raises passes through.

    Raises:
        ExampleNotFoundError: the dataset has no such example, or no longer.
    """
    draft = await Draft.begin(tx, caller, automation_id, guard)
    before = await get_example(tx, caller.organization_id, automation_id, example)
    await draft.delete([living_of(before)])
    await draft.finish("example.deleted", before.example_id, {"name": before.name})
    return before


async def upsert_by_name(
    tx: db.Transaction,
    caller: access.Caller,
    automation_id: str,
    values: Mapping[str, JsonValue],
    *,
    files: Sequence[ExampleFile],
    promoted_run_id: str,
    guard: ExampleGuard,
) -> tuple[ExampleVersion, bool]:
    """Make a run an example, or another one's content if there is one of `values["name"]`; tell whether it is new.

    Keys of `values` as in `create_example`; what they lack stays as it was. `files` take the place of all files.
    Their bytes must be held by `tx`: kept by it, or read with `files.hold_artifacts`. `guard` is asked before one that
    is there changes, and what it raises passes through.

    Raises:
        InvalidExampleError: with everything that is wrong.
        DatasetFullError: there is no room for another one.
    """
    draft = await Draft.begin(tx, caller, automation_id, guard)
    name = values.get("name")
    known = (
        await store.id_of(tx, caller.organization_id, automation_id, name)
        if isinstance(name, str) and is_name(name)
        else None
    )
    before = await get_example(tx, caller.organization_id, automation_id, known) if known else None
    base = content_of(before) if before else replace(EMPTY, name=await _unused_name(draft))
    base = replace(base, files=tuple(files))
    given = {key: value for key, value in values.items() if key != "name" or value is not None}
    content = checked(base, given, strict=True)
    put = await _put(draft, before, content, "example.promoted", promoted_run_id)
    return put, before is None


async def _put(
    draft: Draft, before: ExampleVersion | None, content: Content, action: str, promoted_run_id: str | None = None
) -> ExampleVersion:
    example_ids = await draft.put([(None if before is None else living_of(before), content)])
    detail: dict[str, JsonValue] = {"name": content.name}
    if promoted_run_id is not None:
        await store.set_promoted_run(draft.tx, draft.caller.organization_id, example_ids[0], promoted_run_id)
        detail["run"] = promoted_run_id
    await draft.finish(action, example_ids[0], detail)
    return await get_example(draft.tx, draft.caller.organization_id, draft.automation_id, example_ids[0])


async def _unused_name(draft: Draft) -> str:
    highest = await store.highest_number(draft.tx, draft.caller.organization_id, draft.automation_id)
    return f"example-{highest + 1}"


async def _check_free(tx: db.Transaction, organization_id: str, automation_id: str, name: str) -> None:
    if await store.id_of(tx, organization_id, automation_id, name):
        message = f"The dataset has an example {name!r} already."
        raise ExampleNameExistsError(message, field="name")
