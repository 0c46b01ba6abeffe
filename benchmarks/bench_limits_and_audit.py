"""CPU that a rate limit adds to a request, and a line of the audit: `python benchmarks/bench_limits_and_audit.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask, Response

from smartgrid.auth.scopes import GRID_READ
from smartgrid.gateway.rate_limits import RateLimits
from smartgrid.http_server.rate import MAX_KEYS, Limiter, Rate
from smartgrid.http_server.request import Request
from smartgrid.http_server.wsgi import answer, base_environ
from smartgrid.runtime.audit import Audit
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import metrics
from smartgrid.web.access import Guard, needs
from smartgrid.web.app import create_app, finish_app

ROUNDS, REQUESTS, TAKES, LINES = 7, 3000, 100_000, 5000
NO_LIMIT = Rate(1_000_000, 1.0, 1_000_000)
REQUEST = Request("GET", b"/looked-at", b"", "1.1", [(b"host", b"a")], b"", True)
BASE = base_environ(("127.0.0.1", 1), "127.0.0.1")


def application(*, limited: bool) -> Flask:
    registry = metrics.registry()
    app = create_app("gateway", Lifecycle(), registry)
    app.add_url_rule("/looked-at", view_func=needs(GRID_READ)(lambda: Response("{}")))
    guard = Guard()
    finish_app(app, "bench", guard)
    if limited:
        RateLimits(NO_LIMIT, (), registry).install(app, guard)
    return app


def cpu_us(times: int, work: Callable[[int], object]) -> float:
    begun_s = time.process_time()
    for index in range(times):
        work(index)
    return (time.process_time() - begun_s) / times * 1e6


def main() -> None:
    limiter = Limiter(NO_LIMIT)
    taken = cpu_us(TAKES, lambda index: limiter.take(index % (MAX_KEYS + 1), index * 1e-3))
    print(f"a look at one of {len(limiter)} callers, the oldest of whom is dropped: {taken:.1f} us")
    apps = {"without": application(limited=False), "with": application(limited=True)}
    best = dict.fromkeys(apps, float("inf"))
    for _ in range(ROUNDS):  # side by side, as the machine may be busy
        for name, app in apps.items():
            found = cpu_us(REQUESTS, lambda _, app=app: answer(app, BASE, REQUEST, keep_alive=True))
            best[name] = min(best[name], found)
    print(f"a request {best['without']:.1f} us without a limit, {best['with']:.1f} us with one and its headers")
    line = {"who": "x" * 22, "did": "charge", "to": {"session": "a" * 16}, "outcome": "done", "status": 201}
    with TemporaryDirectory() as folder:
        audit = Audit("gateway", str(Path(folder) / "audit"))
        begun_s = time.process_time()
        for index in range(LINES):
            audit.line(line)
            if not index % 20:
                time.sleep(0.001)
        audit.flush(10)
        used_us = (time.process_time() - begun_s) / LINES * 1e6
        print(f"a line of the audit {used_us:.1f} us, in both threads")


if __name__ == "__main__":
    main()
