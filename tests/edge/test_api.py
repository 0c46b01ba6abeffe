"""The API of chargers, at the edge and through the gateway, with chargers on real sockets."""

from __future__ import annotations

from typing import Any

import pytest

from support.grid import Grid
from support.hand_charger import HandCharger, connector_of
from support.http import Reply
from support.processes import Process, wait_until

KEY = "00112233445566778899AABBCCDDEEFF00112233"
HERE = "/chargers/substation-0"


@pytest.fixture(params=["edge", "gateway"])
def where(request: pytest.FixtureRequest, edge_grid: Grid) -> Process:
    return edge_grid.edge if request.param == "edge" else edge_grid.gateway


def command(where: Process, charger: HandCharger, **body: object) -> Reply:
    return where.call("POST", f"{HERE}/{charger.name}/commands", json=body)


def test_a_charger_that_connects_is_seen_with_what_it_says_of_itself(edge_grid: Grid, where: Process):
    with HandCharger(edge_grid.edge, "CP-seen") as charger:
        charger.boot()
        charger.status("Available")

        found = where.call("GET", f"{HERE}/CP-seen").json()

    assert (found["vendor"], found["model"], found["version"]) == ("Test", "Hand", "ocpp1.6")
    assert (found["connected"], found["registered"], found["edge"]) == (True, False, "edge-0")
    assert connector_of(found)["status"] == "Available"


def test_one_that_has_left_is_still_known(edge_grid: Grid, where: Process):
    with HandCharger(edge_grid.edge, "CP-left") as charger:
        charger.boot()

    def has_left() -> bool:
        return not where.call("GET", f"{HERE}/CP-left").json()["connected"]

    wait_until(has_left, what="the edge sees that it has left")
    assert where.call("GET", f"{HERE}/CP-left").json()["model"] == "Hand"


def test_one_that_was_never_there_is_not_found(where: Process):
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/diagnostics")):
        reply = where.call(method, f"{HERE}/nobody{path}")
        assert (reply.status, reply.json()["code"]) == (404, "not-found")


def test_chargers_are_listed_page_by_page_in_order(edge_grid: Grid, where: Process):
    names = ["CP-p1", "CP-p2", "CP-p3"]
    for name in reversed(names):
        assert edge_grid.edge.call("PUT", f"/chargers/listed/{name}", json={"security_profile": 0}).status in (200, 201)
    found, cursor = [], ""
    while cursor is not None:
        page = where.call("GET", f"/chargers?substation=listed&limit=2{cursor and f'&cursor={cursor}'}").json()
        found += [each["charger"] for each in page["chargers"]]
        cursor = page["next_cursor"]

    assert found == names


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=0", "limit must be a whole number from 1 to 1000"),
        ("cursor=x", "cursor must be the next_cursor of a page before"),
        ("substation=No.Such", "substation must be the name of one"),
    ],
)
def test_a_bad_query_is_refused_with_a_sentence(where: Process, query: str, sentence: str):
    reply = where.call("GET", f"/chargers?{query}")

    assert reply.status == 422
    assert sentence in reply.json()["detail"]


def test_a_registered_charger_needs_its_key(edge_grid: Grid, where: Process):
    name = f"CP-key-{where.service}"
    made = where.call("PUT", f"{HERE}/{name}", json={"key": KEY, "connectors": [{"phases": 1, "rating_a": 16}]})

    assert (made.status, made.json()["registered"], made.json()["security_profile"]) == (201, True, 1)
    assert KEY not in made.body.decode()
    assert HandCharger(edge_grid.edge, name).refusal() == 401
    assert HandCharger(edge_grid.edge, name, key=KEY[::-1]).refusal() == 401
    assert HandCharger(edge_grid.edge, name, key=KEY).refusal() is None


def test_to_register_again_changes_it_and_keeps_the_key(edge_grid: Grid, where: Process):
    name = f"CP-again-{where.service}"
    where.call("PUT", f"{HERE}/{name}", json={"key": KEY})
    with HandCharger(edge_grid.edge, name, key=KEY) as charger:
        changed = where.call("PUT", f"{HERE}/{name}", json={"connectors": [{}, {}]})

        assert changed.status == 200
        assert charger.closed.wait(30), "it comes again, and is taken as what it is now"
    assert charger.close_code == 1012
    with HandCharger(edge_grid.edge, name, key=KEY):
        assert len(where.call("GET", f"{HERE}/{name}").json()["connectors"]) == 2


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "security_profile 1 needs a key"),
        ({"security_profile": 3}, "security_profile 3 needs a certificate_subject"),
        ({"key": "aaaaaaaaaaaaaaaaaaaa"}, "must be random"),
        ({"key": "short"}, "key: String should have at least 16 characters"),
        ({"security_profile": 0, "connectors": []}, "connectors: List should have at least 1 item"),
        ({"security_profile": 0, "connectors": [{"phases": 4}]}, "phases: Input should be less than or equal to 3"),
    ],
)
def test_a_bad_registration_is_refused_with_a_sentence(where: Process, body: dict[str, object], sentence: str):
    reply = where.call("PUT", f"{HERE}/CP-bad", json=body)

    assert reply.status == 422
    assert sentence in reply.json()["detail"]


