"""What a substation promises (docs/protocol.md), over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from smartgrid.protocol import keys
from support.http import Reply
from support.processes import Process

A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 50, "max_power_kw": 1}


@pytest.fixture(scope="module")
def substation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process("substation", tmp_path_factory.mktemp("protocol"), name="s0", capacity_kw=100) as process:
        yield process


def charge(substation: Process, key: str, number: str, **changes: object) -> Reply:
    headers = {"Idempotency-Key": key, "Smartgrid-Number": number}
    return substation.call("POST", "/charge", json={**A_CAR, **changes}, headers=headers)


def news(substation: Process, epoch: int, position: int, **query: int) -> dict[str, Any]:
    """The answer of `GET /status` to who has the log up to a position."""
    text = "".join(f"&{name}={value}" for name, value in query.items())
    status: dict[str, Any] = substation.call("GET", f"/status?epoch={epoch}&keys={position}{text}").json()
    return status


def all_news(substation: Process) -> dict[str, Any]:
    """The answer to who knows nothing; there is one page."""
    return news(substation, 0, 0)


def entry_of(status: dict[str, Any], key: str) -> list[object] | None:
    """What the log says of a key."""
    found = [entry for entry in status["keys"]["entries"] if entry[0] == keys.digest(key)]
    assert len(found) <= 1
    return found[0] if found else None


def supersede(substation: Process, session_id: str, before: str, by: str) -> Reply:
    return substation.call("DELETE", f"/charge/{session_id}?before={before}&superseded_by={by}")


# ---------------------------------------------------------------------- keys and numbers


def test_a_repeat_gets_the_session_and_is_said_to_be_one(substation: Process) -> None:
    first, again = charge(substation, "repeat", "10"), charge(substation, "repeat", "11")
    assert (first.status, again.status) == (201, 201)
    assert first.json()["session_id"] == again.json()["session_id"]
    assert "Smartgrid-Replayed" not in first.headers
    assert again.headers["Smartgrid-Replayed"] == "true"


def test_the_same_request_may_be_told_otherwise(substation: Process) -> None:
    """The minimum filled in, and the departure in another time zone."""
    first = charge(substation, "told otherwise", "10", departure_time="2099-01-01T12:00:00+02:00")
    again = charge(substation, "told otherwise", "11", departure_time="2099-01-01T10:00:00Z", min_power_kw=1)
    assert (again.status, again.json()["session_id"]) == (201, first.json()["session_id"])


def test_another_request_with_the_key_is_refused(substation: Process) -> None:
    charge(substation, "one car", "10")
    other = charge(substation, "one car", "11", vehicle_id="EV-2")
    assert (other.status, other.json()["code"]) == (422, "idempotency-key-reused")


def test_the_log_has_the_number_of_the_latest_try(substation: Process) -> None:
    session_id = charge(substation, "numbered", "1000.0.7").json()["session_id"]
    charge(substation, "numbered", "2000.1.7")
    charge(substation, "numbered", "1500.3.7")  # a late one
    assert entry_of(all_news(substation), "numbered") == [keys.digest("numbered"), "2000.1.7", session_id, 0]


def test_a_number_that_cannot_be_read_is_refused(substation: Process) -> None:
    reply = charge(substation, "bad number", "soon")
    assert (reply.status, reply.json()["code"]) == (422, "invalid-request")
    assert "Smartgrid-Number" in reply.json()["detail"]


def test_a_number_from_the_future_is_not_believed(substation: Process) -> None:
    """Else no later try could ever be the later one, and no balancer would believe the log."""
    charge(substation, "from the future", "9007199254740992.2.7")
    entry = entry_of(all_news(substation), "from the future")
    assert entry is not None
    time_us, *attempt = map(int, str(entry[1]).split("."))
    assert time_us < 9e15
    assert attempt == [2, 7]


def test_a_direct_client_needs_neither_key_nor_number(substation: Process) -> None:
    before = all_news(substation)
    session_id = substation.call("POST", "/charge", json=A_CAR).json()["session_id"]
    (entry,) = news(substation, before["epoch"], before["keys"]["position"])["keys"]["entries"]
    assert (len(entry[0]), entry[2], entry[3]) == (keys.DIGEST_LENGTH, session_id, 0)


# ---------------------------------------------------------------------- superseding


def test_a_session_with_a_lower_number_is_superseded(substation: Process) -> None:
    session_id = charge(substation, "lower", "10").json()["session_id"]
    ended = supersede(substation, session_id, "11", "../s1.x")
    assert (ended.status, ended.json()["state"], ended.json()["end_reason"]) == (200, "Idle", "Superseded")
    assert ended.json()["superseded_by"] == "../s1.x"
    assert substation.call("GET", f"/charge/{session_id}").json() == ended.json()
    listed = substation.call("GET", "/charge?state=Idle&limit=1000").json()["sessions"]
    assert ended.json() in listed


def test_its_key_leads_to_the_session_that_counts(substation: Process) -> None:
    session_id = charge(substation, "leads on", "10").json()["session_id"]
    supersede(substation, session_id, "11", "../s1.x")
    repeat = charge(substation, "leads on", "12")
    assert (repeat.status, repeat.json()["code"], repeat.json()["superseded_by"]) == (409, "superseded", "../s1.x")
    entry = entry_of(all_news(substation), "leads on")
    assert entry is not None
    assert (entry[1], entry[3]) == ("10", 1)


@pytest.mark.parametrize("before", ["20", "19", "19.5.7"])
def test_one_with_the_same_or_a_greater_number_stays(substation: Process, before: str) -> None:
    session_id = charge(substation, f"stays before {before}", "20").json()["session_id"]
    reply = supersede(substation, session_id, before, "../s1.x")
    assert (reply.status, reply.json()["state"]) == (200, "Charging")
    assert "superseded_by" not in reply.json()


def test_one_that_has_ended_by_itself_notes_it_too(substation: Process) -> None:
    session_id = charge(substation, "stopped before", "10").json()["session_id"]
    substation.call("DELETE", f"/charge/{session_id}")
    ended = supersede(substation, session_id, "11", "../s1.x").json()
    assert (ended["end_reason"], ended["superseded_by"]) == ("Stopped", "../s1.x")
    assert substation.call("GET", f"/charge/{session_id}").json() == ended


def test_the_first_superseding_stays(substation: Process) -> None:
    session_id = charge(substation, "twice", "10").json()["session_id"]
    first = supersede(substation, session_id, "11", "../s1.x").json()
    assert supersede(substation, session_id, "12", "../s2.y").json() == first


@pytest.mark.parametrize(
    "query", ["before=11", "superseded_by=../x", "before=x&superseded_by=../x", "before=11&superseded_by=x"]
)
def test_a_superseding_that_cannot_be_read_ends_nothing(substation: Process, query: str) -> None:
    session_id = charge(substation, f"unreadable {query}", "10").json()["session_id"]
    assert substation.call("DELETE", f"/charge/{session_id}?{query}").status == 422
    assert substation.call("GET", f"/charge/{session_id}").json()["state"] == "Charging"


def test_what_is_not_there_cannot_be_superseded(substation: Process) -> None:
    assert supersede(substation, "unknown", "11", "../s1.x").status == 404


# ---------------------------------------------------------------------- the log of keys


def test_who_knows_nothing_gets_every_key_and_is_told_to_begin_anew(substation: Process) -> None:
    session_id = charge(substation, "known to no one", "10").json()["session_id"]
    status = all_news(substation)
    assert (status["keys"]["reset"], status["keys"]["more"]) == (True, False)
    assert entry_of(status, "known to no one") == [keys.digest("known to no one"), "10", session_id, 0]


def test_who_has_read_the_log_gets_what_has_changed_since(substation: Process) -> None:
    charge(substation, "before", "10")
    before = all_news(substation)
    charge(substation, "after", "10")
    after = news(substation, before["epoch"], before["keys"]["position"])
    assert [entry[0] for entry in after["keys"]["entries"]] == [keys.digest("after")]
    assert after["keys"]["reset"] is False


def test_the_log_comes_in_pages(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=3000) as substation:
        with ThreadPoolExecutor(8) as threads:
            made = set(threads.map(lambda n: charge(substation, f"k{n}", "10").json()["session_id"], range(2100)))
        first = all_news(substation)
        assert (len(first["keys"]["entries"]), first["keys"]["more"], first["keys"]["reset"]) == (2000, True, True)
        second = news(substation, first["epoch"], first["keys"]["position"])
        assert (len(second["keys"]["entries"]), second["keys"]["more"], second["keys"]["reset"]) == (100, False, False)
        told = [entry[2] for status in (first, second) for entry in status["keys"]["entries"]]
        assert len(told) == len(made)
        assert set(told) == made


def test_a_status_without_the_wish_has_no_keys(substation: Process) -> None:
    assert "keys" not in substation.call("GET", "/status").json()


def test_a_long_poll_waits_for_a_key(substation: Process) -> None:
    charge(substation, "raised", "10")
    status = all_news(substation)
    since = {"since": status["revision"], "wait_s": 60}
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(news, substation, status["epoch"], status["keys"]["position"], **since)
        charge(substation, "raised", "11")  # changes no power, and so no revision
        entry = entry_of(waiting.result(30), "raised")
    assert entry is not None
    assert entry[1] == "11"


def test_a_long_poll_of_another_epoch_is_answered_at_once(substation: Process) -> None:
    status = all_news(substation)
    since = {"since": status["revision"] + 10**6, "wait_s": 60}
    assert news(substation, status["epoch"] - 1, status["keys"]["position"], **since)["keys"]["reset"] is True


# ---------------------------------------------------------------------- over a restart


def test_keys_numbers_and_supersedings_outlive_a_kill(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100) as substation:
        ids = {key: charge(substation, key, "10").json()["session_id"] for key in ("kept", "stopped", "superseded")}
        charge(substation, "kept", "20.1.7")
        substation.call("DELETE", f"/charge/{ids['stopped']}")
        supersede(substation, ids["superseded"], "11", "../s1.x")
        before = all_news(substation)
        substation.kill()
        substation.restart()
        after = all_news(substation)
        assert after["epoch"] != before["epoch"]
        assert sorted(after["keys"]["entries"]) == sorted(before["keys"]["entries"])
        again = {key: charge(substation, key, "30") for key in ids}
        assert [again[key].json()["session_id"] for key in ("kept", "stopped")] == [ids["kept"], ids["stopped"]]
        assert again["stopped"].json()["state"] == "Idle"
        assert (again["superseded"].status, again["superseded"].json()["superseded_by"]) == (409, "../s1.x")


def test_the_epoch_is_in_every_status(substation: Process) -> None:
    epochs = {all_news(substation)["epoch"]}
    epochs |= {
        json.loads(reply.headers["Smartgrid-Status"])["epoch"]
        for reply in (charge(substation, "e", "1"), substation.call("GET", "/charge"))
    }
    assert len(epochs) == 1
    assert 0 < epochs.pop() < 2**53
