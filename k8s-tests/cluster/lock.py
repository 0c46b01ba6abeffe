"""One set-up at a time: two `make test` on one machine wait for each other."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.paths import CACHE
from cluster.shell import say


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the cluster's lock. The kernel frees it if the holder dies."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that sets up or changes the cluster")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
