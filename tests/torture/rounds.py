"""One round: a grid of its own, clients at work, a storm of faults, then peace; and all that is known of it then.

    quiet | storm: faults by plan | mend all, rest | quiet | settle, last questions | read books | kill, read again

Books are read with all balancers dead, as they move waiting cars all the time.

The clients work from the first quiet to the last. At rest means that every process is ready, every balancer has every
substation in rotation, and no key has two sessions any more; how long that may take is bounded, and what is not at rest
by then is read as it is: the rules will say so.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.grid import sessions
from support.processes import Process, start_all
from torture.clients import Client
from torture.grid import TorturedGrid
from torture.history import HISTORY_FILE, Books, Event, Evidence, Quiet, Recorder, Sample
from torture.plan import draw_plan, draw_shape
from torture.rules import (
    at_most_one_counts,
    at_most_one_lives,
    lists_show_every_session,
    superseded_names_the_one_that_counts,
)

QUIET_S = 2.0
REST_TIMEOUT_S = 90.0
HEAL_TIMEOUT_S = 30.0
JOIN_TIMEOUT_S = 120.0
SAMPLE_PAUSE_S = 0.2
SAMPLE_TIMEOUT_S = 3.0
TIME_SCALE = 20.0
READINGS = 5
ONE_EACH = (at_most_one_lives, at_most_one_counts, superseded_names_the_one_that_counts)
CAPACITIES_KW = (20.0, 80.0, 300.0)  # on average, of the substations of a round: full, tight, roomy


@dataclass(frozen=True)
class Intensity:
    """How long a storm lasts, how often a fault strikes on average, and how many clients ask how often."""

    storm_s: float = 40.0
    pause_s: float = 0.7
    clients: int = 5
    client_pause_s: float = 0.1


@dataclass(frozen=True)
class Outcome:
    """A round's evidence and what it took."""

    evidence: Evidence
    kills: int
    healed_after_s: float


Progress = Callable[[str], None]


def run_round(seed: int, folder: Path, intensity: Intensity, progress: Progress) -> Outcome:
    """Play a round in an empty folder. What cannot be read or started in bounded time raises AssertionError."""
    return _Round(seed, folder, intensity, progress).run()


