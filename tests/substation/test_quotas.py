"""An owner has no more at once than SMARTGRID_QUOTAS says, exactly, whatever ends and however the process does."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from smartgrid.domain.quotas import Quota
from smartgrid.substation.limits import Limits
from smartgrid.substation.refusals import QuotaError, StorageError
from support.books import Books, SetClock, a_car
from support.grid import together
from support.http import Reply
from support.processes import Process, run_to_end

ANN, BOB = "A" * 22, "B" * 22


def quotas(**bounds: float) -> str:
    return json.dumps({"substation": bounds})


def charge(substation: Process, owner: str | None, key: str | None = None, max_power_kw: float = 11) -> Reply:
    headers = ({"Smartgrid-Owner": owner} if owner else {}) | ({"Idempotency-Key": key} if key else {})
    car = {"vehicle_id": "EV-1", "energy_kwh": 50, "max_power_kw": max_power_kw, "min_power_kw": 0.1}
    return substation.call("POST", "/charge", json=car, headers=headers)


# ---------------------------------------------------------------------- over HTTP


def test_one_session_too_many_is_refused_until_another_one_ends(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100, quotas=quotas(sessions=2)) as substation:
        first, second = (charge(substation, ANN, key).json()["session_id"] for key in ("1", "2"))
        refused = charge(substation, ANN, "3")

        assert (refused.status, refused.json()["code"]) == (429, "quota-exceeded")
        assert "2 sessions" in refused.json()["detail"]
        assert int(refused.headers["Retry-After"]) >= 1
        assert "Smartgrid-Status" in refused.headers  # so that a balancer believes that nothing was started
        assert charge(substation, BOB).status == 201
        assert charge(substation, ANN, "1").json()["session_id"] == first  # a repeat starts nothing

        substation.call("DELETE", f"/charge/{second}")
        assert charge(substation, ANN, "3").status == 201
        assert charge(substation, ANN).status == 429


def test_many_at_once_get_just_what_is_allowed(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100, quotas=quotas(power_kw=44)) as substation:
        replies = together(40, lambda i: charge(substation, (ANN, BOB)[i % 2], max_power_kw=(11, 22)[i % 4 // 2]))
        assert {reply.status for reply in replies} == {201, 429}
        for owner, own in ((ANN, replies[::2]), (BOB, replies[1::2])):
            granted_kw = sum(reply.json()["max_power_kw"] for reply in own if reply.status == 201)
            assert granted_kw in (33, 44)  # 33 where only cars of 22 kW were left
            assert charge(substation, owner, max_power_kw=44 - granted_kw + 0.1).status == 429


def test_who_is_nobody_is_not_bounded(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100, quotas=quotas(sessions=1)) as substation:
        assert Counter(charge(substation, None).status for _ in range(5)) == {201: 5}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("2", "Input should be an object"),
        ('{"substation": {"session": 2}}', "substation.session: Extra inputs are not permitted"),
        ('{"substation": {"sessions": 0}}', "substation.sessions: Input should be greater than or equal to 1"),
        ('{"fleet": {"power_kw": "much"}}', "fleet.power_kw: Input should be a valid number"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_would_be_right(tmp_path: Path, value: str, why: str) -> None:
    code, said = run_to_end("substation", data_dir=tmp_path, quotas=value)
    assert code == 2
    assert f"SMARTGRID_QUOTAS={value!r}: {why}; it is JSON such as {{" in said


# ---------------------------------------------------------------------- in the books


def opened(folder: Path, clock: SetClock, quota: Quota) -> Books:
    return Books(folder, clock, limits=Limits(quota=quota))


def test_what_was_allowed_is_counted_after_a_crash(tmp_path: Path) -> None:
    clock = SetClock()
    books = opened(tmp_path / "a", clock, Quota(power_kw=30))
    books.charge(a_car(max_kw=11), owner=ANN)
    stopped = books.charge(a_car(max_kw=11), owner=ANN).record.session_id
    books.ledger.stop(stopped)
    books.charge(a_car(max_kw=12, departure_s=clock.now_s() + 60), owner=ANN)

    clock.pass_s(30)
    again = opened(books.crash(tmp_path / "b"), clock, Quota(power_kw=30))
    assert again.refusal(a_car(max_kw=8), owner=ANN) is QuotaError
    clock.pass_s(31)
    assert again.refusal(a_car(max_kw=20), owner=ANN) is QuotaError
    assert again.refusal(a_car(max_kw=19), owner=ANN) is None
    again.close()


def test_who_left_during_an_outage_is_not_counted(tmp_path: Path) -> None:
    clock = SetClock()
    books = opened(tmp_path / "a", clock, Quota(sessions=1))
    books.charge(a_car(departure_s=clock.now_s() + 60), owner=ANN)
    folder = books.crash(tmp_path / "b")
    clock.pass_s(61)
    again = opened(folder, clock, Quota(sessions=1))
    assert again.refusal(a_car(), owner=ANN) is None
    again.close()


def test_a_session_that_could_not_be_written_is_not_counted(tmp_path: Path) -> None:
    books = opened(tmp_path, SetClock(), Quota(sessions=1))
    books.store.full = True
    assert books.refusal(a_car(), owner=ANN) is StorageError
    books.store.full = False
    books.ledger._beat()
    assert books.refusal(a_car(), owner=ANN) is None
    assert books.refusal(a_car(), owner=ANN) is QuotaError
    books.close()


def test_a_superseded_session_is_not_counted(tmp_path: Path) -> None:
    books = opened(tmp_path, SetClock(), Quota(sessions=1))
    session_id = books.charge(a_car(), "k", (1,), owner=ANN).record.session_id
    books.ledger.supersede(session_id, (2,), "../s1.x")
    assert books.refusal(a_car(), owner=ANN) is None
    books.close()
