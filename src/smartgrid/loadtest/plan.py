"""Which car asks at which moment of a run. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from smartgrid.loadtest.cars import Car, car_of
from smartgrid.loadtest.pacing import ramp_due_s, replay_due_s
from smartgrid.loadtest.traces import TracedSession


@dataclass(frozen=True)
class PlannedRequest:
    """One request: due `due_s` after the start, for a car that leaves `stay_s` of wall time later (None: when full)."""

    index: int
    due_s: float
    car: Car
    stay_s: float | None = None

    def body(self, started_at: datetime) -> bytes:
        """The body of POST /charge, for a run that started at this time."""
        fields: dict[str, object] = {
            "vehicle_id": self.car.vehicle_id,
            "energy_kwh": self.car.energy_kwh,
            "max_power_kw": self.car.max_power_kw,
        }
        if self.stay_s is not None:
            fields["departure_time"] = (started_at + timedelta(seconds=self.due_s + self.stay_s)).isoformat()
        return json.dumps(fields).encode()


def synthetic_plan(requests: int, ramp_up_s: float, seed: int) -> list[PlannedRequest]:
    """Seeded cars, paced over the ramp-up."""
    return [PlannedRequest(i, ramp_due_s(i, requests, ramp_up_s), car_of(seed, i)) for i in range(requests)]


def replay_plan(sessions: Sequence[TracedSession], speedup: float) -> list[PlannedRequest]:
    """Recorded sessions at their own times, all times divided by `speedup`."""
    due_s = replay_due_s([session.arrival for session in sessions], speedup)
    return [
        PlannedRequest(index, due, session.car, session.parked_s / speedup)
        for index, (due, session) in enumerate(zip(due_s, sessions, strict=True))
    ]
