"""Who may be held, and who is answered at once."""

from __future__ import annotations

import pytest
from flask import Flask

from smartgrid.http_server.wsgi import MAY_WAIT
from smartgrid.web.long_polls import LongPolls


def answered(polls: LongPolls, may_wait: bool | None) -> str:
    environ = {} if may_wait is None else {MAY_WAIT: may_wait}
    with Flask(__name__).test_request_context(environ_overrides=environ):
        return polls.answer(lambda: "held", lambda: "at once")


@pytest.mark.parametrize(("may_wait", "found"), [(True, "held"), (None, "held"), (False, "at once")])
def test_only_who_has_the_place_of_a_long_poll_in_the_server_is_held(may_wait: bool | None, found: str) -> None:
    assert answered(LongPolls(1), may_wait) == found


def test_one_too_many_is_answered_at_once() -> None:
    polls, inner = LongPolls(1), []
    with Flask(__name__).test_request_context():
        polls.answer(lambda: inner.append(polls.answer(lambda: "held", lambda: "at once")), lambda: None)
    assert inner == ["at once"]
