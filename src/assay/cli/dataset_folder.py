"""How a folder of examples becomes an archive, and an archive such a folder: `examples/<name>/…` in both."""

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from assay.cli import output
from assay.cli.failure import ExitCode, Failure

EXAMPLES = "examples"


@contextmanager
def archive_of(path: Path) -> Generator[Path]:
    """Yield an archive: the file itself, or a temporary one that holds the examples of a folder.

    Links are packed as links, so that whoever reads the archive refuses them.

    Raises:
        Failure: the folder has no examples, or a name in it is no text.
    """
    if path.is_file():
        yield path
        return
    root = root_of(path)
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        target = Path(folder) / "dataset.zip"
        with output.working(f"Packing {path} …"), zipfile.ZipFile(target, "w", strict_timestamps=False) as archive:
            for found in _below(root / EXAMPLES):
                _pack(archive, found, root)
        yield target


def root_of(path: Path) -> Path:
    """Return the folder in which `examples` lies; the path names it, or `examples` itself.

    Raises:
        Failure: there is no such folder.
    """
    if (path / EXAMPLES).is_dir():
        return path
    if path.is_dir() and path.resolve().name == EXAMPLES:
        return path.resolve().parent
    raise Failure(
        f"There is no dataset at {path}: it is a folder that holds `{EXAMPLES}/<name>/input.json`, or a ZIP file.",
        hint="`assay workflow dataset pull` makes one.",
        exit_code=ExitCode.MISUSED,
    )


def examples_in(folder: Path) -> Sequence[str]:
    """Return the names of the examples that a folder has already."""
    place = folder / EXAMPLES
    return sorted(found.name for found in place.iterdir()) if place.is_dir() else []


def unpack(source: Path, folder: Path, *, whole: bool) -> int:
    """Write the examples of an archive into a folder, in the place of those there; return how many.

    What is there stays as it is if anything goes wrong. Unless `whole`, other examples of the folder stay anyway.

    Raises:
        Failure: the archive is damaged, or holds a path that leads elsewhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=folder) as staged:
        draft = Path(staged) / EXAMPLES
        draft.mkdir()
        try:
            with zipfile.ZipFile(source) as archive:
                for info in archive.infolist():
                    _write(archive, info, Path(staged))
        except zipfile.BadZipFile as error:
            raise Failure("What the server sent is no ZIP file, or broke off.") from error
        names = sorted(found.name for found in draft.iterdir())
        trash = Path(staged) / "replaced"
        trash.mkdir()
        if whole:
            _swap(draft, folder / EXAMPLES, trash)
            return len(names)
        (folder / EXAMPLES).mkdir(exist_ok=True)
        for name in names:
            _swap(draft / name, folder / EXAMPLES / name, trash)
        return len(names)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        yield from (Path(place) / name for name in sorted([*files, *links]))


def _pack(archive: zipfile.ZipFile, path: Path, root: Path) -> None:
    name = path.relative_to(root).as_posix()
    try:
        if path.is_symlink():
            link = zipfile.ZipInfo(name)
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, str(path.readlink()))
        elif path.is_file():
            kind = zipfile.ZIP_DEFLATED if path.suffix == ".json" else zipfile.ZIP_STORED
            archive.write(path, name, kind)
    except UnicodeEncodeError as error:
        raise Failure(f"The name {name!r} is not UTF-8.") from error


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path) -> None:
    path = PurePosixPath(info.filename)
    # The server is not to be trusted with this machine's files.
    if path.is_absolute() or ".." in path.parts or "\\" in info.filename or path.parts[:1] != (EXAMPLES,):
        raise Failure(f"The archive holds {info.filename!r}, which leads out of the folder `{EXAMPLES}`.")
    if info.is_dir():
        return
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as entry, target.open("wb") as file:
        shutil.copyfileobj(entry, file, 256 * 1024)


def _swap(source: Path, target: Path, trash: Path) -> None:
    """Put a folder in the place of another, which is removed only afterwards."""
    if target.exists() or target.is_symlink():
        target.rename(trash / target.name)
    source.rename(target)
