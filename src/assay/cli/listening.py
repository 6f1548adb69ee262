"""Where `assay serve` listens: the address is taken first, so that one that is not to be had costs no start."""

import errno
import socket
from collections.abc import Sequence

from assay.cli.failure import ExitCode, Failure

_REASONS = {
    errno.EADDRINUSE: ("is in use", "Another server may run there; --port names another one, 0 takes a free one."),
    errno.EACCES: ("may only be taken by root", "--port names another one, from 1024 on."),
    errno.EADDRNOTAVAIL: ("is no address of this machine", "--host is 127.0.0.1 for this machine, 0.0.0.0 for all."),
}


def take(host: str, port: int) -> Sequence[socket.socket]:
    """Bind a socket to each address of the host, all with one port; 0 takes a free one. None of them listens yet.

    Raises:
        Failure: the host is unknown, or one of its addresses cannot be had.
    """
    taken: list[socket.socket] = []
    try:
        for family, kind, protocol, _name, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            shared_port = taken[0].getsockname()[1] if taken else port
            taken.append(_bound(socket.socket(family, kind, protocol), (address[0], shared_port, *address[2:])))
    except OSError as error:
        for one in taken:
            one.close()
        raise _failure(host, port, error) from error
    return taken


def _bound(one: socket.socket, address: tuple[str | int, ...]) -> socket.socket:
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if one.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def _failure(host: str, port: int, error: OSError) -> Failure:
    if isinstance(error, socket.gaierror):
        return Failure(f"The host {host} is unknown: {error.strerror}.", exit_code=ExitCode.MISUSED)
    reason, hint = _REASONS.get(error.errno or 0, (f"cannot be taken: {error.strerror}", None))
    return Failure(f"{host}:{port} {reason}.", hint=hint)
