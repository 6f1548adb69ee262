"""What a child may use: memory, processor time, files, descriptors, network; and when it dies."""

import ctypes
import os
import resource
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_FIRST_EXTRA_DESCRIPTOR: Final = 3
_DESCRIPTORS: Final = 64
_FORBIDDEN_EVENTS: Final = ("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.system", "os.fork", "urllib.")


def confine(*, memory_bytes: int, parent_pid: int) -> None:
    """Limit this process for good, close all its files but the standard ones, and let it die with its parent.

    Raises:
        SystemExit: The parent is gone already.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the line above.
    if os.getppid() != parent_pid:
        sys.exit("the parent is gone")
    # uvloop, unlike asyncio, lets some of its own descriptors through.
    os.closerange(_FIRST_EXTRA_DESCRIPTOR, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    sys.addaudithook(_refuse)


def allow_processor_seconds(seconds: float) -> None:
    """Let this process compute for that much longer, counted over all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    # Modules that only define sockets are imported freely; using one is what raises these events.
    if event.startswith(_FORBIDDEN_EVENTS):
        raise PermissionError(f"A document parser may not do this: {event}")
