"""A substation's books in this process, on a real file, with a clock that the test sets."""

from __future__ import annotations

import math
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.session import Session
from smartgrid.protocol.numbers import Number
from smartgrid.runtime.clock import GridClock
from smartgrid.substation.charger_ledger import ChargerLedger
from smartgrid.substation.ledger import Told
from smartgrid.substation.limits import Limits
from smartgrid.substation.record import Record
from smartgrid.substation.recovery import MAX_CLOCK_BACK_S, open_book
from smartgrid.substation.refusals import LedgerError
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
    """The real file, whose disk can be full or unreadable, and whose commits can be held up."""

    def __init__(self, data_dir: Path) -> None:
        self.full = self.unreadable = False
        self.may_commit, self.is_committing = threading.Event(), threading.Event()
        self.may_commit.set()
        self.may_read = threading.Event()
        self.may_read.set()
        self.committed: list[Batch] = []
        super().__init__(data_dir)

    def commit(self, batch: Batch) -> None:
        self.is_committing.set()
        assert self.may_commit.wait(GATE_TIMEOUT_S)
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        super().commit(batch)
        self.committed.append(batch)

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        assert self.may_read.wait(GATE_TIMEOUT_S)
        if self.unreadable:
            raise sqlite3.DatabaseError("database disk image is malformed")
        return super()._read(query, *values)

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
        self,
        folder: Path,
        clock: SetClock,
        capacity_kw: float | None = None,
        drawn_kw: float = 100.0,
        limits: Limits | None = None,
        max_clock_back_s: float = MAX_CLOCK_BACK_S,
    ) -> None:
        self.folder, self.clock = folder, clock
        self.ended: list[Session] = []
        self.waited_s: list[float] = []
        self.closed = False
        self.store = TroubledStore(folder)
        try:
            book = open_book(
                self.store,
                clock,
                drawn_capacity_kw=drawn_kw,
                limits=limits,
                max_clock_back_s=max_clock_back_s,
                on_end=self.ended.append,
                on_start=self.waited_s.append,
            )
        except BaseException:
            self.store.close()
            raise
        self.ledger = ChargerLedger(self.store, clock, book)
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

    def charge(
        self,
        request: ChargeRequest,
        key: str | None = None,
        number: Number | None = None,
        owner: str | None = None,
    ) -> Told:
        """As the API charges: the fingerprint is the request's, however it is made."""
        return self.ledger.charge(request, key, number, repr(request), owner)

    def wait(
        self,
        request: ChargeRequest,
        key: str | None = None,
        number: Number | None = None,
        owner: str | None = None,
        until_wall_s: float = math.inf,
    ) -> Told:
        """As `charge`, of a car that waits if need be."""
        return self.ledger.charge(request, key, number, repr(request), owner, waits_until_s=until_wall_s)

    def refusal(
        self,
        request: ChargeRequest,
        key: str | None = None,
        number: Number | None = None,
        owner: str | None = None,
    ) -> type[LedgerError] | None:
        """Why a request is refused, or None where it is not."""
        try:
            self.charge(request, key, number, owner)
        except LedgerError as error:
            return type(error)
        return None

    def record(self, session_id: str) -> Record | None:
        told = self.ledger.find(session_id)
        return None if told is None else told.record


def alive_wall_s(folder: Path) -> float:
    """Until when the file says that the substation lived, read without the product."""
    connection = sqlite3.connect(folder / "substation.db")
    try:
        times = connection.execute(
            "SELECT (SELECT alive_wall_s FROM life), (SELECT wall_s FROM checkpoint), "
            "(SELECT max(started_wall_s) FROM session), (SELECT max(ended_wall_s) FROM session), "
            "(SELECT max(wall_s) FROM capacity_change), "
            "(SELECT max(joined_wall_s) FROM session WHERE started_wall_s IS NULL)"
        ).fetchone()
        return float(max(time_s for time_s in times if time_s is not None))
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
