"""How files get into a run: every form of reference becomes an artifact that belongs to the run."""

import base64
import binascii
import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from pydantic import JsonValue

from assay import automations, db, files
from assay.errors import InvalidValueError, Issue

FILE_KEYS = frozenset({"fileId", "$fileId", "filename", "mimeType"})
_REFERENCES = frozenset(automations.FILE_REFERENCES)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file sent along with the request, for the input `field`; several of one field make an array."""

    field: str
    filename: str
    content_type: str | None
    spool: files.Spool
    token: str = dataclasses.field(default_factory=lambda: f"upload {secrets.token_hex(16)}")
    """Stands for the file in the input until it is kept; nobody can guess it."""


class InvalidFileReferenceError(InvalidValueError):
    """A file reference in the input leads nowhere."""

    code = "file_required"
    hint = 'Upload the file first (POST /files) and send {"$fileId": "file_…"}, or send {"$inline": {…}}.'


@dataclass(slots=True)
class _Taken:
    """Paths used so far, the artifacts made, and what was wrong."""

    folder: files.InputFolder = field(default_factory=files.InputFolder)
    issues: list[Issue] = field(default_factory=list[Issue])


def with_placeholders(value: Mapping[str, JsonValue], uploads: Sequence[Upload]) -> dict[str, JsonValue]:
    """Return the input with a file value in the place of each upload, for validation before anything is kept."""
    filled = dict(value)
    for upload in uploads:
        placeholder: JsonValue = {"$fileId": upload.token}
        if upload.field not in filled:
            filled[upload.field] = placeholder
        elif isinstance(present := filled[upload.field], list):
            filled[upload.field] = [*present, placeholder]
        else:
            filled[upload.field] = [present, placeholder]
    return filled


async def take_files(
    tx: db.Transaction,
    blobs: files.Blobs,
    organization_id: str,
    value: Mapping[str, JsonValue],
    uploads: Sequence[Upload],
    *,
    own: Mapping[str, files.Artifact] | None = None,
) -> tuple[dict[str, JsonValue], list[files.Artifact]]:
    """Keep every file the input refers to; return the input as it is stored, and the run's input artifacts.

    `value` is an input that `with_placeholders` has filled and the contract has accepted. `own` are the files
    that `$file` may name: those of the run that starts this one.

    Raises:
        InvalidFileReferenceError: ids that do not exist, broken base64, `$file` paths from outside; all at once.
    """
    if not _may_name_files(value):
        return dict(value), []
    return await _take_named_files(tx, blobs, organization_id, value, uploads, own or {})


async def _take_named_files(
    tx: db.Transaction,
    blobs: files.Blobs,
    organization_id: str,
    value: Mapping[str, JsonValue],
    uploads: Sequence[Upload],
    own: Mapping[str, files.Artifact],
) -> tuple[dict[str, JsonValue], list[files.Artifact]]:
    taken = _Taken()
    referred = _file_ids(value)
    known = await files.by_ids(tx, organization_id, referred) if referred else {}
    sent = {upload.token: upload for upload in uploads}

    async def stored(node: JsonValue, path: str, input_field: str) -> JsonValue:
        if isinstance(node, list):
            return [await stored(item, f"{path}[{index}]", input_field) for index, item in enumerate(node)]
        if not isinstance(node, dict):
            return node
        if "$file" in node:
            found = own.get(str(node["$file"]))
            if found is not None:
                return taken.folder.add(
                    input_field, found.name, found.content_type, files.Blob(found.sha256, found.size)
                )
            taken.issues.append(Issue(path, "`$file` names files inside a run; it cannot be sent.", "file_required"))
            return node
        if _is_reference(node):
            upload = sent.pop(_id_of(node), None)
            if upload is not None:
                blob = await blobs.keep(tx, upload.spool)
                return taken.folder.add(input_field, upload.filename, upload.content_type, blob)
            return _stored_reference(node, path, input_field, known, taken)
        if "$inline" in node:
            return await _stored_inline(tx, blobs, node, path, input_field, taken)
        return {key: await stored(item, f"{path}.{key}", input_field) for key, item in node.items()}

    result = {name: await stored(item, name, name) for name, item in value.items()}
    if taken.issues:
        raise InvalidFileReferenceError(taken.issues[0].message, issues=taken.issues)
    return result, list(taken.folder.artifacts.values())


def _may_name_files(value: Mapping[str, JsonValue]) -> bool:
    """Look for a key that a file would stand under: most inputs, and the largest ones, have none."""
    waiting = list[JsonValue | Mapping[str, JsonValue]]([value])
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            mapping = cast("Mapping[str, JsonValue]", node)
            if not _REFERENCES.isdisjoint(mapping):
                return True
            waiting += [inner for inner in mapping.values() if isinstance(inner, dict | list)]
        elif isinstance(node, list):
            waiting += [inner for inner in node if isinstance(inner, dict | list)]
    return False


def _is_reference(node: Mapping[str, JsonValue]) -> bool:
    return ("$fileId" in node or "fileId" in node) and node.keys() <= FILE_KEYS


def _id_of(node: Mapping[str, JsonValue]) -> str:
    return str(node.get("$fileId", node.get("fileId")))


def _file_ids(node: JsonValue | Mapping[str, JsonValue]) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in _file_ids(item)]
    if isinstance(node, Mapping):
        mapping = cast("Mapping[str, JsonValue]", node)
        if _is_reference(mapping):
            return [_id_of(mapping)]
        return [found for item in mapping.values() for found in _file_ids(item)]
    return []


def _stored_reference(
    node: Mapping[str, JsonValue], path: str, input_field: str, known: Mapping[str, files.StoredFile], taken: _Taken
) -> JsonValue:
    file = known.get(_id_of(node))
    if file is None:
        taken.issues.append(Issue(path, f"There is no file {_id_of(node)[:64]}.", "file_required"))
        return None
    name, mime = node.get("filename"), node.get("mimeType")
    filename = name if isinstance(name, str) else file.filename
    content_type = mime if isinstance(mime, str) else file.content_type
    return taken.folder.add(input_field, filename, content_type, files.Blob(file.sha256, file.size))


async def _stored_inline(
    tx: db.Transaction,
    blobs: files.Blobs,
    node: Mapping[str, JsonValue],
    path: str,
    input_field: str,
    taken: _Taken,
) -> JsonValue:
    inline = node["$inline"]
    values = inline if isinstance(inline, dict) else {}
    encoded, filename, mime = values.get("base64"), values.get("filename"), values.get("mimeType")
    try:
        # Tools break long lines; white space means nothing.
        content = base64.b64decode("".join(encoded.split()), validate=True) if isinstance(encoded, str) else None
    except (binascii.Error, ValueError):
        content = None
    if content is None:
        message = "`$inline` needs `filename` and `base64` with the file's bytes in standard base64."
        taken.issues.append(Issue(path, message, "file_required"))
        return None
    blob = await blobs.keep_bytes(tx, content)
    name = filename if isinstance(filename, str) else "file"
    return taken.folder.add(input_field, name, mime if isinstance(mime, str) else None, blob)
