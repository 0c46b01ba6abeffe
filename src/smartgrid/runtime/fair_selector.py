"""Which sockets an event loop looks after in its next turn, where some may wait and others must not.

asyncio reads whatever is ready in one turn, and comes to timers and new connections only in the next. With thousands of
sockets that each have a message waiting, a turn takes seconds: the few accepts and requests of a turn are then all
that is let in during these seconds. So it was with an edge that was killed under 10,000 chargers: the more were back,
the slower came the rest, the last after two minutes, and most of the time went by with meter values.

So here are two classes. What is *prompt* (everything, at first) is looked after in every turn. Of the *patient* ones a
turn takes a few, which epoll chooses in rotation, so each comes to its turn; and fewer still while many prompt ones are
ready. The patient ones stand in an epoll of their own, which is itself one of the prompt ones' files.
"""

from __future__ import annotations

import math
import select as system
import selectors
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

EPOLLIN, EPOLLOUT = 0x001, 0x004
"""As Linux has them; `select` has no such names elsewhere."""
MOST_PATIENT, LEAST_PATIENT = 64, 16
"""Patient ones in a turn: in quiet times, and when at least as many prompt ones are ready as make the difference."""
_EVENTS = ((selectors.EVENT_READ, EPOLLIN), (selectors.EVENT_WRITE, EPOLLOUT))
Found = list[tuple[selectors.SelectorKey, int]]


class FairSelector(selectors.BaseSelector):
    """For one loop; not for other threads. It needs epoll, which Linux has."""

    @classmethod
    def of_this_system(cls) -> FairSelector | None:
        """None where there is no epoll: what is ready is looked after in any order then."""
        return cls() if hasattr(system, "epoll") else None

    def __init__(self) -> None:
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._map = _ByFile(self._keys)
        self._prompt, self._patient = system.epoll(), system.epoll()
        self._prompt.register(self._patient.fileno(), EPOLLIN)
        self._patient_ones: set[int] = set()

    def put_behind(self, descriptor: int) -> None:
        """From now on it is patient, until `forget`; whether it is registered or not."""
        if descriptor in self._patient_ones:
            return
        key = self._keys.get(descriptor)
        if key is not None:
            self._prompt.unregister(descriptor)
            self._patient.register(descriptor, _mask(key.events))
        self._patient_ones.add(descriptor)

    def forget(self, descriptor: int) -> None:
        """Its end is told, so its number may be another's next, or is already: over TLS the end of a connection is told
        a turn after its socket was closed. Whoever has the number stays registered, and is prompt."""
        if descriptor not in self._patient_ones:
            return
        self._patient_ones.discard(descriptor)
        key = self._keys.get(descriptor)
        if key is not None:
            self._patient.unregister(descriptor)
            self._prompt.register(descriptor, _mask(key.events))

    # ------------------------------------------------------------------ as `selectors` has it

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Raises KeyError if it is registered."""
        descriptor = _descriptor(fileobj)
        if descriptor in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        self._of(descriptor).register(descriptor, _mask(events))
        key = self._keys[descriptor] = selectors.SelectorKey(fileobj, descriptor, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Raises KeyError if it is not registered."""
        descriptor = _descriptor(fileobj)
        key = self._keys.pop(descriptor)
        with suppress(OSError):  # closed already: then epoll has forgotten it
            self._of(descriptor).unregister(descriptor)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Raises KeyError if it is not registered."""
        descriptor = _descriptor(fileobj)
        key = self._keys[descriptor]
        if events != key.events:
            self._of(descriptor).modify(descriptor, _mask(events))
        key = self._keys[descriptor] = key._replace(events=events, data=data)
        return key

    def select(self, timeout: float | None = None) -> Found:
        """What is ready: all prompt ones, and some of the patient."""
        wait_s = -1.0 if timeout is None else max(0.0, math.ceil(timeout * 1e3) * 1e-3)
        try:
            ready = self._prompt.poll(wait_s, len(self._keys) + 1)
        except InterruptedError:
            return []
        own = self._patient.fileno()
        prompt = [each for each in ready if each[0] != own]
        if len(prompt) < len(ready):
            prompt += self._patient.poll(0, max(LEAST_PATIENT, MOST_PATIENT - len(prompt)))
        keys = self._keys
        return [(key, _events(mask) & key.events) for number, mask in prompt if (key := keys.get(number)) is not None]

    def close(self) -> None:
        self._keys.clear()
        self._prompt.close()
        self._patient.close()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """Raises KeyError if it is not registered."""
        return self._keys[_descriptor(fileobj)]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """By descriptor or file: asyncio looks up either in it from Python 3.13 on."""
        return self._map

    def _of(self, descriptor: int) -> system.epoll:
        return self._patient if descriptor in self._patient_ones else self._prompt


class _ByFile(Mapping[Any, selectors.SelectorKey]):
    def __init__(self, keys: dict[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_descriptor(fileobj)]

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _descriptor(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())


def _mask(events: int) -> int:
    return sum(mask for event, mask in _EVENTS if events & event)


def _events(mask: int) -> int:
    """An error is both readable and writable: whoever looks finds it."""
    return (selectors.EVENT_WRITE if mask & ~EPOLLIN else 0) | (selectors.EVENT_READ if mask & ~EPOLLOUT else 0)
