"""Drivers who ask the gateways for all that a driver can ask for, and write down what they are told.

Each client is a thread with random numbers of its own, so what it wants follows from the seed. It asks for one car
after the other: with a key of its own or without, patiently or not, once or twice at once; and comes back to cars that
it had, now or much earlier: asks again, reads, stops, or uses the key for another car.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from support.http import Reply
from support.processes import Process
from torture.history import PLACED, Call, Recorder, Silence

PATIENCE_S = 25.0  # longer than any fault, and than a gateway takes to answer
SETTLE_TIMEOUT_S = 60.0
LAST_QUESTIONS = 40
ENOUGH = 20  # tries of a patient driver
POWERS_KW = ((0.1, 2.0), (0.1, 7.4), (0.1, 11.0), (0.1, 22.0), (0.5, 11.0), (1.38, 3.7), (4.0, 11.0), (11.0, 11.0))
FORGOTTEN = 400  # how many of its latest cars a client comes back to


@dataclass
class Wish:
    """A car and what its driver knows of it. `key` is empty until there is one."""

    vehicle_id: str
    body: dict[str, Any]
    key: str = ""
    told: str = ""
    is_open: bool = False  # the latest answer does not say what became of it
    is_given_up: bool = False  # its driver never asks again

    @property
    def can_repeat(self) -> bool:
        return bool(self.key) and not self.is_given_up


class Client:
    def __init__(
        self,
        name: str,
        gateways: Sequence[Process],
        seed: int,
        recorder: Recorder,
        clock: Callable[[], float],
        pause_s: float,
    ) -> None:
        self.name, self.wishes = name, list[Wish]()
        self.is_calm = True  # in quiet times everyone waits for answers
        self._gateways, self._recorder, self._clock, self._pause_s = gateways, recorder, clock, pause_s
        self._rng = random.Random(f"{name} {seed}")
        self._pool = ThreadPoolExecutor(3)

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(self._rng.expovariate(1 / self._pause_s)):
            self._new_car()
            if self._rng.random() < 0.5:
                self._come_back(self._rng.choice(self.wishes[-FORGOTTEN:]))
        self._pool.shutdown()

    def settle(self) -> None:
        """Ask again for every car of which it is not known what became of it, until it is."""
        end_s = time.monotonic() + SETTLE_TIMEOUT_S
        for wish in self.wishes:
            while wish.can_repeat and wish.is_open and time.monotonic() < end_s:
                self._charge(wish)
                if wish.is_open:
                    time.sleep(0.2)

    def ask_once_more(self) -> None:
        """For some cars that there were: the answers must be what the books say."""
        known = [each for each in self.wishes if each.can_repeat and each.told]
        for wish in self._rng.sample(known, min(LAST_QUESTIONS, len(known))):
            self._ask(wish, ENOUGH)

    # ------------------------------------------------------------------ what a driver does

    def _new_car(self) -> None:
        wish = self._draw_wish()
        self.wishes.append(wish)
        if wish.key and self._rng.random() < 0.25:
            self._twice_at_once(wish)
            if self._rng.random() < 0.5:
                self._charge(wish)  # while one balancer knows of one session and the other of another
        else:
            self._ask(wish, self._rng.choice((1, 3, ENOUGH, ENOUGH)))
        wish.is_given_up = wish.is_open and not self.is_calm and self._rng.random() < 0.4
        for _ in range(self._rng.choice((0, 0, 1, 1, 2))):
            self._come_back(wish)

    def _draw_wish(self) -> Wish:
        rng, vehicle_id = self._rng, f"{self.name}-car-{len(self.wishes)}"
        least_kw, most_kw = rng.choice(POWERS_KW)
        body: dict[str, Any] = {
            "vehicle_id": vehicle_id,
            "energy_kwh": round(10 ** rng.uniform(-2, 1), 3),
            "max_power_kw": most_kw,
            "min_power_kw": least_kw,
        }
        if rng.random() < 0.12:
            body["departure_time"] = (datetime.now(UTC) + timedelta(seconds=rng.uniform(3, 40))).isoformat()
        if rng.random() < 0.5:
            body["wait"] = True
            if rng.random() < 0.2:
                body["wait_until"] = (datetime.now(UTC) + timedelta(seconds=rng.uniform(1, 30))).isoformat()
        return Wish(vehicle_id, body, key=f"key-{vehicle_id}-{rng.getrandbits(32):x}" if rng.random() < 0.7 else "")

    def _ask(self, wish: Wish, times: int) -> None:
        for _ in range(times):
            self._charge(wish)
            if not wish.is_open or not wish.key:
                return
            time.sleep(self._rng.choice((0.0, 0.05, 0.3, 1.0)))

    def _twice_at_once(self, wish: Wish) -> None:
        gateways = [self._rng.choice(self._gateways) for _ in range(self._rng.randint(2, 3))]
        lags_s = [self._rng.choice((0.0, 0.0, 0.01, 0.5)) for _ in gateways]

        def ask(gateway: Process, lag_s: float) -> Call:
            time.sleep(lag_s)
            return self._send_charge(wish, gateway, PATIENCE_S)

        calls = list(self._pool.map(ask, gateways, lags_s))
        told = {each.told for each in calls} - {""}
        wish.told = min(told, default="")
        wish.is_open = len(told) != 1 or any(_is_open(each) for each in calls)

    def _come_back(self, wish: Wish) -> None:
        if wish.is_given_up:
            return
        (step,) = self._rng.choices((self._repeat, self._read, self._stop, self._misuse), (40, 20, 30, 10))
        step(wish)

    def _repeat(self, wish: Wish) -> None:
        if wish.can_repeat:
            self._charge(wish)

    def _misuse(self, wish: Wish) -> None:
        """Use the key of a car that has a session for another wish: it says no."""
        if wish.key and wish.told and not wish.is_open:
            body = {**wish.body, "energy_kwh": wish.body["energy_kwh"] + 1}
            self._send_charge(wish, self._rng.choice(self._gateways), PATIENCE_S, changed=body)

    def _read(self, wish: Wish) -> None:
        if wish.told:
            self._follow(wish, self._send(wish, "read"))

    def _stop(self, wish: Wish) -> None:
        """Until it is answered; if another session counts by now, that one."""
        for _ in range(3):
            if not wish.told or not self._follow(wish, self._send(wish, "stop")):
                return

    def _follow(self, wish: Wish, call: Call) -> bool:
        """Whether the record names another session in its place, which is the car's from now on.

        Of a car that waited and was moved, the record is that of its session now.
        """
        found = call.session or {}
        after = found.get("superseded_by")
        wish.told = str(after or found.get("session_id") or wish.told)
        return bool(after)

    # ------------------------------------------------------------------ calls

    def _charge(self, wish: Wish) -> None:
        is_impatient = not self.is_calm and self._rng.random() < 0.1
        patience_s = self._rng.uniform(0.2, 2.0) if is_impatient else PATIENCE_S
        call = self._send_charge(wish, self._rng.choice(self._gateways), patience_s)
        wish.key = wish.key or (call.answer_key if call.status == 504 else "")
        wish.told = call.told or wish.told
        wish.is_open = _is_open(call)

    def _send_charge(
        self, wish: Wish, gateway: Process, patience_s: float, changed: dict[str, Any] | None = None
    ) -> Call:
        body = changed or wish.body
        headers = {"Idempotency-Key": wish.key} if wish.key else {}
        begun_s = self._clock()
        reply, silence = _exchange(gateway, "POST", "/charge", patience_s, json=body, headers=headers)
        call = Call(
            self.name,
            "charge",
            gateway.folder.name,
            wish.vehicle_id,
            begun_s,
            self._clock(),
            silence,
            key=wish.key,
            answer_key=str(reply.headers.get("Idempotency-Key", "")) if reply else "",
            wanted=body,
            is_changed=changed is not None,
            **_understood(reply),
        )
        self._recorder.add(call)
        return call

    def _send(self, wish: Wish, operation: str) -> Call:
        gateway, begun_s = self._rng.choice(self._gateways), self._clock()
        method = "GET" if operation == "read" else "DELETE"
        query = "?wait_s=1" if operation == "read" and self._rng.random() < 0.3 else ""
        reply, silence = _exchange(gateway, method, f"/sessions/{wish.told}{query}", PATIENCE_S)
        call = Call(
            self.name,
            "read" if operation == "read" else "stop",
            gateway.folder.name,
            wish.vehicle_id,
            begun_s,
            self._clock(),
            silence,
            session_id=wish.told,
            **_understood(reply),
        )
        self._recorder.add(call)
        return call


def _is_open(call: Call) -> bool:
    """Whether a patient driver asks again: an answer must come, and say what there is."""
    return call.status not in (*PLACED, 422) and call.code != "no-capacity"


def _exchange(
    gateway: Process, method: str, path: str, patience_s: float, **options: Any
) -> tuple[Reply | None, Silence]:
    try:
        return gateway.call(method, path, timeout_s=patience_s, **options), ""
    except ConnectionRefusedError:
        return None, "refused"
    except TimeoutError:
        return None, "timeout"
    except OSError:
        return None, "broken"


def _understood(reply: Reply | None) -> dict[str, Any]:
    """What an answer says, as a Call has it. One that is no JSON says nothing but its status."""
    if reply is None:
        return {}
    try:
        body = reply.json()
    except ValueError:
        return {"status": reply.status, "code": "no JSON"}
    if reply.status < 300:
        return {"status": reply.status, "session": body}
    return {"status": reply.status, "code": str(body.get("code", ""))}
