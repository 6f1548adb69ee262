"""When the zygote is started and replaced, and when a child of it is killed."""

import asyncio
import itertools
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Final

from assay.sandbox.errors import SandboxUnavailableError
from assay.sandbox.protocol import COMMAND, ENDED, KILL, READY, START, Request, encode_request

_START_SECONDS: Final = 30.0
_ATTEMPTS: Final = 2
# Long enough for a script that was interrupted by its interpreter to say so.
GRACE_SECONDS: Final = 0.5
_REPLY_ALLOWANCE_BYTES: Final = 1 << 16
# Nothing of the server's own environment, which holds its secrets; and everywhere the same time zone.
_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "MALLOC_ARENA_MAX": "1"}


class ZygoteDiedError(Exception):
    """The zygote ended; so did its children."""


class Children:
    """Runs each request in a process of its own, forked from one zygote that is started when first needed.

    It belongs to the event loop that first used it.
    """

    def __init__(self) -> None:
        self._zygote: _Zygote | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def ask(self, request: Request) -> tuple[bytes, int]:
        """Return all that a child wrote, and its exit status (negative: the signal that ended it).

        Cancelling this kills the child. A request whose zygote dies is sent once more, to the next one.

        Raises:
            TimeoutError: The child was killed, because it took longer than the request allows.
            SandboxUnavailableError: No zygote lives long enough.
        """
        for _ in range(_ATTEMPTS):
            zygote = await self._living_zygote()
            try:
                return await zygote.ask(request)
            except ZygoteDiedError:
                continue
        raise SandboxUnavailableError("The sandbox ended while it ran a script." if not self._closed else _CLOSED)

    async def close(self) -> None:
        """End the zygote and its children; requests under way and later ones fail. A second call does nothing."""
        self._closed = True
        async with self._starting:
            zygote, self._zygote = self._zygote, None
        if zygote:
            await zygote.end()

    async def _living_zygote(self) -> "_Zygote":
        async with self._starting:
            if self._closed:
                raise SandboxUnavailableError(_CLOSED)
            if self._zygote is None or not self._zygote.is_alive:
                if self._zygote:
                    await self._zygote.end()
                self._zygote = await _Zygote.start()
            return self._zygote


_CLOSED: Final = "The sandbox is closed."


class _Zygote:
    """One zygote, as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._ends: dict[int, asyncio.Future[int]] = {}
        self.is_alive = True
        self._loop.add_reader(control, self._hear)

    @classmethod
    async def start(cls) -> "_Zygote":
        """Start one and wait until it is warm.

        Raises:
            SandboxUnavailableError: It does not get there.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        process = None
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "assay.sandbox.zygote"),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                close_fds=True,
            )
            theirs.close()
            async with asyncio.timeout(_START_SECONDS):
                greeting = await asyncio.get_running_loop().sock_recv(ours, len(READY))
            if greeting != READY:
                raise SandboxUnavailableError
        except BaseException as error:
            theirs.close()
            ours.close()
            if process:
                await _kill(process)
            if isinstance(error, (OSError, TimeoutError)):
                raise SandboxUnavailableError from error
            raise
        return cls(process, ours)

    async def ask(self, request: Request) -> tuple[bytes, int]:
        """Run one request in a new child."""
        ours, theirs = socket.socketpair()
        number = next(self._numbers)
        end = self._ends[number] = self._loop.create_future()
        try:
            with theirs:
                command = COMMAND.pack(START, number, request.seconds, request.memory_bytes)
                self._send(command, [theirs.fileno()])
            ours.setblocking(False)
            async with asyncio.timeout(request.seconds + GRACE_SECONDS):
                reply = await _converse(ours, request)
                return reply, await end
        finally:
            ours.close()
            if not end.done():
                with suppress(ZygoteDiedError):
                    self._send(COMMAND.pack(KILL, number, 0, 0), [])
            # Nobody else may hear of a zygote's death through a future that nobody awaits.
            end.cancel()
            self._ends.pop(number, None)

    async def end(self) -> None:
        """Kill it, and with it its children; a second call does nothing."""
        self._lose()
        await _kill(self._process)

    def _send(self, packet: bytes, descriptors: list[int]) -> None:
        if not self.is_alive:
            raise ZygoteDiedError
        try:
            socket.send_fds(self._control, [packet], descriptors)
        except OSError as error:
            self._lose()
            raise ZygoteDiedError from error

    def _hear(self) -> None:
        try:
            packet = self._control.recv(ENDED.size)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._lose()
            return
        number, status = ENDED.unpack(packet)
        end = self._ends.pop(number, None)
        if end and not end.done():
            end.set_result(status)

    def _lose(self) -> None:
        if not self.is_alive:
            return
        self.is_alive = False
        self._loop.remove_reader(self._control)
        self._control.close()
        for end in self._ends.values():
            if not end.done():
                end.set_exception(ZygoteDiedError())
        self._ends.clear()


async def _converse(ours: socket.socket, request: Request) -> bytes:
    """Send the request and read until the child closes, or has said more than a reply can hold."""
    loop = asyncio.get_running_loop()
    limit = request.output_bytes + _REPLY_ALLOWANCE_BYTES
    reply = bytearray()
    # A child may end, or be killed, before it has read or written all; its exit status tells the rest.
    with suppress(BrokenPipeError, ConnectionResetError):
        await loop.sock_sendall(ours, encode_request(request))
        while len(reply) <= limit and (chunk := await loop.sock_recv(ours, _REPLY_ALLOWANCE_BYTES)):
            reply += chunk
    return bytes(reply)


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await asyncio.shield(process.wait())
