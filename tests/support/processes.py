"""Real service processes for tests: start, wait until ready, call over HTTP, end in order or by kill -9."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support import forked
from support.http import Reply, call
from support.ports import free_port

READY_TIMEOUT_S = 60.0
START_ALL_TIMEOUT_S = 180.0  # of many at once on a busy machine
END_TIMEOUT_S = 30.0
LOOK_S = 0.02
LONGEST_LOOK_S = 0.1


class Started(ABC):
    """What a `with` starts, and ends however it is left."""

    @abstractmethod
    def start(self) -> Self: ...

    @abstractmethod
    def end(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.end()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Process(Started):
    """One service as it runs in a container; settings are its `SMARTGRID_*` variables, without the prefix.

    >>> with Process("substation", tmp_path / "s0", capacity_kw=100) as substation:
    ...     substation.call("GET", "/status").json()
    """

    def __init__(self, service: str, folder: Path, *, port: int | None = None, **settings: object) -> None:
        self.service, self.folder = service, folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {"port": self.port, "data_dir": folder / "data", **settings}
        assert self.settings["data_dir"], "its default is a folder that all processes of the repository would share"
        self.log_path = folder / f"{service}.log"
        self._popen: forked.Popen | None = None
        folder.mkdir(parents=True, exist_ok=True)

    # ------------------------------------------------------------------ life

    def launch(self) -> Self:
        """Start it without waiting; the log goes on where it was."""
        self._popen = forked.launch(self.service, environment(self.settings), self.log_path)
        return self

    def start(self) -> Self:
        """Start it and wait until it is ready."""
        self.launch()
        self.wait_ready()
        return self

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        def ready() -> bool:
            assert self.running, f"{self.service} ended with code {self.popen.returncode}:\n{self.log()}"
            reply = self.try_call("GET", "/ready")
            return reply is not None and reply.status == 200

        wait_until(ready, timeout_s, f"{self.service} is ready")

    def kill(self) -> None:
        """End it as `kill -9` does, with no chance to tidy up."""
        self.popen.kill()
        self.popen.wait(END_TIMEOUT_S)

    def terminate(self, timeout_s: float = END_TIMEOUT_S) -> int:
        """End it in order, as Kubernetes does; returns its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.exit_code(timeout_s)

    def restart(self) -> Self:
        """Start it again after its end, at the same address with the same data."""
        return self.start()

    def exit_code(self, timeout_s: float = END_TIMEOUT_S) -> int:
        """Wait for its own end."""
        return self.popen.wait(timeout_s)

    @property
    def popen(self) -> forked.Popen:
        assert self._popen is not None, f"{self.service} was not started"
        return self._popen

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def log(self) -> str:
        """All that it has written to standard output and error."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def end(self) -> None:
        """Kill it if it runs."""
        if self._popen is not None and self.running:
            self.kill()

    # ------------------------------------------------------------------ HTTP

    def call(self, method: str, path: str, **options: Any) -> Reply:
        """One HTTP exchange on a connection of its own; see `support.http.call`."""
        return call(method, self.url + path, **options)

    def try_call(self, method: str, path: str, **options: Any) -> Reply | None:
        """The same, or None where no answer came."""
        try:
            return self.call(method, path, **options)
        except OSError:
            return None


def start_all(processes: Iterable[Process]) -> None:
    """Start together, as each takes a second of CPU by itself, and wait until all are ready."""
    started = [process.launch() for process in processes]
    for process in started:
        process.wait_ready(START_ALL_TIMEOUT_S)


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Started together, and ended however the block is left."""
    try:
        start_all(processes)
        yield
    finally:
        for process in processes:
            process.end()


@contextmanager
def frozen(process: Process) -> Iterator[None]:
    """Stopped in its tracks by SIGSTOP: connections are still accepted by the kernel, and nothing is answered."""
    process.popen.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)  # on a busy machine its other threads go on for a while
    try:
        yield
    finally:
        process.popen.send_signal(signal.SIGCONT)


def run_to_end(service: str, *, timeout_s: float = END_TIMEOUT_S, **settings: Any) -> tuple[int, str]:
    """Run a service that is expected to end by itself; returns its exit code and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        process = Process(service, Path(folder), **settings).launch()
        try:
            return process.exit_code(timeout_s), process.log()
        finally:
            process.end()


def environment(settings: dict[str, object]) -> dict[str, str]:
    """This process's environment with these `SMARTGRID_*` variables and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMARTGRID_")}
    given = {f"SMARTGRID_{name.upper()}": str(value) for name, value in settings.items() if value is not None}
    return kept | given


def wait_until(condition: Any, timeout_s: float = 30.0, what: str = "") -> None:
    """Look until `condition()` holds; fails after `timeout_s`. Every 20 ms at first, and at last every 100 ms, as each
    look takes CPU, which all tests share."""
    begun_s = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - begun_s
        assert waited_s < timeout_s, f"not within {timeout_s:g} s: {what or condition}"
        time.sleep(min(max(LOOK_S, waited_s / 50), LONGEST_LOOK_S))
