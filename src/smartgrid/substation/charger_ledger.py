"""The ledger of a substation with what edges ask for: cars that plug in and out, reports, and offers.

What chargers are offered is told by the rule of all ledgers: not before it is on the disk. An offer that the disk does
not take is withdrawn (`Chargers.withdraw`) and was never made; a lower one needs no disk, since a crash books more and
not less, and is told in any case. A report that raises what is booked is answered once the disk has it, since its edge
sets a higher safe current only then (docs/chargers-protocol.md). One that only lowers is answered at once.
"""

from __future__ import annotations

from smartgrid.domain.request import ChargeRequest
from smartgrid.protocol import keys
from smartgrid.protocol.numbers import Number
from smartgrid.substation.charger_book import Offers, Reports, Totals
from smartgrid.substation.chargers import PlugIn
from smartgrid.substation.group_commit import Outcome
from smartgrid.substation.ledger import Ledger, Told
from smartgrid.substation.refusals import LedgerError, SupersededError


class ChargerLedger(Ledger):
    """See above, and `Ledger`. Thread-safe."""

    def plug_in(self, request: ChargeRequest, found: PlugIn, key: str, number: Number | None = None) -> Told:
        """The session of a car that is plugged in; it waits where there is no room.

        Raises SupersededError, StorageError or UnknownOutcomeError.
        """
        digest, number = keys.digest(key), self._believed(number)
        with self._lock:
            wall_s = self._look()
            try:
                holding, replayed = self._book.plug_in(request, found, digest, number, wall_s)
            except LedgerError as error:
                error.status = self._book.status()
                raise
            told = self._told(holding, replayed)
            ticket = self._join(holding)
            if ticket is None and self._book.is_untold(holding.session_id):
                ticket = self._commits.join()
            self._changed.notify_all()
        if ticket is not None:
            self._expect_session(ticket, holding)
        if holding.superseded_by:
            raise SupersededError(holding.superseded_by)
        return self._with_outlook(self._complete(holding, told))

    def unplug(
        self, session_id: str, energy_kwh: float | None, ended_wall_s: float | None, *, has_left: bool
    ) -> Told | None:
        """A charger has ended its session; None if there has never been one. `energy_kwh` is the whole of it, None
        where the charger never said.

        Raises NotDurableError, UnknownOutcomeError or UnreadableError.
        """
        with self._lock:
            wall_s = self._look()
            holding = self._book.unplug(session_id, energy_kwh, ended_wall_s, has_left, wall_s)
            status = self._book.status()
            told = self._told(holding, replayed=False) if holding is not None else None
            ticket = self._commits.join() if self._book.is_dirty() else None
            self._expect_next_event()
            self._changed.notify_all()
        if ticket is not None:
            self._expect_written(ticket)
        record = told.record if told is not None else self._from_disk(session_id, holding)
        return None if record is None else Told(record, status)

    def report(self, reports: Reports) -> tuple[int, int, list[str]]:
        """Take over what an edge says of its sessions; returns epoch and revision of offers by then, and the sessions
        that are not open here.

        Raises NotDurableError or UnknownOutcomeError where more may be drawn than the disk knows.
        """
        with self._lock:
            gone, must_be_written = self._book.report(reports, self._look())
            revision = self._book.offers_revision
            ticket = self._commits.join() if must_be_written else None
            self._expect_next_event()
            self._changed.notify_all()
        if ticket is not None:
            self._expect_written(ticket)
        return self._book.epoch, revision, gone

    def offers(self, epoch: int, revision: int | None, wait_s: float) -> tuple[Offers, dict[str, float]]:
        """What chargers are offered, and when those who wait are expected to start, in wall time.

        Waits up to `wait_s` until it is past `revision`, where that is of this epoch.
        """
        with self._lock:
            self._look()
            book = self._book
            if revision is not None and epoch == book.epoch:
                self._changed.wait_for(lambda: book.offers_revision > revision or self._ending, wait_s)
            told, must_be_written = book.offers(self._look())
            ticket = self._commits.join() if must_be_written else None
            self._expect_next_event()
        if ticket is not None and self._commits.wait(ticket) is not Outcome.WRITTEN:
            with self._lock:
                told = book.withdraw()
        if all(offer.position is None for offer in told.offers):
            return told, {}
        return told, {id_: self._clock.first_wall_s(start_s) for id_, start_s in self._outlook.starts_s().items()}

    def charger_totals(self) -> Totals:
        with self._lock:
            self._look()
            return self._book.totals()
