"""One charging transaction, as its charger remembers it; it survives the charger's reboot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Transaction:
    """Registers are what the meter showed, in kWh; wall times are of the charger's own clock, `began_s` is monotonic.

    `transaction_id` is None until it is known: in 1.6 the other side gives it. `number` counts a charger's own.
    """

    number: int
    connector: int
    tag: str
    began_s: float
    started_wall_s: float
    register_start_kwh: float
    transaction_id: str | None = None
    is_authorized: bool = True
    was_remote: bool = False
    began_offline: bool = False
    sequence: int = 0
    ended_wall_s: float | None = None
    register_end_kwh: float | None = None
    reason: str = "Local"
    is_settled: bool = False
    """Its end has been taken by the other side."""
    limited_after_s: float | None = None
    """How long after its beginning the first TxProfile came."""

    @property
    def energy_kwh(self) -> float | None:
        """The whole of it, once it is over."""
        return None if self.register_end_kwh is None else self.register_end_kwh - self.register_start_kwh

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence - 1
