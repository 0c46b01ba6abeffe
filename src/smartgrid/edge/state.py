"""How chargers stand, as one moment's picture for whoever looks: the API, the console, the metrics.

`chargers.fleet.Fleet` makes it in the event loop; it is handed over to another thread as a whole. None is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.edge.ports import ChargerId, Obedience, OcppVersion

_WORST = (Obedience.IGNORES, Obedience.REJECTS, Obedience.UNKNOWN, Obedience.OBEYS)


@dataclass(frozen=True, slots=True)
class ConnectorState:
    """One connector. `limit_a` is what the charger was last told, per phase; `held_kw` what it may still draw.

    `fallback_a` is the safe current that it has confirmed.
    """

    connector: int
    status: str | None = None
    session_id: str | None = None
    transaction_id: str | None = None
    offer_kw: float | None = None
    limit_a: float | None = None
    phases: int | None = None
    power_kw: float | None = None
    currents_a: tuple[float | None, ...] = (None, None, None)
    held_kw: float | None = None
    fallback_a: float | None = None
    obedience: Obedience = Obedience.UNKNOWN


@dataclass(frozen=True, slots=True)
class ChargerState:
    """One charger that is, or was, connected since the edge started; `since_wall_s` is when it came, or left."""

    id: ChargerId
    connected: bool = False
    since_wall_s: float | None = None
    version: OcppVersion | None = None
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    quirks: str | None = None
    profile_writes: int = 0
    connectors: tuple[ConnectorState, ...] = ()

    @property
    def obedience(self) -> Obedience:
        """The worst of its connectors."""
        found = {each.obedience for each in self.connectors}
        return next((each for each in _WORST if each in found), Obedience.UNKNOWN)
