"""Substations registered by hand."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pydantic_core import from_json

from smartgrid.balancer import loops
from smartgrid.balancer.discovery import Member, Publish
from smartgrid.balancer.membership import REGISTRATION, Membership
from smartgrid.balancer.state import State
from smartgrid.balancer.targets import AllowedTargets
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from smartgrid.http_client.urls import check_url
from smartgrid.protocol.models import MEMBER_NAME
from smartgrid.web.problems import ProblemError, not_found

ASK_TIMEOUT_S = 1.0
MAX_REGISTRATIONS = 1000
SOURCE = REGISTRATION


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a substation says of itself: its name, and as a balancer the epochs of itself and of those beneath it."""

    name: str
    balancers: frozenset[int]


def introduction(client: HttpClient) -> Introduction | None:
    """Who is behind a client; None if it does not answer, or not as a substation. Closes the client."""
    try:
        answer = client.request("GET", "/status", timeout_s=ASK_TIMEOUT_S)
        body = from_json(answer.body) if answer.status == 200 else {}
        name, balancers = body["name"], loops.told_by(body)
    except (NotSentError, OutcomeUnknownError, ValueError, KeyError, TypeError, AttributeError):
        return None
    finally:
        client.close()
    return Introduction(name, balancers) if isinstance(name, str) and MEMBER_NAME.fullmatch(name) else None


Ask = Callable[[str], Introduction | None]


class Registrations:
    """A source of members that people change over the API; kept on disk."""

    source = SOURCE

    def __init__(self, state: State, targets: AllowedTargets, membership: Membership, ask: Ask, epoch: int) -> None:
        """`membership` tells which names and addresses are taken, also by other sources; `ask` asks a URL who is there;
        `epoch` is this balancer's."""
        self._state, self._targets, self._membership = state, targets, membership
        self._ask, self._epoch = ask, epoch
        self._publish: Publish | None = None
        self._lock = threading.Lock()  # one change at a time, and published in the order of the changes

    def run(self, publish: Publish, stop: threading.Event) -> None:
        with self._lock:
            self._publish = publish
            self._republish()
        stop.wait()

    def sync_age_s(self, now_s: float) -> float:
        return math.inf if self._publish is None else 0.0

    def add(self, url: str, name: str | None) -> tuple[Member, bool]:
        """Register a URL; returns the member, and whether it is new. Raises a problem that says what is wrong.

        Who is there is asked always: neither a name nor an address is taken on trust.
        """
        url = self._checked(url)
        known = self._membership.find_url(url)
        if known is not None:
            return known[1], False
        member = Member(self._asked(url, name), url)
        with self._lock:
            known, other = self._membership.find_url(url), self._membership.find_name(member.name)
            if known is not None:
                return known[1], False
            if other is not None:
                raise ProblemError(409, "name-taken", f"{member.name} is in the fleet already, at {other.url}.")
            if len(self._state.registrations()) >= MAX_REGISTRATIONS:
                detail = f"{MAX_REGISTRATIONS} substations are registered, and no more may be; remove one first."
                raise ProblemError(409, "too-many-registrations", detail)
            self._state.register(member)
            self._republish()
        return member, True

    def remove(self, url: str) -> Member:
        """Remove a registration. Raises a problem: 404, or 409 for a member that another source brought."""
        try:
            url = check_url(url)
        except ValueError as error:
            raise ProblemError(422, "invalid-request", f"url {error}.") from error
        with self._lock:
            known = self._membership.find_url(url)
            if known is None:
                raise not_found(f"substation at {url}")
            source, member = known
            if source != SOURCE:
                detail = f"{member.name} comes from {source} discovery; remove it there."
                raise ProblemError(409, "not-registered", detail)
            self._state.unregister(url)
            self._republish()
        return member

    def _checked(self, url: str) -> str:
        try:
            url = check_url(url)
        except ValueError as error:
            raise ProblemError(422, "invalid-request", f"url {error}.") from error
        if not self._targets.allows(url):
            detail = f"{url} is not within SMARTGRID_ALLOWED_TARGETS; add its host or network there."
            raise ProblemError(403, "target-not-allowed", detail)
        return url

    def _asked(self, url: str, name: str | None) -> str:
        """The name of who is there. Raises a problem (422) where no one is, or not who should be."""
        found = self._ask(url)
        if found is None:
            detail = f"{url} does not answer as a substation; start it first."
            raise ProblemError(422, "substation-unreachable", detail)
        if self._epoch in found.balancers:
            detail = f"{url} is this balancer itself, or has it beneath it; a fleet cannot contain itself."
            raise ProblemError(422, "loop", detail)
        if name is not None and name != found.name:
            raise ProblemError(422, "other-name", f"{url} calls itself {found.name}, not {name}.")
        return found.name

    def _republish(self) -> None:
        if self._publish is not None:
            self._publish(self._state.registrations())
