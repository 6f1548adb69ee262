"""Who waits for which child, when a child is replaced, and when its death is the document's fault."""

import asyncio
import signal
from dataclasses import dataclass
from typing import Final

from assay.documents.errors import (
    BY_CODE,
    DocumentParserUnavailableError,
    DocumentTimeoutError,
    DocumentTooLargeError,
    DocumentUnreadableError,
)
from assay.documents.process import ChildDiedError, ChildProcess, Role
from assay.documents.protocol import OUT_OF_MEMORY, Reading, Refusal, Request
from assay.errors import AssayError

# Parsers leak and fragment; a child that starts in 0.3 s need not live for ever.
_REQUESTS_PER_CHILD: Final = 500


@dataclass(slots=True)
class _Slot:
    child: ChildProcess | None = None


class ChildPool:
    """A fixed number of children of one role, started when they are first needed.

    Whoever asks first is served first. A child that dies, runs out of memory or has to be stopped
    is replaced. Since the documents before may have spoiled a child, only what happens in a child
    that is new is blamed on the document; in a used one it is tried once more.
    """

    def __init__(self, role: Role, *, size: int, memory_bytes: int, threads: int) -> None:
        self._role: Role = role
        self._memory_bytes = memory_bytes
        self._threads = threads
        self._slots = tuple(_Slot() for _ in range(size))
        # Last in, first out among the idle: a warm child is preferred to starting another.
        self._idle: asyncio.LifoQueue[_Slot] = asyncio.LifoQueue()
        for slot in self._slots:
            self._idle.put_nowait(slot)
        self._closed = False

    async def ask(self, request: Request, seconds: float) -> Reading:
        """Let a child answer; cancelling this kills the child that works on it.

        Raises:
            AssayError: What is wrong with the document, as in `documents.errors`.
        """
        slot = await self._idle.get()
        try:
            while True:
                child = await self._ready_child(slot)
                is_new = child.answered == 0
                outcome = await self._attempt(slot, child, request, seconds)
                if isinstance(outcome, Reading):
                    return outcome
                if is_new or slot.child is child:
                    raise self._blame(outcome)
        finally:
            self._idle.put_nowait(slot)

    async def close(self) -> None:
        """Kill all children. Requests under way and later ones fail; a second call does nothing."""
        self._closed = True
        for slot in self._slots:
            if slot.child:
                await slot.child.kill()

    async def _ready_child(self, slot: _Slot) -> ChildProcess:
        if slot.child and slot.child.is_alive and slot.child.answered < _REQUESTS_PER_CHILD:
            return slot.child
        await self._retire(slot)
        if not self._closed:
            slot.child = await ChildProcess.start(self._role, memory_bytes=self._memory_bytes, threads=self._threads)
        if self._closed or slot.child is None:
            await self._retire(slot)
            raise DocumentParserUnavailableError("The document parser is closed.")
        return slot.child

    async def _attempt(
        self, slot: _Slot, child: ChildProcess, request: Request, seconds: float
    ) -> Reading | Refusal | ChildDiedError:
        """Ask once; afterwards the slot still holds the child if it can be used again."""
        keep = False
        try:
            async with asyncio.timeout(seconds):
                reply = await child.ask(request)
            keep = not (isinstance(reply, Refusal) and reply.code == OUT_OF_MEMORY)
        except ChildDiedError as error:
            return error
        except TimeoutError as error:
            raise DocumentTimeoutError(f"The document took longer than {seconds:g} s to parse.") from error
        finally:
            if not keep:
                await self._retire(slot)
        return reply

    async def _retire(self, slot: _Slot) -> None:
        child, slot.child = slot.child, None
        if child:
            await child.kill()

    def _blame(self, outcome: Refusal | ChildDiedError) -> AssayError:
        if self._closed:
            return DocumentParserUnavailableError("The document parser is closed.")
        too_much_memory = f"The document needs more than {self._memory_bytes >> 20:,} MB of memory to parse."
        if isinstance(outcome, Refusal):
            if outcome.code == OUT_OF_MEMORY:
                return DocumentTooLargeError(too_much_memory)
            return BY_CODE[outcome.code](outcome.message)
        if outcome.gave_up_memory:
            return DocumentTooLargeError(too_much_memory)
        if outcome.returncode == -signal.SIGXCPU:
            return DocumentTimeoutError()
        return DocumentUnreadableError(f"The document made its parser crash ({outcome}).")
