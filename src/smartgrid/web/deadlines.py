"""Requests whose senders wait no longer are refused before anything is done for them.

A car that is admitted late has been asked for elsewhere by then, and would get a second session. A stop is done all the
same: whoever wanted a session ended wants it ended later too, and it frees power.
"""

from __future__ import annotations

import time

from flask import Flask, request

from smartgrid.http_server.wsgi import CAME_S
from smartgrid.protocol import deadlines
from smartgrid.protocol.headers import DEADLINE
from smartgrid.web.problems import ProblemError

CODE = "deadline-exceeded"
RETRY_AFTER = {"Retry-After": "1"}


def install(app: Flask) -> None:
    """Refuse what is late, of all that `app` is asked by other services."""
    app.before_request(_refuse_late)


def work_end_s() -> float:
    """Until when work for this request makes sense, on the monotonic clock; infinity where the sender does not say."""
    return _sender_end_s() - deadlines.ANSWER_WAY_S


def exceeded() -> ProblemError:
    """Nothing was done, and surely no car placed."""
    return ProblemError(503, CODE, "The time that was given for it is over; nothing was done.", headers=RETRY_AFTER)


def _refuse_late() -> None:
    if request.method != "DELETE" and time.monotonic() >= _sender_end_s():
        raise exceeded()


def _sender_end_s() -> float:
    environ = request.environ
    return deadlines.end_s(request.headers.get(DEADLINE), environ[CAME_S])
