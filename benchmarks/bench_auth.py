"""`make bench-auth`: what it costs to know a caller, by a token that was seen before and by a new one.

The same Flask application answers the same requests with and without a guard, in turns in one process, by its WSGI
interface: the difference is what the guard adds to a request. Beside it, what one look at the guard costs by itself,
and what a new token costs with each kind of key.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from flask import Flask, Response

from smartgrid.auth.authenticator import Authenticator
from smartgrid.auth.scopes import CHARGE_READ
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import metrics
from smartgrid.web.access import Guard, needs
from smartgrid.web.app import answer, create_app, finish_app
from support.tokens import SigningKey, claims, issuer, key_set

AIM_US = 5.0
ROUNDS = 15


def application(guard: Guard | None) -> Flask:
    app = create_app("bench", Lifecycle(), metrics.registry())

    @app.get("/thing")
    @needs(CHARGE_READ)
    def thing() -> Response:
        return answer({})

    return finish_app(app, "bench", guard)


def request(app: Flask, token: str) -> Callable[[], None]:
    from werkzeug.test import create_environ

    fixed = create_environ("/thing", headers={"Authorization": f"Bearer {token}"})

    def call() -> None:
        list(app.wsgi_app(dict(fixed), lambda *_: None))

    return call


def us_of(call: Callable[[], Any], times: int) -> float:
    begun_s = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begun_s) / times * 1e6


def in_turns(calls: dict[str, Callable[[], Any]], times: int) -> dict[str, float]:
    """The median of each call's CPU time in µs, over rounds in which each has its turn."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            found[name].append(us_of(call, times))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2000)
    times = parser.parse_args().times
    with TemporaryDirectory() as folder:
        path = Path(folder) / "keys.json"
        keys = {algorithm: SigningKey(algorithm, algorithm) for algorithm in ("EdDSA", "ES256", "RS256")}
        path.write_bytes(key_set(*keys.values()))
        authenticator = Authenticator([issuer(jwks=str(path))])
        authenticator.start()
        while authenticator.not_ready():
            time.sleep(0.01)
        token = keys["EdDSA"].sign(claims())
        open_to_all, guarded = application(None), application(Guard(authenticator))
        requests = in_turns(
            {"nothing asked": request(open_to_all, token), "known token": request(guarded, token)}, times
        )
        look_us = in_turns({"look": lambda: authenticator.principal(token)}, times)["look"]
        fresh = {name: [key.sign(claims(jti=str(n))) for n in range(200)] for name, key in keys.items()}

        def new(name: str) -> Callable[[], None]:
            def check() -> None:
                authenticator.forget()
                for each in fresh[name][:20]:
                    authenticator.principal(each)

            return check

        new_us = {name: us / 20 for name, us in in_turns({name: new(name) for name in keys}, 5).items()}
    added_us = requests["known token"] - requests["nothing asked"]
    print(f"a request where nothing is asked  {requests['nothing asked']:8.1f} µs")
    told = f"{requests['known token']:8.1f} µs, that is {added_us:+.1f}; aim below {AIM_US:g}"
    print(f"the same with a known token       {told}")
    print(f"the look at a known token alone   {look_us:8.2f} µs")
    for name, us in new_us.items():
        print(f"a new token signed with {name:<8}  {us:8.1f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
