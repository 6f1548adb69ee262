"""What the kernel takes away from the zygote, and from each child that runs a script."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
from pathlib import Path
from struct import pack
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_RESTRICT_SELF: Final = 446
_LANDLOCK_ABI_QUERY: Final = 1
# A number that no account has and systemd hands out only for a while. `nobody` would not do: the
# embedded PostgreSQL may run as nobody, and an account may signal its own processes.
_NOBODY_ELSE: Final = 61_984
# Python keeps the request and the reply in a few copies beside the interpreter's own heap.
_COPIES: Final = 6
_ALLOWANCE_BYTES: Final = 32 << 20

_libc: Final = ctypes.CDLL(None, use_errno=True)


def give_up_privileges() -> None:
    """Make this process, if it is root's, that of an account that owns nothing."""
    if os.geteuid() != 0:
        return
    # A user namespace may not know the number; every other limit holds without it.
    with contextlib.suppress(OSError):
        os.setgroups([])
        os.setresgid(_NOBODY_ELSE, _NOBODY_ELSE, _NOBODY_ELSE)
        os.setresuid(_NOBODY_ELSE, _NOBODY_ELSE, _NOBODY_ELSE)


def address_space_bytes() -> int:
    """Return what this process has mapped now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def confine(*, keep: int, zygote: int, mapped_bytes: int, seconds: float, memory_bytes: int) -> None:
    """Leave this process, for good, the descriptor `keep` (which becomes 0), memory and time.

    Raises:
        SystemExit: The zygote is gone already.
    """
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # It may have died before the line above.
    if os.getppid() != zygote:
        sys.exit("the zygote is gone")
    os.dup2(keep, 0)
    _forbid_files_and_network()
    os.closerange(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    processor_seconds = math.ceil(seconds) + 1
    address_space = mapped_bytes + _COPIES * memory_bytes + _ALLOWANCE_BYTES
    for limit, value in (
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, processor_seconds),
        (resource.RLIMIT_AS, address_space),
    ):
        resource.setrlimit(limit, (value, value))


def _forbid_files_and_network() -> None:
    """Let Landlock deny all it knows, where the kernel has it. One domain a child: not even its siblings."""
    if sys.platform != "linux":
        return
    abi = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_ABI_QUERY)
    if abi < 1:
        return
    files = (1 << 13) - 1
    for since, right in ((2, 13), (3, 14), (5, 15)):
        files |= (abi >= since) << right
    network = 0b11 if abi >= 4 else 0
    scopes = 0b11 if abi >= 6 else 0
    attributes = pack("=QQQ", files, network, scopes)
    # A kernel refuses a structure that says more than it knows.
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if ruleset < 0 or _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
        sys.exit("the kernel has Landlock and refused it")
