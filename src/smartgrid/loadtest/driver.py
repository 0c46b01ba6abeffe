"""Runs cars by their plan on Locust: its runner brings users in and ends them, each sends the next car that is due."""

import json
import logging
import os
import signal
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

# Locust patches the whole standard library on import unless told not to. Nothing here needs it: Locust's client for
# `FastHttpUser` is built on gevent's own sockets.
os.environ.setdefault("LOCUST_SKIP_MONKEY_PATCH", "1")

import gevent
from gevent.event import Event
from gevent.lock import Semaphore
from geventhttpclient.response import HTTPParseError
from geventhttpclient.useragent import BadStatusCode, RetriesExceeded, UserAgent
from locust import task
from locust.env import Environment
from locust.runners import LocalRunner

from smartgrid.auth.credentials import Headers
from smartgrid.loadtest.balance import FleetSample, fleet_sample
from smartgrid.loadtest.outcomes import Outcome
from smartgrid.loadtest.progress import Progress, Tally
from smartgrid.loadtest.report import Run
from smartgrid.loadtest.request import InLine, Verdict, Wait, verdict_on_silence
from smartgrid.loadtest.scenarios import Settings
from smartgrid.loadtest.user import Answer, CarUser, Terms
from smartgrid.workload.car import Car

FLEET_INTERVAL_S = 1.0
FLEET_TIMEOUT_S = 2.0


