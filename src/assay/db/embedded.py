"""Who keeps the embedded PostgreSQL server running: every process that holds a lease on it.

A lease is a shared file lock, which the kernel frees when its holder dies, however it dies. The
first holder starts the server, any holder restarts a dead one, the last to leave stops it. Starting
and stopping happen under a second, exclusive lock.
"""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from assay.db import embedded_binaries as binaries
from assay.db.embedded_binaries import EmbeddedServerError
from assay.db.embedded_cluster import Cluster

__all__ = ["EmbeddedServerError", "Lease", "acquire", "remove"]

START_SECONDS = 30.0


class Lease:
    """A share in the running server of one data folder; a context manager that releases itself.

    A fork inherits the lease, so a process that forks must close it there or end with it.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Use `acquire`."""
        self._cluster = cluster
        self._mutex = threading.Lock()
        with _errors_told(), _start_lock(cluster) as deadline:
            self._descriptor: int | None = _open_lock(cluster, "lease.lock")
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)
                cluster.start(deadline)
                self.dsn = cluster.dsn()
            except BaseException:
                os.close(self._descriptor)
                cluster.close()
                raise
        self.bin_dir = binaries.wheel_bin()

    def ensure_running(self) -> None:
        """Restart the server if it is dead, and wait until it answers; costs some 0.2 ms when it lives.

        Any thread of any lease holder may call it at any time.

        Raises:
            EmbeddedServerError: the lease was released, or the server does not answer within 30 s.
        """
        if self._descriptor is None:
            raise EmbeddedServerError("The lease on the embedded server was released.")
        self._cluster.limit_log()
        if self._cluster.postmaster() is not None:
            return
        with _errors_told(), _start_lock(self._cluster) as deadline:
            self._cluster.start(deadline)

    def run_tool(self, name: str, arguments: Sequence[str | Path] = ()) -> str:
        """Run a client program of `bin_dir` (`pg_dump`, `pg_restore`, `psql`) as the caller; return its output.

        It is signed in to the database through its environment; for another one pass `-d NAME`.

        Raises:
            EmbeddedServerError: the program failed; the message holds what it said.
        """
        return self._cluster.run_tool(name, arguments)

    def release(self) -> None:
        """Give the lease back; the last holder stops the server and waits for its end. A second call does nothing.

        Raises:
            EmbeddedServerError: somebody else has been starting or stopping the server for 30 s.
        """
        with self._mutex:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            with _errors_told(), _start_lock(self._cluster):
                if _lock_alone(descriptor):
                    self._cluster.stop()
        finally:
            os.close(descriptor)
            self._cluster.close()

    def __enter__(self) -> Self:
        """Return the lease."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the lease."""
        self.release()


def acquire(data_dir: Path) -> Lease:
    """Join the server of a data folder, or create and start it; returns when it answers.

    The folder is made where it is missing. Each call gives a lease of its own, also within one process.

    Raises:
        EmbeddedServerError: it does not answer within 30 s; the message says why.
    """
    with _errors_told():
        return Lease(Cluster(data_dir))


def remove(data_dir: Path) -> None:
    """Delete a data folder for ever, with its cluster wherever that lies. Nobody may hold a lease on it.

    A second call does nothing.
    """
    if data_dir.is_dir():
        shutil.rmtree(Cluster(data_dir).home, ignore_errors=True)
        shutil.rmtree(data_dir, ignore_errors=True)


def _lock_alone(descriptor: int) -> bool:
    """Take the exclusive lock if nobody else holds any; a shared lock of our own is given up either way."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_lock(cluster: Cluster, name: str) -> int:
    path = cluster.folder / name
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    cluster.give_to_owner(path)
    return descriptor


@contextmanager
def _start_lock(cluster: Cluster) -> Generator[float]:
    """Hold the exclusive lock; yields the moment (monotonic) by which the work under it must be done."""
    deadline = time.monotonic() + START_SECONDS
    descriptor = _open_lock(cluster, "start.lock")
    try:
        while not _lock_alone(descriptor):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"Another process has been starting or stopping the server of {cluster.folder} for 30 s.",
                    hint="See who holds start.lock there (fuser), and end it if it hangs.",
                )
            time.sleep(0.01)
        yield time.monotonic() + START_SECONDS
    finally:
        os.close(descriptor)


@contextmanager
def _errors_told() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"The embedded PostgreSQL cannot use its data folder: {error}",
            hint="The data folder must belong to you; a folder made by root is given away with chown -R.",
        ) from error
