"""Two edges share the substations: wherever one asks, the one that has the charger answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.hand_charger import HandCharger
from support.ports import free_port
from support.processes import Process, start_all, wait_until

NAMES = [f"substation-{number}" for number in range(8)]


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Process]]:
    """Of substations that do not answer, which does not matter here."""
    ocpp, api = [free_port(), free_port()], [free_port(), free_port()]
    peers = ",".join(f"edge-{i}=ws://127.0.0.1:{ocpp[i]}|http://127.0.0.1:{api[i]}" for i in range(2))
    made = [
        Process(
            "edge",
            tmp_path_factory.mktemp(f"edge-{i}"),
            port=api[i],
            name=f"edge-{i}",
            ocpp_port=ocpp[i],
            peers=peers,
            substations=",".join(f"{name}=http://127.0.0.1:1" for name in NAMES),
            registration="open",
        )
        for i in range(2)
    ]
    try:
        start_all(made)
        yield made
    finally:
        for each in made:
            each.end()


def edge_of(edge: Process, substation: str, charger: str) -> str:
    return str(edge.call("GET", f"/chargers/{substation}/{charger}").json()["edge"])


def test_a_charger_is_at_its_substations_edge_wherever_it_connects(edges: list[Process]):
    owners = {}
    for substation in NAMES:
        with HandCharger(edges[0], substation=substation) as charger:
            charger.boot()
            seen = {edge_of(each, substation, "CP1") for each in edges}
        assert len(seen) == 1, "both say the same"
        owners[substation] = seen.pop()

    assert set(owners.values()) == {"edge-0", "edge-1"}


def test_a_list_is_of_all_edges_in_one_order_and_in_pages(edges: list[Process]):
    for substation in NAMES:
        with HandCharger(edges[0], "CP-listed", substation=substation) as charger:
            charger.boot()
    for edge in edges:
        found, cursor = [], ""
        while cursor is not None:
            page = edge.call("GET", f"/chargers?limit=3{cursor and f'&cursor={cursor}'}").json()
            found += [(each["substation"], each["charger"]) for each in page["chargers"]]
            cursor = page["next_cursor"]
        assert found == sorted(set(found))
        assert {substation for substation, charger in found if charger == "CP-listed"} == set(NAMES)


def test_a_command_reaches_a_charger_of_the_other_edge(edges: list[Process]):
    for substation in NAMES:
        with HandCharger(edges[0], "CP-told", substation=substation) as charger:
            charger.boot()
            reply = edges[0].call(
                "POST", f"/chargers/{substation}/CP-told/commands", json={"command": "unlock", "connector": 1}
            )
            assert reply.json() == {"result": "Accepted"}
            assert charger.asked("UnlockConnector") == [{"connectorId": 1}]


def registered(edge: Process) -> dict[str, str]:
    """By charger the hash of its key, as this edge has it."""
    found = edge.call("GET", "/registry/changes").json()
    assert found["is_end"]
    return {f"{row['substation']}/{row['charger']}": row["key_hash"] for row in found["rows"] if row["origin"] == "api"}


def test_a_registration_is_soon_at_every_edge_and_so_is_its_end(edges: list[Process]):
    for substation in NAMES:
        body = {"key": "00112233445566778899AABBCCDDEEFF00112233"}
        assert edges[0].call("PUT", f"/chargers/{substation}/CP-registered", json=body).status == 201
    wait_until(lambda: len(registered(edges[1])) == len(NAMES), what="the other edge has them all")
    wait_until(lambda: registered(edges[0]) == registered(edges[1]), what="both have the same")

    for substation in NAMES:
        assert edges[1].call("DELETE", f"/chargers/{substation}/CP-registered").status == 200
    wait_until(lambda: registered(edges[0]) == registered(edges[1]) == {}, what="both have none")


def test_an_edge_that_comes_back_has_what_was_registered_meanwhile_before_it_takes_a_charger(edges: list[Process]):
    edges[1].kill()
    body = {"key": "00112233445566778899AABBCCDDEEFF00112233"}
    try:
        path = next(
            path
            for path in (f"/chargers/{substation}/CP-meanwhile" for substation in NAMES)
            if edges[0].call("PUT", path, json=body).status == 201
        )
    finally:
        edges[1].restart()
    assert path.removeprefix("/chargers/") in registered(edges[1])


def test_where_an_edge_is_away_the_rest_is_shown_and_said_so(edges: list[Process]):
    edges[1].kill()
    try:

        def is_told() -> bool:
            return edges[0].call("GET", "/chargers").headers.get("Smartgrid-Unreachable") == "edge-1"

        wait_until(is_told, what="the list says who is missing")
        assert edges[0].call("GET", "/chargers").status == 200
    finally:
        edges[1].restart()
