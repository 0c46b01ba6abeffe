"""The first answers to recent idempotency keys, so that most retries go no further than here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from smartgrid.protocol.models import ChargeBody

REMEMBERED = 10_000
LIFE_S = 86_400.0


class KeyReusedError(Exception):
    """The key belongs to a different request."""


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """A session that was started, as the client was told."""

    request: ChargeBody
    body: bytes
    location: str
    given_s: float


class FirstAnswers:
    """A bounded cache; what it has forgotten, the substations still know. Thread-safe."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, FirstAnswer] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: str, request: ChargeBody, now_s: float) -> FirstAnswer | None:
        """Raises KeyReusedError if the key came with another request."""
        with self._lock:
            found = self._answers.get(key)
        if found is None or now_s - found.given_s > LIFE_S:
            return None
        if found.request != request:
            raise KeyReusedError
        return found

    def remember(self, key: str, answer: FirstAnswer) -> None:
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
