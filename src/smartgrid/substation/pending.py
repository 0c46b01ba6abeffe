"""What of a book is not on the disk yet, and what a commit takes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from smartgrid.protocol.keys import KeyEntry
from smartgrid.protocol.numbers import encode
from smartgrid.substation.charger_rows import ChargerChanges
from smartgrid.substation.holding import Holding, to_record
from smartgrid.substation.store import Batch, CapacityChange, Checkpoint


@dataclass(slots=True)
class Pending:
    """Rows that have changed, new limits, a checkpoint or a sign of life that is due."""

    changed: dict[int, Holding] = field(default_factory=dict)
    capacity_changes: list[CapacityChange] = field(default_factory=list)
    checkpoint: bool = False
    alive: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.capacity_changes or self.checkpoint or self.alive)


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
