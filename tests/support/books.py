"""A substation's books in this process, on a real file, with a clock that the test sets."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import Session
from smartgrid.runtime.clock import GridClock
from smartgrid.substation.ledger import Ledger, LedgerError
from smartgrid.substation.store import Batch, Store

START_WALL_S = 1_800_000_000.0
GATE_TIMEOUT_S = 30.0


class SetClock(GridClock):
    """Stands still until it is told to go on."""

    def __init__(self, time_scale: float = 1.0) -> None:
        super().__init__(time_scale)
        self.set_s = START_WALL_S

    def wall_s(self) -> float:
        return self.set_s

    def pass_s(self, duration_s: float) -> None:
        self.set_s += duration_s


class TroubledStore(Store):
    """The real file, whose disk can be full, and whose commits can be held up."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.full = False
        self.may_commit, self.is_committing = threading.Event(), threading.Event()
        self.may_commit.set()

    def commit(self, batch: Batch) -> None:
        self.is_committing.set()
        assert self.may_commit.wait(GATE_TIMEOUT_S)
        self._check()
        super().commit(batch)

    def touch(self, alive_wall_s: float) -> None:
        self._check()
        super().touch(alive_wall_s)

    def _check(self) -> None:
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")

    @contextmanager
    def held(self) -> Iterator[None]:
        """No commit ends within."""
        self.may_commit.clear()
        self.is_committing.clear()
        try:
            yield
        finally:
            self.may_commit.set()


class Books:
    """A ledger that can crash and come back."""

    def __init__(
        self, folder: Path, clock: SetClock, capacity_kw: float | None = None, drawn_kw: float = 100.0
    ) -> None:
        self.folder, self.clock = folder, clock
        self.ended: list[Session] = []
        self.closed = False
        self.store = TroubledStore(folder)
        self.ledger = Ledger(self.store, clock, on_end=self.ended.append, keep_ended=1000, drawn_capacity_kw=drawn_kw)
        self.ledger.start(capacity_kw)

    def crash(self, folder: Path) -> Path:
        """What a `kill -9` leaves behind, copied to `folder` before these books are closed."""
        folder.mkdir()
        for name in ("substation.db", "substation.db-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(self.folder / name, folder / name)
        self.close()
        return folder

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.store.full = False
        self.store.may_commit.set()
        self.ledger.close()

    def refusal(self, request: ChargeRequest, key: str | None = None) -> type[LedgerError] | None:
        """Why a request is refused, or None where it is not."""
        try:
            self.ledger.charge(request, key)
        except LedgerError as error:
            return type(error)
        return None


def alive_wall_s(folder: Path) -> float:
    """Until when the file says that the substation lived, read without the product."""
    connection = sqlite3.connect(folder / "substation.db")
    try:
        return float(connection.execute("SELECT alive_wall_s FROM meta").fetchone()[0])
    finally:
        connection.close()


def a_car(
    min_kw: float = 4.0,
    max_kw: float = 11.0,
    energy_kwh: float = 22.0,
    departure_s: float | None = None,
    vehicle_id: str = "EV-1",
) -> ChargeRequest:
    return ChargeRequest(vehicle_id, energy_kwh, PowerRange(min_kw, max_kw), departure_s)
