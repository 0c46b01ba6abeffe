"""What an autoscaler reads. Served where the metrics are, and open as they are: it names nothing and nobody."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flask import Response

from smartgrid.balancer.models import WantedBody
from smartgrid.balancer.scaling.follower import Scaling
from smartgrid.web.access import OPEN
from smartgrid.web.app import answer
from smartgrid.web.openapi import operation
from smartgrid.web.problems import ProblemError
from smartgrid.web.routes import route


@dataclass(frozen=True, slots=True)
class ScalingViews:
    """With what they need."""

    scaling: Scaling

    @route("GET", "/autoscaling")
    @operation("What the autoscaler of the substations is told", answers={200: WantedBody}, problems=(503,), needs=OPEN)
    def autoscaling(self) -> Response:
        found = self.scaling.wanted()
        if found is None:
            raise ProblemError(503, "not-ready", f"Not ready: {self.scaling.not_known() or 'try again'}.")
        return answer(asdict(found))
