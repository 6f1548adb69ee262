"""What stands between the driver and a database, and says that the database goes away before it is gone."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

_FIELDS = b"SFATAL\0VFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"
CRASH_SHUTDOWN = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


class DatabaseRelay:
    """Hands on what both sides say; `warn` is what a server says to all whose connections it is about to close."""

    def __init__(self, socket: str, dsn: str) -> None:
        self._socket = socket
        self.dsn = dsn
        self._clients: list[asyncio.StreamWriter] = []

    async def warn(self) -> None:
        """Tell every client that the server ends, and leave its connection open; when it returns, they have heard."""
        for client in self._clients:
            client.write(CRASH_SHUTDOWN)
            await client.drain()
        for _ in range(3):  # clients in this process hear it at the loop's next turn
            await asyncio.sleep(0)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until either side hangs up."""
        self._clients.append(writer)
        from_server, to_server = await asyncio.open_unix_connection(self._socket)
        await asyncio.gather(_hand_on(reader, to_server), _hand_on(from_server, writer))


async def _hand_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while said := await source.read(65536):
            target.write(said)
    finally:
        target.close()


@asynccontextmanager
async def database_relay(dsn: str) -> AsyncGenerator[DatabaseRelay]:
    """Stand before the server whose socket `dsn` names."""
    url = urlsplit(dsn)
    query = parse_qs(url.query)
    (folder,), (port,) = query["host"], query["port"]
    with tempfile.TemporaryDirectory(prefix="relay-") as own:
        relayed = url._replace(query=f"host={quote(own)}&port={port}").geturl()
        relay = DatabaseRelay(f"{folder}/.s.PGSQL.{port}", relayed)
        server = await asyncio.start_unix_server(relay.take, Path(own) / f".s.PGSQL.{port}")
        try:
            yield relay
        finally:
            server.close()
