"""From what is on the disk back to a book: `recover`, a pure function, and around it `open_book`.

The file has a checkpoint and all that was promised since: starts, ends, new limits, each with its place in the order
of events and its wall time. They are played again on the domain, which ends by itself what was full or left in
between, up to the last sign of life. That is where the sessions stood. The time from then until now is an outage:
nothing was delivered in it, and a car that meant to leave in it has left with `PowerLoss`.

A start from the waiting list is such an event, with the wall time and so the grid time at which it was. So the list
itself is not played again: those who have not started as far as the file knows wait on, in the order in which they have
joined, and some of them may start as soon as the book begins.

Nor are sessions with a charger: what is booked for them stands in the file, and their energy is their charger's. The
others shared what was left beside them, which the file tells as it tells limits.

The clock may be behind the file's last sign of life, as it was set back meanwhile or was wrong before. Sessions then
go on from now; else they would charge unmetered until the clock has caught up. But a clock that is far behind is more
likely wrong now, as on a machine that has not asked for the time yet: numbers of tries and departures would be judged
by it, so that is refused, for the operator to look at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from smartgrid.domain.session import EndReason, Session
from smartgrid.domain.substation import Substation
from smartgrid.protocol import numbers
from smartgrid.protocol.numbers import ZERO
from smartgrid.runtime.clock import GridClock, TimeScale, rfc3339
from smartgrid.runtime.start_error import StartError
from smartgrid.substation.charger_book import ChargerBook
from smartgrid.substation.holding import Holding, Live
from smartgrid.substation.limits import Limits
from smartgrid.substation.record import Record, to_request
from smartgrid.substation.store import CapacityChange, Found, KeyRow, Store

MAX_CLOCK_BACK_S = 600.0
ON_REQUEST = (EndReason.STOPPED.value, EndReason.SUPERSEDED.value)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Event:
    """What is played again: `do` gets the grid time."""

    place: int
    wall_s: float
    do: Callable[[float], object]


class _Started(NamedTuple):
    """A start, with its place in the order of events."""

    place: int
    wall_s: float
    record: Record


def open_book(
    store: Store,
    clock: GridClock,
    *,
    drawn_capacity_kw: float,
    limits: Limits | None = None,
    max_clock_back_s: float = MAX_CLOCK_BACK_S,
    on_end: Callable[[Session], None] = lambda _: None,
    on_start: Callable[[float], None] = lambda _: None,
) -> ChargerBook:
    """The book as the store has it, now; in a new file an empty one, with `drawn_capacity_kw`.

    `on_end` and `on_start` are the book's. Raises StartError for a file from further in the future
    than `max_clock_back_s`.
    """
    now_s, limits = clock.wall_s(), limits or Limits()
    found = store.load()
    if found is None:
        substation = Substation(drawn_capacity_kw, clock.to_grid_s(now_s), revision=1)
        return ChargerBook(substation, clock, limits, now_s, on_end=on_end, on_start=on_start)
    _check_time(store.path, _last_sign_of_life(found), now_s, max_clock_back_s)
    return recover(found, store.load_keys(now_s, limits.key_life_s(clock)), clock, limits, now_s, on_end, on_start)


def _check_time(path: Path, alive_wall_s: float, now_wall_s: float, max_clock_back_s: float) -> None:
    ahead_s = alive_wall_s - now_wall_s
    if ahead_s <= 0:
        return
    told = f"{path} was last written at {rfc3339(alive_wall_s)}, and this machine's clock says {rfc3339(now_wall_s)}"
    if ahead_s > max_clock_back_s:
        raise StartError(
            f"{told}: set the clock right; if it was wrong before and is right now, "
            f"start once with SMARTGRID_MAX_CLOCK_BACK_S={int(ahead_s) + 60}"
        )
    log.warning("%s: its sessions go on from now", told)


def recover(
    found: Found,
    keys: Sequence[KeyRow],
    scale: TimeScale,
    limits: Limits,
    now_wall_s: float,
    on_end: Callable[[Session], None],
    on_start: Callable[[float], None] = lambda _: None,
) -> ChargerBook:
    """The book as the file has it, at `now_wall_s`; `keys` are those of ended sessions, oldest first."""
    alive_wall_s = _last_sign_of_life(found)
    file_scale = scale if found.checkpoint.time_scale is None else TimeScale(found.checkpoint.time_scale)
    replayed, ended = _replay(found, file_scale, alive_wall_s)
    wall_s = min(alive_wall_s, now_wall_s)
    there = [record for record in found.records if record.ended_wall_s is None]  # as far as the file knows
    over = [
        _over(record, ended[record.session_id], file_scale, _last_event(found) + place)
        for place, record in enumerate((record for record in there if record.session_id in ended), 1)
    ]
    moved = [_at_scale(record, file_scale, scale, wall_s) for record in there if record.session_id not in ended]
    active = [_holding(record, scale, _session(record, scale, replayed)) for record in moved if _has_started(record)]
    waiting = [_holding(record, scale) for record in moved if not _has_started(record)]
    substation = Substation(replayed.capacity_kw, scale.to_grid_s(wall_s), revision=1)
    substation.restore(session for holding in sorted(active, key=_start_order) if (session := _session_of(holding)))
    substation.set_booked(replayed.booked_kw, substation.now_s)
    substation.resume(scale.to_grid_s(now_wall_s))
    has_moved = file_scale.time_scale != scale.time_scale or alive_wall_s > now_wall_s
    return ChargerBook(
        substation,
        scale,
        limits,
        now_wall_s,
        on_end=on_end,
        on_start=on_start,
        holdings=sorted([*map(_remembered, keys), *over, *active, *waiting], key=lambda holding: holding.seq),
        changed=over + active + waiting if has_moved else over,
        last_seq=found.last_seq,
        last_event=_last_event(found) + len(over),
        configured_kw=found.checkpoint.configured_kw,
        chargers=found.chargers,
        connectors=found.connectors,
    )


def _last_sign_of_life(found: Found) -> float:
    times_s = [found.checkpoint.wall_s, found.alive_wall_s]
    times_s += [start.wall_s for start in _starts(found)]
    times_s += [record.joined_wall_s for record in found.records if record.joined_wall_s and not _has_started(record)]
    times_s += [record.ended_wall_s for record in found.records if record.ended_wall_s is not None]
    times_s += [change.wall_s for change in found.capacity_changes]
    return max(times_s)


def _last_event(found: Found) -> int:
    places = [found.checkpoint.last_event, *(change.event for change in found.capacity_changes)]
    places += [max(record.started_event or 0, record.ended_event or 0) for record in found.records]
    return max(places)


def _replay(found: Found, scale: TimeScale, until_wall_s: float) -> tuple[Substation, dict[str, Session]]:
    """The substation at its last sign of life, and the sessions that have ended since the checkpoint."""
    checkpoint = found.checkpoint
    substation = Substation(checkpoint.capacity_kw, scale.to_grid_s(checkpoint.wall_s))
    substation.set_booked(checkpoint.booked_kw, substation.now_s)
    by_seq = {record.seq: record for record in found.records}
    before = [(by_seq[seq], had_kwh) for seq, had_kwh in checkpoint.delivered_kwh.items() if seq in by_seq]
    substation.restore(
        Session(record.session_id, to_request(record, scale), _started_s(record, scale), delivered_kwh=had_kwh)
        for record, had_kwh in before
    )
    for event in sorted(_events(found, substation, scale), key=lambda event: event.place):
        event.do(scale.to_grid_s(event.wall_s))
    ended = substation.advance(scale.to_grid_s(until_wall_s))
    return substation, {session.session_id: session for session in ended}


def _events(found: Found, substation: Substation, scale: TimeScale) -> Iterable[_Event]:
    for start in _starts(found):
        yield _Event(start.place, start.wall_s, _start(start.record, substation, scale))
    for record in found.records:
        if not _has_started(record) or record.is_metered:
            continue
        if record.ended_event is not None and record.ended_wall_s is not None and record.end_reason in ON_REQUEST:
            yield _Event(record.ended_event, record.ended_wall_s, _stop(record, substation))
    for change in found.capacity_changes:
        yield _Event(change.event, change.wall_s, _set_capacity(change, substation))


def _starts(found: Found) -> list[_Started]:
    """Those after the checkpoint."""
    return [
        _Started(record.started_event, record.started_wall_s, record)
        for record in found.records
        if record.started_event is not None
        and record.started_wall_s is not None
        and not record.is_metered
        and record.started_event > found.checkpoint.last_event
    ]


def _has_started(record: Record) -> bool:
    return record.started_event is not None


def _started_s(record: Record, scale: TimeScale) -> float:
    return scale.to_grid_s(record.started_wall_s or 0.0)


def _start_order(holding: Holding) -> int:
    """Sessions that start later are the newer ones, whenever they have joined; equals stay as they are, by row."""
    return 0 if holding.live is None else holding.live.started_event or 0


def _session_of(holding: Holding) -> Session | None:
    return None if holding.live is None else holding.live.session


def _start(record: Record, substation: Substation, scale: TimeScale) -> Callable[[float], object]:
    def do(now_s: float) -> None:
        request = to_request(record, scale)
        if substation.admit(record.session_id, request, now_s) is None:  # it was promised, whatever is reckoned now
            substation.restore([Session(record.session_id, request, now_s)])

    return do


def _stop(record: Record, substation: Substation) -> Callable[[float], object]:
    reason = EndReason(record.end_reason or EndReason.STOPPED)
    return lambda now_s: substation.stop(record.session_id, now_s, reason)


def _set_capacity(change: CapacityChange, substation: Substation) -> Callable[[float], object]:
    def do(now_s: float) -> None:
        if change.capacity_kw != substation.capacity_kw:
            substation.set_capacity(change.capacity_kw, now_s)
        if change.booked_kw != substation.booked_kw:
            substation.set_booked(change.booked_kw, now_s)

    return do


def _at_scale(record: Record, before: TimeScale, scale: TimeScale, wall_s: float) -> Record:
    """The record of an active or waiting session on a clock whose scale may be another than before.

    A departure is a time of day, and stays. The limit on sessions is in hours of the substation's clock: what is left
    of it stays. No session has started, or joined the list, later than now.
    """
    leaves_wall_s = record.leaves_wall_s
    if scale.time_scale != before.time_scale and leaves_wall_s != record.departure_wall_s:
        leaves_wall_s = wall_s + scale.to_wall_s(before.to_grid_s(leaves_wall_s - wall_s))
    return record._replace(
        leaves_wall_s=leaves_wall_s,
        started_wall_s=_no_later(record.started_wall_s, wall_s),
        joined_wall_s=_no_later(record.joined_wall_s, wall_s),
    )


def _no_later(time_s: float | None, latest_s: float) -> float | None:
    return None if time_s is None else min(time_s, latest_s)


def _session(record: Record, scale: TimeScale, replayed: Substation) -> Session:
    """An active session as it was replayed."""
    before = replayed.find(record.session_id)
    delivered_kwh = 0.0 if before is None else before.delivered_kwh
    return Session(record.session_id, to_request(record, scale), _started_s(record, scale), delivered_kwh=delivered_kwh)


def _holding(record: Record, scale: TimeScale, session: Session | None = None) -> Holding:
    """Of a session that has not ended, as far as the file knows."""
    return Holding(
        record.seq,
        record.session_id,
        record.key_digest,
        numbers.decode(record.number) or ZERO,
        record.fingerprint,
        record.superseded_by,
        owner=record.owner,
        charger=record.charger,
        connector=record.connector,
        start_digest=record.start_digest,
        live=Live(
            to_request(record, scale) if session is None else session.request,
            record.departure_wall_s,
            record.leaves_wall_s,
            session,
            record.started_wall_s,
            record.started_event,
            record.joined_wall_s,
            record.wait_until_wall_s,
        ),
    )


def _over(record: Record, session: Session, scale: TimeScale, event: int) -> Holding:
    """A session that has ended by itself, which the file does not know yet."""
    holding = _holding(record, scale, session)
    holding.ended_wall_s = scale.to_wall_s(session.ended_s or 0.0)
    if holding.live is not None:
        holding.live.ended_event = event
    return holding


def _remembered(row: KeyRow) -> Holding:
    number = numbers.decode(row.number) or ZERO
    return Holding(
        row.seq,
        row.session_id,
        row.key_digest,
        number,
        row.fingerprint,
        row.superseded_by,
        row.ended_wall_s,
        owner=row.owner,
        charger=row.charger,
        connector=row.connector,
        start_digest=row.start_digest,
    )
