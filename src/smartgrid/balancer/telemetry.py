"""Keeps what is known of every member fresh: its status, and the keys that it holds.

To each member that answers one long poll is open, `GET /status?epoch=E&since=R&keys=P&wait_s=S`. It returns as soon as
something has changed there, and at once when the member has been started again, as its epoch is another then. In quiet
times that costs two messages a minute. The first changes after a quiet time are told at once, so that a client that
repeats its key through another balancer finds its session there; while cars keep coming, a pace of one poll in
`INTERVAL_S` for each member makes a burst there one message here (`Pace`).

E, R and P are the member's epoch, the revision of the newest status, and the position in its log of keys. Each member
has a cursor of its own for E and P. R comes from the fleet's view, which is often newer, as every car's answer has
brought a status; it is only named where it is of the same epoch.

A member that does not answer is polled each `poll_interval_s`, jittered, at first more often. What answers, but cannot
be believed (too long, no status, a page of keys that cannot be) counts as not answering, and is said once in the log.

All of it runs on one event loop; each member has one task there.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic_core import from_json

from smartgrid.auth.credentials import Credential
from smartgrid.balancer import clock_skew, loops
from smartgrid.balancer.clock_skew import ClockSkew
from smartgrid.balancer.live_fleet import LiveFleet, Substation
from smartgrid.balancer.placement.directory import Directory
from smartgrid.domain.status import Status
from smartgrid.http_client.answer import Answer, BrokenAnswerError
from smartgrid.http_client.async_client import AsyncClient
from smartgrid.protocol import status_header
from smartgrid.protocol.headers import STATUS
from smartgrid.protocol.keys import KeyPage, from_wire
from smartgrid.runtime.event_loop import EventLoop
from smartgrid.runtime.pace import Pace

LONG_POLL_INTERVALS = 12  # a long poll is held for so many poll intervals: 60 s at the default 5 s
MAX_HOLD_S = 60.0
REGION_HOLD_SHARE = 0.75
"""What is between a region and a balancer in front of it, a load balancer of a cloud mostly, cuts what is idle after
60 s: a long poll is to end by itself before that, after 45 s."""
INTERVAL_S = 0.1  # between two answers of one member in the long run
AT_ONCE = 3  # answers of one member that need not wait, after a quiet time
FIRST_RETRY_S = 0.25
JITTER = 0.2
POLL_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 1024 * 1024
"""A page of keys has 2,000 entries at the most; of a region's, with long ids, they take 0.9 MB."""
STATUS_WANTED = {STATUS: status_header.WANTED}
log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A member answers a poll with an error."""


class AbsurdAnswerError(Exception):
    """A member answers a poll with what cannot be."""


@dataclass(slots=True)
class _Cursor:
    """How far a member's log of keys has been read."""

    epoch: int = 0
    position: int = 0


@dataclass(slots=True)
class _Watch:
    """One member being watched. `fresh` while its last poll was answered, so that a long poll is open to it."""

    substation: Substation
    client: AsyncClient
    cursor: _Cursor = field(default_factory=_Cursor)
    task: asyncio.Task[None] | None = None
    fresh: bool = False
    is_region: bool = False
    clock: ClockSkew = field(default_factory=ClockSkew)
    clock_is_off: bool = False
    complaint: str = ""  # what was said last about its answers


