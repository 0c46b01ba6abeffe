"""Chargers, edges and a substation's books through anything that the protocol allows (docs/chargers-protocol.md).

Answers and reports are late, doubled or lost, chargers apply what they are sent or not, visit other edges, plug in and
out, or do what they like and are found out; leases run out, capacities change, clocks run fast, the substation is
killed at any moment between a commit's beginning and its end. At every moment each charger may draw no more than is
booked for it, and what is booked grows beyond the capacity by facts alone.
"""

from __future__ import annotations

import math
import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from smartgrid.domain.charger_sessions import STOPPING, Reading
from smartgrid.domain.held_power import Report
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.substation.charger_book import Offer, Offers, Reports, SessionReport
from smartgrid.substation.chargers import PlugIn
from smartgrid.substation.limits import Limits
from smartgrid.substation.pending import Taken
from smartgrid.substation.recovery import open_book
from smartgrid.substation.refusals import NoRoomError
from smartgrid.substation.store import Store
from support.books import SetClock

MEMORY = Path("/dev/shm")  # a copy of the file stands for the crash, so no one need wait for a disk
NEAR_KW = 1e-6
LEASE_S = 100.0
LIMITS = Limits(lease_s=LEASE_S, reservation_s=200.0)
RATING_KW = 22.0
RANGE = PowerRange(1.38, 22.0)
FALLBACKS_KW = [0.0, 1.38, 4.14]
CAPACITIES_KW = [0.0, 5.0, 9.0, 15.0, 22.0, 40.0, 17.3]
PAUSES_S = [1.0, 40.0, LEASE_S - 1, LEASE_S + 1, 1.3 * LEASE_S]
RATES = [0.8, 1.0, 1.2]
OTHERS = [PowerRange(1.38, 7.4), PowerRange(4.0, 4.0)]
CHARGERS = 3
EDGES = 2
STEPS = 1500


@dataclass
class Edge:
    """One process of an edge, cut off from the substation as long as nothing of its comes through."""

    name: str
    asked_s: float = -math.inf
    offers: Offers | None = None
    under_way: list[tuple[float, Offers]] = field(default_factory=list)  # answers, with when they were asked for
    sequence: int = 0


@dataclass
class Profile:
    """A limit as an edge has sent it."""

    number: int
    power_kw: float
    end_s: float


@dataclass
class Charger:
    """The thing on the wall; `edge` is the number of the one that it is connected to."""

    connector: int
    fallback_kw: float
    edge: int | None = None
    connected_s: float = 0.0
    key: str | None = None
    """Of the car that is plugged in, as long as it draws."""
    session_id: str | None = None
    profile: Profile | None = None
    obeys: bool = True
    sent: list[Profile] = field(default_factory=list)  # not applied yet, in order
    applied: list[Profile] = field(default_factory=list)  # not confirmed yet
    confirmed: Profile | None = None

    def may_draw_kw(self, now_s: float) -> float:
        if self.key is None:
            return 0.0
        if not self.obeys:
            return RATING_KW
        if self.profile is not None and now_s < self.profile.end_s:
            return self.profile.power_kw
        return self.fallback_kw

    def held_kw(self, now_s: float) -> float:
        """As its edge knows it: the most of what is confirmed, what is sent, and what is drawn anyway."""
        known = [profile for profile in (self.confirmed, *self.applied, *self.sent) if profile is not None]
        return max([self.fallback_kw, *(profile.power_kw for profile in known if now_s < profile.end_s)])


