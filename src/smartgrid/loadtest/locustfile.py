"""For Locust's own command and page: in the repository `.venv/bin/locust`, then http://127.0.0.1:8089.

Elsewhere: `locust -f` this file, or a locustfile of your own that imports `Driver`, alone or beside other users. The
cars are those of `smartgrid loadtest` in the same order, without end; how many users, how fast they come and for how
long is said to Locust as always. Its workers each send other cars.
"""

import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from locust import between, events, task

from smartgrid.loadtest.credential import credential_of
from smartgrid.loadtest.request import InLine
from smartgrid.loadtest.user import CarUser, Terms
from smartgrid.workload.ramp import request_of

CARS_OF_A_WORKER = 1_000_000


class Driver(CarUser):
    """Charges a car, thinks for some seconds, and comes with the next."""

    host = "http://127.0.0.1:8080"
    wait_time = between(1, 5)
    seed: ClassVar[int] = 1
    numbers: ClassVar[Iterator[int]] = itertools.count()

    @task
    def charge(self) -> None:
        answer = self.ask(request_of(self.seed, next(self.numbers)), datetime.now(UTC), uuid.uuid4().hex)
        if isinstance(answer.verdict, InLine):
            self.waits.spawn(self.follow, answer.verdict)


def add_options(parser: Any) -> None:
    parser.add_argument("--seed", type=int, default=1, help="The same seed makes the same cars in the same order.")
    parser.add_argument("--wait", type=float, default=0.0, help="Seconds for which cars wait where all is full.")
    parser.add_argument("--token-file", default="", help="The token of each request.", include_in_web_ui=False)


def begin(environment: Any, **_: object) -> None:
    """What was asked for, by options or on the page, holds for the run that starts."""
    options = environment.parsed_options
    credential = credential_of(Path(options.token_file) if options.token_file else None)
    Driver.seed, Driver.terms = options.seed, Terms(wait_s=options.wait or None, credential=credential)
    Driver.numbers = itertools.count(getattr(environment.runner, "worker_index", 0) * CARS_OF_A_WORKER)


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.test_start.add_listener(begin)  # type: ignore[no-untyped-call]
