"""Which names, paths and media types of strangers are taken, and how bytes of strangers are handed to a browser."""

import mimetypes
import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

from assay.files.errors import InvalidArtifactPathError

UNKNOWN_TYPE = "application/octet-stream"

_NAME_BYTES = 200
_SUFFIX_BYTES = 20
_PATH_BYTES = 1024
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,100}"  # noqa: S105 - HTTP's word for a name, not a secret
_MEDIA_TYPE = re.compile(f"{_TOKEN}/{_TOKEN}")

# Bidirectional controls let `exe.pdf` look like `fdp.exe`; the two separators break lines.
_INVISIBLE = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")

_ACTIVE_SUBTYPES = frozenset(
    {"html", "xml", "xsl", "xml-dtd", "javascript", "x-javascript", "ecmascript", "x-ecmascript", "x-shockwave-flash"}
)

_TYPES_PYTHON_LACKS = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".md": "text/markdown",
    ".webp": "image/webp",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def _known_types() -> mimetypes.MimeTypes:
    # An instance of its own: the module's functions read the machine's lists, and answer differently on each.
    known = mimetypes.MimeTypes()
    for suffix, media_type in _TYPES_PYTHON_LACKS.items():
        known.add_type(media_type, suffix)
    return known


_KNOWN_TYPES = _known_types()


def safe_filename(name: str) -> str:
    """Make a file name that harms no file system, header or reader.

    Keeps what follows the last `/` or backslash, in NFC, without control and direction characters,
    in at most 200 bytes of UTF-8 with the extension kept. What is empty then, or only dots, is
    `file`. A safe name stays as it is.
    """
    name = unicodedata.normalize("NFC", _printable(re.split(r"[/\\]", name)[-1])).strip()
    name = _shortened(name)
    return "file" if not name.strip(".") else name


def safe_path(path: str) -> str:
    """Return an artifact's path in NFC.

    Raises:
        InvalidArtifactPathError: it is absolute, has an empty, `.` or `..` segment, a backslash or a
            control character, or is longer than 1,024 bytes.
    """
    if path != _printable(path) or "\\" in path or len(path.encode()) > _PATH_BYTES:
        raise InvalidArtifactPathError(field="path")
    if any(segment.strip(" ") in {"", ".", ".."} for segment in path.split("/")):
        raise InvalidArtifactPathError(field="path")
    return unicodedata.normalize("NFC", path)


def content_type_of(filename: str, declared: str | None) -> str:
    """Say what a file is: as declared if that is a media type that says something, else by the name's extension.

    Parameters (`; charset=…`) are dropped. What nobody knows is `application/octet-stream`.
    """
    media_type = (declared or "").split(";")[0].strip().lower()
    if media_type != UNKNOWN_TYPE and _MEDIA_TYPE.fullmatch(media_type):
        return media_type
    guessed, compression = _KNOWN_TYPES.guess_type(filename)
    if compression is not None:
        return "application/gzip" if compression == "gzip" else UNKNOWN_TYPE
    return guessed or UNKNOWN_TYPE


def download_headers(filename: str, content_type: str) -> dict[str, str]:
    """Return the response headers under which bytes of strangers are served.

    They are saved, never shown in the page's origin: an attachment, no sniffing, and types that
    a browser may execute (HTML, SVG and all XML, scripts) are served as `application/octet-stream`.
    """
    name = safe_filename(filename)
    ascii_name = re.sub(r'[^\x20-\x7e]|["\\%]', "_", name)
    return {
        "Content-Type": UNKNOWN_TYPE if _is_active(content_type) else content_type,
        "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }


def _is_active(content_type: str) -> bool:
    if not _MEDIA_TYPE.fullmatch(content_type):
        return True
    main, subtype = content_type.lower().split("/")
    return main in {"multipart", "message"} or subtype in _ACTIVE_SUBTYPES or subtype.endswith("+xml")


def _printable(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cs"} and c not in _INVISIBLE)


def _shortened(name: str) -> str:
    if len(name.encode()) <= _NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix
    if len(suffix.encode()) > _SUFFIX_BYTES:
        suffix = ""
    room = _NAME_BYTES - len(suffix.encode())
    stem = name.removesuffix(suffix).encode()[:room].decode(errors="ignore")
    return (stem + suffix).strip()
