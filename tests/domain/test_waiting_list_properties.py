"""What holds of a waiting list whatever comes: drawn cars, rigid and flexible, with and without departures."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.domain.substation import CLOCK_RESOLUTION_S, Substation
from smartgrid.domain.waiting_list import RULES, WaitingCar, WaitingList

CAPACITY_KW = 100.0
NEVER_S = 1e9
Arrival = tuple[float, WaitingCar]
"""How long after the one before, in seconds, which car comes."""


@st.composite
def cars(draw: st.DrawFn, *, may_leave: bool = True) -> WaitingCar:
    max_kw = draw(st.sampled_from([3.7, 11.0, 22.0, 50.0, 100.0]))
    min_kw = max_kw * draw(st.sampled_from([1.0, 1.0, 0.5, 0.1]))
    hours = draw(st.sampled_from([0.25, 0.5, 1.0]) | st.floats(min_value=0.01, max_value=4))
    stay_h = draw(st.none() | st.sampled_from([0.5, 1.0, 2.0]) | st.floats(0.1, 8)) if may_leave else None
    wait_h = draw(st.none() | st.floats(0.1, 8)) if may_leave else None
    request = ChargeRequest("EV", max_kw * hours, PowerRange(min_kw, max_kw), None if stay_h is None else stay_h * 3600)
    return WaitingCar("", request, 0.0, None if wait_h is None else wait_h * 3600)


def arrivals(*, may_leave: bool = True) -> st.SearchStrategy[list[Arrival]]:
    pauses_s = st.sampled_from([0.0, 0.0, 900.0]) | st.floats(0, 4000)
    return st.lists(st.tuples(pauses_s, cars(may_leave=may_leave)), min_size=1, max_size=25)


def as_of(car: WaitingCar, number: int, now_s: float) -> WaitingCar:
    """The drawn car, whose times count from its arrival, as it comes now."""
    request = car.request
    departure_s = None if request.departure_s is None else now_s + request.departure_s
    until_s = None if car.wait_until_s is None else now_s + car.wait_until_s
    return WaitingCar(f"c{number}", ChargeRequest("EV", request.energy_kwh, request.power, departure_s), now_s, until_s)


class Run:
    """A substation and its list, played from event to event; each start is noted with who was before it then."""

    def __init__(self, rule: str, drawn: Sequence[Arrival], start_s: float = 0.0) -> None:
        self.substation = Substation(CAPACITY_KW, start_s)
        self.line = WaitingList(RULES[rule])
        self.cars: dict[str, WaitingCar] = {}
        self.starts_s: dict[str, float] = {}
        self.left: set[str] = set()
        for number, (pause_s, car) in enumerate(drawn):
            self.advance(self.substation.now_s + pause_s)
            self.come(as_of(car, number, self.substation.now_s))

    def come(self, car: WaitingCar) -> None:
        self.cars[car.session_id] = car
        for session in self.line.join(car, self.substation):
            self.starts_s[session.session_id] = session.started_s
        self.check()

    def advance(self, now_s: float) -> None:
        while (due_s := self.line.next_event_s(self.substation)) is not None and due_s <= now_s:
            self._step(due_s)
        self._step(now_s)

    def _step(self, now_s: float) -> None:
        changes = self.line.advance(self.substation, now_s)
        self.starts_s |= {session.session_id: session.started_s for session in changes.started}
        self.left |= {car.session_id for car in changes.left}
        self.check()

    def check(self) -> None:
        status = self.substation.status()
        assert status.committed_kw <= CAPACITY_KW + 1e-6
        assert sum(session.power_kw for session in self.substation.active) <= CAPACITY_KW + 1e-6
        assert all(session.power_kw > 0 for session in self.substation.active)


rules = st.sampled_from(sorted(RULES))
backfilling = st.sampled_from(["backfill", "spare-backfill"])


@given(rules, arrivals())
def test_never_over_capacity_and_everyone_starts_or_leaves_in_time(rule: str, drawn: list[Arrival]) -> None:
    run = Run(rule, drawn)
    run.advance(NEVER_S)
    assert not len(run.line)
    for name, car in run.cars.items():
        assert (name in run.starts_s) != (name in run.left)
        assert run.starts_s.get(name, car.joined_s) < car.leaves_s


@given(rules, arrivals(may_leave=False))
def test_nobody_starves(rule: str, drawn: list[Arrival]) -> None:
    run = Run(rule, drawn)
    run.advance(NEVER_S)
    assert run.starts_s.keys() == run.cars.keys()


@given(rules, arrivals(), st.sampled_from([0.0, 1.8e9, 1.8e12]))
def test_expected_starts_are_exact_when_nothing_else_happens(rule: str, drawn: list[Arrival], start_s: float) -> None:
    run = Run(rule, drawn, start_s)
    expected_s = run.line.expected_starts_s(run.substation)
    waiting = {car.session_id for car in run.line}
    run.advance(start_s + NEVER_S)
    assert expected_s == {name: started_s for name, started_s in run.starts_s.items() if name in waiting}


@given(rules, arrivals(), cars())
def test_a_newcomer_is_told_the_start_that_it_will_have(rule: str, drawn: list[Arrival], newcomer: WaitingCar) -> None:
    run = Run(rule, drawn)
    car = as_of(newcomer, len(drawn), run.substation.now_s)
    expected_s = run.line.expected_starts_s(run.substation, car).get(car.session_id)
    run.come(car)
    run.advance(NEVER_S)
    assert run.starts_s.get(car.session_id) == expected_s


@given(arrivals())
def test_fifo_starts_in_the_order_of_joining(drawn: list[Arrival]) -> None:
    run = Run("fifo", drawn)
    run.advance(NEVER_S)
    starts_s = [run.starts_s[name] for name in run.cars if name in run.starts_s]
    assert starts_s == sorted(starts_s)


@given(backfilling, arrivals())
def test_where_all_cars_are_alike_backfill_is_first_come_first_served(rule: str, drawn: list[Arrival]) -> None:
    power = PowerRange(50.0, 50.0)
    alike = [
        (pause_s, WaitingCar("", ChargeRequest("EV", car.request.energy_kwh, power, None), 0.0, car.wait_until_s))
        for pause_s, car in drawn
    ]
    backfilled, fifo = Run(rule, alike), Run("fifo", alike)
    for run in (backfilled, fifo):
        run.advance(NEVER_S)
    assert backfilled.starts_s == fifo.starts_s


@given(backfilling, arrivals(), cars(may_leave=False), st.lists(cars(), max_size=12))
def test_the_first_starts_no_later_for_those_who_go_ahead(
    rule: str, drawn: list[Arrival], first: WaitingCar, later: list[WaitingCar]
) -> None:
    """Against a run in which nobody joins after it."""
    alone, crowded = Run("fifo", drawn), Run("fifo", drawn)
    for run in (alone, crowded):  # only the first is left of those who waited
        for car in list(run.line):
            run.line.leave(car.session_id)
        run.line.rule = RULES[rule]
        run.come(as_of(first, 1000, run.substation.now_s))
    for number, car in enumerate(later):
        crowded.come(as_of(car, 2000 + number, crowded.substation.now_s))
    for run in (alone, crowded):
        run.advance(NEVER_S)
    most_runs_that_may_add_up = len(later) + 1
    assert crowded.starts_s["c1000"] <= alone.starts_s["c1000"] + most_runs_that_may_add_up * CLOCK_RESOLUTION_S


@given(backfilling, arrivals(may_leave=False))
@example("backfill", [(0.0, WaitingCar("", ChargeRequest("EV", 90, PowerRange(90, 90)), 0.0))] * 3)
def test_whoever_is_first_is_never_delayed_while_others_keep_coming(rule: str, drawn: list[Arrival]) -> None:
    """Its expected start only ever moves forward, whoever joins behind it."""
    run, promised_s = Run(rule, []), dict[str, float]()
    for number, (pause_s, car) in enumerate(drawn):
        run.advance(run.substation.now_s + pause_s)
        run.come(as_of(car, number, run.substation.now_s))
        first = next(iter(run.line), None)
        if first is not None:
            expected_s = run.line.expected_starts_s(run.substation)[first.session_id]
            slack_s = (number + 1) * CLOCK_RESOLUTION_S
            assert expected_s <= promised_s.setdefault(first.session_id, expected_s) + slack_s


@given(rules, arrivals(), cars())
def test_asking_directly_starts_only_who_would_start_by_joining(
    rule: str, drawn: list[Arrival], newcomer: WaitingCar
) -> None:
    asking, joining = Run(rule, drawn), Run(rule, drawn)
    for run in (asking, joining):
        run.line.start_due(run.substation)
    car = as_of(newcomer, len(drawn), asking.substation.now_s)
    waited = [waiting.session_id for waiting in asking.line]
    started = asking.line.ask(car, asking.substation) is not None
    joining.come(car)
    assert started == (car.session_id in joining.starts_s)
    assert [waiting.session_id for waiting in asking.line] == waited
