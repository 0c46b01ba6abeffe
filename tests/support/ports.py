"""Ports for the processes of tests, each given to one test run at a time however many run on this machine."""

from __future__ import annotations

import atexit
import functools
import random
import resource
import socket
from contextlib import ExitStack

PORTS = range(20_000, 30_000)  # below the ports that the kernel gives to outgoing connections
TRIES = 1000
_kept = ExitStack()
atexit.register(_kept.close)


def free_port() -> int:
    """A port that nothing listens on, and that no one else is given while this process runs."""
    return free_ports(1)[0]


def free_ports(count: int) -> range:
    """So many, one after the other."""
    _may_open_more()
    rng = random.SystemRandom()
    for _ in range(TRIES):
        first = rng.randrange(PORTS.start, PORTS.stop - count + 1)
        if _take(found := range(first, first + count)):
            return found
    raise RuntimeError("no free ports")


@functools.cache
def _may_open_more() -> None:
    """Each port that was given holds a file, and a worker gives more than the 1,024 files of a plain user."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _take(ports: range) -> bool:
    with ExitStack() as taken:
        for port in ports:
            # The UDP port of the same number, which no one uses, says that it is given: a service that was killed
            # leaves its TCP port to whoever comes first until it is back. The mark goes with this process.
            mark = taken.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            if not (_binds(mark, port) and _is_free(port)):
                return False
        _kept.push(taken.pop_all())
        return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return _binds(probe, port)


def _binds(unbound: socket.socket, port: int) -> bool:
    try:
        unbound.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
