"""The embedded server survives whatever happens to the processes around it. Every test runs the real one."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from assay.db import embedded, embedded_binaries
from assay.db.embedded import EmbeddedServerError

IS_ROOT = os.geteuid() == 0

HOLDER = """
import os, sys
from pathlib import Path
from assay.db import embedded
if sys.argv[2]:
    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
with embedded.acquire(Path(sys.argv[1])) as lease:
    print(lease.dsn, flush=True)
    for _ in sys.stdin:
        lease.ensure_running()
        print("running", flush=True)
"""


class Holder:
    """Another process with a lease on the same folder."""

    def __init__(self, data_dir: Path, *, uid: str = "", packages: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data_dir), uid],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ({"PYTHONPATH": str(packages)} if packages else {}),
        )

    def dsn(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        assert line, "the holder got no lease"
        return line

    def ensure_running(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "running\n"

    def leave(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(60) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A folder that the server's account can reach, other than pytest's own when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="assay-"))
    folder.chmod(0o755)
    yield folder
    for record in folder.rglob("elsewhere.json"):
        shutil.rmtree(json.loads(record.read_text())["home"], ignore_errors=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def data_dir(base: Path) -> Path:
    """A data folder that the tests share: none of them leaves it other than working."""
    return base / "data"


@pytest.fixture
def fresh_dir(base: Path, request: pytest.FixtureRequest) -> Path:
    return base / request.node.name


@pytest.fixture
def start_holder() -> Iterator[Callable[..., Holder]]:
    holders: list[Holder] = []

    def start(data_dir: Path, **options: object) -> Holder:
        holders.append(Holder(data_dir, **options))  # pyright: ignore[reportArgumentType] - passed through as given
        return holders[-1]

    yield start
    for holder in holders:
        if holder.process.poll() is None:
            holder.leave()


@pytest.fixture(scope="module")
def packages() -> Iterator[Path]:
    """A second site-packages with the PostgreSQL wheel alone, to be shut off from others or opened to them."""
    folder = Path(tempfile.mkdtemp(prefix="assay-packages-"))
    wheel = embedded_binaries.wheel_bin().parent
    shutil.copytree(wheel, folder / embedded_binaries.PREFIX, ignore=shutil.ignore_patterns("include", "*.a"))
    shutil.copytree(wheel.parent.parent / f"{wheel.parent.name}.libs", folder / f"{wheel.parent.name}.libs")
    (folder / wheel.parent.name / "__init__.py").touch()
    yield folder
    shutil.rmtree(folder)


def give_away(folder: Path) -> str:
    """Give a folder of root's to a normal user and return the user id; a normal user keeps it."""
    if not IS_ROOT:
        return ""
    uid = pwd.getpwnam("nobody").pw_uid
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, uid, uid, follow_symlinks=False)
    return str(uid)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        if query.startswith(("CREATE", "DROP")):
            return await connection.execute(query)
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def server_pid(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return psutil.Process(connection.get_server_pid()).ppid()
    finally:
        await connection.close()


def kill_server(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: is_gone(pid))


def only(folder: Path, name: str) -> Path:
    [path] = folder.rglob(name)
    return path


async def test_the_server_outlives_its_starter_and_ends_with_the_last_holder(data_dir, start_holder):
    first = start_holder(data_dir)
    pid = await server_pid(first.dsn())
    second = start_holder(data_dir)
    assert await server_pid(second.dsn()) == pid
    first.leave()
    with embedded.acquire(data_dir) as lease:
        second.leave()
        assert await server_pid(lease.dsn) == pid
    until(lambda: is_gone(pid))


async def test_a_killed_owner_leaves_the_server_to_the_others_and_frees_its_lease(data_dir, start_holder):
    owner = start_holder(data_dir)
    pid = await server_pid(owner.dsn())
    owner.kill()
    with embedded.acquire(data_dir) as lease:
        assert await server_pid(lease.dsn) == pid
    until(lambda: is_gone(pid))


async def test_any_holder_restarts_a_killed_server_with_all_that_was_committed(data_dir, start_holder):
    owner = start_holder(data_dir)
    dsn = owner.dsn()
    await ask(dsn, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n")
    with embedded.acquire(data_dir) as lease:
        kill_server(await server_pid(dsn))
        threads = [threading.Thread(target=lease.ensure_running) for _ in range(4)]
        for thread in threads:
            thread.start()
        owner.ensure_running()
        for thread in threads:
            thread.join()
        assert await ask(dsn, "SELECT n FROM kept") == 7
        assert await server_pid(lease.dsn) == await server_pid(dsn)
        pid = await server_pid(dsn)
        lease.ensure_running()
        assert await server_pid(dsn) == pid


async def test_a_server_killed_under_a_busy_connection_restarts(data_dir):
    with embedded.acquire(data_dir) as lease:
        busy = await asyncpg.connect(lease.dsn)
        backend = psutil.Process(busy.get_server_pid())
        # The loop neither waits nor reads from the client, so the backend does not see its server die.
        loop = asyncio.ensure_future(busy.execute("DO $$ BEGIN WHILE true LOOP END LOOP; END $$"))
        await asyncio.sleep(0)
        until(lambda: backend.cpu_times().user > 0.05)
        kill_server(backend.ppid())
        assert not is_gone(backend.pid)
        lease.ensure_running()
        assert is_gone(backend.pid)
        assert await ask(lease.dsn, "SELECT 1") == 1
        with pytest.raises(asyncpg.PostgresConnectionError):
            await loop


async def test_owner_and_server_killed_together_leave_a_folder_that_starts(data_dir, start_holder):
    owner = start_holder(data_dir)
    dsn = owner.dsn()
    await ask(dsn, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n")
    pid = await server_pid(dsn)
    owner.kill()
    kill_server(pid)
    with embedded.acquire(data_dir) as lease:
        assert await ask(lease.dsn, "SELECT n FROM kept") == 7


async def test_a_living_stranger_with_the_recorded_pid_is_not_the_server(data_dir):
    with embedded.acquire(data_dir) as lease:
        pid_file = only(data_dir, "postmaster.pid")
        pid_text = pid_file.read_text()
        lock_file = only(data_dir, ".s.PGSQL.*.lock")
        lock_text = lock_file.read_text()
        old = await server_pid(lease.dsn)
    for path, text in ((pid_file, pid_text), (lock_file, lock_text)):
        path.write_text(text.replace(str(old), str(os.getpid()), 1))
    with embedded.acquire(data_dir) as lease:
        assert await server_pid(lease.dsn) not in (old, os.getpid())


async def test_processes_that_start_at_once_share_one_server(fresh_dir, start_holder):
    holders = [start_holder(fresh_dir) for _ in range(4)]
    pids = {await server_pid(holder.dsn()) for holder in holders}
    assert len(pids) == 1


async def test_a_starter_killed_while_it_creates_the_cluster_is_replaced(fresh_dir, start_holder):
    starter = start_holder(fresh_dir)
    until(lambda: any(fresh_dir.rglob("PG_VERSION")))
    starter.kill()
    with embedded.acquire(fresh_dir) as lease:
        assert await ask(lease.dsn, "SELECT 1") == 1


async def test_nobody_signs_in_without_the_password(data_dir):
    with embedded.acquire(data_dir) as lease:
        password = lease.dsn.split(":")[2].split("@")[0]
        for dsn in (lease.dsn.replace(password, "guess"), lease.dsn.replace(f":{password}", "")):
            with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
                await ask(dsn, "SELECT 1")
        methods = await ask(lease.dsn, "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules")
        assert methods == ["scram-sha-256"]


async def test_the_server_listens_on_nothing_but_a_socket_closed_to_others(data_dir):
    with embedded.acquire(data_dir) as lease:
        assert psutil.Process(await server_pid(lease.dsn)).net_connections("inet") == []
        for path in (data_dir / "database").rglob("*"):
            assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path


async def test_the_database_is_utf8_sorted_by_code_point_and_durable(data_dir):
    with embedded.acquire(data_dir) as lease:
        settings = "current_setting('server_encoding'), datlocale, current_setting('fsync')"
        row = await ask(lease.dsn, f"SELECT ARRAY[{settings}] FROM pg_database WHERE datname = 'assay'")
        assert row == ["UTF8", "C.UTF-8", "on"]


async def test_a_deep_data_folder_works_though_socket_paths_are_short(base, start_holder):
    data_dir = base / ("deep" * 25) / ("deeper" * 20)
    with embedded.acquire(data_dir) as lease:
        assert await ask(lease.dsn, "SELECT 1") == 1
        assert "PostgreSQL database dump" in lease.run_tool("pg_dump")
        other = start_holder(data_dir)
        other.dsn()
        kill_server(await server_pid(lease.dsn))
        other.ensure_running()
        assert await ask(lease.dsn, "SELECT 1") == 1
        other.leave()


async def test_a_data_folder_in_a_private_folder_works_and_changes_nothing_around_it(base, start_holder):
    private = base / "private"
    private.mkdir(mode=0o700)
    first = start_holder(private / "data")
    await ask(first.dsn(), "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n")
    first.leave()
    (private / "data").rename(private / "moved")
    with embedded.acquire(private / "moved") as lease:
        assert await ask(lease.dsn, "SELECT n FROM kept") == 7
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert [path.name for path in private.iterdir()] == ["moved"]


async def test_binaries_that_only_their_owner_can_reach_are_enough(data_dir, packages, start_holder):
    packages.chmod(0o700)
    dsn = start_holder(data_dir, packages=packages).dsn()
    assert await ask(dsn, "SELECT 1") == 1
    server = Path(psutil.Process(await server_pid(dsn)).exe())
    assert server.is_relative_to(embedded_binaries.ROOT_HOME if IS_ROOT else packages)


async def test_a_folder_given_to_another_user_works_for_both(fresh_dir, packages, start_holder):
    with embedded.acquire(fresh_dir) as lease:
        await ask(lease.dsn, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n")
    packages.chmod(0o755)
    uid = give_away(fresh_dir)
    user = start_holder(fresh_dir, uid=uid, packages=packages)
    dsn = user.dsn()
    assert await ask(dsn, "SELECT n FROM kept") == 7
    assert psutil.Process(await server_pid(dsn)).uids().real == int(uid or os.geteuid())
    with embedded.acquire(fresh_dir) as lease:
        user.leave()
        kill_server(await server_pid(lease.dsn))
        lease.ensure_running()
        assert await ask(lease.dsn, "SELECT n FROM kept") == 7
    again = start_holder(fresh_dir, uid=uid, packages=packages)
    assert await ask(again.dsn(), "SELECT n FROM kept") == 7


async def test_a_normal_user_makes_a_folder_of_his_own(base, packages, start_holder):
    packages.chmod(0o755)
    home = base / "home"
    home.mkdir(mode=0o700)
    holder = start_holder(home / "data", uid=give_away(home), packages=packages)
    assert await ask(holder.dsn(), "SELECT 1") == 1


def test_a_folder_of_a_newer_postgresql_is_refused_by_name(data_dir):
    embedded.acquire(data_dir).release()
    [version] = [path for path in data_dir.rglob("PG_VERSION") if path.parent.name == "cluster"]
    text = version.read_text()
    version.write_text("99\n")
    with pytest.raises(EmbeddedServerError, match="of PostgreSQL 99; this assay brings 18"):
        embedded.acquire(data_dir)
    version.write_text(text)


def test_a_password_that_does_not_fit_is_told_at_once(data_dir):
    embedded.acquire(data_dir).release()
    password = data_dir / "database" / "password"
    text = password.read_text()
    password.write_text("other")
    with pytest.raises(EmbeddedServerError, match=r"does not accept .*password"):
        embedded.acquire(data_dir)
    password.write_text(text)
    embedded.acquire(data_dir).release()


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(EmbeddedServerError, match="data folder"):
        embedded.acquire(tmp_path / "data")


def test_a_released_lease_stays_released(data_dir):
    lease = embedded.acquire(data_dir)
    lease.release()
    lease.release()
    with pytest.raises(EmbeddedServerError, match="released"):
        lease.ensure_running()


def test_the_server_log_stays_small_and_holds_no_payload(data_dir):
    with embedded.acquire(data_dir) as lease:
        log = data_dir / "database" / "server.log"
        with log.open("a") as file:
            file.write("x" * 2_000_000)
        lease.ensure_running()
        with pytest.raises(EmbeddedServerError, match="secret payload"):
            lease.run_tool("psql", ["-Xc", "SELECT 'secret payload'::int"])
        assert "payload" not in log.read_text()
        assert log.stat().st_size < 1_000_000


async def test_a_dump_restores(data_dir, tmp_path):
    with embedded.acquire(data_dir) as lease:
        await ask(lease.dsn, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n")
        lease.run_tool("pg_dump", ["-Fc", "-f", tmp_path / "dump"])
        await ask(lease.dsn, "DROP TABLE kept")
        lease.run_tool("pg_restore", ["-d", "assay", tmp_path / "dump"])
        assert await ask(lease.dsn, "SELECT n FROM kept") == 7