@dataclass
class Drive:
    """The run as it goes: what is still to be sent, what came back, and when to stop."""

    settings: Settings
    cars: Sequence[Car]
    tally: Tally
    open_loop: bool
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    outcomes: list[Outcome] = field(default_factory=list)
    fleet: list[FleetSample] = field(default_factory=list)
    fleet_problem: str | None = None
    stopped_by: int | None = None
    finished: Event = field(default_factory=Event)
    turnstile: Semaphore = field(default_factory=Semaphore)
    in_flight: int = 0
    users_free: int = 0

    def __post_init__(self) -> None:
        self.to_come = deque(enumerate(self.cars))
        self.started_at = datetime.now(UTC)
        self._started = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, on a clock that never jumps."""
        return time.perf_counter() - self._started

    def record(self, outcome: Outcome) -> None:
        """Books a finished request; the last one ends the run."""
        self.outcomes.append(outcome)
        self.tally.counts[outcome.verdict.result] += 1
        if len(self.outcomes) == len(self.cars):
            self.finished.set()

    def stop(self, signal_number: int) -> None:
        """Ends the run now, on a signal."""
        self.stopped_by = signal_number
        self.finished.set()


class PlannedUser(CarUser):
    """Sends whatever car is due next, until none is left."""

    abstract = True
    drive: ClassVar[Drive]

    @task
    def ask_next(self) -> None:
        index, car = self._next_car()
        self._keep_someone_waiting()
        drive, sent_s = self.drive, self.drive.elapsed_s
        drive.in_flight += 1
        try:
            answer = self.ask(car.request, drive.started_at, f"{drive.run_id}-{index}")
        except Exception as problem:
            answer = Answer(_broken(index, problem), (drive.elapsed_s - sent_s) * 1000, retried=False)
        drive.in_flight -= 1  # not in a `finally`: a request that a stop cuts off stays unanswered
        if isinstance(answer.verdict, InLine):
            drive.tally.waiting += 1
            self.waits.spawn(self._wait_and_book, index, car, sent_s, answer, answer.verdict)
        else:
            self._book(index, car, sent_s, answer, answer.verdict, None)

    def _wait_and_book(self, index: int, car: Car, sent_s: float, answer: Answer, place: InLine) -> None:
        try:
            verdict, wait = self.follow(place)
        except Exception as problem:
            verdict, wait = _broken(index, problem), None
        self.drive.tally.waiting -= 1
        self._book(index, car, sent_s, answer, verdict, wait)

    def _book(self, index: int, car: Car, sent_s: float, answer: Answer, verdict: Verdict, wait: Wait | None) -> None:
        energy_kwh = car.request.energy_kwh
        self.drive.record(
            Outcome(index, car.arrival_s, sent_s, answer.response_ms, energy_kwh, verdict, answer.retried, wait)
        )

    def _next_car(self) -> tuple[int, Car]:
        """The next car, once it is due. Users wait in line, so cars go out in order whoever sends them."""
        self.drive.users_free += 1
        try:
            with self.drive.turnstile:
                if not self.drive.to_come:
                    Event().wait()  # until the runner kills all users; one that returned would race with its quit()
                gevent.sleep(max(0.0, self.drive.to_come[0][1].arrival_s - self.drive.elapsed_s))
                return self.drive.to_come.popleft()
        finally:
            self.drive.users_free -= 1

    def _keep_someone_waiting(self) -> None:
        """In an open loop the next car must not wait for an answer: who goes to send brings in another user."""
        runner, drive = self.environment.runner, self.drive
        if drive.open_loop and drive.to_come and not drive.users_free and runner.user_count < drive.settings.users:
            runner.spawn_users({type(self).__name__: 1})


def _broken(index: int, problem: Exception) -> Verdict:
    """What became of a request that broke here: one that is never booked would keep the run from ending."""
    logging.getLogger(__name__).error("Request %d broke", index, exc_info=problem)
    return verdict_on_silence(type(problem).__name__)


def drive_cars(
    settings: Settings, cars: Sequence[Car], progress: Progress, tally: Tally, credential: Headers = dict
) -> tuple[Run, int | None]:
    """Sends all cars, each with what `credential` gives, and follows those that wait.

    Returns what was recorded, and the signal that ended it early if one did.
    """
    drive = Drive(settings, cars, tally, open_loop=settings.trace is not None)
    runner = _runner_of(drive, credential)
    agent = UserAgent(connection_timeout=FLEET_TIMEOUT_S, network_timeout=FLEET_TIMEOUT_S)
    helpers = [gevent.spawn(_show, progress), gevent.spawn(_keep_sampling, drive, agent, credential)]
    undo_signals = _stop_on_signals(drive)
    try:
        _start_users(runner, drive)
        drive.finished.wait()
        duration_s, unanswered = drive.elapsed_s, drive.in_flight
        runner.quit()
    finally:
        gevent.killall(helpers)
        undo_signals()
        progress.close()
    if drive.stopped_by is None:  # once more, as a short run ends before the first sample; who stops it does not wait
        _sample_fleet(drive, agent, credential)
    agent.close()
    run = Run(
        drive.started_at,
        duration_s,
        drive.outcomes,
        drive.fleet,
        fleet_problem=drive.fleet_problem,
        unanswered=unanswered,
        still_waiting=tally.waiting,
    )
    return run, drive.stopped_by


def _runner_of(drive: Drive, credential: Headers) -> LocalRunner:
    settings = drive.settings
    fields = {
        "drive": drive,
        "host": settings.target,
        "connection_timeout": settings.timeout_s,
        "network_timeout": settings.timeout_s,
        "terms": Terms(settings.timeout_s, settings.wait_s, credential),
    }
    return Environment(user_classes=[type("Car", (PlannedUser,), fields)]).create_local_runner()


def _start_users(runner: LocalRunner, drive: Drive) -> None:
    users, ramp_up_s = drive.settings.users, drive.settings.ramp_up_s
    if ramp_up_s > 0 and not drive.open_loop:
        runner.start(users, spawn_rate=users / ramp_up_s)
    else:
        runner.spawn_users({"Car": 1 if drive.open_loop else users})


def _show(progress: Progress) -> None:
    while True:
        gevent.sleep(progress.interval_s)
        progress.show()


def _keep_sampling(drive: Drive, agent: UserAgent, credential: Headers) -> None:
    while True:
        gevent.sleep(FLEET_INTERVAL_S)
        _sample_fleet(drive, agent, credential)


def _sample_fleet(drive: Drive, agent: UserAgent, credential: Headers) -> None:
    """Adds a sample, or notes why there is none."""
    try:
        with gevent.Timeout(FLEET_TIMEOUT_S):
            answer = agent.urlopen(f"{drive.settings.target}/substations", headers=dict(credential())).content
        sample = fleet_sample(drive.elapsed_s, json.loads(answer))
    except BadStatusCode as problem:
        drive.fleet_problem = f"GET /substations answers {problem.code}"
        return
    except (gevent.Timeout, OSError, HTTPParseError, RetriesExceeded, ValueError) as problem:
        drive.fleet_problem = f"GET /substations has no answer that can be read ({type(problem).__name__})"
        return
    if sample is not None:
        drive.fleet.append(sample)


def _stop_on_signals(drive: Drive) -> Callable[[], None]:
    """The first Ctrl-C or SIGTERM ends the run, the next one the process. Returns what puts the handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    watchers = [gevent.signal_handler(number, _stop_once, drive, number) for number in before]

    def _undo() -> None:
        for watcher in watchers:
            watcher.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)

    return _undo


def _stop_once(drive: Drive, number: int) -> None:
    if drive.stopped_by is not None:
        os._exit(128 + number)
    drive.stop(number)
