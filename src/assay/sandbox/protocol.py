"""What the sandbox, its zygote and the children of the zygote say to each other.

The zygote hears packets on a socket that keeps them apart: start a child on the descriptor that
comes along, or kill one. It answers when it is ready, and with the exit status of each child that
ended. Child and sandbox speak over the child's own stream: one request, one reply.
"""

import json
from dataclasses import asdict, dataclass
from struct import Struct
from typing import Final, Literal

LENGTH: Final = Struct("=Q")
COMMAND: Final = Struct("=cQdQ")
ENDED: Final = Struct("=Qi")

START: Final = b"s"
KILL: Final = b"k"
READY: Final = b"ready"
NOT_STARTED: Final = 70
"""Exit status of a child that could not be forked or confined, and so ran nothing."""

_SUCCESS: Final = b"="
_FAILURE: Final = b"!"


@dataclass(frozen=True, slots=True)
class Request:
    """Call a function of a script, or (kind "match") look for a pattern; `arguments` is JSON text.

    For a match `source` is the pattern, `function` its flags, and `arguments` the text.
    """

    kind: Literal["javascript", "typescript", "match"]
    source: str
    function: str
    arguments: str
    seconds: float
    memory_bytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result: the code of a script error, its message, the line where it is known."""

    code: str
    message: str | None = None
    line: int | None = None


def encode_request(request: Request) -> bytes:
    """Write a request with its length before it."""
    body = json.dumps(asdict(request)).encode()
    return LENGTH.pack(len(body)) + body


def decode_request(body: bytes) -> Request:
    """Read back what `encode_request` wrote, without the length."""
    return Request(**json.loads(body))


def encode_reply(reply: bytes | Failure) -> bytes:
    """Write the JSON text of a result, or a failure."""
    if isinstance(reply, Failure):
        return _FAILURE + json.dumps(asdict(reply)).encode()
    return _SUCCESS + reply


def decode_reply(reply: bytes) -> bytes | Failure | None:
    """Read back what `encode_reply` wrote; None for anything else."""
    if reply[:1] == _SUCCESS:
        return reply[1:]
    if reply[:1] != _FAILURE:
        return None
    try:
        return Failure(**json.loads(reply[1:]))
    except (ValueError, TypeError):
        return None
