"""Requests over one kept connection on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from smartgrid.http_client.answer import Answer, BrokenAnswerError
from smartgrid.http_client.async_client import AsyncClient
from support import loops
from support.rough_server import RoughServer, answers, ok, says, says_each, says_nothing, server

TIMEOUT_S = 20.0


def talk(rough: RoughServer, *requests: Callable[[AsyncClient], Awaitable[Answer]], **options: object) -> list[Answer]:
    """One request after the other, by one client."""

    async def run() -> list[Answer]:
        client = AsyncClient(rough.url, connect_timeout_s=5.0, **options)  # type: ignore[arg-type]
        try:
            return [await request(client) for request in requests]
        finally:
            client.close()
            await asyncio.sleep(0)

    return loops.run(run())


def get(client: AsyncClient) -> Awaitable[Answer]:
    return client.request("GET", "/offers?epoch=0", timeout_s=TIMEOUT_S)


def post(client: AsyncClient) -> Awaitable[Answer]:
    return client.request("POST", "/reports", body=b'{"a": 1}', headers={"Key": "k"}, timeout_s=TIMEOUT_S, resend=True)


def test_one_connection_carries_one_request_after_the_other() -> None:
    with server(answers(b"one", b"two")) as rough:
        found = talk(rough, get, post, extra_headers=lambda: {"Authorization": "Bearer t"})

    assert [answer.body for answer in found] == [b"one", b"two"]
    first, second = rough.requests
    assert first.startswith(b"GET /offers?epoch=0 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer t\r\n" in first
    assert b"Content-Length" not in first
    assert second.startswith(b"POST /reports HTTP/1.1\r\n")
    assert b"\r\nKey: k\r\n" in second
    assert second.endswith(b'\r\nContent-Length: 8\r\n\r\n{"a": 1}')


def test_a_kept_connection_that_was_closed_is_replaced_where_it_may_be_sent_twice() -> None:
    with server(says(ok(b"one")), answers(b"two")) as rough:
        found = talk(rough, post, post)

    assert [answer.body for answer in found] == [b"one", b"two"]


def test_a_new_connection_that_is_closed_is_not() -> None:
    with server(says(b"")) as rough, pytest.raises(ConnectionError):
        talk(rough, post)


def test_what_may_not_be_sent_twice_is_not() -> None:
    with server(says_each(ok(b"one"), b"")) as rough, pytest.raises(ConnectionError):
        talk(rough, get, get)

    assert len(rough.requests) == 2


def test_an_answer_that_does_not_come_is_given_up_and_its_connection_with_it() -> None:
    async def run(rough: RoughServer) -> Answer:
        client = AsyncClient(rough.url, connect_timeout_s=5.0)
        with pytest.raises(TimeoutError):
            await client.request("GET", "/", timeout_s=0.2)
        found = await get(client)
        client.close()
        return found

    with server(says_nothing, answers(b"two")) as rough:
        assert loops.run(run(rough)).body == b"two"


def test_an_answer_that_is_too_long_is_not_believed() -> None:
    with server(answers(b"x" * 200_000)) as rough, pytest.raises(BrokenAnswerError):
        talk(rough, get, max_answer_bytes=1000)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a\r\nX: y", {}),
        ("/a b", {}),
        ("/", {"Key": "a\r\nX: y"}),
        ("/", {"Key": "a\nX: y"}),
        ("/\0", {}),
    ],
)
def test_what_could_be_taken_for_another_header_is_not_sent(path: str, headers: dict[str, str]) -> None:
    with server() as rough, pytest.raises(ValueError, match="not sent"):
        talk(rough, lambda client: client.request("GET", path, timeout_s=TIMEOUT_S, headers=headers))

    assert rough.requests == []
