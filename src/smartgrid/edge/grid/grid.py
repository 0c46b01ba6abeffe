"""The substations of an edge, behind the port `Grid`.

`start` and `end` are one try each, for whoever keeps the orders and repeats them (transactions/); what is told by
`report` is repeated here, as of a state only the latest counts. A substation is polled once it is watched, that is,
once a charger of it has been here; orders go to any that is known.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.grid import orders
from smartgrid.edge.grid.contact import NotAnsweredError
from smartgrid.edge.grid.counters import LOST, Counters
from smartgrid.edge.grid.directory import Directory
from smartgrid.edge.grid.report_box import Connectors
from smartgrid.edge.grid.substation import Substation, SubstationState
from smartgrid.edge.ports import Downward, EndOrder, OpenSession, Outcome, SessionReport, StartOrder
from smartgrid.protocol.headers import KEY
from smartgrid.runtime.log_pace import LogPace

MAX_KEYS = 20_000
"""Of sessions begun here lately, by which their end finds them."""
_KEY = re.compile(r"[!-~]{1,255}")
Result = TypeVar("Result", tuple[Outcome, str], tuple[Outcome, OpenSession | None, str])
Started = Callable[[Outcome, OpenSession | None, str], None]
Ended = Callable[[Outcome, str], None]
log = logging.getLogger(__name__)


class SubstationGrid:
    """Only for the event loop; `begin` there, and `close`."""

    def __init__(self, name: str, directory: Directory, credentials: Credentials) -> None:
        """`name` is this edge's among the edges."""
        self.edge = f"{name}/{secrets.token_hex(4)}"
        """Who this is, as the holder of sessions: another one after each start of the process."""
        self.counters = Counters()
        self._directory, self._credentials = directory, credentials
        self._pace = LogPace(log)
        self._downward: Downward | None = None
        self._substations: dict[str, Substation] = {}
        self._orders: set[asyncio.Task[Any]] = set()
        self._session_ids: OrderedDict[str, str] = OrderedDict()

    def begin(self, downward: Downward) -> None:
        self._downward = downward
        self._directory.on_change = self._has_moved
        self._directory.begin()

    async def close(self) -> None:
        """Orders under way are given up as later; what is due is told once more."""
        for task in self._orders:
            task.cancel()
        await asyncio.gather(*self._orders, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in self._substations.values()))
        await self._directory.close()

    # ------------------------------------------------------------------ the port

    def knows(self, substation: str) -> bool:
        return self._directory.place(substation) is not None

    def watch(self, substation: str) -> None:
        self._substation(substation).watch()

    async def reach(self, substation: str, timeout_s: float) -> bool:
        """Watch one that is known; whether its offers come, after so long at the most."""
        return self.knows(substation) and await self._substation(substation).reach(timeout_s)

    def unwatch(self, substation: str) -> None:
        """Its chargers are another edge's now."""
        if (found := self._substations.get(substation)) is not None:
            found.unwatch()

    def watched(self) -> list[str]:
        return [name for name, each in self._substations.items() if each.is_watched]

    def start(self, order: StartOrder, on_done: Started) -> None:
        substation = self._substation(order.charger.substation)

        async def deliver() -> tuple[Outcome, OpenSession | None, str]:
            if not _KEY.fullmatch(order.key):
                return Outcome.REFUSED, None, "a key is up to 255 printable characters, without spaces"
            answer = await substation.order("/charge", orders.start_body(order, self.edge), {KEY: order.key})
            return orders.started(order, answer)

        def done(outcome: Outcome, session: OpenSession | None, why: str) -> None:
            if session is not None:
                self._remember(order.key, session.session_id)
            on_done(outcome, session, why)

        self._try(deliver, lambda outcome, why: (outcome, None, why), done)

    def end(self, order: EndOrder, on_done: Ended) -> None:
        substation = self._substation(order.charger.substation)
        session_id = order.session_id or self._session_ids.get(order.key)

        async def deliver() -> tuple[Outcome, str]:
            if session_id is None:
                return Outcome.LATER, "its session is not known here: repeat the start first, which tells it"
            answer = await substation.order(orders.end_path(session_id), orders.end_body(order), {})
            return orders.ended(answer)

        def done(outcome: Outcome, why: str) -> None:
            if outcome is Outcome.DONE and session_id is not None:
                substation.box.forget((session_id,))
                self._session_ids.pop(order.key, None)
            on_done(outcome, why)

        self._try(deliver, lambda outcome, why: (outcome, why), done)

    def report(self, substation: str, report: SessionReport) -> None:
        found = self._substation(substation)
        if not found.box.add(report, time.monotonic()):
            self.counters.reports[LOST] += 1
        found.tell()

    def is_told(self, substation: str, session_id: str) -> bool:
        found = self._substations.get(substation)
        return found is not None and found.box.is_told(session_id)

    def claim(self, substation: str, session_id: str, number: int) -> None:
        found = self._substation(substation)
        found.box.claim(session_id, number, time.monotonic())
        found.tell()

    def give_back(self, substation: str, session_id: str, number: int) -> None:
        found = self._substation(substation)
        found.box.give_back(session_id, number, time.monotonic())
        found.tell()

    def connectors(self, substation: str, total: int, free: int) -> None:
        found = self._substation(substation)
        found.box.set_connectors(Connectors(total, free), time.monotonic())
        found.tell()

    # ------------------------------------------------------------------ for people

    def states(self) -> list[SubstationState]:
        """Of those that are watched."""
        now_s = time.monotonic()
        return [each.state(now_s) for each in self._substations.values() if each.is_watched]

    # ------------------------------------------------------------------

    def _substation(self, name: str) -> Substation:
        found = self._substations.get(name)
        if found is None:
            assert self._downward is not None, "begin comes first"
            found = Substation(name, self.edge, self._directory, self._credentials, self._downward, self.counters)
            self._substations[name] = found
        return found

    def _has_moved(self, name: str) -> None:
        if (found := self._substations.get(name)) is not None:
            found.has_moved()

    def _try(
        self,
        deliver: Callable[[], Awaitable[Result]],
        failed: Callable[[Outcome, str], Result],
        on_done: Callable[..., None],
    ) -> None:
        """Have an order done in a task of its own. `on_done` is called once, whatever happens; `failed` makes a result
        of what has become of it and why. What cannot be said, as of a time beyond all calendars, may never be."""

        async def outcome() -> Result:
            try:
                return await deliver()
            except NotAnsweredError as error:
                return failed(Outcome.LATER, str(error))
            except Exception as error:
                self._pace.say("unsent", "an order could not be sent", {}, level=logging.ERROR, trace=True)
                return failed(Outcome.UNUSABLE, str(error))

        def ended(task: asyncio.Task[Result]) -> None:
            self._orders.discard(task)
            result = failed(Outcome.LATER, "the edge is about to end") if task.cancelled() else task.result()
            self.counters.deliveries[result[0]] += 1
            try:
                on_done(*result)
            except Exception:
                self._pace.say("untaken", "the end of an order was not taken", {}, level=logging.ERROR, trace=True)

        task = asyncio.get_running_loop().create_task(outcome())
        self._orders.add(task)
        task.add_done_callback(ended)

    def _remember(self, key: str, session_id: str) -> None:
        self._session_ids[key] = session_id
        if len(self._session_ids) > MAX_KEYS:
            self._session_ids.popitem(last=False)
