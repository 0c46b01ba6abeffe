"""An asyncio event loop in a thread of its own, for what waits on many connections at once."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

STOP_TIMEOUT_S = 5.0
T = TypeVar("T")


class EventLoop:
    """Runs while it is entered; at the end what still runs on it is cancelled."""

    def __init__(self, name: str, selector: selectors.BaseSelector | None = None) -> None:
        """`selector` is what the loop waits with; None: what asyncio takes."""
        self._loop = asyncio.new_event_loop() if selector is None else asyncio.SelectorEventLoop(selector)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(STOP_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)
        if not self._thread.is_alive():
            self._loop.close()

    def soon(self, work: Callable[..., object], *args: object) -> None:
        """Have the loop call `work`, from any thread. Once the loop has ended nothing happens."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work, *args)

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Have the loop do this, from any other thread, and wait for the result. Raises what it raises, TimeoutError
        where it takes longer, and then cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task; only on the loop."""
        return self._loop.create_task(work)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
