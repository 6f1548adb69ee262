"""The life of one child as its parent sees it: started, asked, killed."""

import asyncio
import os
import signal
import sys
from typing import Final, Literal

from assay.documents.errors import DocumentParserUnavailableError
from assay.documents.protocol import (
    HEAD_BYTES,
    LENGTHS,
    Reading,
    Refusal,
    Request,
    decode_reply,
    encode_request,
)

Role = Literal["native", "ocr"]

_START_SECONDS: Final = 60.0
_PIPE_BUFFER_BYTES: Final = 1 << 20
# Nothing of the server's own environment, which holds its secrets. Arenas and the pools of threads
# that OpenBLAS and OpenMP start count against the child's address space.
_ENVIRONMENT: Final = {
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class ChildDiedError(Exception):
    """The child ended, or broke the protocol, before it answered."""

    def __init__(self, returncode: int | None) -> None:
        super().__init__(f"exit status {returncode}")
        self.returncode = returncode

    @property
    def gave_up_memory(self) -> bool:
        """Say whether it ended as C++ and Rust end programs whose memory is refused."""
        return self.returncode == -signal.SIGABRT


class ChildProcess:
    """A running child. It serves one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.answered = 0

    @classmethod
    async def start(cls, role: Role, *, memory_bytes: int, threads: int) -> "ChildProcess":
        """Start a child and wait until it is ready.

        Raises:
            DocumentParserUnavailableError: It does not become ready.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-m", "assay.documents.child", role, str(memory_bytes), str(os.getpid()), str(threads)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            limit=_PIPE_BUFFER_BYTES,
        )
        child = cls(process)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child._receive(0)
        except (ChildDiedError, TimeoutError) as error:
            await child.kill()
            raise DocumentParserUnavailableError(f"The document parser could not be started ({error}).") from error
        except BaseException:
            await child.kill()
            raise
        return child

    @property
    def is_alive(self) -> bool:
        """Say whether it has not ended, as far as is known."""
        return self._process.returncode is None

    async def ask(self, request: Request) -> Reading | Refusal:
        """Send a request and wait for the answer.

        A cancelled call leaves the child in the middle of its work; it must be killed then.

        Raises:
            ChildDiedError: It ended instead of answering.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode_request(request))
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChildDiedError(await self._process.wait()) from error
        reply = await self._receive(request.limits.output_bytes)
        assert reply is not None
        self.answered += 1
        return reply

    async def kill(self) -> None:
        """End it, whatever it is doing; a second call does nothing."""
        if self._process.returncode is None:
            self._process.kill()
        await asyncio.shield(self._process.wait())

    async def _receive(self, body_limit: int) -> Reading | Refusal | None:
        assert self._process.stdout is not None
        try:
            head_length, body_length = LENGTHS.unpack(await self._process.stdout.readexactly(LENGTHS.size))
            if head_length > HEAD_BYTES or body_length > body_limit * 4:
                raise ChildDiedError(None)
            head = await self._process.stdout.readexactly(head_length)
            body = await self._process.stdout.readexactly(body_length)
        except (asyncio.IncompleteReadError, ConnectionResetError) as error:
            raise ChildDiedError(await self._process.wait()) from error
        return decode_reply(head, body)
