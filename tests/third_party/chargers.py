"""Charger programs of others as processes: started at an edge, listened to, ended."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from support.processes import END_TIMEOUT_S, wait_until
from third_party import programs

WAIT_S = 60.0


def built(name: str) -> Path:
    """A program, or a skipped test where it cannot be built here; the project's CI may not do without."""
    try:
        return programs.built(name)
    except programs.MissingToolError as missing:
        if "CI" in os.environ:
            raise
        pytest.skip(str(missing))


class Program:
    """A process whose output is kept, line by line, and which takes lines on its standard input."""

    def __init__(self, command: Sequence[object], environment: Mapping[str, str] = {}) -> None:
        self.lines: list[str] = []
        self._popen = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._popen.kill()
        self._popen.wait(END_TIMEOUT_S)
        self._reader.join(END_TIMEOUT_S)
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def order(self, word: str) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write(f"{word}\n")
        self._popen.stdin.flush()

    def exit_code(self, timeout_s: float) -> int:
        return self._popen.wait(timeout_s)

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self.lines.append(line.rstrip("\n"))


class EventProgram(Program):
    """A charger of a script of ours on a library of others: each line is an event in JSON."""

    def events(self, kind: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [each for each in found if each["event"] == kind]

    def wait(self, kind: str) -> None:
        wait_until(lambda: bool(self.events(kind)), WAIT_S, f"the charger says {kind!r}; it said {self.lines[-5:]}")

    @property
    def power_kw(self) -> float:
        """As it was at its last reading."""
        found = self.events("power")
        return found[-1]["watts"] / 1000 if found else 0.0


class StrictCharger(EventProgram):
    """npm `ocpp-rpc` in strict mode, under `npm/charger.js`."""

    def __init__(self, url: str, name: str, subprotocol: str) -> None:
        modules = built("strict").parents[1]
        script = Path(__file__).parent / "npm/charger.js"
        super().__init__(["node", script, url, name, subprotocol], {"NODE_PATH": str(modules)})
