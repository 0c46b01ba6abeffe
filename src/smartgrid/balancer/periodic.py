"""Work that is done again and again, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

JOIN_TIMEOUT_S = 5.0
log = logging.getLogger(__name__)


class Periodic(ABC):
    """Does its work each `interval_s` while it is entered. One time that fails is logged, and does not end it."""

    def __init__(self, name: str, interval_s: float, failed: str) -> None:
        """`failed` is what the log says when the work has raised."""
        self._interval_s, self._failed = interval_s, failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(JOIN_TIMEOUT_S)

    @abstractmethod
    def work(self) -> None:
        """What is done each time. One that takes long looks at `_stop`."""

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self.work()
            except Exception:
                log.exception(self._failed)
