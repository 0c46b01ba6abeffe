"""Whatever a charger's queue, its repeats, the edge's crashes and its substation's absences do to the order of things:
each car is one session, with the energy of its own register, once."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.edge.ports import OcppVersion, Outcome
from support.edge_fleet import ScriptedLink, World

CONNECTORS = 2


@dataclass(frozen=True)
class Message:
    """Of one car: its start, a value, or its stop; `at` is the minute of it."""

    at: float
    car: int
    connector: int
    kind: str
    wh: int


@st.composite
def days(draw: st.DrawFn) -> list[Message]:
    """Cars that come one after the other on each connector: all that their charger's meters say of it."""
    found, car = [], 0
    for connector in range(1, CONNECTORS + 1):
        at, register = draw(st.integers(0, 9)), draw(st.integers(0, 100_000))
        for _ in range(draw(st.integers(1, 3))):
            found.append(Message(at, car, connector, "start", register))
            for _ in range(draw(st.integers(0, 3))):
                at, register = at + 10, register + draw(st.integers(1, 5000))
                found.append(Message(at, car, connector, "value", register))
            at, register = at + 10, register + draw(st.integers(1, 5000))
            found.append(Message(at, car, connector, "stop", register))
            at, car = at + 10, car + 1
    return sorted(found, key=lambda message: message.at)


def energy_of(messages: list[Message]) -> dict[str, float]:
    """By car, in kWh."""
    first = {m.car: m.wh for m in messages if m.kind == "start"}
    return {f"CAR-{m.car}": (m.wh - first[m.car]) / 1000 for m in messages if m.kind == "stop"}


def booked(world: World) -> dict[str, float | None]:
    """What the substation's books have of each car, by its last end order; a car that is there twice raises."""
    cars = {each.session_id: each.vehicle_id for each in world.grid.sessions.values()}
    assert len(set(cars.values())) == len(cars), "a car has two sessions"
    return {cars[end.session_id or ""]: end.energy_kwh for end in world.grid.ends}


class Charger16:
    """Sends until it is answered, as a charger does; learns its ids from the answers."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        self._ids: dict[int, int] = {}
        self._base_s = world.clock.wall_s()
        self.link = self._connect()

    def send(self, message: Message) -> None:
        for _ in range(self._rng.choice((1, 1, 2))):
            while self._say(message) is None:
                self._world.inbox.is_full = False
                self._world.clock.run(5)

    def reconnect(self) -> None:
        self.link = self._connect()

    def _connect(self) -> ScriptedLink:
        return self._world.connect(version=OcppVersion.V16)

    def _say(self, message: Message) -> Any:
        when = self._world.time(ago_s=self._world.clock.wall_s() - self._base_s + 3 * 3600 - 60 * message.at)
        tag = {"idTag": f"CAR-{message.car}"}
        if message.kind == "start":
            answer = self.link.say(
                "StartTransaction", connectorId=message.connector, timestamp=when, meterStart=message.wh, **tag
            )
            self._ids.update({message.car: answer["transactionId"]} if answer else {})
            return answer
        transaction = {"transactionId": self._rng.choice((self._ids[message.car], self._ids[message.car], -1))}
        if message.kind == "stop":
            return self.link.say("StopTransaction", timestamp=when, meterStop=message.wh, **transaction, **tag)
        values = [{"timestamp": when, "sampledValue": [{"value": str(message.wh)}]}]
        return self.link.say("MeterValues", connectorId=message.connector, meterValue=values, **transaction)


class Charger201(Charger16):
    """Names its transactions itself, and numbers what it says of them."""

    def _connect(self) -> ScriptedLink:
        return self._world.connect(version=OcppVersion.V201)

    def _say(self, message: Message) -> Any:
        kind = {"start": "Started", "value": "Updated", "stop": "Ended"}[message.kind]
        return self._world.event(
            self.link,
            kind,
            f"T{message.car}",
            seq=round(message.at),
            evse=message.connector if message.kind == "start" else None,
            car="Charging",
            token={"idToken": f"CAR-{message.car}", "type": "ISO14443"} if message.kind == "start" else None,
            wh=message.wh,
            ago_s=self._world.clock.wall_s() - self._base_s + 3 * 3600 - 60 * message.at,
        )


def play(messages: list[Message], seed: int, kind: type[Charger16]) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), connectors=CONNECTORS)
        charger = kind(world, rng)
        for message in messages:
            world.grid.outcome = rng.choice((Outcome.DONE, Outcome.LATER))
            world.inbox.is_full = rng.random() < 0.2
            charger.send(message)
            chance = rng.random()
            if chance < 0.15:
                world.restart()
            if chance < 0.3:
                charger.reconnect()
            world.offer(*[5.0] * 10)
            world.clock.run(rng.choice((0, 0, 1, 40)))
        world.grid.outcome, world.inbox.is_full = Outcome.DONE, False
        world.clock.run(120)
        assert booked(world) == pytest.approx(energy_of(messages))


@settings(max_examples=40, deadline=None)
@given(days(), st.integers(0, 1000))
def test_energy_of_1_6_is_booked_once_in_any_order_of_messages(messages: list[Message], seed: int) -> None:
    play(messages, seed, Charger16)


@settings(max_examples=40, deadline=None)
@given(days(), st.integers(0, 1000))
def test_energy_of_2_0_1_is_booked_once_in_any_order_of_messages(messages: list[Message], seed: int) -> None:
    play(messages, seed, Charger201)
