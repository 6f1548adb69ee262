"""How one PostgreSQL cluster under a data folder is laid out, created, started, judged alive and stopped."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil

from assay.db import embedded_binaries as binaries
from assay.db.embedded_binaries import Account, EmbeddedServerError

NAME = "assay"
"""Of the database, and of its only role."""

PORT = 5432
"""Part of the socket's file name only; the server listens on no TCP port."""

SOCKET_PATH_LIMIT = 107
LOG_LIMIT_BYTES = 1_000_000
DRAFT = "cluster.draft-"
FAST_STOP_SECONDS = 20.0
IMMEDIATE_STOP_SECONDS = 5.0

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    # Relative to the cluster, so that neither a deep path nor a moved data folder matters to the server.
    "unix_socket_directories": "../socket",
    "unix_socket_permissions": "0600",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "huge_pages": "off",
    "jit": "off",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    # Errors of statements go to the caller; their texts may hold payloads, which no log may.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}

_children: list[subprocess.Popen[bytes]] = []
"""Postmasters that this process started, kept so that a dead one is reaped."""


class Cluster:
    """The PostgreSQL cluster of one data folder.

    Everything that changes it must be called under the start lock (see `embedded`).
    """

    def __init__(self, data_dir: Path) -> None:
        """Find or create the folders of `data_dir`; the cluster itself is made by `start`."""
        data_dir = Path(os.path.abspath(data_dir))  # noqa: PTH100 (resolve() would break below a folder we may not read)
        # As root the server's account must pass through, so what we create ourselves lets it, unlisted.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        data_dir.mkdir(mode=mode, parents=True, exist_ok=True)
        self._owner = data_dir.stat()
        self.folder = data_dir / "database"
        if not self.folder.is_dir():
            self.folder.mkdir(mode=mode, exist_ok=True)
            self.give_to_owner(self.folder)
        self.log = self.folder / "server.log"
        self._socket_fd: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def give_to_owner(self, path: Path) -> None:
        """Give a file that root made to the owner of the data folder, who may be somebody else."""
        if os.geteuid() == 0:
            os.chown(path, self._owner.st_uid, self._owner.st_gid, follow_symlinks=False)

    @property
    def home(self) -> Path:
        """The folder of the server's account, with the cluster and its socket: here, or where the record says."""
        try:
            return Path(json.loads((self.folder / "elsewhere.json").read_text())["home"])
        except FileNotFoundError:
            return self.folder / "server"

    @property
    def path(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.home / "cluster"

    @property
    def password(self) -> str:
        """What the role signs in with."""
        return (self.folder / "password").read_text()

    def dsn(self) -> str:
        """Return the URL of the database; its host may be valid in this process and its forks only."""
        query = urlencode({"host": self._socket_host(), "port": PORT}, quote_via=quote, safe="/")
        return f"postgresql://{NAME}:{self.password}@/{NAME}?{query}"

    def postmaster(self) -> psutil.Process | None:
        """Return the living server process of this cluster; a zombie, or a stranger with its pid, is none."""
        try:
            pid = int((self.path / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            return process if self._works_here(process) else None
        except (OSError, ValueError, psutil.Error):
            return None

    def start(self, deadline: float) -> None:
        """Make sure the server answers, creating the cluster first where there is none.

        `deadline` is a moment of `time.monotonic()`.

        Raises:
            EmbeddedServerError: it does not answer by then, or never will.
        """
        account = self._account()
        self._check_owner(account)
        if not self.path.is_dir():
            self._settle(account)
            self._create(account)
        self._check_cluster()
        while True:
            if not self._is_running():
                self._clear_leftovers()
                self._spawn(account)
            if self._becomes_ready(deadline) and self._accepts():
                return
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"PostgreSQL did not start in time. The end of {self.log}:\n{self._log_tail()}"
                )
            time.sleep(0.1)

    def stop(self) -> None:
        """Shut the server down: fast, and at once if that takes too long. Does nothing where none runs."""
        process = self.postmaster()
        if process is None:
            return
        if not _ended([process], signal.SIGINT, FAST_STOP_SECONDS):
            _ended([process], signal.SIGQUIT, IMMEDIATE_STOP_SECONDS)
        _reap()

    def run_tool(self, name: str, arguments: Sequence[str | Path] = (), database: str = NAME) -> str:
        """Run one of PostgreSQL's client programs as the caller, signed in to `database`; return its output.

        Raises:
            EmbeddedServerError: it failed; the message holds what it said.
        """
        result = self._tool(name, arguments, database)
        if result.returncode != 0:
            raise EmbeddedServerError(f"{name} failed: {result.stderr.strip()}", hint="")
        return result.stdout

    def close(self) -> None:
        """Forget the open socket folder; the DSN of a deep data folder is void afterwards."""
        if self._socket_fd is not None:
            os.close(self._socket_fd)
            self._socket_fd = None

    # Who runs it, and where

    def _account(self) -> Account:
        if os.geteuid() != 0:
            return binaries.caller()
        home = self.home
        return binaries.unprivileged(home.stat() if home.is_dir() and home.stat().st_uid != 0 else self._owner)

    def _settle(self, account: Account) -> None:
        if account.is_dropped_to and self.home.parent == self.folder and not account.reaches(self.folder):
            binaries.make_root_home()
            # A random name: one made from the path would hand an old cluster to a new folder of the same name.
            home = binaries.ROOT_HOME / secrets.token_hex(8)
            self._write("elsewhere.json", json.dumps({"home": str(home)}))
        for folder in (self.home, self.home / "socket"):
            folder.mkdir(mode=0o700, exist_ok=True)
            account.own(folder)

    def _create(self, account: Account) -> None:
        # A name of its own: the initdb of a killed starter may still be writing to the last one.
        draft, secret = self.home / f"{DRAFT}{secrets.token_hex(4)}", self.home / "password.draft"
        if not (self.folder / "password").exists():
            self._write("password", secrets.token_urlsafe(32))
        secret.unlink(missing_ok=True)
        secret.touch(mode=0o600, exist_ok=False)
        secret.write_text(self.password)
        account.own(secret)
        result = account.run(
            [
                *(binaries.server_bin(account) / "initdb", "-D", draft, "-U", NAME, "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=scram-sha-256"),
                *(f"--pwfile={secret}", "--wal-segsize=4", "--no-instructions", "--sync-method=syncfs"),
            ]
        )
        secret.unlink()
        if result.returncode != 0:
            raise EmbeddedServerError(f"initdb failed as user id {account.uid}: {result.stderr.strip()}")
        draft.rename(self.path)
        # A power cut must not leave the finished cluster under the name of a draft, which is thrown away.
        _sync_folder(self.home)

    def _check_owner(self, account: Account) -> None:
        if not self.home.is_dir() or self.home.stat().st_uid == account.uid:
            return
        if account.is_dropped_to:
            # Root's own now, as after a copy made by root.
            for path in [self.home, *self.home.rglob("*")]:
                account.own(path)
            return
        raise EmbeddedServerError(
            f"The database in {self.home} belongs to user id {self.home.stat().st_uid}, not to you ({account.uid}).",
            hint=f"Give it to yourself (chown -R {account.uid} {self.home}), or start assay as its owner.",
        )

    def _check_cluster(self) -> None:
        version = (self.path / "PG_VERSION").read_text().strip()
        if version != binaries.MAJOR_VERSION:
            raise EmbeddedServerError(
                f"The database in {self.path} is of PostgreSQL {version}; this assay brings {binaries.MAJOR_VERSION}.",
                hint="Back it up with the assay that wrote it, and restore the backup into a new data folder.",
            )
        if not (self.folder / "password").exists():
            raise EmbeddedServerError(f"{self.folder / 'password'}, which opens the database next to it, is missing.")

    # Alive or dead

    def _works_here(self, process: psutil.Process) -> bool:
        # A server's working directory is its cluster. The link is compared by inode: the folder may have been moved.
        return (
            not _is_dead(process)
            and process.name() == "postgres"
            and Path(f"/proc/{process.pid}/cwd").samefile(self.path)
        )

    def _is_running(self) -> bool:
        return self.postmaster() is not None or self._is_listening()

    def _is_listening(self) -> bool:
        # The kernel's word, which also holds for a server in another container on the same folder, whose pid
        # says nothing here.
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(f"{self._socket_host()}/{_socket_name()}")
            except (ConnectionRefusedError, FileNotFoundError):
                return False
        return True

    def _becomes_ready(self, deadline: float) -> bool:
        while time.monotonic() < deadline:
            if self._status() == "ready":
                return True
            _reap()
            # A fresh server writes its pid file only some milliseconds after its start.
            if self.postmaster() is None and (self._child is None or self._child.returncode is not None):
                return False
            time.sleep(0.005)
        return False

    def _status(self) -> str:
        try:
            return (self.path / "postmaster.pid").read_text().split("\n")[7].strip()
        except (FileNotFoundError, IndexError):
            return ""

    def _accepts(self) -> bool:
        result = self._tool("psql", ["-XAtqc", "SELECT 1"])
        if result.returncode == 0:
            return True
        if f'database "{NAME}" does not exist' in result.stderr:
            return self._tool("psql", ["-XAtqc", f"CREATE DATABASE {NAME}"], "postgres").returncode == 0
        if "authentication failed" in result.stderr:
            raise EmbeddedServerError(f"The database in {self.home} does not accept {self.folder / 'password'}.")
        return False

    # Starting

    def _clear_leftovers(self) -> None:
        # A backend in a long computation does not notice the death of its server, and would keep the next one out.
        orphans = list(self._processes())
        if not _ended(orphans, signal.SIGQUIT, IMMEDIATE_STOP_SECONDS):
            _ended(orphans, signal.SIGKILL, IMMEDIATE_STOP_SECONDS)
        for path in (self.path / "postmaster.pid", *(self.home / "socket").glob(f"{_socket_name()}*")):
            path.unlink(missing_ok=True)
        for draft in self.home.glob(f"{DRAFT}*"):
            shutil.rmtree(draft, ignore_errors=True)

    def _processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                if self._works_here(process):
                    yield process
            except (OSError, psutil.Error):
                continue

    def _spawn(self, account: Account) -> None:
        self.limit_log()
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [binaries.server_bin(account) / "postgres", "-D", self.path, *settings]
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            self.give_to_owner(self.log)
            self._child = account.spawn(command, log)
            _children.append(self._child)
        finally:
            os.close(log)

    def limit_log(self) -> None:
        """Empty a server log that has grown too long; the server appends, so it may be running."""
        try:
            if self.log.stat().st_size > LOG_LIMIT_BYTES:
                os.truncate(self.log, 0)
        except FileNotFoundError:
            return

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    # Files, sockets, tools

    def _socket_host(self) -> str:
        folder = self.home / "socket"
        if len(os.fsencode(folder / _socket_name())) <= SOCKET_PATH_LIMIT:
            return str(folder)
        if self._socket_fd is None:
            self._socket_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        # The kernel resolves this to the folder we hold open: as short as can be, and nothing is made elsewhere.
        return f"/proc/self/fd/{self._socket_fd}"

    def _tool(
        self, name: str, arguments: Sequence[str | Path], database: str = NAME
    ) -> subprocess.CompletedProcess[str]:
        host = self._socket_host()
        return subprocess.run(
            [binaries.wheel_bin() / name, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            pass_fds=() if self._socket_fd is None else (self._socket_fd,),
            env=binaries.ENVIRONMENT
            | {
                "PGHOST": host,
                "PGPORT": str(PORT),
                "PGUSER": NAME,
                "PGDATABASE": database,
                "PGPASSWORD": self.password,
            },
        )

    def _write(self, name: str, text: str) -> None:
        draft = self.folder / f"{name}.draft"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.give_to_owner(draft)
        draft.rename(self.folder / name)
        _sync_folder(self.folder)


def _socket_name() -> str:
    return f".s.PGSQL.{PORT}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ended(processes: Sequence[psutil.Process], number: signal.Signals, seconds: float) -> bool:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    deadline = time.monotonic() + seconds
    while not all(_is_dead(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _is_dead(process: psutil.Process) -> bool:
    # A zombie is dead: its parent may be another lease holder, which has no reason to look after it now.
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _reap() -> None:
    for child in _children.copy():
        if child.poll() is not None and child in _children:
            _children.remove(child)
