"""A closed-loop HTTP load of fixed requests over kept connections, cheap enough not to be what is measured."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
GRACE_S = 10.0


@dataclass
class Load:
    """What a load measured. `statuses` counts answers by HTTP status."""

    duration_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.duration_s

    def percentile_ms(self, share: float) -> float:
        """By nearest rank."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Connection(asyncio.Protocol):
    def __init__(self, load: Load, make: Callable[[], bytes], end_s: float, done: asyncio.Future[None]) -> None:
        self._load, self._make, self._end_s, self._done = load, make, end_s, done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if separator and len(body) >= _content_length(head):
            self._load.latencies_s.append(time.perf_counter() - self._sent_s)
            self._load.statuses[int(head[9:12])] += 1
            self._buffer = b""
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        self._sent_s = time.perf_counter()
        if self._sent_s >= self._end_s:
            self._transport.close()
        else:
            self._transport.write(self._make())  # type: ignore[attr-defined]


def _content_length(head: bytes) -> int:
    _, _, after = head.lower().partition(b"content-length:")
    return int(after.split(b"\r\n", 1)[0])


def run(port: int, make: Callable[[], bytes], connections: int, duration_s: float) -> Load:
    """Send what `make` makes over each connection, again with every answer, for `duration_s`."""
    return asyncio.run(_run(port, make, connections, duration_s))


async def _run(port: int, make: Callable[[], bytes], connections: int, duration_s: float) -> Load:
    loop, load, begun_s = asyncio.get_running_loop(), Load(), time.perf_counter()
    ends = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(
            lambda end=end: _Connection(load, make, begun_s + duration_s, end), "127.0.0.1", port
        )
    await asyncio.wait(ends, timeout=duration_s + GRACE_S)
    load.duration_s = time.perf_counter() - begun_s
    return load


def cpu_s(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
