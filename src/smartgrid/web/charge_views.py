"""What a substation's views and a balancer's have in common: to a client, and to another balancer, they look alike."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import request

from smartgrid.auth.scopes import GRID_SERVICE
from smartgrid.domain.session import SessionState
from smartgrid.domain.waiting_list import MOST_CARS
from smartgrid.protocol import numbers
from smartgrid.protocol.headers import (
    KEY_DIGEST,
    NO_WAIT,
    NUMBER,
    OWNER,
    OWNER_PATTERN,
    RESIDENCY,
    RESIDENCY_PATTERN,
    WAIT,
)
from smartgrid.protocol.keys import DIGEST_LENGTH, DIGEST_PATTERN
from smartgrid.protocol.numbers import Number
from smartgrid.web import access
from smartgrid.web.app import MAX_WAIT_S, query_choice, query_int
from smartgrid.web.parameters import Parameter, text, whole
from smartgrid.web.problems import ProblemError

MOST = 10**18
"""The greatest epoch, revision and position."""
SUPERSEDED_BY_PATTERN = r"(\.\./){1,8}[A-Za-z0-9_.-]{1,300}"
STATUS_AND_KEYS_QUERY = {
    "epoch": whole("The epoch of the last answer, that of `since` and `keys`.", 0, MOST),
    "since": whole("Wait until the revision is greater than this one.", 0, MOST),
    "keys": whole("Tell which keys have changed after this position of the log, or wait until one does.", 0, MOST),
    "wait_s": whole("Longest wait in seconds, with `since`.", 0, MAX_WAIT_S),
}
SUPERSEDE_QUERY = {
    "before": text(
        "End the session only if the number of its latest try is below this one.", numbers.PATTERN, numbers.MAX_TEXT
    ),
    "superseded_by": text(
        "The session of the same key that counts, as a path such as ../substation-1.x.", SUPERSEDED_BY_PATTERN, 324
    ),
}
OWNER_HEADER = {
    OWNER: text(
        "Whose session it will be, or whose alone may be seen and stopped, between services.", OWNER_PATTERN, 22
    )
}
WAITING_QUERY = {"limit": whole("Cars at the most.", 1, MOST_CARS)}
FIRST_CARS = 20
"""Of a waiting list, where `GET /waiting` names no limit: who comes later mostly has its turn when these are gone."""
WHILE = "while"
WAIT_QUERY = {
    "wait_s": whole(
        "Answer once its state is another than `while`, after so many seconds at the latest.", 0, MAX_WAIT_S
    ),
    WHILE: Parameter(
        "With `wait_s`: the state that the asker knows. By default `Waiting`, so a car that has started meanwhile is "
        "told of at once.",
        {"type": "string", "enum": [state.value for state in SessionState], "default": SessionState.WAITING.value},
    ),
}
NUMBER_HEADER = {NUMBER: text("The number of the try, between services.", numbers.PATTERN, numbers.MAX_TEXT)}
WAITING_HEADERS = {
    WAIT: text("Not to wait here, whatever the body says, between services.", NO_WAIT, len(NO_WAIT)),
    KEY_DIGEST: text("In place of the key, of a car that is moved, between services.", DIGEST_PATTERN, DIGEST_LENGTH),
}
RESIDENCY_HEADER = {
    RESIDENCY: text("Where the car may be charged, between services (docs/regions.md).", RESIDENCY_PATTERN, 63)
}
SUPERSEDED_BY = re.compile(SUPERSEDED_BY_PATTERN)
_DIGEST = re.compile(DIGEST_PATTERN)


@dataclass(frozen=True, slots=True)
class WaitQuery:
    """How a look at a session waits: for `wait_s` at the longest, 0 for not at all, while the session is `known`."""

    wait_s: int
    known: SessionState


def wait_query() -> WaitQuery:
    """The query of `GET /charge/{id}` or `/sessions/{id}`; a problem (422) for what cannot be."""
    known = query_choice(WHILE, SessionState) or SessionState.WAITING
    return WaitQuery(query_int("wait_s", 0, 0, MAX_WAIT_S), known)


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """What `GET /status` asks for (docs/protocol.md).

    `since` is the revision, and `keys` the position in the log of keys, that the asker has, both of `epoch`; None where
    it asks for no change, or for no keys.
    """

    epoch: int
    since: int | None
    keys: int | None
    wait_s: int


def status_query() -> StatusQuery:
    """The query of `GET /status`; a problem (422) for a number out of bounds."""
    since = query_int("since", -1, 0, MOST)
    keys = query_int("keys", -1, 0, MOST)
    if keys >= 0:
        access.require(GRID_SERVICE)  # whose keys they are, nobody else need know
    wait_s = query_int("wait_s", MAX_WAIT_S if since >= 0 else 0, 0, MAX_WAIT_S)
    return StatusQuery(query_int("epoch", 0, 0, MOST), None if since < 0 else since, None if keys < 0 else keys, wait_s)


def try_number() -> Number | None:
    """The number of the try that the request is; None where it has none, a problem (422) where it cannot be one."""
    sent = request.headers.get(NUMBER)
    number = numbers.decode(sent)
    if number is None and sent is not None:
        detail = f"{NUMBER} must be whole numbers separated by dots, microseconds since 1970 first."
        raise ProblemError(422, "invalid-request", detail)
    return number


def waiting_limit() -> int:
    """How many cars `GET /waiting` asks for; a problem (422) for a number out of bounds."""
    return query_int("limit", FIRST_CARS, 1, MOST_CARS)


def may_wait_here() -> bool:
    """Whether a car may wait here, as far as its sender says; a problem (422) for what is no word for it."""
    found = request.headers.get(WAIT)
    if found not in (None, NO_WAIT):
        raise ProblemError(422, "invalid-request", f"{WAIT} must be {NO_WAIT}, or left out.")
    return found is None


def key_digest() -> str | None:
    """What stands for owner and key of a car that is moved; a problem (422) where it is no digest."""
    found = request.headers.get(KEY_DIGEST)
    if found is not None and not _DIGEST.fullmatch(found):
        raise ProblemError(422, "invalid-request", f"{KEY_DIGEST} must be {DIGEST_LENGTH} characters of base64url.")
    return found


@dataclass(frozen=True, slots=True)
class Superseding:
    """End the session if its number is below `before`, as superseded by `by` (a path relative to it)."""

    before: Number
    by: str


def superseding_wanted() -> Superseding | None:
    """What a `DELETE /charge/{id}` asks for besides; None for a plain stop, a problem (422) where it cannot be read."""
    if "before" not in request.args and "superseded_by" not in request.args:
        return None
    access.require(GRID_SERVICE)
    before, by = numbers.decode(request.args.get("before")), request.args.get("superseded_by", "")
    if before is None or not SUPERSEDED_BY.fullmatch(by):
        detail = "before must be a try's number, and superseded_by the path of a session such as ../substation-1.x."
        raise ProblemError(422, "invalid-request", detail)
    return Superseding(before, by)
