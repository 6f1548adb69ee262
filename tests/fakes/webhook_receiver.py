"""A receiver of webhooks on loopback that accepts everything, and lets a test wait for what comes."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.fakes.scripted_server import Answer, Received, answering

Found = TypeVar("Found")
PATIENCE_SECONDS = 60


@dataclass
class Receiver:
    """Where it listens, and what it was sent: headers in lower case, and body."""

    host: str = ""
    sent: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    _came: threading.Condition = field(default_factory=threading.Condition)

    def take(self, received: Received) -> Answer:
        with self._came:
            self.sent.append(({name.lower(): value for name, value in received.headers.items()}, received.body))
            self._came.notify_all()
        return Answer(status=204, body=b"")

    def events(self, kind: str) -> list[Any]:
        return [event for _, body in self.sent if (event := json.loads(body))["type"] == kind]

    def until(self, look: Callable[[], Found]) -> Found:
        """Look each time something comes, until there is something to see."""
        with self._came:
            found = self._came.wait_for(look, PATIENCE_SECONDS)
        assert found, f"waited in vain, after {[json.loads(body)['type'] for _, body in self.sent]}"
        return found


@contextmanager
def receiving() -> Generator[Receiver]:
    """Run a receiver while the block lasts; the organization has to allow its host."""
    receiver = Receiver()
    with answering(receiver.take) as url:
        receiver.host = url.removeprefix("http://")
        yield receiver
