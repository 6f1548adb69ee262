"""How files get into an example, out of it, and under another name; each time a revision of the dataset."""

from collections.abc import Sequence
from dataclasses import replace

from assay import access, db, files
from assay.datasets.checking import MAX_FILE, check_files
from assay.datasets.errors import ExampleFileExistsError, ExampleFileNotFoundError, InvalidExampleError
from assay.datasets.model import Content, ExampleFile, ExampleGuard, ExampleVersion, FileUpload, Folder
from assay.datasets.reading import get_example
from assay.datasets.references import renamed_reference
from assay.datasets.revising import Draft, content_of, living_of
from assay.errors import Issue


def path_in(folder: Folder, path: str) -> str:
    """Return where in an example a file lies that `path` names below a folder; what no file can be called is none.

    Raises:
        ExampleFileNotFoundError: no file can have this path.
    """
    try:
        return files.safe_path(f"{folder}/{path}")
    except files.InvalidArtifactPathError as error:
        raise ExampleFileNotFoundError from error


def file_of(example: ExampleVersion, folder: Folder, path: str) -> ExampleFile:
    """Return a file of an example, by its path below the folder; its bytes are in `Blobs` under its hash.

    Raises:
        ExampleFileNotFoundError: the example has no such file.
    """
    wanted = path_in(folder, path)
    for file in example.files:
        if file.path == wanted:
            return file
    message = f"The example {example.name!r} has no file {wanted[:200]!r}."
    raise ExampleFileNotFoundError(message)


async def add_files(
    tx: db.Transaction,
    blobs: files.Blobs,
    caller: access.Caller,
    automation_id: str,
    example: str,
    folder: Folder,
    uploads: Sequence[FileUpload],
    *,
    guard: ExampleGuard,
) -> tuple[ExampleVersion, list[ExampleFile]]:
    """Add files to an example (an id or name), each under its own name; one of the same name is replaced.

    Nothing need refer to them yet. `guard` is asked first, and what it raises passes through.

    Raises:
        ExampleNotFoundError: the dataset has no such example.
        InvalidExampleError: two of the files have one name, one is too large, the example would have too many, or
            expected files beside an expected error.
    """
    await get_example(tx, caller.organization_id, automation_id, example)
    names = [files.safe_filename(upload.filename) for upload in uploads]
    _check_uploads(names, uploads)
    # Before the dataset is locked, for it may take long.
    kept = await blobs.keep_all(tx, [upload.spool for upload in uploads])
    added = [
        ExampleFile(f"{folder}/{name}", blob.sha256, blob.size, files.content_type_of(name, upload.content_type))
        for name, blob, upload in zip(names, kept, uploads, strict=True)
    ]
    draft = await Draft.begin(tx, caller, automation_id, guard)
    before = await get_example(tx, caller.organization_id, automation_id, example)
    paths = {file.path for file in added}
    content = content_of(before)
    content = replace(content, files=[*(file for file in content.files if file.path not in paths), *added])
    check_files(content, folder)
    return await _put(draft, before, content, "example.files_added", sorted(paths)), added


async def remove_file(
    tx: db.Transaction,
    caller: access.Caller,
    automation_id: str,
    example: str,
    folder: Folder,
    path: str,
    *,
    guard: ExampleGuard,
) -> ExampleVersion:
    """Take a file out of an example (an id or name); what refers to it stays and is found out when it runs.

    `guard` is asked first, and what it raises passes through.

    Raises:
        ExampleNotFoundError: the dataset has no such example.
        ExampleFileNotFoundError: the example has no such file, or no longer.
    """
    draft = await Draft.begin(tx, caller, automation_id, guard)
    before = await get_example(tx, caller.organization_id, automation_id, example)
    gone = file_of(before, folder, path)
    content = content_of(before)
    content = replace(content, files=[file for file in content.files if file.path != gone.path])
    return await _put(draft, before, content, "example.file_removed", [gone.path])


async def rename_file(
    tx: db.Transaction,
    caller: access.Caller,
    automation_id: str,
    example: str,
    folder: Folder,
    path: str,
    *,
    filename: str,
    guard: ExampleGuard,
) -> tuple[ExampleVersion, ExampleFile]:
    """Give a file of an example (an id or name) another name in the same folder; what refers to it follows.

    `guard` is asked first, and what it raises passes through.

    Raises:
        ExampleNotFoundError: the dataset has no such example.
        ExampleFileNotFoundError: the example has no such file.
        InvalidExampleError: this is no name for a file.
        ExampleFileExistsError: another file of the example has it.
    """
    if files.safe_filename(filename) != filename:
        message = "A file's new name is a plain name of at most 200 bytes, without slashes."
        raise InvalidExampleError([Issue("newFilename", message, "invalid_name")])
    draft = await Draft.begin(tx, caller, automation_id, guard)
    before = await get_example(tx, caller.organization_id, automation_id, example)
    file = file_of(before, folder, path)
    renamed = replace(file, path=path_in(folder, "/".join([*path.split("/")[:-1], filename])))
    others = [other for other in before.files if other.path != file.path]
    if any(other.path == renamed.path for other in others):
        message = f"The example has a file {renamed.path[:200]!r} already."
        raise ExampleFileExistsError(message, field="newFilename")
    content = content_of(before)
    content = replace(
        content,
        files=[*others, renamed],
        input=renamed_reference(content.input, file.path, renamed.path),
        expected=renamed_reference(content.expected, file.path, renamed.path),
    )
    return await _put(draft, before, content, "example.file_renamed", [file.path, renamed.path]), renamed


def _check_uploads(names: Sequence[str], uploads: Sequence[FileUpload]) -> None:
    issues = [
        Issue("file", f"Two of the files are called {name[:100]!r}.", "duplicate_file")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    issues += [
        Issue("file", f"{name[:100]!r} has more than {MAX_FILE:,} bytes.", "file_too_large")
        for name, upload in zip(names, uploads, strict=True)
        if upload.spool.size > MAX_FILE
    ]
    if issues:
        raise InvalidExampleError(issues)


async def _put(
    draft: Draft, before: ExampleVersion, content: Content, action: str, paths: Sequence[str]
) -> ExampleVersion:
    await draft.put([(living_of(before), content)])
    await draft.finish(action, before.example_id, {"name": before.name, "files": list(paths)})
    return await get_example(draft.tx, draft.caller.organization_id, draft.automation_id, before.example_id)
