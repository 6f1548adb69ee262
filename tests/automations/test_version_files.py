"""Files that are pushed beside a workflow: which are taken, and what they have to do with its version."""

import base64
import hashlib
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import pytest

from assay import access, automations, db, files
from assay.automations import version_files

LETTER = "templates/letter.docx"


def flow(*templates: str, version: str = "1.0.0") -> str:
    """A workflow that names these files; each step stands on two lines."""
    steps = [
        f"  - {{name: s{number}, type: transform.template,\n     with: {{template: {template}, data: {{}}}}}}\n"
        for number, template in enumerate(templates)
    ]
    return f"name: letters\nversion: {version}\nsteps:\n{''.join(steps)}"


def encoded(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {path: base64.b64encode(content).decode() for path, content in contents.items()}


@pytest.fixture
def blobs(tmp_path: Path) -> files.Blobs:
    return files.Blobs.open(None, tmp_path)


@pytest.fixture
async def tx(database: db.Database) -> AsyncGenerator[db.Transaction]:
    """A transaction that leaves nothing behind."""
    async with database.transaction() as opened:
        savepoint = opened.connection.transaction()
        await savepoint.start()
        yield opened
        await savepoint.rollback()


async def pushed(
    tx: db.Transaction, caller: access.Caller, blobs: files.Blobs, text: str, contents: Mapping[str, bytes]
) -> automations.Version:
    given = automations.read_files(blobs, encoded(contents))
    known, _ = await automations.list_automations(tx, caller.organization_id, search="letters")
    target = known[0].id if known else None
    return (await automations.push(tx, caller, source=text, files=given, automation=target)).version


async def test_files_are_kept_with_the_version_and_found_by_their_path(
    tx: db.Transaction, caller: access.Caller, blobs: files.Blobs
) -> None:
    version = await pushed(tx, caller, blobs, flow(LETTER), {LETTER: b"Dear Ada", "notes.txt": b""})
    stored = await automations.read_version(tx, caller.organization_id, "workflows.letters", None)
    docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    digest = hashlib.sha256(b"Dear Ada").hexdigest()
    assert stored.files == (
        automations.VersionFile("notes.txt", hashlib.sha256(b"").hexdigest(), 0, "text/plain"),
        automations.VersionFile(LETTER, digest, 8, docx),
    )
    found = await automations.version_file(tx, caller.organization_id, version.id, LETTER)
    assert await blobs.read(found.sha256, found.size) == b"Dear Ada"


async def test_a_strangers_version_has_no_files(
    tx: db.Transaction, caller: access.Caller, stranger: access.Caller, blobs: files.Blobs
) -> None:
    version = await pushed(tx, caller, blobs, flow(LETTER), {LETTER: b"Dear Ada"})
    for organization_id, path in ((stranger.organization_id, LETTER), (caller.organization_id, "../letter.docx")):
        with pytest.raises(automations.VersionFileNotFoundError):
            await automations.version_file(tx, organization_id, version.id, path)


async def test_bytes_of_a_version_are_never_forgotten(
    database: db.Database, caller: access.Caller, blobs: files.Blobs
) -> None:
    async with database.transaction() as tx:
        given = automations.read_files(blobs, encoded({LETTER: b"kept"}))
        await automations.push(tx, caller, source=flow(LETTER).replace("letters", "lasting"), files=given)
        lost = await blobs.keep_bytes(tx, b"lost")
    hashes = [file.sha256 for file in given.files.values()]
    assert await blobs.forget(database, [*hashes, lost.sha256]) == 1
    assert await blobs.read(hashes[0], 10) == b"kept"


async def test_another_file_is_another_version_and_the_same_ones_are_none(
    tx: db.Transaction, caller: access.Caller, blobs: files.Blobs
) -> None:
    first = await pushed(tx, caller, blobs, flow(LETTER), {LETTER: b"Dear Ada"})
    with pytest.raises(automations.VersionExistsError, match="this very content"):
        await pushed(tx, caller, blobs, flow(LETTER), {LETTER: b"Dear Ada"})
    with pytest.raises(automations.VersionExistsError, match="other content"):
        await pushed(tx, caller, blobs, flow(LETTER), {LETTER: b"Dear Bob"})
    with pytest.raises(automations.VersionExistsError, match="other content"):
        await pushed(tx, caller, blobs, flow(LETTER), {LETTER: b"Dear Ada", "more.docx": b"Dear Ada"})
    second = await pushed(tx, caller, blobs, flow(LETTER, version="1.1.0"), {LETTER: b"Dear Bob"})
    assert first.content_hash != second.content_hash


async def test_without_files_the_content_is_the_text(
    tx: db.Transaction, caller: access.Caller, blobs: files.Blobs
) -> None:
    text = flow("'{{ input.form }}'").replace("steps:", "inputs: [{name: form, type: file}]\nsteps:")
    assert (await pushed(tx, caller, blobs, text, {})).content_hash == hashlib.sha256(text.encode()).digest()


async def test_everything_that_is_wrong_is_said_at_once(
    tx: db.Transaction, caller: access.Caller, blobs: files.Blobs
) -> None:
    sent = {"../up.docx": "", "bad.docx": "no base64!", **encoded({"a": b"", "a/b.docx": b""})}
    given = automations.read_files(blobs, sent)
    text = flow("gone.docx", "bad.docx", "./a.docx") + "nonsense: 1\n"
    with pytest.raises(automations.InvalidWorkflowError) as refused:
        await automations.push(tx, caller, source=text, files=given)
    assert [(issue.field, issue.code, issue.line) for issue in refused.value.issues] == [
        ("files.../up.docx", "invalid_file", None),
        ("files.bad.docx", "invalid_file", None),
        ("files.a/b.docx", "invalid_file", None),
        ("steps.0.with.template", "file_missing", 5),
        ("steps.2.with.template", "file_required", 9),
        ("nonsense", "unknown_key", 10),
    ]
    assert (await automations.list_automations(tx, caller.organization_id, search="letters"))[1] == 0


@pytest.mark.parametrize(
    "name", ["", "/a.docx", "a//b.docx", "./a.docx", "a/../b.docx", "a\\b.docx", "a\x00.docx", "a\n.docx", "a" * 1025]
)
def test_a_name_that_leads_elsewhere_is_refused(blobs: files.Blobs, name: str) -> None:
    given = automations.read_files(blobs, {name: ""})
    assert [issue.code for issue in given.issues] == ["invalid_file"]
    assert given.files == {}


def test_names_are_compared_as_people_read_them(blobs: files.Blobs) -> None:
    composed, apart = "\u00fc.docx", "u\u0308.docx"
    given = automations.read_files(blobs, encoded({apart: b"1"}))
    assert [given.problem(name) for name in (composed, apart)] == [None, None]
    assert list(given.files) == [composed]
    twice = automations.read_files(blobs, encoded({apart: b"1", composed: b"2"}))
    assert [issue.message for issue in twice.issues] == ["Another file has this path."]


def test_number_and_size_are_limited(blobs: files.Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    many = automations.read_files(blobs, {f"{number}.docx": "" for number in range(version_files.MAX_FILES + 1)})
    assert [issue.field for issue in many.issues] == ["files"]
    assert many.problem("0.docx") is None
    monkeypatch.setattr(version_files, "MAX_FILE_BYTES", 3)
    monkeypatch.setattr(version_files, "MAX_BYTES", 5)
    heavy = automations.read_files(blobs, encoded({"a": b"123", "b": b"123", "c": b"1234"}))
    assert [issue.field for issue in heavy.issues] == ["files.c", "files"]


def test_files_that_are_named_are_listed_once_and_only_asked_about_where_someone_knows() -> None:
    text = flow(LETTER, "b.docx", LETTER)
    parsed = automations.parse_workflow(text)
    assert (parsed.files, parsed.issues) == ((LETTER, "b.docx"), ())
    asked = automations.parse_workflow(text, file_problem=lambda name: f"No {name}." if name == LETTER else None)
    assert [(issue.field, issue.message, issue.line) for issue in asked.issues] == [
        ("steps.0.with.template", f"No {LETTER}.", 5),
        ("steps.2.with.template", f"No {LETTER}.", 9),
    ]
    assert asked.definition is None


def test_a_step_inside_a_block_names_its_file_too() -> None:
    inner = "{name: s, type: transform.template, with: {template: deep.docx, data: {}}}"
    text = f"name: deep\nsteps: [{{name: i, type: control.if, condition: true, then: [{inner}]}}]\n"
    assert automations.parse_workflow(text).files == ("deep.docx",)
