"""The process that forks one child a script: it is warm, has nothing worth stealing, and runs no script itself.

Started as `python -I -m assay.sandbox.zygote`, with a socket as its standard input.
"""

import gc
import os
import selectors
import signal
import socket
from contextlib import suppress
from typing import Final, NoReturn

from assay.sandbox import javascript
from assay.sandbox.confinement import address_space_bytes, confine, give_up_privileges
from assay.sandbox.protocol import COMMAND, ENDED, LENGTH, NOT_STARTED, READY, START, decode_request, encode_reply

_READ_BYTES: Final = 1 << 16


def main() -> None:
    """Serve commands until the socket closes; the children end with this process."""
    with socket.socket(fileno=os.dup(0)) as control:
        Zygote(control).serve()


class Zygote:
    """Knows its living children by the number that the sandbox gave them. One thread, so that a fork is safe."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._compiler = javascript.Compiler()
        self._pids: dict[int, int] = {}
        self._mapped_bytes = address_space_bytes()
        self._pid = os.getpid()
        self._wake, wakes = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wakes, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Say that it is ready, then fork, kill and report until the sandbox is gone."""
        give_up_privileges()
        # What is frozen is never touched again by the collector, so its pages stay shared with the children.
        gc.disable()
        gc.freeze()
        self._control.send(READY)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is not self._control:
                        self._report_ended()
                    elif not self._obey():
                        return

    def _obey(self) -> bool:
        packet, descriptors, _, _ = socket.recv_fds(self._control, COMMAND.size, 1)
        if not packet:
            return False
        command, number, seconds, memory_bytes = COMMAND.unpack(packet)
        if command == START:
            self._start(number, descriptors[0], seconds, memory_bytes)
            os.close(descriptors[0])
        elif number in self._pids:
            # Not yet reaped, so the number is still that child's.
            os.kill(self._pids[number], signal.SIGKILL)
        return True

    def _start(self, number: int, descriptor: int, seconds: float, memory_bytes: int) -> None:
        try:
            pid = os.fork()
        except OSError:
            self._control.send(ENDED.pack(number, NOT_STARTED))
            return
        if pid:
            self._pids[number] = pid
            return
        status = NOT_STARTED
        try:
            confine(
                keep=descriptor,
                zygote=self._pid,
                mapped_bytes=self._mapped_bytes,
                seconds=seconds,
                memory_bytes=memory_bytes,
            )
            status = 1
            _run_one_script(self._compiler)
        finally:
            # Whatever happens, a child must never go on as a second zygote.
            os._exit(status)

    def _report_ended(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, _READ_BYTES)
        numbers = {pid: number for number, pid in self._pids.items()}
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                number = numbers[pid]
                del self._pids[number]
                self._control.send(ENDED.pack(number, os.waitstatus_to_exitcode(status)))


def _run_one_script(compiler: javascript.Compiler) -> NoReturn:
    (length,) = LENGTH.unpack(_read(LENGTH.size))
    request = decode_request(_read(length))
    reply = memoryview(encode_reply(javascript.answer(request, compiler)))
    while reply:
        reply = reply[os.write(0, reply) :]
    os._exit(0)


def _read(size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        chunk = os.read(0, min(size - len(received), _READ_BYTES))
        if not chunk:
            os._exit(0)
        received += chunk
    return bytes(received)


if __name__ == "__main__":
    main()
