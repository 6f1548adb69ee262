"""Corrected files of a run: how they get to its feedback, get other names, and go."""

from collections.abc import Sequence
from dataclasses import replace

from assay import access, db, files
from assay.reviews import store, verdicts
from assay.reviews.changing import begun
from assay.reviews.errors import (
    ExpectedFileExistsError,
    ExpectedFileNotFoundError,
    FeedbackTooLargeError,
    InvalidFeedbackError,
    OutputFileNotFoundError,
    TooManyExpectedFilesError,
)
from assay.reviews.feedback import check_match, get
from assay.reviews.model import ExpectedFile, Held, Upload, Verdict
from assay.reviews.record import hold_finished, record

MAX_FILES = 100
MAX_FILE = 100 * 1024**2


async def file_of(tx: db.Transaction, caller: access.Caller, run_id: str, name: str) -> ExpectedFile:
    """Return an expected file that the caller may see; its bytes are in `Blobs` under its hash.

    Raises:
        RunNotFoundError: the organization has no such run.
        ExpectedFileNotFoundError: there is no such file.
    """
    view = await get(tx, caller, run_id)
    return _named(view.feedback.files if view.feedback else (), name)


async def add_file(
    tx: db.Transaction,
    blobs: files.Blobs,
    caller: access.Caller,
    run_id: str,
    upload: Upload,
    *,
    if_match: str | None = None,
) -> ExpectedFile:
    """Add a corrected file; one of the same name is replaced.

    Raises:
        RunNotFoundError, RunNotFinishedError: there is no such run, or it has not ended.
        StaleFeedbackError: the feedback is not what `if_match` says.
        InvalidArtifactPathError: this is no name for a file.
        FeedbackTooLargeError: it has more than 100 MiB.
        TooManyExpectedFilesError: there are 100 already.
    """
    name = files.safe_path(upload.name)
    if upload.spool.size > MAX_FILE:
        message = f"An expected file may have {MAX_FILE:,} bytes."
        raise FeedbackTooLargeError(message, field="file")
    # Before anything is locked, for it may take long.
    blob = await blobs.keep(tx, upload.spool)
    file = ExpectedFile(name, blob.sha256, blob.size, files.content_type_of(name, upload.content_type))
    held = await _held(tx, caller, run_id, if_match)
    await _put(tx, caller, held, file)
    return file


async def copy_output(
    tx: db.Transaction,
    caller: access.Caller,
    run_id: str,
    output_name: str,
    expected_name: str | None,
    *,
    if_match: str | None = None,
) -> ExpectedFile:
    """Take an output file of the run as an expected one, by its path or its name; one of the same name is replaced.

    Raises:
        OutputFileNotFoundError: the run has no such output file.
        InvalidFeedbackError: it has several of this name; their paths tell them apart.
        As `add_file` does, too.
    """
    held = await _held(tx, caller, run_id, if_match)
    outputs = [one for one in await files.hold_artifacts(tx, caller.organization_id, run_id) if one.role == "output"]
    found = _output_called(outputs, output_name)
    name = files.safe_path(found.name if expected_name is None else expected_name)
    file = ExpectedFile(name, found.sha256, found.size, files.content_type_of(name, found.content_type))
    await _put(tx, caller, held, file)
    return file


async def rename_file(
    tx: db.Transaction,
    caller: access.Caller,
    run_id: str,
    name: str,
    new_name: str,
    *,
    if_match: str | None = None,
) -> str:
    """Give an expected file another name and return it as it is kept; its own name changes nothing.

    Raises:
        ExpectedFileNotFoundError: there is no such file.
        ExpectedFileExistsError: another one has the new name.
        InvalidArtifactPathError: the new name is none.
        As `add_file` does, too.
    """
    wanted = files.safe_path(new_name)
    held = await _held(tx, caller, run_id, if_match)
    existing = await store.files(tx, caller.organization_id, run_id, _side(held, caller))
    file = _named(existing, name)
    if file.name == wanted:
        return wanted
    if any(other.name == wanted for other in existing):
        raise ExpectedFileExistsError(field="name")
    await store.rename_file(tx, caller.organization_id, run_id, _side(held, caller), file.name, wanted)
    await _note(tx, caller, held)
    return wanted


async def delete_file(
    tx: db.Transaction, caller: access.Caller, run_id: str, name: str, *, if_match: str | None = None
) -> str:
    """Take an expected file away; returns its hash, for `Blobs.forget` once the transaction has committed.

    Raises:
        ExpectedFileNotFoundError: there is no such file.
        As `add_file` does, too.
    """
    held = await _held(tx, caller, run_id, if_match)
    side = _side(held, caller)
    file = _named(await store.files(tx, caller.organization_id, run_id, side), name)
    await store.delete_files(tx, caller.organization_id, run_id, side, [file.name])
    await _note(tx, caller, held)
    return file.sha256


async def _held(tx: db.Transaction, caller: access.Caller, run_id: str, if_match: str | None) -> Held:
    held = await hold_finished(tx, caller.organization_id, run_id)
    check_match(await verdicts.see(tx, caller, held), if_match)
    return held


async def _put(tx: db.Transaction, caller: access.Caller, held: Held, file: ExpectedFile) -> None:
    side = _side(held, caller)
    names = {one.name for one in await store.files(tx, caller.organization_id, held.run_id, side)}
    if len(names | {file.name}) > MAX_FILES:
        raise TooManyExpectedFilesError(field="file")
    await store.put_file(tx, caller.organization_id, held.run_id, side, file)
    await _note(tx, caller, held)


async def _note(tx: db.Transaction, caller: access.Caller, held: Held) -> None:
    """The record tells of its files; a draft of a blind verdict comes into being with its first one."""
    if not held.is_blind:
        found = await store.files(tx, caller.organization_id, held.run_id, "")
        await record(tx, held.feedback, replace(begun(held.feedback, caller), files=found), by=caller)
    elif not await store.verdicts(tx, caller.organization_id, held.run_id, caller.user_id):
        draft = Verdict(held.run_id, caller.user_id)
        await store.save_verdict(tx, caller.organization_id, draft, blind=True)


def _side(held: Held, caller: access.Caller) -> str:
    """Whose file it is: the reviewer's own while the double review is blind, else the feedback's."""
    return caller.user_id if held.is_blind else ""


def _named(existing: Sequence[ExpectedFile], name: str) -> ExpectedFile:
    try:
        wanted = files.safe_path(name)
    except files.InvalidArtifactPathError as error:
        raise ExpectedFileNotFoundError from error
    for file in existing:
        if file.name == wanted:
            return file
    message = f"There is no expected file {name[:200]!r}."
    raise ExpectedFileNotFoundError(message)


def _output_called(outputs: Sequence[files.Artifact], name: str) -> files.Artifact:
    by_path = [one for one in outputs if name in {one.path, one.path.removeprefix("output/")}]
    found = by_path or [one for one in outputs if one.name == name]
    if len(found) > 1:
        message = f"The run has several output files called {name[:200]!r}; name one by its path."
        raise InvalidFeedbackError(message, field="outputFileName")
    if not found:
        message = f"The run has no output file {name[:200]!r}."
        raise OutputFileNotFoundError(message, field="outputFileName")
    return found[0]
