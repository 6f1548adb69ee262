"""Telling open pages that something changed: one stream a tab, which says of what kind and nothing else."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from assay import access, engine, reviews
from assay.dashboard.visitors import COOKIE, Here, SignedIn
from assay.server import Server

router = APIRouter()

CHANNELS = {
    engine.RUNS_CHANNEL: "runs",
    "assay_batch_progress": "experiments",
    reviews.CHANNEL: "reviews",
}
"""What PostgreSQL notifies of, and the topic that pages listen to."""
PACE_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0


@dataclass(eq=False)
class Board:
    """Who listens in this process; it hears the database while anybody does."""

    listeners: set["asyncio.Queue[str]"] = field(default_factory=set["asyncio.Queue[str]"])
    hearing: "asyncio.Task[None] | None" = None

    def note(self, topic: str) -> None:
        """Tell everybody; who has not read the last note of a topic is told once."""
        for queue in self.listeners:
            if not queue.full():
                queue.put_nowait(topic)


@router.get("/live")
async def live(request: Request, visitor: SignedIn, server: Here) -> StreamingResponse:
    """Stream the topics that changed, at most one a second each."""
    wanted = set(request.query_params.get("topics", "").split(",")) & set(CHANNELS.values())
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    board: Board = request.app.state.board
    changes = _changes(server, board, wanted, request.cookies.get(COOKIE))
    return StreamingResponse(changes, media_type="text/event-stream", headers=headers)


async def _changes(server: Server, board: Board, wanted: set[str], token: str | None) -> AsyncGenerator[str]:
    """Tell what changes until the session ends, which is looked at with each heartbeat."""
    _hear(server, board)
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)
    board.listeners.add(queue)
    try:
        yield ": hello\n\n"
        beat = time.monotonic()
        while True:
            if time.monotonic() - beat >= HEARTBEAT_SECONDS:
                beat = time.monotonic()
                if not await _holds(server, token):
                    return
                yield ": still here\n\n"
            try:
                changed = {await asyncio.wait_for(queue.get(), timeout=HEARTBEAT_SECONDS)}
            except TimeoutError:
                continue
            await asyncio.sleep(PACE_SECONDS)
            while not queue.empty():
                changed.add(queue.get_nowait())
            for topic in sorted(changed & wanted):
                yield f"data: {topic}\n\n"
    finally:
        board.listeners.discard(queue)
        if not board.listeners and board.hearing is not None:
            board.hearing.cancel()
            board.hearing = None


async def _holds(server: Server, token: str | None) -> bool:
    try:
        async with server.database.single_statement() as tx:
            await access.session_caller(tx, token)
    except access.UnauthenticatedError:
        return False
    return True


def _hear(server: Server, board: Board) -> None:
    """Listen to the database, unless that is done already."""
    if board.hearing is not None and not board.hearing.done():
        return

    async def resume() -> None:
        for topic in set(CHANNELS.values()):
            board.note(topic)

    channels = {channel: partial(_heard, board, topic) for channel, topic in CHANNELS.items()}
    board.hearing = asyncio.create_task(engine.Listener(server.database.dsn, channels, resume).run())


def _heard(board: Board, topic: str, _payload: str) -> None:
    board.note(topic)
