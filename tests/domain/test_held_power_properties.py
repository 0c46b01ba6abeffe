"""One charger, two edges and a substation that books for it, through long random walks of all that may happen.

Offers go up and down; answers and reports are late, doubled, lost or overtaken; profiles are applied late or never,
confirmed late or never, and run out; the charger visits the other edge, while the first one still believes that it has
it, and comes back; edges and the substation start anew, the latter with what it had written down; and the substation's
clock runs up to a fifth too fast. At every moment the charger may draw no more than is booked for it.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from smartgrid.domain.held_power import MOST_REMEMBERED, HeldPower, Report, Sender

LEASE_S = 100.0
BOOKED_LEASE_S = 1.2 * LEASE_S + 1
JUMP = 1000
RATING_KW = 22.0
STEPS = 4000
NOTHING_TO_DO = "nothing to do"


@dataclass(frozen=True)
class Answer:
    """What a poll has brought: whose the session is, the offer, and until when it may be gone by."""

    epoch: int
    asked_s: float
    number: int
    offer_kw: float
    holder: str


@dataclass(frozen=True)
class Profile:
    number: int
    power_kw: float
    end_s: float


@dataclass(frozen=True)
class Known:
    """What an edge knows of the charger: what it has confirmed, what it was sent beyond, and its fallback."""

    confirmed: Profile | None
    outstanding: tuple[Profile, ...]
    fallback_kw: float


@dataclass
class Edge:
    name: str
    answer: Answer | None = None
    under_way: Answer | None = None
    sequence: int = 0
    believes: Known | None = None
    """Of the charger that was connected here and has gone, without a word."""


@dataclass(frozen=True)
class Sent:
    """A batch of reports, or a claim where there is no report."""

    epoch: int
    sender: str
    sequence: int
    number: int
    report: Report | None


@dataclass
class Walk:
    """`now_s` is the time of edges and charger, `clock_s` the substation's."""

    rng: random.Random
    now_s: float = 0.0
    clock_s: float = 0.0
    epoch: int = 1
    fallback_kw: float = 0.0
    connected: int | None = 0
    connected_s: float = 0.0
    profile: Profile | None = None
    sent: list[Profile] = field(default_factory=list)
    applied: list[Profile] = field(default_factory=list)
    confirmed: Profile | None = None
    under_way: list[Sent] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.names = 2
        self.edges = [Edge("edge-0"), Edge("edge-1")]
        self.held = HeldPower("edge-0", RATING_KW, 0.0, 0.0, BOOKED_LEASE_S)
        self.write()

    # ------------------------------------------------------------------ the substation

    def write(self) -> None:
        """All that counts is on the disk."""
        held = self.held
        self.disk = (held.holder, held.fallback_kw, held.booked_kw, held.number, held.offer_kw)

    def offer(self) -> None:
        if self.held.has_lease:
            self.held.offer(self.rng.choice([0.0, 3.0, 5.0, 7.0, 11.0, self.rng.uniform(0, 22)]))

    def poll(self, edge: Edge | None = None) -> None:
        """Whoever is told more than the disk knows would not be told."""
        edge = edge or self.rng.choice(self.edges)
        if self.held.holder == edge.name:  # nobody else may go by the offer
            self.held.renew(self.clock_s + BOOKED_LEASE_S)
        holder, fallback_kw, booked_kw, *_ = self.disk
        if self.held.booked_kw > booked_kw or self.held.holder != holder or self.held.fallback_kw > fallback_kw:
            self.write()
        edge.under_way = Answer(self.epoch, self.now_s, self.held.number, self.held.offer_kw, self.held.holder)

    def restart(self) -> None:
        holder, fallback_kw, booked_kw, number, offer_kw = self.disk
        self.epoch += 1
        self.held = HeldPower(
            holder,
            RATING_KW,
            fallback_kw,
            booked_kw,
            self.clock_s + BOOKED_LEASE_S,
            number=number + JUMP,
            offer_kw=offer_kw,
        )

    def wait(self) -> None:
        pause_s = self.rng.choice([1.0, 10.0, 60.0, LEASE_S - 1, LEASE_S + 2])
        self.now_s += pause_s
        self.clock_s += pause_s * self.rng.choice([0.8, 1.0, 1.2])
        self.held.expire(self.clock_s)

    # ------------------------------------------------------------------ the edges

    def hear(self) -> str | None:
        edge = self.rng.choice(self.edges)
        if edge.under_way is None:
            return NOTHING_TO_DO
        edge.answer, edge.under_way = edge.under_way, None
        return None

    def send(self) -> str | None:
        edge = self.edge()
        if edge is None or edge.answer is None or not self.is_holder(edge):
            return NOTHING_TO_DO
        answer, end_s = edge.answer, edge.answer.asked_s + LEASE_S
        if self.now_s >= end_s:
            return NOTHING_TO_DO
        self.sent.append(Profile(answer.number, answer.offer_kw * self.rng.choice([1, 1, 0.5]), end_s))
        return None

    def is_holder(self, edge: Edge) -> bool:
        """By an answer that it has asked for since the charger has connected."""
        answer = edge.answer
        return answer is not None and answer.holder == edge.name and answer.asked_s > self.connected_s

    def claim(self, edge: Edge | None = None) -> str | None:
        """Also by who believes to have the charger; not by who had it so far and sees that another has it now."""
        edge = edge or self.rng.choice(self.edges)
        if edge.answer is None or edge.answer.holder == edge.name:
            return NOTHING_TO_DO
        if edge is not self.edge() and edge.believes is not None and edge.believes.confirmed is not None:
            return NOTHING_TO_DO
        edge.sequence += 1
        self.under_way.append(Sent(edge.answer.epoch, edge.name, edge.sequence, edge.answer.number, None))
        return None

    def give_back(self) -> str | None:
        """Whoever holds the session, whether the charger is there or not: a claim in nobody's name."""
        edge = self.rng.choice(self.edges)
        if edge.answer is None or edge.answer.holder != edge.name:
            return NOTHING_TO_DO
        self.under_way.append(Sent(edge.answer.epoch, "nobody", 0, edge.answer.number, None))
        return None

    def report(self) -> str | None:
        edge = self.edge()
        said = None if edge is None else self.report_of(edge, self.known())
        if said is None:
            return NOTHING_TO_DO
        self.under_way.append(said)
        return None

    def report_of_who_is_gone(self) -> str | None:
        edge = self.rng.choice(self.edges)
        said = None if edge.believes is None or edge is self.edge() else self.report_of(edge, edge.believes)
        if said is None:
            return NOTHING_TO_DO
        self.under_way.append(said)
        return None

    def known(self) -> Known:
        return Known(self.confirmed, (*self.applied, *self.sent), self.fallback_kw)

    def report_of(self, edge: Edge, known: Known) -> Sent | None:
        if edge.answer is None:
            return None
        number, held_kw = 0, None
        if known.confirmed is not None:
            is_last = bool(known.outstanding) and self.rng.random() < 0.5
            number = known.outstanding[-1].number if is_last else known.confirmed.number
            lasting = [each for each in (known.confirmed, *known.outstanding) if self.now_s < each.end_s]
            held_kw = max([known.fallback_kw, *(profile.power_kw for profile in lasting)])
        edge.sequence += 1
        said = Report(number, held_kw, known.fallback_kw, RATING_KW)
        return Sent(edge.answer.epoch, edge.name, edge.sequence, number, said)

    def deliver(self) -> str | None:
        """In any order, and again; of many the oldest are lost."""
        if not self.under_way:
            return NOTHING_TO_DO
        del self.under_way[:-30]
        sent = self.rng.choice(self.under_way)
        if self.rng.random() < 0.6:
            self.under_way.remove(sent)
        self.take(sent)
        return None

    def take(self, sent: Sent) -> None:
        if sent.report is None:
            self.done["claimed"] += self.held.claim(sent.sender, sent.number)
            return
        before_kw = self.held.booked_kw
        sender = Sender(sent.sender, sent.sequence, sent.epoch == self.epoch)
        self.held.report(sent.report, sender, self.clock_s + BOOKED_LEASE_S)
        self.done["lowered"] += self.held.booked_kw < before_kw
        if self.held.fallback_kw > self.disk[1] or self.held.booked_kw > self.disk[2]:
            self.write()

    def change_fallback(self) -> str | None:
        """A higher one is said first, by the holder."""
        fallback_kw, edge = self.rng.choice([0.0, 1.38, 4.14]), self.edge()
        if fallback_kw > self.fallback_kw:
            if edge is None or not self.is_holder(edge):
                return NOTHING_TO_DO
            sent = self.report_of(edge, replace(self.known(), fallback_kw=fallback_kw))
            assert sent is not None, "it has had an answer"
            self.take(sent)
        self.fallback_kw = fallback_kw
        return None

    def restart_edge(self) -> None:
        number = self.rng.randrange(2)
        self.edges[number] = Edge(f"edge-{self.names}")
        self.names += 1
        if self.connected == number:
            self.connect()

    # ------------------------------------------------------------------ the charger

    def edge(self) -> Edge | None:
        return None if self.connected is None else self.edges[self.connected]

    def apply(self) -> str | None:
        if not self.sent:
            return NOTHING_TO_DO
        self.profile = self.sent.pop(0)
        self.applied.append(self.profile)
        return None

    def confirm(self) -> str | None:
        if not self.applied:
            return NOTHING_TO_DO
        self.confirmed = self.applied.pop(0)
        return None

    def connect(self) -> None:
        """To either edge, or none; what was on its way there may have come through."""
        if self.sent and self.rng.random() < 0.5:
            self.profile = self.rng.choice(self.sent)
        if (edge := self.edge()) is not None:
            edge.believes = self.known()
        self.connected, self.connected_s = self.rng.choice([0, 0, 1, 1, None]), self.now_s
        self.sent, self.applied, self.confirmed = [], [], None

    def may_draw_kw(self) -> float:
        if self.profile is not None and self.now_s < self.profile.end_s:
            return self.profile.power_kw
        return self.fallback_kw

    # ------------------------------------------------------------------ all of it

    def go_on(self) -> None:
        """As it goes when nothing goes wrong, until something does."""
        edge = self.edge()
        if edge is None:
            return
        for step in (self._ask, self._claim_own, self._ask, self.send, self.apply, self.confirm, self._report_own):
            if self.rng.random() < 0.05:
                return
            step()

    def _ask(self) -> None:
        self.now_s, self.clock_s = self.now_s + 0.001, self.clock_s + 0.001
        edge = self.edge()
        assert edge is not None, "the charger is connected"
        self.poll(edge)
        edge.answer, edge.under_way = edge.under_way, None

    def _claim_own(self) -> None:
        edge = self.edge()
        if edge is not None and edge.answer is not None and edge.answer.holder != edge.name:
            self.claim(edge)
            self.take(self.under_way.pop())

    def _report_own(self) -> None:
        edge = self.edge()
        sent = None if edge is None else self.report_of(edge, self.known())
        if sent is not None:
            self.under_way.append(sent)
            self.take(sent)

    def go(self, steps: int) -> None:
        often = [self.offer, self.go_on, self.poll, self.hear, self.send, self.apply, self.confirm]
        often += [self.report, self.deliver]
        seldom = [self.report_of_who_is_gone, self.wait, self.connect, self.claim, self.change_fallback, self.write]
        rarely = [self.restart, self.restart_edge, self.give_back]
        rules = often * 10 + seldom * 3 + rarely
        for step in range(steps):
            self.now_s, self.clock_s = self.now_s + 0.001, self.clock_s + 0.001
            rule = self.rng.choice(rules)
            if rule() is None:
                self.done[rule.__name__] += 1
            drawn_kw, booked_kw = self.may_draw_kw(), self.held.booked_kw
            assert drawn_kw <= booked_kw + 1e-9, f"step {step}, {rule.__name__}: {drawn_kw} of {booked_kw} kW, {self}"
            assert self.held.offer_kw <= max(booked_kw, 0.0) or not self.held.has_lease


@pytest.mark.parametrize("seed", range(25))
def test_a_charger_never_draws_more_than_is_booked(seed: int) -> None:
    walk = Walk(random.Random(seed))
    walk.go(STEPS)
    assert min(walk.done[what] for what in ("lowered", "claimed", "confirm", "restart", "send", "give_back")) > 5, (
        walk.done
    )


def test_as_few_offers_are_remembered_as_may_count() -> None:
    held = HeldPower("edge-0", RATING_KW, 0.0, 0.0, math.inf)
    held.offer(22.0)
    for milliwatts in range(10_000):
        held.offer(20 - milliwatts / 1000)
    assert held.booked_kw == 22
    held.report(Report(held.number - 100, 5.0, 0.0, RATING_KW), Sender("edge-0"), math.inf)
    assert held.booked_kw >= 20 - 9.9
    held.report(replace(Report(0, 5.0, 0.0, RATING_KW), number=held.number), Sender("edge-0"), math.inf)
    assert held.booked_kw == held.offer_kw
    assert len(held._offers) <= MOST_REMEMBERED