class Wall:
    def __init__(self, seed: int, folder: Path) -> None:
        self.rng, self.root = random.Random(seed), folder
        self.lives, self.names = count(), count()
        capacity_kw = self.rng.choice(CAPACITIES_KW)
        self.clock = SetClock(self.rng.choice([1.0, 60.0]))
        self.in_flight: Taken | None = None
        self.now_s = 0.0  # as edges and chargers have it
        self.folder = self.root / f"life{next(self.lives)}"
        self.store = Store(self.folder)
        self.book = open_book(self.store, self.clock, drawn_capacity_kw=capacity_kw, limits=LIMITS)
        self.book.configure(None, self.clock.wall_s())
        self.edges = [Edge(f"edge-{next(self.names)}") for _ in range(EDGES)]
        self.chargers = [Charger(number, 0.0) for number in range(CHARGERS)]
        self.reports: list[Reports] = []
        self.starts: list[tuple[Charger, str, PlugIn]] = []
        self.ends: list[str] = []
        self.others: list[str] = []
        self.booked_kw = 0.0
        self.facts_kw = 0.0
        for charger in self.chargers:
            charger.edge, charger.key = 0, f"key{next(self.names)}"
            self.ask(charger)

    def close(self) -> None:
        self.store.close()

    # ------------------------------------------------------------------ the substation and its disk

    def commit(self) -> bool:
        """Whether all is on the disk."""
        self.finish_commit()
        taken = self.book.take()
        if taken is not None:
            self.store.commit(taken.batch)
            self.book.written(taken)
        return True

    def finish_commit(self) -> None:
        if self.in_flight is not None:
            self.store.commit(self.in_flight.batch)
            self.book.written(self.in_flight)
            self.in_flight = None

    def begin_commit(self) -> None:
        if self.in_flight is None:
            self.in_flight = self.book.take()

    def lose_commit(self) -> None:
        taken, self.in_flight = self.in_flight, None
        if taken is None:
            return
        self.book.lost(taken)
        self.forget_what_was_taken_back()

    def kill(self, is_written: bool, outage_s: float) -> None:
        if self.in_flight is not None and is_written:
            self.store.commit(self.in_flight.batch)
        self.in_flight = None
        before_kw = self.book.told().capacity_kw
        self.store.close()
        folder = self.root / f"life{next(self.lives)}"
        shutil.copytree(self.folder, folder)
        self.folder = folder
        self.now_s += outage_s
        self.clock.pass_s(outage_s)
        self.store = Store(folder)
        self.book = open_book(self.store, self.clock, drawn_capacity_kw=before_kw, limits=LIMITS)
        self.book.configure(None, self.clock.wall_s())
        self.commit()
        self.forget_what_was_taken_back()
        self.booked_kw = math.inf  # the file may book more than was booked in the end

    def forget_what_was_taken_back(self) -> None:
        """Whoever was not told that it has begun asks again."""
        for charger in self.chargers:
            if charger.session_id is not None and self.book.find(charger.session_id) is None:
                charger.session_id = None
        self.others = [session_id for session_id in self.others if self.book.find(session_id) is not None]

    def set_capacity(self, capacity_kw: float) -> None:
        self.book.set_capacity(capacity_kw, self.clock.wall_s())

    def wait(self, pause_s: float, rate: float) -> None:
        self.now_s += pause_s
        self.clock.pass_s(pause_s * rate)
        self.book.advance(self.clock.wall_s())

    def charge_without_a_charger(self, power: PowerRange, energy_kwh: float) -> None:
        """Its car may be one that plugs in later."""
        vehicle_id = self.rng.choice(["EV-other", *(f"EV-{charger.connector}" for charger in self.chargers)])
        request = ChargeRequest(vehicle_id, energy_kwh, power)
        try:
            key = f"other{next(self.names)}"
            holding, _ = self.book.charge(request, key, (1,), "", self.clock.wall_s())
        except NoRoomError:
            return
        self.others.append(holding.session_id)

    # ------------------------------------------------------------------ cars

    def plug_in(self, held_kw: float) -> None:
        free = [charger for charger in self.chargers if charger.key is None and charger.edge is not None]
        if not free:
            return
        charger = self.rng.choice(free)
        charger.key, charger.session_id = f"key{next(self.names)}", None
        charger.profile = Profile(0, held_kw, self.now_s + LEASE_S) if held_kw else None
        charger.sent, charger.applied, charger.confirmed = [], [], None
        self.ask(charger)

    def ask_again(self) -> None:
        unknown = [each for each in self.chargers if each.key is not None and each.session_id is None]
        if unknown and (charger := self.rng.choice(unknown)).edge is not None:
            self.ask(charger)

    def ask(self, charger: Charger) -> None:
        assert charger.edge is not None
        held_kw = max(charger.may_draw_kw(self.now_s), charger.fallback_kw)
        found = PlugIn(
            f"CP-{charger.connector}",
            1,
            None,
            self.edges[charger.edge].name,
            RATING_KW,
            charger.fallback_kw,
            held_kw,
            charger.obeys,
            None,
            0.0,
        )
        assert charger.key is not None
        self.starts.append((charger, charger.key, found))

    def deliver_start(self, is_lost: bool) -> None:
        """Edges deliver in order for each connector, each until it is answered."""
        if self.starts:
            self.begin_first(is_lost=is_lost)

    def begin_first(self, *, is_lost: bool) -> None:
        charger, key, found = self.starts.pop(0)
        if charger.key != key or charger.session_id is not None:
            return
        self.book.advance(self.clock.wall_s())
        self.check()
        self.facts_kw = max(found.held_kw, found.fallback_kw, 0.0 if found.is_controlled else RATING_KW)
        request = ChargeRequest(f"EV-{charger.connector}", math.inf, RANGE)
        holding, _ = self.book.plug_in(request, found, key, (1,), self.clock.wall_s())
        if is_lost:
            return
        self.commit()
        charger.session_id = holding.session_id

    def plug_out(self) -> None:
        known = [charger for charger in self.chargers if charger.session_id is not None]
        if not known:
            return
        charger = self.rng.choice(known)
        assert charger.session_id is not None
        self.ends.append(charger.session_id)
        charger.key = charger.session_id = charger.profile = charger.confirmed = None
        charger.sent, charger.applied = [], []

    def deliver_end(self, is_repeated: bool) -> None:
        if not self.ends:
            return
        session_id = self.rng.choice(self.ends)
        self.book.unplug(session_id, 1.0, None, False, self.clock.wall_s())
        self.commit()
        if not is_repeated:
            self.ends.remove(session_id)
        assert all(offer.session_id != session_id for offer in self.book.told().offers)

    def stop_by_others(self) -> None:
        known = [charger.session_id for charger in self.chargers if charger.session_id is not None]
        if not known:
            return
        session_id = self.rng.choice(known)
        self.book.stop(session_id, self.clock.wall_s())
        offer = next(offer for offer in self.book.told().offers if offer.session_id == session_id)
        assert (offer.state, offer.power_kw) == (STOPPING, 0)

    # ------------------------------------------------------------------ edges

    def poll(self, number: int) -> None:
        """The answer is under way from now on; an edge has one at a time."""
        self.ask_for_offers(self.edges[number])

    def pass_a_moment(self) -> None:
        self.now_s += 0.001
        self.clock.pass_s(0.001)

    def ask_for_offers(self, edge: Edge) -> None:
        self.pass_a_moment()
        told, must_be_written = self.book.offers(self.clock.wall_s())
        if must_be_written:
            self.commit()
        edge.under_way = [(self.now_s, told)]

    def poll_while_the_disk_is_full(self, number: int) -> None:
        self.finish_commit()
        told, must_be_written = self.book.offers(self.clock.wall_s())
        if must_be_written:
            taken = self.book.take()
            assert taken is not None
            self.book.lost(taken)
            self.forget_what_was_taken_back()
            told = self.book.withdraw()
        self.edges[number].under_way = [(self.now_s, told)]

    def hear(self, number: int) -> None:
        edge = self.edges[number]
        for asked_s, offers in edge.under_way:
            edge.asked_s, edge.offers = asked_s, offers
        edge.under_way = []

    def send(self, part: float) -> None:
        """Any offer that it has been told, within its lease."""
        self.send_to(self.rng.choice(self.chargers), part)

    def send_to(self, charger: Charger, part: float) -> None:
        edge = None if charger.edge is None else self.edges[charger.edge]
        offer = None if edge is None else self.own_offer(edge, charger)
        if edge is None or edge.offers is None or offer is None:
            return
        end_s = edge.asked_s + edge.offers.lease_s
        if self.now_s < end_s and charger.obeys:
            charger.sent.append(Profile(offer.number, offer.power_kw * part, end_s))

    def own_offer(self, edge: Edge, charger: Charger) -> Offer | None:
        """Where it is the holder by an answer that it has asked for since the charger has connected."""
        if edge.offers is None or charger.session_id is None or edge.asked_s <= charger.connected_s:
            return None
        own = (offer for offer in edge.offers.offers if offer.holder == edge.name)
        return next((offer for offer in own if offer.session_id == charger.session_id), None)

    def apply(self) -> None:
        self.apply_at(self.rng.choice(self.chargers))

    def apply_at(self, charger: Charger) -> None:
        if charger.sent:
            charger.profile = charger.sent.pop(0)
            charger.applied.append(charger.profile)

    def confirm(self) -> None:
        charger = self.rng.choice(self.chargers)
        if charger.applied:
            charger.confirmed = charger.applied.pop(0)

    def connect(self, number: int) -> None:
        charger = self.rng.choice(self.chargers)
        if charger.sent and self.rng.random() < 0.5:
            charger.profile = charger.sent[-1]
        self.pass_a_moment()
        charger.edge, charger.connected_s = number, self.now_s
        charger.sent, charger.applied, charger.confirmed = [], [], None

    def disconnect(self) -> None:
        self.rng.choice(self.chargers).edge = None

    def claim(self, number: int) -> None:
        """By the edge to which the charger has connected, which may be gone again when the claim comes through."""
        edge = self.edges[number]
        here = [charger.session_id for charger in self.chargers if charger.edge == number]
        known = [] if edge.offers is None else [each for each in edge.offers.offers if each.session_id in here]
        if edge.offers is None or not known:
            return
        offer = self.rng.choice(known)
        edge.sequence += 1
        claims = [(offer.session_id, offer.number)]
        self.reports.append(Reports(edge.offers.epoch, edge.name, edge.sequence, None, claims, []))

    def report(self, sends_last: bool) -> None:
        charger = self.rng.choice(self.chargers)
        if (made := self.report_of(charger, sends_last=sends_last)) is not None:
            self.reports.append(made)

    def report_of(
        self, charger: Charger, *, sends_last: bool = False, fallback_kw: float | None = None
    ) -> Reports | None:
        if charger.edge is None or charger.session_id is None or self.edges[charger.edge].offers is None:
            return None
        edge, number, held_kw = self.edges[charger.edge], 0, None
        assert edge.offers is not None
        if charger.confirmed is not None:
            outstanding = [*charger.applied, *charger.sent]
            number = outstanding[-1].number if outstanding and sends_last else charger.confirmed.number
            held_kw = charger.held_kw(self.now_s)
        edge.sequence += 1
        fallback_kw = charger.fallback_kw if fallback_kw is None else fallback_kw
        report = Report(number, held_kw, fallback_kw, RATING_KW, charger.obeys)
        said = SessionReport(charger.session_id, report, Reading())
        return Reports(edge.offers.epoch, edge.name, edge.sequence, None, [], [said])

    def deliver_report(self, stays: bool) -> None:
        """In any order, and again."""
        if not self.reports:
            return
        del self.reports[:-20]
        reports = self.rng.choice(self.reports)
        if not stays:
            self.reports.remove(reports)
        self.take_report(reports)

    def take_report(self, reports: Reports) -> None:
        """What may be drawn beyond what is booked is a fact."""
        self.book.advance(self.clock.wall_s())
        self.check()
        self.facts_kw += sum(
            max(said.report.held_kw or 0.0, said.report.fallback_kw, 0.0 if said.report.is_controlled else RATING_KW)
            for said in reports.sessions
        )
        _, must_be_written = self.book.report(reports, self.clock.wall_s())
        if must_be_written:
            self.commit()

    def change_fallback(self, fallback_kw: float) -> None:
        charger = self.rng.choice(self.chargers)
        if fallback_kw > charger.fallback_kw and charger.key is not None:
            edge = None if charger.edge is None else self.edges[charger.edge]
            reports = self.report_of(charger, fallback_kw=fallback_kw)
            if edge is None or reports is None or self.own_offer(edge, charger) is None:
                return
            self.take_report(reports)
        charger.fallback_kw = fallback_kw

    def change_its_mind(self, obeys: bool) -> None:
        """A charger that ceases to obey is a fact once it is told; one that obeys again has confirmed it."""
        charger = self.rng.choice(self.chargers)
        if charger.key is not None and not obeys and charger.obeys:
            charger.obeys = False
            reports = self.report_of(charger)
            charger.obeys = True  # until it is told
            if reports is not None:
                self.take_report(reports)
                charger.obeys = False
        elif obeys and not charger.obeys:
            charger.obeys, charger.sent, charger.applied = True, [], []

    def restart_edge(self, number: int) -> None:
        self.edges[number] = Edge(f"edge-{next(self.names)}")
        for charger in self.chargers:
            if charger.edge == number:
                charger.edge, charger.sent, charger.applied, charger.confirmed = None, [], [], None

    def go_on(self, chargers: set[int], confirms: bool, reports: bool) -> None:
        """As it goes when nothing goes wrong, for some of them, or until just before the end."""
        while self.starts:
            self.begin_first(is_lost=False)
            self.check()
        for number in range(EDGES):
            self.ask_for_offers(self.edges[number])
            self.check()
            self.hear(number)
        for charger in (self.chargers[number] for number in chargers):
            self.send_to(charger, 1.0)
            while charger.sent:
                self.apply_at(charger)
            while confirms and charger.applied:
                charger.confirmed = charger.applied.pop(0)
            if reports and (made := self.report_of(charger)) is not None:
                self.take_report(made)
                self.check()

    # ------------------------------------------------------------------ what always holds

    def check(self) -> None:
        self.no_charger_draws_more_than_is_booked()
        self.only_facts_are_booked_beyond_the_capacity()
        self.others_have_no_more_than_what_is_left()

    def no_charger_draws_more_than_is_booked(self) -> None:
        for charger in self.chargers:
            if charger.session_id is None:
                continue
            booked = self.book.booked_kw(charger.session_id)
            assert charger.may_draw_kw(self.now_s) <= booked + NEAR_KW, (charger, booked)

    def only_facts_are_booked_beyond_the_capacity(self) -> None:
        now_kw, capacity_kw = sum(self.booked().values()), self.book.told().capacity_kw
        assert now_kw <= max(capacity_kw, self.booked_kw + self.facts_kw) + NEAR_KW
        self.booked_kw, self.facts_kw = now_kw, 0.0

    def others_have_no_more_than_what_is_left(self) -> None:
        left_kw = max(0.0, self.book.told().capacity_kw - sum(self.booked().values()))
        shown = [self.book.find(session_id) for session_id in self.others]
        alone = [each for each in shown if each is not None and each.live is not None and not each.is_plugged_in]
        load_kw = sum(self.book.shown(each).power_kw for each in alone)
        assert load_kw <= left_kw + NEAR_KW

    def booked(self) -> dict[str, float]:
        return {offer.session_id: self.book.booked_kw(offer.session_id) for offer in self.book.told().offers}

    def go(self, steps: int) -> None:
        rng = self.rng

        def either() -> bool:
            return rng.random() < 0.5

        def edge() -> int:
            return rng.randrange(EDGES)

        often: list[Callable[[], None]] = [
            lambda: self.go_on({rng.randrange(CHARGERS) for _ in range(CHARGERS)}, either(), either()),
            lambda: self.poll(edge()),
            lambda: self.hear(edge()),
            lambda: self.send(rng.choice([1.0, 1.0, 0.5])),
            self.apply,
            self.confirm,
            lambda: self.report(either()),
            lambda: self.deliver_report(either()),
            lambda: self.deliver_start(rng.random() < 0.2),
            self.begin_commit,
            self.finish_commit,
        ]
        seldom: list[Callable[[], None]] = [
            lambda: self.set_capacity(rng.choice(CAPACITIES_KW)),
            lambda: self.wait(rng.choice(PAUSES_S), rng.choice(RATES)),
            lambda: self.charge_without_a_charger(rng.choice(OTHERS), rng.choice([0.2, 30.0])),
            lambda: self.plug_in(rng.choice([0.0, 0.0, 3.0])),
            self.ask_again,
            self.plug_out,
            lambda: self.deliver_end(either()),
            lambda: self.poll_while_the_disk_is_full(edge()),
            lambda: self.connect(edge()),
            lambda: self.claim(edge()),
            lambda: self.change_fallback(rng.choice(FALLBACKS_KW)),
            self.lose_commit,
        ]
        rarely: list[Callable[[], None]] = [
            lambda: self.kill(either(), rng.choice([0.0, 30.0, 200.0])),
            self.stop_by_others,
            self.disconnect,
            lambda: self.change_its_mind(either()),
            lambda: self.restart_edge(edge()),
        ]
        rules = often * 6 + seldom * 2 + rarely
        for _ in range(steps):
            rng.choice(rules)()
            self.check()


@pytest.mark.parametrize("seed", range(20))
def test_nobody_draws_more_than_is_booked_whatever_happens(seed: int) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        wall = Wall(seed, Path(folder))
        with closing(wall):
            wall.go(STEPS)
