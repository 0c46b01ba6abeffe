"""The attacks of the security review, in short, against a grid as it is delivered: three substations, a balancer and a
gateway as processes, with the settings that are the default.

What each attack showed has become impossible in one place of the code, which has tests of its own; here is seen that
it is impossible for whoever attacks from outside. Where a test elsewhere does the same to real processes, it is not
repeated:

| attack | finding | where |
|---|---|---|
| `t1`, `t2`, `t3`, `t4`, `t5` | C1 to C4, low | `test_connections.py` |
| `t6`, `f3`, `a6` | H6, M8, C5 | `test_hung_services.py` |
| `t7` | H10 | `tests/balancer/test_registrations.py` |
| `t8` | H1 | `tests/balancer/test_one_key_one_session.py` |
| `a4` | C6 | `tests/gateway/test_validation.py`, `tests/substation/test_api.py` |
| `a10`, `a11`, `a5` | H2 to H4 | `tests/gateway/test_tries.py`, `tests/balancer/test_unknown_outcome.py` |
| `d1`, `d2`, `d3`, `d8`, `d9` | H7 to H9, M9 | `tests/balancer/test_members_answers.py` |
| `d5`, `d6` | H5 | `tests/balancer/test_gray_substations.py` |
| `c1` | M6, M7 | `tests/http_client/` |
| `a2`, `a3`, `b1`, `b2`, `b3`, `e1` | M1 to M4, M10 | `tests/substation/`, `tests/runtime/test_clock.py` |
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from support.grid import Grid
from support.processes import Process

LONGEST_S = 30.0
TRIES = 5


@pytest.fixture(scope="package")
def shared_grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    with Grid(tmp_path_factory.mktemp("attacked"), [100.0] * 3, gateways=1) as grid:
        yield grid


def connect(target: Process) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.port), LONGEST_S)


def raw(target: Process, data: bytes) -> bytes:
    """The head of the answer, or what comes of it until the connection ends."""
    head = b""
    with connect(target) as made, suppress(ConnectionError):
        with suppress(BrokenPipeError, ConnectionResetError):  # one that refuses need not read it to its end
            made.sendall(data)
        while b"\r\n\r\n" not in head and (part := made.recv(65_536)):
            head += part
    return head


def while_open(target: Process, number: int, sent: bytes, work: Callable[[], None]) -> None:
    """Do the work while so many connections have sent just that, and none of them has been given up for it.

    The server gives them up in the end. So on a machine that had better things to do, it is done again: work that waits
    for the connections to be given up always does.
    """
    for _ in range(TRIES):
        with ExitStack() as stack:
            opened = [stack.enter_context(connect(target)) for _ in range(number)]
            for each in opened:
                each.sendall(sent)
            work()
            if all(is_open(each) for each in opened):
                return
    pytest.fail("it was done only after connections had been given up")


def is_open(connection: socket.socket) -> bool:
    """Whether nothing has come on it, neither an answer nor its end."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
