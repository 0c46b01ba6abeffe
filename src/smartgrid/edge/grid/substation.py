"""One substation, as an edge talks with it.

Three things go on at once, each over connections of its own that are kept:

- One poll, `GET /offers?epoch&since&wait_s&edge`, which is answered when something has changed, or after `wait_s`. Each
  answer is a lease, reckoned from when it was *asked* for: how long the answer was on its way must not make it longer.
  So one poll after the other is also what keeps charging going, and there is no other sign of life.
- One batch of reports (`report_box.py`) at a time. Reports need an epoch, so they wait for the first poll.
- Orders: starts and ends of sessions (`order_queue.py`).

The first two go on only while the substation is watched: while a charger of its may be this edge's. The epoch and the
revision of its offers are known from them.

After a failure the directory is asked where the substation is now; if it has moved, everything begins anew there. How
it is called, and that it is itself that answers, is in `contact.py`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.grid import offers, report_box
from smartgrid.edge.grid.contact import FAILURES, Contact, NotAnsweredError
from smartgrid.edge.grid.counters import ABSURD, LOST, REFUSED, TAKEN, UNANSWERED, Counters
from smartgrid.edge.grid.directory import Directory
from smartgrid.edge.grid.offers import AbsurdAnswerError
from smartgrid.edge.grid.order_queue import OrderQueue
from smartgrid.edge.grid.report_box import ReportBox
from smartgrid.edge.ports import Downward, OpenSession
from smartgrid.http_client.answer import Answer, BrokenAnswerError
from smartgrid.http_client.async_client import AsyncClient
from smartgrid.protocol.offers import NOBODY
from smartgrid.runtime.backoff import Backoff
from smartgrid.runtime.pace import Pace

POLL_MARGIN_S = 5.0
AT_ONCE = 5  # answers to polls that need not wait, after a quiet time
LEAST_PAUSE_S = 0.05  # between two batches of reports
FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 5.0
MAX_LAST_BATCHES = 100
MOST_FAILURES, LOOK_EVERY_S = 2, 0.02  # for who waits for it
UNUSABLE = (400, 413, 422)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SubstationState:
    """For metrics and people. `offers_age_s` is since the last offers were asked for, or since they are wanted."""

    substation: str
    is_reached: bool
    offers_age_s: float


class Substation:
    """Only for the event loop."""

    def __init__(
        self,
        name: str,
        edge: str,
        directory: Directory,
        credentials: Credentials,
        downward: Downward,
        counters: Counters,
    ) -> None:
        """`edge` is who this is."""
        self.name, self.box = name, ReportBox()
        self._edge, self._directory = edge, directory
        self._downward, self._counters = downward, counters
        self._contact = Contact(name, directory, credentials)
        self._orders = OrderQueue(self._contact)
        self._epoch: int | None = None
        self._revision, self._lease_s = 0, 0.0
        self._sessions: Sequence[OpenSession] = ()
        self._asked_s = time.monotonic()
        self._is_reached = False
        self._batches = self._failures = 0
        self._to_tell = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # ------------------------------------------------------------------ what the grid asks of it

    @property
    def is_watched(self) -> bool:
        return bool(self._tasks)

    def watch(self) -> None:
        """Poll, and send reports, from now on."""
        if not self._tasks:
            self._asked_s = time.monotonic()
            self._begin()

    async def reach(self, timeout_s: float) -> bool:
        """Watch it; whether it is reached by then. It is given up before where `MOST_FAILURES` polls have failed."""
        self.watch()
        end_s, most = time.monotonic() + timeout_s, self._failures + MOST_FAILURES
        while not self._is_reached and self._failures < most and time.monotonic() < end_s:
            await asyncio.sleep(LOOK_EVERY_S)
        return self._is_reached

    def unwatch(self) -> None:
        """No longer: its chargers are another edge's. Orders can still be given."""
        self._end()
        self.box = ReportBox()
        self._epoch, self._is_reached, self._sessions = None, False, ()

    def has_moved(self) -> None:
        """The directory knows a place for it, or another one."""
        self._contact.has_moved()
        self._orders.close_idle()
        if self._tasks:
            self._end()
            self._is_reached = False
            self._begin()

    def tell(self) -> None:
        """There may be something new in `box`."""
        self._to_tell.set()

    def state(self, now_s: float) -> SubstationState:
        return SubstationState(self.name, self._is_reached, max(0.0, now_s - self._asked_s))

    async def order(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One try to have something done that may be done twice. Raises NotAnsweredError."""
        return await self._orders.order(path, body, headers)

    async def close(self) -> None:
        """What is due is told, as long as the substation takes it; then nothing goes on."""
        ended = self._end()
        await asyncio.gather(*ended, return_exceptions=True)
        place = self._directory.place(self.name)
        if self._epoch is not None and place is not None:
            client = self._contact.client(place)
            with suppress(*FAILURES, NotAnsweredError):
                for _ in range(MAX_LAST_BATCHES):
                    if self.box.due_s < math.inf:
                        await self._tell(client, self._epoch)
            client.close()
        self._orders.close_idle()

    # ------------------------------------------------------------------ polls

    async def _poll_forever(self) -> None:
        client = self._contact.client(await self._contact.place(), offers.MAX_ANSWER_BYTES)
        backoff, pace = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S), Pace(offers.interval_s(0), AT_ONCE)
        try:
            while True:
                try:
                    await self._poll(client)
                except Exception as error:
                    self._failed(error)
                    await asyncio.sleep(backoff.next_s())
                else:
                    backoff.succeeded()
                    pace.interval_s = offers.interval_s(len(self._sessions))
                    await asyncio.sleep(pace.pause_s(time.monotonic()))
        finally:
            client.close()

    async def _poll(self, client: AsyncClient) -> None:
        hold_s = offers.wait_s(self._lease_s) if self._is_reached else 0
        asked_s = time.monotonic()
        since = f"epoch={self._epoch or 0}&since={self._revision}"
        path = f"/offers?{since}&wait_s={hold_s}&edge={quote(self._edge)}"
        answer = await self._contact.ask(client, "GET", path, timeout_s=hold_s + POLL_MARGIN_S)
        if answer.status != 200:
            raise NotAnsweredError(f"the status of its answer is {answer.status}")
        found, lease_s = offers.read(self.name, answer.body, asked_s, self._edge, self._sessions)
        is_restarted = self._epoch not in (None, found.epoch)
        if self._epoch != found.epoch:
            self.box.repeat_all(time.monotonic())
        self._epoch, self._revision, self._lease_s = found.epoch, found.revision, lease_s
        self._sessions = found.sessions
        self._asked_s, self._is_reached = asked_s, True
        self._contact.is_well()
        self._counters.offers[TAKEN] += 1
        if is_restarted:
            log.info("the substation was started again", extra={"substation": self.name})
        self._hear(self._downward.offered, found)
        self.tell()

    def _failed(self, error: Exception) -> None:
        self._is_reached = False
        self._failures += 1
        if isinstance(error, (AbsurdAnswerError, BrokenAnswerError)):
            self._counters.offers[ABSURD] += 1
        else:
            self._counters.offers[REFUSED if isinstance(error, NotAnsweredError) else UNANSWERED] += 1
        self._contact.complain(error)
        self._directory.ask()

    # ------------------------------------------------------------------ reports

    async def _report_forever(self) -> None:
        client = self._contact.client(await self._contact.place())
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        try:
            while True:
                epoch = await self._until_due()
                try:
                    await self._tell(client, epoch)
                except Exception as error:
                    self._counters.reports[REFUSED if isinstance(error, NotAnsweredError) else UNANSWERED] += 1
                    self._contact.complain(error)
                    self._directory.ask()
                    await asyncio.sleep(backoff.next_s())
                else:
                    backoff.succeeded()
                    await asyncio.sleep(LEAST_PAUSE_S)
        finally:
            client.close()

    async def _until_due(self) -> int:
        """Wait until something is to be told, and the substation's epoch is known."""
        while True:
            self._to_tell.clear()
            left_s = self.box.due_s - time.monotonic()
            if self._epoch is not None and left_s <= 0:
                return self._epoch
            is_known = self._epoch is not None and left_s < math.inf
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s if is_known else None):
                    await self._to_tell.wait()

    async def _tell(self, client: AsyncClient, epoch: int) -> None:
        batch, box = self.box.take(), self.box
        try:
            self._batches += 1
            edge = NOBODY if batch.is_given_back else self._edge
            body = report_box.encode(batch, epoch, edge, self._batches)
            answer = await self._contact.ask(client, "POST", "/reports", body=body)
        except BaseException:
            box.failed(time.monotonic())
            raise
        if answer.status in UNUSABLE:
            if box.refused(batch, time.monotonic()):
                self._counters.reports[LOST] += len(batch.reports)
                log.error("a report was refused", extra={"substation": self.name, "status": answer.status})
            return
        if answer.status != 200:
            box.failed(time.monotonic())
            raise NotAnsweredError(f"the status of its answer is {answer.status}")
        self._counters.reports[TAKEN] += 1
        told = {report.session_id for report in batch.reports} | {session_id for session_id, _ in batch.claims}
        gone = [session_id for session_id in report_box.read_gone(answer.body) if session_id in told]
        box.forget(gone)
        box.arrived(batch, time.monotonic())
        if gone:
            self._hear(self._downward.gone, self.name, gone)

    # ------------------------------------------------------------------ what they have in common

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._poll_forever()), loop.create_task(self._report_forever())]

    def _end(self) -> list[asyncio.Task[None]]:
        ended, self._tasks = self._tasks, []
        for task in ended:
            task.cancel()
        return ended

    def _hear(self, listener: Callable[..., None], *told: Any) -> None:
        """A fault in whoever hears it must not end the polls."""
        try:
            listener(*told)
        except Exception:
            log.exception("what a substation tells was not taken", extra={"substation": self.name})
