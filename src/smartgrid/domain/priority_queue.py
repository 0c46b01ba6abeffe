"""A heap whose entries can be moved and taken out."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterator
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", int, float)
Item = TypeVar("Item", bound=Hashable)

SPARE_ENTRIES = 16
_numbers = count()  # of entries, so that those with equal keys come up in the order in which they were pushed


class PriorityQueue(Generic[Key, Item]):
    """Items by their keys, the least first; O(log n) a change, on average.

    What is moved or taken out stays in the heap until it comes up. When more than half is such garbage, the heap is
    built anew, so it never holds more than about twice what is queued.
    """

    __slots__ = ("_heap", "_keys")

    def __init__(self) -> None:
        self._keys: dict[Item, Key] = {}
        self._heap: list[tuple[Key, int, Item]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Item]:
        """What is queued, in no order that means anything."""
        return iter(self._keys)

    def push(self, item: Item, key: Key) -> None:
        """Queue the item, or move it to this key."""
        if self._keys.get(item) != key:
            self._keys[item] = key
            heapq.heappush(self._heap, (key, next(_numbers), item))
            if len(self._heap) > 2 * len(self._keys) + SPARE_ENTRIES:
                self._build()

    def discard(self, item: Item) -> None:
        """Take the item out, if it is there."""
        if self._keys.pop(item, None) is not None and len(self._heap) > 2 * len(self._keys) + SPARE_ENTRIES:
            self._build()

    def peek(self) -> tuple[Key, Item] | None:
        """The least key and its item."""
        heap, keys = self._heap, self._keys
        while heap:
            key, _, item = heap[0]
            if keys.get(item) == key:
                return key, item
            heapq.heappop(heap)
        return None

    def rekey(self, key_of: Callable[[Item], Key]) -> None:
        """Give everything that is queued a new key; O(n)."""
        for item in self._keys:
            self._keys[item] = key_of(item)
        self._build()

    def clear(self) -> None:
        self._keys, self._heap = {}, []

    def _build(self) -> None:
        self._heap = [(key, next(_numbers), item) for item, key in self._keys.items()]
        heapq.heapify(self._heap)
