"""Runs on Locust against a server that really answers: how many requests, of whom, when, and what became of them."""

import io
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from threading import Barrier

import pytest

from loadtest.stub_gateway import Stub, running_stub
from smartgrid.domain.request import ChargeRequest, PowerRange
from smartgrid.loadtest.progress import Progress, Tally
from smartgrid.loadtest.report import Run
from smartgrid.loadtest.request import Result, Wait
from smartgrid.loadtest.scenarios import Settings
from smartgrid.workload.car import Car
from smartgrid.workload.ramp import ramp, request_of

Drive = Callable[..., Run]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running_stub(Stub()) as running:
        yield running


@pytest.fixture
def drive(stub: Stub) -> Drive:
    """Drives cars against the stub; by default 20 cars at once by 4 users."""

    def _drive(cars: list[Car] | None = None, **changes: object) -> Run:
        from smartgrid.loadtest.driver import drive_cars

        cars = ramp(20, 0, seed=1) if cars is None else cars
        values = {"requests": len(cars), "users": 4, "ramp_up_s": 0.0, "seed": 1, "timeout_s": 30.0, **changes}
        tally = Tally(len(cars))
        settings = Settings("burst", stub.url, **values)  # type: ignore[arg-type]
        run, _ = drive_cars(settings, cars, Progress(io.StringIO(), tally), tally)
        return run

    return _drive


def results(run: Run) -> set[tuple[Result, str | None]]:
    return {(outcome.verdict.result, outcome.verdict.reason) for outcome in run.outcomes}


def test_each_planned_car_asks_exactly_once(stub: Stub, drive: Drive) -> None:
    run = drive()
    assert len(run.outcomes) == len(stub.keys) == len(set(stub.keys)) == 20
    assert {body["vehicle_id"] for body in stub.bodies} == {request_of(1, index).vehicle_id for index in range(20)}
    assert results(run) == {(Result.SUCCEEDED, None)}


@pytest.mark.parametrize("ramp_up_s", [0.0, 0.3])
def test_requests_go_out_in_the_planned_order_whoever_sends_them(drive: Drive, ramp_up_s: float) -> None:
    run = drive(ramp(12, ramp_up_s, seed=3), ramp_up_s=ramp_up_s)
    assert [outcome.index for outcome in sorted(run.outcomes, key=lambda outcome: outcome.sent_s)] == list(range(12))


def test_a_second_run_asks_for_new_sessions(stub: Stub, drive: Drive) -> None:
    """The cars are the same, but the idempotency keys are not: else the second run would measure replayed answers."""
    drive()
    drive()
    assert len(set(stub.keys)) == 40


def test_all_users_send_at_the_same_time_and_no_more(stub: Stub, drive: Drive) -> None:
    """The gateway answers only when three have asked: with fewer at once, nobody would get an answer."""
    stub.on_charge = Barrier(3, timeout=30).wait
    assert results(drive(ramp(21, 0, seed=1), users=3, timeout_s=30)) == {(Result.SUCCEEDED, None)}
    assert stub.most_at_once == 3


def test_requests_are_spread_over_the_ramp_up(drive: Drive) -> None:
    run = drive(ramp(8, 0.6, seed=1), ramp_up_s=0.6)
    assert all(outcome.sent_s >= outcome.due_s for outcome in run.outcomes)
    assert run.duration_s >= 0.6 * (7 / 8) ** 0.5


def replayed(cars: int) -> list[Car]:
    """So many cars, one every 10 ms."""
    return [Car(k / 100, ChargeRequest(f"car-{k}", 5, PowerRange(1.38, 6.6), 36)) for k in range(cars)]


def test_a_replay_does_not_wait_for_answers(stub: Stub, drive: Drive) -> None:
    """The gateway answers nobody before all ten have asked."""
    stub.on_charge = Barrier(10, timeout=30).wait
    run = drive(replayed(10), users=50, trace="trace.csv", speedup=100.0)
    assert [outcome.verdict.result for outcome in run.outcomes] == [Result.SUCCEEDED] * 10


def test_a_replay_keeps_to_the_largest_number_of_users(stub: Stub, drive: Drive) -> None:
    stub.on_charge = Barrier(3, timeout=30).wait
    assert len(drive(replayed(9), users=3, trace="trace.csv", speedup=100.0).outcomes) == 9
    assert stub.most_at_once == 3


@pytest.mark.parametrize(
    ("fault", "result", "reason"),
    [
        ("full", Result.REJECTED, "503 no-capacity"),
        ("draining", Result.REJECTED, "503 draining"),
        ("broken", Result.FAILED, "500 internal-error"),
        ("no-session", Result.FAILED, "201 without a session"),
        ("drop", Result.FAILED, "connection lost"),
        ("cut-off", Result.FAILED, "connection lost"),
        ("not-http", Result.FAILED, "connection lost"),
    ],
)
def test_every_fault_is_named(stub: Stub, drive: Drive, fault: str, result: Result, reason: str) -> None:
    stub.fault = fault
    assert results(drive(ramp(4, 0, seed=1))) == {(result, reason)}


def test_a_request_without_an_answer_ends_at_the_timeout(stub: Stub, drive: Drive) -> None:
    stub.fault = "slow"
    run = drive(ramp(2, 0, seed=1), timeout_s=0.2)
    assert results(run) == {(Result.FAILED, "no answer in time")}
    assert all(outcome.response_ms >= 200 for outcome in run.outcomes)


