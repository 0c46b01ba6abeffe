"""The addresses of one host, found within a deadline.

`getaddrinfo` cannot be told how long it may take, and glibc takes its time: 5 s for each server, try and search domain,
so a name service that is away would hold every thread that opens a connection. So it runs in a few threads of its own
(`_LOOKUP_THREADS` for the whole process), and whoever needs an address waits for it no longer than they have time:

- An address in the URL needs no lookup.
- What was found is used for `FRESH_S`, the time to live that CoreDNS gives by default.
- After that the one who asks first begins a lookup and waits for it a moment (`PATIENCE_S`), in which a name service
  that is well answers. All the others meanwhile, and this one after that, go on with the last good addresses. They
  stay as long as nothing better is found: a name service that is away ends no one's service.
- Without any good address everyone waits for the one lookup under way, within their deadlines.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

FRESH_S = 5.0
PATIENCE_S = 0.2
_LOOKUP_THREADS = 8

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
LookUp = Callable[[str, int], list[Address]]


def look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    """Ask the name service, for as long as that takes. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError as error:
        raise OSError(f"{host!r} cannot be the name of a host") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


class Addresses:
    """Where one host is. Thread-safe."""

    def __init__(self, host: str, port: int, look_up: LookUp = look_up) -> None:
        self._host, self._port, self._look_up = host, port, look_up
        self._lock = threading.Lock()
        self._known = _literal(host, port)
        self._fresh_until_s = float("inf") if self._known else 0.0
        self._under_way: Future[list[Address]] | None = None

    def find(self, end_s: float) -> list[Address]:
        """The addresses, the best first, at `end_s` on the monotonic clock at the latest.

        Raises OSError where there are none, TimeoutError, which is one, if the name service did not answer in time.
        """
        with self._lock:
            now_s = time.monotonic()
            if now_s < self._fresh_until_s:
                return list(self._known)
            begins = self._under_way is None
            lookup = self._begin() if self._under_way is None else self._under_way
            known = list(self._known)
        if known and not begins:
            return known
        wait_s = max(0.0, end_s - now_s)
        try:
            return lookup.result(min(wait_s, PATIENCE_S) if known else wait_s)
        except OSError as error:
            if known:
                return known
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"the name {self._host} was not resolved in time") from None
            raise

    def demote(self, address: Address) -> None:
        """Have the others tried before this one, which could not be reached."""
        with self._lock:
            if address in self._known:
                self._known.remove(address)
                self._known.append(address)

    def _begin(self) -> Future[list[Address]]:
        lookup: Future[list[Address]] = Future()
        self._under_way = lookup
        _run(lambda: self._do(lookup))
        return lookup

    def _do(self, future: Future[list[Address]]) -> None:
        try:
            found = self._look_up(self._host, self._port)
            if not found:
                raise OSError(f"the name {self._host} has no address")
        except Exception as error:
            self._note([])
            future.set_exception(error if isinstance(error, OSError) else OSError(str(error)))
        else:
            self._note(found)
            future.set_result(list(found))

    def _note(self, found: list[Address]) -> None:
        with self._lock:
            self._known = found or self._known
            self._under_way = None
            if self._known:  # a failed lookup of a name that was known is not repeated at once either
                self._fresh_until_s = time.monotonic() + FRESH_S


def _literal(host: str, port: int) -> list[Address]:
    try:
        return look_up(host, port, socket.AI_NUMERICHOST)
    except OSError:
        return []


_waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()  # one for each host at the most
_threads: list[threading.Thread] = []
_threads_lock = threading.Lock()


def _run(job: Callable[[], None]) -> None:
    """Run it in one of the threads for lookups. They are daemons: the process ends although one hangs."""
    with _threads_lock:
        if len(_threads) < _LOOKUP_THREADS:
            thread = threading.Thread(target=_work, name=f"lookup-{len(_threads)}", daemon=True)
            _threads.append(thread)
            thread.start()
    _waiting.put(job)


def _work() -> None:
    while True:
        _waiting.get()()
