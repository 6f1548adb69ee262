"""What is left to a script whose interpreter is broken: native code in the confined child."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Runs as a child of the zygote would, but Python code stands for what an exploit could call.
PROGRAM = """
import ctypes, os, resource, signal, socket, sys
from assay.sandbox.confinement import confine, give_up_privileges

give_up_privileges()
parent, opened = os.getpid(), os.open("/etc/passwd", os.O_RDONLY)
reading, writing = os.pipe()
libc = ctypes.CDLL(None, use_errno=True)

def swallow_memory():
    held = []
    while True:
        held.append(bytearray(1 << 20))

ATTEMPTS = {
    "open": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "create": lambda: os.open("/tmp/assay-escaped", os.O_WRONLY | os.O_CREAT),
    "list": lambda: os.listdir("/"),
    "unlink": lambda: os.unlink("/tmp/assay-target"),
    "inherited": lambda: os.read(opened, 1),
    "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW),
    "pipe": lambda: os.pipe(),
    "duplicate": lambda: os.dup(0),
    "fork": lambda: os.fork(),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "signal the server": lambda: os.kill(int(sys.argv[1]), 0),
    "become root": lambda: os.setuid(0),
    "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    "memory": swallow_memory,
}

pid = os.fork()
if pid == 0:
    confine(keep=writing, zygote=parent, mapped_bytes=64 << 20, seconds=5, memory_bytes=1 << 20)
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
            os.write(0, f"{name}: done\\n".encode())
        except (OSError, MemoryError, ValueError) as error:
            os.write(0, f"{name}: refused\\n".encode())
    os._exit(0)
os.close(writing)
os.waitpid(pid, 0)
sys.stdout.write(os.read(reading, 1 << 16).decode())
"""

ATTEMPTS = (
    "open", "create", "list", "unlink", "inherited", "tcp", "udp", "unix", "raw", "pipe", "duplicate", "fork", "exec",
    "signal the server", "become root", "raise a limit", "memory",
)  # fmt: skip


@pytest.fixture(scope="module")
def outcome() -> dict[str, str]:
    target = Path("/tmp/assay-target")
    target.touch()
    try:
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(os.getpid())], capture_output=True, text=True, check=True, timeout=60
        )
        assert target.exists()
    finally:
        target.unlink(missing_ok=True)
    return dict(line.split(": ") for line in result.stdout.splitlines())


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_kernel_refuses(outcome: dict[str, str], attempt: str) -> None:
    assert outcome[attempt] == "refused"