def test_a_server_that_goes_away_is_a_refused_connection(drive: Drive, stub: Stub) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can take the port
        stub.url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert results(drive(ramp(2, 0, seed=1))) == {(Result.FAILED, "connection refused")}


def test_a_lost_connection_is_tried_again_under_the_same_key(stub: Stub, drive: Drive) -> None:
    """The stub admits the car and breaks off before the answer: the second try must find that session, not make one."""
    stub.fault = "drop-once"
    run = drive(ramp(6, 0, seed=1))
    assert results(run) == {(Result.SUCCEEDED, None)}
    assert all(outcome.retried for outcome in run.outcomes)
    assert (len(stub.keys), len(set(stub.keys)), len(stub.sessions)) == (12, 6, 6)


def test_the_fleet_is_sampled_at_the_end_even_of_a_short_run(drive: Drive) -> None:
    run = drive()
    assert run.fleet[-1].load_percentages == {"substation-0": 10, "substation-1": 20, "substation-2": 30}


def test_a_target_that_does_not_show_its_fleet_is_no_fault(stub: Stub, drive: Drive) -> None:
    stub.fleet_status = 403
    run = drive()
    assert (run.fleet, run.fleet_problem) == ([], "GET /substations answers 403")
    assert results(run) == {(Result.SUCCEEDED, None)}


def test_a_waiting_car_is_followed_until_it_charges(stub: Stub, drive: Drive) -> None:
    stub.fault = "wait"
    run = drive(ramp(4, 0, seed=1), users=1, wait_s=60)
    assert {outcome.verdict.substation for outcome in run.outcomes} == {"substation-2"}
    assert {outcome.wait for outcome in run.outcomes} == {Wait(2.5, told_s=1.0)}
    assert all(body["wait"] and body["wait_until"] for body in stub.bodies)
    assert set(stub.looks.values()) == {2}


def test_a_user_whose_car_waits_goes_on_with_the_next(stub: Stub, drive: Drive) -> None:
    """The one user has asked for all before anyone looks at the first."""
    stub.fault = "wait"
    looked_at: list[int] = []
    stub.on_charge = lambda: looked_at.append(len(stub.looks))
    drive(ramp(4, 0, seed=1), users=1, wait_s=60)
    assert looked_at == [0, 0, 0, 0]


def test_a_car_that_waits_in_vain_was_rejected(stub: Stub, drive: Drive) -> None:
    stub.fault = "wait-in-vain"
    run = drive(ramp(1, 0, seed=1), wait_s=60)
    assert results(run) == {(Result.REJECTED, "waited in vain: WaitExpired")}


def test_cars_do_not_wait_unless_they_are_told_to(stub: Stub, drive: Drive) -> None:
    drive()
    assert not any("wait" in body for body in stub.bodies)


def test_a_stop_leaves_waiting_cars_uncounted(stub: Stub) -> None:
    from smartgrid.loadtest.driver import drive_cars

    stub.fault, tally = "wait", Tally(1)
    settings = Settings("burst", stub.url, requests=1, users=1, ramp_up_s=0, seed=1, timeout_s=30, wait_s=60)
    thread = signal_when(lambda: tally.waiting == 1, signal.SIGINT)
    run, _ = drive_cars(settings, ramp(1, 0, seed=1), Progress(io.StringIO(), tally), tally)
    thread.join()
    assert (len(run.outcomes), run.unanswered, run.still_waiting) == (0, 0, 1)


def signal_when(ready: Callable[[], object], number: int) -> threading.Thread:
    """Sends this process a signal as soon as something is true."""

    def _wait_and_signal() -> None:
        while not ready():
            time.sleep(0.01)
        signal.raise_signal(number)

    thread = threading.Thread(target=_wait_and_signal, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_at_once_and_keeps_what_was_done(stub: Stub, number: signal.Signals) -> None:
    from smartgrid.loadtest.driver import drive_cars

    cars, tally = ramp(2, 3600, seed=1), Tally(2)
    settings = Settings("normal", stub.url, requests=2, users=1, ramp_up_s=3600, seed=1, timeout_s=30)
    before = signal.getsignal(number)
    thread = signal_when(lambda: tally.done == 1, number)
    run, stopped_by = drive_cars(settings, cars, Progress(io.StringIO(), tally), tally)
    thread.join()
    assert (len(run.outcomes), run.unanswered, stopped_by) == (1, 0, number)
    assert signal.getsignal(number) is before


def test_a_request_cut_off_by_a_signal_is_unanswered_not_failed(stub: Stub) -> None:
    from smartgrid.loadtest.driver import drive_cars

    stub.fault = "slow"
    cars, tally = ramp(1, 0, seed=1), Tally(1)
    settings = Settings("burst", stub.url, requests=1, users=1, ramp_up_s=0, seed=1, timeout_s=30)
    thread = signal_when(lambda: stub.keys, signal.SIGINT)
    run, _ = drive_cars(settings, cars, Progress(io.StringIO(), tally), tally)
    thread.join()
    assert (len(run.outcomes), run.unanswered) == (0, 1)


def test_the_standard_library_stays_as_it_is(drive: Drive) -> None:
    from gevent import monkey

    drive()
    assert not any(monkey.is_module_patched(name) for name in ("socket", "ssl", "threading", "time", "select"))
