"""Many chargers in one event loop, in a thread of its own: what load tests and tests hold in their hands.

    with Street(f"ws://127.0.0.1:{port}/ocpp") as street:
        charger = street.add("substation-0", "left", dialect=Dialect16())
        charger.plug(Car(), tag="EV-1")
        wait_until(lambda: charger.power_kw > 0, ...)

Everything that touches a charger happens in the loop's thread; `Handle` brings it there and waits for it.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from smartgrid.chargersim.behaviour import FAULTLESS, Behaviour
from smartgrid.chargersim.busbar import Busbar
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.charger import Charger
from smartgrid.chargersim.clock import Clock
from smartgrid.chargersim.dialect import Dialect, Identity, Payload
from smartgrid.chargersim.line import Address, Line
from smartgrid.chargersim.outlet import Outlet
from smartgrid.chargersim.transaction import Transaction

CALL_TIMEOUT_S = 30.0
T = TypeVar("T")


class Handle:
    """One charger on a street, safe to use from other threads."""

    def __init__(self, street: Street, line: Line, commands: list[tuple[str, Payload]]) -> None:
        self._street, self.line = street, line
        self.commands = commands
        """Each call that has come, where the street keeps them."""

    @property
    def charger(self) -> Charger:
        return self.line.charger

    @property
    def name(self) -> str:
        return self.charger.identity.name

    @property
    def is_connected(self) -> bool:
        return self.charger.is_online

    @property
    def power_kw(self) -> float:
        return sum(place.outlet.power_kw for place in self.charger.places.values())

    @property
    def transactions(self) -> list[Transaction]:
        return list(self.charger.transactions)

    def allowed_a(self, connector: int = 1) -> float:
        """What its profiles allow now."""
        return self._street.call(lambda: self.charger.allowed_a(connector))

    def register_kwh(self, connector: int = 1) -> float:
        def read() -> float:
            self.line.do(Charger.advance)
            return self.charger.places[connector].outlet.register_kwh

        return self._street.call(read)

    def plug(self, car: Car | None = None, tag: str | None = None, connector: int = 1) -> None:
        self._do(lambda charger, now_s: charger.plug(connector, car or Car(), now_s, tag))

    def swipe(self, tag: str, connector: int = 1) -> None:
        self._do(lambda charger, now_s: charger.swipe(connector, tag, now_s))

    def stop(self, connector: int = 1) -> None:
        self._do(lambda charger, now_s: charger.stop(connector, now_s))

    def unplug(self, connector: int = 1) -> None:
        self._do(lambda charger, now_s: charger.unplug(connector, now_s))

    def reboot(self) -> None:
        """Its power goes off and comes back."""

        def act(charger: Charger, now_s: float) -> None:
            charger.reboot(now_s)
            charger.is_to_reconnect = True

        self._do(act)

    def cut(self) -> None:
        """Its network is gone."""
        self._street.call(self.line.cut)

    def connect(self) -> None:
        self._street.call(self.line.connect)

    def _do(self, act: Callable[[Charger, float], object]) -> None:
        self._street.call(lambda: self.line.do(act))


class Street:
    """Chargers that call `url`/{substation}/{name}, and what each substation's draw together."""

    def __init__(
        self,
        url: str,
        *,
        scale: float = 1.0,
        seed: int = 1,
        pause_s: float = 1.0,
        longest_pause_s: float = 30.0,
        keeps_history: bool = True,
    ) -> None:
        self._url, self._seed, self._keeps_history = url.rstrip("/"), seed, keeps_history
        self._pause_s, self._longest_pause_s = pause_s, longest_pause_s
        self.clock = Clock(scale)
        self.busbars: dict[str, Busbar] = {}
        self.handles: dict[str, Handle] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chargers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Cut all lines, and end the loop."""
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(CALL_TIMEOUT_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CALL_TIMEOUT_S)
            self._loop.close()

    def add(
        self,
        substation: str,
        name: str,
        dialect: Dialect,
        behaviour: Behaviour = FAULTLESS,
        *,
        ratings_a: Sequence[float] = (32.0,),
        phases: int = 3,
        key: bytes | None = None,
        register_kwh: float = 0.0,
        connects: bool = True,
        keeps_commands: bool = True,
        watch: Callable[[str, Payload], None] | None = None,
    ) -> Handle:
        """A charger, connected from now on if it `connects`. Names are one charger's on the whole street: ValueError.

        `watch` sees each call that comes to it, in the loop's thread; without, `commands` keeps them.
        """
        if name in self.handles:
            raise ValueError(f"There is a charger {name} on this street already.")
        commands: list[tuple[str, Payload]] = []
        if watch is None and keeps_commands:

            def watch(action: str, payload: Payload) -> None:
                commands.append((action, payload))

        busbar = self.busbars.setdefault(substation, Busbar(keeps_history=self._keeps_history))
        now_s, rng = self.clock.now_s(), random.Random(f"{self._seed} {name}")
        outlets = [
            Outlet(number, rating_a, phases, now_s=now_s, register_kwh=register_kwh, on_power=busbar.change)
            for number, rating_a in enumerate(ratings_a, start=1)
        ]
        charger = Charger(
            Identity(name),
            dialect,
            outlets,
            behaviour,
            now_s=now_s,
            wall_s=self.clock.wall_s(),
            rng=rng,
            watch=watch,
        )
        address = Address(
            f"{self._url}/{quote(substation, safe='')}/{quote(name, safe='')}",
            user=name,
            key=key,
            pause_s=self._pause_s,
            longest_pause_s=self._longest_pause_s,
        )
        handle = Handle(self, Line(charger, address, dialect.subprotocol, self.clock, rng), commands)
        self.handles[name] = handle
        if connects:
            handle.connect()
        return handle

    def call(self, work: Callable[[], T]) -> T:
        """`work()` in the loop's thread, and its result."""
        if threading.current_thread() is self._thread:
            return work()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as problem:
                done.set_exception(problem)

        self._loop.call_soon_threadsafe(run)
        return done.result(CALL_TIMEOUT_S)

    def soon(self, work: Callable[[], Any]) -> None:
        """`work()` in the loop's thread, without waiting for it."""
        self._loop.call_soon_threadsafe(work)

    def later(self, after_s: float, work: Callable[[], Any]) -> None:
        """`work()` so many seconds of the street's clock after its beginning; to be called in the loop's thread."""
        self._loop.call_later(max(0.0, self.clock.real_s_until(after_s)), work)

    def busbar(self, substation: str) -> Busbar:
        return self.busbars.setdefault(substation, Busbar(keeps_history=self._keeps_history))

    def moments(self, substation: str) -> Any:
        """All that a substation's chargers have drawn so far."""
        return self.call(self.busbar(substation).moments)

    def most_between_kw(self, substation: str, from_s: float, to_s: float) -> float:
        return self.call(lambda: self.busbar(substation).most_between_kw(from_s, to_s))

    async def _close(self) -> None:
        for handle in self.handles.values():
            handle.line.close()
        await asyncio.sleep(0)


def kept(handles: Iterable[Handle]) -> int:
    """Transaction messages of all these that nobody has taken yet."""
    return sum(handle.charger.kept_messages for handle in handles)
