"""Long polls take a thread each, so no more are held than leave room for everyone else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.substation.app import Api, make_app
from smartgrid.substation.metrics import SubstationMetrics
from smartgrid.web import metrics
from support.books import Books, SetClock, a_car
from support.processes import wait_until


def test_one_too_many_is_answered_at_once(tmp_path: Path) -> None:
    books, registry = Books(tmp_path, SetClock()), metrics.registry()
    api = Api("s0", books.ledger, books.clock, SubstationMetrics(registry), max_waits=1)
    app = make_app(api, Lifecycle(), registry)
    path = f"/status?since={books.ledger.status().revision}&wait_s=60"
    with ThreadPoolExecutor(2) as threads:
        polls = [threads.submit(lambda: app.test_client().get(path).get_json()) for _ in range(2)]
        wait_until(lambda: any(poll.done() for poll in polls))
        assert not all(poll.done() for poll in polls)
        books.ledger.set_capacity(50)
        assert sorted(poll.result(30)["capacity_kw"] for poll in polls) == [50, 100]
    books.close()


def test_a_look_that_waits_takes_a_place_too(tmp_path: Path) -> None:
    books, registry = Books(tmp_path, SetClock()), metrics.registry()
    api = Api("s0", books.ledger, books.clock, SubstationMetrics(registry), max_waits=1)
    app = make_app(api, Lifecycle(), registry)
    first = books.charge(a_car(80, 80, 80)).record.session_id
    path = f"/charge/{books.wait(a_car(80, 80, 80)).record.session_id}?wait_s=60"
    with ThreadPoolExecutor(2) as threads:
        looks = [threads.submit(lambda: app.test_client().get(path).get_json()) for _ in range(2)]
        wait_until(lambda: any(look.done() for look in looks))
        assert not all(look.done() for look in looks)
        books.ledger.stop(first)
        assert sorted(look.result(30)["state"] for look in looks) == ["Charging", "Waiting"]
    books.close()


def test_who_waits_for_a_start_is_answered_when_the_process_ends(tmp_path: Path) -> None:
    books = Books(tmp_path, SetClock())
    books.charge(a_car(80, 80, 80))
    waiting = books.wait(a_car(80, 80, 80)).record.session_id
    with ThreadPoolExecutor(1) as threads:
        look = threads.submit(books.ledger.find, waiting, None, 60)
        books.ledger.drain()
        told = look.result(30)
    books.close()
    assert told is not None
    assert told.record.state == "Waiting"
