"""How a balancer keeps up with its members: their statuses and their keys, by long polls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import formatdate

import pytest

from balancer.parts import Parts, parts_of
from smartgrid.balancer.discovery import Member
from smartgrid.balancer.telemetry import AT_ONCE, INTERVAL_S, JITTER, Telemetry
from smartgrid.protocol.keys import digest
from smartgrid.runtime.event_loop import EventLoop
from support.processes import wait_until
from support.scripted_substation import (
    Request,
    Response,
    ScriptedSubstation,
    ScriptedSubstations,
    answers,
    silence,
)

POLL_INTERVAL_S = 0.5
QUIET_S = 1.0


@dataclass
class Watched:
    stub: ScriptedSubstation
    parts: Parts
    telemetry: Telemetry

    def join(self) -> None:
        self.parts.fleet.join(Member(self.stub.name, self.stub.url))
        self.telemetry.follow()

    @property
    def keys(self) -> int:
        return len(self.parts.directory)

    def is_known(self) -> bool:
        substation = self.parts.fleet.substation("one")
        return substation is not None and substation.keys_known

    def load_kw(self) -> float | None:
        status = self.parts.fleet.status_of("one")
        return None if status is None else status.load_kw


@pytest.fixture
def watched() -> Iterator[Watched]:
    with ExitStack() as stack:
        stubs = stack.enter_context(ScriptedSubstations(["one"]))
        parts = stack.enter_context(parts_of([]))
        loop = stack.enter_context(EventLoop("telemetry"))
        yield Watched(stubs["one"], parts, Telemetry(loop, parts.fleet, parts.directory, POLL_INTERVAL_S))


def test_all_keys_are_read_before_the_member_counts_as_known(watched: Watched) -> None:
    for number in range(4500):
        watched.stub.put(f"key-{number}", (number + 1,))

    watched.join()

    wait_until(watched.is_known, 30, "its keys are read")
    assert watched.keys == 4500
    assert watched.parts.directory.holder(digest("key-17")) is not None
    assert watched.parts.fleet.not_seen() is None


def test_a_change_arrives_without_being_asked_for(watched: Watched) -> None:
    watched.join()
    wait_until(watched.is_known, 30, "it is known")

    watched.stub.set_load(40.0)
    session_id = watched.stub.put("key", (5,))

    wait_until(lambda: watched.load_kw() == 41.0, 30, "its status is seen")
    wait_until(lambda: watched.keys == 1, 30, "its key is known")
    watched.stub.end(session_id)
    wait_until(lambda: watched.load_kw() == 40.0, 30, "its end is seen")


def test_while_nothing_changes_nothing_is_sent(watched: Watched) -> None:
    watched.join()
    wait_until(lambda: len(watched.stub.asked("GET /status")) >= 2, 30, "a long poll is open")
    time.sleep(0.3)
    before = len(watched.stub.requests)

    time.sleep(QUIET_S)

    assert len(watched.stub.requests) == before


def test_a_burst_is_few_messages(watched: Watched) -> None:
    watched.join()
    wait_until(watched.is_known, 30, "it is known")
    before, begun_s = len(watched.stub.requests), time.monotonic()

    for number in range(300):
        watched.stub.put(f"key-{number}", (number + 1,))
    wait_until(lambda: watched.keys == 300, 30, "all keys are known")

    shortest_pause_s = INTERVAL_S * (1 - JITTER)
    assert len(watched.stub.requests) - before <= AT_ONCE + 3 + (time.monotonic() - begun_s) / shortest_pause_s


def test_what_a_cars_answer_has_told_is_not_asked_for_again(watched: Watched) -> None:
    """The poll names the revision that the fleet has, not the one that the last poll brought."""
    watched.join()
    wait_until(watched.is_known, 30, "it is known")
    watched.stub.set_load(40.0)
    wait_until(lambda: watched.load_kw() == 40.0, 30, "its status is seen")

    wait_until(
        lambda: watched.stub.requests[-1].query.get("since") == str(watched.stub.revision), 30, "the poll names it"
    )
    assert watched.stub.requests[-1].query["epoch"] == str(watched.stub.epoch)


def test_a_member_that_starts_again_is_read_from_the_beginning(watched: Watched) -> None:
    kept = watched.stub.put("kept", (5,))
    watched.join()
    wait_until(lambda: watched.keys == 1, 30, "its key is known")

    watched.stub.restart(without_file=True)
    watched.stub.put("new", (9,))

    wait_until(lambda: watched.parts.directory.holder(digest("new")) is not None, 30, "its new key is known")
    wait_until(lambda: watched.parts.directory.holder(digest("kept")) is None, 30, f"{kept} is gone with its file")


def test_a_member_that_is_gone_is_out_of_rotation_until_it_answers(watched: Watched) -> None:
    watched.join()
    wait_until(watched.is_known, 30, "it is known")

    watched.stub.vanish()
    wait_until(lambda: not watched.parts.fleet.is_in_rotation("one"), 30, "it is out of rotation")
    watched.stub.listen()

    wait_until(lambda: watched.parts.fleet.is_in_rotation("one"), 30, "it is back")


def test_one_that_let_a_car_down_is_asked_at_once(watched: Watched) -> None:
    watched.join()
    wait_until(lambda: len(watched.stub.asked("GET /status")) >= 2, 30, "a long poll is open")
    substation = watched.parts.fleet.substation("one")
    assert substation is not None
    watched.parts.fleet.unanswered(substation)

    watched.telemetry.check("one")

    wait_until(lambda: watched.parts.fleet.is_in_rotation("one"), 30, "its answer has put it back")


def test_a_member_that_leaves_is_asked_no_more(watched: Watched) -> None:
    watched.join()
    wait_until(watched.is_known, 30, "it is known")

    watched.parts.fleet.leave("one")
    watched.telemetry.follow()
    time.sleep(0.3)
    watched.stub.set_load(10.0)
    before = len(watched.stub.requests)
    time.sleep(QUIET_S)

    assert len(watched.stub.requests) == before


@pytest.mark.parametrize(
    "script",
    [
        answers(Response(500, {})),
        answers(Response(404, {})),
        answers(Response(200, {}, with_status=False)),
        answers(Response(200, raw=b"[1]")),
        answers(Response(200, raw=b"{")),
        answers(Response(200, {"keys": {"entries": [], "position": 0, "more": False, "reset": False}})),
    ],
    ids=["500", "404", "no status", "no object", "no JSON", "a new epoch without a reset"],
)
def test_a_member_whose_answers_cannot_be_gets_no_cars(watched: Watched, script: object) -> None:
    watched.stub.scripts["GET /status"] = script  # type: ignore[assignment]

    watched.join()

    wait_until(lambda: not watched.parts.fleet.is_in_rotation("one"), 30, "it is out of rotation")
    assert not watched.is_known()
    watched.stub.scripts.clear()
    wait_until(watched.is_known, 30, "it is known once it answers as it should")


async def interim(stub: ScriptedSubstation, request: Request) -> Response:
    """`103 Early Hints`, and then the answer."""
    response = await stub.do(request)
    response.prefix = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    return response


def test_an_interim_answer_is_passed_over(watched: Watched) -> None:
    watched.stub.scripts["GET /status"] = interim

    watched.join()

    wait_until(watched.is_known, 30, "its answer is taken")


def test_it_ends_while_polls_are_open() -> None:
    with ScriptedSubstations(["one"]) as stubs, parts_of([]) as parts:
        stubs["one"].scripts["GET /status"] = silence
        with EventLoop("telemetry") as loop:
            telemetry = Telemetry(loop, parts.fleet, parts.directory, POLL_INTERVAL_S)
            parts.fleet.join(Member("one", stubs["one"].url))
            telemetry.follow()
            wait_until(lambda: bool(stubs["one"].requests), 30, "a poll is open")
        telemetry.follow()  # no one needs to know any more


async def with_a_fast_clock(substation: ScriptedSubstation, request: Request) -> Response:
    """Its clock is 5 s ahead, as the `Date` of its answers shows."""
    response = await substation.do(request)
    response.headers["Date"] = formatdate(time.time() + 5, usegmt=True)
    return response


def test_a_clock_that_is_off_is_told_of_and_warned_about_once(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.stub.scripts["GET /status"] = with_a_fast_clock
    watched.join()
    wait_until(watched.is_known, 30, "it is known")

    for number in range(20):
        watched.stub.put(f"key-{number}", (number + 1,))
        wait_until(lambda: watched.keys == number + 1, 30, "another poll was answered")  # noqa: B023 - it is done here

    ((name, skew_s),) = watched.telemetry.clock_skews_s()
    assert name == "one"
    assert 4 <= skew_s <= 5
    assert sum("its clock and this one differ" in record.message for record in caplog.records) == 1