class _Round:
    def __init__(self, seed: int, folder: Path, intensity: Intensity, progress: Progress) -> None:
        self.shape, rng = draw_shape(seed), random.Random(f"grid {seed}")
        capacity_kw = rng.choice(CAPACITIES_KW)
        self.capacities_kw = [round(capacity_kw * rng.uniform(0.5, 1.5), 3) for _ in range(self.shape.substations)]
        self.plan = draw_plan(seed, self.shape, intensity.storm_s, intensity.pause_s)
        self.progress, self.folder = progress, folder
        self.begun_s, self.begun_wall_s = time.monotonic(), time.time()
        self.recorder = Recorder(folder / HISTORY_FILE)
        self.grid = TorturedGrid(folder, self.shape, self.capacities_kw, TIME_SCALE, seed, self.recorder, self.now_s)
        self.clients = [
            Client(f"client-{i}", self.grid.gateways, seed, self.recorder, self.now_s, intensity.client_pause_s)
            for i in range(intensity.clients)
        ]
        self.quiet: list[Quiet] = []
        self.healed_after_s = 0.0

    def now_s(self) -> float:
        return time.monotonic() - self.begun_s

    def run(self) -> Outcome:
        try:
            with self.grid:
                self._wait_for_rest(REST_TIMEOUT_S)
                with self._watched():
                    with self._clients_at_work():
                        with self._in_quiet():
                            time.sleep(QUIET_S)
                        self._storm()
                        self._wait_for_rest(REST_TIMEOUT_S)
                        self.healed_after_s = self._wait_for_healing()
                        with self._in_quiet():
                            time.sleep(QUIET_S)
                    self._last_questions()
                    books, listed = self._read_at_rest()
                    ended_s = self.now_s()
                books_after = self._kill_and_read_again()
        finally:
            self.recorder.close()
        return Outcome(self._evidence(books, books_after, listed, ended_s), self.grid.kills, self.healed_after_s)

    # ------------------------------------------------------------------ phases

    def _storm(self) -> None:
        begun_s = time.monotonic()
        self._set_calm(False)
        for step in self.plan:
            time.sleep(max(0.0, begun_s + step.at_s - time.monotonic()))
            self.recorder.add(Event(self.now_s(), f"{step.action} {step.target}"))
            self.grid.do(step)
            if step.action == "kill" and self.grid.kills % 10 == 0:
                self.progress(f"{self.grid.kills} kills, {len(self.recorder.lines)} lines of history")
        self.recorder.add(Event(self.now_s(), "mend everything"))
        self.grid.mend()
        self._set_calm(True)

    def _wait_for_rest(self, timeout_s: float) -> None:
        end_s = time.monotonic() + timeout_s
        while not self.grid.is_at_rest():
            assert time.monotonic() < end_s, f"the grid is not at rest {timeout_s:g} s after everything was mended"
            time.sleep(0.2)

    def _wait_for_healing(self) -> float:
        """Until no key has two sessions; returns how long that took."""
        begun_s = time.monotonic()
        while time.monotonic() < begun_s + HEAL_TIMEOUT_S:
            evidence = Evidence(books=self._read_books())
            if not any(True for rule in ONE_EACH for _ in rule(evidence)):
                break
            time.sleep(0.5)
        return time.monotonic() - begun_s

    def _last_questions(self) -> None:
        with self._in_quiet():
            _each(self.clients, Client.settle)
            _each(self.clients, Client.ask_once_more)

    def _kill_and_read_again(self) -> Books:
        for substation in self.grid.substations:
            substation.kill()
            self.grid.kills += 1
        for substation in self.grid.substations:
            _check_file(substation)
        start_all(self.grid.substations)
        return self._read_books()

    # ------------------------------------------------------------------ what goes on meanwhile

    @contextmanager
    def _in_quiet(self) -> Iterator[None]:
        begun_s = self.now_s()
        yield
        self.quiet.append(Quiet(begun_s, self.now_s()))

    @contextmanager
    def _clients_at_work(self) -> Iterator[None]:
        with _at_work([client.run for client in self.clients]):
            yield

    @contextmanager
    def _watched(self) -> Iterator[None]:
        watches = [lambda stop, s=substation: self._watch(s, stop) for substation in self.grid.substations]
        with _at_work(watches):
            yield

    def _watch(self, substation: Process, stop: threading.Event) -> None:
        while not stop.wait(SAMPLE_PAUSE_S):
            asked_s = self.now_s()
            reply = substation.try_call("GET", "/status", timeout_s=SAMPLE_TIMEOUT_S)
            if reply is not None and reply.status == 200:
                status = reply.json()
                powers_kw = (float(status[name]) for name in ("capacity_kw", "load_kw", "committed_kw"))
                waiting = int(status["waiting_sessions"])
                self.recorder.add(Sample(asked_s, self.now_s(), self._path_of(substation), *powers_kw, waiting))

    def _set_calm(self, is_calm: bool) -> None:
        for client in self.clients:
            client.is_calm = is_calm

    # ------------------------------------------------------------------ what is known in the end

    def _read_at_rest(self) -> tuple[Books, dict[str, list[str]]]:
        """The books, and what gateways list, between two moves: balancers go on to move cars as long as some wait.

        What cannot be read so in a few attempts is read as it is.
        """
        for _ in range(READINGS):
            listed = self._read_lists()
            for balancer in self.grid.balancers:
                balancer.kill()
                self.grid.kills += 1
            books = self._read_books()
            found = Evidence(books=books, listed=listed)
            if not any(True for rule in (*ONE_EACH, lists_show_every_session) for _ in rule(found)):
                break
            start_all(self.grid.balancers)
            self._wait_for_rest(REST_TIMEOUT_S)
        return books, listed

    def _read_books(self) -> Books:
        return {self._path_of(each): sessions(each) for each in self.grid.substations}

    def _read_lists(self) -> dict[str, list[str]]:
        return {each.folder.name: [found["session_id"] for found in sessions(each)] for each in self.grid.gateways}

    def _path_of(self, substation: Process) -> str:
        return self.shape.path_of(substation.folder.name)

    def _evidence(self, books: Books, books_after: Books, listed: dict[str, list[str]], ended_s: float) -> Evidence:
        return Evidence.of(
            self.recorder.lines,
            quiet=self.quiet,
            books=books,
            books_after=books_after,
            listed=listed,
            by_hand=[self._path_of(each) for each in self.grid.substations if each.folder.name in self.shape.by_hand],
            capacity_kw={
                self._path_of(each): kw for each, kw in zip(self.grid.substations, self.capacities_kw, strict=True)
            },
            time_scale=TIME_SCALE,
            begun_wall_s=self.begun_wall_s,
            ended_s=ended_s,
        )


def _check_file(substation: Process) -> None:
    """What `kill -9` left is a sound file."""
    with closing(sqlite3.connect(substation.folder / "data" / "substation.db")) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchall()
    assert found == [("ok",)], f"{substation.folder.name}: {found}"


def _each(clients: list[Client], work: Callable[[Client], None]) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        for future in [pool.submit(work, each) for each in clients]:
            future.result(JOIN_TIMEOUT_S)


@contextmanager
def _at_work(workers: list[Callable[[threading.Event], None]]) -> Iterator[None]:
    """All at work within, each in a thread; what one raises is raised here."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(workers)) as pool:
        futures = [pool.submit(work, stop) for work in workers]
        try:
            yield
        finally:
            stop.set()
        for future in futures:
            future.result(JOIN_TIMEOUT_S)


def statistics(outcome: Outcome) -> Counter[str]:
    """What a round was made of: kills, calls, and how they were answered."""
    calls = outcome.evidence.calls
    found = Counter({"kills": outcome.kills, "calls": len(calls)})
    found.update(f"{each.operation} {each.silence or f'{each.status} {each.code}'.strip()}" for each in calls)
    told = [{t.told for t in tries} - {""} for tries in outcome.evidence.tries().values()]
    found["cars"] = len(told)
    found["cars told of two sessions"] = sum(len(names) > 1 for names in told)
    books = outcome.evidence.by_id().values()
    found["sessions"] = len(books)
    found["sessions that waited"] = sum(each.get("joined_at") is not None for each in books)
    found["sessions moved"] = sum(each["started_at"] is None and bool(each.get("superseded_by")) for each in books)
    found["sessions superseded"] = sum(each["end_reason"] == "Superseded" for each in books)
    found["faults"] = len(outcome.evidence.events)
    return found
