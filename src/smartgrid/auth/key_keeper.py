"""Keeps the keys of one issuer fresh, in a thread of its own. A request never waits for it.

PyJWT's own `PyJWKClient` reads in the thread of the request, under one lock for all of them, once for each unknown key
while the issuer is away, and believes nothing any more five minutes after the last answer. So the reading is here
(`refresh` says when), and the library's part is the cryptography.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from smartgrid.auth import key_set
from smartgrid.auth.bearer import BearerFile
from smartgrid.auth.issuers import Issuer
from smartgrid.auth.key_set import MAX_KEY_SET_BYTES, KeySet, KeySetError
from smartgrid.auth.refresh import FILE_INTERVAL_S, INTERVAL_S, Refresh
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError, origin_and_path
from smartgrid.runtime.bounded_file import first_bytes

READ_TIMEOUT_S = 5.0
MAX_WAIT_S = 60.0
OK, FAILED = "ok", "failed"
log = logging.getLogger(__name__)


class KeyKeeper:
    """The keys of `issuer`, as last read; `on_withdrawn` is called when one of them is gone."""

    def __init__(self, issuer: Issuer, on_withdrawn: Callable[[], None]) -> None:
        self.issuer, self._on_withdrawn = issuer, on_withdrawn
        self._read = _reader(issuer)
        self._refresh = Refresh(INTERVAL_S if issuer.is_remote else FILE_INTERVAL_S)
        self._random = random.Random()
        self._keys: KeySet = {}
        self.readings = Counter({OK: 0, FAILED: 0})
        self._wake, self._tried = threading.Event(), threading.Event()

    def start(self) -> None:
        """Begin to read; the thread ends with the process."""
        threading.Thread(target=self._keep, name="issuer-keys", daemon=True).start()

    def keys(self) -> KeySet:
        """The keys that are believed now; none if they have not been read for too long."""
        return self._keys if self._refresh.is_believed(time.monotonic()) else {}

    def want(self) -> None:
        """Somebody came with a key that is not here: read again soon. Costs nothing, however often it is called."""
        if not self._refresh.is_wanted:
            self._refresh.is_wanted = True
            self._wake.set()

    def age_s(self) -> float | None:
        return self._refresh.age_s(time.monotonic())

    def was_tried(self, timeout_s: float = 0.0) -> bool:
        """Whether the first reading is over, well or not."""
        return self._tried.wait(timeout_s)

    def _keep(self) -> None:
        while True:
            self._read_once()
            self._tried.set()
            self._pause()

    def _pause(self) -> None:
        spread = self._random.random()
        while (wait_s := self._refresh.due_s(spread) - time.monotonic()) > 0:
            if self._wake.wait(min(wait_s, MAX_WAIT_S)):
                self._wake.clear()

    def _read_once(self) -> None:
        try:
            found = key_set.parse(self._read())
        except (OSError, ValueError, KeySetError, NotSentError, OutcomeUnknownError) as error:
            self._refresh.failed(time.monotonic())
            self.readings[FAILED] += 1
            log.warning("keys not read", extra={"issuer": self.issuer.issuer, "reason": str(error)[:500]})
            return
        before, self._keys = self._keys, found
        self._refresh.succeeded(time.monotonic())
        self.readings[OK] += 1
        if key_set.withdrawn(before, found):
            log.info("key withdrawn", extra={"issuer": self.issuer.issuer})
            self._on_withdrawn()


def _reader(issuer: Issuer) -> Callable[[], bytes]:
    if not issuer.is_remote:
        return lambda: first_bytes(Path(issuer.jwks), MAX_KEY_SET_BYTES)
    origin, path = origin_and_path(issuer.jwks)
    client = HttpClient(origin, ca_file=issuer.ca, connect_timeout_s=READ_TIMEOUT_S)
    bearer = BearerFile(issuer.bearer_token_file) if issuer.bearer_token_file else None

    def read() -> bytes:
        sent = bearer.headers() if bearer else {}
        answer = client.request("GET", path, timeout_s=READ_TIMEOUT_S, headers=sent, max_answer_bytes=MAX_KEY_SET_BYTES)
        if answer.status != 200:
            raise KeySetError(f"{issuer.jwks} answered {answer.status}")
        return answer.body

    return read
