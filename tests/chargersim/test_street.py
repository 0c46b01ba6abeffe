"""Simulated chargers over real sockets: they connect, keep at it, and may be many."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from chargersim.listener import Listener
from smartgrid.chargersim.behaviour import behaving
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.street import Street
from support.processes import wait_until

WAIT_S = 20.0


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as found:
        yield found


@pytest.fixture
def street(listener: Listener) -> Iterator[Street]:
    with Street(listener.url, pause_s=0.05, longest_pause_s=0.2) as found:
        yield found


def test_a_charger_calls_at_its_own_address_with_its_key(listener: Listener, street: Street) -> None:
    street.add("sub 0", "left/1", Dialect16(), key=b"\x01\x02:secret")

    wait_until(lambda: bool(listener.connections), WAIT_S, "it is connected")
    (request,) = listener.requests
    assert request.path == "/ocpp/sub%200/left%2F1"
    user, _, key = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).partition(b":")
    assert (user, key) == (b"left/1", b"\x01\x02:secret")
    assert request.headers["Sec-WebSocket-Protocol"] == "ocpp1.6"


def test_a_car_charges_and_its_power_is_on_the_busbar(listener: Listener, street: Street) -> None:
    charger = street.add("substation-0", "left", Dialect16())
    wait_until(lambda: charger.is_connected, WAIT_S, "it is connected")
    charger.plug(Car(reaction_s=0.1), tag="EV-1")

    wait_until(lambda: charger.power_kw > 11, WAIT_S, "the car charges")
    assert street.busbar("substation-0").power_kw == pytest.approx(11.04)
    assert charger.register_kwh() > 0
    charger.unplug()
    wait_until(lambda: charger.transactions[0].is_settled, WAIT_S, "its end is told")
    assert "StopTransaction" in [name for name, _ in listener.calls]


def test_a_lost_connection_is_made_again_without_a_boot(listener: Listener, street: Street) -> None:
    charger = street.add("substation-0", "left", Dialect16())
    wait_until(lambda: "BootNotification" in [name for name, _ in listener.calls], WAIT_S, "it has booted")
    listener.close_all()

    wait_until(lambda: listener.accepted == 2 and charger.is_connected, WAIT_S, "it is back")
    assert [name for name, _ in listener.calls].count("BootNotification") == 1


def test_one_that_is_refused_tries_again(listener: Listener, street: Street) -> None:
    listener.refuses_with = HTTPStatus.UNAUTHORIZED
    charger = street.add("substation-0", "left", Dialect16())
    wait_until(lambda: charger.line.refusals[:2] == [401, 401], WAIT_S, "it is refused twice")

    listener.refuses_with = None
    wait_until(lambda: charger.is_connected, WAIT_S, "it is let in")


def test_a_cut_line_stays_cut_until_it_is_mended(listener: Listener, street: Street) -> None:
    charger = street.add("substation-0", "left", Dialect16())
    wait_until(lambda: charger.is_connected, WAIT_S, "it is connected")
    charger.cut()
    wait_until(lambda: not listener.connections, WAIT_S, "the connection is gone")
    assert not charger.is_connected

    charger.connect()
    wait_until(lambda: charger.is_connected, WAIT_S, "it is connected again")


def test_some_open_a_second_socket_while_the_first_is_open(listener: Listener, street: Street) -> None:
    street.add("substation-0", "left", Dialect16(), behaving(["two-sockets"]))

    wait_until(lambda: len(listener.connections) == 2, WAIT_S, "both are open")


def test_a_reboot_connects_anew_and_says_so(listener: Listener, street: Street) -> None:
    charger = street.add("substation-0", "left", Dialect16())
    wait_until(lambda: charger.is_connected, WAIT_S, "it is connected")
    charger.reboot()

    wait_until(
        lambda: [name for name, _ in listener.calls].count("BootNotification") == 2, WAIT_S, "it has booted again"
    )


def test_hundreds_are_connected_at_once(listener: Listener, street: Street) -> None:
    chargers = [street.add(f"substation-{i % 3}", f"c{i}", Dialect16()) for i in range(300)]

    wait_until(lambda: all(each.is_connected for each in chargers), WAIT_S, "all are connected")
    assert len(listener.connections) == 300
