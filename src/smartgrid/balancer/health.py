"""Whether a substation may get cars, by how it has answered."""

from __future__ import annotations

from dataclasses import dataclass

MISSES_ALLOWED = 3


@dataclass(slots=True)
class Health:
    """In rotation until it has missed three polls in a row, or one thing that proves it gone; back with any answer."""

    missed: int = 0

    @property
    def in_rotation(self) -> bool:
        return self.missed < MISSES_ALLOWED

    def answered(self) -> None:
        self.missed = 0

    def missed_poll(self) -> None:
        self.missed += 1

    def refused(self) -> None:
        """It refused a connection, or left a car's request unanswered: no new cars until it answers again."""
        self.missed = MISSES_ALLOWED
