"""A session belongs to somebody: no one else sees it, stops it, or meets it by its key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smartgrid.protocol import keys
from support.http import Reply
from support.processes import Process, wait_until

ANN, BOB = "A" * 21 + "-", "B" * 21 + "_"
A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 50, "max_power_kw": 11, "min_power_kw": 1.5}


@pytest.fixture(scope="module")
def substation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("owners")
    with Process("substation", folder, name="s0", capacity_kw=1000, log_level="debug") as process:
        yield process


def call(substation: Process, method: str, path: str, owner: str | None, **options: object) -> Reply:
    sent = {"Smartgrid-Owner": owner} if owner else {}
    headers = options.pop("headers", {})
    assert isinstance(headers, dict)
    return substation.call(method, path, headers={**sent, **headers}, **options)


def charge(
    substation: Process, owner: str | None, key: str | None = None, number: str = "", **changes: object
) -> Reply:
    headers = ({"Idempotency-Key": key} if key else {}) | ({"Smartgrid-Number": number} if number else {})
    return call(substation, "POST", "/charge", owner, json={**A_CAR, **changes}, headers=headers)


def started(substation: Process, owner: str | None, key: str | None = None, number: str = "", **changes: object) -> str:
    reply = charge(substation, owner, key, number, **changes)
    assert (reply.status, "Smartgrid-Replayed" in reply.headers) == (201, False), reply.body
    return str(reply.json()["session_id"])


def listed(substation: Process, owner: str | None, limit: int = 1000, **query: str) -> list[str]:
    """All ids, page by page; each page but the last is full."""
    found: list[str] = []
    asked, cursor = "".join(f"&{name}={value}" for name, value in query.items()), ""
    while True:
        page = call(substation, "GET", f"/charge?limit={limit}{asked}{cursor}", owner).json()
        found += [each["session_id"] for each in page["sessions"]]
        if page["next_cursor"] is None:
            return found
        assert len(page["sessions"]) == limit
        cursor = f"&cursor={page['next_cursor']}"


# ---------------------------------------------------------------------- sessions


def test_its_owner_sees_and_stops_it_and_so_does_who_is_bound_to_no_one(substation: Process) -> None:
    for who in (ANN, None):
        path = f"/charge/{started(substation, ANN)}"
        assert call(substation, "GET", path, who).json()["state"] == "Charging"
        assert call(substation, "DELETE", path, who).json()["end_reason"] == "Stopped"
        assert call(substation, "GET", path, who).json()["end_reason"] == "Stopped"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("owner", [ANN, None])
@pytest.mark.parametrize("ended", [False, True])
def test_another_ones_answers_as_one_that_does_not_exist(
    substation: Process, method: str, owner: str | None, ended: bool
) -> None:
    session_id = started(substation, owner)
    if ended:
        substation.call("DELETE", f"/charge/{session_id}")
    before = substation.call("GET", f"/charge/{session_id}").json()

    foreign = call(substation, method, f"/charge/{session_id}", BOB)
    unknown = call(substation, method, f"/charge/{'x' * len(session_id)}", BOB)

    assert (foreign.status, unknown.status) == (404, 404)
    assert foreign.body.replace(session_id.encode(), b"x" * len(session_id)) == unknown.body
    assert substation.call("GET", f"/charge/{session_id}").json() | {"delivered_kwh": 0} == before | {
        "delivered_kwh": 0
    }


def test_a_superseding_that_has_an_owner_is_bound_to_that_ones_sessions_too(substation: Process) -> None:
    path = f"/charge/{started(substation, ANN)}?before=9000000000000000&superseded_by=../s1.x"
    assert call(substation, "DELETE", path, BOB).status == 404
    assert call(substation, "DELETE", path, None).json()["end_reason"] == "Superseded"


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_lists_have_ones_own_sessions_page_by_page(substation: Process, limit: int) -> None:
    ann, bob = f"{limit:04}{'a' * 18}", f"{limit:04}{'b' * 18}"
    of: dict[str | None, list[str]] = {ann: [], bob: [], None: []}
    for owner in (ann, bob, None, ann, ann, bob, ann, None, ann):
        of[owner].insert(0, started(substation, owner))
    ended = of[ann][1::2]
    for session_id in ended:
        call(substation, "DELETE", f"/charge/{session_id}", ann)

    assert listed(substation, ann, limit) == of[ann]
    assert listed(substation, bob, limit) == of[bob]
    assert listed(substation, ann, limit, state="Idle") == ended
    assert listed(substation, bob, limit, state="Idle") == []
    assert [each for each in listed(substation, ann, 1000, state="Charging") if each in ended] == []
    assert set(of[ann] + of[bob] + of[None]) <= set(listed(substation, None))
    assert listed(substation, "nobody-has-heard-of-it") == []


def test_what_cannot_be_an_owner_is_refused(substation: Process) -> None:
    for method, path in (("GET", "/charge"), ("GET", "/charge/x"), ("DELETE", "/charge/x")):
        reply = call(substation, method, path, "ann@example.org")
        assert (reply.status, reply.json()["code"]) == (422, "invalid-request")
    assert charge(substation, "A" * 23).status == 422


# ---------------------------------------------------------------------- keys


def test_two_owners_with_one_key_get_two_sessions(substation: Process) -> None:
    """And are not told that another has it, however different the requests."""
    sessions = {owner: started(substation, owner, "shared") for owner in (ANN, None)}
    sessions[BOB] = started(substation, BOB, "shared", vehicle_id="EV-2")

    assert len(set(sessions.values())) == 3
    for owner, session_id in sessions.items():
        again = charge(substation, owner, "shared", vehicle_id="EV-2" if owner == BOB else "EV-1")
        assert (again.status, again.headers["Smartgrid-Replayed"]) == (201, "true")
        assert again.json()["session_id"] == session_id


def test_one_owner_may_not_use_a_key_twice(substation: Process) -> None:
    started(substation, ANN, "for one car")
    assert charge(substation, ANN, "for one car", vehicle_id="EV-2").json()["code"] == "idempotency-key-reused"


def test_the_log_tells_the_keys_apart(substation: Process) -> None:
    of = {owner: started(substation, owner, "told") for owner in (ANN, BOB, None)}
    entries = substation.call("GET", "/status?keys=0").json()["keys"]["entries"]
    told = {entry[0]: entry[2] for entry in entries}
    assert {owner: told[keys.digest("told", owner)] for owner in of} == of


def test_the_log_says_what_a_session_takes_of_its_owners_quota_until_it_ends(substation: Process) -> None:
    session_id = started(substation, ANN, "quota", number="7")
    [entry] = [each for each in log_of(substation) if each[2] == session_id]
    assert entry == [keys.digest("quota", ANN), "7", session_id, 0, ANN, 11]

    call(substation, "DELETE", f"/charge/{session_id}", ANN)

    assert log_of(substation)[-1] == entry[:4]


def test_so_it_does_after_an_end_by_itself(substation: Process) -> None:
    session_id = started(substation, ANN, "quota of one that is full", energy_kwh=0.001)
    wait_until(lambda: log_of(substation)[-1][2:] == [session_id, 0], 60, "its end is in the log")


def test_what_is_nobodys_takes_of_none_and_its_end_is_no_news_of_a_key(substation: Process) -> None:
    session_id = started(substation, None, "nobody's")
    log = log_of(substation)
    assert log[-1][2:] == [session_id, 0]

    substation.call("DELETE", f"/charge/{session_id}")

    assert log_of(substation) == log


def log_of(substation: Process) -> list[list[object]]:
    """All entries, the latest change last."""
    found: list[list[object]] = substation.call("GET", "/status?keys=0").json()["keys"]["entries"]
    return found


# ---------------------------------------------------------------------- what is kept, and what is not told


def test_after_a_kill_everything_is_whose_it_was(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100) as substation:
        running, ended, bobs = (started(substation, owner, key) for owner, key in ((ANN, "1"), (ANN, "2"), (BOB, "1")))
        call(substation, "DELETE", f"/charge/{ended}", ANN)
        substation.kill()
        substation.restart()

        assert listed(substation, ANN) == [ended, running]
        assert listed(substation, BOB) == [bobs]
        assert {call(substation, "GET", f"/charge/{each}", BOB).status for each in (running, ended)} == {404}
        assert charge(substation, ANN, "1").json()["session_id"] == running
        assert charge(substation, ANN, "2").json()["session_id"] == ended
        assert charge(substation, BOB, "1").json()["session_id"] == bobs


def test_an_owner_is_in_no_answer_log_or_metric(substation: Process) -> None:
    owner = "never-told-to-anyone-0"
    reply = charge(substation, owner, "silent")
    path = f"/charge/{reply.json()['session_id']}"
    replies = [reply, charge(substation, owner, "silent"), charge(substation, owner, "silent", vehicle_id="EV-2")]
    replies += [call(substation, "GET", each, owner) for each in ("/charge", path, "/charge/x")]
    replies += [
        call(substation, "DELETE", path, owner),
        substation.call("GET", path),
        substation.call("GET", "/metrics"),
    ]

    assert all(owner.encode() not in each.body + str(each.headers.items()).encode() for each in replies)
    assert owner not in substation.log()