def test_one_that_is_removed_is_cut_off(edge_grid: Grid, where: Process):
    name = f"CP-gone-{where.service}"
    where.call("PUT", f"{HERE}/{name}", json={"key": KEY})
    with HandCharger(edge_grid.edge, name, key=KEY) as charger:
        removed = where.call("DELETE", f"{HERE}/{name}")

        assert (removed.status, removed.json()["registered"]) == (200, False)
        assert charger.closed.wait(30)
    assert charger.close_code == 1008


def test_commands_are_the_chargers_to_answer(edge_grid: Grid, where: Process):
    with HandCharger(edge_grid.edge, "CP-told") as charger:
        charger.boot()
        charger.answers |= {"UnlockConnector": {"status": "UnlockFailed"}, "Reset": {"status": "Rejected"}}

        assert command(where, charger, command="unlock", connector=1).json() == {"result": "UnlockFailed"}
        assert command(where, charger, command="reset").json() == {"result": "Rejected"}
        started = command(where, charger, command="remote-start", id_tag="anna", connector=1)
        assert started.json() == {"result": "Accepted"}
        assert charger.asked("RemoteStartTransaction")[-1] == {"idTag": "anna", "connectorId": 1}


def test_a_command_to_one_that_is_not_connected_does_nothing(where: Process):
    where.call("PUT", f"{HERE}/CP-off", json={"key": KEY})

    reply = where.call("POST", f"{HERE}/CP-off/commands", json={"command": "reset"})

    assert (reply.status, reply.json()["code"]) == (409, "charger-offline")


def test_a_stop_of_no_session_is_not_found(edge_grid: Grid, where: Process):
    with HandCharger(edge_grid.edge, "CP-idle") as charger:
        charger.boot()
        reply = command(where, charger, command="remote-stop", connector=1)

    assert reply.status == 404
    assert "There is no session at connector 1" in reply.json()["detail"]


def test_a_rotated_key_is_sent_and_the_old_one_ends_when_the_new_one_was_used(edge_grid: Grid, where: Process):
    name = f"CP-rotated-{where.service}"
    where.call("PUT", f"{HERE}/{name}", json={"key": KEY})
    with HandCharger(edge_grid.edge, name, key=KEY) as charger:
        charger.boot()
        reply = command(where, charger, command="rotate-key")
        new = next(each["value"] for each in charger.asked("ChangeConfiguration") if each["key"] == "AuthorizationKey")

    assert reply.json() == {"result": "Accepted"}
    assert new not in reply.body.decode()
    assert HandCharger(edge_grid.edge, name, key=KEY).refusal() is None, "until the new one was used"
    assert HandCharger(edge_grid.edge, name, key=new).refusal() is None
    wait_until(lambda: HandCharger(edge_grid.edge, name, key=KEY).refusal() == 401, what="the old key has ended")


def test_a_charger_that_refuses_its_new_key_keeps_the_old(edge_grid: Grid, where: Process):
    name = f"CP-keeps-{where.service}"
    where.call("PUT", f"{HERE}/{name}", json={"key": KEY})
    with HandCharger(edge_grid.edge, name, key=KEY) as charger:
        charger.boot()
        charger.answers["ChangeConfiguration"] = {"status": "Rejected"}
        assert command(where, charger, command="rotate-key").json() == {"result": "Rejected"}
        refused = next(e["value"] for e in charger.asked("ChangeConfiguration") if e["key"] == "AuthorizationKey")

    assert HandCharger(edge_grid.edge, name, key=refused).refusal() == 401
    assert HandCharger(edge_grid.edge, name, key=KEY).refusal() is None


def test_the_last_messages_help_to_find_out_what_is_wrong(edge_grid: Grid, where: Process):
    name = f"CP-sick-{where.service}"
    with HandCharger(edge_grid.edge, name) as charger:
        charger.boot()
        charger.call("Authorize", idTag="secret-tag")
        found = where.call("GET", f"{HERE}/{name}/diagnostics").json()

    assert found["charger"]["charger"] == name
    calls = [each["action"] for each in found["messages"] if (each["direction"], each["type"]) == ("in", "call")]
    assert calls == ["BootNotification", "Authorize"]
    assert {each["purpose"] for each in found["profiles"]} == {"TxDefaultProfile"}
    assert "secret-tag" not in str(found)


def test_a_probe_finds_out_what_the_charger_takes_and_its_profiles_are_written_again(edge_grid: Grid, where: Process):
    name = f"CP-probed-{where.service}"
    with HandCharger(edge_grid.edge, name) as charger:
        charger.boot()
        charger.status("Available")
        charger.answers["SetChargingProfile"] = takes_amperes

        assert command(where, charger, command="probe", step="default-w", connector=1).json() == {"result": "Rejected"}
        assert command(where, charger, command="probe", step="default-a", connector=1).json() == {"result": "Accepted"}
        reply = command(where, charger, command="probe", step="jump", connector=1)

    assert reply.status == 422
    assert "step must be one of units, levels" in reply.json()["detail"]


def takes_amperes(asked: dict[str, Any]) -> dict[str, Any]:
    unit = asked["csChargingProfiles"]["chargingSchedule"]["chargingRateUnit"]
    return {"status": "Accepted" if unit == "A" else "Rejected"}
