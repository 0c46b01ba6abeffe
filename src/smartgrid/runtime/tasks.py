"""Tasks of an event loop that nobody waits for, until all of them are to end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Those that are under way: a loop keeps no task from being collected as rubbish. Only on the loop."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def cancel(self) -> None:
        """Have them end."""
        for task in list(self._under_way):
            task.cancel()

    async def end(self) -> None:
        """Have them end, and wait until they have."""
        self.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
