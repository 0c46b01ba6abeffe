"""One attempt: ask one member to take a car, and tell what its answer means (docs/protocol.md, "On the wire").

Every attempt is the same `POST /charge`, whether the member has just been chosen or has the key's session already. What
differs is what the caller makes of the outcome. The one thing that must not be got wrong here: an outcome other than
`Unknown` is certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smartgrid.balancer import member_answers
from smartgrid.domain.regions import ANYWHERE, Wish
from smartgrid.domain.request import PowerRange
from smartgrid.http_client.answer import Answer
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.protocol import headers, numbers, status_header, tracing
from smartgrid.protocol import session_id as ids
from smartgrid.protocol.keys import digest
from smartgrid.protocol.numbers import Number

JSON = "application/json"
FAULTY_STATUSES = frozenset((400, 409, 413, 415, 422))
NO_ROOM, DRAINING, NO_STORAGE, LATE = "no-capacity", "draining", "storage-unavailable", "deadline-exceeded"
OVER_QUOTA = "quota-exceeded"
REFUSALS = {NO_ROOM: 503, DRAINING: 503, NO_STORAGE: 503, LATE: 503, OVER_QUOTA: 429}
UNAVAILABLE = "substation-unavailable"
SUPERSEDED = "superseded"
NOT_KNOWN = "outcome-unknown"
LONGEST_LOOK_AGAIN_S = 60


@dataclass(frozen=True, slots=True)
class Car:
    """What is to be placed: the request's body as members get it, its power, its key, the number of this try, its
    owner, and what it says of regions.

    `wants_to_wait` where the body says that it waits where there is no room, and `may_wait` where this balancer is to
    find out at whom. Of one that another balancer moves only the digest is known of the key: `moved`.
    """

    body: bytes
    power: PowerRange
    key: str
    number: Number
    owner: str | None = None
    wants_to_wait: bool = False
    may_wait: bool = False
    moved: str | None = None
    wish: Wish = ANYWHERE
    digest: str = field(init=False)
    headers: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", self.moved or digest(self.key, self.owner))
        key = {headers.KEY: self.key} if self.moved is None else {headers.KEY_DIGEST: self.moved}
        whose = {} if self.owner is None else {headers.OWNER: self.owner}
        sent = {"Content-Type": JSON, headers.STATUS: status_header.WANTED}
        object.__setattr__(self, "headers", {**sent, **key, **whose, **tracing.outgoing()})


@dataclass(frozen=True, slots=True)
class Admitted:
    """The session, as this balancer shows it; `replayed` where the key had it before."""

    session: dict[str, Any]
    replayed: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """The same of one that waits there; `look_again_s` is when its client is to look again."""

    session: dict[str, Any]
    replayed: bool
    look_again_s: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Surely no session of this attempt; `code` is one of `REFUSALS`."""

    code: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """The key's session is at `by`: an id of this balancer, or a path to one above it."""

    by: str


@dataclass(frozen=True, slots=True)
class Faulty:
    """The request itself is wrong: no one will take it."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class HolderAway:
    """The member is a region, and the key's session is at one of its substations that is away."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The member cannot be reached: surely no session."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There may be a session."""


Outcome = Admitted | Waiting | Refused | Superseded | Faulty | HolderAway | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of an attempt, and the answer, if there was one."""

    outcome: Outcome
    answer: Answer | None = None


def has_failed(asked: Asked) -> bool:
    """Whether the member let the car down: it was sent, and there is no answer, or one that says nothing.

    That it does not know the outcome itself, as a region may not, is an answer.
    """
    if not isinstance(asked.outcome, Unknown):
        return False
    return asked.answer is None or member_answers.problem(asked.answer.body).get("code") != NOT_KNOWN


def ask(
    member: str, client: HttpClient, car: Car, number: Number, timeout_s: float, *, lets_wait: bool = False
) -> Asked:
    """Ask a member to take the car, and wait for its answer for `timeout_s` at the most.

    Without `lets_wait` only to charge at once. It is never sent twice with one number: behind the name of a region
    there may be several balancers.
    """
    sent = {**car.headers, headers.NUMBER: numbers.encode(number)}
    if car.wants_to_wait and not lets_wait:
        sent[headers.WAIT] = headers.NO_WAIT
    try:
        answer = client.request("POST", "/charge", timeout_s=timeout_s, body=car.body, headers=sent, resend=False)
    except NotSentError:
        return Asked(NotSent())
    except OutcomeUnknownError:
        return Asked(Unknown())
    return Asked(judge(member, answer), answer)


def judge(member: str, answer: Answer) -> Outcome:
    """What a member's answer to `POST /charge` means."""
    if answer.status in (201, 202):
        return _placed(member, answer)
    problem = member_answers.problem(answer.body)
    code = problem.get("code")
    if answer.status == 409 and code == SUPERSEDED:
        by = problem.get("superseded_by")
        return Superseded(ids.path_up(member, by)) if isinstance(by, str) and ids.is_path(by) else Unknown()
    if answer.status in FAULTY_STATUSES and isinstance(code, str):
        return Faulty(answer)
    # What comes without a status is not the member's own: a proxy may have lost the connection after the request.
    if isinstance(code, str) and headers.STATUS in answer.headers:
        if REFUSALS.get(code) == answer.status:
            return Refused(code)
        if answer.status == 503 and code == UNAVAILABLE:
            return HolderAway()
    return Unknown()


def _placed(member: str, answer: Answer) -> Admitted | Waiting | Unknown:
    session = member_answers.session(member, answer.body)
    if session is None:
        return Unknown()
    replayed = answer.headers.get(headers.REPLAYED) == "true"
    return Admitted(session, replayed) if answer.status == 201 else Waiting(session, replayed, _look_again_s(answer))


def _look_again_s(answer: Answer) -> int:
    said = answer.headers.get("Retry-After", "")
    return min(int(said), LONGEST_LOOK_AGAIN_S) if said.isascii() and said.isdigit() and len(said) < 10 else 1
