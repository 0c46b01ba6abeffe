"""What of a book is not on the disk yet, in the order of events, and what a commit takes of it.

What has changed since the last commit is one value, `Pending`. There are two of them: what no commit has taken, and
what the one that is under way has taken. A commit swaps them (`Unwritten.take`) and then tells what has become of it.
`written`: that one is forgotten. `lost`: all of it is pending again, but for the sessions that were never on the disk:
these are told back to the book, which takes them back as if they had never been.

Every start, end and new limit has the next place in the order of events, so that the course of things can be replayed
from the last checkpoint (`recovery`). A checkpoint is due once so much has happened since the last that a replay would
take long, and after a commit that was lost: what was taken back had an influence on the others meanwhile that no replay
knows of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from smartgrid.protocol.keys import KeyEntry
from smartgrid.protocol.numbers import encode
from smartgrid.substation.charger_rows import ChargerChanges
from smartgrid.substation.holding import Holding, to_record
from smartgrid.substation.store import Batch, CapacityChange, Checkpoint

CHECKPOINT_EVERY_EVENTS = 5000
"""So many events are replayed at the most after a crash."""


@dataclass(slots=True)
class Pending:
    """Rows that have changed, new limits, a checkpoint or a sign of life that is due."""

    changed: dict[int, Holding] = field(default_factory=dict)
    capacity_changes: list[CapacityChange] = field(default_factory=list)
    checkpoint: bool = False
    alive: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.capacity_changes or self.checkpoint or self.alive)


class Unwritten:
    """Of one book, of which `last_event` is on the disk."""

    def __init__(self, last_event: int) -> None:
        self._event = self._checkpoint_event = last_event
        self._open, self._in_flight = Pending(), Pending()

    def __bool__(self) -> bool:
        """Whether there is something that no commit has taken."""
        return bool(self._open)

    def has(self, holding: Holding) -> bool:
        """Whether something of it is not on the disk yet."""
        return holding.seq in self._open.changed or holding.seq in self._in_flight.changed

    def note(self, holding: Holding) -> None:
        """A row has changed."""
        self._open.changed[holding.seq] = holding

    def note_capacity(self, wall_s: float, capacity_kw: float, booked_kw: float) -> None:
        """There is another limit, or so much of it is booked for chargers now: an event."""
        self._open.capacity_changes.append(CapacityChange(self.next_event(), wall_s, capacity_kw, booked_kw))

    def next_event(self) -> int:
        """The place in the order of events of what has just happened."""
        self._event += 1
        return self._event

    def want_sign_of_life(self) -> None:
        self._open.alive = True

    def want_checkpoint(self) -> None:
        self._open.checkpoint = True

    def take(self) -> Pending:
        """All that no commit has taken; it is under way until it is `written` or `lost`."""
        self._in_flight, self._open = self._open, Pending()
        if self._event - self._checkpoint_event >= CHECKPOINT_EVERY_EVENTS:
            self._in_flight.checkpoint = True
        return self._in_flight

    def begin_checkpoint(self) -> int:
        """The last event that is in a checkpoint as of now."""
        self._checkpoint_event = self._event
        return self._event

    def written(self) -> None:
        """What was under way is on the disk."""
        self._in_flight = Pending()

    def lost(self) -> list[Holding]:
        """It is not, and neither is what has happened since; returns the rows that were never there."""
        changed = self._in_flight.changed | self._open.changed
        saved = {seq: holding for seq, holding in changed.items() if holding.saved}
        self._open, self._in_flight = Pending(changed=saved, checkpoint=True), Pending()
        return [holding for holding in changed.values() if not holding.saved]


class Taken(NamedTuple):
    """What a commit has taken: the pending, as it is written, and with the entries that the log gets then."""

    pending: Pending
    batch: Batch
    entries: list[KeyEntry]
    over: list[Holding]  # their ends are in the batch


def taken(pending: Pending, checkpoint: Checkpoint | None, wall_s: float, chargers: ChargerChanges) -> Taken:
    """All that is pending, as a commit at this time writes it; with a checkpoint where one is due."""
    whole = [holding for holding in pending.changed.values() if holding.live is not None]
    marked = [holding for holding in pending.changed.values() if holding.live is None]
    batch = Batch(
        [to_record(holding, wall_s) for holding in whole],
        [(encode(holding.number), holding.superseded_by, holding.seq) for holding in marked],
        pending.capacity_changes if checkpoint is None else [],
        checkpoint,
        wall_s if pending.alive or checkpoint is not None else None,
        chargers,
    )
    entries = [holding.entry for holding in pending.changed.values()]
    return Taken(pending, batch, entries, [holding for holding in whole if holding.ended_wall_s is not None])
