"""How a whole database is written to a file and read back: with PostgreSQL's own tools, as the wheel brings them."""

import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, cast
from urllib.parse import parse_qs, unquote, urlsplit

from assay.db import embedded_binaries as binaries
from assay.db.database import Transaction
from assay.errors import AssayError

_OTHER_SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_HAS_TABLES = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public')"

_BEFORE = b"BEGIN;\nDROP SCHEMA public CASCADE;\n"  # the script makes it anew
_AFTER = b"\nUPDATE public.installation SET storage_id = :'storage_id';\nCOMMIT;\n"
# Servers before 17 do not know it, and pg_restore writes it for all.
_TOO_NEW_SETTING = b"\nSET transaction_timeout = 0;\n"
_HEAD_BYTES = 64 * 1024
_OPENED_HERE = "/proc/self/fd/"


class DumpError(AssayError):
    """PostgreSQL's tools could not do it."""

    code = "dump_failed"


async def other_sessions(tx: Transaction) -> int:
    """Count the connections to this database beside our own."""
    return cast("int", await tx.fetch_value(_OTHER_SESSIONS))


async def has_tables(tx: Transaction) -> bool:
    """Tell whether there is anything in the database."""
    return cast("bool", await tx.fetch_value(_HAS_TABLES))


async def dump(dsn: str, to: Path) -> None:
    """Write the database as of one moment to a file; it may be in use meanwhile.

    Raises:
        DumpError: pg_dump failed; the message holds what it said.
    """
    arguments = ["--format=custom", "--schema=public", "--no-owner", "--no-privileges", f"--file={to}"]
    await asyncio.to_thread(_run, dsn, "pg_dump", arguments)


async def load(dsn: str, dumped: Path, *, storage_id: str) -> None:
    """Put what `dump` wrote in the place of everything in the schema `public`: all of it, or nothing.

    The database belongs to the blob store `storage_id` afterwards. Nobody else should be connected.

    Raises:
        DumpError: it failed, and the database is as it was.
    """
    await asyncio.to_thread(_load, dsn, dumped, storage_id)


def _run(dsn: str, tool: str, arguments: list[str]) -> None:
    result = subprocess.run(
        [binaries.wheel_bin() / tool, *arguments, f"--dbname={_without_password(dsn)}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=_environment(dsn),
        pass_fds=_descriptors(dsn),
    )
    if result.returncode != 0:
        raise DumpError(f"{tool} failed: {result.stderr.strip()}")


def _load(dsn: str, dumped: Path, storage_id: str) -> None:
    with tempfile.TemporaryFile() as said:
        reader = subprocess.Popen(
            [binaries.wheel_bin() / "pg_restore", "--file=-", "--no-owner", "--no-privileges", dumped],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=binaries.ENVIRONMENT,
        )
        writer = subprocess.Popen(
            [
                *(binaries.wheel_bin() / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", f"storage_id={storage_id}"),
                f"--dbname={_without_password(dsn)}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=_environment(dsn),
            pass_fds=_descriptors(dsn),
        )
        assert reader.stdout is not None
        assert writer.stdin is not None
        with reader, writer:
            _hand_over(reader, reader.stdout, writer.stdin)
        if reader.returncode or writer.returncode:
            said.seek(0)
            raise DumpError(f"The backup could not be restored: {said.read().decode(errors='replace').strip()}")


def _hand_over(reader: subprocess.Popen[bytes], source: IO[bytes], sink: IO[bytes]) -> None:
    """Pass the script on between BEGIN and COMMIT; without its whole, there is no COMMIT."""
    try:
        sink.write(_BEFORE)
        sink.write(source.read(_HEAD_BYTES).replace(_TOO_NEW_SETTING, b"\n", 1))
        shutil.copyfileobj(source, sink)
        if reader.wait() == 0:
            sink.write(_AFTER)
        sink.close()
    except BrokenPipeError:
        reader.kill()


def _without_password(dsn: str) -> str:
    # Arguments of a process can be read by everybody on the machine, its environment cannot.
    url = urlsplit(dsn)
    user, mark, host = url.netloc.rpartition("@")
    return url._replace(netloc=f"{user.partition(':')[0]}{mark}{host}").geturl()


def _environment(dsn: str) -> dict[str, str]:
    password = urlsplit(dsn).password
    return {**binaries.ENVIRONMENT, **({} if password is None else {"PGPASSWORD": unquote(password)})}


def _descriptors(dsn: str) -> tuple[int, ...]:
    """Return the open folder that the host of a deep data folder is named through, so that the tool has it too."""
    hosts = parse_qs(urlsplit(dsn).query).get("host", [])
    return tuple(int(host.removeprefix(_OPENED_HERE)) for host in hosts if host.startswith(_OPENED_HERE))
