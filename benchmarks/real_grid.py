"""Real substation processes under recorded arrivals: what the benchmarks of placement share."""

from __future__ import annotations

import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import load

from smartgrid.workload.car import Car
from smartgrid.workload.poisson import Workload

START_TIMEOUT_S = 300
END_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 10.0
SAMPLE_EVERY_S = 0.5


@dataclass
class Run:
    """What one contender did with the arrivals."""

    accepted_kwh: float = 0.0
    offered_kwh: float = 0.0
    admitted: int = 0
    refused: int = 0
    failed: int = 0
    latencies_s: list[float] = field(default_factory=list)
    deviations: list[float] = field(default_factory=list)
    over_capacity: int = 0  # samples in which a substation gave more than its capacity

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def load_sd(self) -> float:
        return statistics.fmean(self.deviations) if self.deviations else math.nan


@contextmanager
def service(kind: str, port: int, settings: Mapping[str, str], folder: Path) -> Iterator[int]:
    """One of our services as its own process; yields its process id once it is ready."""
    environment = {
        "SMARTGRID_HOST": "127.0.0.1",
        "SMARTGRID_PORT": str(port),
        "SMARTGRID_DATA_DIR": str(folder / f"{kind}-{port}"),
        "SMARTGRID_LOG_LEVEL": "error",
        **settings,
    }
    command = [sys.executable, "-m", "smartgrid", kind]
    with program(command, folder / f"{kind}-{port}.log", environment) as pid:
        wait_until_ready(port, "/ready")
        yield pid


@contextmanager
def program(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Any program; ended on leaving."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        started = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **(environment or {})})
    try:
        yield started.pid
    finally:
        started.terminate()
        try:
            started.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextmanager
def substations(workload: Workload, first_port: int, time_scale: float, folder: Path) -> Iterator[dict[str, int]]:
    """A process for each substation of the workload; yields their ports by name."""
    ports = {f"substation-{i}": first_port + i for i in range(len(workload.capacities_kw))}
    with _all([
        service("substation", port, {
            "SMARTGRID_NAME": name,
            "SMARTGRID_CAPACITY_KW": repr(capacity_kw),
            "SMARTGRID_TIME_SCALE": repr(time_scale),
        }, folder)
        for (name, port), capacity_kw in zip(ports.items(), workload.capacities_kw, strict=True)
    ]):  # fmt: skip
        yield ports


@contextmanager
def balancer(port: int, members: Mapping[str, int], policy: str, folder: Path) -> Iterator[int]:
    """Our balancer over these substations."""
    urls = ",".join(f"{name}=http://127.0.0.1:{member}" for name, member in members.items())
    settings = {"SMARTGRID_SUBSTATIONS": urls, "SMARTGRID_POLICY": policy, "SMARTGRID_NAME": f"balancer-{port}"}
    with service("balancer", port, settings, folder / policy) as pid:
        time.sleep(2)  # every substation has been heard of
        yield pid


def wait_until_ready(port: int, path: str) -> None:
    end_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).close()
            return
        except OSError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.1)


def end_all_sessions(ports: Mapping[str, int]) -> None:
    """So that the next contender begins with empty substations."""
    for port in ports.values():
        base = f"http://127.0.0.1:{port}"
        for state in ("Charging", "SuspendedEVSE"):
            for session in _sessions(f"{base}/charge?limit=100&state={state}"):
                urlopen(Request(f"{base}/charge/{session['session_id']}", method="DELETE"), timeout=10).close()


def drive(port: int, workload: Workload, members: Mapping[str, int], speedup: float) -> Run:
    """Send every car at its time (`speedup` times as fast) and watch the substations meanwhile."""
    return asyncio.run(_drive(port, workload, members, speedup))


def processes_of(pid: int) -> list[int]:
    """It and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in processes_of(int(child)))]


def cpu_s(pid: int) -> float:
    return sum(load.cpu_s(each) for each in processes_of(pid))


def memory_mb(pid: int) -> float:
    return sum(load.memory_mb(each) for each in processes_of(pid))


def _sessions(url: str) -> Iterator[dict[str, object]]:
    cursor = ""
    while True:
        with urlopen(url + cursor, timeout=10) as answer:
            page = json.load(answer)
        yield from page["sessions"]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


@contextmanager
def _all(managers: Sequence[object]) -> Iterator[None]:
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import ExitStack

    with ExitStack() as stack:
        with ThreadPoolExecutor(4) as pool:  # some start at the same time
            started = [pool.submit(manager.__enter__) for manager in managers]  # type: ignore[attr-defined]
        for manager, each in zip(managers, started, strict=True):
            if each.exception() is None:
                stack.push(manager.__exit__)  # type: ignore[attr-defined]
        for each in started:
            each.result()
        yield


async def _drive(port: int, workload: Workload, members: Mapping[str, int], speedup: float) -> Run:
    run, begun_s = Run(), time.perf_counter()
    sampler = asyncio.create_task(_sample(run, members))
    cars = [asyncio.create_task(_send(run, port, car, begun_s + car.arrival_s / speedup)) for car in workload.cars]
    await asyncio.gather(*cars)
    sampler.cancel()
    return run


async def _send(run: Run, port: int, car: Car, at_s: float) -> None:
    await asyncio.sleep(max(0.0, at_s - time.perf_counter()))
    request = car.request
    wish = {"vehicle_id": request.vehicle_id, "energy_kwh": request.energy_kwh,
            "max_power_kw": request.power.max_kw, "min_power_kw": request.power.min_kw}  # fmt: skip
    run.offered_kwh += request.energy_kwh
    begun_s = time.perf_counter()
    status, _ = await _call(port, "POST", "/charge", json.dumps(wish))
    run.latencies_s.append(time.perf_counter() - begun_s)
    if status == 201:
        run.admitted += 1
        run.accepted_kwh += request.energy_kwh
    elif status == 503:
        run.refused += 1
    else:
        run.failed += 1


async def _sample(run: Run, members: Mapping[str, int]) -> None:
    while True:
        answers = await asyncio.gather(*(_call(port, "GET", "/status") for port in members.values()))
        statuses = [json.loads(body) for status, body in answers if status == 200]
        if len(statuses) == len(members):
            run.deviations.append(statistics.pstdev(status["load_percentage"] for status in statuses))
            run.over_capacity += any(status["load_kw"] > status["capacity_kw"] + 1e-6 for status in statuses)
        await asyncio.sleep(SAMPLE_EVERY_S)


async def _call(port: int, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    """One request over a connection of its own; status 0 if there is no answer."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return 0, b""
    head, _, rest = answer.partition(b"\r\n\r\n")
    return (int(head[9:12]) if head else 0), rest
