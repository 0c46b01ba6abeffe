"""Chargers whose substation has another owner now are sent to it.

They are closed with 1012 (service restart), so they connect again, and wherever they arrive they are passed on. Not all
at once: they are spread over `SPREAD_S`, and each is looked at again when its turn comes, as the owner may be this edge
again. One that comes back, or comes later, through an edge that does not know yet whose it is, is sent again, after
pauses that double: edges that do not see each other for long must not drive it to and fro. When all have gone, the
substation is no longer polled. What chargers have said to this edge, and no substation has taken yet, is delivered by
this edge all the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable

from smartgrid.edge.ports import CloseCode, Link
from smartgrid.edge.sharding.shards import Shards
from smartgrid.runtime.tasks import Tasks

SPREAD_S = 10.0
LOOK_AGAIN_S, MOST_PAUSE_S = 60.0, 600.0
REASON = "another edge has this substation now"
log = logging.getLogger(__name__)


class Handover:
    """Only for the event loop."""

    def __init__(
        self,
        shards: Shards,
        links: Callable[[], Iterable[Link]],
        unwatch: Callable[[str], None],
        watched: Callable[[], Iterable[str]],
        spread_s: float = SPREAD_S,
        look_again_s: float = LOOK_AGAIN_S,
    ) -> None:
        """`links` are the connections of chargers; `unwatch` ends the polls of one of the substations `watched`."""
        self._shards, self._links, self._unwatch, self._watched = shards, links, unwatch, watched
        self._spread_s, self._look_again_s = spread_s, look_again_s
        self._jitter = random.Random()
        self._tasks = Tasks()
        self.handed_over = 0
        """Connections closed so that they go to another edge."""

    def owners_changed(self) -> None:
        """Substations may have other owners. Whatever is under way is begun anew."""
        self._tasks.cancel()
        self._tasks.begin(self._hand_over())

    async def close(self) -> None:
        await self._tasks.end()

    async def _hand_over(self) -> None:
        pause_s = self._spread_s
        while True:
            leaving = [each for each in self._links() if self._shards.route(each.charger) is not None]
            if leaving:
                log.info("%d chargers are another edge's now", len(leaving))
                await self._send_on(leaving)
            await self._let_go()
            await asyncio.sleep(pause_s if leaving else self._look_again_s)
            pause_s = min(2 * pause_s, MOST_PAUSE_S) if leaving else self._spread_s

    async def _send_on(self, leaving: list[Link]) -> None:
        self._jitter.shuffle(leaving)
        for link in leaving:
            await asyncio.sleep(self._spread_s / len(leaving))
            if self._shards.route(link.charger) is not None:
                self.handed_over += 1
                link.close(CloseCode.SERVICE_RESTART, REASON)

    async def _let_go(self) -> None:
        """Of substations that are another's and have nobody here any more."""
        await asyncio.sleep(self._spread_s / 10)
        here = {each.charger.substation for each in self._links()}
        for substation in list(self._watched()):
            if substation not in here and self._shards.owner_of(substation) is not None:
                self._unwatch(substation)
