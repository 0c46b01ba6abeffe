"""Keeps the fleet in step with its autoscaler: tells it what is wanted, and learns from it which substations leave."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from smartgrid.balancer.discovery.api_server import ApiServerError
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.periodic import Periodic
from smartgrid.balancer.scaling.emptying import Autoscaler, Emptying
from smartgrid.balancer.scaling.wanted import Wanted, ordinal, wanted

INTERVAL_S = 15.0
"""How often Kubernetes itself looks at an autoscaler."""
ReadAutoscaler = Callable[[], Autoscaler | None]
log = logging.getLogger(__name__)


class Scaling(Periodic):
    """What the autoscaler of the StatefulSet of this name is told at any time; follows it while it is entered."""

    def __init__(
        self,
        statefulset: str,
        fleet: LiveFleet,
        named_away: Callable[[], set[str]],
        not_known: Callable[[], str | None],
        read: ReadAutoscaler = lambda: None,
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """`named_away` are those in the fleet that cannot be asked, `not_known` why the fleet is not known yet.

        `read` tells what the autoscaler is set to, None where there is none. It may raise ApiServerError:
        then what was known stands.
        """
        super().__init__("scaling", interval_s, "the autoscaler could not be followed")
        self._statefulset, self._fleet, self._named_away = statefulset, fleet, named_away
        self._not_known, self._read = not_known, read
        self._emptying = Emptying()
        self._autoscaler: Autoscaler | None = None
        self._problem = ""

    def not_known(self) -> str | None:
        """Why nothing can be told yet: numbers of a part of the fleet would have the rest scaled in."""
        return self._not_known()

    def wanted(self) -> Wanted | None:
        """The numbers as of now; None while `not_known`."""
        if self._not_known() is not None:
            return None
        named = self._named_away()
        return wanted(
            self._statefulset,
            (each for each in self._fleet.known() if each.status is not None or each.name in named or not each.is_away),
        )

    def work(self) -> None:
        """Read what the autoscaler is set to, and have the substations above what demand asks for asked last."""
        self._look()
        if self._autoscaler is None:
            self._emptying = Emptying()
            self._fleet.set_leaving(frozenset())
        elif (now := self.wanted()) is not None:
            kept = self._emptying.kept(self._autoscaler, now.demand_kw, time.monotonic())
            names = (each.name for each in self._fleet.substations())
            self._fleet.set_leaving(frozenset(each for each in names if self._is_above(each, kept)))

    def _look(self) -> None:
        problem, found = "", self._autoscaler
        try:
            found = self._read()
        except ApiServerError as error:
            problem = str(error)
        if problem and problem != self._problem:  # said once, not at every look
            log.warning("No news of the autoscaler from the API server: %s. What was known of it stands.", problem)
        if found != self._autoscaler:
            log.info("The autoscaler of %s: %s.", self._statefulset, found or "none")
        self._problem, self._autoscaler = problem, found

    def _is_above(self, name: str, kept: int | None) -> bool:
        number = ordinal(self._statefulset, name)
        return kept is not None and number is not None and number >= kept
