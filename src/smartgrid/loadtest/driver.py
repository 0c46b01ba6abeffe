"""Runs a plan on Locust: its runner brings the users in and ends them, each user sends the next request that is due."""

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
from functools import cached_property
from typing import ClassVar

# Locust patches the whole standard library on import unless told not to; `client` needs no patch.
os.environ.setdefault("LOCUST_SKIP_MONKEY_PATCH", "1")

import gevent
from gevent.event import Event
from gevent.lock import Semaphore
from locust import User, task
from locust.env import Environment
from locust.runners import LocalRunner

from smartgrid.auth.credentials import Headers
from smartgrid.loadtest.balance import FleetSample, fleet_sample
from smartgrid.loadtest.client import Client
from smartgrid.loadtest.outcomes import Outcome, verdict_on_silence
from smartgrid.loadtest.plan import PlannedRequest
from smartgrid.loadtest.progress import Progress, Tally
from smartgrid.loadtest.report import Run
from smartgrid.loadtest.scenarios import Settings

FLEET_INTERVAL_S = 1.0
FLEET_TIMEOUT_S = 2.0


@dataclass
class Drive:
    """The run as it goes: what is still to be sent, what came back, and when to stop."""

    settings: Settings
    plan: Sequence[PlannedRequest]
    tally: Tally
    open_loop: bool
    credential: Headers = dict
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    outcomes: list[Outcome] = field(default_factory=list)
    fleet: list[FleetSample] = field(default_factory=list)
    stopped_by: int | None = None
    finished: Event = field(default_factory=Event)
    turnstile: Semaphore = field(default_factory=Semaphore)
    in_flight: int = 0
    users_free: int = 0

    def __post_init__(self) -> None:
        self.waiting = deque(self.plan)
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
        if len(self.outcomes) == len(self.plan):
            self.finished.set()

    def stop(self, signal_number: int) -> None:
        """Ends the run now, on a signal."""
        self.stopped_by = signal_number
        self.finished.set()


class CarUser(User):
    """Sends whatever request is due next, until none is left."""

    abstract = True
    drive: ClassVar[Drive]

    @cached_property
    def client(self) -> Client:
        """Made by the first request, so that what is wrong with it fails that request and not the user."""
        return Client(self.drive.settings.target, self.drive.settings.timeout_s, self.drive.credential)

    def on_stop(self) -> None:
        self.client.close()

    @task
    def ask_next(self) -> None:
        request = self._next_request()
        self._keep_someone_waiting()
        outcome = self._ask(request)
        self.environment.events.request.fire(
            request_type="POST",
            name="/charge",
            response_time=outcome.response_ms,
            response_length=0,
            exception=outcome.verdict.reason,
            context={"outcome": outcome},
        )

    def _next_request(self) -> PlannedRequest:
        """The next request, once it is due. Users wait in line, so requests go out in order whoever sends them."""
        self.drive.users_free += 1
        try:
            with self.drive.turnstile:
                if not self.drive.waiting:
                    Event().wait()  # until the runner kills all users; one that returned would race with its quit()
                gevent.sleep(max(0.0, self.drive.waiting[0].due_s - self.drive.elapsed_s))
                return self.drive.waiting.popleft()
        finally:
            self.drive.users_free -= 1

    def _keep_someone_waiting(self) -> None:
        """In an open loop the next request must not wait for an answer: who goes to send brings in another user."""
        runner, drive = self.environment.runner, self.drive
        if drive.open_loop and drive.waiting and not drive.users_free and runner.user_count < drive.settings.users:
            runner.spawn_users({type(self).__name__: 1})

    def _ask(self, request: PlannedRequest) -> Outcome:
        drive = self.drive
        sent_s = drive.elapsed_s
        drive.in_flight += 1
        try:
            verdict, retried = self.client.ask(request.body(drive.started_at), f"{drive.run_id}-{request.index}")
        except Exception as problem:  # a request that is never booked would keep the run from ending
            logging.getLogger(__name__).exception("Request %d broke", request.index)
            verdict, retried = verdict_on_silence(type(problem).__name__), False
        drive.in_flight -= 1  # not in a `finally`: a request that a stop cuts off stays unanswered
        response_ms = (drive.elapsed_s - sent_s) * 1000
        return Outcome(request.index, request.due_s, sent_s, response_ms, request.car.energy_kwh, verdict, retried)


def drive_plan(
    settings: Settings, plan: Sequence[PlannedRequest], progress: Progress, tally: Tally, credential: Headers = dict
) -> tuple[Run, int | None]:
    """Sends all requests of the plan, each with what `credential` gives.

    Returns what was recorded, and the signal that ended it early if one did.
    """
    drive = Drive(settings, plan, tally, open_loop=settings.trace is not None, credential=credential)
    runner = _runner_of(drive)
    fleet_client = Client(settings.balancer, FLEET_TIMEOUT_S, credential) if settings.balancer else None
    helpers = [gevent.spawn(_show, progress), gevent.spawn(_keep_sampling, drive, fleet_client)]
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
    if fleet_client is not None:
        _sample_last(drive, fleet_client)
    return Run(drive.started_at, duration_s, drive.outcomes, drive.fleet, unanswered), drive.stopped_by


def _runner_of(drive: Drive) -> LocalRunner:
    user_class = type("Car", (CarUser,), {"drive": drive})
    environment = Environment(user_classes=[user_class], host=drive.settings.target)

    def book(context: dict[str, Outcome], **_: object) -> None:
        drive.record(context["outcome"])

    environment.events.request.add_listener(book)  # type: ignore[no-untyped-call]
    return environment.create_local_runner()


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


def _keep_sampling(drive: Drive, client: Client | None) -> None:
    while client is not None:
        gevent.sleep(FLEET_INTERVAL_S)
        _sample_fleet(drive, client)


def _sample_last(drive: Drive, client: Client) -> None:
    """Once more at the end, since a short run is over before the first interval; a user who stops it does not wait."""
    if drive.stopped_by is None:
        _sample_fleet(drive, client)
    client.close()


def _sample_fleet(drive: Drive, client: Client) -> None:
    answer = client.get("/substations")
    try:
        sample = fleet_sample(drive.elapsed_s, json.loads(answer)) if answer is not None else None
    except ValueError:
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
