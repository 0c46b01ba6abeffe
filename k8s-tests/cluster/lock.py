"""One set-up at a time: two `make test` on one machine wait for each other."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.paths import CACHE
from cluster.shell import say


@contextmanager
def exclusive(what: str = "set-up") -> Iterator[None]:
    """Be the only one on this machine who does `what`. The kernel frees the lock if its holder dies."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{what}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that is at it: {what} of the cluster")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
