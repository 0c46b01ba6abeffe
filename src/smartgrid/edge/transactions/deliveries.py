"""Tells substations of the starts and ends of transactions: in order for each connector, again and again until taken.

What there is to tell is not a queue of its own: it follows from the transactions (`wants_start`, `wants_end`), which
are on the disk. So after a crash nothing is missing, and what was told and not noted is told again, by the same key.

A connector has one order under way at a time; its next is looked for when that is answered. A substation gets `ABREAST`
at a time, so that the return of one after an outage is no flood. What is not taken now is tried again after a
time that doubles up to `MOST_DELAY_S`, jittered, for ever. But what cannot be said, or is not understood, is set aside
after `MOST_UNUSABLE` tries, as if it had been refused: else it would stand before all that follow at its connector.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from smartgrid.edge.ports import ChargerId, EndOrder, Grid, OpenSession, Outcome, StartOrder
from smartgrid.edge.transactions.transaction import Transaction
from smartgrid.runtime import logs
from smartgrid.runtime.backoff import Backoff

log = logging.getLogger(__name__)
ABREAST = 8
FIRST_DELAY_S, MOST_DELAY_S = 0.5, 30.0
MOST_UNUSABLE = 160
"""About an hour: a substation that is of an older version, as all are replaced, is not for so long."""


@dataclass(slots=True)
class _Lane:
    """A connector with something to tell: it waits for its turn, for an answer, or for the next try."""

    charger: ChargerId
    connector: int
    backoff: Backoff
    unusable: int = 0
    """Tries one after the other whose order was `Outcome.UNUSABLE`."""


@dataclass(slots=True)
class _Substation:
    under_way: int = 0
    queue: deque[_Lane] = field(default_factory=deque)


class Deliveries:
    """`next_of` gives what is to be told next of a connector, `start_order` makes a start of it.

    `told` is called after each order that was taken, or refused for good (then with the reason).
    """

    def __init__(
        self,
        grid: Grid,
        later: Callable[[float, Callable[[], None]], object],
        rng: random.Random,
        wall: Callable[[], float],
        *,
        next_of: Callable[[ChargerId, int], Transaction | None],
        start_order: Callable[[Transaction], StartOrder],
        told: Callable[[Transaction, OpenSession | None, str], None],
    ) -> None:
        self._grid, self._later, self._rng, self._wall = grid, later, rng, wall
        self._next_of, self._start_order, self._told = next_of, start_order, told
        self._lanes: dict[tuple[ChargerId, int], _Lane] = {}
        self._substations: dict[str, _Substation] = {}

    def look(self, charger: ChargerId, connector: int) -> None:
        """There may be something to tell of this connector. Cheap where there is not, or it is seen to already."""
        if (charger, connector) in self._lanes or self._next_of(charger, connector) is None:
            return
        backoff = Backoff(FIRST_DELAY_S, MOST_DELAY_S, self._rng)
        lane = self._lanes[charger, connector] = _Lane(charger, connector, backoff)
        self._queue(lane)

    def _queue(self, lane: _Lane) -> None:
        substation = self._substations.setdefault(lane.charger.substation, _Substation())
        substation.queue.append(lane)
        self._pump(substation)

    def _pump(self, substation: _Substation) -> None:
        while substation.queue and substation.under_way < ABREAST:
            lane = substation.queue.popleft()
            transaction = self._next_of(lane.charger, lane.connector)
            if transaction is None:
                del self._lanes[lane.charger, lane.connector]
                continue
            substation.under_way += 1
            if transaction.wants_start:
                self._start(substation, lane, transaction)
            else:
                self._end(substation, lane, transaction)

    def _start(self, substation: _Substation, lane: _Lane, transaction: Transaction) -> None:
        def done(outcome: Outcome, session: OpenSession | None, why: str) -> None:
            outcome = self._settled(lane, outcome)
            if outcome is Outcome.DONE and session is not None:
                transaction.session_id = session.session_id
            elif outcome is Outcome.REFUSED:
                transaction.is_refused = True
                self._log_refused("start", transaction, why)
            self._answered(substation, lane, transaction, outcome, session, why)

        self._grid.start(self._start_order(transaction), done)

    def _end(self, substation: _Substation, lane: _Lane, transaction: Transaction) -> None:
        energy_kwh = transaction.energy_kwh

        def done(outcome: Outcome, why: str) -> None:
            outcome = self._settled(lane, outcome)
            if outcome is not Outcome.LATER and transaction.energy_kwh == energy_kwh:
                transaction.is_end_delivered, transaction.told_wall_s = True, self._wall()
            if outcome is Outcome.REFUSED:
                self._log_refused("end", transaction, why)
            self._answered(substation, lane, transaction, outcome, None, why)

        self._grid.end(
            EndOrder(
                key=transaction.key,
                charger=transaction.charger,
                session_id=transaction.session_id,
                energy_kwh=energy_kwh,
                ended_wall_s=transaction.ended_wall_s,
                reason=transaction.reason,
            ),
            done,
        )

    def _settled(self, lane: _Lane, outcome: Outcome) -> Outcome:
        """DONE, REFUSED or LATER: what is unusable again and again is as good as refused."""
        if outcome is not Outcome.UNUSABLE:
            lane.unusable = 0
            return outcome
        lane.unusable += 1
        return Outcome.LATER if lane.unusable < MOST_UNUSABLE else Outcome.REFUSED

    def _answered(
        self,
        substation: _Substation,
        lane: _Lane,
        transaction: Transaction,
        outcome: Outcome,
        session: OpenSession | None,
        why: str,
    ) -> None:
        substation.under_way -= 1
        if outcome is Outcome.LATER:
            self._later(lane.backoff.next_s(), lambda: self._queue(lane))
        else:
            lane.backoff.succeeded()
            lane.unusable = 0
            self._told(transaction, session, why if outcome is Outcome.REFUSED else "")
            substation.queue.append(lane)
        self._later(0.0, lambda: self._pump(substation))

    def _log_refused(self, what: str, transaction: Transaction, why: str) -> None:
        log.error(
            "a substation has refused the %s of a transaction for good",
            what,
            extra={
                "substation": transaction.charger.substation,
                "charger": transaction.charger.charger,
                "vehicle": logs.vehicle(transaction.vehicle_id),
                "why": why,
            },
        )
