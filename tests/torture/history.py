"""What happened in a round of torture, as it is written down: the only thing that the rules look at.

Each line of a history is one JSON object: a call of a client with its answer, a fault, or a look at a substation's
status. Times are seconds since the round began, on this machine's monotonic clock, which everyone here shares.

A car is a wish: it has one vehicle id, unique in the round, and one key. So a session in the books belongs to the
wish of its vehicle, whatever became of the key on the way.
"""

from __future__ import annotations

import json
import math
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TextIO

HISTORY_FILE = "history.jsonl"
REST_FILE = "evidence.json"
PLACED = (201, 202)
"""It charges; it waits."""
Session = dict[str, Any]
Silence = Literal["", "refused", "broken", "timeout"]
"""Why there was no answer: nothing listened, so nothing was sent; the connection broke; the client gave up waiting."""


@dataclass(frozen=True)
class Call:
    """One request of a client. `wanted` is the body of a charge, `session_id` what a read or a stop is about."""

    client: str
    operation: Literal["charge", "read", "stop"]
    gateway: str
    vehicle_id: str
    begun_s: float
    ended_s: float
    silence: Silence = ""
    status: int = 0
    code: str = ""
    session: Session | None = None
    key: str = ""
    answer_key: str = ""
    wanted: dict[str, Any] | None = None
    is_changed: bool = False  # the key was used before with another body
    session_id: str = ""

    @property
    def over_s(self) -> float:
        """When it can have no effect any more that a later call of its client could not know of: never, if the client
        left a gateway that may still get to it."""
        return math.inf if self.silence == "timeout" else self.ended_s

    @property
    def told(self) -> str:
        """The session that a charge was answered with."""
        return str(self.session["session_id"]) if self.session is not None and self.status in PLACED else ""


@dataclass(frozen=True)
class Event:
    """What the injector did."""

    at_s: float
    what: str


@dataclass(frozen=True)
class Sample:
    """A substation's status as it was some time between asking for it and the answer."""

    asked_s: float
    answered_s: float
    substation: str
    capacity_kw: float
    load_kw: float
    committed_kw: float
    waiting: int = 0


@dataclass(frozen=True)
class Limit:
    """The grid operator sets a substation's capacity; `is_set` if that was answered."""

    begun_s: float
    ended_s: float
    substation: str
    capacity_kw: float
    is_set: bool


@dataclass(frozen=True)
class Quiet:
    """While there was no fault, and all that earlier ones had left was mended."""

    begun_s: float
    ended_s: float

    def covers(self, call: Call) -> bool:
        return self.begun_s <= call.begun_s and call.ended_s <= self.ended_s


Line = Call | Event | Sample | Limit
Books = dict[str, list[Session]]
"""All sessions of each substation, which is named as clients see it, with its region; their ids are those there."""


@dataclass
class Evidence:
    """All that is known of a round.

    `books_after` are the same after all substations were killed and came back. `listed` is what each gateway listed
    when the books were read. `by_hand` are the substations that balancers know of as long as they have their folder.
    """

    calls: list[Call] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)
    books: Books = field(default_factory=dict)
    books_after: Books = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)
    by_hand: list[str] = field(default_factory=list)
    capacity_kw: dict[str, float] = field(default_factory=dict)
    time_scale: float = 1.0
    begun_wall_s: float = 0.0  # seconds since 1970 when the round began
    ended_s: float = 0.0

    @classmethod
    def of(cls, lines: Iterable[Line], **rest: Any) -> Evidence:
        """A history, with what is known besides it."""
        found = cls(**rest)
        for line in lines:
            match line:
                case Call():
                    found.calls.append(line)
                case Event():
                    found.events.append(line)
                case Sample():
                    found.samples.append(line)
                case Limit():
                    found.limits.append(line)
        return found

    def rest(self) -> dict[str, Any]:
        """What is known besides the history, as JSON."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _IN_HISTORY}
        return {**found, "quiet": [asdict(each) for each in self.quiet]}

    def tries(self) -> dict[str, list[Call]]:
        """The charges of each wish, in the order in which they were begun."""
        found: defaultdict[str, list[Call]] = defaultdict(list)
        for call in sorted(self.calls, key=lambda each: each.begun_s):
            if call.operation == "charge":
                found[call.vehicle_id].append(call)
        return found

    def by_vehicle(self) -> dict[str, dict[str, Session]]:
        """The sessions in the books of each wish, by the ids that clients see."""
        found: defaultdict[str, dict[str, Session]] = defaultdict(dict)
        for public_id, session in self.by_id().items():
            found[session["vehicle_id"]][public_id] = session
        return found

    def by_id(self) -> dict[str, Session]:
        """The sessions in the books by the ids that clients see."""
        return _by_id(self.books)

    def by_id_after(self) -> dict[str, Session]:
        return _by_id(self.books_after)


_IN_HISTORY = ("calls", "events", "samples", "limits")


def save(evidence: Evidence, folder: Path) -> None:
    """Beside the history, which is there already."""
    (folder / REST_FILE).write_text(json.dumps(evidence.rest()))


def load(folder: Path) -> Evidence:
    """The evidence of a round as it was left in a folder."""
    rest = json.loads((folder / REST_FILE).read_text())
    rest["quiet"] = [Quiet(**each) for each in rest["quiet"]]
    return Evidence.of(read_lines((folder / HISTORY_FILE).read_text().splitlines()), **rest)


def _by_id(books: Books) -> dict[str, Session]:
    return {f"{name}.{each['session_id']}": each for name, sessions in books.items() for each in sessions}


_KINDS: dict[str, type[Line]] = {"call": Call, "event": Event, "sample": Sample, "limit": Limit}


class Recorder:
    """Keeps lines in memory and writes each to a file at once. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        self._lock = threading.Lock()
        self._file: TextIO = path.open("a", encoding="utf-8")

    def add(self, line: Line) -> None:
        kind = next(name for name, of in _KINDS.items() if type(line) is of)
        text = json.dumps({"kind": kind, **asdict(line)}, separators=(",", ":"))
        with self._lock:
            self.lines.append(line)
            if not self._file.closed:
                self._file.write(text + "\n")

    def close(self) -> None:
        with self._lock:
            self._file.close()


def read_lines(text: Iterable[str]) -> list[Line]:
    """Lines as a Recorder writes them."""
    return [_KINDS[(fields := json.loads(line)).pop("kind")](**fields) for line in text]
