"""A charger that is connected is in every list that names nobody as missing, whichever of several edges is asked, and
whatever these know of each other: all by real processes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge.end_to_end.chargers import WAIT_S
from edge.sharding.test_more_edges import NAMES, Edge, Town, owners, town
from smartgrid.edge.sharding.rendezvous import owner
from support.hand_charger import HandCharger
from support.http import Reply
from support.ports import free_port
from support.processes import Process, running, start_all, wait_until

__all__ = ["town"]
PAIR = ["edge-1", "edge-2"]
SUBSTATION = next(
    name
    for name in (f"s{n}" for n in range(100))
    if owner(name, PAIR) == "edge-2" and owner(name, [*PAIR, "edge-3"]) == "edge-3"
)
HERE, KEPT = "CP-here", "CP-kept"
PATH = f"/chargers/{SUBSTATION}/{KEPT}"
BODY = {"security_profile": 0, "connectors": [{}]}


class Strangers(NamedTuple):
    """Edges 1 and 2 know each other, and 2 and 3. Edge 1 can tell where 3 would be, but 3 lets in no chargers there."""

    first: Edge
    second: Edge
    third: Edge


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strangers]:
    folder = tmp_path_factory.mktemp("strangers")
    ports, nobody = (free_port(), free_port()), f"{SUBSTATION}=http://127.0.0.1:1"
    first, second, third = edges = [Edge(folder, number, *ports, nobody) for number in (1, 2, 3)]
    third.settings["ocpp_port"] = port = free_port()
    third.ocpp_url = f"ws://127.77.0.3:{port}/ocpp"
    places = {f"edge-{n}": f"{each.ocpp_url.removesuffix('/ocpp')}|{each.url}" for n, each in enumerate(edges, 1)}
    second.settings["peers"] = ",".join(f"{name}={place}" for name, place in places.items())
    third.settings["peers"] = f"edge-2={places['edge-2']}"
    with running(*edges):
        assert second.call("PUT", PATH, json=BODY).status == 201
        wait_until(lambda: first.call("GET", PATH).json().get("edge") == "edge-2", WAIT_S, "edge 1 has seen edge 2")
        wait_until(lambda: second.call("GET", PATH).json().get("edge") == "edge-3", WAIT_S, "edge 2 has seen edge 3")
        yield Strangers(first, second, third)


def at(edge: Edge, name: str) -> HandCharger:
    """A charger that connects there."""
    charger = HandCharger(edge, name, substation=SUBSTATION)
    charger.url = f"{edge.ocpp_url}/{SUBSTATION}/{name}"
    return charger


def listed(edge: Process, query: str = "") -> dict[str, dict[str, Any]]:
    """By name, in the first list that names nobody as missing."""
    replies: list[Reply] = []

    def is_whole() -> bool:
        replies.append(edge.call("GET", f"/chargers?limit=100{query}"))
        return "Smartgrid-Unreachable" not in replies[-1].headers

    wait_until(is_whole, WAIT_S, "every edge has answered in time")
    return {row["charger"]: row for row in replies[-1].json()["chargers"]}


@pytest.mark.parametrize("query", ["", f"&substation={SUBSTATION}"])
def test_the_chargers_of_an_edge_that_only_another_knows_are_in_the_list(strangers: Strangers, query: str) -> None:
    with at(strangers.third, HERE) as charger:
        charger.boot()
        for edge in strangers[:2]:
            row = listed(edge, query)[HERE]
            assert (row["connected"], row["edge"]) == (True, "edge-3")


def test_a_charger_is_shown_as_the_edge_sees_it_to_which_it_is_connected(strangers: Strangers) -> None:
    with at(strangers.third, KEPT) as charger:
        charger.boot()
        for edge in strangers[:2]:
            shown = edge.call("GET", PATH).json()
            assert (listed(edge)[KEPT]["connected"], shown["connected"], shown["edge"]) == (True, True, "edge-3")


def test_commands_and_diagnostics_reach_a_charger_that_is_not_at_its_owner(strangers: Strangers) -> None:
    with at(strangers.third, KEPT) as charger:
        charger.boot()
        told = strangers.first.call("POST", f"{PATH}/commands", json={"command": "unlock", "connector": 1})
        assert told.json() == {"result": "Accepted"}
        found = strangers.first.call("GET", f"{PATH}/diagnostics").json()
        assert found["charger"]["connected"]
        assert found["messages"]
    told = strangers.first.call("POST", f"{PATH}/commands", json={"command": "unlock", "connector": 1})
    assert (told.status, told.json()["code"]) == (409, "charger-offline")


def test_the_chargers_of_an_edge_that_has_just_come_are_in_the_list(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    here, comes = [Edge(tmp_path, number, *ports, f"{SUBSTATION}=http://127.0.0.1:1") for number in (1, 2)]
    comes.settings["ocpp_port"] = port = free_port()  # so it is not seen, as if there had been no time for it yet
    comes.ocpp_url = f"ws://127.77.0.2:{port}/ocpp"
    with running(here), running(comes), at(comes, HERE) as charger:
        charger.boot()
        assert listed(here)[HERE]["edge"] == "edge-2"


def test_an_edge_of_which_nobody_can_tell_where_it_is_is_named_as_missing(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    edges = [Edge(tmp_path, number, *ports, "s0=http://127.0.0.1:1") for number in (1, 2)]
    first, second = edges
    places = [f"edge-{n}={each.ocpp_url.removesuffix('/ocpp')}|{each.url}" for n, each in enumerate(edges, 1)]
    first.settings["peers"] = ",".join(places)
    second.settings["peers"] = ",".join([*places, "elsewhere=ws://127.0.0.1:1|http://127.0.0.1:1"])
    with running(*edges):
        assert first.call("GET", "/chargers").headers["Smartgrid-Unreachable"] == "elsewhere"


def test_a_gateway_says_whose_chargers_are_missing_where_an_edge_hangs(tmp_path: Path) -> None:
    edge = Edge(tmp_path, 1, free_port(), free_port(), "s0=http://127.0.0.1:1")
    port = free_port()
    edge.settings["peers"] = f"edge-2=ws://127.0.0.1:{port}|http://127.0.0.1:{port}"
    gateway = Process("gateway", tmp_path / "gateway", balancer_url="http://127.0.0.1:1", edge_url=edge.url)
    with running(edge), socket.create_server(("127.0.0.1", port)):
        gateway.launch()  # it is never ready, without a balancer
        try:
            wait_until(lambda: gateway.try_call("GET", "/health") is not None, WAIT_S, "the gateway answers")
            page = gateway.call("GET", "/chargers")
            assert (page.status, page.headers["Smartgrid-Unreachable"]) == (200, "edge-2")
        finally:
            gateway.end()


class Seen(NamedTuple):
    """One look, and at which of its connections each charger was before it."""

    before: dict[str, int]
    rows: dict[str, dict[str, Any]]


@pytest.mark.timeout(400)
def test_while_chargers_move_to_an_edge_more_each_list_has_all_of_them(town: Town) -> None:
    before, after = owners("edge-1", "edge-2"), owners("edge-1", "edge-2", "edge-3")
    for name, edge in before.items():
        town.wait_at(edge, name)
    looks: list[Seen] = []

    def connections() -> dict[str, int]:
        return {name: (each.line.connections if each.is_connected else 0) for name, each in town.chargers.items()}

    def look(edge: Edge, path: str) -> bool:
        was = connections()
        rows = whole(edge, path)
        looks.extend([Seen(was, rows)] if rows else [])
        return len(rows) == len(NAMES) and all(
            rows[name]["connected"] and rows[name]["edge"] == after[name] for name in NAMES
        )

    def are_there() -> bool:
        paths = [*(f"/chargers?substation={name}" for name in NAMES), "/chargers?limit=1", "/chargers"]
        return all([look(edge, path) for edge in town.edges for path in paths][-1:])

    start_all([town.edges[2]])

    wait_until(are_there, WAIT_S, "each is at its new owner")
    last = connections()
    for seen in looks:
        for name, row in seen.rows.items():
            if seen.before[name] == last[name]:  # it is connected, and stayed so
                assert row["connected"], name


def whole(edge: Process, path: str) -> dict[str, dict[str, Any]]:
    """A list in all its pages, in which everybody is that it is asked for; empty where it names an edge as missing."""
    found, cursor = list[dict[str, Any]](), ""
    while cursor is not None:
        reply = edge.call("GET", f"{path}{'&' if '?' in path else '?'}cursor={cursor}" if cursor else path)
        if "Smartgrid-Unreachable" in reply.headers:
            return {}
        found += reply.json()["chargers"]
        cursor = reply.json()["next_cursor"]
    rows = {row["substation"]: row for row in found}
    _, _, substation = path.partition("substation=")
    assert list(rows) == ([substation] if substation else sorted(NAMES))
    return rows
