"""`make soak MINUTES=60`: a grid under more load than it can serve, for long; its memory must stay flat.

Eight times as many clients as a gateway has threads charge, list and stop as fast as they are answered, each with a
token of its own, and most cars find the grid full. Besides come those who do harm: bodies that never end, connections
that say nothing, and rubbish. Printed each minute: what was answered, the median and p99 of probes of `/health`
meanwhile, and the memory of every process. It fails where a process has ended, where one has grown by more than
`MAX_GROWTH_MB` after the first fifth, and where an answer was a 500.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp
import click

from fuzz.api import rss_mb
from support.grid import Grid
from support.identity import Identities

CLIENTS, HARMFUL = 512, 16
MAX_GROWTH_MB = 16
WARM_UP_SHARE = 0.2
MINUTE_S = 60.0
TIMEOUT = aiohttp.ClientTimeout(total=60)
CAR = {"vehicle_id": "soak", "energy_kwh": 30, "max_power_kw": 22}


class Soak:
    """The load on one grid, and what came of it."""

    def __init__(self, grid: Grid, identities: Identities, lifetime_s: float) -> None:
        self.grid, self.end_s = grid, time.monotonic() + lifetime_s
        self.bearers = [identities.bearer(f"driver-{number}") for number in range(CLIENTS)]
        self.answers: Counter[str] = Counter()
        self.probes_s: list[float] = []

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.end_s

    async def client(self, number: int) -> None:
        """Charges, looks at its sessions and stops some of them, one request after the other."""
        async with aiohttp.ClientSession(self.grid.gateway.url, timeout=TIMEOUT, headers=self.bearers[number]) as http:
            while not self.is_over:
                session = await self.ask(http, "POST", "/charge", json=CAR)
                await self.ask(http, "GET", "/sessions?limit=10")
                if session and random.random() < 0.5:
                    await self.ask(http, "DELETE", f"/sessions/{session}")

    async def ask(self, http: aiohttp.ClientSession, method: str, path: str, **body: object) -> str | None:
        """The session's id, where the answer has one."""
        try:
            async with http.request(method, path, **body) as answer:  # type: ignore[arg-type]
                found = await answer.json(content_type=None)
                self.answers[f"{answer.status} {found.get('code', '')}".strip()] += 1
                return str(found["session_id"]) if answer.status == 201 else None
        except (aiohttp.ClientError, TimeoutError) as error:
            self.answers[type(error).__name__] += 1
            await asyncio.sleep(0.1)
            return None

    async def harm(self, number: int) -> None:
        """A body that does not end, silence, or rubbish, on one connection after the other."""
        kinds = [
            b"POST /charge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
            b"",
            b"\x16\x03\x01 rubbish\r\n\r\n",
        ]
        while not self.is_over:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.grid.gateway.port)
                writer.write(kinds[number % len(kinds)])
                await asyncio.wait_for(reader.read(), 20)
                writer.close()
            except (OSError, TimeoutError):
                await asyncio.sleep(0.1)

    async def probe(self) -> None:
        """How long a kubelet would wait."""
        async with aiohttp.ClientSession(self.grid.gateway.url, timeout=TIMEOUT) as http:
            while not self.is_over:
                begun_s = time.monotonic()
                await self.ask(http, "GET", "/health")
                self.probes_s.append(time.monotonic() - begun_s)
                await asyncio.sleep(0.5)

    async def watch(self) -> int:
        """Prints each minute; returns how many things were wrong."""
        begun_s, first, wrong = time.monotonic(), dict[str, float](), 0
        while not self.is_over:
            await asyncio.sleep(min(MINUTE_S, max(1.0, self.end_s - time.monotonic())))
            memory = {process.folder.name: rss_mb(process) for process in self.grid.processes}
            if not first and time.monotonic() - begun_s >= WARM_UP_SHARE * (self.end_s - begun_s):
                first = memory
            cuts = statistics.quantiles(self.probes_s or [0, 0], n=100)
            told = ", ".join(f"{name} {mb:.0f} MB" for name, mb in memory.items())
            minute = (time.monotonic() - begun_s) / MINUTE_S
            probes = f"{cuts[49] * 1e3:.0f} / {cuts[98] * 1e3:.0f} ms"
            click.echo(f"{minute:5.1f} min  probes {probes}  {told}  {dict(self.answers.most_common(5))}")
            self.probes_s.clear()
        for name, mb in memory.items():
            if mb - first.get(name, mb) > MAX_GROWTH_MB:
                click.echo(f"{name} grew from {first[name]:.0f} to {mb:.0f} MB")
                wrong += 1
        return wrong + sum(count for answer, count in self.answers.items() if answer.startswith("500"))

    async def run(self) -> int:
        """All of it at once."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                tasks.create_task(self.client(number))
            for number in range(HARMFUL):
                tasks.create_task(self.harm(number))
            tasks.create_task(self.probe())
            watching = tasks.create_task(self.watch())
        return watching.result()


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
def main(minutes: float) -> None:
    """See above."""
    with tempfile.TemporaryDirectory() as folder:
        identities = Identities(Path(folder) / "identities")
        with Grid(Path(folder), [100, 100, 100], gateways=1, time_scale=60, identities=identities) as grid:
            soak = Soak(grid, identities, minutes * 60)
            wrong = asyncio.run(soak.run())
            wrong += sum(not process.running for process in grid.processes)
    click.echo(f"{sum(soak.answers.values())} answers: {dict(soak.answers.most_common())}; {wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
