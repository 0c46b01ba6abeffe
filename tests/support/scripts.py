"""What may happen to a substation, as hypothesis draws it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest
from smartgrid.domain.session import Session
from smartgrid.domain.substation import Substation
from support.powers import power_ranges

CAPACITIES_KW = st.sampled_from([0.0, 4.14, 11.0, 50.0, 100.0]) | st.floats(min_value=0, max_value=150)
PAUSES_S = st.sampled_from([0.0, 1.0, 900.0, 3600.0]) | st.floats(min_value=0, max_value=20_000)
ENERGIES_KWH = st.sampled_from([0.5, 5.5, 11.0, 40.0]) | st.floats(min_value=0.01, max_value=100)
STARTS_S = st.sampled_from([0.0, 1.8e9, 1.8e12, 1.8e14])  # seconds since 1970, with the clock sped up
Sessions = dict[str, Session]


@dataclass(frozen=True)
class Admit:
    """Its departure is in seconds since the script began."""

    request: ChargeRequest

    def apply(self, substation: Substation, sessions: Sessions, start_s: float, now_s: float) -> None:
        departure_s = self.request.departure_s
        request = replace(self.request, departure_s=None if departure_s is None else start_s + departure_s)
        name = f"s{len(sessions)}"
        admitted = substation.admit(name, request, now_s)
        if admitted is not None:
            sessions[name] = admitted


@dataclass(frozen=True)
class Stop:
    number: int

    def apply(self, substation: Substation, sessions: Sessions, start_s: float, now_s: float) -> None:
        substation.stop(f"s{self.number}", now_s)


@dataclass(frozen=True)
class SetCapacity:
    capacity_kw: float

    def apply(self, substation: Substation, sessions: Sessions, start_s: float, now_s: float) -> None:
        substation.set_capacity(self.capacity_kw, now_s)


@dataclass(frozen=True)
class Rebase:
    def apply(self, substation: Substation, sessions: Sessions, start_s: float, now_s: float) -> None:
        substation.rebase(now_s)


@dataclass(frozen=True)
class Outage:
    duration_s: float

    def apply(self, substation: Substation, sessions: Sessions, start_s: float, now_s: float) -> None:
        substation.advance(now_s)
        substation.resume(now_s + self.duration_s)


Event = Admit | Stop | SetCapacity | Rebase | Outage
Script = list[tuple[float, Event]]
"""Events, and how long after the one before each happens, in seconds."""


@st.composite
def admissions(draw: st.DrawFn) -> Admit:
    departure_s = draw(st.none() | st.floats(min_value=1, max_value=100_000))
    return Admit(ChargeRequest("EV", draw(ENERGIES_KWH), draw(power_ranges()), departure_s))


STOPS = st.builds(Stop, st.integers(0, 15))
EVENTS = st.one_of(admissions(), admissions(), admissions(), STOPS, st.builds(SetCapacity, CAPACITIES_KW))
SCRIPTS = st.lists(st.tuples(PAUSES_S, EVENTS), max_size=25)
OUTAGES = st.builds(Outage, PAUSES_S)
SCRIPTS_WITH_RESTARTS = st.lists(st.tuples(PAUSES_S, EVENTS | EVENTS | st.builds(Rebase) | OUTAGES), max_size=20)
