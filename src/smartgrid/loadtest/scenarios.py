"""The named scenarios and what single options change in them. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """How much load: `requests` (None: all of the trace), the `users` that send them, and how long users come in."""

    requests: int | None
    users: int
    ramp_up_s: float


SCENARIOS = {
    "normal": Scenario(requests=100, users=10, ramp_up_s=60),
    "high": Scenario(requests=500, users=50, ramp_up_s=120),
    "burst": Scenario(requests=200, users=20, ramp_up_s=0),
    "garage": Scenario(requests=None, users=200, ramp_up_s=0),
}


@dataclass(frozen=True)
class Settings:
    """Everything that shapes one run, as the report repeats it."""

    scenario: str
    target: str
    requests: int
    users: int
    ramp_up_s: float
    seed: int
    timeout_s: float
    wait_s: float | None = None
    trace: str | None = None
    speedup: float | None = None
    min_success_rate: float | None = None
    max_p95_ms: float | None = None


def overridden(scenario: Scenario, requests: int | None, users: int | None, ramp_up_s: float | None) -> Scenario:
    """The scenario with every option that was given in place of its own."""
    return Scenario(
        requests=scenario.requests if requests is None else requests,
        users=scenario.users if users is None else users,
        ramp_up_s=scenario.ramp_up_s if ramp_up_s is None else ramp_up_s,
    )
