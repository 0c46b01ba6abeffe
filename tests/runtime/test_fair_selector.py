"""Whose turn it is in a turn of an event loop with more ready sockets than it can look after at once."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from smartgrid.runtime.fair_selector import LEAST_PATIENT, MOST_PATIENT, FairSelector

MANY = MOST_PATIENT * 3


@pytest.fixture
def selector() -> Iterator[FairSelector]:
    with FairSelector() as found:
        yield found


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Each with something to read at its first end."""
    with ExitStack() as stack:
        found = [socket.socketpair() for _ in range(MANY)]
        for one, other in found:
            stack.enter_context(one)
            stack.enter_context(other)
            other.send(b"x")
        yield found


def ready(selector: FairSelector, timeout: float | None = 0) -> list[int]:
    return [key.fd for key, _ in selector.select(timeout)]


def test_all_that_are_prompt_come_in_each_turn(
    selector: FairSelector, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    for one, _ in pairs:
        selector.register(one, selectors.EVENT_READ)
    assert len(ready(selector)) == MANY
    assert len(ready(selector)) == MANY


def test_of_the_patient_a_few_come_in_each_turn_and_in_the_end_every_one(
    selector: FairSelector, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    for one, _ in pairs:
        selector.register(one, selectors.EVENT_READ)
        selector.put_behind(one.fileno())
    turns = [ready(selector) for _ in range(MANY // MOST_PATIENT)]
    assert [len(turn) for turn in turns] == [MOST_PATIENT] * len(turns)
    assert {each for turn in turns for each in turn} == {one.fileno() for one, _ in pairs}


def test_fewer_of_the_patient_come_while_many_prompt_ones_are_ready_but_never_none(
    selector: FairSelector, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    patient = {one.fileno() for one, _ in pairs[:MOST_PATIENT]}
    for one, _ in pairs:
        selector.register(one, selectors.EVENT_READ)
        if one.fileno() in patient:
            selector.put_behind(one.fileno())
    found = ready(selector)
    assert len(patient.intersection(found)) == LEAST_PATIENT
    assert len(found) == MANY - MOST_PATIENT + LEAST_PATIENT


def test_a_patient_one_stays_so_when_it_is_not_listened_to_for_a_while(
    selector: FairSelector, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    for one, _ in pairs:
        selector.put_behind(one.fileno())
        selector.register(one, selectors.EVENT_READ)
        selector.unregister(one)
    assert ready(selector) == []
    for one, _ in pairs:
        selector.register(one, selectors.EVENT_READ)
    assert len(ready(selector)) == MOST_PATIENT


def test_whoever_gets_the_number_of_a_closed_one_is_prompt_again(
    selector: FairSelector, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    for one, _ in pairs:
        selector.register(one, selectors.EVENT_READ)
        selector.put_behind(one.fileno())
        selector.unregister(one)
        selector.forget(one.fileno())
        selector.register(one, selectors.EVENT_READ)
    assert len(ready(selector)) == MANY


def test_whoever_has_the_number_already_when_its_end_is_told_stays_and_is_prompt(
    selector: FairSelector, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    for one, _ in pairs:
        selector.put_behind(one.fileno())
        selector.register(one, selectors.EVENT_READ)
        selector.forget(one.fileno())
    assert len(ready(selector)) == MANY


def test_its_map_finds_by_file_and_by_number_as_asyncio_looks_for_either(selector: FairSelector) -> None:
    one, other = socket.socketpair()
    with one, other:
        key = selector.register(one, selectors.EVENT_READ)
        found = selector.get_map()
        assert found.get(one) is found.get(one.fileno()) is key
        assert found.get(other) is None
        assert list(found) == [one.fileno()]


def test_an_end_of_the_other_side_is_read_and_what_was_closed_is_never_told_of(
    selector: FairSelector, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    (gone, other), (closed, _), *_ = pairs
    for each in (gone, closed):
        selector.register(each, selectors.EVENT_READ)
        selector.put_behind(each.fileno())
    gone.recv(1)
    other.close()
    closed.close()
    assert [(key.fileobj, events) for key, events in selector.select(0)] == [(gone, selectors.EVENT_READ)]
    selector.unregister(gone)
    assert ready(selector) == []


def test_it_asks_only_for_what_it_was_told_to_and_says_what_is_wrong_as_selectors_do(selector: FairSelector) -> None:
    one, other = socket.socketpair()
    with one, other:
        selector.register(one, selectors.EVENT_READ, "reader")
        assert ready(selector) == []
        assert selector.modify(one, selectors.EVENT_WRITE, "writer").data == "writer"
        assert ready(selector) == [one.fileno()]
        selector.put_behind(one.fileno())
        assert selector.get_key(one).data == "writer"
        assert ready(selector) == [one.fileno()]
        with pytest.raises(KeyError):
            selector.register(one, selectors.EVENT_READ)
        selector.unregister(one)
        for wrong in (selector.unregister, selector.get_key, lambda each: selector.modify(each, selectors.EVENT_READ)):
            with pytest.raises(KeyError):
                wrong(one)


def test_an_event_loop_goes_on_with_it_and_closes_it() -> None:
    selector = FairSelector()
    loop = asyncio.SelectorEventLoop(selector)

    async def talk() -> bytes:
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        selector.put_behind(writer.get_extra_info("socket").fileno())
        sent = os.urandom(1 << 20)
        writer.write(sent)
        writer.write_eof()
        got = await reader.read()
        writer.close()
        server.close()
        return got if got != sent else b"the same"

    try:
        assert loop.run_until_complete(asyncio.wait_for(talk(), 30)) == b"the same"
    finally:
        loop.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