class Telemetry:
    """Watches the members of the fleet."""

    def __init__(
        self,
        loop: EventLoop,
        fleet: LiveFleet,
        directory: Directory,
        poll_interval_s: float,
        *,
        credential_of: Callable[[str], Credential] = lambda _url: Credential(),
        observe_s: Callable[[float], None] = lambda _duration_s: None,
    ) -> None:
        """`credential_of` a URL is how polls prove themselves there; `observe_s` hears the duration of each that does
        not wait."""
        self._loop, self._fleet, self._directory = loop, fleet, directory
        self._poll_interval_s, self._observe_s, self._credential_of = poll_interval_s, observe_s, credential_of
        self._hold_s = min(MAX_HOLD_S, LONG_POLL_INTERVALS * poll_interval_s)
        self._watches: dict[str, _Watch] = {}

    @property
    def max_view_age_s(self) -> float:
        """How old the view of a healthy substation gets: its long poll ends by itself, or is given up and repeated."""
        return self._hold_s + self._poll_interval_s + 2 * POLL_TIMEOUT_S

    def clock_skews_s(self) -> list[tuple[str, float]]:
        """By how much each member's clock is ahead of this one, at least; negative where it is behind."""
        return [(name, watch.clock.least_s) for name, watch in list(self._watches.items())]

    def follow(self) -> None:
        """Watch just the members that the fleet has now."""
        self._loop.soon(self._follow)

    def check(self, name: str) -> None:
        """Ask a member at once, as it has just let a car down."""
        self._loop.soon(self._check, name)

    # ------------------------------------------------------------------ on the loop

    def _follow(self) -> None:
        substations = {each.name: each for each in self._fleet.substations()}
        for name, watch in list(self._watches.items()):
            if substations.get(name) is not watch.substation:
                self._end(watch)
                del self._watches[name]
        for name, substation in substations.items():
            if name not in self._watches:
                url, host = substation.member.url, substation.member.host
                credential = self._credential_of(url)
                client = AsyncClient(
                    url,
                    connect_timeout_s=POLL_TIMEOUT_S,
                    host=host,
                    ca_file=credential.ca_file,
                    extra_headers=credential.headers,
                    max_answer_bytes=MAX_ANSWER_BYTES,
                )
                self._watches[name] = _Watch(substation, client)
                self._begin(self._watches[name])

    def _check(self, name: str) -> None:
        """Break off a long poll. A poll under way stays: cars that fail faster than it takes would starve it."""
        watch = self._watches.get(name)
        if watch is not None and watch.fresh:
            self._end(watch)
            watch.fresh = False
            self._begin(watch)

    def _begin(self, watch: _Watch) -> None:
        watch.task = self._loop.task(self._watch_forever(watch))

    def _end(self, watch: _Watch) -> None:
        if watch.task is not None:
            watch.task.cancel()
        watch.client.close()

    async def _watch_forever(self, watch: _Watch) -> None:
        try:
            while True:
                await self._poll_until_answered(watch)
                await self._long_poll_until_broken(watch)
        finally:
            watch.client.close()

    async def _poll_until_answered(self, watch: _Watch) -> None:
        """A member that is not polled could never come back, so whatever it answers, it is asked again."""
        failures = 0
        while True:
            try:
                begun_s = time.monotonic()
                await self._ask(watch, "", 0, POLL_TIMEOUT_S)
                self._observe_s(time.monotonic() - begun_s)
            except Exception as error:
                failures += 1
                self._failed(watch, error)
                await asyncio.sleep(_jittered(min(self._poll_interval_s, FIRST_RETRY_S * 2 ** min(failures - 1, 16))))
            else:
                watch.fresh = True
                return

    async def _long_poll_until_broken(self, watch: _Watch) -> None:
        """Its end is no failure yet: a kept connection may just have been closed, and only a poll of its own tells."""
        pace = Pace(min(INTERVAL_S, self._poll_interval_s), AT_ONCE)
        timeout_s = self._hold_s + self._poll_interval_s + POLL_TIMEOUT_S
        more = not watch.substation.keys_known
        try:
            while True:
                if not more and (pause_s := pace.pause_s(time.monotonic())):
                    await asyncio.sleep(_jittered(pause_s))
                status = self._fleet.status_of(watch.substation.name)
                known = status is not None and status.epoch == watch.cursor.epoch
                since = f"&since={status.revision}" if status is not None and known else "&since=0"
                hold_s = self._hold_s * (REGION_HOLD_SHARE if watch.is_region else 1)
                more = await self._ask(watch, since, round(hold_s), timeout_s)
        except Exception as error:
            self._complain(watch, error)
        finally:
            watch.fresh = False

    async def _ask(self, watch: _Watch, since: str, wait_s: int, timeout_s: float) -> bool:
        """One poll; whether there is more to be had at once."""
        mark, cursor = self._directory.mark(), watch.cursor
        path = f"/status?epoch={cursor.epoch}{since}&keys={cursor.position}&wait_s={wait_s}"
        sent_s = time.time()
        answer = await watch.client.request("GET", path, timeout_s=timeout_s, headers=STATUS_WANTED)
        self._compare_clocks(watch, answer, sent_s, time.time())
        status, page, balancers = _read(answer)
        watch.is_region = bool(balancers)
        if self._fleet.epoch in balancers:
            self._fleet.saw_balancers(watch.substation, frozenset())
            raise AbsurdAnswerError("it is this balancer itself, or has it beneath it")
        if status.epoch != cursor.epoch and not page.reset:
            raise AbsurdAnswerError("its epoch is another, and its keys do not begin anew")
        cursor.epoch, cursor.position = status.epoch, page.position
        self._directory.read(watch.substation.name, page, mark)
        watch.substation.keys_known |= not page.more
        watch.complaint = ""
        self._fleet.saw_balancers(watch.substation, balancers)
        self._fleet.saw_status(watch.substation, status)
        return page.more

    def _compare_clocks(self, watch: _Watch, answer: Answer, sent_s: float, came_s: float) -> None:
        """Take down what an answer says of a member's clock, and say so once when it is too far off."""
        told_s = clock_skew.told_at(answer.headers.get("Date"))
        if told_s is None:
            return
        watch.clock.note(told_s, sent_s, came_s)
        was_off, watch.clock_is_off = watch.clock_is_off, abs(watch.clock.least_s) > clock_skew.TOLERATED_S
        if watch.clock_is_off and not was_off:
            log.warning(
                "its clock and this one differ by %.1f s at least: the later of two tries for a key is found by clocks",
                abs(watch.clock.least_s),
                extra={"substation": watch.substation.name},
            )

    def _failed(self, watch: _Watch, error: Exception) -> None:
        self._complain(watch, error)
        if isinstance(error, TimeoutError):
            self._fleet.missed(watch.substation)
        else:
            self._fleet.unanswered(watch.substation)

    def _complain(self, watch: _Watch, error: Exception) -> None:
        """Say what a member answers that cannot be, once; that it does not answer is told by the metrics."""
        name = watch.substation.name
        if isinstance(error, (AbsurdAnswerError, BrokenAnswerError)):
            if watch.complaint != str(error):
                log.warning("absurd answer to a poll: %s", error, extra={"substation": name})
            watch.complaint = str(error)
        elif not isinstance(error, (RefusedError, TimeoutError, OSError)):
            log.error("a poll failed", extra={"substation": name}, exc_info=error)


def _read(answer: Answer) -> tuple[Status, KeyPage, frozenset[int]]:
    """The status, the page of keys, and which balancers it names. Raises RefusedError or AbsurdAnswerError."""
    if answer.status != 200:
        raise RefusedError(f"status {answer.status}")
    found = status_header.decode(answer.headers.get(STATUS), time.monotonic())
    if found is None:
        raise AbsurdAnswerError("no status, or one that cannot be")
    try:
        body = from_json(answer.body)
        return found[1], from_wire(body["keys"], time.time()), loops.told_by(body)
    except (ValueError, KeyError, TypeError) as error:
        raise AbsurdAnswerError(f"no page of its keys, or none of balancers: {error}") from error


def _jittered(duration_s: float) -> float:
    return duration_s * random.uniform(1 - JITTER, 1 + JITTER)
