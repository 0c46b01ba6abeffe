"""Whether an operator has taken a substation out of use for new cars, kept over restarts.

It is one bit that concerns no session, so it is not in the books: a file in the data folder is there or not. The
disk is written first, so that what was acknowledged holds.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from smartgrid.domain.status import Status
from smartgrid.substation.ledger import Ledger
from smartgrid.web.problems import ProblemError

MARK = "draining"


class Draining:
    """Of the substation whose data is in `folder`."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self._folder, self._mark, self._ledger = folder, folder / MARK, ledger
        self._lock = threading.Lock()

    def restore(self) -> None:
        """Begin as it was left."""
        if self._mark.exists():
            self._ledger.set_draining(True)

    def set(self, draining: bool) -> Status:
        """Raises a problem (503) where the disk takes no changes; then nothing has changed."""
        with self._lock:
            try:
                self._write(draining)
            except OSError as error:
                detail = f"The disk does not take it: {error.strerror or error}. Nothing has changed."
                raise ProblemError(503, "storage-unavailable", detail, headers={"Retry-After": "5"}) from error
            return self._ledger.set_draining(draining)

    def _write(self, draining: bool) -> None:
        if draining:
            self._mark.touch()
        else:
            self._mark.unlink(missing_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
