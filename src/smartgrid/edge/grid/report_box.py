"""What one substation has still to be told of its sessions. Pure: times are arguments, of one monotonic clock.

A report is a state, not an event: of each session the latest is kept, and it counts as told once a batch with just it
in it has arrived. So a batch may be lost, or arrive twice, or be overtaken by what has changed meanwhile, and nothing
has to be put back. After a restart of the substation everything is told once more (`repeat_all`).

Whatever frees power for others is told at once: a lower limit that a charger has confirmed, a later offer that it has
adopted, and so is a claim, and whether a charger is controlled at all. The rest, mostly meter values, is gathered for
`GATHER_S`, so that a substation with a hundred chargers is sent one batch a second and not a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from smartgrid.edge.ports import SessionReport
from smartgrid.runtime.clock import rfc3339

GATHER_S = 1.0
MAX_BATCH = 150
"""A request has at most 64 KiB: so many reports have about 40."""
MAX_ANSWER_BYTES = 1024 * 1024
MAX_SESSIONS = 10_000


class Connectors(NamedTuple):
    """How many there are, and how many are free."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What is told at once."""

    reports: tuple[SessionReport, ...]
    claims: tuple[tuple[str, int], ...]
    connectors: Connectors | None
    is_given_back: bool = False
    """Whether its claims are in nobody's name."""


class ReportBox:
    """`due_s` is when the next batch is to be sent; infinity while there is nothing to tell."""

    def __init__(self) -> None:
        self.due_s = math.inf
        self._latest: dict[str, SessionReport] = {}
        self._unsent: dict[str, None] = {}
        self._claims: dict[str, int] = {}
        self._given_back: dict[str, int] = {}
        self._connectors: Connectors | None = None
        self._told_connectors: Connectors | None = None
        self._largest = MAX_BATCH

    def __len__(self) -> int:
        """Of how many sessions there are reports."""
        return len(self._latest)

    def add(self, report: SessionReport, now_s: float) -> bool:
        """Take in the state of a session. False if there are too many already, and it was not."""
        before = self._latest.get(report.session_id)
        if before is None and len(self._latest) >= MAX_SESSIONS:
            return False
        self._latest[report.session_id] = report
        self._unsent[report.session_id] = None
        self._want(now_s if _is_urgent(before, report) else now_s + GATHER_S)
        return True

    def is_told(self, session_id: str) -> bool:
        """Whether the newest report of it has arrived."""
        return session_id in self._latest and session_id not in self._unsent

    def claim(self, session_id: str, number: int, now_s: float) -> None:
        """Ask to hold a session whose number is this one."""
        if len(self._claims) < MAX_SESSIONS or session_id in self._claims:
            self._claims[session_id] = number
            self._given_back.pop(session_id, None)
            self._want(now_s)

    def give_back(self, session_id: str, number: int, now_s: float) -> None:
        """Hold a session no longer, if its number is still this one: nobody is to hold it."""
        if len(self._given_back) < MAX_SESSIONS or session_id in self._given_back:
            self._given_back[session_id] = number
            self._claims.pop(session_id, None)
            self._want(now_s)

    def set_connectors(self, connectors: Connectors, now_s: float) -> None:
        self._connectors = connectors
        if self._connectors != self._told_connectors:
            self._want(now_s)

    def repeat_all(self, now_s: float) -> None:
        """Tell everything anew: the substation may know nothing of it any more."""
        self._unsent.update(dict.fromkeys(self._latest))
        self._told_connectors = None
        if self._latest or self._connectors or self._claims or self._given_back:
            self._want(now_s)

    def forget(self, session_ids: Iterable[str]) -> None:
        """These have ended."""
        for session_id in session_ids:
            self._latest.pop(session_id, None)
            self._unsent.pop(session_id, None)
            self._claims.pop(session_id, None)
            self._given_back.pop(session_id, None)

    def take(self) -> Batch:
        """The next batch. It stays to be told until it has `arrived`."""
        self.due_s = math.inf
        if self._given_back:
            return Batch((), tuple(islice(self._given_back.items(), self._largest)), None, is_given_back=True)
        reports = tuple(self._latest[each] for each in islice(self._unsent, self._largest))
        return Batch(reports, tuple(islice(self._claims.items(), self._largest)), self._connectors)

    def arrived(self, batch: Batch, now_s: float) -> None:
        """The substation has taken it. What is still to be told follows at once."""
        if batch.is_given_back:
            for session_id, number in batch.claims:
                if self._given_back.get(session_id) == number:
                    del self._given_back[session_id]
            self._want(now_s)
            return
        for report in batch.reports:
            if self._latest.get(report.session_id) is report:
                self._unsent.pop(report.session_id, None)
        for session_id, number in batch.claims:
            if self._claims.get(session_id) == number:
                del self._claims[session_id]
        self._told_connectors = batch.connectors
        if len(batch.reports) == self._largest or len(batch.claims) == self._largest:
            self._want(now_s)
        elif not self._unsent:
            self._largest = MAX_BATCH

    def failed(self, now_s: float) -> None:
        """It has not arrived, as far as is known: it is told again."""
        self._want(now_s)

    def refused(self, batch: Batch, now_s: float) -> bool:
        """The substation will not have it. It is told again by halves, down to single ones, so that one that is wrong
        spoils no other; what is refused by itself is lost, which is what True says."""
        size = max(len(batch.reports), len(batch.claims))
        if size > 1:
            self._largest = size // 2
            self._want(now_s)
            return False
        self.arrived(batch, now_s)
        return True

    def _want(self, at_s: float) -> None:
        self.due_s = min(self.due_s, at_s)


def encode(batch: Batch, epoch: int, edge: str, sequence: int) -> bytes:
    """The body of `POST /reports`. `sequence` is greater with each, so that one that comes late undoes nothing."""
    found: dict[str, Any] = {
        "epoch": epoch,
        "edge": edge,
        "sequence": sequence,
        "connectors": None if batch.connectors is None else batch.connectors._asdict(),
        "sessions": [_wire(report) for report in batch.reports],
    }
    if batch.claims:
        found["claims"] = batch.claims
    return to_json(found)


def read_gone(body: bytes) -> list[str]:
    """The sessions that a substation, in its answer to reports, says that it does not have; none if it says rubbish."""
    try:
        found = from_json(body)
    except ValueError:
        return []
    gone = found.get("gone") if isinstance(found, dict) else None
    return [each for each in gone if isinstance(each, str)] if isinstance(gone, list) else []


def _is_urgent(before: SessionReport | None, now: SessionReport) -> bool:
    """Whether it frees power that others wait for, says that a charger is not what it was taken for, or has a safe
    current that is waited with until this has arrived."""
    if before is None or now.is_controlled != before.is_controlled:
        return True
    if now.held_kw is not None and (before.held_kw is None or now.held_kw < before.held_kw):
        return True
    return now.number > before.number or now.fallback_kw != before.fallback_kw


def _wire(report: SessionReport) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        "session_id": report.session_id,
        "number": report.number,
        "held_kw": report.held_kw,
        "fallback_kw": report.fallback_kw,
        "rating_kw": report.rating_kw,
        "is_controlled": report.is_controlled,
    }
    if report.power_kw is not None:
        found["power_kw"] = report.power_kw
    if report.energy_kwh is not None:
        found["energy_kwh"] = report.energy_kwh
    if report.measured_wall_s is not None:
        found["measured_at"] = rfc3339(report.measured_wall_s)
    if report.car is not None:
        found["car"] = report.car
    return found
