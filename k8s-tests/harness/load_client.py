"""The load: runs in a pod of the cluster's network, with nothing but the standard library.

Charges cars at a steady rate whatever the answers are, stops some of them again and asks for others. Half of the
workers keep their connection, as a service does; half open one for each request, as new clients do.

A driver does what docs/protocol.md asks of clients: who is told to ask again later does so, and who does not know what
became of a request repeats it, with its key, until there is an answer or patience ends. All of that is noted: a test
may want that no one had to repeat. Every request is a line of JSON on stdout. It ends when the file STOP appears.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import queue
import random
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

STOP = Path("/tmp/stop")
REQUEST_TIMEOUT_S = 20.0
# How long a driver asks again.
PATIENCE_S = 45.0
REPEAT_PAUSE_S = 1.0
TOLD = ("session_id", "substation", "code", "detail")
AWAY = "substation-unavailable"
INTERRUPTIONS = ("outcome-unknown", "balancer-unavailable")
# How many cars of a hundred are stopped by their driver, or asked about, a little after they began.
STOPPED, ASKED = 30, 10
FAILED = 0  # the status where no answer came
# What a connection that was kept raises when the server closed it meanwhile. No answer was begun, so a client may send
# the request again on a new connection (RFC 9110, 9.2.2; the idempotency key makes it safe); every HTTP library does.
CLOSED_MEANWHILE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass
class Answer:
    """What came back, or that nothing did."""

    status: int
    content: dict[str, object]
    retry_after_s: float
    resent: int = 0
    at_s: float = field(default_factory=time.time)

    @property
    def is_postponed(self) -> bool:
        """Told to ask again later, as a substation is away."""
        return self.content.get("code") == AWAY

    @property
    def is_interruption(self) -> bool:
        """It is open what became of the car, or no one saw it."""
        return self.status == FAILED or self.content.get("code") in INTERRUPTIONS


class Client:
    """One worker's way to the gateway."""

    def __init__(self, host: str, port: int, keep: bool) -> None:
        self.host, self.port, self.keep = host, port, keep
        self.connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: dict[str, object] | None) -> list[Answer]:
        """Send a request, and repeat it until an answer will do or patience ends; the last answer counts."""
        end_s, answers = time.monotonic() + PATIENCE_S, []
        while True:
            last = self.send_or_fail(method, path, body)
            answers.append(last)
            will_do = not last.is_postponed and not last.is_interruption
            if will_do or time.monotonic() + last.retry_after_s > end_s:
                return answers
            time.sleep(last.retry_after_s)

    def send_or_fail(self, method: str, path: str, body: dict[str, object] | None) -> Answer:
        """Send a request; a connection that breaks is an answer too."""
        try:
            return self.send(method, path, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Answer(FAILED, {"code": type(error).__name__, "detail": str(error)}, REPEAT_PAUSE_S)

    def send(self, method: str, path: str, body: dict[str, object] | None) -> Answer:
        """Send a request; once more if the connection that was kept is no more."""
        kept = self.connection is not None
        try:
            return self._try(method, path, body)
        except CLOSED_MEANWHILE:
            self.close()
            if not kept:
                raise
            answer = self._try(method, path, body)
            answer.resent = 1
            return answer

    def _try(self, method: str, path: str, body: dict[str, object] | None) -> Answer:
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=REQUEST_TIMEOUT_S)
        headers = {} if self.keep else {"Connection": "close"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": str(body["vehicle_id"])}
        self.connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = self.connection.getresponse()
        content = json.loads(answer.read())
        if not self.keep or answer.will_close:
            self.close()
        return Answer(answer.status, content, float(answer.getheader("Retry-After", "1")))

    def close(self) -> None:
        """Use a new connection next time."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Load:
    """What is to be done, and by whom."""

    def __init__(self, host: str, port: int, rate: float, energy_kwh: float) -> None:
        self.host, self.port, self.rate, self.energy_kwh = host, port, rate, energy_kwh
        self.due: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self.lock = threading.Lock()
        self.timers: list[tuple[float, str, str]] = []

    def work(self, keep: bool) -> None:
        """Carry out requests until there are no more."""
        client = Client(self.host, self.port, keep)
        while (task := self.due.get()) is not None:
            self.carry_out(client, *task)
        client.close()

    def carry_out(self, client: Client, operation: str, subject: str) -> None:
        """Send one request and write down what came of it."""
        body: dict[str, object] | None = None
        method, path = {"stop": "DELETE", "ask": "GET"}.get(operation, "POST"), f"/sessions/{subject}"
        if operation == "charge":
            path, body = "/charge", {"vehicle_id": subject, "energy_kwh": self.energy_kwh, "max_power_kw": 11}
        line: dict[str, object] = {
            "operation": operation,
            "subject": subject,
            "sent_s": time.time(),
            "kept": client.keep,
        }
        answers = client.ask(method, path, body)
        last = answers[-1]
        line |= {name: last.content[name] for name in TOLD if name in last.content}
        line |= {"status": last.status, "answered_s": last.at_s, "first_answered_s": answers[0].at_s}
        line |= {
            "resent": sum(each.resent for each in answers),
            "postponed": sum(each.is_postponed for each in answers),
        }
        line |= {"interruptions": [str(each.content.get("code")) for each in answers if each.is_interruption]}
        self.write(line)
        if operation == "charge" and line["status"] == http.HTTPStatus.CREATED:
            self.plan(str(line["session_id"]))

    def plan(self, session_id: str) -> None:
        """Some drivers stop early, some look."""
        drawn = random.randrange(100)
        if drawn < STOPPED + ASKED:
            operation = "stop" if drawn < STOPPED else "ask"
            with self.lock:
                self.timers.append((time.monotonic() + random.uniform(0.5, 3), operation, session_id))

    def write(self, line: dict[str, object]) -> None:
        """One request, one line."""
        with self.lock:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def run(self, workers: int) -> None:
        """Hand out requests when they are due; at most one per worker is under way."""
        threads = [threading.Thread(target=self.work, args=(n % 2 == 0,)) for n in range(workers)]
        for thread in threads:
            thread.start()
        start_s, prefix = time.monotonic(), uuid.uuid4().hex[:8]
        for number in itertools.count():
            while (left_s := start_s + number / self.rate - time.monotonic()) > 0:
                time.sleep(min(left_s, 0.05))
            if STOP.exists():
                break
            self.due.put(("charge", f"{prefix}-{number}"))
            self.put_timers()
        for _ in threads:
            self.due.put(None)
        for thread in threads:
            thread.join()

    def put_timers(self) -> None:
        """Hand out the stops and questions that are due."""
        with self.lock:
            ready = [timer for timer in self.timers if timer[0] <= time.monotonic()]
            self.timers = [timer for timer in self.timers if timer not in ready]
        for _, operation, session_id in ready:
            self.due.put((operation, session_id))


if __name__ == "__main__":
    Load(os.environ["HOST"], int(os.environ["PORT"]), float(os.environ["RATE"]), float(os.environ["ENERGY_KWH"])).run(
        int(os.environ["WORKERS"])
    )
