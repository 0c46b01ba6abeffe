"""The durable inbox: what a charger has told of its transactions is on the disk before the charger is answered.

A charger that has its answer forgets the message; one that has none keeps it and sends it again. So: change the
transaction in memory, `keep` it, answer when it is kept. While the disk takes nothing (it is tried again each second),
the charger has no answer: it is the second place where the message is safe, and a repeat finds the transaction by its
key.

One thread writes. It takes all that has come since its last write and commits it at once: ten thousand chargers after
an outage cost a few commits. What is written is each transaction's row as it was when it was kept; a later row of the
same transaction replaces an earlier one, so a queue is never longer than there are transactions.

Meter values in between are not kept one by one, as a register tells the whole energy each time: the fleet keeps the
rows of running transactions about once a minute, and the stop's register, which is kept before it is answered, is
the charger's last word. What a crash can lose is a minute of what the substation has had reported anyway.

Bounds: `MOST_WAITING` answers wait for the disk; who comes after them has none, and comes again. How many transactions
there are is bounded by the fleet: a charger with too many, and an edge with too many, take no new ones.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from smartgrid.edge.transactions.inbox_file import InboxFile, Row, row_of
from smartgrid.edge.transactions.transaction import Transaction

log = logging.getLogger(__name__)
MOST_WAITING = 50_000
RETRY_S = 1.0
SLOW_S = 5.0
Done = Callable[[bool], None]


class Inbox:
    """`in_loop` calls back in the event loop's thread: `loop.call_soon_threadsafe`. Begins with `begin`."""

    def __init__(
        self,
        file: InboxFile,
        in_loop: Callable[[Callable[[], None]], object],
        wall: Callable[[], float] = time.time,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._file, self._in_loop, self._wall, self._most_waiting = file, in_loop, wall, most_waiting
        self._changed = threading.Condition()
        self._rows: dict[object, Row] = {}
        self._waiting: list[Done] = []
        self._is_closing = False
        self._trouble = ""
        self._writing_since_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def load(self) -> list[Transaction]:
        """What was there at the start; before `begin`."""
        return self._file.load()

    def begin(self) -> None:
        self._thread.start()

    def keep(self, transactions: Sequence[Transaction], done: Done | None = None) -> None:
        """Write them as they are now; `done` is told, in the loop, once they are on the disk, or that they won't be."""
        wall_s = self._wall()
        with self._changed:
            is_full = self._is_closing or (done is not None and len(self._waiting) >= self._most_waiting)
            if not is_full:
                self._rows.update((each.key, row_of(each, wall_s)) for each in transactions)
                if done is not None:
                    self._waiting.append(done)
                self._changed.notify()
        if is_full and done is not None:
            self._in_loop(lambda: done(False))

    @property
    def trouble(self) -> str:
        """Why nothing can be written at present; empty while all is well."""
        since_s = self._writing_since_s
        if since_s is not None and time.monotonic() - since_s > SLOW_S:
            return f"a write of {self._file.path} takes more than {SLOW_S:.0f} s"
        return self._trouble

    def close(self) -> None:
        """Write what has come, and end; waits for it, for 30 s at the most."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(30)
        if not self._thread.is_alive():
            self._file.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._rows or self._waiting or self._is_closing):
                    self._changed.wait()
                rows, waiting = self._rows, self._waiting
                self._rows, self._waiting = {}, []
                if not rows and not waiting:
                    return
            if self._write(list(rows.values())):
                self._tell(waiting, is_kept=True)
            elif not self._put_back(rows, waiting):
                self._tell(waiting, is_kept=False)
                return

    def _put_back(self, rows: dict[object, Row], waiting: list[Done]) -> bool:
        """For the next try, a little later; False if there will be none. What has come meanwhile is newer."""
        with self._changed:
            self._rows, self._waiting = {**rows, **self._rows}, waiting + self._waiting
            self._changed.wait_for(lambda: self._is_closing, RETRY_S)
            return not self._is_closing

    def _write(self, rows: Sequence[Row]) -> bool:
        self._writing_since_s = time.monotonic()
        try:
            self._file.write(rows, self._wall())
        except Exception as error:  # sqlite3's, and whatever the disk makes of it: chargers keep what is not answered
            if not self._trouble:
                log.error("the inbox takes nothing: chargers keep their messages", extra={"error": str(error)})
            self._trouble = f"{self._file.path} cannot be written: {error}"
            return False
        finally:
            self._writing_since_s = None
        self._trouble = ""
        return True

    def _tell(self, waiting: Sequence[Done], *, is_kept: bool) -> None:
        if not waiting:
            return

        def tell() -> None:
            for done in waiting:
                done(is_kept)

        self._in_loop(tell)
