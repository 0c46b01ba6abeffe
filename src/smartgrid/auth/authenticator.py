"""From the `Authorization` header to a principal: for a token that was seen before, in the time of one look-up.

A token is checked once, and what came of it is kept until the token expires, for five minutes at the most: so long a
token lives on whose key was withdrawn while its issuer could not be asked. When a key is seen to be gone, all is
forgotten. Tokens that failed are not kept: a failure must not outlive its reason, such as a key that was not read yet.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence

from smartgrid.auth import tokens
from smartgrid.auth.issuers import Issuer
from smartgrid.auth.key_keeper import KeyKeeper
from smartgrid.auth.principal import Principal
from smartgrid.auth.tokens import TokenError, UnknownKeyError

MAX_KEPT = 10_000
MAX_KEPT_S = 300.0
log = logging.getLogger(__name__)


class KeysAwayError(Exception):
    """The keys of the token's issuer are not here: the token may be good, and nobody can tell."""


class Authenticator:
    """Knows callers by the tokens of `issuers`."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._keepers = [KeyKeeper(issuer, self.forget) for issuer in issuers]
        self._known: dict[str, tuple[float, Principal]] = {}
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        """How tokens that were not known fared: "ok", or a word of `TokenError`."""

    def start(self) -> None:
        """Begin to read the issuers' keys."""
        for keeper in self._keepers:
            keeper.start()

    def principal(self, token: str) -> Principal:
        """Whose token it is. Raises TokenError or KeysAwayError."""
        known = self._known.get(token)
        now_s = time.time()
        if known is not None and known[0] > now_s:
            return known[1]
        return self._checked(token, now_s)

    def forget(self) -> None:
        """Check every token anew."""
        with self._lock:
            self._known = {}

    def ages_s(self) -> list[tuple[str, float]]:
        """How old each issuer's keys are, in seconds."""
        return [(keeper.issuer.issuer, age_s) for keeper in self._keepers if (age_s := keeper.age_s()) is not None]

    def readings(self) -> list[tuple[str, str, int]]:
        """How often each issuer's keys were read: its name, "ok" or "failed", and how often."""
        return [(each.issuer.issuer, *found) for each in self._keepers for found in each.readings.items()]

    def not_ready(self) -> str | None:
        """Why nobody can be known yet. An issuer that is away does not count once it was asked: others may be there."""
        waiting = [keeper.issuer.issuer for keeper in self._keepers if not keeper.was_tried()]
        return f"the keys of {waiting[0]} are being read" if waiting else None

    def _checked(self, token: str, now_s: float) -> Principal:
        kept = self._known  # if a key is withdrawn meanwhile, nobody looks at these any more
        try:
            principal, until_s = tokens.verify(token, [(each.issuer, each.keys()) for each in self._keepers], now_s)
        except UnknownKeyError as error:
            self._count(error.kind)
            keepers = [keeper for keeper in self._keepers if keeper.issuer == error.issuer]
            for keeper in keepers:
                keeper.want()
            if not any(keeper.keys() for keeper in keepers):
                raise KeysAwayError(error.issuer.issuer) from None
            raise
        except TokenError as error:
            self._count(error.kind)
            raise
        self._count("ok")
        with self._lock:
            if len(kept) >= MAX_KEPT:
                del kept[next(iter(kept))]
            kept[token] = min(until_s, now_s + MAX_KEPT_S), principal
        return principal

    def _count(self, kind: str) -> None:
        with self._lock:
            self.outcomes[kind] += 1
