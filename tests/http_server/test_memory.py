"""What has been dealt with is gone at once: reference cycles would keep bodies until the collector comes by."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from smartgrid.http_client.answer import AnswerParser, BrokenAnswerError
from smartgrid.http_server.request import RefusedError, RequestParser
from support.rough_server import ok


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"nonsense", b"G"])
def test_requests_leave_nothing_behind(raw: bytes) -> None:
    before = count(RequestParser)
    for _ in range(100):
        parser = RequestParser()
        try:
            parser.feed(raw)
            if parser.complete:
                parser.request()
        except RefusedError:
            pass
        parser.end()
    del parser
    assert count(RequestParser) - before <= 1


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("raw", [ok(), ok() + ok(), b"nonsense", b"HTTP/1.1 101 x\r\n\r\n", b"H"])
def test_answers_leave_nothing_behind(raw: bytes) -> None:
    before = count(AnswerParser)
    for _ in range(100):
        parser = AnswerParser()
        with suppress(BrokenAnswerError):
            parser.feed(raw)
        parser.end()
    del parser
    assert count(AnswerParser) - before <= 1


def count(kind: type) -> int:
    return sum(type(each) is kind for each in gc.get_objects())
